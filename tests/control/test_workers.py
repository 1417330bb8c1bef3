"""Two real media workers and the hearings on them: one is killed, one stalls, one is full."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable

import pytest

from courtroom.channel import messages as m
from courtroom.control import workers as workers_module
from courtroom.control.clock import CourtClock
from courtroom.control.media import Desired, MediaPlane, WorkerDown
from courtroom.control.workers import Lateness, MediaWorker, WorkerPool
from courtroom.errors import Unavailable
from courtroom.hearing.access import Edge
from courtroom.hearing.model import Kind
from tests.worker.attack import Talk
from tests.worker.client import Client

ROOM = "courtroom"
DESIRED = Desired(
    frozenset({Edge("judge", "clerk", Kind.MICROPHONE), Edge("clerk", "judge", Kind.MICROPHONE)}),
    {"judge": ROOM, "clerk": ROOM},
    "",
    ("judge", "clerk"),
)


class Sitting:
    """A hearing of two, with the part of its actor that hears the worker; both come back as the pages do."""

    def __init__(self, name: str, pool: WorkerPool) -> None:
        self.plane = MediaPlane(name, pool, self._hear)
        self.people: dict[str, Client] = {}
        self.all: list[Client] = []
        self.changes: asyncio.Queue[object] = asyncio.Queue()
        self.rooms_seen = [self.plane.room_name(ROOM)]

    def _hear(self, message: object) -> None:
        self.changes.put_nowait(message)

    async def follow(self, good: Callable[[], bool]) -> None:
        """Does what the actor does until it is good."""
        async with asyncio.timeout(20):
            while not good():
                await self._one(await self.changes.get())

    async def _one(self, message: object) -> None:
        match message:
            case WorkerDown():
                self.plane.lost_worker()
                self.rooms_seen.append(self.plane.room_name(ROOM))
                await self.join()
            case m.TransportChanged(state="connected"):
                await self.plane.promote(message.transport)
                await self.plane.settle(DESIRED)
            case m.TransportChanged(state="closed"):
                self.plane.forget(message.transport)
            case _:
                pass

    async def join(self) -> None:
        for seat in ("judge", "clerk"):
            transport, offer = await self.plane.open(seat, ROOM, 1, ["microphone"])
            client = self.people[seat] = Client(offer)
            self.all.append(client)
            await self.plane.answer(seat, transport, client.answer())
            await client.check()
            await client.handshake()

    def routed(self) -> bool:
        return all(self.plane.routes_of(seat) for seat in ("judge", "clerk"))

    @property
    def worker(self) -> MediaWorker:
        assert self.plane._worker is not None
        return self.plane._worker

    def close(self) -> None:
        for client in self.all:
            client.close()


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    one = WorkerPool(2, CourtClock(), 0, ["127.0.0.1"], "")
    await one.start()
    yield one
    await one.stop()


async def sit(name: str, pool: WorkerPool) -> Sitting:
    sitting = Sitting(name, pool)
    await sitting.join()
    await sitting.follow(sitting.routed)
    return sitting


async def until(good: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not good():
            await asyncio.sleep(0.02)


async def test_killed_worker_loses_its_hearing_to_the_other_and_gets_the_next(pool: WorkerPool) -> None:
    one, two = await sit("h-1", pool), await sit("h-2", pool)
    victim, survivor = one.worker, two.worker
    assert victim is not survivor, "two hearings, two workers"
    dead = victim.pid
    async with Talk(two.people["judge"], two.people["clerk"]) as talk:
        killed = time.monotonic()
        os.kill(dead, signal.SIGKILL)
        await one.follow(lambda: len(one.rooms_seen) == 2 and one.routed())
        took = time.monotonic() - killed
        assert one.worker is survivor, "not waiting for the respawn"
        async with Talk(one.people["clerk"], one.people["judge"]) as again:
            await again.heard_everything()
        await until(lambda: victim.up and victim.pid != dead)
        assert took < 2, f"{took:.2f} s"
        await talk.heard_everything()
    assert one.rooms_seen == ["courtroom.0", "courtroom.1"], "clients are told by view.media.room"
    assert two.rooms_seen == ["courtroom.0"]
    three = await sit("h-3", pool)
    assert three.worker is victim, "respawned and empty"
    for sitting in (one, two, three):
        await sitting.plane.close()
        sitting.close()


async def test_hearing_that_was_not_told_yet_asks_nothing_of_the_respawned_worker(pool: WorkerPool) -> None:
    one = await sit("h-1", pool)
    worker, dead = one.worker, one.worker.pid
    os.kill(dead, signal.SIGKILL)
    await until(lambda: worker.up and worker.pid != dead)
    with pytest.raises(Unavailable, match="media_unavailable"):
        await one.plane.open("judge", ROOM, 1, ["microphone"])
    await one.plane.narrow(Desired(frozenset(), {}, ""))
    await asyncio.sleep(0.2)
    assert (worker.up, worker.deaths) == (True, 1), "and it is not killed for what it cannot know"
    one.close()


async def test_stalled_worker_is_killed(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = pool.workers[0]
    stopped = worker.pid
    await until(lambda: worker.load is not None)
    os.kill(stopped, signal.SIGSTOP)
    monkeypatch.setattr(workers_module, "STALLED_S", 4.0)
    await until(lambda: worker.up and worker.pid != stopped)
    assert (worker.deaths, pool.workers[1].deaths) == (1, 0)


async def test_load_is_told_and_decides(pool: WorkerPool) -> None:
    first, second = pool.workers
    await until(lambda: first.load is not None and second.load is not None)
    for _ in range(8):
        first.gauge.report(900, 0)
    assert first.gauge.full
    assert [pool.pick() for _ in range(3)] == [second] * 3
    for _ in range(8):
        second.gauge.report(900, 0)
    with pytest.raises(Unavailable, match="media_overloaded"):
        pool.pick()
    assert pool.pick(running=True) in pool.workers


async def test_share_of_the_core_is_measured(pool: WorkerPool) -> None:
    """Whoever keeps a worker busy shows in what it tells."""
    worker = pool.workers[0]
    one = await sit("h-1", pool)
    assert one.worker is worker

    async def busy() -> None:
        judge = one.people["judge"]
        for i in range(100_000):
            judge.send(bytes(40))
            if i % 40 == 39:
                await asyncio.sleep(0.003)

    task = asyncio.create_task(busy())
    try:
        await until(lambda: worker.load is not None and worker.load.cpu_permille >= 20)
    finally:
        task.cancel()
    assert worker.load is not None
    assert worker.load.cpu_permille <= 1100
    one.close()


def test_our_own_lateness_is_remembered_for_a_while() -> None:
    late = Lateness()
    late.noted(1_500_000, 100_000_000)
    late.noted(20_000, 101_000_000)
    assert late.worst(105_000_000) == 1_500_000, "a calm second later does not undo it"
    assert late.worst(110_000_000) == 0
    late.noted(30_000, 111_000_000)
    assert late.worst(112_000_000) == 30_000
