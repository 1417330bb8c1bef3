"""ICE over TCP: a whole client on it, and what strangers, tricksters and slow readers get out of it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import select
import socket
import struct
from typing import Any

import pytest

from courtroom.channel import messages as m
from courtroom.worker import stream, stun, tcp
from courtroom.worker.datagrams import SLOT
from courtroom.worker.main import _sockets
from courtroom.worker.stream import Stream
from courtroom.worker.tcp import Streams
from tests.sfu import wire
from tests.worker.attack import connected, load
from tests.worker.client import Client, Control


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


class TcpClient(Client):
    """The same client with RFC 4571 frames on a connection."""

    def __init__(self, offer: str) -> None:
        super().__init__(offer)
        lines = [line.split() for line in offer.splitlines() if line.startswith("a=candidate:")]
        words = next(words for words in lines if words[2] == "tcp")
        assert words[6:] == ["typ", "host", "tcptype", "passive"]
        asyncio.get_running_loop().remove_reader(self.sock)
        self.sock.close()
        self.sock = socket.create_connection((words[4], int(words[5])), timeout=5)
        self.sock.setblocking(False)
        self.ended = False
        self._bytes = b""
        asyncio.get_running_loop().add_reader(self.sock, self._readable)

    def send(self, data: bytes) -> None:
        self.sock.sendall(framed(data))

    def _readable(self) -> None:
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self.ended = True
            asyncio.get_running_loop().remove_reader(self.sock)
        self._bytes += data
        while len(self._bytes) >= 2 and len(self._bytes) >= 2 + int.from_bytes(self._bytes[:2], "big"):
            end = 2 + int.from_bytes(self._bytes[:2], "big")
            self._came(self._bytes[2:end])
            self._bytes = self._bytes[end:]
        self._news.set()


async def over_tcp(control: Control, clients: list[Client], name: str) -> TcpClient:
    client = await TcpClient.open(control, name, 1, ("microphone", "camera"))
    clients.append(client)
    await client.connect(control, name)
    return client


async def ended(sock: socket.socket, seconds: float = 10) -> bytes:
    """Everything until the other side closes or resets."""
    data = b""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds):
        while True:
            try:
                part = await loop.sock_recv(sock, 65536)
            except ConnectionError:
                return data
            if not part:
                return data
            data += part


def stranger(client: Client) -> socket.socket:
    sock = socket.create_connection(client.server, timeout=5)
    sock.setblocking(False)
    return sock


async def still_heard(control: Control, judge: Client, clerk: Client, number: int) -> None:
    judge.send_rtp(wire.rtp(number, number * 960, 7, b"word %d" % number, 111, mid=b"mic"))
    assert wire.fields(await clerk.rtp())[3] == b"word %d" % number


async def test_media_crosses_between_tcp_and_udp(control: Control, clients: list[Client]) -> None:
    judge = await over_tcp(control, clients, "judge")
    (clerk,) = await connected(control, clients, "clerk")
    routes = [m.Route("clerk", 0, "judge", "microphone"), m.Route("judge", 0, "clerk", "microphone")]
    await control.do(lambda n: m.SetRoutes(n, "room", 1, routes, []))
    for number in range(1, 20):
        await still_heard(control, judge, clerk, number)
        await still_heard(control, clerk, judge, number)
    assert not any(event.state == "silent" for event in control.events if isinstance(event, m.TransportChanged))


async def test_a_peer_on_tcp_is_asked_and_its_death_is_known(control: Control, clients: list[Client]) -> None:
    judge = await over_tcp(control, clients, "judge")
    judge.answers = False
    question = await judge.until(lambda data: data[:2] == b"\0\1")
    request = stun.parse(question)
    assert (request.local, request.remote, request.controlled) == (b"client", judge.ufrag.encode(), True)
    assert stun.authentic(request, b"p" * 24)
    await control.changed("judge", "silent", 4)


async def test_closing_is_close_notify_the_end_of_the_stream_and_nothing_else(
    control: Control, clients: list[Client]
) -> None:
    judge = await over_tcp(control, clients, "judge")
    (clerk,) = await connected(control, clients, "clerk")
    await control.do(lambda n: m.SetRoutes(n, "room", 1, [m.Route("judge", 0, "clerk", "microphone")], []))
    await still_heard(control, clerk, judge, 1)
    await control.do(lambda n: m.CloseTransport(n, "judge"))
    count = len(judge.datagrams)
    for number in range(2, 20):
        clerk.send_rtp(wire.rtp(number, number * 960, 7, b"secret", 111, mid=b"mic"))
    async with asyncio.timeout(5):
        while not judge.ended:
            judge._news.clear()
            await judge._news.wait()
    assert [data[0] for data in judge.datagrams[count:]] in ([], [21]), "close_notify at most"
    assert 21 in [data[0] for data in judge.datagrams]


async def test_a_broken_connection_is_forgotten_and_another_one_takes_over(
    control: Control, clients: list[Client]
) -> None:
    judge = await over_tcp(control, clients, "judge")
    (clerk,) = await connected(control, clients, "clerk")
    await control.do(lambda n: m.SetRoutes(n, "room", 1, [m.Route("judge", 0, "clerk", "microphone")], []))
    await still_heard(control, clerk, judge, 1)
    loop = asyncio.get_running_loop()
    loop.remove_reader(judge.sock)
    judge.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    judge.sock.sendall(b"\x01\x00half a frame")
    judge.sock.close()
    for number in range(2, 30):
        clerk.send_rtp(wire.rtp(number, number * 960, 7, b"into the void", 111, mid=b"mic"))
    judge.sock = socket.create_connection(judge.server, timeout=5)
    judge.sock.setblocking(False)
    judge._bytes = b""
    loop.add_reader(judge.sock, judge._readable)
    await judge.check()
    judge.datagrams.clear()
    await still_heard(control, clerk, judge, 40)


async def test_garbage_giants_and_resets_hurt_nobody(control: Control, clients: list[Client]) -> None:
    judge = await over_tcp(control, clients, "judge")
    (clerk,) = await connected(control, clients, "clerk")
    await control.do(lambda n: m.SetRoutes(n, "room", 1, [m.Route("clerk", 0, "judge", "microphone")], []))
    dice = random.Random(6544)
    check = stun.request(os.urandom(12), f"{judge.ufrag}:client".encode(), b"wrong password")
    for number in range(1, 60):
        with contextlib.suppress(ConnectionError, BlockingIOError), contextlib.closing(stranger(judge)) as sock:
            match number % 6:
                case 0:
                    sock.sendall(b"\xff\xff" + dice.randbytes(3000))  # a giant
                case 1:
                    sock.sendall(dice.randbytes(dice.randrange(1, 4000)))
                case 2:
                    sock.sendall(framed(check) * 10)
                case 3:
                    sock.sendall(framed(bytes(12)) + b"\0\0" * 5000)  # null packets
                case 4:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.sendall(framed(check)[:-5])  # and a reset in the middle
                case 5:
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: court\r\n\r\n")
        if number % 10 == 0:
            await still_heard(control, judge, clerk, number)
    report = await load(control)
    assert report.dropped["stun_not_authentic"] >= 10


async def test_giant_length_ends_the_connection_at_once(control: Control, clients: list[Client]) -> None:
    judge = await over_tcp(control, clients, "judge")
    with contextlib.closing(stranger(judge)) as sock:
        sock.sendall((SLOT + 1).to_bytes(2, "big"))
        assert await ended(sock, 2) == b""
    judge.sock.sendall(b"\xff\xff")
    async with asyncio.timeout(2):
        while not judge.ended:
            judge._news.clear()
            await judge._news.wait()


async def test_who_does_not_show_a_check_is_cut_off(control: Control, clients: list[Client]) -> None:
    judge = await over_tcp(control, clients, "judge")
    loop = asyncio.get_running_loop()
    with contextlib.closing(stranger(judge)) as slow, contextlib.closing(stranger(judge)) as loud:
        began = loop.time()

        async def drip() -> None:  # slowloris
            with contextlib.suppress(ConnectionError):
                for byte in framed(bytes(1000)):
                    await loop.sock_sendall(slow, bytes([byte]))
                    await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        with contextlib.suppress(ConnectionError):
            await loop.sock_sendall(loud, framed(bytes(1000)) * (stream.MAX_UNKNOWN // 1000 + 2))
        assert await ended(loud) == b""
        assert loop.time() - began < 3, "octets were counted before the time was"
        assert await ended(slow) == b""
        assert loop.time() - began < tcp.UNKNOWN_US / 1_000_000 + 3
        await dripping
    await judge.check()
    assert not judge.ended, "who has shown one stays"


async def test_connections_of_one_host_are_bounded_and_members_stay(control: Control, clients: list[Client]) -> None:
    judge = await over_tcp(control, clients, "judge")
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        socks, refused = [], 0
        for _ in range(100):
            try:
                socks.append(stack.enter_context(contextlib.closing(stranger(judge))))
            except ConnectionError:  # reset before connect() had returned
                refused += 1
        await judge.check()
        for sock in socks:
            with contextlib.suppress(TimeoutError, BlockingIOError):
                async with asyncio.timeout(0.02):
                    try:
                        refused += not await loop.sock_recv(sock, 1)
                    except ConnectionError:
                        refused += 1
        assert refused == 100 - tcp.MAX_STRANGERS_PER_HOST
    report = await load(control)
    assert report.dropped["tcp_refused"] == refused
    await judge.check()


async def test_strangers_from_everywhere_do_not_shut_the_door(control: Control, clients: list[Client]) -> None:
    (clerk,) = await connected(control, clients, "clerk")
    offer = await control.do(lambda n: m.OpenTransport(n, "room", "judge", 1, ["microphone"]))
    with contextlib.ExitStack() as stack:
        for host in range(60):
            for _ in range(4):
                sock = stack.enter_context(socket.socket())
                sock.bind((f"127.9.{host}.1", 0))
                sock.settimeout(5)
                sock.connect(clerk.server)
        judge = TcpClient(offer)
        clients.append(judge)
        await judge.connect(control, "judge")


# --- one stream on a virtual clock ------------------------------------------------------------------------------------


class Bench:
    """``Streams`` with a loop that only remembers, one accepted connection, and a reader at its far end."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self.dropped: list[str] = []
        self.gone: list[Stream] = []
        self.soon: list[Any] = []
        self.readers: dict[Any, Any] = {}
        self.writers: dict[Any, Any] = {}
        # one number for both, as the worker finds it: another program may hold the first one for TCP
        (self.model,), (self.listener,) = _sockets(["127.0.0.1"], 0)
        self.streams = Streams(self, lambda: self.now, self.dropped.append, lambda _: None, self.gone.append)
        self.streams.listen(self.listener)
        self.far = socket.create_connection(self.listener.getsockname(), timeout=5)
        self.streams._acceptable(self.listener)
        (self.stream,) = self.streams._streams.values()
        self.stream._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)

    def call_soon(self, callback: Any, *args: Any) -> None:
        self.soon.append((callback, args))

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        self.readers[fd] = (callback, args)

    def remove_reader(self, fd: Any) -> None:
        self.readers.pop(fd, None)

    def add_writer(self, fd: Any, callback: Any, *args: Any) -> None:
        self.writers[fd] = (callback, args)

    def remove_writer(self, fd: Any) -> None:
        self.writers.pop(fd, None)

    def write(self) -> None:
        for callback, args in list(self.writers.values()):
            callback(*args)

    def media(self, data: bytes) -> None:
        self.stream.outgoing[: len(data)] = data
        self.stream.commit(0, len(data), len(data), 0)
        self.streams.flush()

    def take(self) -> bytes:
        """What the far end can read now, and what becomes writable by that."""
        data = b""
        self.far.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while True:
                part = self.far.recv(1 << 20)
                if not part:
                    break
                data += part
                self.write()
        return data

    def close(self) -> None:
        self.streams.close()
        self.far.close()
        self.model.close()


@pytest.fixture
def bench() -> Any:
    bench = Bench()
    yield bench
    bench.close()


def frames_begun(sock: socket.socket) -> int:
    """How many frames of 1000 octets had left when the connection was reset."""
    size = 0
    with pytest.raises(ConnectionResetError):  # noqa: PT012
        while part := sock.recv(65536):
            size += len(part)
    return size // 1002


def frames(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        assert end <= len(data), "half a frame"
        found.append(data[at + 2 : end])
        at = end
    return found


def test_a_reader_that_stops_costs_a_bounded_queue_and_gets_whole_frames(bench: Bench) -> None:
    for number in range(20_000):
        bench.now += 100
        bench.media(number.to_bytes(4, "big") + bytes(1196))
        assert bench.stream.waiting <= stream.MAX_BACKLOG
    assert bench.stream.counters.unsent > 10_000
    assert bench.writers, "the loop says when it goes on"
    got = [int.from_bytes(frame[:4], "big") for frame in frames(bench.take())]
    assert got == sorted(got)
    assert len(got) == bench.stream.counters.packets_out
    assert not bench.writers


def test_media_that_waited_too_long_is_not_joined_by_more(bench: Bench) -> None:
    while not bench.writers:
        bench.media(bytes(1000))
    before = bench.stream.waiting
    bench.media(bytes(1000))
    assert bench.stream.waiting > before
    bench.now += stream.MAX_AGE_US + 1
    unsent = bench.stream.counters.unsent
    bench.media(bytes(1000))
    assert bench.stream.counters.unsent == unsent + 1
    bench.stream.send(b"signed answer", b"")
    assert frames(bench.take())[-1] == b"signed answer", "checks and DTLS still pass"


def test_a_route_taken_away_takes_its_queued_packets_with_it(bench: Bench) -> None:
    while bench.stream.waiting < 50_000:
        bench.media(b"secret" + bytes(994))
    bench.stream.send(b"answer", b"")
    bench.stream.discard()
    assert bench.stream.waiting <= 1002 + 8
    left = len(frames(bench.take()))
    assert left == bench.stream.counters.packets_out


def test_leaving_throws_the_queue_away_and_cuts_the_line(bench: Bench) -> None:
    while not bench.writers:
        bench.media(b"secret" + bytes(994))
    bench.media(b"secret" + bytes(994))
    bench.streams.leave(bench.stream, bench.now)
    assert bench.stream.closed
    assert bench.gone == [bench.stream]
    assert frames_begun(bench.far) < 500, "and not what the kernel still held"


def test_leaving_an_idle_line_is_an_end_of_stream_then_a_reset(bench: Bench) -> None:
    bench.stream.send(b"close_notify", b"")
    bench.streams.leave(bench.stream, bench.now)
    assert frames(bench.take()) == [b"close_notify"]
    assert not bench.stream.closed
    bench.media(b"late")
    bench.streams.tick(bench.now + stream.LINGER_US - 1, lambda _: True)
    assert not bench.stream.closed
    bench.streams.tick(bench.now + stream.LINGER_US, lambda _: True)
    assert bench.stream.closed
    assert bench.take() == b""


def test_frames_come_out_whole_however_they_arrive(bench: Bench) -> None:
    dice = random.Random(4571)
    sent = [dice.randbytes(dice.choice((12, 13, 20, 500, 1200, SLOT))) for _ in range(600)]
    data = b"".join(map(framed, sent))
    got: list[bytes] = []
    at = 0
    bench.streams.admit(bench.stream)
    while at < len(data):
        size = dice.choice((1, 2, 3, 100, 5000, 30_000))
        bench.far.sendall(data[at : at + size])
        at += size
        while bench.stream.has_frame or bench.stream._octets < min(at, len(data)):
            select.select([bench.stream._sock], [], [], 0 if bench.stream.has_frame else 5)
            for slot in range(bench.stream.receive()):
                length = bench.stream.lengths[slot]
                got.append(bytes(bench.stream.incoming[slot * SLOT : slot * SLOT + length]))
    assert got == sent


def test_without_file_descriptors_the_loop_does_not_spin(bench: Bench) -> None:
    class Full:
        def accept(self) -> None:
            raise OSError(errno.EMFILE, "too many open files")

    bench.streams._acceptable(Full())  # type: ignore[arg-type]
    assert bench.stream.closed, "the oldest stranger makes room"
    assert bench.listener in bench.readers
    bench.streams._acceptable(Full())  # type: ignore[arg-type]
    assert bench.listener not in bench.readers
    bench.streams.tick(bench.now + tcp.SECOND_US, lambda _: True)
    assert bench.listener in bench.readers, "and it is tried again"
    assert bench.dropped == ["tcp_full", "tcp_full"]


def test_more_frames_than_a_turn_takes_are_handled_in_the_next_one(bench: Bench) -> None:
    turns: list[int] = []
    bench.streams._readable = lambda one: turns.append(one.receive())
    bench.streams.admit(bench.stream)
    bench.far.sendall(framed(bytes(12)) * 200)
    select.select([bench.stream._sock], [], [], 5)
    bench.streams._turn(bench.stream)
    while bench.soon:
        callback, args = bench.soon.pop()
        callback(*args)
    assert turns == [64, 64, 64, 8]
