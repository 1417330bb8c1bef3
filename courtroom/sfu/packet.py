"""One RTP packet: reading it with bounds, and what of its codec has to be known to pass it on.

Rules
* ``parse`` reads the header and finds the payload without padding; it trusts no length and raises only ``BadPacket``.
* Extensions are searched on demand, in both forms of RFC 8285.
* Pictures are padded to a multiple of ``UNIT`` octets: encoders cut a frame into pieces that differ by an octet, and
  only equal ones can leave as one message (``worker.datagrams``).
* ``Rtp`` is one object per packet that came in, never per packet that goes out. ``tail`` and ``shape`` are what every
  receiver shares; the few bytes before the tail are what differs from place to place.

RFC 3550 5.1 (RTP), RFC 4588 (retransmission), RFC 8285 (extensions), RFC 7741 4.2 (VP8), RFC 6184 5.2 (H.264).
"""

from __future__ import annotations

import struct
from typing import Final

from courtroom.errors import BadPacket
from courtroom.sfu.kinds import Codec

MAX_PACKET: Final = 1500
UNIT: Final = 16
_PADDING: Final = tuple(bytes(size - 1) + bytes((size,)) if size else b"" for size in range(UNIT))
HEADER: Final = struct.Struct(">BBHII")
_EXTENDED: Final = struct.Struct(">BBHIIHH")  # with the head of an extension block, and no CSRC before it
_WORD: Final = struct.Struct(">HH")
_VP8_FULL: Final = struct.Struct(">HHB")
_SEQUENCE: Final = struct.Struct(">H")

PLAIN, VP8_FULL, VP8_PICTURE = 0, 1, 2  # shapes: nothing to rewrite | picture id and TL0PICIDX | picture id


class Rtp:
    """One packet as it came in. ``index`` is its unwrapped sequence number, set by the layer it belongs to."""

    __slots__ = (
        "data", "descriptor", "end", "extensions", "first", "index", "keyframe", "marker_type", "payload",
        "payload_type", "picture", "profile", "sequence", "shape", "ssrc", "tail", "timestamp", "tl0",
    )  # fmt: skip

    data: bytes
    first: int  # first octet of what goes out: version, header extension, and whether the tail ends in padding
    marker_type: int  # second octet: marker bit and payload type
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    profile: int  # of the extension block, 0 without one
    extensions: int  # offset of the first extension element
    payload: int  # offset
    end: int  # where the payload ends
    index: int
    keyframe: bool
    shape: int
    descriptor: int  # first two octets of the VP8 descriptor
    picture: int
    tl0: int
    tail: bytes


def parse(data: bytes) -> Rtp:
    """The packet in ``data``; ``BadPacket("bad_rtp")`` when it is not whole."""
    size = len(data)
    if not 12 <= size <= MAX_PACKET:
        raise BadPacket("bad_rtp")
    packet = Rtp()
    packet.data = data
    packet.first = 0x90
    packet.keyframe = False
    packet.shape = PLAIN
    packet.index = -1
    if data[0] == 0x90 and size >= 16:  # what browsers send, in one step: an extension block, no CSRC, no padding
        (
            _, second, packet.sequence, packet.timestamp, packet.ssrc, packet.profile, words,
        ) = _EXTENDED.unpack_from(data)  # fmt: skip
        packet.marker_type = second
        packet.payload_type = second & 0x7F
        packet.extensions = 16
        packet.payload = offset = 16 + 4 * words
        packet.end = size
        if offset > size:
            raise BadPacket("bad_rtp")
        return packet
    first, second, packet.sequence, packet.timestamp, packet.ssrc = HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise BadPacket("bad_rtp")
    packet.marker_type = second
    packet.payload_type = second & 0x7F
    offset = 12 + 4 * (first & 0x0F)
    packet.profile = 0
    packet.extensions = offset
    if first & 0x10:
        if offset + 4 > size:
            raise BadPacket("bad_rtp")
        packet.profile, words = _WORD.unpack_from(data, offset)
        packet.extensions = offset + 4
        offset += 4 + 4 * words
    end = size
    if first & 0x20:
        if not data[-1] or offset + data[-1] > size:
            raise BadPacket("bad_rtp")
        end -= data[-1]
    if offset > end:
        raise BadPacket("bad_rtp")
    packet.payload = offset
    packet.end = end
    return packet


def extension(packet: Rtp, number: int) -> bytes | None:
    """The value of one header extension element, None when it is not there (or the block is broken before it)."""
    data, at, end, profile = packet.data, packet.extensions, packet.payload, packet.profile
    if profile == 0xBEDE:
        while at < end:
            octet = data[at]
            kind = octet >> 4
            if kind == number:
                stop = at + 2 + (octet & 0x0F)
                return data[at + 1 : stop] if stop <= end else None
            if kind == 15:
                return None
            at += 2 + (octet & 0x0F) if octet else 1
    elif profile & 0xFFF0 == 0x1000:
        while at + 1 < end:
            if data[at] == 0:
                at += 1
                continue
            stop = at + 2 + data[at + 1]
            if data[at] == number:
                return data[at + 2 : stop] if stop <= end else None
            at = stop
    return None


def unwrap_retransmission(packet: Rtp, ssrc: int, payload_type: int) -> Rtp | None:
    """The original of an RTX packet; None for a probe that carries nothing (RFC 4588 4)."""
    if packet.end - packet.payload < 2:
        return None
    (sequence,) = _SEQUENCE.unpack_from(packet.data, packet.payload)
    first = packet.data[0] & ~0x20
    second = (packet.marker_type & 0x80) | payload_type
    head = HEADER.pack(first, second, sequence, packet.timestamp, ssrc)
    original = head + packet.data[12 : packet.payload] + packet.data[packet.payload + 2 : packet.end]
    return parse(original)


def look(packet: Rtp, codec: Codec) -> None:
    """Fill in what depends on the codec: key frame, shape, tail. A payload that is too short stays ``PLAIN``."""
    data, start, end = packet.data, packet.payload, packet.end
    if codec.name == "vp8":
        _look_vp8(packet, data, start, end)
    else:
        packet.tail = data[start:end]
        if codec.name == "h264":
            packet.keyframe = is_h264_key(packet.tail)
    if codec.media == "video":
        short = -len(packet.tail) % UNIT
        if short:
            packet.tail += _PADDING[short]
            packet.first = 0xB0


def _look_vp8(packet: Rtp, data: bytes, start: int, end: int) -> None:
    if end - start > _VP8_FULL.size:  # what browsers send: picture id of 15 bits and TL0PICIDX
        descriptor, picture, tl0 = _VP8_FULL.unpack_from(data, start)
        if descriptor & 0x80C0 == 0x80C0 and picture & 0x8000:
            packet.shape = VP8_FULL
            packet.descriptor, packet.picture, packet.tl0 = descriptor, picture & 0x7FFF, tl0
            at = start + _VP8_FULL.size
            packet.tail = data[at:end]
            if descriptor & 0x30:
                at += 1
            packet.keyframe = descriptor & 0x1F00 == 0x1000 and at < end and not data[at] & 1
            return
    packet.tail = data[start:end]
    if end - start < 2:
        return
    first = data[start]
    at = start + 1
    if first & 0x80:
        bits = data[at]
        at += 1
        if bits & 0x80:
            if at + 3 > end:
                return
            wide = data[at] & 0x80
            if wide:
                packet.descriptor = (first << 8) | bits
                packet.picture = ((data[at] & 0x7F) << 8) | data[at + 1]
                at += 2
            else:
                at += 1
            if bits & 0x40:
                if wide:
                    packet.tl0 = data[at]
                    packet.shape = VP8_FULL
                at += 1
            elif wide:
                packet.shape = VP8_PICTURE
            if packet.shape:
                packet.tail = data[at:end]
        elif bits & 0x40:
            at += 1
        if bits & 0x30:
            at += 1
    # S bit and partition 0: the first octet of the frame itself follows, its lowest bit 0 for a key frame
    packet.keyframe = first & 0x1F == 0x10 and at < end and not data[at] & 1


_H264_START: Final = frozenset((5, 7))


def is_h264_key(payload: bytes) -> bool:
    """Whether a key frame begins here: an IDR slice or a parameter set, alone, aggregated or fragmented."""
    if not payload:
        return False
    unit = payload[0] & 0x1F
    if unit in _H264_START:
        return True
    if unit == 28:  # FU-A: the first fragment says what it is a fragment of
        return len(payload) > 1 and bool(payload[1] & 0x80) and payload[1] & 0x1F in _H264_START
    if unit == 24:  # STAP-A
        at = 1
        while at + 2 < len(payload):
            if payload[at + 2] & 0x1F in _H264_START:
                return True
            at += 2 + int.from_bytes(payload[at : at + 2], "big")
    return False
