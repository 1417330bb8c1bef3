"""Notices by the court's own gateway (short message, app, public platform): one signed HTTP request a letter.

Rules
* ``POST`` of JSON with ``Courtroom-Signature`` (``signature``) and ``Idempotency-Key``, the same key at every attempt.
* 202 says that the gateway took it on (``sent``; its report comes later, signed the same way); any other 2xx says that
  the person has it (``delivered``). 408, 425, 429 and 5xx mean "again later"; everything else means "no".
* No redirect is followed: whoever answers the configured address cannot send our letters, or our requests, elsewhere.
* The answer is read no further than its status.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Final

import aiohttp

from courtroom.control.notify.letter import Letter, Proof
from courtroom.control.notify.signature import HEADER, sign
from courtroom.errors import Refused, Unavailable

LIMIT_S: Final = 15.0
AT_ONCE: Final = 8
AGAIN: Final = frozenset({408, 425, 429})


class WebhookNotifier:
    """See ``letter.Notifier``."""

    channel = "webhook"

    def __init__(
        self, url: str, secret: str, limit_s: float = LIMIT_S, now: Callable[[], float] = time.time
    ) -> None:  # fmt: skip
        self._url = url
        self._secret = secret
        self._limit_s = limit_s
        self._now = now
        self._client: aiohttp.ClientSession | None = None

    def reaches(self, letter: Letter) -> bool:
        return bool(letter.phone or letter.email)

    async def send(self, letter: Letter) -> Proof:
        body = content(letter)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": letter.id,
            HEADER: sign(self._secret, int(self._now()), body),
        }
        try:
            async with self._session().post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable("webhook_unreachable") from error
        if 200 <= status < 300:
            return Proof("sent" if status == 202 else "delivered", f"http {status}")
        if status >= 500 or status in AGAIN:
            raise Unavailable(f"webhook_{status}")
        raise Refused(f"webhook_{status}")

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._limit_s),
                connector=aiohttp.TCPConnector(limit=AT_ONCE),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._client


def content(letter: Letter) -> bytes:
    """What the gateway gets."""
    return json.dumps(
        {
            "id": letter.id,
            "step": letter.step,
            "to": {"phone": letter.phone, "email": letter.email},
            "subject": letter.subject,
            "text": letter.body,
            "link": letter.link,
        },
        ensure_ascii=False,
    ).encode()
