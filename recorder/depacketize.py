"""From RTP payloads to what a decoder eats; pure.

* Opus: one packet is one frame (RFC 7587).
* VP8: the payload descriptor is taken off and packets are joined (RFC 7741 4.2, 4.3).
* H.264: single NAL units, STAP-A and FU-A become Annex B (RFC 6184 5.4); others are not negotiated and are refused.

Every function takes hostile bytes: what does not parse is ``BadPacket``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from courtroom.errors import BadPacket

START: Final = 1  # first packet of a frame
KEY: Final = 2  # …of a frame that can be decoded alone

_START_CODE: Final = b"\x00\x00\x00\x01"
_RTP: Final = struct.Struct(">BBHII")


def rtp_header(data: bytes) -> tuple[bool, int, int, int, int, int]:
    """``(marker, seq, timestamp, ssrc, start, end)`` of the payload inside an RTP packet (RFC 3550 5.1)."""
    if len(data) < 12:
        raise BadPacket("rtp")
    first, second, seq, timestamp, ssrc = _RTP.unpack_from(data)
    if first >> 6 != 2:
        raise BadPacket("rtp")
    start, end = 12 + 4 * (first & 15), len(data)
    if first & 0x10:
        if end < start + 4:
            raise BadPacket("rtp")
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if first & 0x20 and end > start:
        end -= data[-1]
    if start > end:
        raise BadPacket("rtp")
    return second >= 128, seq, timestamp, ssrc, start, end


def vp8_descriptor(payload: bytes) -> int:
    """Length of the payload descriptor (RFC 7741 4.2)."""
    if not payload:
        raise BadPacket("vp8")
    size = 1
    if payload[0] & 0x80:
        if len(payload) < 2:
            raise BadPacket("vp8")
        extension, size = payload[1], 2
        if extension & 0x80:  # I: picture id, 7 or 15 bits
            if len(payload) <= size:
                raise BadPacket("vp8")
            size += 2 if payload[size] & 0x80 else 1
        size += bool(extension & 0x40) + bool(extension & 0x30)
    if size >= len(payload):
        raise BadPacket("vp8")
    return size


def flags(codec: str, payload: bytes) -> int:
    """``START`` and ``KEY`` of one packet; 0 for a packet in the middle of a frame. Audio is all start and key."""
    match codec:
        case "vp8":
            size = vp8_descriptor(payload)
            if payload[0] & 0x1F != 0x10:  # S set, partition 0
                return 0
            return START | (KEY if payload[size] & 1 == 0 else 0)
        case "h264":
            return _h264_flags(payload)
        case _:
            return START | KEY


def _h264_flags(payload: bytes) -> int:
    """A picture starts with SPS or a slice's first packet; ``KEY`` where an SPS or an IDR slice starts (RFC 6184)."""
    if len(payload) < 2:
        raise BadPacket("h264")
    kind = payload[0] & 31
    if kind == 28:  # FU-A
        kind = payload[1] & 31 if payload[1] & 0x80 else 0
    elif kind == 24:  # STAP-A
        if len(payload) < 4:
            raise BadPacket("h264")
        kind = payload[3] & 31
    return {5: START | KEY, 7: START | KEY, 0: 0}.get(kind, START)


def join(codec: str, payloads: Sequence[bytes]) -> bytes:
    """One whole frame out of its packets, in order."""
    match codec:
        case "vp8":
            return b"".join(payload[vp8_descriptor(payload) :] for payload in payloads)
        case "h264":
            return _annex_b(payloads)
        case _:
            return b"".join(payloads)


def _annex_b(payloads: Sequence[bytes]) -> bytes:
    out = bytearray()
    for payload in payloads:
        if not payload:
            raise BadPacket("h264")
        kind = payload[0] & 31
        if 1 <= kind <= 23:
            out += _START_CODE + payload
        elif kind == 24:
            out += _aggregate(payload)
        elif kind == 28 and len(payload) > 2:
            if payload[1] & 0x80:
                out += _START_CODE + bytes(((payload[0] & 0xE0) | (payload[1] & 31),))
            out += payload[2:]
        else:
            raise BadPacket("h264")
    return bytes(out)


def _aggregate(payload: bytes) -> bytes:
    out, at = bytearray(), 1
    while at + 2 < len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        if not size or at + 2 + size > len(payload):
            raise BadPacket("h264")
        out += _START_CODE + payload[at + 2 : at + 2 + size]
        at += 2 + size
    return bytes(out)
