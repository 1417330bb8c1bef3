"""Asking publishers for key frames: often enough that somebody who waits gets one, never more.

Rules
* Receivers only express a wish; the server asks, and asks again every ``REPEAT_US`` until a key frame came.
* Wishes inside ``COALESCE_US`` after an answered request are one request: a burst of joins costs one key frame or two.

RFC 4585 6.3.1 (PLI).
"""

from __future__ import annotations

from typing import Final

COALESCE_US: Final = 250_000
REPEAT_US: Final = 400_000


class Demand:
    """The wish for a key frame of one layer."""

    __slots__ = ("_asked_at", "asked", "wanted")

    def __init__(self) -> None:
        self.wanted = False
        self.asked = 0  # since the last key frame
        self._asked_at = -(1 << 62)

    def wish(self) -> None:
        self.wanted = True

    def came(self, *, waiting: bool) -> None:
        """A key frame arrived; ``waiting``: there still is somebody it was not for."""
        self.wanted = waiting
        self.asked = 0

    def due(self, now: int) -> bool:
        """Whether to send a request now; True counts as sent."""
        if not self.wanted or now - self._asked_at < (REPEAT_US if self.asked else COALESCE_US):
            return False
        self._asked_at = now
        self.asked += 1
        return True
