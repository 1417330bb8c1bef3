"""A bad network between two hosts: delay, jitter, loss, bursts, a bottleneck, and a cable that can be pulled.

* The far end is a network namespace; near and far are joined by two TUN devices and this file as a program between
  them. It is a process of its own, of real-time priority where allowed: a busy test delays no packet.
* ``up`` is what the far host sends, ``down`` what it gets. Order of what happens to a packet: the bottleneck
  (virtual finishing time, drop-tail at ``queue_ms``), loss, delay. Without ``reorder`` jitter never swaps packets.
* Loss is the two-state Markov chain of Gilbert (1960): all is lost in the bad state, whose mean stay is ``burst``
  packets; ``burst=1`` draws each packet alone. All chance comes from one seed a direction.
* Everything that crosses is treated alike: HTTP, signals and media.

Needs root, iproute2 and /dev/net/tun. ``late_ms`` among the counters says how late the program itself was at worst:
a machine too slow for its network is then not taken for a network.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import json
import os
import random
import secrets
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.netlab import hosts

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
MTU = 1500
HELD = 50_000
"""Packets a direction holds at most, whatever its profile."""
BATCH = 64


@dataclass(frozen=True)
class Profile:
    """One direction. ``loss`` in per cent, ``rate`` in kb/s (0: none), times in ms; jitter adds 0 to ``jitter`` ms."""

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    burst: float = 1.0
    rate: float = 0.0
    queue: float = 200.0
    reorder: bool = False
    cut: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.loss <= 100 and self.burst >= 1 and min(self.delay, self.jitter, self.rate, self.queue) >= 0):
            raise ValueError(f"not a network: {self}")


@dataclass
class Counters:
    """``sent`` arrived at the other end; ``lost`` by chance, ``dropped`` by a full queue, ``cut`` by a pulled cable."""

    sent: int = 0
    octets: int = 0
    lost: int = 0
    dropped: int = 0
    cut: int = 0
    late_ms: float = 0.0


@dataclass
class Direction:
    """One way of the line; time comes in as seconds."""

    chance: random.Random
    profile: Profile = field(default_factory=Profile)
    counters: Counters = field(default_factory=Counters)
    _held: list[tuple[float, int, bytes]] = field(default_factory=list)
    _number: int = 0
    _free_at: float = 0.0
    _last: float = 0.0
    _bad: bool = False

    def set(self, profile: Profile) -> None:
        self.profile = profile
        if profile.cut:
            self.counters.cut += len(self._held)
            self._held.clear()

    def offer(self, packet: bytes, now: float) -> None:
        """A packet enters at ``now``."""
        profile = self.profile
        if profile.cut:
            self.counters.cut += 1
            return
        at = now
        if profile.rate:
            waiting = max(0.0, self._free_at - now)
            if waiting * 1000 > profile.queue:
                self.counters.dropped += 1
                return
            at = self._free_at = now + waiting + len(packet) * 8 / (profile.rate * 1000)
        if self._loses():
            self.counters.lost += 1
            return
        if len(self._held) >= HELD:
            self.counters.dropped += 1
            return
        at += (profile.delay + profile.jitter * self.chance.random()) / 1000
        if not profile.reorder:
            at = self._last = max(at, self._last)
        self._number += 1
        heapq.heappush(self._held, (at, self._number, packet))

    def _loses(self) -> bool:
        share, burst = self.profile.loss / 100, self.profile.burst
        if share in (0.0, 1.0):
            return bool(share)
        if burst == 1:
            return self.chance.random() < share
        # stay in the bad state 1/burst; enter it as often as makes `share` of all packets bad
        leave = 1 / burst
        turn = leave if self._bad else min(1.0, share * leave / (1 - share))
        if self.chance.random() < turn:
            self._bad = not self._bad
        return self._bad

    def take(self, now: float) -> Iterator[bytes]:
        """What comes out by ``now``, in order."""
        while self._held and self._held[0][0] <= now:
            at, _number, packet = heapq.heappop(self._held)
            self.counters.late_ms = max(self.counters.late_ms, round((now - at) * 1000, 1))
            self.counters.sent += 1
            self.counters.octets += len(packet)
            yield packet

    def due(self) -> float | None:
        return self._held[0][0] if self._held else None


# --- the program ----------------------------------------------------------------------------------


class Program:
    """Both directions on two TUN descriptors; told what to do by JSON lines on stdin, each answered on stdout."""

    def __init__(self, near: int, far: int, seed: int) -> None:
        self.up = Direction(random.Random(f"up {seed}"))
        self.down = Direction(random.Random(f"down {seed}"))
        self._ways = {far: (self.up, near), near: (self.down, far)}
        for descriptor in (near, far, 0):
            os.set_blocking(descriptor, False)
        self._said = b""

    def run(self) -> None:
        sources = [0, *self._ways]
        while True:
            dues = [at for way, _to in self._ways.values() if (at := way.due()) is not None]
            wait = max(0.0, min(dues) - time.monotonic()) if dues else None
            ready = select.select(sources, [], [], wait)[0]
            for source in ready:
                if source:
                    self._read(source)
                elif not self._told():
                    return
            for way, to in self._ways.values():
                for packet in way.take(time.monotonic()):
                    with contextlib.suppress(OSError):  # the device is down or its queue full: a packet lost
                        os.write(to, packet)

    def _read(self, source: int) -> None:
        way, _to = self._ways[source]
        for _ in range(BATCH):
            try:
                packet = os.read(source, MTU + 36)
            except OSError:
                return
            way.offer(packet, time.monotonic())

    def _told(self) -> bool:
        data = os.read(0, 65536)
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            for name, fields in json.loads(line).items():
                getattr(self, name).set(Profile(**fields))
            answer = {name: asdict(getattr(self, name).counters) for name in ("up", "down")}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        return bool(data)


def _first_in_the_queue() -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        with contextlib.suppress(OSError):
            os.nice(-15)


# --- the test's side ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line(hosts.Host):
    """A far host behind a bad network; ``near`` is the address it reaches this machine by."""

    inner: str
    process: subprocess.Popen[bytes]
    profiles: dict[str, Profile] = field(default_factory=dict)

    def set(self, up: Profile | None = None, down: Profile | None = None) -> None:
        """From now on. A direction that is not named stays as it is."""
        changed = {name: one for name, one in (("up", up), ("down", down)) if one is not None}
        self.profiles.update(changed)
        self._ask(changed)

    def both(self, profile: Profile) -> None:
        self.set(profile, profile)

    def down(self) -> None:
        """Nothing is carried any more and what is under way is gone; neither end is told (a router died)."""
        pulled = Profile(cut=True)
        self._ask({"up": pulled, "down": pulled})

    def up(self) -> None:
        """Back as it was."""
        self._ask(self.profiles)

    def unplug(self) -> None:
        """The far host's interface goes, and its programs hear of it (the cable is pulled at the device)."""
        hosts.ip("-n", self.name, "link", "set", self.inner, "down")

    def plug(self) -> None:
        hosts.ip("-n", self.name, "link", "set", self.inner, "up")

    def counters(self) -> dict[str, Counters]:
        """By direction, since the line was laid."""
        return self._ask({})

    def _ask(self, changed: dict[str, Profile]) -> dict[str, Counters]:
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({name: asdict(one) for name, one in changed.items()}).encode() + b"\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        assert answer, f"the line's program ended with status {process.poll()}"
        return {name: Counters(**fields) for name, fields in json.loads(answer).items()}


def available() -> str:
    """'' when lines can be laid here, otherwise why not."""
    return hosts.available() or ("" if Path("/dev/net/tun").exists() else "lines need /dev/net/tun")


def _tun(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH14x", name.encode(), IFF_TUN | IFF_NO_PI))
    return descriptor


@contextlib.contextmanager
def line(seed: int = 1, up: Profile | None = None, down: Profile | None = None) -> Iterator[Line]:
    """A fresh namespace at the end of a fresh line; perfect unless profiles are given."""
    tag = secrets.token_hex(3)
    net = f"10.{180 + secrets.randbelow(60)}.{secrets.randbelow(250)}"
    space, link, inner, near, far = f"court-{tag}", f"ln{tag}", f"lf{tag}", f"{net}.1", f"{net}.2"
    descriptors: list[int] = []
    with contextlib.ExitStack() as stack:
        hosts.ip("netns", "add", space)
        stack.callback(hosts.ip, "netns", "del", space)
        for name in (link, inner):
            descriptors.append(_tun(name))
            stack.callback(os.close, descriptors[-1])
        hosts.ip("link", "set", inner, "netns", space)  # the descriptor goes on reading it
        ends = (((), link, near, far), (("-n", space), inner, far, near))
        for where, device, own, peer in ends:
            # no address of its own: a TUN device that chats IPv6 would spend seeded chance
            hosts.ip(*where, "link", "set", device, "addrgenmode", "none", "txqueuelen", "5000", "mtu", str(MTU))
            hosts.ip(*where, "addr", "add", own, "peer", peer, "dev", device)
            hosts.ip(*where, "link", "set", device, "up")
        hosts.ip("-n", space, "link", "set", "lo", "up")
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.netlab.line", *map(str, descriptors), str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=descriptors,
        )  # fmt: skip
        stack.callback(_end, process)
        one = Line(space, link, near, far, inner, process)
        one.set(up or Profile(), down or Profile())
        yield one


def _end(process: subprocess.Popen[Any]) -> None:
    """End of stdin is the program's end; it is waited for, then made to."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


if __name__ == "__main__":
    _first_in_the_queue()
    Program(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])).run()
