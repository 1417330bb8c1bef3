"""What the load generator sends is what it says: read back by the engine's own parser."""

from __future__ import annotations

import pytest

from courtroom.sfu import kinds, packet
from tests.bench.batch import SLOT
from tests.bench.incoming import Incoming, transport_wide
from tests.bench.media import NOISE, STAMP, Numbers, Stream

FRAME_NS = 40_000_000


def written(stream: Stream, due: int) -> tuple[list[packet.Rtp], bool]:
    memory = bytearray(SLOT)
    sizes, key = stream.frame(due)
    packets = []
    for number, size in enumerate(sizes):
        length = stream.write(memoryview(memory), 0, size, (number, len(sizes) - 1), key, due, due + 5)
        parsed = packet.parse(bytes(memory[:length]))
        packet.look(parsed, kinds.BY_PAYLOAD_TYPE[stream.payload_type])
        packets.append(parsed)
    return packets, key


def test_a_camera_sends_whole_frames_of_equal_packets() -> None:
    stream = Stream("360p", 0x10001, kinds.VP8.payload_type, "cam", Numbers())
    numbers = []
    for i in range(50):
        packets, key = written(stream, i * FRAME_NS)
        assert key == (i == 0)
        assert [one.keyframe for one in packets] == [key] + [False] * (len(packets) - 1)
        assert [bool(one.marker_type & 0x80) for one in packets] == [False] * (len(packets) - 1) + [True]
        assert {one.shape for one in packets} == {packet.VP8_FULL}
        assert {one.timestamp for one in packets} == {i * 3600}
        assert packet.extension(packets[0], kinds.MID) == b"cam"
        numbers += [int.from_bytes(packet.extension(one, kinds.TRANSPORT_CC) or b"", "big") for one in packets]
    assert numbers == list(range(1, len(numbers) + 1))
    seconds = 2
    key_octets = stream.shape.key
    assert stream.octets - key_octets == pytest.approx(700_000 / 8 * seconds, rel=0.05)


def test_a_key_frame_when_asked_for_and_not_twice_in_300_ms() -> None:
    stream = Stream("720p", 7, kinds.VP8.payload_type, "cam", Numbers())
    assert written(stream, 0)[1]
    keys = []
    for i in range(1, 20):
        stream.ask()
        if written(stream, i * FRAME_NS)[1]:
            keys.append(i)
    assert keys == [8, 16]


def test_the_stamp_says_when_by_whom_and_which() -> None:
    stream = Stream("opus", 9, kinds.OPUS.payload_type, "mic", Numbers())
    (sound,), _ = written(stream, 1000)
    payload = sound.data[sound.payload : sound.end]
    assert STAMP.unpack(payload[-STAMP.size :]) == (1005, 9, sound.sequence)
    assert payload[: -STAMP.size] == NOISE[: len(payload) - STAMP.size]
    assert packet.extension(sound, kinds.AUDIO_LEVEL) == bytes((0x80 | 40,))


@pytest.mark.parametrize(
    ("block", "number"), [("22aabbcc31012300", 0x0123), ("0031beef22aabbcc", 0xBEEF), ("00" * 16, 0)]
)
def test_the_transport_wide_number_is_found(block: str, number: int) -> None:
    assert transport_wide(bytearray.fromhex(block), 0, kinds.TRANSPORT_CC) == number


def test_a_gap_is_a_loss_and_the_wrap_is_none() -> None:
    stream = Incoming(0xFFFE)
    for sequence in (0xFFFE, 0xFFFF, 0, 2):
        stream.count(sequence)
    assert stream.lost() == 1
    assert stream.lost() == 0
