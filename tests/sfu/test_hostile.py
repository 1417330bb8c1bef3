"""Whatever bytes come: ``BadPacket`` or an answer, in bounded time, and nothing else."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator

import pytest

from courtroom.errors import BadPacket
from courtroom.sfu import capture, kinds, packet, rtcp
from courtroom.sfu.capture import MAGIC, Batch, Note, Packet, SenderReport, Track
from courtroom.sfu.rtcp import Block
from tests.sfu import wire
from tests.sfu.room import Camera, Room

COUNT = 100_000


def mutated(seeds: list[bytes], count: int = COUNT) -> Iterator[bytes]:
    """Seeds with bits turned, bytes replaced, parts cut out or doubled."""
    dice = random.Random(2021)
    for i in range(count):
        data = bytearray(seeds[i % len(seeds)])
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(len(data) + 1)
            match dice.randrange(5):
                case 0 if at < len(data):
                    data[at] ^= 1 << dice.randrange(8)
                case 1 if at < len(data):
                    data[at] = dice.choice((0, 0xFF, 0x7F, 0x80, dice.randrange(256)))
                case 2:
                    del data[at:]
                case 3:
                    del data[at : at + dice.randrange(8)]
                case _:
                    data[at:at] = data[at : at + dice.randrange(16)] or b"\xff"
        yield bytes(data)


RTP = [
    wire.rtp(7, 8, 9, wire.vp8(1, 2, key=True), mid=b"cam", rid=b"h", twcc=b"\0\1", abs=b"abc"),
    wire.rtp(7, 8, 9, b"\x18\x00\x02\x67\x42\x00\x02\x68\x00", 102, padding=9, mid=b"scr"),
    wire.rtp(7, 8, 9, b"opus", 111, mid=b"mic", level=b"\x20"),
    wire.rtx(7, 8, 10, 6, wire.vp8(1, 2), mid=b"cam", rrid=b"h"),
    b"\x90\x60\0\1\0\0\0\2\0\0\0\3\x10\x00\0\2\4\3cam\0\5\1h" + wire.vp8(1, 2),
]
RTCP = [
    rtcp.sender_report(9, 1 << 40, 3, 4, 5) + rtcp.nack(1, 9, range(40)) + rtcp.pli(1, 9),
    rtcp.receiver_report(1, [Block(100_000, 1, 2, 3, 4, 5, 6)] * 3) + rtcp.remb(1, 500_000, [1, 2, 3]),
    rtcp.bye([1, 2, 3]) + b"\x84\xce\0\4" + bytes(8) + b"\0\0\0\7\1\0\0\0",
]


def _rtp(data: bytes) -> None:
    parsed = packet.parse(data)
    for number in range(16):
        packet.extension(parsed, number)
    for codec in kinds.CODECS:
        packet.look(parsed, codec)
    packet.unwrap_retransmission(parsed, 1, 96)


@pytest.mark.parametrize(
    ("read", "seeds"),
    [
        pytest.param(_rtp, RTP, id="rtp"),
        pytest.param(rtcp.parse, RTCP, id="rtcp"),
        pytest.param(lambda data: capture.decode(data[0] if data else 0, data[1:]), None, id="capture-record"),
        pytest.param(
            capture.decode_batch, [capture.encode_batch(Batch("t", "w", 1, b"records"))[4:]], id="capture-batch"
        ),
    ],
)
def test_parsers_survive_mutated_input(read: Callable[[bytes], object], seeds: list[bytes] | None) -> None:
    if seeds is None:
        track = Track(1, "seat", "camera", "h", "vp8", 90000, 96, "w")
        samples = (track, Packet(1, 2, b"x"), SenderReport(1, 2, 3, 4), Note(1, {"kind": "x"}))
        seeds = [capture.encode(record)[4:-4] for record in samples]
    refused = 0
    for data in mutated(seeds):
        try:
            read(data)
        except BadPacket:
            refused += 1
    assert 0 < refused < COUNT


def test_capture_files_survive_mutation_and_say_where_they_tore() -> None:
    track = Track(1, "seat", "camera", "h", "vp8", 90000, 96, "w")
    whole = MAGIC + b"".join(capture.encode(record) for record in (track, Packet(1, 2, b"x"), SenderReport(1, 2, 3, 4)))
    tears = 0
    for data in mutated([whole]):
        tears += any(isinstance(record, capture.Tear) for _, record in capture.read(data))
    assert tears > COUNT // 2


def test_room_survives_a_member_that_sends_garbage() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"), ("clerk", 1, "judge", "screen"), ("clerk", 0, "judge", "microphone"))
    for data in mutated(RTP, 40_000):
        with contextlib.suppress(BadPacket):
            room.router.receive_rtp(judge, data, room.now)
        room.now += 500
    for data in mutated(RTCP, 40_000):
        for member in (judge, clerk):
            with contextlib.suppress(BadPacket):
                room.router.receive_rtcp(member, data, room.now)
    room.tick()
    assert len(judge.streams) + len(judge.repairs) <= 32
    assert all(len(data) <= 1500 for _, data in room.rtp())
    room.rtcp()
    # and when the layers it made up have fallen silent, an honest camera works as before
    for _ in range(200):
        room.tick()
    camera = Camera(424_242)
    room.send(judge, camera.frame()[0])
    camera.key = True
    assert [len(room.send(judge, data)) for data in camera.frame()] == [1, 1]
