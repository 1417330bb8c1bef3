"""Sound over bad lines: repeated inside itself, repeated on request, and never from before its route."""

from __future__ import annotations

import random

import pytest

from courtroom.errors import BadPacket
from courtroom.sfu import red, rtcp
from courtroom.sfu.kinds import RED
from courtroom.sfu.member import Member
from tests.sfu import wire
from tests.sfu.room import Room


def voice(number: int) -> bytes:
    return b"voice" + number.to_bytes(4, "big")


def plain(number: int, ssrc: int = 5) -> bytes:
    return wire.rtp(number, number * 960, ssrc, voice(number), 111, mid=b"mic")


def doubled(number: int, depth: int = 1, ssrc: int = 5) -> bytes:
    earlier = [((number - k) & 0xFFFF, k * 960) for k in range(depth, 0, -1)]
    heads = b"".join((0x80 << 24 | 111 << 24 | age << 10 | len(voice(n))).to_bytes(4, "big") for n, age in earlier)
    payload = heads + bytes((111,)) + b"".join(voice(n) for n, _ in earlier) + voice(number)
    return wire.rtp(number, number * 960, ssrc, payload, RED, mid=b"mic")


def numbers(member: Member, data: bytes) -> tuple[int, list[bytes]]:
    """Sequence number and voices in one packet to ``member``, RED or not."""
    sequence, _, _, payload = wire.fields(data)
    if data[1] & 0x7F == RED:
        own, earlier = red.split(payload)
        return sequence, [block for _, block in earlier] + [own]
    return sequence, [payload]


@pytest.mark.parametrize("seed", range(3))
def test_single_losses_on_the_way_in_leave_no_hole(seed: int) -> None:
    room, dice = Room(seed), random.Random(seed)
    judge, _clerk = room.add("judge"), room.add("clerk")
    room.route(("clerk", 0, "judge", "microphone"))
    got: list[bytes] = []
    lost = before = False
    for number in range(65_500, 65_900):
        room.tick(20_000)
        lost = number > 65_505 and not before and dice.random() < 0.3
        if not lost:
            for _, data in room.send(judge, doubled(number & 0xFFFF)):
                assert data[1] & 0x7F == 111, "a receiver on a good line gets plain Opus"
                got.append(wire.fields(data)[3])
        before = lost
    assert got == [voice(n & 0xFFFF) for n in range(65_500, 65_900 - lost)], "all, once, in order"


def test_lossy_receiver_gets_sound_that_repeats_itself_but_nothing_from_before_its_route() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    clerk.receives |= {RED}
    room.route(("clerk", 0, "judge", "microphone"))
    for number in range(100, 110):
        room.send(judge, plain(number))
    clerk.downlink.losses.permille = 200
    room.tick(400_000)
    assert clerk.redundancy == 2
    room.route()
    for number in range(110, 115):
        assert room.send(judge, plain(number)) == []
    room.route(("clerk", 0, "judge", "microphone"))
    seen = []
    for number in range(115, 125):
        for _, data in room.send(judge, plain(number)):
            seen.append(numbers(clerk, data)[1])
    flat = {block for blocks in seen for block in blocks}
    assert flat == {voice(n) for n in range(115, 125)}, "110 to 114 were not for this receiver"
    assert seen[-1] == [voice(122), voice(123), voice(124)]


def test_receiver_without_red_gets_packets_twice_as_they_were() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    room.route(("clerk", 0, "judge", "microphone"))
    room.send(judge, plain(99))
    clerk.downlink.losses.permille = 20
    room.tick(400_000)
    first = [data for _, data in room.send(judge, plain(100))]
    second = [data for _, data in room.send(judge, plain(101))]
    assert second[1] == first[0], "octet by octet: the same number under the same key must be the same packet"


def test_lost_sound_is_sent_again_as_it_was_and_not_after_its_route_ended() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    room.route(("clerk", 0, "judge", "microphone"))
    sent = [data for number in range(100, 110) for _, data in room.send(judge, plain(number))]
    lost = [wire.fields(data)[0] for data in sent[4:6]]
    request = rtcp.nack(1, clerk.audio[0].ssrc, lost)
    room.router.receive_rtcp(clerk, request, room.now)
    assert [data for _, data in room.rtp()] == sent[4:6]
    for _ in range(50):
        room.router.receive_rtcp(clerk, request, room.now)
    assert room.rtp() == [], "a storm of requests is answered once"
    room.route()
    room.tick(100_000)
    room.router.receive_rtcp(clerk, request, room.now)
    assert room.rtp() == []


def test_missing_sound_is_asked_for_while_it_can_still_be_played() -> None:
    room = Room()
    judge = room.add("judge")
    room.add("clerk")
    room.route(("clerk", 0, "judge", "microphone"))
    for number in (100, 101, 104):
        room.send(judge, plain(number))
    room.tick(20_000)
    asked = [report for name, report in room.rtcp() if isinstance(report, rtcp.Nack)]
    assert [one.lost for one in asked] == [(102, 103)]
    for _ in range(40):
        room.tick(20_000)
    again = [report for _, report in room.rtcp() if isinstance(report, rtcp.Nack)]
    assert 1 <= len(again) <= 8


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xef",
        b"\xef\0\0\5",
        b"\xef\0\0\xff\x6fabc",
        b"\x60abc",
        b"\xe0\0\0\1\x6fxx",
        b"\xef\0\0\0" * 40 + b"\x6f",
    ],
)
def test_broken_red_is_refused(payload: bytes) -> None:
    with pytest.raises(BadPacket):
        red.split(payload)


def test_red_is_read_as_it_was_written() -> None:
    for earlier in ([], [(960, b"a")], [(1920, b"a" * 500), (960, b"b")]):
        assert red.split(red.join(b"now", earlier)) == (b"now", earlier)
    assert red.split(red.join(b"now", [(20_000, b"too old"), (960, b"b")])) == (b"now", [(960, b"b")])
    assert red.split(red.join(b"now", [(960, b"x" * 1024)])) == (b"now", [])
