"""A publisher and a receiver with a bad line between them and the room: everything arrives, in one piece."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable

import pytest

from courtroom.sfu import rtcp
from tests.sfu import wire
from tests.sfu.room import Camera, Room


class Line:
    """Delays, reorders, repeats and loses datagrams; seeded."""

    def __init__(self, room: Room, dice: random.Random, loss: float, deliver: Callable[[bytes], None]) -> None:
        self._room, self._dice, self._loss, self._deliver = room, dice, loss, deliver
        self._queue: list[tuple[int, int, bytes]] = []
        self._count = 0

    def send(self, data: bytes) -> None:
        for _ in range(2 if self._dice.random() < 0.01 else 1):
            if self._dice.random() >= self._loss:
                self._count += 1
                due = self._room.now + self._dice.randrange(5_000, 15_000)
                heapq.heappush(self._queue, (due, self._count, data))

    def run(self) -> None:
        while self._queue and self._queue[0][0] <= self._room.now:
            self._deliver(heapq.heappop(self._queue)[2])


class Publisher:
    def __init__(self, room: Room, name: str, ssrc: int, dice: random.Random, loss: float) -> None:
        self.room, self.camera = room, Camera(ssrc, sequence=65_000)
        self.member = room.add(name, 0)
        self.up = Line(room, dice, loss, lambda data: room.router.receive_rtp(self.member, data, room.now))
        self.down = Line(room, dice, loss, self._heard)
        self._repeats = 0

    def frame(self) -> None:
        for packet in self.camera.frame():
            self.up.send(packet)

    def _heard(self, data: bytes) -> None:
        for report in rtcp.parse(data):
            if isinstance(report, rtcp.Pli):
                self.camera.key = True
            elif isinstance(report, rtcp.Nack):
                for original in report.lost:
                    if original in self.camera.sent:
                        _, timestamp, ssrc, payload = wire.fields(self.camera.sent[original])
                        self._repeats += 1
                        self.up.send(wire.rtx(self._repeats, timestamp, ssrc + 1, original, payload, mid=b"cam"))


class Receiver:
    """Keeps what came by sequence number; asks for gaps."""

    def __init__(self, room: Room, name: str, dice: random.Random, loss: float) -> None:
        self.room = room
        self.member = room.add(name, 1)
        self.place = self.member.video[0]
        self.got: dict[int, bytes] = {}
        self.asked: dict[int, int] = {}
        self.down = Line(room, dice, loss, self._packet)
        self.up = Line(room, dice, loss, lambda data: room.router.receive_rtcp(self.member, data, room.now))
        self.repaired = 0

    def _packet(self, data: bytes) -> None:
        sequence, timestamp, ssrc, payload = wire.fields(data)
        if ssrc == self.place.retransmission:
            self.repaired += 1
            sequence, payload = int.from_bytes(payload[:2], "big"), payload[2:]
        else:
            assert ssrc == self.place.ssrc
        near = max(self.got, default=sequence)
        index = near + ((sequence - near + 0x8000) & 0xFFFF) - 0x8000
        known = self.got.setdefault(index, timestamp.to_bytes(4, "big") + payload)
        assert known == timestamp.to_bytes(4, "big") + payload, "one number, one content"

    def ask(self) -> None:
        missing = [
            index
            for index in range(min(self.got, default=0), max(self.got, default=0))
            if index not in self.got and self.room.now - self.asked.get(index, 0) > 50_000
        ][:100]
        for index in missing:
            self.asked[index] = self.room.now
        if missing:
            self.up.send(rtcp.nack(1, self.place.ssrc, [index & 0xFFFF for index in missing]))


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_everything_arrives_once_in_one_numbering_across_source_changes(seed: int, loss: float) -> None:
    room, dice = Room(seed), random.Random(seed)
    sources = [Publisher(room, name, ssrc, dice, loss) for name, ssrc in (("judge", 100), ("clerk", 200))]
    receiver = Receiver(room, "plaintiff", dice, loss)
    lines = {publisher.member.name: publisher.down for publisher in sources}
    room.route(("plaintiff", 0, "judge", "camera"))
    frames = 400
    for step in range(frames * 4 + 200):
        room.tick(16_000)
        if step == frames * 2:
            room.route(("plaintiff", 0, "clerk", "camera"))
        if step % 4 == 0 and step < frames * 4:
            for publisher in sources:
                publisher.frame()
        for publisher in sources:
            publisher.up.run()
            publisher.down.run()
        receiver.ask()
        receiver.up.run()
        for _, data in room.rtp():
            receiver.down.send(data)
        out, room.router.rtcp = room.router.rtcp, []
        for member, data in out:
            if member.name in lines:
                lines[member.name].send(data)
        receiver.down.run()
    indexes = sorted(receiver.got)
    holes = [index for index in range(indexes[0], indexes[-1]) if index not in receiver.got]
    # what was lost just before the switch is gone with its source, and only that
    assert len(holes) <= (0 if loss == 0 else 12)
    if loss:
        assert receiver.repaired > 10
    assert len(indexes) > 2 * frames * 0.9
    stamps = [int.from_bytes(receiver.got[index][:4], "big") for index in indexes]
    assert all(((b - a) & 0xFFFFFFFF) < 2**31 for a, b in itertools.pairwise(stamps)), "time never runs back"
    pictures = [wire.vp8_numbers(receiver.got[index][4:])[0] for index in indexes]
    assert all(((b - a) & 0x7FFF) <= 12 for a, b in itertools.pairwise(pictures)), "nor do picture ids"
