"""The media workers of this control process, and which hearing lives on which.

A hearing lives on one worker at a time, chosen by ``placement``. When a worker dies every hearing on it is told
(``on_worker_down``) and takes another that is up, at once; it does not wait for the respawn. A worker that has said
nothing for ``STALLED_S`` seconds is killed: what it does is unknown.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from courtroom.channel.messages import (
    VERSION,
    FromWorker,
    Journal,
    ProducerChanged,
    Reply,
    SpeakingChanged,
    TransportChanged,
    WelcomeWorker,
    WorkerLoad,
    WorkerReady,
)
from courtroom.control.clock import CourtClock
from courtroom.control.placement import Gauge, choose
from courtroom.control.signals import Port
from courtroom.control.supervisor import Supervisor

ARGV: Final = (sys.executable, "-m", "courtroom.worker")
STALLED_S: Final = 10.0  # it speaks once a second
LATE_US: Final = 1_000_000  # who is so late may have missed a peer's sign of life
LATE_FOR_US: Final = 10_000_000

log = structlog.get_logger()


class Lateness:
    """How late a process of ours was at worst, as long as it can explain why somebody was not heard."""

    def __init__(self) -> None:
        self._worst = self._at = 0

    def noted(self, lag_us: int, now: int) -> None:
        if lag_us >= self.worst(now):
            self._worst, self._at = lag_us, now

    def worst(self, now: int) -> int:
        """µs; 0 when that is too long ago."""
        return self._worst if now - self._at < LATE_FOR_US else 0


class Tenant(Protocol):
    """A hearing's media plane, as its worker sees it."""

    def on_worker_up(self) -> None: ...

    def on_worker_down(self) -> None: ...

    def on_worker_message(self, message: TransportChanged | ProducerChanged | SpeakingChanged | Journal) -> None: ...


class MediaWorker:
    """One media worker process and the hearings on it."""

    def __init__(
        self, number: int, clock: CourtClock, port: int, addresses: Sequence[str], capture_socket: str
    ) -> None:
        self.number = number
        self.media: list[str] = []
        self.load: WorkerLoad | None = None
        self.gauge = Gauge()
        self.late = Lateness()
        self.port = Port()
        self.deaths = 0
        self._heard_at = 0.0
        self._clock = clock
        self._rooms: dict[str, Tenant] = {}
        self._transports: dict[str, Tenant] = {}
        self._tenants: list[Tenant] = []
        self._supervisor: Supervisor[FromWorker] = Supervisor(
            f"worker-{number}",
            ARGV,
            FromWorker,
            lambda: WelcomeWorker(
                version=VERSION, clock_offset_us=clock.offset_us, media_port=port, addresses=list(addresses),
                capture_socket=capture_socket,
            ),
            WorkerReady,
            on_message=self._on_message,
            on_up=self._on_up,
            on_down=self._on_down,
        )  # fmt: skip

    @property
    def up(self) -> bool:
        return self._supervisor.up

    @property
    def pid(self) -> int:
        return self._supervisor.pid

    @property
    def transports(self) -> int:
        return len(self._transports)

    async def start(self) -> None:
        await self._supervisor.start()

    async def stop(self) -> None:
        await self._supervisor.stop()

    def kill(self) -> None:
        """For a worker that does not do what it is told; the supervisor starts a fresh one."""
        if self.up:
            self._supervisor.child.kill()

    def stalled(self, now: float) -> bool:
        """Up, and yet it has not said a word for too long."""
        return self.up and now - self._heard_at >= STALLED_S

    def move_in(self, tenant: Tenant) -> None:
        self._tenants.append(tenant)

    def move_out(self, tenant: Tenant) -> None:
        self._tenants.remove(tenant)
        self._rooms = {room: owner for room, owner in self._rooms.items() if owner is not tenant}
        self._transports = {name: owner for name, owner in self._transports.items() if owner is not tenant}

    def claim_room(self, room: str, tenant: Tenant) -> None:
        self._rooms[room] = tenant

    def claim_transport(self, transport: str, tenant: Tenant) -> None:
        self._transports[transport] = tenant

    def send(self, message: msgspec.Struct) -> None:
        self._supervisor.child.send(message)

    async def ask(self, question: Callable[[int], msgspec.Struct]) -> Reply:
        return await self._supervisor.child.ask(question)

    def _on_up(self, ready: msgspec.Struct) -> None:
        assert isinstance(ready, WorkerReady)
        self.media = ready.media
        self._heard_at = time.monotonic()
        for tenant in list(self._tenants):
            tenant.on_worker_up()

    def _on_down(self) -> None:
        self.deaths += 1
        self.load = None
        self.gauge = Gauge()
        self.port = Port()
        self._rooms.clear()
        self._transports.clear()
        for tenant in list(self._tenants):
            tenant.on_worker_down()

    def _overrun(self, count: int) -> None:
        """The kernel threw media away because the worker did not read it in time: said when it happens."""
        before = self.load.dropped.get("overrun", 0) if self.load is not None else 0
        if count > before:
            log.warning("media_overrun", worker=self.number, datagrams=count - before)

    def _on_message(self, message: FromWorker) -> None:
        self._heard_at = time.monotonic()
        match message:
            case WorkerLoad():
                self._overrun(message.dropped.get("overrun", 0))
                self.load = message
                self.gauge.report(message.cpu_permille, message.loop_lag_us)
                self.late.noted(message.loop_lag_us, message.at)
                self.port.told(message.at, message.packets_in, message.transports)
            case TransportChanged(transport=transport, state=state):
                tenant = self._transports.get(transport)
                if state == "closed":
                    self._transports.pop(transport, None)
                if tenant is not None:
                    tenant.on_worker_message(message)
            case ProducerChanged(transport=transport):
                if (tenant := self._transports.get(transport)) is not None:
                    tenant.on_worker_message(message)
            case SpeakingChanged(room=room):
                if (tenant := self._rooms.get(room)) is not None:
                    tenant.on_worker_message(message)
            case Journal():
                for tenant in list(self._tenants):
                    tenant.on_worker_message(message)
            case _:
                pass  # a second WorkerReady or a late Reply says nothing new


class WorkerPool:
    """Every media worker; hearings ask it for a home."""

    def __init__(
        self, count: int, clock: CourtClock, first_port: int, addresses: Sequence[str], capture_socket: str
    ) -> None:
        self._clock = clock
        self._watch: asyncio.Task[None] | None = None
        self.late = Lateness()  # of this process
        self.workers = [
            MediaWorker(number, clock, first_port + number if first_port else 0, addresses, capture_socket)
            for number in range(count)
        ]

    async def start(self) -> None:
        for worker in self.workers:
            await worker.start()
        self._watch = asyncio.create_task(self._keep_watch(), name="worker-watch")

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        for worker in self.workers:
            await worker.stop()

    async def _keep_watch(self) -> None:
        trusted_from = 0.0
        while True:
            before, pause = time.monotonic(), min(1.0, STALLED_S / 4)
            await asyncio.sleep(pause)
            now = time.monotonic()
            self.late.noted(int((now - before - pause) * 1_000_000), self._clock.now())
            if now - before > pause + STALLED_S / 4:
                trusted_from = now + STALLED_S / 4  # we stood still ourselves: what they said is still to be read
            for worker in self.workers if now >= trusted_from else ():
                if worker.stalled(now):
                    log.error("worker_stalled", worker=worker.number, pid=worker.pid)
                    worker.kill()

    def pick(self, *, running: bool = False) -> MediaWorker:
        """A worker that is up for one more hearing; ``Unavailable`` when there is none or none may take a new one."""
        up = [(worker, worker.gauge) for worker in self.workers if worker.up]
        return choose(up, self._clock.now(), running=running)
