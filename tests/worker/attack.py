"""What the hostile tests attack with and measure by: forged sources, paced floods, and a worker seen from outside.

Every address of 127.0.0.0/8 is this machine's, so a stranger may come from as many hosts as it likes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Callable, Iterator, Sequence

from courtroom.channel import messages as m
from courtroom.sfu import rtcp
from tests.browser.harness import Control
from tests.sfu import wire
from tests.worker.client import Client

CHUNK = 40
PAGE = os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def forged(count: int, seed: int = 1) -> Iterator[list[socket.socket]]:
    """Sockets on ``count`` hosts that have nothing to do with anybody."""
    dice = random.Random(seed)
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(count):
            one = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            one.bind((f"127.{dice.randrange(1, 255)}.{dice.randrange(256)}.{dice.randrange(1, 255)}", 0))
            one.setblocking(False)
            sockets.append(one)
        yield sockets


async def flood(
    sources: Sequence[socket.socket],
    server: tuple[str, int],
    make: Callable[[int], bytes],
    count: int,
    rate: int = 15_000,
) -> None:
    """``count`` datagrams at ``rate`` a second in small bursts, so that what is tested is not the kernel's buffer."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for i in range(count):
        sources[i % len(sources)].sendto(make(i), server)
        if i % CHUNK == CHUNK - 1:
            await asyncio.sleep(max(0.0, start + i / rate - loop.time()))


def resident(control: Control) -> int:
    """Bytes of memory that the worker holds."""
    with open(f"/proc/{control.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE


def kernel_drops(port: int) -> int:
    """What the kernel threw away before the worker could read it."""
    with open("/proc/net/udp", encoding="ascii") as file:
        rows = [line.split() for line in file.read().splitlines()[1:]]
    return sum(int(row[12]) for row in rows if int(row[1].partition(":")[2], 16) == port)


async def load(control: Control) -> m.WorkerLoad:
    """A report that was made after everything sent so far was read."""
    await control.ask(lambda n: m.OpenRoom(n, "room"))  # refused, but after what the port had before it
    start = len(control.events)
    return await control.until(
        lambda event: event if isinstance(event, m.WorkerLoad) and event in control.events[start:] else None
    )


def grown(before: m.WorkerLoad, after: m.WorkerLoad) -> dict[str, int]:
    """How much each reason for dropping has grown."""
    changes = {why: number - before.dropped.get(why, 0) for why, number in after.dropped.items()}
    return {why: number for why, number in changes.items() if number}


async def connected(control: Control, clients: list[Client], *names: str, places: int = 1) -> list[Client]:
    found = []
    for name in names:
        client = await Client.open(control, name, places, ("microphone", "camera"))
        clients.append(client)
        await client.connect(control, name)
        found.append(client)
    return found


class Talk:
    """Sound from one client to another at 100 packets a second while something else happens."""

    def __init__(self, speaker: Client, listener: Client, ssrc: int = 7) -> None:
        self.speaker = speaker
        self.listener = listener
        self.ssrc = ssrc
        self.sent = 0
        self._task: asyncio.Task[None] | None = None

    async def _speak(self) -> None:
        while True:
            self.say()
            await asyncio.sleep(0.01)

    def say(self) -> None:
        self.sent += 1
        words = b"word %d" % self.sent
        self.speaker.send_rtp(wire.rtp(self.sent, self.sent * 480, self.ssrc, words, 111, mid=b"mic"))

    async def __aenter__(self) -> Talk:
        self.say()
        await self.listener.until(is_rtp)
        self._task = asyncio.create_task(self._speak())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def heard(self, patience: float = 30) -> list[int]:
        """The numbers of the words that arrived, in the order in which they did; waits for the last of them."""
        assert self.listener.down is not None
        numbers: list[int] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not numbers or numbers[-1] < self.sent:
                    payload = wire.fields(await self.listener.rtp())[3]
                    if payload.startswith(b"word "):
                        numbers.append(int(payload[5:]))
        return numbers

    async def heard_everything(self, overrun: int = 0) -> None:
        """``overrun``: datagrams that the kernel threw away because this machine gave the worker no time to read."""
        numbers = await self.heard()
        assert numbers == sorted(set(numbers)), "in order, none twice"
        assert self.sent - overrun <= len(numbers) <= self.sent, f"{len(numbers)} of {self.sent}"


def is_rtp(data: bytes) -> bool:
    return len(data) > 12 and 128 <= data[0] <= 191 and not 192 <= data[1] <= 223


def is_rtcp(data: bytes) -> bool:
    return len(data) > 8 and 128 <= data[0] <= 191 and 192 <= data[1] <= 223


def reports(client: Client) -> list[rtcp.Report]:
    """Every RTCP report that came to a client; what does not come twice is taken away."""
    assert client.down is not None
    mine = [data for data in client.datagrams if is_rtcp(data)]
    client.datagrams[:] = [data for data in client.datagrams if not is_rtcp(data)]
    return [report for data in mine for report in rtcp.parse(client.down.unprotect_rtcp(data))]


async def settled(control: Control) -> None:
    """Returns when what the worker has sent so far has been taken from the sockets of the clients."""
    await load(control)
    await asyncio.sleep(0.05)
