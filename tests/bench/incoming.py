"""What a receiver of the load generator reads off a packet without decrypting it: gaps by SSRC, the number on the way.

RFC 3550 A.1 (sequence numbers), RFC 8285 4.2 (one-byte header extensions).
"""

from __future__ import annotations


class Incoming:
    """One SSRC as received."""

    __slots__ = ("counted", "highest", "received")

    def __init__(self, sequence: int) -> None:
        self.highest = sequence
        self.received = 0
        self.counted = (sequence - 1, 0)  # highest and received at the last count

    def count(self, sequence: int) -> None:
        step = ((sequence - self.highest + 0x8000) & 0xFFFF) - 0x8000
        if step > 0:
            self.highest += step
        self.received += 1

    def lost(self) -> int:
        """Missing since the last count."""
        highest, received = self.counted
        self.counted = (self.highest, self.received)
        return (self.highest - highest) - (self.received - received)


def transport_wide(memory: bytearray, at: int, wanted: int) -> int:
    """The number in a two-octet header extension of a one-byte block that starts at ``at`` (RFC 8285 4.2)."""
    for _ in range(4):
        head = memory[at]
        if head >> 4 == wanted:
            return memory[at + 1] << 8 | memory[at + 2]
        at += (head & 0x0F) + 2 if head else 1
    return 0
