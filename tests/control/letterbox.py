"""Where letters of the tests arrive: a real SMTP server and a real HTTP gateway, both on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Box:
    """What an SMTP server of aiosmtpd was handed; ``answers`` are given before it accepts."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.answers: list[str] = []
        self.came = asyncio.Event()
        self.port = 0
        self.offers: list[str] = []
        self.transports: list[asyncio.WriteTransport] = []

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], *self.offers, responses[-1]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        content = envelope.original_content
        assert content is not None
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        self.envelopes.append(envelope)
        self.mails.append(message)
        self.came.set()
        return "250 2.0.0 taken"


class Server(SMTP):
    """Keeps its transports, so that they can be closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.event_handler.transports.append(transport)
        super().connection_made(transport)


class Reporting(Server):
    """A server that offers delivery status notifications (RFC 3461)."""

    async def smtp_MAIL(self, arg: str | None) -> None:
        self.asked = [word for word in (arg or "").split() if word.startswith(("RET=", "ENVID="))]
        await super().smtp_MAIL(" ".join(word for word in (arg or "").split() if word not in self.asked))

    async def smtp_RCPT(self, arg: str | None) -> None:
        notify = [word for word in (arg or "").split() if word.startswith("NOTIFY=")]
        await super().smtp_RCPT(" ".join(word for word in (arg or "").split() if word not in notify))
        self.envelope.mail_options.extend(self.asked)
        self.envelope.rcpt_options.extend(notify)


@asynccontextmanager
async def smtp_server(
    *, dsn: bool = False, tls: ssl.SSLContext | None = None, user: str = "", password: str = ""
) -> AsyncIterator[Box]:
    box = Box()
    box.offers = ["250-DSN"] if dsn else []

    def right(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        matches = (given.login, given.password) == (user.encode(), password.encode())
        return AuthResult(success=matches, handled=False)

    kind = Reporting if dsn else Server
    options: dict[str, Any] = {"enable_SMTPUTF8": False, "loop": asyncio.get_running_loop()}
    if tls is not None:
        options |= {"tls_context": tls, "require_starttls": True}
    if user:
        options |= {"authenticator": right, "auth_required": True, "auth_require_tls": tls is not None}
    server = await asyncio.get_running_loop().create_server(lambda: kind(box, **options), "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        for transport in box.transports:  # the library forgets the plain transport under a TLS one
            transport.abort()
        for _ in range(5):
            await asyncio.sleep(0)


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for 127.0.0.1, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


@dataclass
class Gateway:
    """A notice gateway: answers with ``statuses`` in turn, then with 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    made = Gateway()

    async def take(request: web.Request) -> web.Response:
        made.requests.append((dict(request.headers), await request.read()))
        made.came.set()
        status = made.statuses.pop(0) if made.statuses else 200
        headers = {"Location": "/elsewhere"} if 300 <= status < 400 else {}
        return web.Response(status=status, headers=headers)

    async def elsewhere(request: web.Request) -> web.Response:
        made.elsewhere.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_post("/notices", take)
    app.router.add_route("*", "/elsewhere", elsewhere)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/notices"
        yield made
    finally:
        await runner.cleanup()
