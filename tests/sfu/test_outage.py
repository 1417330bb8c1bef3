"""After an outage: clocks go on by capture time, what is over is not asked for, and loss in it is nobody's narrow line.

A sender that was cut off first empties what it had queued, so its first packets come late; who takes a late one for
punctual makes every receiver hold back all that follows (W3C webrtc-stats: jitterBufferDelay).
"""

from __future__ import annotations

import pytest

from courtroom.sfu import rtcp
from courtroom.sfu.downlink import UNLIMITED
from tests.sfu import wire
from tests.sfu.room import Camera, Room
from tests.sfu.test_downlink import Court

LATE_US = 870_000
STEP_US = 66_667  # of a camera: 6000 ticks of 90 kHz


def heard(room: Room, sent: list[tuple[str, bytes]]) -> list[tuple[int, int]]:
    """(moment it came, timestamp) of every packet the judge got."""
    return [(room.now, wire.fields(data)[1]) for name, data in sent if name == "judge"]


@pytest.mark.parametrize("route", [True, False], ids=["route kept", "route gone and given again"])
def test_late_first_pictures_do_not_shift_the_clock_of_a_place(route: bool) -> None:
    room, camera = Room(), Camera(500)
    judge, party = room.add("judge"), room.add("party")
    seen = ("judge", 0, "party", "camera")
    room.route(seen)
    came: list[tuple[int, int]] = []

    def frames(count: int, late_us: int = 0) -> None:
        """Captured every 66.7 ms; the first comes ``late_us`` late, each next one 150 ms less so."""
        begun = room.now
        for number in range(count):
            moment = begun + number * STEP_US
            room.now = max(room.now, moment + max(0, late_us - number * 150_000))
            for packet in camera.frame():
                came.extend(heard(room, room.send(party, packet)))
            room.router.tick(room.now)

    frames(30)
    before = [at - stamp * 100 // 9 for at, stamp in came]
    if not route:
        room.route()
    camera.timestamp += 5 * 90_000
    camera.sequence += 200
    camera.key = True
    room.now += 5_000_000 + STEP_US
    room.router.tick(room.now)
    if not route:
        room.route(seen)
    came.clear()
    frames(30, LATE_US)
    after = [at - stamp * 100 // 9 for at, stamp in came]
    assert after[0] - before[-1] == pytest.approx(LATE_US, abs=2_000), "it was that late"
    assert after[-1] - before[-1] == pytest.approx(0, abs=2_000), "and the clock is the one of before"
    assert judge.video[0].layer is not None


def test_change_of_source_goes_on_by_capture_time() -> None:
    room, one, two = Room(), Camera(500), Camera(600, timestamp=77)
    room.add("judge")
    party, witness = room.add("party"), room.add("witness")
    room.route(("judge", 0, "party", "camera"))
    came: list[tuple[int, int]] = []
    for _ in range(20):
        for packet in one.frame():
            came += heard(room, room.send(party, packet))
        for packet in two.frame():
            room.send(witness, packet)
        room.tick(STEP_US)
    before = [at - stamp * 100 // 9 for at, stamp in came]
    room.route(("judge", 0, "witness", "camera"))
    two.key = True
    captured, room.now = room.now, room.now + LATE_US
    came.clear()
    for packet in two.frame():
        came += heard(room, room.send(witness, packet))
    for number in range(30):
        room.now = max(room.now, captured + (number + 1) * STEP_US)
        for packet in two.frame():
            came += heard(room, room.send(witness, packet))
    after = [at - stamp * 100 // 9 for at, stamp in came]
    assert after[-1] - before[-1] == pytest.approx(0, abs=3_000)


def test_what_an_outage_swallowed_is_not_asked_for_but_a_key_frame_is() -> None:
    room, camera = Room(), Camera(500)
    room.add("judge")
    party = room.add("party")
    room.route(("judge", 0, "party", "camera"), ("judge", 0, "party", "microphone"))

    def sound(sequence: int) -> None:
        room.send(party, wire.rtp(sequence, sequence * 960, 700, b"sound", 111, mid=b"mic"))

    for number in range(50):
        for packet in camera.frame():
            room.send(party, packet)
        sound(number)
        room.tick()
    room.rtcp()
    camera.sequence += 120
    room.now += 4_000_000
    for packet in camera.frame():
        room.send(party, packet)
    sound(250)
    asked: list[rtcp.Report] = []
    for _ in range(10):
        room.tick()
        asked += [report for name, report in room.rtcp() if name == "party"]
    nacks = [report for report in asked if isinstance(report, rtcp.Nack)]
    assert not [one for one in nacks if one.media == 500], "no picture of before the outage"
    wanted = {sequence for one in nacks if one.media == 700 for sequence in one.lost}
    assert wanted == set(range(230, 250)), "of sound what can still be played"
    assert [one for one in asked if isinstance(one, rtcp.Pli) and one.media == 500]


def test_short_hole_is_still_mended() -> None:
    room, camera = Room(), Camera(500)
    room.add("judge")
    party = room.add("party")
    room.route(("judge", 0, "party", "camera"))
    for _ in range(20):
        for packet in camera.frame():
            room.send(party, packet)
        room.tick()
    room.rtcp()
    lost = [*camera.frame(), *camera.frame()]
    room.now += 400_000
    for packet in camera.frame():
        room.send(party, packet)
    room.tick()
    asked = [report for _, report in room.rtcp() if isinstance(report, rtcp.Nack)]
    assert {sequence for one in asked for sequence in one.lost} == {camera.sequence - 6 + i for i in range(len(lost))}


def test_reports_of_an_outage_do_not_narrow_the_line_of_somebody_who_tells_arrivals() -> None:
    """A receiver report covers the whole outage; on a new path it comes before the first feedback (Chromium)."""
    court = Court(20_000_000)
    (watcher,) = court.watchers
    court.run(5)
    watcher.line.loss = 1.0
    court.run(5)
    watcher.line.loss = 0.0
    watcher.member.downlink.moved()
    watcher.member.downlink.reported(225, 200_000, court.room.now)
    watcher.member.downlink.remb(60_000, 800_000, court.room.now)
    assert watcher.member.downlink.budget == UNLIMITED
    court.run(4)
    assert watcher.shown() == ("h", "h")
    assert [layers for _, layers in watcher.layers].count(("h", "h")) == 1, "the pictures never stopped"
