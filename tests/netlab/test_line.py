"""The bad network does what its profile says: proven on the pure part with a clock of its own, and on real devices."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import textwrap
import time
from itertools import pairwise

import pytest

from tests.netlab import line as lines
from tests.netlab.hosts import Sniffer
from tests.netlab.line import Direction, Profile

PACKETS = 20_000


def through(profile: Profile, every: float = 0.001, size: int = 1000, seed: int = 7) -> tuple[Direction, list[float]]:
    """``PACKETS`` packets offered at a steady pace; how long each that came out was under way, by its number."""
    way = Direction(random.Random(seed), profile)
    delays: dict[int, float] = {}
    for number in range(PACKETS):
        way.offer(number.to_bytes(4, "big") + bytes(size - 4), number * every)
    order = []
    while (due := way.due()) is not None:
        for packet in way.take(due):
            number = int.from_bytes(packet[:4], "big")
            order.append(number)
            delays[number] = due - number * every
    assert profile.reorder or order == sorted(order)
    return way, [delays.get(number, -1.0) for number in range(PACKETS)]


def test_a_perfect_line_changes_nothing() -> None:
    way, delays = through(Profile())
    assert set(delays) == {0.0}
    assert (way.counters.sent, way.counters.lost, way.counters.dropped) == (PACKETS, 0, 0)
    assert way.counters.octets == PACKETS * 1000


@pytest.mark.parametrize("share", [5, 20, 30])
@pytest.mark.parametrize("burst", [1, 4, 10])
def test_loss_is_as_much_and_as_clustered_as_asked(share: float, burst: float) -> None:
    way, delays = through(Profile(loss=share, burst=burst))
    assert way.counters.lost + way.counters.sent == PACKETS
    assert abs(way.counters.lost / PACKETS - share / 100) < 0.25 * share / 100
    runs = [run for run in "".join("x" if delay < 0 else "." for delay in delays).split(".") if run]
    mean = sum(map(len, runs)) / len(runs)
    # packets drawn alone also fall together now and then: 1 / (1 - p)
    expected = burst if burst > 1 else 1 / (1 - share / 100)
    assert abs(mean - expected) < 0.2 * expected


def test_the_same_seed_loses_the_same_packets() -> None:
    profile = Profile(loss=20, burst=3, jitter=30)
    assert through(profile)[1] == through(profile)[1]
    assert through(profile, seed=8)[1] != through(profile)[1]


def test_all_or_nothing() -> None:
    assert through(Profile(loss=100))[0].counters.lost == PACKETS
    assert through(Profile(cut=True))[0].counters.cut == PACKETS


def test_delay_and_jitter() -> None:
    _way, delays = through(Profile(delay=50, jitter=20), every=0.02)
    assert 0.050 <= min(delays) < 0.0505
    assert 0.0695 < max(delays) <= 0.070 + 1e-9
    # jitter wider than the pace: order is kept by waiting, or not kept
    _way, kept = through(Profile(jitter=30), every=0.001)
    assert all(later >= earlier - 0.001 - 1e-9 for earlier, later in pairwise(kept))
    _way, swapped = through(Profile(jitter=30, reorder=True), every=0.001)
    assert any(later < earlier - 0.001 for earlier, later in pairwise(swapped))


def test_a_bottleneck_lets_its_rate_through_and_holds_no_more_than_its_queue() -> None:
    # 1000 bytes a ms are 8 Mb/s; 2 Mb/s pass
    way, delays = through(Profile(rate=2000, queue=100))
    seconds = PACKETS * 0.001
    assert abs(way.counters.octets * 8 / seconds - 2_000_000) < 0.02 * 2_000_000
    assert way.counters.sent + way.counters.dropped == PACKETS
    assert max(delays) <= 0.104 + 1e-9


def test_what_is_under_way_is_gone_when_the_cable_is_pulled() -> None:
    way = Direction(random.Random(1), Profile(delay=100))
    way.offer(b"x", 0.0)
    way.set(Profile(cut=True))
    assert (way.due(), way.counters.cut) == (None, 1)


def test_a_network_that_cannot_be_is_refused() -> None:
    for wrong in ({"loss": 101.0}, {"burst": 0.5}, {"delay": -1.0}):
        with pytest.raises(ValueError, match="not a network"):
            Profile(**wrong)


# --- real devices ---------------------------------------------------------------------------------

RCVBUFFORCE = 33
"""SO_RCVBUFFORCE of Linux, which Python does not name: what waits to be read is not what is measured."""
FAR = textwrap.dedent("""
    import socket, sys
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.setsockopt(socket.SOL_SOCKET, 33, 8_000_000)
    own.bind((sys.argv[1], 4000))
    print("ready", flush=True)
    while True:
        data, who = own.recvfrom(4096)
        own.sendto(data, who)
""")


@pytest.mark.skipif(bool(lines.available()), reason=lines.available() or "lines")
def test_a_real_line_delays_loses_and_can_be_cut() -> None:
    with lines.line(seed=3, up=Profile(delay=40), down=Profile(delay=20)) as wire:
        echo = subprocess.Popen(
            ["ip", "netns", "exec", wire.name, sys.executable, "-c", FAR, wire.far], stdout=subprocess.PIPE
        )
        try:
            assert echo.stdout is not None
            assert echo.stdout.readline() == b"ready\n"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own, Sniffer(wire.link) as sniffer:
                own.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 8_000_000)
                own.bind((wire.near, 0))
                own.settimeout(10)
                port = own.getsockname()[1]
                started = time.monotonic()
                own.sendto(b"there and back", (wire.far, 4000))
                assert own.recv(100) == b"there and back"
                assert time.monotonic() - started >= 0.060

                wire.set(down=Profile(loss=20))
                for number in range(1000):
                    own.sendto(number.to_bytes(2, "big") * 100, (wire.far, 4000))
                    time.sleep(0.0005)
                own.settimeout(1)
                came = 0
                try:
                    while own.recv(1000):
                        came += 1
                except TimeoutError:
                    pass
                counters = wire.counters()
                assert counters["down"].lost + came == 1000
                assert 150 <= counters["down"].lost <= 250
                assert counters["up"].sent == came + 1
                assert sniffer.between(port, started, time.monotonic()) == 1001

                wire.down()
                own.sendto(b"nobody", (wire.far, 4000))
                with pytest.raises(TimeoutError):
                    own.recv(100)
                assert wire.counters()["down"].cut == 1
                wire.both(Profile())
                own.sendto(b"again", (wire.far, 4000))
                assert own.recv(100) == b"again"

                wire.unplug()
                own.sendto(b"nobody", (wire.far, 4000))
                with pytest.raises(TimeoutError):
                    own.recv(100)
                wire.plug()
                own.sendto(b"once more", (wire.far, 4000))
                assert own.recv(100) == b"once more"
        finally:
            echo.kill()
            echo.wait()
            assert echo.stdout is not None
            echo.stdout.close()
