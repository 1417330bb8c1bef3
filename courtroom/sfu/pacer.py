"""Pictures to a receiver whose line is narrow: sent no faster than it carries, so that sound never stands behind them.

Rules
* Only while the receiver has a budget; otherwise nothing comes here. Sound, repeats and RTCP never do.
* While a queue on the line drains (``Downlink.draining``) nothing leaves.
* A packet leaves only if its place is still fed by what it was made for (``ticket``): a route that was taken away and a
  layer that was left take what waits here with them.
* The number and the time that the receiver's feedback speaks of are written when a packet really leaves.
* Bound: ``MOST_US`` worth of the budget, and ``LATE_US`` when it may go on after such a wait: what is longer is thrown
  away whole and the pictures begin anew, instead of being late for long.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from courtroom.sfu.downlink import Downlink
from courtroom.sfu.munger import restamp
from courtroom.sfu.sent import HEADERS

MOST_US: Final = 1_500_000
LATE_US: Final = 500_000
LEAST_QUEUE: Final = 32 * 1024
SAVED_US: Final = 40_000  # of budget that was not used may be used later


class Stream(Protocol):
    """One that packets wait here for; ``ticket`` is another one once it is fed by something else."""

    ticket: int

    def count(self, size: int, now: int) -> None: ...


class Pacer:
    """The waiting packets of one receiver."""

    __slots__ = ("_held", "_line", "_octets", "_queue", "_released_at", "_tokens")

    def __init__(self, line: Downlink) -> None:
        self._line = line
        self._queue: deque[tuple[Stream, int, bytes]] = deque()
        self._octets = 0
        self._tokens = 0  # octets that may leave now
        self._held = False  # by a queue that drains
        self._released_at = 0

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, place: Stream, data: bytes) -> None:
        self._queue.append((place, place.ticket, data))
        self._octets += len(data) + HEADERS

    def overfull(self, now: int) -> bool:
        if self._held and not self._line.draining(now):
            return self._octets > self._line.pace * LATE_US // 8_000_000
        return self._octets > max(LEAST_QUEUE, self._line.pace * MOST_US // 8_000_000)

    def clear(self) -> None:
        self._queue.clear()
        self._octets, self._held = 0, False

    def release(self, when: int, now: int, *, sound: int) -> list[bytes]:
        """What may leave now; ``sound`` is what bit/s are taken by what does not wait here."""
        pace = self._line.pace
        rate = max(pace - sound, pace // 4)
        passed, self._released_at = min(now - self._released_at, SAVED_US), now
        self._held = self._line.draining(now)
        if self._held:
            return []
        self._tokens = min(self._tokens + rate * passed // 8_000_000, rate * SAVED_US // 8_000_000)
        packets: list[bytes] = []
        while self._queue and self._tokens > 0:
            place, ticket, data = self._queue.popleft()
            self._octets -= len(data) + HEADERS
            if place.ticket != ticket:
                continue
            self._tokens -= len(data) + HEADERS
            place.count(len(data), now)
            packets.append(restamp(data, when, self._line.sent.note(len(data), now)))
        return packets
