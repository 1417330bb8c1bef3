"""What a room passes on, to whom, and when it stops."""

from __future__ import annotations

import itertools
import random

import pytest

from courtroom.errors import BadPacket, Refused
from courtroom.sfu import rtcp
from courtroom.sfu.kinds import Kind
from courtroom.sfu.router import MAX_MEMBERS, MAX_PLACES, MAX_STREAMS, ProducerChanged, SpeakingChanged
from tests.sfu import wire
from tests.sfu.room import START, Camera, Room


def opus(sequence: int, ssrc: int = 50, level: int = 127) -> bytes:
    return wire.rtp(sequence, sequence * 960, ssrc, b"opus", 111, mid=b"mic", level=bytes([level]))


def plis(room: Room) -> list[tuple[str, int]]:
    return [(name, report.media) for name, report in room.rtcp() if isinstance(report, rtcp.Pli)]


def test_nothing_goes_anywhere_without_a_route() -> None:
    room = Room()
    judge, _ = room.add("judge"), room.add("clerk")
    camera = Camera(11)
    assert [room.send(judge, packet) for _ in range(5) for packet in camera.frame()] == [[]] * 10


def test_first_key_frame_reaches_those_who_wait_for_it() -> None:
    room = Room()
    judge = room.add("judge")
    room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"))
    out = [room.send(judge, packet) for packet in Camera(11).frame()]
    assert [len(packets) for packets in out] == [1, 1]
    assert out[0][0][0] == "clerk"
    assert room.router.events == [ProducerChanged("judge", Kind.CAMERA, True, "vp8")]


def test_outgoing_packets_carry_the_places_numbers_and_no_mid() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    room.route(("clerk", 1, "judge", "camera"))
    camera = Camera(11)
    sent = camera.frame() + camera.frame()
    got = [data for packet in sent for _, data in room.send(judge, packet)]
    assert len(got) == 4
    numbers = [wire.fields(data) for data in got]
    assert {ssrc for _, _, ssrc, _ in numbers} == {clerk.video[1].ssrc}
    assert [(b - a) & 0xFFFF for a, b in zip([n[0] for n in numbers], [n[0] for n in numbers][1:], strict=False)] == [
        1,
        1,
        1,
    ]
    assert (numbers[2][1] - numbers[0][1]) & 0xFFFFFFFF == 6000
    assert [n[3] for n in numbers] == [wire.fields(packet)[3] for packet in sent]
    for number, data in enumerate(got):  # abs-send-time and the transport-wide number, nothing of the sender's
        assert data[12:17] == b"\xbe\xde\x00\x02\x22"
        assert data[20:24] == bytes((0x31, 0, number, 0))


def test_fast_path_writes_what_the_plain_one_writes() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"))
    camera = Camera(11)
    for packet in camera.frame() + camera.frame():
        ((_, data),) = room.send(judge, packet)
        place, layer = clerk.video[0], judge.streams[11]
        assert layer.newest is not None
        when = int.from_bytes(data[16:20], "big")
        assert data == place.write(layer.newest, when, int.from_bytes(data[21:23], "big"))


def test_source_change_looks_like_one_sender() -> None:
    room = Room()
    judge, plaintiff = room.add("judge"), room.add("plaintiff")
    room.add("clerk")
    first, second = Camera(11), Camera(22, sequence=65534, timestamp=2**32 - 3000, picture=9, tl0=3)
    room.route(("clerk", 0, "judge", "camera"))
    got: list[bytes] = []
    for _ in range(3):
        room.now += 66_667
        got += [data for packet in first.frame() for _, data in room.send(judge, packet)]
        for packet in second.frame():
            assert room.send(plaintiff, packet) == []
    room.route(("clerk", 0, "plaintiff", "camera"))
    second.key = True
    for _ in range(3):
        room.now += 66_667
        for packet in first.frame():
            assert room.send(judge, packet) == []
        got += [data for packet in second.frame() for _, data in room.send(plaintiff, packet)]
    numbers = [wire.fields(data) for data in got]
    assert len(numbers) == 12
    assert len({ssrc for _, _, ssrc, _ in numbers}) == 1
    sequences = [sequence for sequence, *_ in numbers]
    assert all((b - a) & 0xFFFF == 1 for a, b in itertools.pairwise(sequences))
    steps = [(b[1] - a[1]) & 0xFFFFFFFF for a, b in zip(numbers[::2], numbers[2::2], strict=False)]
    assert steps[2] == pytest.approx(66_667 * 90_000 // 1_000_000, abs=2), "at the switch: the time that passed"
    assert all(step == 6000 for i, step in enumerate(steps) if i != 2)
    pictures = [wire.vp8_numbers(payload) for *_, payload in numbers[::2]]
    assert all((b[0] - a[0]) & 0x7FFF == 1 for a, b in itertools.pairwise(pictures))
    assert all((b[1] - a[1]) & 0xFF == 1 for a, b in itertools.pairwise(pictures))


def test_packet_older_than_the_switch_is_never_sent() -> None:
    room = Room()
    judge = room.add("judge")
    room.add("clerk")
    camera = Camera(11)
    early = camera.frame()
    room.send(judge, early[0])
    room.route(("clerk", 0, "judge", "camera"))
    camera.key = True
    for packet in camera.frame():
        assert len(room.send(judge, packet)) == 1
    assert room.send(judge, early[1]) == [], "it belongs to the numbers before the switch"


def test_removed_route_leaves_nothing_to_send_not_even_repeats() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"), ("clerk", 0, "judge", "microphone"))
    camera = Camera(11)
    got = [data for packet in camera.frame() for _, data in room.send(judge, packet)]
    sequence, _, ssrc, _ = wire.fields(got[0])
    nack = rtcp.nack(1, ssrc, [sequence, sequence + 1])
    room.router.receive_rtcp(clerk, nack, room.now)
    assert len(room.rtp()) == 2, "before: repeats are answered"
    room.route()
    room.now += 1_000_000
    room.router.receive_rtcp(clerk, nack, room.now)
    for packet in camera.frame():
        room.send(judge, packet)
    room.send(judge, opus(1, level=20))
    room.tick()
    assert room.rtp() == []
    assert [name for name, _ in room.rtcp() if name == "clerk"] == []


def test_repeat_is_the_packet_under_the_retransmission_ssrc() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"))
    got = [data for packet in Camera(11).frame() for _, data in room.send(judge, packet)]
    sequence, timestamp, ssrc, payload = wire.fields(got[1])
    room.router.receive_rtcp(clerk, rtcp.nack(1, ssrc, [sequence]), room.now)
    ((name, repeat),) = room.rtp()
    assert name == "clerk"
    _, again, repair, body = wire.fields(repeat)
    assert repair == clerk.video[0].retransmission
    assert repeat[1] & 0x7F == 97
    assert again == timestamp
    assert body == sequence.to_bytes(2, "big") + payload
    room.router.receive_rtcp(clerk, rtcp.nack(1, ssrc, [sequence]), room.now + 1000)
    assert room.rtp() == [], "not twice within 30 ms"


def test_key_frames_are_asked_for_until_one_was_forwarded() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk", connected=False)
    room.route(("clerk", 0, "judge", "camera"))
    camera = Camera(11, key=False)
    for packet in camera.frame():
        room.send(judge, packet)
    room.tick()
    assert plis(room) == [], "nobody is there to see it yet"
    room.router.connect(clerk, room.now)
    asked = 0
    for _ in range(100):
        room.tick()
        asked += len(plis(room))
        for packet in camera.frame():
            assert room.send(judge, packet) == []
    assert 4 <= asked <= 6, "2 s: at once, then every 400 ms"
    camera.key = True
    assert [len(room.send(judge, packet)) for packet in camera.frame()] == [1, 1]
    for _ in range(100):
        room.tick()
        for packet in camera.frame():
            room.send(judge, packet)
    assert plis(room) == []


def test_burst_of_joins_costs_two_key_frames_at_most() -> None:
    room = Room()
    judge = room.add("judge")
    camera = Camera(11, key=False)
    room.send(judge, camera.frame()[0])
    names = [f"seat-{i}" for i in range(10)]
    asked = 0
    for i, name in enumerate(names):
        room.add(name)
        room.route(*((other, 0, "judge", "camera") for other in names[: i + 1]))
        room.tick()
        found = plis(room)
        asked += len(found)
        camera.key = camera.key or bool(found)
        for packet in camera.frame():
            room.send(judge, packet)
    for _ in range(30):
        room.tick()
        found = plis(room)
        asked += len(found)
        camera.key = camera.key or bool(found)
        for packet in camera.frame():
            room.send(judge, packet)
    assert asked <= 2
    assert {name for packet in camera.frame() for name, _ in room.send(judge, packet)} == set(names)


def test_receivers_wish_for_a_key_frame_reaches_the_publisher() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"))
    camera = Camera(11)
    for packet in camera.frame():
        room.send(judge, packet)
    room.tick()
    plis(room)
    room.tick(1_000_000)
    room.router.receive_rtcp(clerk, rtcp.pli(1, clerk.video[0].ssrc), room.now)
    room.router.receive_rtcp(clerk, rtcp.pli(1, 999), room.now)
    room.tick()
    assert plis(room) == [("judge", 11)]


def test_duplicates_and_probes_go_nowhere() -> None:
    room = Room()
    judge = room.add("judge")
    room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"))
    packets = Camera(11).frame()
    assert len(room.send(judge, packets[0])) == 1
    assert room.send(judge, packets[0]) == []
    sequence, timestamp, _, payload = wire.fields(packets[0])
    assert room.send(judge, wire.rtx(1, timestamp, 12, sequence, payload, mid=b"cam")) == []
    assert room.send(judge, wire.rtp(2, timestamp, 12, b"", 97, padding=100, mid=b"cam")) == []
    assert room.counters.dropped == {"duplicate": 2}


def test_layers_fall_back_and_come_back() -> None:
    room = Room()
    judge = room.add("judge")
    clerk = room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"))
    small, large = Camera(11, "l"), Camera(12, "h")

    def step(*cameras: Camera) -> set[int]:
        """One frame of each; which SSRCs the clerk's place is fed from."""
        room.tick(66_000)
        for name, ssrc in plis(room):
            assert name == "judge"
            for camera in (small, large):
                camera.key = camera.key or camera.ssrc == ssrc
        for camera in cameras:
            for packet in camera.frame():
                room.send(judge, packet)
        layer = clerk.video[0].layer
        return {layer.ssrc} if layer is not None else set()

    assert step(small) == {11}, "what exists is better than what is wanted"
    seen = [step(small, large) for _ in range(10)]
    assert seen[-1] == {12}, "the large one as soon as its key frame came"
    seen = [step(small) for _ in range(20)]
    assert seen[-1] == {11}, "the large one vanished"
    seen = [step(small, large) for _ in range(20)]
    assert seen[-1] == {12}
    room.router.prefer(clerk, 0, 200, room.now)
    assert [step(small, large) for _ in range(10)][-1] == {11}
    room.router.prefer(clerk, 0, 0, room.now)
    assert step(small, large) == set()
    room.router.prefer(clerk, 0, 900, room.now)
    assert [step(small, large) for _ in range(10)][-1] == {12}


def test_who_sees_nothing_takes_the_small_layer_when_the_large_one_stops() -> None:
    """The sender starts both, a receiver waits for the large one, and the sender switches the large one off."""
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    small, large = Camera(11, "l"), Camera(12, "h")
    for camera in (small, large):
        for packet in camera.frame():
            room.send(judge, packet)
    room.route(("clerk", 0, "judge", "camera"))
    assert clerk.video[0].waits_for is not None
    assert clerk.video[0].waits_for.ssrc == large.ssrc
    room.tick(20_000)
    assert {ssrc for _name, ssrc in plis(room)} == {small.ssrc, large.ssrc}
    small.key = True
    out = [packet for packet in small.frame() for packet in room.send(judge, packet)]
    assert out, "a small picture now beats a large one later"
    layer = clerk.video[0].layer
    assert layer is not None
    assert layer.ssrc == small.ssrc


def test_large_layer_of_its_own_gets_forwarded_though_the_small_one_is_wanted() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    room.router.prefer(clerk, 0, 100, room.now)
    room.route(("clerk", 0, "judge", "camera"))
    out = [packet for packet in Camera(12, "h").frame() for packet in room.send(judge, packet)]
    assert len(out) == 2


def test_sender_reports_put_sound_and_picture_on_one_clock() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"), ("clerk", 0, "judge", "microphone"))
    wrong = 3_600_000_000  # the publisher's clock is an hour off
    for packet in Camera(11, timestamp=90_000).frame():
        room.send(judge, packet)
    room.send(judge, opus(50))
    # picture and sound of one instant: RTP 90000 and 48000; the network took 30 ms, then 80 ms
    instant = START + wrong - 30_000
    room.router.receive_rtcp(judge, rtcp.sender_report(11, rtcp.to_ntp(instant), 90_000, 1, 1), room.now)
    room.now += 50_000
    room.router.receive_rtcp(judge, rtcp.sender_report(50, rtcp.to_ntp(instant), 48_000, 1, 1), room.now)
    reports = [report for name, report in room.rtcp() if name == "clerk" and isinstance(report, rtcp.SenderReport)]
    picture = next(report for report in reports if report.ssrc == clerk.video[0].ssrc)
    sound = next(report for report in reports if report.ssrc == clerk.audio[0].ssrc)

    def court(report: rtcp.SenderReport, rate: int, offset: int, timestamp: int) -> float:
        ticks = ((timestamp + offset - report.rtp + 2**31) & 0xFFFFFFFF) - 2**31
        return rtcp.from_ntp(report.ntp) + ticks * 1_000_000 / rate

    seen = court(picture, 90_000, clerk.video[0].timestamp_offset, 90_000)
    heard = court(sound, 48_000, clerk.audio[0].timestamp_offset, 48_000)
    assert abs(seen - heard) < 100, "µs"
    assert abs(seen - START) < 100, "and that clock is the court's, not the publisher's"


def test_loss_upstream_is_asked_for_and_repaired_in_order() -> None:
    room = Room()
    judge = room.add("judge")
    room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"))
    camera = Camera(11, sequence=65533)
    packets = [packet for _ in range(4) for packet in camera.frame()]
    got = [data for packet in [*packets[:2], *packets[4:]] for _, data in room.send(judge, packet)]
    room.tick()
    lost = [report.lost for _, report in room.rtcp() if isinstance(report, rtcp.Nack)]
    assert lost == [(65535, 0)]
    for original in (65535, 0):
        sequence, timestamp, _, payload = wire.fields(camera.sent[original])
        got += [
            data for _, data in room.send(judge, wire.rtx(original + 9, timestamp, 12, sequence, payload, mid=b"cam"))
        ]
    base = wire.fields(got[0])[0]
    assert sorted((wire.fields(data)[0] - base) & 0xFFFF for data in got) == list(range(8))
    room.tick(100_000)
    assert [report for _, report in room.rtcp() if isinstance(report, rtcp.Nack)] == []


def test_sender_that_begins_its_count_anew_is_followed() -> None:
    room = Room()
    judge = room.add("judge")
    room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"))
    camera = Camera(11)
    got = [data for packet in camera.frame() for _, data in room.send(judge, packet)]
    camera.sequence += 20_000
    camera.key = True
    got += [data for packet in camera.frame() for _, data in room.send(judge, packet)]
    sequences = [wire.fields(data)[0] for data in got]
    assert [(b - a) & 0xFFFF for a, b in itertools.pairwise(sequences)] == [1, 1, 1]


def test_new_ssrc_of_the_same_camera_takes_its_place() -> None:
    room = Room()
    judge = room.add("judge")
    room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"))
    got = [
        data for camera in (Camera(11), Camera(99)) for packet in camera.frame() for _, data in room.send(judge, packet)
    ]
    assert len(got) == 4
    assert len({wire.fields(data)[2] for data in got}) == 1


def test_unknown_streams_are_refused_and_bounded() -> None:
    room = Room()
    judge = room.add("judge")
    for data in (
        wire.rtp(1, 2, 3, b"x"),  # no MID, nothing declared
        wire.rtp(1, 2, 3, b"x", mid=b"zzz"),
        wire.rtp(1, 2, 3, b"x", 55, mid=b"cam"),
        wire.rtp(1, 2, 3, b"x", 111, mid=b"cam"),
        wire.rtp(1, 2, 3, b"x", mid=b"cam", rid=b"m"),
        wire.rtp(1, 2, 3, b"x", 97, mid=b"cam"),  # repair of nothing
    ):
        with pytest.raises(BadPacket):
            room.send(judge, data)
    for ssrc in range(2 * MAX_STREAMS):
        room.send(judge, opus(1, ssrc=1000 + ssrc))
    assert len(judge.streams) == 1, "one microphone has one stream, however often it is replaced"


def test_declared_streams_need_no_mid() -> None:
    from courtroom.sfu.router import Declared

    room = Room()
    judge = room.add("judge")
    room.add("clerk")
    room.route(("clerk", 0, "judge", "microphone"))
    judge.declared[50] = Declared(Kind.MICROPHONE)
    assert len(room.send(judge, wire.rtp(1, 960, 50, b"opus", 111))) == 1


def test_codec_a_receiver_does_not_have_is_not_sent_to_it() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    clerk.receives = frozenset((111, 102))
    room.route(("clerk", 0, "judge", "camera"))
    assert [room.send(judge, packet) for packet in Camera(11).frame()] == [[], []]


def test_who_speaks_is_told_with_hysteresis() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    told: list[tuple[str, ...]] = []
    sequence = 0

    def say(member: object, level: int, packets: int) -> None:
        nonlocal sequence
        for _ in range(packets):
            sequence += 1
            assert member in (judge, clerk)
            room.send(
                judge if member is judge else clerk, opus(sequence, ssrc=50 if member is judge else 60, level=level)
            )
            room.tick()
            told.extend(event.members for event in room.router.events if isinstance(event, SpeakingChanged))
            room.router.events.clear()

    say(judge, 127, 50)
    say(judge, 30, 3)  # a knock on the table
    say(judge, 127, 50)
    assert told == []
    say(judge, 30, 30)
    say(judge, 127, 20)  # a breath
    say(judge, 30, 30)
    assert told == [("judge",)]
    say(clerk, 20, 60)
    assert told[-1] == ("clerk",), "and the judge has been silent for more than a second"
    say(clerk, 127, 100)
    assert told[-1] == ()


def test_camera_that_stops_is_told() -> None:
    room = Room()
    judge = room.add("judge")
    for packet in Camera(11).frame():
        room.send(judge, packet)
    room.router.events.clear()
    for _ in range(120):
        room.tick()
    assert room.router.events == [ProducerChanged("judge", Kind.CAMERA, False, "vp8")]


def test_leaving_member_takes_its_routes_along() -> None:
    room = Room()
    judge, clerk = room.add("judge"), room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"), ("judge", 0, "clerk", "camera"))
    ours, theirs = Camera(11), Camera(22)
    for packet in ours.frame():
        room.send(judge, packet)
    for packet in theirs.frame():
        room.send(clerk, packet)
    edges = {(edge.receiver, edge.source): edge.packets for edge in room.router.journal()}
    assert edges == {("clerk", "judge"): 2, ("judge", "clerk"): 2}
    assert room.router.journal() == [], "nothing new"
    gone = room.router.remove("clerk", room.now)
    assert {(edge.receiver, edge.source) for edge in gone} == set(edges)
    for packet in ours.frame():
        assert room.send(judge, packet) == []
    assert judge.video[0].source is None
    again = room.add("clerk")
    assert [len(room.send(judge, packet)) for packet in ours.frame()] == [0, 0], "no key frame yet"
    ours.key = True
    assert [len(room.send(judge, packet)) for packet in ours.frame()] == [1, 1], "the route still stands"
    assert again.video[0].edge.packets == 2


def test_sets_of_routes_are_checked_as_a_whole() -> None:
    room = Room()
    room.add("judge")
    room.add("clerk")
    room.route(("clerk", 0, "judge", "camera"))
    before = room.router.revision
    for bad in (
        [("clerk", 0, "judge", "camera"), ("clerk", 0, "other", "screen")],  # two pictures in one place
        [("clerk", 0, "judge", "camera"), ("clerk", 1, "judge", "camera")],  # one picture in two places
        [("clerk", MAX_PLACES, "judge", "camera")],
        [("clerk", -1, "judge", "camera")],
        [("clerk", 0, "clerk", "camera")],  # one's own picture
    ):
        with pytest.raises(Refused, match="bad_routes"):
            room.route(*bad)
        assert room.router.revision == before
    room.route(("clerk", 0, "judge", "camera"), ("clerk", 0, "judge", "microphone"))
    with pytest.raises(Refused, match="stale_revision"):
        room.router.set_routes(0, [], [], room.now)


def test_rooms_are_bounded() -> None:
    room = Room()
    for i in range(MAX_MEMBERS):
        room.add(f"seat-{i}", 0)
    with pytest.raises(Refused, match="room_full"):
        room.add("one more", 0)
    other = Room()
    with pytest.raises(Refused, match="too_many_places"):
        other.add("greedy", MAX_PLACES + 1)


def test_no_set_of_routes_lets_a_packet_to_somebody_outside_it() -> None:
    """Random sets of routes, packets, repeats and preferences: what goes out is a route of this moment."""
    dice = random.Random(99)
    room = Room()
    names = ["a", "b", "c", "d"]
    members = {name: room.add(name, 3) for name in names}
    cameras = {name: Camera(1000 + i) for i, name in enumerate(names)}
    owner: dict[bytes, str] = {}  # body → who sent it
    allowed: set[tuple[str, str]] = set()
    sent: list[tuple[str, int, int]] = []
    forwarded = 0
    for _ in range(3000):
        match dice.randrange(10):
            case 0:
                wanted = {}
                for _ in range(dice.randrange(8)):
                    to, source = dice.sample(names, 2)
                    if (to, source) not in wanted.values():
                        wanted[to, dice.randrange(3)] = (to, source)
                room.route(*((to, place, source, "camera") for (to, place), (_, source) in wanted.items()))
                allowed = {(to, source) for (to, _), (_, source) in wanted.items()}
            case 1 if sent:
                to, sequence, ssrc = dice.choice(sent[-200:])
                room.router.receive_rtcp(members[to], rtcp.nack(1, ssrc, [sequence]), room.now)
            case 2:
                room.router.prefer(members[dice.choice(names)], dice.randrange(3), dice.choice((0, 100, 900)), room.now)
            case 3:
                cameras[dice.choice(names)].key = True
            case _:
                name = dice.choice(names)
                for packet in cameras[name].frame():
                    owner[name.encode() + packet[-4:]] = name
                    body = packet[:-4] + name.encode() + packet[-4:]
                    room.router.receive_rtp(members[name], body, room.now)
        room.tick(dice.randrange(1000, 60_000))
        for name, media in plis(room):
            cameras[name].key = cameras[name].key or cameras[name].ssrc == media
        for to, data in room.rtp():
            source = owner[wire.fields(data)[3][-5:]]
            assert (to, source) in allowed
            sequence, _, ssrc, _ = wire.fields(data)
            sent.append((to, sequence, ssrc))
            forwarded += 1
    assert forwarded > 1000
