"""How long packets wait on one receiver's way, and how fast they come out: a standing queue told from a longer way.

Rules
* Delay beyond the smallest of the last half minute that stays for ``STANDING_FOR_US`` is a queue that we fill; one that
  grows from message to message is known after the second.
* A queue that stands as it stood although far less is sent than the line then carried is none: the way has become
  longer (another cell, another route), and the delay is measured from there.
* When the receiver's clock jumps everything begins anew.

RFC 6817 2 (base delay), RFC 8289 3 (standing queue). Delays are differences of two clocks: only their changes mean
anything. Rates are bit/s with headers, times µs.
"""

from __future__ import annotations

from collections import deque
from typing import Final

STANDING_US: Final = 60_000
STANDING_FOR_US: Final = 220_000  # a queue that is empty once in this time is a burst, or a computer that was busy
RISE_US: Final = 10_000  # between two messages; a way that has become longer does not go on growing
AS_IT_STOOD: Final = (70, 115)  # percent of the standing delay at the first cut
FAR_LESS: Final = 60  # percent of what arrived then
FURTHER_US: Final = 20_000_000  # once in this time a way may become longer
WINDOW_US: Final = 500_000
RECENT_US: Final = 220_000
BASE_US: Final = 5_000_000
BASES: Final = 6
JUMP_US: Final = 10_000_000
FEW_US: Final = 50_000  # over less than this no rate can be told


class Delay:
    """One line. ``standing`` is the queue that we keep filled; ``lowest`` and ``excess`` are of the last message: the
    smallest delay of late, and how much of its own was queue. All in µs. ``growing``: a queue that was there in the
    message before and is longer now."""

    __slots__ = (
        "_base", "_bases", "_bases_at", "_further_at", "_stood", "_window", "excess", "growing", "lowest", "standing",
    )  # fmt: skip

    def __init__(self) -> None:
        self.standing = self.lowest = self.excess = 0
        self.growing = False
        self._window: deque[tuple[int, int, int]] = deque(maxlen=64)  # arrival, octets, delay
        self._bases: deque[int] = deque(maxlen=BASES)
        self._bases_at = 0
        self._base = 1 << 62
        self._stood = (0, 0)  # the delay that stood when it was first cut, and what arrived then
        self._further_at = -FURTHER_US

    def arrived(self, last: int, octets: int, delay: int, now: int) -> None:
        """One feedback message: the last arrival in it, what came, and the smallest delay."""
        window = self._window
        window.append((last, octets, delay))
        if len(window) > 1 and not 0 <= last - window[-2][0] < JUMP_US:
            newest = window[-1]
            window.clear()
            window.append(newest)
            self._bases.clear()
            self._base = 1 << 62
        while last - window[0][0] > WINDOW_US:
            window.popleft()
        self._rebase(delay, now)
        base = lowest = self._base
        if delay != base:
            lowest = delay
            for at, _, one in reversed(window):
                if last - at > STANDING_FOR_US:
                    break
                lowest = min(lowest, one)
        self.growing = STANDING_US <= self.excess <= delay - base - RISE_US
        self.lowest, self.excess, self.standing = lowest, delay - base, lowest - base
        if self.standing < STANDING_US:
            self._stood = (0, 0)

    def _rebase(self, delay: int, now: int) -> None:
        if not self._bases or now - self._bases_at >= BASE_US:
            self._bases_at = now
            self._bases.append(delay)
            self._base = min(self._bases)
        if delay < self._base:
            self._base = self._bases[-1] = delay
        elif delay < self._bases[-1]:
            self._bases[-1] = delay

    def rate(self, unknown: int, within: int = WINDOW_US) -> int:
        """What arrived lately, bit/s; ``unknown`` when that cannot be told."""
        window = self._window
        recent = [one for one in window if window[-1][0] - one[0] <= within]
        span = recent[-1][0] - recent[0][0] if recent else 0
        if span < FEW_US:
            return unknown
        return sum(one[1] for one in recent[1:]) * 8 * 1_000_000 // span

    def shrinking(self, delay: int) -> bool:
        """Whether ``delay`` is shorter than it was a moment ago."""
        window = self._window
        earlier = [one[2] for one in window if 200_000 <= window[-1][0] - one[0] <= 400_000]
        return bool(earlier) and delay < max(earlier)

    def cut(self, rate: int) -> None:
        """The queue that stands is being cut, ``rate`` arriving: what later ones are compared with."""
        if not self._stood[0]:
            self._stood = (self.standing, rate)

    def in_vain(self, arriving: int, now: int) -> bool:
        """Whether the delay stands as it did at the first cut, although far less is sent than the line carried then."""
        stood, rate = self._stood
        low, high = AS_IT_STOOD
        as_it_stood = stood * low <= self.standing * 100 <= stood * high
        far_less = arriving * 100 <= rate * FAR_LESS
        return stood > 0 and as_it_stood and far_less and now - self._further_at >= FURTHER_US

    def further(self, now: int) -> None:
        """The way itself takes ``lowest`` now."""
        self._bases.clear()
        self._bases.append(self.lowest)
        self._base, self._bases_at, self._further_at = self.lowest, now, now
        self.standing, self._stood = 0, (0, 0)
