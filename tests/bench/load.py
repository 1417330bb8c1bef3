"""The bench's handle on its load generator, which lives in a network namespace of its own behind a veth pair.

Rules
* Every server is reached at the same address of this machine, over the same link, by the same process.
* ``Place`` says which core serves and which one loads; on a machine with one core they are the same, and the report
  says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import msgspec

from tests.bench.words import Answer, Close, Connect, Count, Counted, Play, Send, Spec, Watched, Word
from tests.netlab import hosts

OPUS, VP8 = 111, 96
PATIENCE_S = 60


@dataclass(frozen=True)
class Place:
    """Where things run."""

    address: str  # of the servers
    core: int


@dataclass(frozen=True)
class Plan:
    """One room: who is in it, who sends which picture, and that everybody gets what the others send."""

    room: str
    seats: tuple[str, ...]
    senders: tuple[str, ...]
    picture: str = "360p"

    def heard(self, seat: str) -> tuple[str, ...]:
        return tuple(sender for sender in self.senders if sender != seat)


def hearing(room: str, seats: int = 9) -> Plan:
    names = tuple(f"{room}-{i}" for i in range(seats))
    return Plan(room, names, names)


def broadcast(room: str, receivers: int = 50) -> Plan:
    names = tuple(f"{room}-{i}" for i in range(receivers + 1))
    return Plan(room, names, names[:1], "720p")


@dataclass
class Load:
    place: Place
    address: str  # our own
    core: int
    _process: asyncio.subprocess.Process
    fingerprint: str = ""
    _port: int = 20000
    _ssrc: int = 0x10000
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ready(self) -> None:
        self.fingerprint = (await self._answer()).fingerprint

    async def _answer(self) -> Answer:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S)
        if not line:
            raise RuntimeError("the load generator has ended")
        return msgspec.json.decode(line, type=Answer)

    async def _ask(self, word: Word) -> Answer:
        assert self._process.stdin is not None
        async with self._lock:
            self._process.stdin.write(msgspec.json.encode(word) + b"\n")
            answer = await self._answer()
        if answer.error:
            raise RuntimeError(answer.error)
        return answer

    def port(self) -> int:
        """A port of our namespace that nobody has had yet."""
        self._port += 1
        return self._port

    def sends(self, picture: str) -> tuple[Send, ...]:
        """Sound and picture of one seat, with SSRCs of their own."""
        self._ssrc += 2
        sound = "sound" if picture == "film" else "opus"
        return (Send(sound, self._ssrc, OPUS, "mic"), Send(picture, self._ssrc + 1, VP8, "cam"))

    async def connect(self, specs: Sequence[Spec]) -> None:
        await self._ask(Connect(tuple(specs)))

    async def close(self, names: Sequence[str]) -> None:
        await self._ask(Close(tuple(names)))

    async def play(self, *rooms: str) -> None:
        await self._ask(Play(rooms))

    async def count(self) -> Counted:
        counted = (await self._ask(Count())).counted
        assert counted is not None
        return counted

    async def watched(self, names: Sequence[str]) -> dict[str, int]:
        """When each had its first whole key frame, ns of Unix time."""
        return (await self._ask(Watched(tuple(names)))).at


@contextlib.asynccontextmanager
async def load(link: str) -> AsyncIterator[Load]:
    """The generator, reached over ``link``: an address of this machine, or a veth pair with a namespace behind it."""
    cores = sorted(os.sched_getaffinity(0))
    with hosts.host() as host:
        far, prefix = (host.far, ["ip", "netns", "exec", host.name]) if link == "veth" else (host.near, [])
        process = await asyncio.create_subprocess_exec(
            *prefix, sys.executable, "-m", "tests.bench.client", "--host", far, "--core", str(cores[0]),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26,
        )  # fmt: skip
        try:
            one = Load(Place(host.near, cores[-1]), far, cores[0], process)
            await one.ready()
            yield one
        finally:
            if process.stdin is not None:
                process.stdin.close()
            await process.wait()
