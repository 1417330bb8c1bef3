"""RTP headers of many packets at once, in columns (numpy); says of each exactly what ``depacketize`` says of one; pure.

Rules: every index into the bytes is bounded by its packet's end before it is used; a packet that does not parse has
``ok`` false and nothing else of it means anything. Codecs without columns here are asked packet by packet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from courtroom.errors import BadPacket
from recorder.depacketize import KEY, START, flags

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

_PLAIN: Final = START | KEY  # what ``flags`` says of audio


@dataclass(frozen=True, slots=True)
class Heads:
    """Parallel columns; ``start``/``end`` of the payload inside the bytes, empty for a probe of padding only."""

    ok: Bits
    marker: Bits
    seq: Ints
    rtp: Ints
    ssrc: Ints
    start: Ints
    end: Ints
    flags: Bytes


class _Reader:
    """Bytes by place; beyond the end there are zeros (their packets are not ``ok`` anyway)."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
        self._last = len(data) - 1

    def u8(self, at: Ints) -> Ints:
        return self._data[np.minimum(at, self._last)].astype(np.int64)

    def u16(self, at: Ints) -> Ints:
        return self.u8(at) << 8 | self.u8(at + 1)

    def u32(self, at: Ints) -> Ints:
        return self.u16(at) << 16 | self.u16(at + 2)


def heads(data: Bytes, begin: Ints, end: Ints, codec: str) -> Heads:
    """RFC 3550 5.1 and the codec's own payload header, of the packets at ``[begin, end)``."""
    read = _Reader(data)
    first, second = read.u8(begin), read.u8(begin + 1)
    ok = (end - begin >= 12) & (first >> 6 == 2)
    start = begin + 12 + 4 * (first & 15)
    extended = (first & 0x10) > 0
    ok &= ~extended | (end >= start + 4)
    start = np.where(extended & ok, start + 4 + 4 * read.u16(start + 2), start)
    padded = ((first & 0x20) > 0) & (end > start)
    stop = np.where(padded, end - read.u8(np.maximum(end - 1, 0)), end)
    ok &= start <= stop
    found = np.full(len(begin), _PLAIN, dtype=np.uint8)
    filled = ok & (start < stop)
    match codec:
        case "vp8":
            good, said = _vp8(read, start, stop)
            ok &= good | ~filled
            found = np.where(filled & good, said, 0).astype(np.uint8)
        case "h264":
            for line in np.flatnonzero(filled).tolist():
                try:
                    found[line] = flags(codec, data[start[line] : stop[line]].tobytes())
                except BadPacket:
                    ok[line] = False
        case _:
            pass
    return Heads(ok, second >= 128, read.u16(begin + 2), read.u32(begin + 4), read.u32(begin + 8), start, stop, found)


def _vp8(read: _Reader, start: Ints, stop: Ints) -> tuple[Bits, Ints]:
    """RFC 7741 4.2 and 4.3."""
    first = read.u8(start)
    extended = (first & 0x80) > 0
    good = ~extended | (stop - start >= 2)
    extension = np.where(extended, read.u8(start + 1), 0)
    picture = (extension & 0x80) > 0
    good &= ~picture | (stop - start > 2)
    long = picture & ((read.u8(start + 2) & 0x80) > 0)
    size = 1 + extended + picture + long + ((extension & 0x40) > 0) + ((extension & 0x30) > 0)
    good &= size < stop - start
    begins = (first & 0x1F) == 0x10
    key = (read.u8(start + size) & 1) == 0
    return good, np.where(begins, START | np.where(key, KEY, 0), 0)
