"""One outgoing stream made of changing sources: rewriting numbers so that the receiver sees one sender.

Rules
* The SSRC never changes. At a switch the sequence goes on by one, the VP8 picture id and TL0PICIDX by one; within one
  source numbers keep their distance, so reordered packets stay in order.
* The timestamp goes on by the time between the moments of capture, not of arrival: what begins a source often comes
  late, out of a queue that then empties, and a receiver that takes it for punctual holds back everything after it
  (measured: sound and picture a second late for the rest of the hearing after a cut of five).
* A packet older than the switch point is never sent: its place in the numbers belongs to the source before.
* Leaving a source forgets it: not one packet of it can be sent again afterwards, not even as a retransmission.

RFC 3550 7.1 (mixers and translators), RFC 7741 4.2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from courtroom.sfu.kinds import ABS_SEND_TIME, TRANSPORT_CC
from courtroom.sfu.packet import MAX_PACKET, PLAIN, VP8_FULL, Rtp

PLAIN_HEAD: Final = struct.Struct(">BBHIIIII")
FULL: Final = struct.Struct(">BBHIIIIIHHB")  # with the descriptor of a VP8 packet that has every field
MIDDLE: Final = struct.Struct(">IIIIB")  # what the packets of one picture share: timestamp, SSRC, and on to the number
STAMP: Final = struct.Struct(">IIB")  # what the packets of one wake-up share: from the extension block to the number
PICTURE: Final = struct.Struct(">HB")
BLOCK: Final = 0xBEDE0002  # two words of one-byte elements follow
_STAMPS: Final = struct.Struct(">II")
NUMBERED: Final = TRANSPORT_CC << 4 | 1  # the transport-wide number in the two octets after it
NUMBER: Final = NUMBERED << 24
_ELEMENT: Final = (ABS_SEND_TIME << 4 | 2) << 24


def send_time(now: int) -> int:
    """The header extension word that says ``now``: 24 bits, 6.18 fixed point seconds."""
    return _ELEMENT | ((now << 18) // 1_000_000) & 0xFFFFFF


def restamp(data: bytes, when: int, number: int) -> bytes:
    """A packet of ours as if it had been written now."""
    return data[:16] + _STAMPS.pack(when, NUMBER | (number & 0xFFFF) << 8) + data[24:]


def number_of(data: bytes) -> int:
    """The transport-wide number of a packet of ours."""
    return int.from_bytes(data[21:23], "big")


@lru_cache(MAX_PACKET + 1)
def plain(size: int) -> Callable[..., bytes]:
    """Writes a whole packet with a tail of ``size`` octets at one go: first two octets, sequence, timestamp, SSRC,
    ``STAMP``, number, tail."""
    return struct.Struct(f">2sHII{STAMP.size}sHx{size}s").pack


@lru_cache(MAX_PACKET + 1)
def full(size: int) -> Callable[..., bytes]:
    """The same for a VP8 packet that has every field: first two octets, sequence, ``MIDDLE``, number, descriptor,
    ``PICTURE``, tail."""
    return struct.Struct(f">2sH{MIDDLE.size}sHxH{PICTURE.size}s{size}s").pack


class Munger:
    __slots__ = (
        "_highest", "_last_at", "_last_picture", "_last_timestamp", "_last_tl0", "index_offset", "picture_offset",
        "ssrc", "start", "timestamp_offset", "tl0_offset",
    )  # fmt: skip

    def __init__(self, ssrc: int, sequence: int, timestamp: int) -> None:
        self.ssrc = ssrc
        self._highest = sequence + 0x10000
        self._last_timestamp = timestamp
        self._last_at = 0
        self._last_picture = self._last_tl0 = -1
        self.start = 1 << 62  # nothing passes before the first switch
        self.index_offset = self.timestamp_offset = self.picture_offset = self.tl0_offset = 0

    def leave(self, newest: Rtp | None, newest_at: int) -> None:
        """The source ends here; ``newest`` is the last packet of it that may have been sent, at its moment."""
        if newest is not None and newest.index >= self.start:
            self._highest = newest.index + self.index_offset
            self._last_timestamp = newest.timestamp + self.timestamp_offset
            self._last_at = newest_at
            if newest.shape:
                self._last_picture = newest.picture + self.picture_offset
            if newest.shape == VP8_FULL:
                self._last_tl0 = newest.tl0 + self.tl0_offset
        self.start = 1 << 62

    def join(self, first: Rtp, at: int, clock_rate: int) -> None:
        """The next source begins with ``first``, whose moment on the court clock is ``at``."""
        self.start = first.index
        self.index_offset = self._highest + 1 - first.index
        passed = (at - self._last_at) * clock_rate // 1_000_000 if self._last_at else 0
        self.timestamp_offset = self._last_timestamp + max(1, passed) - first.timestamp
        if first.shape and self._last_picture >= 0:
            self.picture_offset = self._last_picture + 1 - first.picture
        if first.shape == VP8_FULL and self._last_tl0 >= 0:
            self.tl0_offset = self._last_tl0 + 1 - first.tl0

    def write(self, packet: Rtp, when: int, number: int) -> bytes:
        """The packet as this stream sends it; ``when`` is ``send_time`` of now, ``number`` its transport-wide one."""
        sequence = (packet.index + self.index_offset) & 0xFFFF
        return self._body(packet, packet.marker_type, sequence, self.ssrc, when, number, b"")

    def repeat(self, packet: Rtp, ssrc: int, payload_type: int, sequence: int, when: int, number: int) -> bytes:
        """The same as RTX: ``sequence`` and ``ssrc`` of the retransmission stream, original number in front."""
        original = (packet.index + self.index_offset) & 0xFFFF
        marker_type = (packet.marker_type & 0x80) | payload_type
        return self._body(packet, marker_type, sequence, ssrc, when, number, original.to_bytes(2, "big"))

    def _body(
        self, packet: Rtp, marker_type: int, sequence: int, ssrc: int, when: int, number: int, inserted: bytes
    ) -> bytes:
        timestamp = (packet.timestamp + self.timestamp_offset) & 0xFFFFFFFF
        word = NUMBER | (number & 0xFFFF) << 8
        head = PLAIN_HEAD.pack(packet.first, marker_type, sequence, timestamp, ssrc, BLOCK, when, word) + inserted
        if packet.shape == PLAIN:
            return head + packet.tail
        picture = ((packet.picture + self.picture_offset) & 0x7FFF) | 0x8000
        if packet.shape == VP8_FULL:
            tl0 = (packet.tl0 + self.tl0_offset) & 0xFF
            return head + struct.pack(">HHB", packet.descriptor, picture, tl0) + packet.tail
        return head + struct.pack(">HH", packet.descriptor, picture) + packet.tail
