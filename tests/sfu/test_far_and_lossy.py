"""A receiver far away on a line that loses packets by chance, seen by a program that asks for them as a browser does.

Such a line is not narrow: whatever its loss is taken for at first, the picture must not stay away.
"""

from __future__ import annotations

import random
from collections import deque

import pytest

from courtroom.sfu import rtcp
from courtroom.sfu.packet import parse
from tests.sfu.test_downlink import Court, Watcher

TRIES = 10


class Asking:
    """Makes a watcher ask for what it misses, once a round trip; what it says takes as long, and is lost as often."""

    def __init__(self, court: Court, watcher: Watcher, seed: int) -> None:
        self.court, self.watcher = court, watcher
        self.rtt_us, self.loss = 0, 0.0
        self.dice = random.Random(seed * 7 + 1)
        self.newest: dict[int, int] = {}
        self.missing: dict[tuple[int, int], tuple[int, int]] = {}  # → when to ask, how often asked
        self.uplink: deque[tuple[int, bytes]] = deque()
        self.repairs = {place.retransmission: place.ssrc for place in watcher.member.video}
        self.taken = watcher.got
        watcher.line.deliver = self.got
        watcher.answer = self.answer  # type: ignore[method-assign]

    def line(self, rtt_ms: int, loss: float, jitter_ms: int = 0) -> None:
        line = self.watcher.line
        line.delay_us, line.jitter_us, line.loss = rtt_ms * 500, jitter_ms * 1000, loss
        self.rtt_us, self.loss = rtt_ms * 1000, loss

    def got(self, data: bytes, at: int) -> None:
        self.taken(data, at)
        packet = parse(data)
        media = self.repairs.get(packet.ssrc)
        if media is not None:
            number = int.from_bytes(data[packet.payload : packet.payload + 2], "big")
            self.missing.pop((media, number), None)  # padding repeats nothing, and 0 is never missing
            return
        self.missing.pop((packet.ssrc, packet.sequence), None)
        newest = self.newest.get(packet.ssrc, packet.sequence)
        ahead = (packet.sequence - newest) & 0xFFFF
        if ahead < 1000:
            self.missing |= {(packet.ssrc, (newest + i) & 0xFFFF): (at, 0) for i in range(1, ahead)}
            self.newest[packet.ssrc] = packet.sequence

    def answer(self) -> None:
        now = self.court.room.now
        asked: dict[int, list[int]] = {}
        for key, (due, tries) in list(self.missing.items()):
            if tries >= TRIES:
                del self.missing[key]
            elif due <= now:
                asked.setdefault(key[0], []).append(key[1])
                self.missing[key] = (now + self.rtt_us, tries + 1)
        words = [rtcp.nack(7, ssrc, sorted(lost)) for ssrc, lost in asked.items()]
        for data in words + self.watcher.arrivals.feedback(7, 8, now):
            if self.dice.random() >= self.loss:
                self.uplink.append((now + self.rtt_us // 2, data))
        while self.uplink and self.uplink[0][0] <= now:
            self.court.room.router.receive_rtcp(self.watcher.member, self.uplink.popleft()[1], now)


def sitting(seed: int) -> tuple[Court, Watcher, Asking]:
    """One person with a small camera (150 kbit/s) and somebody who looks at them."""
    court = Court(20_000_000, people=1, seed=seed)
    (watcher,) = court.watchers
    court.people[0].large = False
    return court, watcher, Asking(court, watcher, seed)


def dark(court: Court, watcher: Watcher, seconds: int) -> float:
    """For how long of these there is no picture, in seconds."""
    count = 0
    for _ in range(seconds * 10):
        court.run(0.1)
        count += "-" in watcher.shown()
    return count / 10


@pytest.mark.parametrize("rtt", [100, 300])
@pytest.mark.parametrize("loss", [0.05, 0.1, 0.2])
def test_loss_by_chance_does_not_take_the_picture_away(rtt: int, loss: float) -> None:
    times = []
    for seed in range(1, 9):
        court, watcher, asking = sitting(seed)
        asking.line(rtt, loss, jitter_ms=5)
        times.append(dark(court, watcher, 25))
    assert max(times) <= 1.5, times


@pytest.mark.parametrize("rtt", [150, 300, 500])
@pytest.mark.parametrize("loss", [0.0, 0.1, 0.2])
def test_line_that_becomes_long_and_lossy_at_once_is_seen_through(rtt: int, loss: float) -> None:
    """As when a telephone goes from Wi-Fi to a far mobile network. The longer way looks like a queue at first."""
    times = []
    for seed in range(1, 9):
        court, watcher, asking = sitting(seed)
        asking.line(1, 0.0)
        court.run(2)
        asking.line(rtt, loss)
        times.append(dark(court, watcher, 20))
    assert max(times) <= 2.0, times


def test_narrow_and_lossy_line_is_still_held_back() -> None:
    """What it loses by chance must not hide that it is full."""
    for seed in range(1, 5):
        court, watcher, asking = sitting(seed)
        court.people[0].large = True
        asking.line(100, 0.1)
        court.run(8)
        assert watcher.shown() == ("h",)
        watcher.line.rate = 500_000
        court.run(4)
        waits = []
        for _ in range(100):
            court.run(0.1)
            waits.append(max(0, watcher.line.free_at - court.room.now))
        assert watcher.shown() == ("l",)
        assert sorted(waits)[90] < 100_000, waits
