"""How much of what one receiver was sent is lost, and how much of that is the radio's and not ours.

Rules
* Loss is counted over ``LOSS_US`` and weighed once enough was heard of; a change of the budget forgets the count.
* Loss that stayed as it was when less was sent is not ours; for ``REMEMBER_US`` only clearly more than that counts.
* A few dozen packets prove nothing: of a line that loses one in ten, one trial in seventeen shows less than half of it.

draft-ietf-rmcat-gcc-02 6 (loss as a signal). Loss is in permille, times µs of the court clock.
"""

from __future__ import annotations

from collections import deque
from math import isqrt
from typing import Final

LOSSY: Final = 80  # permille that is looked into
LOSS_US: Final = 2_000_000
LEAST_HEARD: Final = 40  # packets
MAX_COUNTS: Final = 512
TELLING: Final = 100  # packets, for a verdict
REMEMBER_US: Final = 60_000_000


class Losses:
    """``permille``: of the last second or so; ``spread``: what chance alone makes of that (one standard deviation)."""

    __slots__ = ("_came", "_counts", "_heard", "_lost", "_missed", "_random", "_random_at", "permille", "spread")

    def __init__(self) -> None:
        self.permille = self.spread = 0
        self._counts: deque[tuple[int, int, int]] = deque()  # when, came, lost
        self._came = self._lost = 0  # the sums of ``_counts``
        self._heard = self._missed = 0  # of all packets since the budget last changed
        self._random = 0
        self._random_at = -(1 << 62)

    def count(self, came: int, lost: int, now: int) -> None:
        if len(self._counts) == MAX_COUNTS:
            self.forget()  # nobody honest reports so often
        self._counts.append((now, came, lost))
        self._came += came
        self._lost += lost
        self._heard += came + lost
        self._missed += lost

    def weigh(self, now: int) -> bool:
        """Takes ``permille`` anew; whether it is worth looking into."""
        counts = self._counts
        while counts and now - counts[0][0] > LOSS_US:
            _, came, lost = counts.popleft()
            self._came -= came
            self._lost -= lost
        heard = self._came + self._lost
        if heard < LEAST_HEARD:
            return False
        self.permille = self._lost * 1000 // heard
        self.spread = isqrt(self.permille * (1000 - self.permille) // heard)
        return self.permille - self.spread >= LOSSY and now - counts[0][0] >= LOSS_US // 2

    def forget(self) -> None:
        """What was lost before a change of budget says nothing about the new one."""
        self._counts.clear()
        self._came = self._lost = self._heard = self._missed = 0

    @property
    def proven(self) -> int:
        """Permille since the budget last changed; −1 while too few packets tell of it."""
        return self._missed * 1000 // self._heard if self._heard >= TELLING else -1

    def usual(self, now: int) -> int:
        """Permille that the line loses whatever we send; 0 while that is unknown."""
        return self._random if now - self._random_at <= REMEMBER_US else 0

    def may_be_ours(self, loss: int, now: int) -> bool:
        usual = self.usual(now)
        return loss >= max(LOSSY, usual * 2 + 50 if usual else 0)

    def not_ours(self, loss: int, now: int) -> None:
        """``loss`` stayed although less was sent."""
        self._random, self._random_at = loss, now
