"""What comes in one wake-up leaves as if it had come packet by packet, and never through a place that has let go."""

from __future__ import annotations

import random

import pytest

from courtroom.sfu.router import Member
from tests.sfu import wire
from tests.sfu.room import Camera, Room

H264, OPUS = 102, 111
FOUR = ("judge", "plaintiff", "defendant", "clerk")


def routed(*others: tuple[str, int, str, str]) -> tuple[Room, dict[str, Member]]:
    """The plaintiff is seen and heard by everybody else."""
    room = Room()
    members = {name: room.add(name) for name in FOUR}
    everybody = [
        (name, 0, "plaintiff", kind) for name in FOUR if name != "plaintiff" for kind in ("camera", "microphone")
    ]
    room.route(*everybody, *others)
    return room, members


def sound(sequence: int) -> bytes:
    return wire.rtp(sequence, sequence * 960, 700, b"opus%d" % sequence, OPUS, mid=b"mic", level=b"\x40")


def as_h264(packet: bytes, *, key: bool) -> bytes:
    sequence, timestamp, ssrc, _ = wire.fields(packet)
    return wire.rtp(sequence, timestamp, ssrc, (b"\x65" if key else b"\x41") + packet[-9:], H264, mid=b"cam")


def stream(seed: int, codec: int) -> list[bytes]:
    """A camera's packets, some twice, some late, some never, a key frame now and then; and its sound among them."""
    dice = random.Random(seed)
    camera, packets, mixed = Camera(900), [], []
    for number in range(60):
        camera.key = number % 20 == 0
        packets += [packet if codec == 96 else as_h264(packet, key=number % 20 == 0) for packet in camera.frame()]
        packets.append(sound(300 + number))
    for packet in packets:
        if dice.random() < 0.05:
            continue
        mixed.append(packet)
        if dice.random() < 0.1:
            mixed.append(packet)
    for _ in range(12):
        at = dice.randrange(2, len(mixed) - 4)
        mixed.insert(at + dice.randrange(4), mixed.pop(at))
    return mixed


def video(packets: list[bytes]) -> list[tuple[int, int, int, bytes]]:
    """Without what belongs to the moment of sending: the transport-wide number and the time."""
    return [wire.fields(data) for data in packets]


def journal(room: Room) -> set[tuple[str, str, int, int]]:
    return {(edge.receiver, edge.kind, edge.packets, edge.octets) for edge in room.router.journal()}


@pytest.mark.parametrize("codec", [96, H264])
@pytest.mark.parametrize("seed", range(8))
def test_together_is_the_same_as_one_by_one(seed: int, codec: int) -> None:
    packets = stream(seed, codec)
    dice = random.Random(seed + 100)
    one, members = routed()
    many, crowd = routed()
    apart: dict[str, dict[int, list[bytes]]] = {name: {} for name in FOUR}
    together: dict[str, dict[int, list[bytes]]] = {name: {} for name in FOUR}

    def keep(came: list[tuple[str, bytes]], where: dict[str, dict[int, list[bytes]]]) -> None:
        for name, data in came:
            where[name].setdefault(wire.fields(data)[2], []).append(data)

    at = 0
    while at < len(packets):
        end = at + dice.randrange(1, 12)
        for data in packets[at:end]:
            keep(one.send(members["plaintiff"], data), apart)
            many.router.receive_rtp(crowd["plaintiff"], data, many.now)
        keep(many.rtp(), together)
        at = end
        one.now += 5_000
        many.now += 5_000
    counted = journal(one)
    assert counted == journal(many)
    assert len(counted) == 6
    for name in ("judge", "defendant", "clerk"):
        assert apart[name].keys() == together[name].keys()
        assert len(apart[name]) == 2
        for ssrc, expected in apart[name].items():
            assert video(together[name][ssrc]) == video(expected)
            assert len(expected) > 40
        # what the receiver's feedback will speak of: one number for each, none twice
        numbers = sorted(int.from_bytes(data[21:23], "big") for found in together[name].values() for data in found)
        assert numbers == list(range(len(numbers)))


def test_a_place_that_lets_go_has_what_came_before_and_nothing_after() -> None:
    room, members = routed()
    camera = Camera(900)
    for data in camera.frame():
        room.send(members["plaintiff"], data)
    for data in camera.frame():
        room.router.receive_rtp(members["plaintiff"], data, room.now)
    room.route(*[(name, 0, "plaintiff", "camera") for name in ("judge", "clerk")])
    for data in camera.frame():
        room.router.receive_rtp(members["plaintiff"], data, room.now)
    came = room.rtp()
    assert [name for name, _ in came].count("defendant") == 2
    assert [name for name, _ in came].count("judge") == [name for name, _ in came].count("clerk") == 4
    assert room.rtp() == []


def test_numbers_go_on_when_the_layer_changes_in_the_middle() -> None:
    room, members = routed()
    small, large = Camera(900, "l"), Camera(902, "h")
    plaintiff, judge = members["plaintiff"], members["judge"]
    for data in small.frame():
        room.send(plaintiff, data)
    large.key = False
    for data in large.frame():  # there, but nobody can begin with it
        room.send(plaintiff, data)
    assert judge.video[0].layer is not None
    assert judge.video[0].layer.rid == "l"
    large.key = True
    for data in [*small.frame(), *small.frame(), *large.frame(), *small.frame(), *large.frame()]:
        room.router.receive_rtp(plaintiff, data, room.now)
    came = [wire.fields(data) for name, data in room.rtp() if name == "judge"]
    assert judge.video[0].layer is plaintiff.producers[judge.video[0].source.kind].layers["h"]  # type: ignore[union-attr]
    sequences = [sequence for sequence, *_ in came]
    assert sequences == [(sequences[0] + i) & 0xFFFF for i in range(8)], "four of the small one, four of the large one"
    pictures = [wire.vp8_numbers(payload)[0] for *_, payload in came]
    assert pictures == [pictures[0] + i // 2 for i in range(8)]


def test_what_is_older_than_the_key_frame_does_not_leave_with_it() -> None:
    room, members = routed()
    key = wire.rtp(1000, 5000, 900, wire.vp8(7, 3, key=True), mid=b"cam")
    before = wire.rtp(999, 5000, 900, wire.vp8(7, 3, start=False), mid=b"cam")
    after = wire.rtp(1001, 5000, 900, wire.vp8(7, 3, start=False), marker=True, mid=b"cam")
    for data in (key, before, after):
        room.router.receive_rtp(members["plaintiff"], data, room.now)
    came = [wire.fields(data)[0] for name, data in room.rtp() if name == "judge"]
    assert came == [came[0], came[0] + 1]
