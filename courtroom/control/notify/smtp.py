"""Notices by e-mail (RFC 5321), with a delivery status notification asked for where the server offers it (RFC 3461).

Rules
* The server's 250 after the text says that the letter was handed over (``sent``) and no more; the Message-ID is the
  receipt. ``delivered`` comes from a delivery status notification (``dsn``) or from the reader's own press.
* STARTTLS is demanded where it is configured: a server that does not offer it gets no letter. Certificates are checked.
* The library blocks, so it runs in a thread with a time limit on every step; at most ``AT_ONCE`` at a time.
* Answers 4xx and a server that is not there mean "again later", 5xx mean "no".
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Final

from courtroom.control.notify.letter import Letter, Proof
from courtroom.errors import CourtroomError, Refused, Unavailable

STEP_S: Final = 20.0
AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class MailServer:
    """``security``: starttls | tls | none (a server on this machine or behind a private line)."""

    host: str
    port: int
    security: str
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)


class SmtpNotifier:
    """See ``letter.Notifier``."""

    channel = "email"

    def __init__(self, server: MailServer, step_s: float = STEP_S, trust: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._step_s = step_s
        self._trust = trust
        self._turns = asyncio.Semaphore(AT_ONCE)

    def reaches(self, letter: Letter) -> bool:
        return bool(letter.email)

    async def send(self, letter: Letter) -> Proof:
        async with self._turns:
            return await asyncio.to_thread(self._send, letter)

    async def close(self) -> None:
        """Every letter has a connection of its own: there is nothing to close."""

    # --- in a thread ------------------------------------------------------------------------------

    def _send(self, letter: Letter) -> Proof:
        try:
            return self._hand_over(letter)
        except smtplib.SMTPResponseException as error:
            raise _answered(error.smtp_code) from error
        except smtplib.SMTPNotSupportedError as error:
            raise Refused("smtp_not_supported") from error
        except (smtplib.SMTPException, OSError) as error:  # TimeoutError and ssl.SSLError are OSErrors
            raise Unavailable("smtp_unreachable") from error

    def _hand_over(self, letter: Letter) -> Proof:
        server, message = self._server, message_of(letter, self._server.sender)
        name = domain_of(server.sender)
        with self._connected(name) as smtp:
            if server.user:
                smtp.login(server.user, server.password)
            reports = smtp.has_extn("dsn")
            mail = ["RET=HDRS", f"ENVID={letter.id}"] if reports else []
            to = ["NOTIFY=SUCCESS,FAILURE"] if reports else []
            for code, _ in (smtp.mail(server.sender, mail), smtp.rcpt(letter.email, to)):
                if code not in (250, 251):
                    raise _answered(code)
            code, _ = smtp.data(message.as_bytes(policy=SMTP))
            if code != 250:
                raise _answered(code)
        return Proof("sent", f"250 {message['Message-ID']}")

    def _connected(self, name: str) -> smtplib.SMTP:
        server = self._server
        trust = self._trust or ssl.create_default_context()
        if server.security == "tls":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, local_hostname=name, timeout=self._step_s, context=trust
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, local_hostname=name, timeout=self._step_s)
        try:
            smtp.ehlo()
            if server.security == "starttls":
                smtp.starttls(context=trust)
                smtp.ehlo()
        except BaseException:
            smtp.close()
            raise
        return smtp


def message_of(letter: Letter, sender: str) -> EmailMessage:
    """The letter as a message; nothing in its headers but what every mail server may see anyway."""
    message = EmailMessage(policy=SMTP)
    user, _, domain = sender.rpartition("@")
    message["From"] = Address(letter.court, user, domain)
    message["To"] = letter.email
    message["Subject"] = letter.subject
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = f"<{letter.id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice comes back
    message.set_content(letter.body)
    return message


def domain_of(address: str) -> str:
    return address.rpartition("@")[2]


def _answered(code: int) -> CourtroomError:
    return Unavailable(f"smtp_{code}") if 400 <= code < 500 else Refused(f"smtp_{code}")
