"""How much one address, one seat or one socket may ask: token buckets in bounded memory.

Rules: a bucket fills at ``rate`` a second up to ``burst``; at most ``MAX_KEYS`` buckets are kept and the one that was
used longest ago is forgotten first (it would be full again anyway, unless somebody has more addresses than we have
memory).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_KEYS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything the server bounds. Sizes in bytes, times in seconds."""

    json: int = 64 * 1024
    sdp: int = 64 * 1024
    message: int = 64 * 1024  # one Socket.IO packet
    body_s: float = 15.0  # a body must have come whole by then
    address: Rate = Rate(200, 1000)  # requests of one address: a whole courthouse may stand behind it
    seat: Rate = Rate(20, 60)  # HTTP requests of one seat
    socket: Rate = Rate(20, 40)  # commands of one socket
    secret: Rate = Rate(0.2, 10)  # wrong staff tokens of one address, wrong one-time codes of one seat
    waiting_commands: int = 16  # commands of one socket that are not answered yet
    sockets: int = 4000
    unseated_s: float = 10.0  # a socket that has not said who it is by then is closed
    ping_s: float = 2.0  # with the same time to answer, a silent socket is noticed in 4 s
    checks: int = 200  # device self-tests kept of one seat
    journal: Rate = Rate(1, 30)  # uploads of one seat's journal
    journal_entries: int = 40_000  # kept of one seat: about four days of a lively browser
    journal_chains: int = 200  # pages loaded by one seat
    attachment: Rate = Rate(0.1, 20)  # uploads of one seat
    attachment_read: Rate = Rate(1, 30)  # lists and downloads of one reader in one hearing
    attachment_s: float = 300.0  # an upload must have come whole by then
    attachments_at_once: int = 16  # uploads under way in the whole house


class Buckets:
    """``take(key)`` is True while ``key`` keeps within its rate."""

    __slots__ = ("_clock", "_left", "_rate")

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> bool:
        left = self._now(key)
        self._keep(key, left - 1 if left >= 1 else left)
        return left >= 1

    def empty(self, key: str) -> bool:
        """Whether ``take`` would say no; takes nothing."""
        return self._now(key) < 1

    def _now(self, key: str) -> float:
        left, at = self._left.get(key, (float(self._rate.burst), self._clock()))
        return min(float(self._rate.burst), left + (self._clock() - at) * self._rate.per_second)

    def _keep(self, key: str, left: float) -> None:
        self._left[key] = (left, self._clock())
        self._left.move_to_end(key)
        while len(self._left) > MAX_KEYS:
            self._left.popitem(last=False)

    def __len__(self) -> int:
        return len(self._left)
