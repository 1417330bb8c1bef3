"""The capture writer's process: control on one inherited socket, media workers on a unix socket, disk in threads.

Rules
* The loop never touches the disk: one thread carries out what takes do (``recorder.take``) in order, one other does
  ``fdatasync`` and seals, so a slow disk delays acknowledgements and nothing else.
* A batch is answered once it is written to the kernel; what that guarantees stands in ``recorder.take``. A batch for a
  take that is not open yet waits ``PATIENCE_S`` (control may still be reopening it after a crash); one for a take that
  was closed by order is answered and dropped, because nobody will ever ask for it again.
* Answers go out in the order of the batches: a worker takes a number as an answer to all before it.
* A connection is read one batch at a time: a disk that is full stops the reading, never fills the memory.
* End of the control socket: workers get a second to deliver what they hold, every take is sealed, the process ends.

Messages: ``courtroom.channel.messages`` (ToWriter, FromWriter); batches: ``courtroom.sfu.capture``.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from courtroom.channel.framing import Decoder, encode
from courtroom.channel.messages import (
    VERSION,
    CaptureDefect,
    CaptureProgress,
    CloseTake,
    FromWriter,
    Mark,
    OpenTake,
    Reply,
    SegmentSealed,
    ToWriter,
    ToWriterShutdown,
    WelcomeWriter,
    WriterReady,
)
from courtroom.errors import BadMessage, BadPacket
from courtroom.sfu.capture import MAX_BATCH, Batch, decode_batch
from recorder.names import checked_take
from recorder.segment import Sealed, SegmentFile, seal_leftover
from recorder.take import SEGMENT_US, Take

FLUSH_S: Final = 0.1
SYNC_S: Final = 1.0
PATIENCE_S: Final = 5.0  # a worker keeps what is not answered for 30 s
DRAIN_S: Final = 1.0
RETRY_S: Final = 0.5
SLOW_SYNC_US: Final = 2_000_000
LOW_BYTES: Final = 1 << 30
REPEAT_DEFECT_US: Final = 10_000_000
MAX_TAKES: Final = 256
MAX_WORKERS: Final = 64
MAX_CLOSED: Final = 4096
MAX_MARK: Final = 64 * 1024
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

T = TypeVar("T")


class OpenedTake:
    """A take with what the shell has to remember about it."""

    def __init__(self, take: Take) -> None:
        self.take = take
        self.seals: set[asyncio.Task[None]] = set()
        self.synced_bytes = 0
        self.told: dict[str, int] = {}  # defect code → when control was told last


class Writer:
    """Everything between the sockets and the takes."""

    def __init__(self, send: Callable[[FromWriter], None], segment_us: int = SEGMENT_US) -> None:
        self._send = send
        self._segment_us = segment_us
        self._offset_us = 0
        self._root = Path()
        self._takes: dict[str, OpenedTake] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._opened = asyncio.Condition()
        self._disk = ThreadPoolExecutor(1, "disk")
        self._syncs = ThreadPoolExecutor(1, "sync")
        self._server: asyncio.Server | None = None
        self._socket_path = Path()
        self._workers: set[asyncio.Task[None]] = set()
        self._jobs: list[asyncio.Task[None]] = []
        self._stopping = False

    def now(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 + self._offset_us

    async def _on_disk(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, act)

    async def _on_sync(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._syncs, act)

    # --- life ---

    async def start(self, welcome: WelcomeWriter) -> None:
        self._offset_us = welcome.clock_offset_us
        self._root = Path(welcome.directory)
        self._socket_path = Path(welcome.capture_socket)
        listener = await self._on_disk(self._listen)
        self._server = await asyncio.start_unix_server(self._worker_connected, sock=listener, limit=MAX_BATCH)
        self._jobs = [asyncio.create_task(self._flushing()), asyncio.create_task(self._syncing())]
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
        for task in [*self._jobs, *self._workers]:
            task.cancel()
        await asyncio.gather(*self._jobs, *self._workers, return_exceptions=True)
        for opened in list(self._takes.values()):
            with contextlib.suppress(OSError):  # the .part stays and is sealed when the take is opened again
                await self._close(opened)
        self._disk.shutdown()
        self._syncs.shutdown()
        if self._server:
            with contextlib.suppress(FileNotFoundError):
                self._socket_path.unlink()

    # --- control ---

    async def obey(self, message: ToWriter) -> None:
        match message:
            case OpenTake(request=request, take=name, reserve_bytes=reserve):
                self._send(Reply(request=request, code=await self._open(name, reserve)))
            case CloseTake(request=request, take=name):
                self._send(Reply(request=request, code=await self._close_by_order(name)))
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
        take = Take(self._root, name, self.now, self._segment_us)
        try:
            existed = await self._on_disk(lambda: take.open(max(0, reserve_bytes)))
        except OSError as error:
            return "disk_full" if error.errno in _FULL else "io_error"
        opened = OpenedTake(take)
        async with self._opened:
            self._takes[name] = opened
            self._closed.pop(name, None)
            self._opened.notify_all()
        if take.reserve_broken:
            self._tell_defect(opened, "disk_low")
        if existed:
            self._later(opened, self._tell_leftovers(opened, take.number))
        return ""

    async def _tell_leftovers(self, opened: OpenedTake, before: int) -> None:
        try:
            found = await self._on_sync(lambda: opened.take.leftovers(before))
        except OSError:
            self._tell_defect(opened, "io_error")
            return
        for sealed in found:
            self._tell_sealed(opened, sealed)

    async def _seal_abandoned(self, opened: OpenedTake, number: int) -> None:
        try:
            self._tell_sealed(opened, await self._on_sync(lambda: seal_leftover(opened.take.directory, number)))
        except OSError:  # the disk that failed fails again: the .part stays and is sealed when the take is reopened
            self._tell_defect(opened, "io_error")

    async def _close_by_order(self, name: str) -> str:
        opened = self._takes.get(name)
        if opened is None:
            return "" if name in self._closed else "take_unknown"
        try:
            await self._close(opened)
        except OSError as error:
            code = "disk_full" if error.errno in _FULL else "io_error"
            self._tell_defect(opened, code)
            return code
        return ""

    async def _close(self, opened: OpenedTake) -> None:
        done = await self._on_disk(opened.take.close)
        self._takes.pop(opened.take.name, None)
        self._closed[opened.take.name] = None
        while len(self._closed) > MAX_CLOSED:
            self._closed.popitem(last=False)
        await self._seal(opened, done)
        if opened.seals:
            await asyncio.wait(opened.seals)

    async def _mark(self, name: str, at: int, kind: str, detail: str) -> None:
        opened = self._takes.get(name)
        if opened is None or len(detail) > MAX_MARK:
            return
        try:
            body = json.loads(detail) if detail else {}
        except (ValueError, RecursionError):
            body = {"text": detail}
        note: dict[str, object] = {**(body if isinstance(body, dict) else {"detail": body}), "kind": kind}
        await self._insist(opened, lambda: opened.take.note(at, note))

    # --- seals and defects ---

    def _later(self, opened: OpenedTake, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        opened.seals.add(task)
        task.add_done_callback(opened.seals.discard)

    async def _seal(self, opened: OpenedTake, done: SegmentFile) -> None:
        try:
            sealed = await self._on_sync(done.seal)
        except OSError:
            self._tell_defect(opened, "io_error")
            return
        self._tell_sealed(opened, sealed)

    def _tell_sealed(self, opened: OpenedTake, sealed: Sealed) -> None:
        self._send(
            SegmentSealed(
                take=opened.take.name,
                segment=sealed.segment,
                sha256=sealed.sha256,
                start_at=sealed.start_at,
                end_at=sealed.end_at,
                bytes=sealed.bytes,
                torn=sealed.torn,
            )
        )

    def _tell_defect(self, opened: OpenedTake, code: str) -> None:
        now = self.now()
        if now - opened.told.get(code, -REPEAT_DEFECT_US) >= REPEAT_DEFECT_US:
            opened.told[code] = now
            self._send(CaptureDefect(take=opened.take.name, code=code, at=now))

    async def _insist(self, opened: OpenedTake, act: Callable[[], T]) -> T | None:
        """Carry out a write, waiting for room on the disk as long as it takes; ``None`` when the process ends first."""
        while True:
            try:
                done = await self._on_disk(act)
            except OSError as error:
                self._tell_defect(opened, "disk_full" if error.errno in _FULL else "io_error")
                if self._stopping or opened.take.name not in self._takes:
                    return None
                await asyncio.sleep(RETRY_S)
                continue
            for number in opened.take.gave_up():
                self._tell_defect(opened, "io_error")
                self._later(opened, self._seal_abandoned(opened, number))
            return done

    # --- time ---

    async def _flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            for opened in list(self._takes.values()):
                try:
                    done = await self._on_disk(opened.take.tick)
                except OSError as error:
                    self._tell_defect(opened, "disk_full" if error.errno in _FULL else "io_error")
                    continue
                if done is not None:
                    self._later(opened, self._seal(opened, done))

    async def _syncing(self) -> None:
        while True:
            await asyncio.sleep(SYNC_S)
            for opened in list(self._takes.values()):
                await self._sync(opened)

    async def _sync(self, opened: OpenedTake) -> None:
        take, file, began = opened.take, opened.take.current, self.now()
        earlier = take.finished_bytes
        if file is None:
            return
        try:
            size = await self._on_sync(file.sync)
            await self._on_disk(take.shrink_reserve)
            free = await self._on_disk(take.free_bytes)
        except OSError:
            self._tell_defect(opened, "io_error")
            return
        now = self.now()
        if now - began > SLOW_SYNC_US:
            self._tell_defect(opened, "disk_slow")
        if free < LOW_BYTES or take.reserve_broken:
            self._tell_defect(opened, "disk_low")
        opened.synced_bytes = max(opened.synced_bytes, earlier + size)
        self._send(CaptureProgress(take=take.name, synced_bytes=opened.synced_bytes, synced_at=began, free_bytes=free))

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
            writer.close()
            for name, worker in seen:
                if (opened := self._takes.get(name)) is not None and not self._stopping:
                    await self._insist(opened, lambda o=opened, w=worker: o.take.lost(w))  # type: ignore[misc]

    async def _serve_worker(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: set[tuple[str, str]]
    ) -> None:
        given_up: set[str] = set()
        while True:
            length = int.from_bytes(await reader.readexactly(4), "big")
            if length > MAX_BATCH:
                raise BadPacket("capture_batch")
            batch = decode_batch(await reader.readexactly(length))
            if await self._take_in(batch, given_up):
                if batch.take in self._takes:
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
        return await self._insist(opened, lambda: opened.take.append(batch)) is not None


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
                    await writer.obey(message)
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
