"""Rooms on a virtual clock, without sockets: what time alone brings about."""

from __future__ import annotations

import datetime
import gc
import random

from courtroom.channel import messages as m
from courtroom.sfu.consumer import Place
from courtroom.sfu.member import Member
from courtroom.sfu.packet import Rtp
from courtroom.sfu.producer import Layer, Producer
from courtroom.sfu.takes import Spool, Take
from courtroom.worker import dtls, rooms
from courtroom.worker.rooms import Rooms
from courtroom.worker.transport import CONNECT_US, QUIET_US, Transport
from tests.sfu import wire

OWN = dtls.identity(datetime.datetime.now(datetime.UTC))


class House:
    def __init__(self) -> None:
        self.now = 1_790_000_000_000_000
        self.told: list[m.FromWorker] = []
        self.rooms = Rooms(
            lambda: self.now, random.Random(3).randbytes, self.told.append, OWN, Spool("w"), ("192.0.2.1",)
        )
        assert self.rooms.answer(m.OpenRoom(1, "room")).code == ""

    def open(self, name: str) -> m.Reply:
        return self.rooms.answer(m.OpenTransport(2, "room", name, 1, ["microphone"]))

    def pass_time(self, us: int) -> None:
        for _ in range(us // 20_000):
            self.now += 20_000
            self.rooms.tick()

    def states(self) -> list[tuple[str, str]]:
        return [(event.state, event.reason) for event in self.told if isinstance(event, m.TransportChanged)]


def test_transport_that_never_connects_is_closed_after_half_a_minute() -> None:
    house = House()
    assert house.open("judge").sdp
    house.pass_time(CONNECT_US - 20_000)
    assert house.states() == []
    house.pass_time(20_000)
    assert house.states() == [("closed", "never_connected")]
    assert house.rooms.answer(m.CloseTransport(3, "judge")).code == "no_such_transport"
    assert house.open("judge").code == "", "and may be opened anew"


def test_who_says_nothing_is_called_silent_before_two_seconds_are_over() -> None:
    house = House()
    house.open("judge")
    transport = house.rooms.transports["judge"]
    transport.up, transport.member.connected = True, True
    transport.heard(house.now)
    house.pass_time(QUIET_US - 20_000)
    assert house.states() == []
    house.pass_time(20_000)
    assert house.states() == [("silent", "")]
    assert QUIET_US + 20_000 < 2_000_000


def test_rooms_are_bounded_and_closing_makes_space() -> None:
    house = House()
    for i in range(rooms.MAX_ROOMS - 1):
        assert house.rooms.answer(m.OpenRoom(i, f"room-{i}")).code == ""
    assert house.rooms.answer(m.OpenRoom(9, "one more")).code == "too_many_rooms"
    assert house.rooms.answer(m.CloseRoom(9, "room-0")).code == ""
    assert house.rooms.answer(m.OpenRoom(9, "one more")).code == ""


def test_no_two_transports_share_ssrcs_or_credentials() -> None:
    house = House()
    offers = [house.open(f"seat-{i}").sdp.splitlines() for i in range(20)]
    ufrags = {line for offer in offers for line in offer if line.startswith("a=ice-ufrag")}
    assert len(ufrags) == 20
    ssrcs = [{line.split()[0] for line in offer if line.startswith("a=ssrc:")} for offer in offers]
    assert all(len(own) == 3 for own in ssrcs)
    assert len(set.union(*ssrcs)) == 60


def test_closed_transport_is_gone_without_the_collector() -> None:
    """The worker freezes its heap and seldom collects: what closed transports keep in cycles is kept for ever."""
    house = House()
    for name in ("judge", "clerk"):
        house.open(name)
        transport = house.rooms.transports[name]
        transport.up = transport.member.connected = True
    judge, clerk = (house.rooms.transports[name] for name in ("judge", "clerk"))
    route = m.Route("clerk", 0, "judge", "microphone")
    house.rooms.answer(m.SetRoutes(4, "room", 1, [route], []))
    for number in range(20):
        packet = wire.rtp(number, number * 960, 5, b"opus", 111, mid=b"mic")
        judge.router.receive_rtp(judge.member, packet, house.now)
        house.rooms.port.drain(judge.router, house.now)
    layer = next(iter(judge.member.streams.values()))
    assert clerk.member.audio[0].layer is layer
    del judge, clerk, layer, transport, packet, name
    kinds = (Transport, Member, Place, Producer, Layer, Rtp)
    gc.collect()
    gc.disable()
    try:
        before = [sum(type(one) is kind for one in gc.get_objects()) for kind in kinds]
        for seat in ("judge", "clerk"):
            assert house.rooms.answer(m.CloseTransport(5, seat)).code == ""
        after = [sum(type(one) is kind for one in gc.get_objects()) for kind in kinds]
    finally:
        gc.enable()
    assert [a - b for a, b in zip(before, after, strict=True)] == [2, 2, 4, 1, 1, 20]


def test_take_is_gone_when_the_last_room_captured_into_it_is_closed() -> None:
    """Its tracks are as many as the transports of a whole hearing."""
    house = House()
    assert house.rooms.answer(m.OpenRoom(1, "other")).code == ""
    assert house.open("judge").code == ""
    capture = m.CaptureRoute("take", "judge", "microphone", "seat-1")
    gc.collect()
    gc.disable()
    try:
        before = sum(type(one) is Take for one in gc.get_objects())
        counted = []
        for room in ("other", "room"):
            assert house.rooms.answer(m.SetRoutes(2, room, 1, [], [capture])).code == ""
        for room in ("other", "room"):
            assert house.rooms.answer(m.CloseRoom(3, room)).code == ""
            counted.append(sum(type(one) is Take for one in gc.get_objects()) - before)
    finally:
        gc.enable()
    assert counted == [1, 0]
