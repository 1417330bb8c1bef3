"""First ClientHellos of addresses that have not passed a check yet, kept for a moment.

Rules
* Dropping them would cost an honest client a second: its hello may overtake its check. Afterwards none is needed: what
  an admitted address repeats is taken directly, so no flood can shut anybody out, it can only cost that second.
* One per address, ``MAX_PER_HOST`` per host (an IPv6 /64 is one), ``MAX_HELD`` in all, ``HOLD_US`` each.
* When all places are taken a random one is given away: with forged sources the oldest could be pushed out by sending
  ``MAX_HELD`` hellos, a random one only with a certainty that grows by 1/``MAX_HELD`` a datagram.

RFC 6347 4.2.4 (retransmission of a hello).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from courtroom.worker.limits import host_of

HOLD_US: Final = 2_000_000
MAX_HELD: Final = 512
MAX_PER_HOST: Final = 16


class Held:
    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random
        self._hellos: dict[bytes, tuple[int, bytes]] = {}
        self._order: list[bytes] = []  # the addresses of ``_hellos``, so that one can be drawn by its number
        self._hosts: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._hellos)

    def put(self, address: bytes, data: bytes, now: int) -> bool:
        """Keep it if it may be kept; False if that, or another one for it, had to be dropped."""
        host = host_of(address)
        if address in self._hellos or self._hosts.get(host, 0) >= MAX_PER_HOST:
            return False
        full = len(self._order) >= MAX_HELD
        if full:
            self._remove(int.from_bytes(self._random(4), "big") % MAX_HELD)
        self._hellos[address] = (now, data)
        self._order.append(address)
        self._hosts[host] = self._hosts.get(host, 0) + 1
        return not full

    def take(self, address: bytes, now: int) -> bytes | None:
        """What this address sent not long ago, and forget it."""
        if address not in self._hellos:
            return None
        at, data = self._hellos[address]
        self._remove(self._order.index(address))
        return data if now - at < HOLD_US else None

    def expire(self, now: int) -> None:
        for number in range(len(self._order) - 1, -1, -1):
            if now - self._hellos[self._order[number]][0] >= HOLD_US:
                self._remove(number)

    def _remove(self, number: int) -> None:
        address = self._order[number]
        self._order[number] = self._order[-1]
        self._order.pop()
        del self._hellos[address]
        host = host_of(address)
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]
