"""One receiver behind a line of its own: a queue in front of a rate, delay, loss; all on a virtual clock."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable

import pytest

from courtroom.sfu import rtcp
from courtroom.sfu.allocation import divide
from courtroom.sfu.bandwidth import Arrivals
from courtroom.sfu.downlink import UNLIMITED
from courtroom.sfu.kinds import RED, TRANSPORT_CC
from courtroom.sfu.packet import extension, parse
from tests.sfu import wire
from tests.sfu.room import Room

STEP = 5_000
HEADERS = 44


class Narrow:
    """A drop-tail queue of ``queue_us`` in front of ``rate`` bit/s, then ``delay_us``; ``jitter_us`` on top."""

    def __init__(self, room: Room, deliver: Callable[[bytes, int], None], rate: int, seed: int = 1) -> None:
        self.room, self.deliver, self.rate = room, deliver, rate
        self.queue_us, self.delay_us, self.jitter_us, self.loss = 600_000, 20_000, 0, 0.0
        self.dice = random.Random(seed)
        self.free_at = 0
        self.flying: deque[tuple[int, bytes]] = deque()
        self.dropped = 0

    def send(self, data: bytes) -> None:
        begin = max(self.free_at, self.room.now)
        if begin - self.room.now > self.queue_us or self.dice.random() < self.loss:
            self.dropped += 1
            return
        self.free_at = begin + (len(data) + HEADERS) * 8_000_000 // self.rate
        self.flying.append((self.free_at + self.delay_us + self.dice.randrange(self.jitter_us + 1), data))

    def run(self) -> None:
        while self.flying and self.flying[0][0] <= self.room.now:
            at, data = self.flying.popleft()
            self.deliver(data, at)


class Person:
    """Sends sound (32 kbit/s) and a camera of two layers (140 and 900 kbit/s, 25 pictures a second)."""

    def __init__(self, room: Room, name: str, base: int) -> None:
        self.room, self.member, self.base = room, room.add(name, 0), base
        self.sequence = {"": 100, "l": 200, "h": 300}
        self.picture = {"l": 5, "h": 9}
        self.key = {"l": True, "h": True}
        self.large = True

    def sound(self) -> None:
        self.sequence[""] += 1
        data = wire.rtp(self.sequence[""], self.room.now * 48 // 1000, self.base, bytes(80), 111, mid=b"mic")
        self.room.router.receive_rtp(self.member, data, self.room.now)

    def frame(self) -> None:
        for rid, size, offset in (("l", 600, 1), ("h", 4500, 2)):
            if rid == "h" and not self.large:
                continue
            key, self.key[rid] = self.key[rid], False
            left, start = size * (12 if key and rid == "l" else 5 if key else 1), True
            self.picture[rid] += 1
            while left > 0:
                self.sequence[rid] += 1
                body = bytes(min(left, 1100))
                payload = wire.vp8(self.picture[rid], self.picture[rid] & 0xFF, start=start, key=key, body=body)
                left, start = left - 1100, False
                data = wire.rtp(
                    self.sequence[rid], self.room.now * 9 // 100, self.base + offset, payload, marker=left <= 0,
                    mid=b"cam", rid=rid.encode(),
                )  # fmt: skip
                self.room.router.receive_rtp(self.member, data, self.room.now)


class Watcher:
    """A receiver with feedback; notes when sound came and how late, and which layer each place shows."""

    def __init__(self, room: Room, name: str, places: int, rate: int, seed: int = 1) -> None:
        self.room, self.member = room, room.add(name, places)
        self.member.receives |= {RED} if seed % 2 == 0 else set()
        self.line = Narrow(room, self.got, rate, seed)
        self.known: set[tuple[int, int]] = set()
        self.arrivals = Arrivals()
        self.sound: dict[int, int] = {}
        self.octets: deque[tuple[int, int]] = deque()
        self.layers: list[tuple[int, tuple[str, ...]]] = []

    def got(self, data: bytes, at: int) -> None:
        packet = parse(data)
        if (packet.ssrc, packet.sequence) in self.known:
            return  # as SRTP's replay list does
        self.known.add((packet.ssrc, packet.sequence))
        number = extension(packet, TRANSPORT_CC)
        assert number is not None
        self.arrivals.note(int.from_bytes(number, "big"), at)
        self.octets.append((at, len(data) + HEADERS))
        if packet.payload_type in (111, 63):
            self.sound.setdefault(packet.sequence, at)

    def shown(self) -> tuple[str, ...]:
        return tuple(place.layer.rid if place.layer is not None else "-" for place in self.member.video)

    def answer(self) -> None:
        for message in self.arrivals.feedback(7, 8, self.room.now):
            self.room.router.receive_rtcp(self.member, message, self.room.now)
        if not self.layers or self.layers[-1][1] != self.shown():
            self.layers.append((self.room.now, self.shown()))

    def longest_silence(self, start: int, end: int) -> int:
        times = sorted(at for at in self.sound.values() if start <= at < end)
        return max((b - a for a, b in itertools.pairwise(times)), default=end - start)


class Court:
    def __init__(self, *rates: int, people: int = 2, seed: int = 1) -> None:
        self.room = Room(seed)
        self.people = [Person(self.room, f"person-{i}", 1000 * (i + 1)) for i in range(people)]
        self.watchers = [Watcher(self.room, f"watcher-{i}", people, rate, seed) for i, rate in enumerate(rates)]
        self.room.route(
            *((watcher.member.name, i, person.member.name, kind)
              for watcher in self.watchers for i, person in enumerate(self.people) for kind in ("microphone", "camera"))
        )  # fmt: skip
        self.by_name = {watcher.member.name: watcher for watcher in self.watchers}

    def run(self, seconds: float) -> None:
        end = self.room.now + int(seconds * 1_000_000)
        while self.room.now < end:
            self.room.now += STEP
            step = self.room.now // STEP
            if step % 4 == 0:
                for person in self.people:
                    person.sound()
                self.room.router.tick(self.room.now)
            if step % 8 == 0:
                for person in self.people:
                    person.frame()
            for name, data in self.room.rtp():
                self.by_name[name].line.send(data)
            for name, report in self.room.rtcp():
                if isinstance(report, rtcp.Pli):
                    for person in self.people:
                        if person.member.name == name:
                            person.key["l" if report.media == person.base + 1 else "h"] = True
            for watcher in self.watchers:
                watcher.line.run()
                watcher.answer()


def test_good_line_is_never_throttled() -> None:
    court = Court(20_000_000)
    court.run(20)
    (watcher,) = court.watchers
    assert watcher.shown() == ("h", "h")
    assert [layers for _, layers in watcher.layers].count(("h", "h")) == 1, "once large, always large"
    assert watcher.line.dropped == 0


@pytest.mark.parametrize("seed", range(3))
def test_line_narrows_and_widens_again_and_sound_goes_on(seed: int) -> None:
    court = Court(2_500_000, 20_000_000, seed=seed)
    narrow, other = court.watchers
    court.run(10)
    assert narrow.shown() == ("h", "h")
    narrowed = court.room.now
    narrow.line.rate = 300_000
    court.run(25)
    settled = [at for at, layers in narrow.layers if at > narrowed]
    assert "h" not in "".join(narrow.shown())
    assert "l" in "".join(narrow.shown()), "one small picture fits beside the sound"
    assert all("h" not in "".join(layers) for at, layers in narrow.layers if at > narrowed + 5_000_000)
    assert max(settled) - narrowed < 2_000_000, "and settled soon: pictures waited for the queue to drain, and went on"
    assert narrow.longest_silence(narrowed, court.room.now) < 400_000, settled
    assert narrow.longest_silence(narrowed + 5_000_000, court.room.now) < 150_000, "trying must not shake the sound"
    widened = court.room.now
    narrow.line.rate = 2_500_000
    court.run(5)
    assert narrow.shown() == ("h", "h")
    assert narrow.longest_silence(widened, court.room.now) < 250_000
    assert other.shown() == ("h", "h")
    assert [layers for _, layers in other.layers].count(("h", "h")) == 1, "nobody else noticed"


@pytest.mark.parametrize("rate", [330_000, 450_000])
def test_line_a_little_too_narrow_costs_no_picture_that_fits(rate: int) -> None:
    """Two small pictures and two voices need 400 kbit/s: what must go goes at once, what fits stays where it is."""
    court = Court(20_000_000)
    (watcher,) = court.watchers
    for person in court.people:
        person.large = False
    court.run(8)
    assert watcher.shown() == ("l", "l")
    watcher.line.rate, narrowed = rate, court.room.now
    waits = []
    for _ in range(100):
        court.run(0.05)
        waits.append(max(0, watcher.line.free_at - court.room.now))
        assert watcher.shown()[0] == "l", "the first was never taken away"
    assert max(waits) < 250_000, "a queue that grows is known before it stands"
    assert max(waits[20:]) < 120_000
    assert watcher.longest_silence(narrowed, court.room.now) < 100_000
    assert len(watcher.member.pacer) < 20, "and pictures are not behind the sound"


@pytest.mark.parametrize("rate", [260_000, 300_000])
def test_queue_of_a_failed_try_drains_at_once(rate: int) -> None:
    """What a try has put in front of the sound is waited for, not carried along until it is cut again."""
    court = Court(20_000_000)
    (watcher,) = court.watchers
    for person in court.people:
        person.large = False
    court.run(8)
    watcher.line.rate = rate
    court.run(1)
    lasts, longest = 0, []
    for _ in range(2900):
        court.run(0.01)
        waits = max(0, watcher.line.free_at - court.room.now) >= 60_000
        if lasts and not waits:
            longest.append(lasts)
        lasts = lasts + 10 if waits else 0
    assert len(longest) >= 3, "it was tried"
    assert max(longest) < 450, longest


def test_random_loss_costs_no_picture_for_long() -> None:
    court = Court(20_000_000)
    (watcher,) = court.watchers
    court.run(3)
    watcher.line.loss = 0.2
    court.run(30)
    assert watcher.shown() == ("h", "h")
    ends = [at for at, _ in watcher.layers[1:]] + [court.room.now]
    small = sum(end - at for (at, layers), end in zip(watcher.layers, ends, strict=True) if layers != ("h", "h"))
    assert small < 6_000_000, "what is not our fault is not punished"


def test_line_that_drops_instead_of_queueing_is_found_out() -> None:
    court = Court(700_000)
    (watcher,) = court.watchers
    watcher.line.queue_us = 30_000
    court.run(25)
    before = watcher.line.dropped
    sent = watcher.member.downlink.sent.next
    court.run(10)
    assert "h" not in "".join(watcher.shown())
    assert watcher.line.dropped - before < (watcher.member.downlink.sent.next - sent) * 0.05


def test_jitter_is_no_queue() -> None:
    court = Court(20_000_000)
    (watcher,) = court.watchers
    watcher.line.jitter_us = 60_000
    court.run(20)
    assert watcher.shown() == ("h", "h")
    assert [layers for _, layers in watcher.layers].count(("h", "h")) == 1


def test_screen_and_large_tiles_come_first_and_sound_is_not_divided() -> None:
    assert divide(1_000, [[200, 900], [200, 900], [100]], [-1, -1, -1]) == [0, 0, 0]
    assert divide(1_400, [[200, 900], [200, 900], [100]], [1, 0, 0]) == [1, 0, 0]
    assert divide(1_200, [[200, 900], [200, 900], [100]], [0, 0, 0]) == [0, 0, 0], "up only with a margin"
    assert divide(250, [[200, 900], [200, 900]], [0, 0]) == [0, -1]
    assert divide(-50, [[200]], [0]) == [-1]


def test_feedback_on_what_was_never_sent_changes_nothing() -> None:
    court = Court(20_000_000)
    (watcher,) = court.watchers
    court.run(1)
    line = watcher.member.downlink
    before = (line.state, line.budget, line.delay.standing)
    for first in (line.sent.next + 10, line.sent.next + 30_000):
        line.arrived(rtcp.Arrivals(first & 0xFFFF, (0,) * 500), court.room.now)
    assert (line.state, line.budget, line.delay.standing) == before


def test_what_waits_for_a_narrow_line_goes_with_its_route() -> None:
    court = Court(300_000)
    (watcher,) = court.watchers
    court.run(8)
    member = watcher.member
    assert member.video[0].paced
    for person in court.people:
        person.key["l"] = True
    court.room.now += 40_000
    for person in court.people:
        person.frame()
    assert len(member.pacer) > 3, "a key frame does not leave at once"
    court.room.rtp()
    court.room.route()
    for _ in range(100):
        court.room.tick()
        assert all(parse(data).payload_type == 97 for _, data in court.room.rtp()), "nothing but padding"
    assert len(member.pacer) == 0


def test_hole_in_the_line_is_no_narrow_line() -> None:
    court = Court(20_000_000)
    (watcher,) = court.watchers
    court.run(5)
    for seconds in (0.3, 1.0, 1.5):
        watcher.line.loss = 1.0
        court.run(seconds)
        watcher.line.loss = 0.0
        court.run(4)
    assert watcher.shown() == ("h", "h")
    assert [layers for _, layers in watcher.layers].count(("h", "h")) == 1, "the pictures never stopped"


def test_hole_of_which_only_the_end_is_told_is_no_narrow_line() -> None:
    """A browser forgets what is older than half a second: its first message after a hole begins within it."""
    court = Court(20_000_000, people=1)
    (watcher,) = court.watchers

    def answer() -> None:
        for message in watcher.arrivals.feedback(7, 8, court.room.now):
            (report,) = rtcp.parse(message)
            assert isinstance(report, rtcp.Arrivals)
            lost = next((number for number, at in enumerate(report.times) if at >= 0), 0)
            forgotten = max(0, lost - 30)
            watcher.member.downlink.arrived(
                rtcp.Arrivals((report.first + forgotten) & 0xFFFF, report.times[forgotten:]), court.room.now
            )

    watcher.answer = answer  # type: ignore[method-assign]
    court.run(5)
    for _ in range(4):
        watcher.line.loss = 1.0
        court.run(1)
        watcher.line.loss = 0.0
        court.run(3)
        assert watcher.member.downlink.budget == UNLIMITED


def test_sound_that_is_sent_again_after_a_hole_does_not_make_it_a_narrow_line() -> None:
    """It has its old numbers: told of now, they stand among those of pictures that will never come."""
    court = Court(20_000_000)
    (watcher,) = court.watchers
    sound = {place.ssrc: -1 for place in watcher.member.audio}
    come: dict[int, int] = {}
    got = watcher.got

    def asking(data: bytes, at: int) -> None:
        packet = parse(data)
        got(data, at)
        newest = sound.get(packet.ssrc)
        if newest is None:
            return
        if newest >= 0 and packet.sequence > newest + 1:
            lost = list(range(newest + 1, packet.sequence))
            court.room.router.receive_rtcp(watcher.member, rtcp.nack(7, packet.ssrc, lost), court.room.now)
        sound[packet.ssrc] = max(newest, packet.sequence)
        come[packet.ssrc] = come.get(packet.ssrc, 0) + 1

    watcher.line.deliver = asking
    court.run(5)
    for seconds in (0.4, 1.0, 0.7):
        watcher.line.loss = 1.0
        court.run(seconds)
        watcher.line.loss = 0.0
        court.run(3)
        assert watcher.member.downlink.losses.permille < 20
    assert [layers for _, layers in watcher.layers].count(("h", "h")) == 1, "the pictures never stopped"
    assert watcher.member.downlink.budget == UNLIMITED
    assert all(count > 600 for count in come.values()), "the sound did come again"


def test_number_is_judged_when_first_told_of() -> None:
    court = Court(20_000_000)
    (watcher,) = court.watchers
    court.run(5)
    line = watcher.member.downlink
    before = line.losses.permille
    first = line.sent.next - 60
    for _ in range(20):
        line.arrived(rtcp.Arrivals(first & 0xFFFF, (-1,) * 10 + (court.room.now,) * 20), court.room.now)
        court.room.now += 50_000
        line.tick(court.room.now)
    assert (line.losses.permille, line.budget) == (before, UNLIMITED)


@pytest.mark.parametrize("further", [75_000, 100_000, 300_000])
@pytest.mark.parametrize("rate", [3_000_000, 20_000_000])
def test_way_that_has_become_longer_is_no_queue(further: int, rate: int) -> None:
    """Another cell, another carrier behind the same address: everything comes later from now on, and all of it."""
    court = Court(rate)
    (watcher,) = court.watchers
    court.run(8)
    watcher.line.delay_us += further
    longer = court.room.now
    court.run(6)
    assert watcher.shown() == ("h", "h")
    court.run(20)
    assert watcher.shown() == ("h", "h")
    assert all(layers == ("h", "h") for at, layers in watcher.layers if at > longer + 6_000_000), "and it stays so"
    assert watcher.longest_silence(longer, court.room.now) < further + 100_000


@pytest.mark.parametrize("further", [150_000, 250_000, 400_000])
def test_picture_without_any_sound_comes_back_on_a_longer_way(further: int) -> None:
    """While pictures stop nothing at all is sent but a few bursts: that tells of no rate, and must be enough."""
    court, watcher = stopped(further)
    court.run(6)
    assert watcher.shown() == ("l",)


def test_pictures_are_not_stopped_for_ever_by_a_receiver_that_says_nothing_more() -> None:
    court, watcher = stopped(250_000)
    assert watcher.member.downlink.spendable == 0
    watcher.answer = lambda: None  # type: ignore[method-assign]
    court.run(3)
    assert watcher.member.downlink.spendable > 0


def stopped(further: int) -> tuple[Court, Watcher]:
    """One picture, no sound, a line that was narrow and has become long: its pictures have just been stopped."""
    court = Court(20_000_000, people=1)
    (person,), (watcher,) = court.people, court.watchers
    person.sound = lambda: None  # type: ignore[method-assign]
    court.run(5)
    watcher.line.rate = 600_000
    court.run(1.5)
    watcher.line.rate, watcher.line.delay_us, person.large = 20_000_000, further, False
    for _ in range(60):
        court.run(0.05)
        if watcher.member.downlink.spendable == 0:
            return court, watcher
    raise AssertionError("they were never stopped")


def test_queue_that_others_keep_is_never_taken_for_the_way_while_it_drains() -> None:
    """Far too narrow for the pictures: however long its queue stands, it is ours, and nothing is tried into it."""
    court = Court(2_500_000)
    (watcher,) = court.watchers
    court.run(8)
    watcher.line.rate = 150_000
    narrowed = court.room.now
    court.run(30)
    assert "h" not in "".join(watcher.shown())
    assert watcher.longest_silence(narrowed + 6_000_000, court.room.now) < 250_000


def test_receiver_that_only_estimates_is_held_back_and_let_go_again() -> None:
    court = Court(20_000_000)
    (watcher,) = court.watchers
    said = [20_000_000]

    def estimate() -> None:
        """As a browser without transport-wide numbers: REMB ten times a second, and no arrival ever told."""
        if court.room.now // STEP % 20 == 0:
            message = rtcp.remb(7, said[0], [8])
            court.room.router.receive_rtcp(watcher.member, message, court.room.now)

    watcher.answer = estimate  # type: ignore[method-assign]
    court.run(5)
    assert watcher.shown() == ("h", "h")
    said[0] = 400_000
    court.run(4)
    assert "h" not in "".join(watcher.shown())
    said[0] = 20_000_000
    court.run(20)
    assert watcher.shown() == ("h", "h")
