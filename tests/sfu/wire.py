"""Packets as a browser would send them, written independently of the code under test."""

from __future__ import annotations

import struct

EXTENSION_IDS = {"level": 1, "abs": 2, "twcc": 3, "mid": 4, "rid": 5, "rrid": 6}


def rtp(
    sequence: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    payload_type: int = 96,
    *,
    marker: bool = False,
    padding: int = 0,
    **extensions: bytes,
) -> bytes:
    block = b"".join(bytes([EXTENSION_IDS[name] << 4 | len(value) - 1]) + value for name, value in extensions.items())
    block += bytes(-len(block) % 4)
    first = 0x80 | (0x10 if block else 0) | (0x20 if padding else 0)
    head = struct.pack(
        ">BBHII", first, (0x80 if marker else 0) | payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc
    )
    if block:
        head += struct.pack(">HH", 0xBEDE, len(block) // 4) + block
    return head + payload + (bytes(padding - 1) + bytes([padding]) if padding else b"")


def vp8(picture: int, tl0: int, *, start: bool = True, key: bool = False, body: bytes = b"frame") -> bytes:
    """Payload with a full descriptor: 15-bit picture id, TL0PICIDX, TID."""
    first = 0x80 | (0x10 if start else 0)
    descriptor = struct.pack(">BBHBB", first, 0xE0, 0x8000 | (picture & 0x7FFF), tl0 & 0xFF, 0x20)
    return descriptor + (bytes([0 if key else 1]) if start else b"") + body


def rtx(sequence: int, timestamp: int, ssrc: int, original: int, payload: bytes, **extensions: bytes) -> bytes:
    return rtp(sequence, timestamp, ssrc, struct.pack(">H", original & 0xFFFF) + payload, 97, **extensions)


def fields(packet: bytes) -> tuple[int, int, int, bytes]:
    """(sequence, timestamp, ssrc, payload) of a packet, extensions and padding skipped."""
    _, _, sequence, timestamp, ssrc = struct.unpack_from(">BBHII", packet)
    start = 12
    if packet[0] & 0x10:
        start += 4 + 4 * struct.unpack_from(">H", packet, 14)[0]
    end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
    return sequence, timestamp, ssrc, packet[start:end]


def vp8_numbers(payload: bytes) -> tuple[int, int]:
    """(picture id, TL0PICIDX) of a full descriptor."""
    assert payload[0] & 0x80
    assert payload[1] & 0xC0 == 0xC0
    return struct.unpack_from(">H", payload, 2)[0] & 0x7FFF, payload[4]
