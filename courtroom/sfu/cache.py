"""The last packets of one layer, for repeats and for telling duplicates.

Rules: one slot per index modulo the size, newest wins; a lookup for anything older or newer finds nothing. Packets are
kept once, in plain text, however many receivers there are. RFC 4588.
"""

from __future__ import annotations

from typing import Final

from courtroom.sfu.packet import Rtp

KEPT: Final = 64  # packets of sound that a place keeps as it sent them: more than a second


class Ring:
    __slots__ = ("_mask", "_slots")

    def __init__(self, size: int) -> None:
        if size & (size - 1):
            raise ValueError("size must be a power of two")
        self._mask = size - 1
        self._slots: list[Rtp | None] = [None] * size

    def put(self, packet: Rtp) -> bool:
        """False for a duplicate, and for a packet older than what its slot holds."""
        slot = packet.index & self._mask
        known = self._slots[slot]
        if known is not None and known.index >= packet.index:
            return False
        self._slots[slot] = packet
        return True

    def get(self, index: int) -> Rtp | None:
        packet = self._slots[index & self._mask]
        return packet if packet is not None and packet.index == index else None

    def clear(self) -> None:
        self._slots = [None] * (self._mask + 1)
