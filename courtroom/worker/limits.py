"""How much the unknown may cost us: a bucket per address for everything that is not authenticated yet.

Rules: the key is the host without its port (a flood can choose ports); at most ``MAX_HOSTS`` are remembered, the one
unused longest is forgotten first. A whole courthouse behind one address fits into one bucket.
"""

from __future__ import annotations

from typing import Final

RATE: Final = 1000  # datagrams a second
BURST: Final = 2000
MAX_HOSTS: Final = 4096


class Strangers:
    def __init__(self) -> None:
        self._hosts: dict[bytes, tuple[float, int]] = {}  # host → (tokens, when); in order of last use

    def allow(self, address: bytes, now: int) -> bool:
        """Whether one more datagram from this raw ``sockaddr`` may be looked at."""
        host = address[4:8] if len(address) == 16 else address[8:16]  # IPv6: one /64 is one host
        tokens, at = self._hosts.pop(host, (float(BURST), now))
        tokens = min(float(BURST), tokens + (now - at) * RATE / 1_000_000)
        allowed = tokens >= 1
        if len(self._hosts) >= MAX_HOSTS:
            del self._hosts[next(iter(self._hosts))]
        self._hosts[host] = (tokens - 1 if allowed else tokens, now)
        return allowed
