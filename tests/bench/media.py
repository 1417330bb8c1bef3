"""What a seat sends: VP8 as an encoder's bursts, Opus every 20 ms, with a stamp at the end of each payload.

Rules
* Pure: the clock comes in. Numbers, marker and descriptor are what Chromium sends from a page that offers simulcast
  (picture id, TL0PICIDX and TID); the frame's bytes are noise, no server here looks into them.
* A frame is cut as libwebrtc cuts it, into packets of equal size; its packets go out as one burst.
* A key frame when asked for, at the next frame, and not twice in 300 ms (as in libwebrtc's encoder).
* The stamp says when and by whom a packet was sent and which one it was, so a receiver that decrypts it knows the
  latency and that the content is the sender's own.

RFC 3550 5.1, RFC 7741 4.2 (VP8), RFC 7587 (Opus), RFC 8285 (extensions).
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from courtroom.sfu.kinds import ABS_SEND_TIME, AUDIO_LEVEL, MID, TRANSPORT_CC

MAX_PAYLOAD: Final = 1150
KEY_GAP_NS: Final = 300_000_000
STAMP: Final = struct.Struct(">QIH")  # ns of Unix time, SSRC of the sender, number of the packet
NOISE: Final = random.Random(9).randbytes(4096)

_HEAD: Final = struct.Struct(">BBHIIHH")
_VIDEO: Final = struct.Struct(">IBHB3sx")  # abs-send-time, transport-cc, mid, padding
_AUDIO: Final = struct.Struct(">BBIBHB3s3x")  # level before them
_DESCRIPTOR: Final = struct.Struct(">BBHBBB")  # and the first octet of the frame, or of its continuation
# the sizes of frames around the mean: an encoder is not a metronome
_SWING: Final = (0.8, 1.1, 0.95, 1.25, 0.9)


@dataclass(frozen=True)
class Shape:
    """One kind of stream."""

    clock_rate: int
    every_ns: int
    payload: int  # mean octets of a frame
    key: int = 0  # octets of a key frame


SHAPES: Final = {
    "opus": Shape(48000, 20_000_000, 90),
    "360p": Shape(90000, 40_000_000, 700_000 // 8 // 25, 14_000),
    "film": Shape(90000, 40_000_000, 700_000 // 8 // 25),
    "sound": Shape(48000, 20_000_000, 90),
    "720p": Shape(90000, 40_000_000, 1_500_000 // 8 // 25, 45_000),
}


class Numbers:
    """The transport-wide sequence number of one connection."""

    def __init__(self) -> None:
        self.next = 0


class Stream:
    """One SSRC that a seat sends."""

    def __init__(
        self, shape: str, ssrc: int, payload_type: int, mid: str, numbers: Numbers, film: Sequence[bytes] = ()
    ) -> None:
        self.shape = SHAPES[shape]
        self.video = shape not in ("opus", "sound")
        self.film = film  # real frames, for a server that decodes
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.packets = self.octets = 0
        self._mid = mid.encode()
        self._numbers = numbers
        self._frame = 0
        self._sequence = ssrc & 0x7FFF
        self._picture = self._tl0 = 0
        self._key_wanted = self.video
        self._key_at = -KEY_GAP_NS

    def ask(self) -> None:
        """Somebody needs a key frame."""
        self._key_wanted = self.video

    def timestamp(self, at: int) -> int:
        return (at * self.shape.clock_rate // 1_000_000_000) & 0xFFFFFFFF

    def frame(self, due: int) -> tuple[list[int], bool]:
        """The sizes of the next frame's packets' payloads, and whether it is a key frame."""
        self._frame += 1
        if not self.video:
            return [self.shape.payload + self._frame % 5 * 3 - 6], False
        key = self._key_wanted and due - self._key_at >= KEY_GAP_NS
        if key:
            self._key_wanted, self._key_at = False, due
        size = self.shape.key if key else int(self.shape.payload * _SWING[self._frame % len(_SWING)])
        count = -(-size // MAX_PAYLOAD)
        self._picture = (self._picture + 1) & 0x7FFF
        self._tl0 = (self._tl0 + 1) & 0xFF
        return [size // count] * count, key

    def real(self, due: int, now: int) -> list[bytes]:
        """The packets of the next frame of the film: an encoder's, without a stamp."""
        data = self.film[self._frame % len(self.film)]
        self._frame += 1
        self._picture = (self._picture + 1) & 0x7FFF
        count = -(-len(data) // MAX_PAYLOAD)
        size = -(-len(data) // count)
        packets = []
        for number in range(count):
            self._sequence = (self._sequence + 1) & 0xFFFF
            self._numbers.next = wide = (self._numbers.next + 1) & 0xFFFF
            marker = 0x80 if self.video and number == count - 1 else 0
            head = _HEAD.pack(
                0x90, marker | self.payload_type, self._sequence, self.timestamp(due), self.ssrc, 0xBEDE, 3
            )
            head += _VIDEO.pack(_send_time(now), TRANSPORT_CC << 4 | 1, wide, MID << 4 | 2, self._mid)
            descriptor = struct.pack(">BBH", 0x80 if number else 0x90, 0x80, 0x8000 | self._picture)
            packets.append(head + (descriptor if self.video else b"") + data[number * size : (number + 1) * size])
        self.packets += count
        self.octets += len(data)
        return packets

    def write(
        self, memory: memoryview, at: int, size: int, place: tuple[int, int], key: bool, due: int, now: int
    ) -> int:
        """One packet of the frame, ``place`` = (number in the frame, last number); its length."""
        number, last = place
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._numbers.next = wide = (self._numbers.next + 1) & 0xFFFF
        words = 3 if self.video else 4
        marker = 0x80 if self.video and number == last else 0
        _HEAD.pack_into(
            memory, at, 0x90, marker | self.payload_type, self._sequence, self.timestamp(due), self.ssrc, 0xBEDE, words
        )
        rest = (_send_time(now), TRANSPORT_CC << 4 | 1, wide, MID << 4 | 2, self._mid)
        if self.video:
            _VIDEO.pack_into(memory, at + 16, *rest)
        else:
            _AUDIO.pack_into(memory, at + 16, AUDIO_LEVEL << 4, 0x80 | 40, *rest)
        payload = at + 16 + words * 4
        memory[payload : payload + size] = NOISE[:size]
        if self.video:
            _DESCRIPTOR.pack_into(
                memory, payload, 0x80 if number else 0x90, 0xE0, 0x8000 | self._picture, self._tl0, 0x20,
                0 if key and not number else 1,
            )  # fmt: skip
        STAMP.pack_into(memory, payload + size - STAMP.size, now, self.ssrc, self._sequence)
        self.packets += 1
        self.octets += size
        return payload + size - at


def _send_time(now: int) -> int:
    """The header extension of 24 bits, 6.18 fixed point seconds, with its head."""
    return (ABS_SEND_TIME << 4 | 2) << 24 | (now << 18) // 1_000_000_000 & 0xFFFFFF
