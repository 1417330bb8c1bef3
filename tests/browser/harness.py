"""A worker process, a control end made of the real channel, and Chromium pages: what the browser tests stand on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from aiohttp import web
from playwright.async_api import Browser, Page, Playwright

from courtroom.channel import framing
from courtroom.channel import messages as m
from courtroom.sfu.capture import MAGIC, Batch, Record, Tear, decode_batch, read

T = TypeVar("T")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-gpu",
]
HERE = Path(__file__).parent


class Control:
    """The control end of one worker: requests with replies, events in a list."""

    def __init__(self, process: subprocess.Popen[bytes], sock: socket.socket) -> None:
        self.process = process
        self._sock = sock
        self._request = 0
        self._replies: dict[int, asyncio.Future[m.Reply]] = {}
        self.events: list[m.FromWorker] = []
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        decoder: framing.Decoder[m.Message] = framing.Decoder(m.FromWorker)
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self._sock, 65536):
            for message in decoder.feed(data):
                if isinstance(message, m.Reply):
                    self._replies.pop(message.request).set_result(message)
                else:
                    self.events.append(message)
            async with self._news:
                self._news.notify_all()

    async def send(self, message: m.Message) -> None:
        await asyncio.get_running_loop().sock_sendall(self._sock, framing.encode(message))

    async def ask(self, make: Callable[[int], m.Message]) -> m.Reply:
        self._request += 1
        future: asyncio.Future[m.Reply] = asyncio.get_running_loop().create_future()
        self._replies[self._request] = future
        await self.send(make(self._request))
        return await asyncio.wait_for(future, 5)

    async def do(self, make: Callable[[int], m.Message]) -> str:
        reply = await self.ask(make)
        assert reply.code == "", reply
        return reply.sdp

    async def until(self, find: Callable[[m.FromWorker], T | None], timeout: float = 60) -> T:
        async with asyncio.timeout(timeout), self._news:
            seen = 0
            while True:
                for event in self.events[seen:]:
                    found = find(event)
                    if found is not None and found is not False:
                        return found
                seen = len(self.events)
                await self._news.wait()

    async def changed(self, transport: str, state: str, timeout: float = 60) -> m.TransportChanged:
        def find(event: m.FromWorker) -> m.TransportChanged | None:
            match event:
                case m.TransportChanged(name, now) if (name, now) == (transport, state):
                    return event
            return None

        return await self.until(find, timeout)

    async def close(self) -> None:
        self._sock.close()
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        self.process.wait(5)


@contextlib.asynccontextmanager
async def worker(capture_socket: str = "", addresses: tuple[str, ...] = ("127.0.0.1",)) -> AsyncIterator[Control]:
    """A real worker process on a free port."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", "courtroom.worker", "--fd", str(theirs.fileno())], pass_fds=[theirs.fileno()]
    )
    theirs.close()
    ours.setblocking(False)
    control = Control(process, ours)
    offset = time.time_ns() // 1000 - time.monotonic_ns() // 1000
    await control.send(m.WelcomeWorker(m.VERSION, offset, 0, list(addresses), capture_socket))
    await control.until(lambda event: event if isinstance(event, m.WorkerReady) else None)
    try:
        yield control
    finally:
        await control.close()


@contextlib.asynccontextmanager
async def site() -> AsyncIterator[str]:
    """The test page on loopback."""
    app = web.Application()

    async def page(request: web.Request) -> web.FileResponse:
        return web.FileResponse(HERE / "page.html")

    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    address = runner.addresses[0]
    try:
        yield f"http://127.0.0.1:{address[1]}/"
    finally:
        await runner.cleanup()


def colour_film(path: Path, rgb: tuple[int, int, int], width: int = 640, height: int = 360) -> Path:
    """A short y4m of one colour with a small moving square, so that frames differ."""
    red, green, blue = rgb
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    u, v = 128 + (blue - y) * 0.564, 128 + (red - y) * 0.713
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F15:1 Ip A1:1 C420jpeg\n".encode())
        for i in range(15):
            luma = np.full((height, width), int(y), np.uint8)
            luma[: height // 12, i * 16 : i * 16 + 16] = 255 - int(y)
            file.write(b"FRAME\n" + luma.tobytes())
            file.write(np.full(width * height // 4, int(u), np.uint8).tobytes())
            file.write(np.full(width * height // 4, int(v), np.uint8).tobytes())
    return path


def tone(path: Path, hertz: int) -> Path:
    samples = np.arange(48000 * 2)
    wave_form = (np.sin(2 * np.pi * hertz * samples / 48000) * 12000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(wave_form.tobytes())
    return path


async def launch(playwright: Playwright, film: Path | None = None, sound: Path | None = None) -> Browser:
    """Chromium; with a film and a sound, or without (a page that only looks)."""
    flags = list(FLAGS)
    if film is not None:
        flags.append(f"--use-file-for-fake-video-capture={film}")
    if sound is not None:
        flags.append(f"--use-file-for-fake-audio-capture={sound}")
    return await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)


async def join(
    control: Control, page: Page, room: str, transport: str, places: int, publish: list[str], relay: Relay | None = None
) -> float:
    """Offer, answer, and nothing else; the moment the offer was handed to the page."""
    offer = await control.do(lambda n: m.OpenTransport(n, room, transport, places, publish))
    if relay is not None:
        offer = relay.rewrite(offer)
    started = time.monotonic()
    answer: str = await page.evaluate("([name, sdp]) => answer(name, sdp)", [transport, offer])
    await control.do(lambda n: m.AcceptAnswer(n, transport, answer))
    return started


async def wait_for(look: Callable[[], Awaitable[T]], good: Callable[[T], bool], timeout: float = 60) -> T:
    """Look again until it is good; the last look is in the message when it never was."""
    deadline = time.monotonic() + timeout
    while True:
        value = await look()
        if good(value):
            return value
        assert time.monotonic() < deadline, f"still {value!r} after {timeout} s"
        await asyncio.sleep(0.02)


class Relay:
    """A UDP wire between one browser and the worker that can lose packets (seeded) and counts what passes.

    ``rewrite`` puts the relay's port into an offer. ``lose`` is asked for each datagram: (from the worker, bytes).
    """

    def __init__(self) -> None:
        self.to_browser: list[bytes] = []  # since the last ``catch_up``
        self.lose: Callable[[bool, bytes], bool] = lambda _down, _data: False
        self._browser: tuple[str, int] | None = None
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for sock in (self._front, self._back):
            sock.setblocking(False)
            sock.bind(("127.0.0.1", 0))
        loop = asyncio.get_running_loop()
        loop.add_reader(self._front, self._up)
        loop.add_reader(self._back, self._down)

    def rewrite(self, offer: str) -> str:
        port = next(line for line in offer.splitlines() if line.startswith("a=candidate:")).split()[5]
        self._worker = ("127.0.0.1", int(port))
        return offer.replace(f"127.0.0.1 {port} typ", f"127.0.0.1 {self._front.getsockname()[1]} typ")

    def _up(self) -> None:
        data, self._browser = self._front.recvfrom(4096)
        if not self.lose(False, data):
            self._back.sendto(data, self._worker)

    def _down(self) -> None:
        data, _ = self._back.recvfrom(4096)
        self.to_browser.append(data)
        if self._browser is not None and not self.lose(True, data):
            self._front.sendto(data, self._browser)

    def catch_up(self) -> list[bytes]:
        """What the worker had sent by now, read at once; afterwards ``to_browser`` holds what came later."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._down()
        earlier, self.to_browser = self.to_browser, []
        return earlier

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for sock in (self._front, self._back):
            loop.remove_reader(sock)
            sock.close()


class Writer:
    """The capture writer's end of the unix socket, small and real: takes batches, answers them, keeps the records."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.batches: list[Batch] = []
        self.answering = True
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                batch = decode_batch(await reader.readexactly(size))
                self.batches.append(batch)
                if self.answering:
                    writer.write(batch.number.to_bytes(8, "big"))
        self._connections.discard(writer)
        writer.close()

    def records(self, take: str) -> list[Record]:
        data = MAGIC + b"".join(batch.records for batch in self.batches if batch.take == take)
        records: list[Record] = []
        for _, record in read(data):
            assert not isinstance(record, Tear), record
            records.append(record)
        return records

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._connections):
            connection.close()
            with contextlib.suppress(ConnectionError):
                await connection.wait_closed()
