"""The media worker: one process, one loop, one port for UDP and TCP; rooms and transports at control's word.

Rules
* Exec'd on one end of a socketpair. First message ``WelcomeWorker``, answered by ``WorkerReady``; another version or a
  port that cannot be bound ends the process with status 2. End of stream ends it with status 0.
* No threads, no executor, no file, no database. Court time = CLOCK_MONOTONIC + the offset control chose.
* The garbage collector is frozen after start and runs rarely: a full collection in the packet path is 10 ms of silence.
"""

from __future__ import annotations

import asyncio
import datetime
import gc
import os
import secrets
import socket
import sys
import time
from typing import Final

from courtroom.channel import messages as m
from courtroom.errors import BadMessage
from courtroom.sfu.takes import Spool
from courtroom.worker import datagrams, dtls, tcp
from courtroom.worker.link import Link
from courtroom.worker.rooms import Rooms
from courtroom.worker.writer_link import WriterLink

TICK_S: Final = 0.02
ATTEMPTS: Final = 20
SECOND_US: Final = 1_000_000


class Worker:
    """Everything between the link and the port."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._link = Link(sock, loop, self._got, self._stop)
        self._rooms: Rooms | None = None
        self._writer: WriterLink | None = None
        self._spool = Spool(secrets.token_hex(8))
        self._offset = 0
        self._lag_us = 0
        self._told_at = 0
        self._cpu_before = self._cpu_told_at = 0
        self._due = 0.0
        self._tick: asyncio.TimerHandle | None = None
        self.ended: asyncio.Future[int] = loop.create_future()

    def _now(self) -> int:
        return time.monotonic_ns() // 1000 + self._offset

    def _stop(self, status: int = 0) -> None:
        if not self.ended.done():
            self.ended.set_result(status)

    def _got(self, message: m.ToWorker) -> None:
        match message:
            case m.WelcomeWorker():
                self._welcome(message)
            case m.ToWorkerShutdown():
                self._stop()
            case _ if self._rooms is None:
                self._stop(2)
            case m.SetPreferences():
                self._rooms.prefer(message)
            case _:
                reply = self._rooms.answer(message)
                self._rooms.port.flush()
                self._link.send(reply)

    def _welcome(self, message: m.WelcomeWorker) -> None:
        if message.version != m.VERSION or self._rooms is not None:
            self._stop(2)
            return
        self._offset = message.clock_offset_us
        own = dtls.identity(datetime.datetime.now(datetime.UTC))
        rooms = Rooms(self._now, secrets.token_bytes, self._link.send, own, self._spool, tuple(message.addresses))
        try:
            self._bind(rooms, message)
        except OSError as error:
            sys.stderr.write(f"media port {message.media_port}: {error.strerror}\n")
            self._stop(2)
            return
        self._rooms = rooms
        if message.capture_socket:
            self._writer = WriterLink(message.capture_socket, self._spool, self._loop)
        self._told_at = self._now()
        self._due = self._loop.time() + TICK_S
        self._tick = self._loop.call_at(self._due, self._ticked)
        media = [
            f"{name}:{_bracketed(address)}:{rooms.media_port}"
            for name in ("udp", "tcp")
            for address in message.addresses
        ]
        self._link.send(m.WorkerReady(m.VERSION, os.getpid(), media))
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

    def _bind(self, rooms: Rooms, message: m.WelcomeWorker) -> None:
        packets, streams = _sockets(message.addresses or ["127.0.0.1"], message.media_port)
        for sock in packets:
            one = datagrams.Socket(sock)
            rooms.port.add(one)
            self._loop.add_reader(sock, rooms.port.readable, one)
        listening = rooms.port.listen(self._loop)
        for sock in streams:
            listening.listen(sock)
        rooms.media_port = packets[0].getsockname()[1]

    def _ticked(self) -> None:
        assert self._rooms is not None
        late = self._loop.time() - self._due
        self._lag_us = max(self._lag_us, int(late * 1_000_000))
        self._rooms.tick()
        now = self._now()
        self._spool.cut(now)
        if self._writer is not None:
            self._writer.push()
        if now - self._told_at >= SECOND_US:
            self._told_at = now
            self._tell(now)
        self._due = max(self._due + TICK_S, self._loop.time())
        self._tick = self._loop.call_at(self._due, self._ticked)

    def _cpu_permille(self, now: int) -> int:
        before, self._cpu_before = self._cpu_before, time.process_time_ns() // 1000
        since, self._cpu_told_at = self._cpu_told_at, now
        return (self._cpu_before - before) * 1000 // max(1, now - since) if since else 0

    def _tell(self, now: int) -> None:
        assert self._rooms is not None
        self._link.send(m.Journal(now, self._rooms.journal()))
        port = self._rooms.port
        counters = [one.counters for one in port.sockets]
        if port.streams is not None:
            counters.append(port.streams.counters)
        dropped = dict(self._rooms.counters.dropped)
        if any(counter.unsent for counter in counters):
            dropped["unsent"] = sum(counter.unsent for counter in counters)
        if overrun := sum(one.overrun for one in port.sockets):
            dropped["overrun"] = overrun
        if self._spool.overflowed:
            dropped["capture_overflow"] = self._spool.overflowed
        self._link.send(
            m.WorkerLoad(
                now, self._lag_us, len(self._rooms.transports), sum(counter.packets_in for counter in counters),
                sum(counter.packets_out for counter in counters), dropped, self._spool.lag(now), self._rooms.quality(),
                self._cpu_permille(now),
            )
        )  # fmt: skip
        self._lag_us = 0

    def close(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
        if self._rooms is not None:
            self._rooms.port.flush()
            for one in self._rooms.port.sockets:
                self._loop.remove_reader(one.sock)
            self._rooms.shut()
            self._tell_last()
        if self._writer is not None:
            self._writer.close()
        self._link.close()

    def _tell_last(self) -> None:
        """The last edges belong into the journal, the last packets into the recording, as far as sockets take them."""
        assert self._rooms is not None
        now = self._now()
        self._link.send(m.Journal(now, self._rooms.journal()))
        self._spool.cut(now + SECOND_US)
        if self._writer is not None:
            self._writer.push()


def _sockets(addresses: list[str], port: int) -> tuple[list[socket.socket], list[socket.socket]]:
    """UDP and TCP on one port; where any port will do, one that is free for both."""
    for attempt in range(ATTEMPTS):
        packets = datagrams.bind_all(addresses, port)
        try:
            return packets, tcp.listeners(packets)
        except OSError:
            for sock in packets:
                sock.close()
            if port or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


async def _serve(sock: socket.socket) -> int:
    loop = asyncio.get_running_loop()
    worker = Worker(sock, loop)
    failed: list[BaseException] = []

    def fail(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        # a callback that raised is a bug (or garbage from control): this process dies and is started again
        error = context.get("exception")
        failed.append(error if isinstance(error, BaseException) else RuntimeError(str(context.get("message"))))
        if not worker.ended.done():
            worker.ended.set_result(1)

    loop.set_exception_handler(fail)
    try:
        status = await worker.ended
    finally:
        worker.close()
    for error in failed:
        if not isinstance(error, BadMessage):
            raise error
    return status


def run(fd: int) -> int:
    """Serve the channel on the inherited stream socket ``fd`` until it ends; the exit status."""
    return asyncio.run(_serve(socket.socket(fileno=fd)))
