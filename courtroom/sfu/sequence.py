"""Counting on where wire counters wrap. RFC 3550 A.1."""

from __future__ import annotations


def unwrap(value: int, near: int, bits: int = 16) -> int:
    """The integer congruent to ``value`` modulo ``2**bits`` that lies nearest to ``near``."""
    half = 1 << (bits - 1)
    return near + ((value - near + half) & ((1 << bits) - 1)) - half


class Unwrapper:
    """A counter of ``bits`` bits turned into one that never wraps. Starts one turn up, so reordering stays positive."""

    __slots__ = ("bits", "highest")

    def __init__(self, bits: int = 16) -> None:
        self.bits = bits
        self.highest = -1

    def __call__(self, value: int) -> int:
        if self.highest < 0:
            self.highest = value + (1 << self.bits)
            return self.highest
        index = unwrap(value, self.highest, self.bits)
        self.highest = max(self.highest, index)
        return index
