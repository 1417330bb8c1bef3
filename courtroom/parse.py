"""What each setting accepts: its words at the shell turned into a value, or ``ValueError``; nothing is guessed.

A function here judges one word alone; what two settings must be to each other is said in ``config``.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

MAX_WORKERS: Final = 64
MIN_STAFF_TOKEN: Final = 16
MIN_TURN_SECRET: Final = 16
ARCHIVE_SIZES: Final = ("720p", "1080p")

_TURN: Final = re.compile(
    r"(?P<scheme>turns?):(?P<host>[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])"
    r"(?::(?P<port>\d{1,5}))?(?:\?transport=(?P<transport>udp|tcp))?",
    re.ASCII,
)
_BUCKET: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()-]+)*/?", re.ASCII)


def port(value: str) -> int:
    number = int(value)
    if not 0 <= number <= 65535:
        raise ValueError
    return number


def workers(value: str) -> int:
    number = int(value)
    if not 0 <= number <= MAX_WORKERS:
        raise ValueError
    return number


def address(value: str) -> str:
    return str(ipaddress.ip_address(value))


def host(value: str) -> str:
    if not value or any(character.isspace() or character in "/@?#" for character in value):
        raise ValueError
    return value


def origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
        raise ValueError
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError
    return f"{parts.scheme}://{parts.netloc.lower()}"


def optional_origin(value: str) -> str:
    return origin(value) if value else ""


def database(value: str) -> str:
    # PostgreSQL has no adapter yet: better no start than a court that believes it is clustered
    if value and not value.startswith("sqlite+aiosqlite:///"):
        raise ValueError
    return value


def nothing(value: str) -> str:
    if value:
        raise ValueError
    return value


def staff_token(value: str) -> str:
    if value and (len(value) < MIN_STAFF_TOKEN or not value.isascii() or not value.isprintable() or " " in value):
        raise ValueError
    return value


def turn_url(value: str) -> str:
    """A TURN URI (RFC 7065) of the forms browsers take, in lower case."""
    match = _TURN.fullmatch(value.lower())
    if match is None or (match["port"] and not 0 < int(match["port"]) <= 65535):
        raise ValueError
    if match["scheme"] == "turns" and match["transport"] == "udp":
        raise ValueError  # DTLS to the relay: no browser speaks it
    return match[0]


def turn_secret_text(value: str) -> str:
    if value and (len(value) < MIN_TURN_SECRET or not value.isascii() or not value.isprintable() or " " in value):
        raise ValueError
    return value


def readable(value: str) -> str:
    """The first line of a file of secrets; '' when none is named."""
    if not value:
        return ""
    try:
        lines = Path(value).expanduser().read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError from error
    return lines[0].strip() if lines else ""


def yes(value: str) -> bool:
    match value.strip().lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "" | "0" | "false" | "no" | "off":
            return False
        case _:
            raise ValueError


def second_copy(value: str) -> str:
    """'' | ``s3://bucket[/prefix]`` | a directory."""
    if not value:
        return ""
    if "://" not in value:
        return str(Path(value).expanduser().absolute())
    if _BUCKET.fullmatch(value) is None:
        raise ValueError
    return value


def place_name(value: str) -> str:
    if not value or len(value) > 64 or not value.isprintable() or "/" in value:
        raise ValueError
    return value


def tsa_url(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None):
        raise ValueError
    return value


def archive_size(value: str) -> str:
    if value not in ARCHIVE_SIZES:
        raise ValueError
    return value


def font(value: str) -> Path | None:
    if not value:
        return None
    path = Path(value).expanduser()
    if not path.is_file():
        raise ValueError
    return path


def directory(value: str) -> Path:
    if not value:
        raise ValueError
    return Path(value).expanduser().absolute()
