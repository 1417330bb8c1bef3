"""Counting on where wire counters wrap. RFC 3550 A.1."""

from __future__ import annotations


def unwrap(value: int, near: int, bits: int = 16) -> int:
    """The integer congruent to ``value`` modulo ``2**bits`` that lies nearest to ``near``."""
    half = 1 << (bits - 1)
    return near + ((value - near + half) & ((1 << bits) - 1)) - half


class Unwrapper:
    """A counter of 16 bits turned into one that never wraps. Starts one turn up, so reordering stays positive."""

    __slots__ = ("highest",)

    def __init__(self) -> None:
        self.highest = -1

    def __call__(self, value: int) -> int:
        highest = self.highest
        if highest < 0:
            self.highest = value + 0x10000
            return self.highest
        index = highest + ((value - highest + 0x8000) & 0xFFFF) - 0x8000  # ``unwrap``, without a call a packet
        if index > highest:
            self.highest = index
        return index
