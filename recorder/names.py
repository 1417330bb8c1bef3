"""Names of takes and segments, and nothing that could be a path.

A take's name comes from another process and a segment's from a folder somebody handed in: both are matched whole
against a closed pattern, so no name can climb out of its directory, hide (leading dot) or be a device.
"""

from __future__ import annotations

import re
from typing import Final

from courtroom.errors import BadMessage

_TAKE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_SEGMENT: Final = re.compile(r"seg-([0-9]{5})\.cap(\.part)?")
MAX_SEGMENTS: Final = 99_999
PART: Final = ".part"


def checked_take(name: str) -> str:
    """``name`` if it may be a directory's name, else ``BadMessage``."""
    if not _TAKE.fullmatch(name):
        raise BadMessage("take_name")
    return name


def segment_name(number: int) -> str:
    """``seg-00001.cap``: numbers start at 1 and keep five digits so that names sort by time."""
    if not 1 <= number <= MAX_SEGMENTS:
        raise BadMessage("segment_number")
    return f"seg-{number:05d}.cap"


def segment_number(name: str) -> int | None:
    """The number in a segment's file name, finished or ``.part``; ``None`` for every other name."""
    match = _SEGMENT.fullmatch(name)
    return int(match[1]) if match and int(match[1]) > 0 else None
