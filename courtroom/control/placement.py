"""Which media worker a hearing goes to, and when none may take another: by what the workers say of themselves.

Rules
* Once a second a worker tells its share of a core (``cpu_permille``) and its worst loop lag. The share is smoothed; a
  hearing that has just moved in counts ``NEWCOMER`` until its packets show in the measurement (``SETTLES_US``).
* The least expected load wins. A hearing never moves while its worker lives, and all of its rooms are on one worker.
* A worker is full after ``FULL_AFTER`` bad seconds in a row and no longer after ``CALM_AFTER`` calm ones. When all are
  full a new hearing is refused (``media_overloaded``): those that run go before those that begin. A hearing whose
  worker died is running: it gets the least loaded one even then.

Pure: no clock, no process. ``now`` is µs of the court clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, TypeVar

from courtroom.errors import Unavailable

FULL_CPU: Final = 850  # permille of one core; above it queues grow faster than the loop empties them
CALM_CPU: Final = 700
FULL_LAG_US: Final = 250_000
CALM_LAG_US: Final = 100_000
FULL_AFTER: Final = 4
CALM_AFTER: Final = 6
NEWCOMER: Final = 120  # nine seats seeing each other, measured: 100 to 140 permille
SETTLES_US: Final = 20_000_000
MAX_NEWCOMERS: Final = 64

T = TypeVar("T")


class Gauge:
    """How loaded one worker is."""

    __slots__ = ("_calm", "_hot", "_newcomers", "cpu", "full")

    def __init__(self) -> None:
        self.cpu = 0
        self.full = False
        self._hot = self._calm = 0
        self._newcomers: deque[int] = deque(maxlen=MAX_NEWCOMERS)

    def report(self, cpu_permille: int, lag_us: int) -> None:
        """The worker's last second."""
        self.cpu += (cpu_permille - self.cpu) // 3 or (cpu_permille > self.cpu) - (cpu_permille < self.cpu)
        hot = cpu_permille >= FULL_CPU or lag_us >= FULL_LAG_US
        calm = cpu_permille < CALM_CPU and lag_us < CALM_LAG_US
        self._hot = self._hot + 1 if hot else 0
        self._calm = self._calm + 1 if calm else 0
        if self._hot >= FULL_AFTER:
            self.full = True
        elif self._calm >= CALM_AFTER:
            self.full = False

    def took_in(self, now: int) -> None:
        self._newcomers.append(now)

    def expected(self, now: int) -> int:
        """Permille of a core: what is measured and what is on its way."""
        while self._newcomers and now - self._newcomers[0] >= SETTLES_US:
            self._newcomers.popleft()
        return self.cpu + NEWCOMER * len(self._newcomers)


def choose(workers: Sequence[tuple[T, Gauge]], now: int, *, running: bool) -> T:
    """The worker for one more hearing out of those that are up, in a fixed order; ``running``: it lost its worker."""
    if not workers:
        raise Unavailable("media_unavailable")
    candidates = [one for one in workers if not one[1].full]
    if not candidates and not running:
        raise Unavailable("media_overloaded")
    chosen, gauge = min(candidates or workers, key=lambda one: one[1].expected(now))
    gauge.took_in(now)
    return chosen
