"""How much anybody may cost us: the unknown by their address, members by what they prove to have sent.

Rules
* ``Strangers``: the key is the host without its port (a flood can choose ports); at most ``MAX_HOSTS`` are remembered,
  the one unused longest is forgotten first. A whole courthouse behind one address fits into one bucket.
* ``Budget``: a member's media, wide enough for a camera, a screen and a probe at once; the surplus is dropped, so a
  flood in one room leaves the loop to the others.
* ``Bucket``: checks and DTLS records from an admitted address, before anything of them is believed.
* ``Seen``: checks that were used before.
"""

from __future__ import annotations

from typing import Final

from courtroom.worker.stun import MIN_IPV6

RATE: Final = 1000  # datagrams a second
BURST: Final = 2000
MAX_HOSTS: Final = 4096


def host_of(address: bytes) -> bytes:
    """Who a raw address counts as; in IPv6 one /64 is one host."""
    return address[4:8] if len(address) < MIN_IPV6 else address[8:16]


class Strangers:
    def __init__(self) -> None:
        self._hosts: dict[bytes, tuple[float, int]] = {}  # host → (tokens, when); in order of last use

    def allow(self, address: bytes, now: int) -> bool:
        """Whether one more datagram from this raw ``sockaddr`` may be looked at."""
        host = host_of(address)
        tokens, at = self._hosts.pop(host, (float(BURST), now))
        tokens = min(float(BURST), tokens + (now - at) * RATE / 1_000_000)
        allowed = tokens >= 1
        if len(self._hosts) >= MAX_HOSTS:
            del self._hosts[next(iter(self._hosts))]
        self._hosts[host] = (tokens - 1 if allowed else tokens, now)
        return allowed


PACKET: Final = 500  # what a packet costs beside its octets
MEDIA_RATE: Final = 2_250_000  # a second: 12 Mbit/s in packets of 1200 octets, or 3700 packets of 100
MEDIA_BURST: Final = 1_125_000
RTCP_WEIGHT: Final = 4  # a power of two: one octet of RTCP can make as much work as sixteen of a picture


class Budget:
    """What one member's authenticated packets may cost: octets and ``PACKET`` for each.

    The hot path takes its cost out of ``left`` and asks ``earns`` only when that is used up, so the clock is looked at
    twice a second and not for each packet. Only authenticated packets are charged: who forges an address cannot use up
    the budget of its owner.
    """

    __slots__ = ("_at", "left")

    def __init__(self) -> None:
        self.left = MEDIA_BURST
        self._at = 0

    def earns(self, cost: int, now: int) -> bool:
        """``left`` has fallen below zero by ``cost``: whether time has paid for it. If not the cost is given back."""
        earned = min(MEDIA_BURST, (now - self._at) * MEDIA_RATE // 1_000_000)
        self._at = now
        self.left += earned
        if self.left >= 0:
            return True
        self.left += cost
        return False


class Bucket:
    """``rate`` a second, ``burst`` at once."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: int, burst: int) -> None:
        self._rate = rate
        self._burst = self._tokens = burst * 1_000_000
        self._at = 0

    def allow(self, now: int) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1_000_000:
            return False
        self._tokens -= 1_000_000
        return True


_BITS: Final = 1 << 16
GENERATION: Final = 4096


class Seen:
    """Which transaction ids were used before, in 16 kB: a Bloom filter of two generations of ``GENERATION`` ids.

    Ids that are not random fool it; they are authenticated, so who sends them fools himself. Of new ids one in four
    hundred at worst is taken for a known one, which costs a client one repetition.
    """

    __slots__ = ("_count", "_new", "_old")

    def __init__(self) -> None:
        self._new = bytearray(_BITS // 8)
        self._old = bytearray(_BITS // 8)
        self._count = 0

    def __contains__(self, transaction: bytes) -> bool:
        bits = _bits_of(transaction)
        return any(all(bank[bit >> 3] >> (bit & 7) & 1 for bit in bits) for bank in (self._new, self._old))

    def add(self, transaction: bytes) -> None:
        if transaction in self:
            return
        if self._count == GENERATION:
            self._old, self._new, self._count = self._new, bytearray(_BITS // 8), 0
        for bit in _bits_of(transaction):
            self._new[bit >> 3] |= 1 << (bit & 7)
        self._count += 1


def _bits_of(transaction: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(transaction[at : at + 2], "big") for at in (0, 2, 4, 6))
