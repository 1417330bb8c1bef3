from __future__ import annotations

import pytest

from courtroom.errors import BadPacket
from courtroom.sfu import kinds, packet
from courtroom.sfu.packet import PLAIN, VP8_FULL, VP8_PICTURE
from tests.sfu import wire


def test_header_payload_and_padding_are_found() -> None:
    parsed = packet.parse(wire.rtp(7, 8, 9, b"hello", 111, marker=True, padding=4, mid=b"mic"))
    assert (parsed.sequence, parsed.timestamp, parsed.ssrc, parsed.payload_type) == (7, 8, 9, 111)
    assert parsed.data[parsed.payload : parsed.end] == b"hello"
    assert packet.extension(parsed, kinds.MID) == b"mic"
    assert packet.extension(parsed, kinds.RID) is None


def test_contributing_sources_are_skipped() -> None:
    data = bytearray(wire.rtp(1, 2, 3, b"x"))
    data[0] |= 2
    data[12:12] = bytes(8)
    parsed = packet.parse(bytes(data))
    assert parsed.data[parsed.payload : parsed.end] == b"x"


def test_two_byte_extensions_are_read() -> None:
    block = bytes([4, 3]) + b"cam" + bytes([0, 5, 1]) + b"h"
    block += bytes(-len(block) % 4)
    data = wire.rtp(1, 2, 3, b"", mid=b"x")[:12] + b"\x10\x00" + (len(block) // 4).to_bytes(2, "big") + block + b"pay"
    parsed = packet.parse(data)
    assert packet.extension(parsed, kinds.MID) == b"cam"
    assert packet.extension(parsed, kinds.RID) == b"h"
    assert parsed.data[parsed.payload :] == b"pay"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        b"\x40" + bytes(20),  # version 1
        b"\x8f" + bytes(20),  # fifteen contributing sources, none there
        b"\x90" + bytes(11) + b"\xbe\xde",  # extension header cut
        b"\x90" + bytes(11) + b"\xbe\xde\xff\xff",  # extension longer than the packet
        b"\xa0" + bytes(11) + b"\x09",  # more padding than packet
        b"\xa0" + bytes(11) + b"\x00",  # padding of nothing
        b"\x80" + bytes(1500),
    ],
)
def test_broken_packets_are_refused(data: bytes) -> None:
    with pytest.raises(BadPacket):
        packet.parse(data)


def test_element_that_ends_outside_its_block_is_not_there() -> None:
    data = bytearray(wire.rtp(1, 2, 3, b"", mid=b"cam"))
    data[16] = 4 << 4 | 15
    assert packet.extension(packet.parse(bytes(data)), kinds.MID) is None


@pytest.mark.parametrize(
    ("payload", "shape", "key"),
    [
        (wire.vp8(5, 6, key=True), VP8_FULL, True),
        (wire.vp8(5, 6), VP8_FULL, False),
        (wire.vp8(5, 6, start=False), VP8_FULL, False),
        (b"\x90\x80\x80\x05\x00abc", VP8_PICTURE, True),
        (b"\x90\x80\x05\x00abc", PLAIN, True),  # seven-bit picture id
        (b"\x10\x00abc", PLAIN, True),
        (b"\x10\x01abc", PLAIN, False),
        (b"\x11\x00abc", PLAIN, False),  # second partition
        (b"\x90\xe0\x80", PLAIN, False),  # cut
        (b"\x90", PLAIN, False),
        (b"", PLAIN, False),
    ],
)
def test_vp8_descriptor(payload: bytes, shape: int, key: bool) -> None:
    parsed = packet.parse(wire.rtp(1, 2, 3, payload))
    packet.look(parsed, kinds.VP8)
    assert (parsed.shape, parsed.keyframe) == (shape, key)
    if shape == VP8_FULL:
        assert (parsed.picture, parsed.tl0) == (5, 6)


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        (b"\x65slice", True),
        (b"\x67parameters", True),
        (b"\x41slice", False),
        (b"\x7c\x85fragment", True),
        (b"\x7c\x05later fragment", False),
        (b"\x7c", False),
        (b"\x18\x00\x02\x09\x10\x00\x02\x67\x42", True),
        (b"\x18\x00\x02\x09\x10\x00\x02\x41\x42", False),
        (b"\x18\x00\x00\x00\x00", False),
        (b"", False),
    ],
)
def test_h264_key_frames(payload: bytes, key: bool) -> None:
    assert packet.is_h264_key(payload) is key


def test_retransmission_becomes_the_original() -> None:
    original = packet.unwrap_retransmission(
        packet.parse(wire.rtx(1, 5000, 77, 4321, b"payload", mid=b"cam")), ssrc=9, payload_type=96
    )
    assert original is not None
    assert (original.sequence, original.ssrc, original.payload_type, original.timestamp) == (4321, 9, 96, 5000)
    assert original.data[original.payload : original.end] == b"payload"


@pytest.mark.parametrize("payload", [b"", b"\x01"])
def test_probe_without_original_is_nothing(payload: bytes) -> None:
    probe = packet.parse(wire.rtp(1, 2, 3, payload, 97, padding=200))
    assert packet.unwrap_retransmission(probe, 9, 96) is None
