"""A bad line into the capture: whatever arrives, as it was sent or as a repeat, is written once and at its place."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from courtroom.errors import BadPacket
from courtroom.sfu import rtcp
from courtroom.sfu.capture import MAGIC, End, Header, Packet, Record, Tear, Track, decode_batch, encode, read
from recorder.depacketize import KEY, START
from recorder.index import read_capture
from recorder.runs import Run, whole_frames
from tests.sfu import wire
from tests.sfu.room import Camera, Room
from tests.sfu.test_lossy_network import Line

TAKE, SEAT = "take", "seat-1"
FIRST = 65_000
FRAMES = 500
LARGE = 100  # frame with which the large layer begins


class Sender:
    """A browser: its camera's layers, repeats on request by RTX, and what of each got through to the room."""

    def __init__(self, room: Room, dice: random.Random, loss: float, layers: tuple[str, ...] = ("",)) -> None:
        self.room, self.dice = room, dice
        self.member = room.add("judge", 0)
        self.cameras = [
            Camera(11 + 10 * place, rid, sequence=FIRST, timestamp=2**32 - 90_000) for place, rid in enumerate(layers)
        ]
        self.came: dict[int, set[int]] = {camera.ssrc: set() for camera in self.cameras}
        self.repaired = 0
        self.up = Line(room, dice, loss, self._arrive)
        self.down = Line(room, dice, loss, self._asked)
        self._repeats = 0

    def frame(self, number: int) -> None:
        for camera in self.cameras[: 1 if number < LARGE else None]:
            for packet in camera.frame():
                self.up.send(packet)

    def _arrive(self, data: bytes) -> None:
        sequence, _, ssrc, payload = wire.fields(data)
        again = ssrc not in self.came
        if again:
            ssrc, sequence = ssrc - 1, int.from_bytes(payload[:2], "big")
            self.repaired += sequence not in self.came[ssrc]
        self.came[ssrc].add(sequence)
        self.room.router.receive_rtp(self.member, data, self.room.now)

    def _asked(self, data: bytes) -> None:
        for report in rtcp.parse(data):
            camera = next((one for one in self.cameras if one.ssrc == getattr(report, "media", 0)), None)
            if camera is None:
                continue
            if isinstance(report, rtcp.Pli):
                camera.key = True
            elif isinstance(report, rtcp.Nack):
                for original in report.lost:
                    if original in camera.sent:
                        self._repeat(camera, original)

    def _repeat(self, camera: Camera, original: int) -> None:
        _, timestamp, ssrc, payload = wire.fields(camera.sent[original])
        self._repeats += 1
        names = {"mid": b"cam"} | ({"rrid": camera.rid.encode()} if camera.rid else {})
        body, marker = original.to_bytes(2, "big") + payload, bool(camera.sent[original][1] & 0x80)
        self.up.send(wire.rtp(self._repeats, timestamp, ssrc + 1, body, 97, marker=marker, **names))

    def step(self) -> None:
        self.room.tick(16_000)
        self.up.run()
        self.down.run()
        out, self.room.router.rtcp = self.room.router.rtcp, []
        for _, data in out:
            self.down.send(data)


def run(seed: int, loss: float, layers: tuple[str, ...] = ("",)) -> tuple[Sender, list[Record]]:
    room, dice = Room(seed), random.Random(seed)
    sender = Sender(room, dice, loss, layers)
    room.route(captures=((TAKE, "judge", "camera", SEAT),))
    found: list[Record] = []
    for number in range(4 * FRAMES + 400):  # at the end only repairs are on their way
        if number % 4 == 0 and number < 4 * FRAMES:
            sender.frame(number // 4)
        sender.step()
        room.spool.cut(room.now)
        found += written(room)
    return sender, found


def written(room: Room) -> Iterator[Record]:
    while (data := room.spool.next()) is not None:
        for _, record in read(MAGIC + decode_batch(data[4:]).records):
            assert not isinstance(record, Tear)
            yield record


def packets(found: list[Record]) -> list[Packet]:
    return [record for record in found if isinstance(record, Packet)]


@pytest.mark.parametrize("loss", [0.02, 0.15])
@pytest.mark.parametrize("seed", range(2))
def test_each_number_that_arrived_either_way_is_in_the_capture_once(seed: int, loss: float) -> None:
    sender, found = run(seed, loss)
    (camera,) = sender.cameras
    numbers = Counter(wire.fields(packet.data)[0] for packet in packets(found))
    assert set(numbers.values()) == {1}, "no packet stands there twice"
    assert numbers.keys() == sender.came[camera.ssrc], "and every one that came stands there"
    assert sender.repaired > 10, "the line was bad enough to mean something"
    for packet in packets(found):
        sequence, timestamp, ssrc, payload = wire.fields(packet.data)
        assert (timestamp, ssrc, payload) == wire.fields(camera.sent[sequence])[1:], "as it was sent"
        assert packet.data[1] == camera.sent[sequence][1], "with its marker and payload type"


def test_the_index_puts_what_was_repaired_at_its_place(tmp_path: Path) -> None:
    """Order, duplicates, and a count that wraps, read back from a segment."""
    sender, found = run(3, 0.1)
    (camera,) = sender.cameras
    arrived = packets(found)
    late = [place for place, packet in enumerate(arrived[1:], 1) if before(packet, arrived[place - 1])]
    assert len(late) > 10, "repairs came after their neighbours"
    doubled = arrived[late[0]]
    save(tmp_path, [*found, doubled])  # a writer that wrote a batch twice
    (one,) = read_capture(tmp_path).runs
    assert (one.label, one.ssrc) == (SEAT, camera.ssrc)
    expected = sorted((sequence - FIRST) & 0xFFFF for sequence in sender.came[camera.ssrc])
    assert (one.seq - one.seq[0]).tolist() == [number - expected[0] for number in expected]
    assert expected[-1] > 65_536 - FIRST, "the count wrapped on the way"
    assert (np.diff(one.rtp) >= 0).all(), "in the order they were sent, also across the wrap of the clock"
    assert int(one.rtp[-1] - one.rtp[0]) == (FRAMES - 1) * 6000
    first_at = {wire.fields(packet.data)[0]: packet.at for packet in reversed(arrived)}
    assert one.at.tolist() == [first_at[(FIRST + number) & 0xFFFF] for number in expected]
    whole = sum({number, number + 1} <= set(expected) for number in range(0, 2 * FRAMES, 2))
    assert frames(one) == whole > FRAMES * 0.9, "frames that lost a packet on the way are whole again"


def before(one: Packet, other: Packet) -> bool:
    return bool((wire.fields(one.data)[0] - wire.fields(other.data)[0]) & 0x8000)


def frames(one: Run) -> int:
    return len(whole_frames(one)[0])


def save(folder: Path, found: list[Record]) -> None:
    at = packets(found)[0].at
    records = [Header(TAKE, 1, at), *found, End(max(packet.at for packet in packets(found)))]
    (folder / "seg-00001.cap").write_bytes(MAGIC + b"".join(encode(record) for record in records))


@pytest.mark.parametrize("seed", range(3))
def test_a_change_of_layer_on_a_bad_line_loses_nothing_that_came(seed: int, tmp_path: Path) -> None:
    """The layer before is written to its end, repairs too; the new one from a key frame on that can be decoded."""
    sender, found = run(seed, 0.15, ("l", "h"))
    small, large = sender.cameras
    tracks = {record.track: record.layer for record in found if isinstance(record, Track)}
    assert sorted(tracks.values()) == ["h", "l"]
    came = {"l": sender.came[small.ssrc], "h": sender.came[large.ssrc]}
    save(tmp_path, found)
    runs = {one.track.layer: one for one in read_capture(tmp_path).runs}
    for layer, one in runs.items():
        numbers = {(number & 0xFFFF) for number in one.seq.tolist()}
        assert len(numbers) == len(one.seq)
        span = {number & 0xFFFF for number in range(int(one.seq[0]), int(one.seq[-1]) + 1)}
        assert numbers == came[layer] & span, f"{layer}: what came between the first and the last is there"
    begins, _ = whole_frames(runs["h"])
    assert len(begins), "the large layer has whole frames"
    assert runs["h"].flags[0] == START | KEY, "the first packet begins a key frame"
    assert begins[0] == 0, "and that one is whole"


def test_a_repeat_of_the_codec_before_is_no_packet_of_this_one() -> None:
    room = Room()
    judge = room.add("judge", 0)
    room.route(captures=((TAKE, "judge", "camera", SEAT),))
    first, second = Camera(11).frame()
    room.send(judge, first)
    sequence, timestamp, _, payload = wire.fields(second)
    repeat = wire.rtx(9, timestamp, 12, sequence, payload, mid=b"cam")
    room.send(judge, repeat)
    room.send(judge, wire.rtp(sequence + 1, timestamp + 6000, 11, b"\x65h264", 102, mid=b"cam"))  # H.264 from here on
    late = wire.rtx(10, timestamp, 12, sequence + 2, payload, mid=b"cam")
    with pytest.raises(BadPacket):
        room.send(judge, late)
    room.spool.cut(room.now + 200_000)
    codecs = [record.codec for record in written(room) if isinstance(record, Track)]
    assert codecs == ["vp8", "h264"]
