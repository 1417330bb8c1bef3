"""Where notices leave the house, as it is set: the mail server, the gateway, and the secret shared with them.

Rules: the parsers raise ``ValueError`` on what they do not accept (``config`` makes the sentence of it); secrets never
show in a ``repr``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

MIN_SECRET: Final = 16
PORTS: Final = {"starttls": 587, "smtps": 465, "smtp": 25}
MAILBOX: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,190}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})(?:\.[A-Za-z0-9-]{1,63})*",
    re.ASCII,
)
"""An e-mail address as HTML takes it, which is a part of RFC 5322 that every server takes."""


@dataclass(frozen=True, slots=True)
class Post:
    """``smtp``: ``scheme://host:port``; '' = that way is not there."""

    smtp: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    webhook: str = field(default="", repr=False)  # its path or query may be a key
    secret: str = field(default="", repr=False)


def smtp(value: str) -> str:
    """``starttls://HOST[:PORT]``, ``smtps://…`` or ``smtp://…`` in lower case with its port."""
    if not value:
        return ""
    parts = urlsplit(value.lower())
    usual = PORTS.get(parts.scheme)
    bare = parts.path in ("", "/") and not parts.query and not parts.fragment and parts.username is None
    if usual is None or not bare or not parts.hostname or parts.port == 0:
        raise ValueError
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or usual}"


def mailbox(value: str) -> str:
    if value and MAILBOX.fullmatch(value) is None:
        raise ValueError
    return value


def webhook(value: str) -> str:
    if not value:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.fragment:
        raise ValueError
    return value


def secret(value: str) -> str:
    if value and (len(value) < MIN_SECRET or not value.isascii() or not value.isprintable() or " " in value):
        raise ValueError
    return value
