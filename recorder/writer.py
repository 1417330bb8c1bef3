"""The capture writer's process: control on one inherited socket, media workers on a unix socket, disk in threads.

Rules
* The loop never touches the disk (``recorder.disk``); a slow disk delays acknowledgements and nothing else, and is told
  while it is slow.
* A batch is answered once it is written to the kernel; what that guarantees stands in ``recorder.take``. A batch for a
  take that is not open yet waits ``PATIENCE_S`` (control may still be reopening it after a crash); one for a take that
  was closed by order is answered and dropped, because nobody will ever ask for it again.
* Each batch is answered by its own number. What was not answered because its take was not open comes again when it
  is: the connection is closed then.
* Orders of control do not wait for each other, but for orders for the same take: a disk that is full for one mark is
  no reason to seem dead.
* A connection is read one batch at a time: a disk that is full stops the reading, never fills the memory.
* End of the control socket: workers get a second to deliver what they hold, every take is sealed, the process ends.

Messages: ``courtroom.channel.messages`` (ToWriter, FromWriter); batches: ``courtroom.sfu.capture``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from courtroom.channel.framing import Decoder, encode
from courtroom.channel.messages import (
    VERSION,
    CloseTake,
    FromWriter,
    Mark,
    OpenTake,
    Reply,
    ToWriter,
    ToWriterShutdown,
    WelcomeWriter,
    WriterReady,
)
from courtroom.errors import BadMessage, BadPacket
from courtroom.sfu.capture import MAX_BATCH, Batch, decode_batch
from recorder.disk import Disk
from recorder.names import checked_take
from recorder.opentake import OpenTake as Opened
from recorder.take import SEGMENT_US, Take
from recorder.trouble import SLOW_US, code_of

FLUSH_S: Final = 0.1
SYNC_S: Final = 1.0
WATCH_S: Final = 0.5
PATIENCE_S: Final = 5.0  # a worker keeps what is not answered for 30 s
DRAIN_S: Final = 1.0
MAX_TAKES: Final = 256
MAX_WORKERS: Final = 64
MAX_ORDERS: Final = 1024
MAX_CLOSED: Final = 4096
MAX_MARK: Final = 64 * 1024


class Writer:
    """Everything between the sockets and the takes."""

    def __init__(self, send: Callable[[FromWriter], None], segment_us: int = SEGMENT_US) -> None:
        self._send = send
        self._segment_us = segment_us
        self._offset_us = 0
        self._root = Path()
        self._takes: dict[str, Opened] = {}
        self._closing: dict[str, Opened] = {}  # closed by order, not everything sealed yet
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._orders: set[asyncio.Task[None]] = set()
        self._opened = asyncio.Condition()
        self._disk = Disk(self.now)
        self._server: asyncio.Server | None = None
        self._socket_path = Path()
        self._workers: set[asyncio.Task[None]] = set()
        self._links: dict[asyncio.StreamWriter, set[str]] = {}  # connections, and takes whose batches were passed over
        self._jobs: list[asyncio.Task[None]] = []
        self._stopping = False

    def now(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 + self._offset_us

    # --- life ---

    async def start(self, welcome: WelcomeWriter) -> None:
        self._offset_us = welcome.clock_offset_us
        self._root = Path(welcome.directory)
        self._socket_path = Path(welcome.capture_socket)
        listener = await self._disk.write(self._listen)
        self._server = await asyncio.start_unix_server(self._worker_connected, sock=listener, limit=MAX_BATCH)
        self._jobs = [asyncio.create_task(job()) for job in (self._flushing, self._syncing, self._watching)]
        self._send(WriterReady(version=VERSION, pid=os.getpid()))

    def _listen(self) -> socket.socket:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(self._socket_path.lstat().st_mode):  # left by a writer that was killed
                self._socket_path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        old = os.umask(0o177)
        try:
            listener.bind(str(self._socket_path))
        finally:
            os.umask(old)
        listener.listen(MAX_WORKERS)
        listener.setblocking(False)
        return listener

    async def stop(self) -> None:
        """Take in what the workers still hold, seal everything, end."""
        if self._server:
            self._server.close()
        if self._workers:
            await asyncio.wait(self._workers, timeout=DRAIN_S)
        self._stopping = True
        for opened in self._takes.values():
            opened.over = True
        for task in [*self._jobs, *self._workers]:
            task.cancel()
        await asyncio.gather(*self._jobs, *self._workers, *self._orders, return_exceptions=True)
        for opened in [*self._takes.values(), *self._closing.values()]:
            with contextlib.suppress(OSError):  # the .part stays and is sealed when the take is opened again
                await opened.close()
        self._disk.shutdown()
        if self._server:
            with contextlib.suppress(FileNotFoundError):
                self._socket_path.unlink()

    # --- control ---

    def order(self, message: ToWriter) -> None:
        """Begin to obey."""
        if isinstance(message, WelcomeWriter | ToWriterShutdown):
            raise BadMessage("message_out_of_order")
        if isinstance(message, Mark) and len(self._orders) >= MAX_ORDERS:
            return  # the ledger has it
        task = asyncio.create_task(self.obey(message))
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)

    async def obey(self, message: ToWriter) -> None:
        match message:
            case OpenTake(request=request, take=name, reserve_bytes=reserve):
                async with self._turns.setdefault(name, asyncio.Lock()):
                    self._send(Reply(request=request, code=await self._open(name, reserve)))
            case CloseTake(request=request, take=name):
                async with self._turns.setdefault(name, asyncio.Lock()):
                    self._send(Reply(request=request, code=await self._close(name)))
            case Mark(take=name, at=at, kind=kind, detail=detail):
                await self._mark(name, at, kind, detail)
            case WelcomeWriter() | ToWriterShutdown():
                raise BadMessage("message_out_of_order")

    async def _open(self, name: str, reserve_bytes: int) -> str:
        try:
            checked_take(name)
        except BadMessage as error:
            return error.code
        if name in self._takes:
            return ""
        if len(self._takes) >= MAX_TAKES:
            return "too_many_takes"
        if (unfinished := self._closing.pop(name, None)) is not None:
            unfinished.take.resume()
            unfinished.over = False
            await self._now_open(name, unfinished)
            return ""
        take = Take(self._root, name, self.now, self._segment_us)
        try:
            existed = await self._disk.write(lambda: take.open(max(0, reserve_bytes)))
        except OSError as error:
            return code_of(error)
        opened = Opened(take, self._disk, self._send, self.now)
        await self._now_open(name, opened)
        if take.reserve.broken:
            opened.saw("disk_low")
        if existed:
            opened.tell_earlier()
        return ""

    async def _now_open(self, name: str, opened: Opened) -> None:
        async with self._opened:
            self._takes[name] = opened
            self._closed.pop(name, None)
            self._opened.notify_all()
        for stream, given_up in self._links.items():
            if name in given_up:
                stream.close()  # the worker comes back and sends again what was passed over

    async def _close(self, name: str) -> str:
        """By order of control; after an error the order may come again."""
        if name in self._takes:
            self._closing[name] = self._takes.pop(name)
            self._closed[name] = None
            while len(self._closed) > MAX_CLOSED:
                self._closed.popitem(last=False)
        opened = self._closing.get(name)
        if opened is None:
            return "" if name in self._closed else "take_unknown"
        try:
            await opened.close()
        except OSError as error:
            opened.saw(code_of(error))
            return code_of(error)
        self._closing.pop(name, None)
        return ""

    async def _mark(self, name: str, at: int, kind: str, detail: str) -> None:
        opened = self._takes.get(name)
        if opened is None or len(detail) > MAX_MARK:
            return
        try:
            body = json.loads(detail) if detail else {}
        except (ValueError, RecursionError):
            body = {"text": detail}
        note: dict[str, object] = {**(body if isinstance(body, dict) else {"detail": body}), "kind": kind}
        await opened.insist(lambda: opened.take.note(at, note))

    # --- time ---

    async def _flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            for opened in list(self._takes.values()):
                await opened.tick()

    async def _syncing(self) -> None:
        while True:
            await asyncio.sleep(SYNC_S)
            for opened in list(self._takes.values()):
                await opened.sync()

    async def _watching(self) -> None:
        """Whoever hangs on the disk cannot say so itself."""
        while True:
            await asyncio.sleep(WATCH_S)
            if self._disk.busy_us(self.now()) > SLOW_US:
                for opened in [*self._takes.values(), *self._closing.values()]:
                    opened.saw("disk_slow")

    # --- workers ---

    async def _worker_connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._workers) >= MAX_WORKERS:
            writer.close()
            return
        self._workers.add(task)
        seen: set[tuple[str, str]] = set()
        try:
            await self._serve_worker(reader, writer, seen)
        except (ConnectionError, asyncio.IncompleteReadError, BadMessage):
            pass  # a connection that breaks or speaks nonsense is over; the worker comes back and sends again
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._workers.discard(task)
            self._links.pop(writer, None)
            writer.close()
            for name, worker in seen:
                if (opened := self._takes.get(name)) is not None and not self._stopping:
                    await opened.insist(lambda o=opened, w=worker: o.take.lost(w))  # type: ignore[misc]

    async def _serve_worker(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: set[tuple[str, str]]
    ) -> None:
        given_up = self._links[writer] = set()
        while True:
            length = int.from_bytes(await reader.readexactly(4), "big")
            if length > MAX_BATCH:
                raise BadPacket("capture_batch")
            batch = decode_batch(await reader.readexactly(length))
            if await self._take_in(batch, given_up):
                if batch.take in self._takes and (batch.take, batch.worker) not in seen:
                    seen.intersection_update([one for one in seen if one[0] in self._takes])  # not of all days
                    seen.add((batch.take, batch.worker))
                writer.write(batch.number.to_bytes(8, "big"))
                await writer.drain()

    async def _take_in(self, batch: Batch, given_up: set[str]) -> bool:
        """Whether the batch may be answered."""
        if batch.take in self._closed:
            return True
        if batch.take not in self._takes and batch.take not in given_up:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S), self._opened:
                    await self._opened.wait_for(lambda: batch.take in self._takes)
        opened = self._takes.get(batch.take)
        if opened is None:
            given_up.add(batch.take)  # the next batches for it are not waited for, other takes go on
            return batch.take in self._closed
        given_up.discard(batch.take)
        return await opened.insist(lambda: opened.take.append(batch)) is not None or batch.take in self._closed


async def serve(fd: int) -> int:
    """Speak with control on the inherited socket ``fd`` until it is gone; the process's exit code."""
    control = socket.socket(fileno=fd)
    control.setblocking(False)
    reader, stream = await asyncio.open_connection(sock=control)
    decoder: Decoder[ToWriter] = Decoder(ToWriter)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C goes to control first; its end is ours

    def send(message: FromWriter) -> None:
        if not stream.is_closing():
            stream.write(encode(message))

    writer = Writer(send)
    talking = asyncio.create_task(_talk(reader, decoder, writer))
    ending = asyncio.create_task(ended.wait())
    await asyncio.wait({talking, ending}, return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    talking.cancel()
    (code,) = await asyncio.gather(talking, return_exceptions=True)
    await writer.stop()
    with contextlib.suppress(ConnectionError):
        await stream.drain()
    stream.close()
    if isinstance(code, BaseException) and not isinstance(code, asyncio.CancelledError):
        raise code
    return code if isinstance(code, int) else 0


async def _talk(reader: asyncio.StreamReader, decoder: Decoder[ToWriter], writer: Writer) -> int:
    """0 at the end of the stream or a shutdown, 2 when versions differ or control speaks nonsense."""
    welcomed = False
    while data := await _some(reader):
        try:
            for message in decoder.feed(data):
                if isinstance(message, ToWriterShutdown):
                    return 0
                if not welcomed:
                    if not isinstance(message, WelcomeWriter) or message.version != VERSION:
                        return 2
                    await writer.start(message)
                    welcomed = True
                else:
                    writer.order(message)
        except BadMessage:
            return 2
    return 0


async def _some(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(1 << 16)
    except ConnectionError:
        return b""


def main(fd: int) -> int:
    """Run the writer; see ``serve``."""
    return asyncio.run(serve(fd))
