"""Who speaks: audio levels with hysteresis.

Rules: somebody begins to speak after ``BEGIN`` loud packets in a row of at most ``GAP`` quieter ones, and stops
``HOLD_US`` after the last loud one, so breath and commas do not flicker. Levels are −dBov, 0 loud to 127 silent.

RFC 6464 3.
"""

from __future__ import annotations

from typing import Final

LOUD: Final = 50
BEGIN: Final = 5
HOLD_US: Final = 800_000


class Voice:
    """One microphone."""

    __slots__ = ("_loud_at", "_score", "level", "speaking")

    def __init__(self) -> None:
        self.level = 127.0
        self.speaking = False
        self._score = 0
        self._loud_at = 0

    def heard(self, level: int, now: int) -> None:
        self.level += (level - self.level) * 0.1
        if level <= LOUD:
            self._loud_at = now
            self._score = min(self._score + 1, BEGIN)
            if self._score == BEGIN:
                self.speaking = True
        else:
            self._score = max(self._score - 1, 0)

    def tick(self, now: int) -> None:
        if self.speaking and now - self._loud_at > HOLD_US:
            self.speaking, self._score = False, 0
