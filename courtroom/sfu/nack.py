"""Which packets of a layer are missing, and when to ask for them again.

Rules
* A gap is asked for at once after ``REORDER_US`` and then every ``RETRY_US``, at most ``MAX_TRIES`` times.
* More than ``MAX_MISSING`` open gaps mean that the picture is lost: forget them all, the caller asks for a key frame.

RFC 4585 6.2.1.
"""

from __future__ import annotations

from typing import Final

REORDER_US: Final = 10_000
RETRY_US: Final = 60_000
MAX_TRIES: Final = 8
MAX_MISSING: Final = 256


class Gaps:
    __slots__ = ("_missing", "lost")

    def __init__(self) -> None:
        self._missing: dict[int, tuple[int, int]] = {}  # index → (when to ask, how often asked)
        self.lost = 0

    def __len__(self) -> int:
        return len(self._missing)

    def skipped(self, first: int, end: int, now: int) -> bool:
        """``first … end-1`` were jumped over. False: too many, give up and ask for a key frame."""
        if end - first + len(self._missing) > MAX_MISSING:
            self.lost += end - first + len(self._missing)
            self._missing.clear()
            return False
        for index in range(first, end):
            self._missing[index] = (now + REORDER_US, 0)
        return True

    def arrived(self, index: int) -> None:
        self._missing.pop(index, None)

    def due(self, now: int) -> list[int]:
        """Indexes to ask for now; each call counts as asking."""
        if not self._missing:
            return []
        asked: list[int] = []
        for index, (when, tries) in list(self._missing.items()):
            if when > now:
                continue
            if tries >= MAX_TRIES:
                del self._missing[index]
                self.lost += 1
                continue
            self._missing[index] = (now + RETRY_US, tries + 1)
            asked.append(index)
        return asked
