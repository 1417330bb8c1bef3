"""Our media worker, the real process over its real channel: ``python -m courtroom.worker``."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from courtroom.channel import messages as m
from tests.bench.load import Load, Place, Plan
from tests.bench.sdp import answer, spec
from tests.bench.server import Server, on_core
from tests.browser.harness import Control


class Ours(Server):
    name = "ours"

    def __init__(self, place: Place, capture: str = "") -> None:
        super().__init__(place)
        self._capture = capture
        self._revisions: dict[str, int] = {}
        self._seated: dict[str, list[str]] = {}
        self._control: Control

    async def start(self) -> None:
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            on_core(self.place.core, sys.executable, "-m", "courtroom.worker", "--fd", str(theirs.fileno())),
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        ours.setblocking(False)
        self._control = Control(process, ours)
        offset = time.time_ns() // 1000 - time.monotonic_ns() // 1000
        await self._control.send(m.WelcomeWorker(m.VERSION, offset, 0, [self.place.address], self._capture))
        await self._control.until(lambda event: event if isinstance(event, m.WorkerReady) else None, 30)

    async def stop(self) -> None:
        await self._control.close()

    def pids(self) -> list[int]:
        return [self._control.process.pid]

    async def seat(self, load: Load, plan: Plan, seats: Sequence[str], *, watch: bool = False) -> dict[str, int]:
        do = self._control.do
        if plan.room not in self._revisions:
            self._revisions[plan.room] = 0
            self._seated[plan.room] = []
            await do(lambda n: m.OpenRoom(n, plan.room))
        offers = {}
        for seat in seats:
            publish = ["microphone", "camera"] if seat in plan.senders else []
            places = len(plan.heard(seat))
            offers[seat] = await do(lambda n, seat=seat, places=places, publish=publish: m.OpenTransport(
                n, plan.room, seat, places, publish))  # fmt: skip
            self._seated[plan.room].append(seat)
        await self._route(plan)
        specs = [
            spec(
                seat,
                plan.room,
                offers[seat],
                load.port(),
                sends=load.sends(plan.picture) if seat in plan.senders else (),
                watch=watch,
            )
            for seat in seats
        ]
        answers = {one.name: answer(offers[one.name], one, load.fingerprint, load.address) for one in specs}
        since = time.time_ns()
        accepted = (do(lambda n, seat=seat: m.AcceptAnswer(n, seat, answers[seat])) for seat in seats)
        await asyncio.gather(*accepted, load.connect(specs))
        return dict.fromkeys(seats, since)

    async def drain(self, load: Load, plan: Plan, seats: Sequence[str]) -> None:
        for seat in seats:
            self._seated[plan.room].remove(seat)
        await self._route(plan)
        for seat in seats:
            await self._control.do(lambda n, seat=seat: m.CloseTransport(n, seat))
        await load.close(seats)

    async def _route(self, plan: Plan) -> None:
        here = self._seated[plan.room]
        routes = [
            m.Route(seat, place, source, kind)
            for seat in here
            for place, source in enumerate(plan.heard(seat))
            if source in here
            for kind in ("microphone", "camera")
        ]
        self._revisions[plan.room] += 1
        await self._control.do(lambda n: m.SetRoutes(n, plan.room, self._revisions[plan.room], routes, []))

    def notes(self) -> dict[str, int]:
        loads = [event for event in self._control.events if isinstance(event, m.WorkerLoad)]
        self._control.events[:] = []
        if not loads:
            return {}
        return {**loads[-1].dropped, "loop_lag_us": max(load.loop_lag_us for load in loads)}
