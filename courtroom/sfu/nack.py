"""Which packets of a layer are missing, and when to ask for them again.

Rules
* A gap is asked for after ``REORDER_US`` and then again when an answer should have been here: every round trip and an
  eighth (a browser answers nothing twice within one), ``RETRY_US`` while that is unknown; at most ``MAX_TRIES`` times,
  sound only while it can still be played.
* What was asked for in vain so often will not come: ``forsaken`` is the newest of these, since whoever decodes pictures
  waits for it, up to three seconds (Chromium), unless a key frame comes instead.
* More than ``MAX_MISSING`` open gaps mean that the picture is lost: forget them all, the caller asks for a key frame.

RFC 4585 6.2.1.
"""

from __future__ import annotations

from typing import Final

REORDER_US: Final = 10_000
RETRY_US: Final = 60_000
LEAST_US: Final = 20_000
SPARE_US: Final = 5_000
MOST_US: Final = 500_000
MAX_TRIES: Final = 10
SOUND_US: Final = 400_000
MAX_MISSING: Final = 256


class Gaps:
    __slots__ = ("_keep_us", "_missing", "forsaken", "lost")

    def __init__(self, media: str = "video") -> None:
        self._missing: dict[int, tuple[int, int, int]] = {}  # index → (when to ask, how often asked, missed since)
        self._keep_us = SOUND_US if media == "audio" else 1 << 60
        self.lost = 0
        self.forsaken = -1

    def __contains__(self, index: int) -> bool:
        return index in self._missing

    def __len__(self) -> int:
        return len(self._missing)

    def skipped(self, first: int, end: int, now: int) -> bool:
        """``first … end-1`` were jumped over. False: too many, give up and ask for a key frame."""
        if end - first + len(self._missing) > MAX_MISSING:
            self.lost += end - first + len(self._missing)
            self._missing.clear()
            return False
        for index in range(first, end):
            self._missing[index] = (now + REORDER_US, 0, now)
        return True

    def give_up(self, count: int) -> None:
        """So many more, and all that are open, are not worth asking for."""
        self.lost += count + len(self._missing)
        self._missing.clear()

    def arrived(self, index: int) -> None:
        self._missing.pop(index, None)

    def due(self, now: int, round_trip_us: int = -1) -> list[int]:
        """Indexes to ask for now; each call counts as asking. ``round_trip_us`` −1 = unknown."""
        if not self._missing:
            return []
        pause = RETRY_US if round_trip_us < 0 else max(LEAST_US, min(round_trip_us * 9 // 8 + SPARE_US, MOST_US))
        asked: list[int] = []
        for index, (when, tries, since) in list(self._missing.items()):
            if when > now:
                continue
            if tries >= MAX_TRIES or now - since > self._keep_us:
                del self._missing[index]
                self.lost += 1
                self.forsaken = max(self.forsaken, index)
                continue
            self._missing[index] = (now + pause, tries + 1, since)
            asked.append(index)
        return asked
