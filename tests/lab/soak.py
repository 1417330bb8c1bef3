"""``make soak``: people come, go, are called and dismissed for a long time; do memory and descriptors stay?

* A real court with its worker and capture writer; light clients (``light.py``) that send and receive real SRTP.
* Every action is chosen by the seed and waited for; whatever is refused, fails or is logged as an error is counted.
* Resident memory (``VmRSS``) of each process is read every ``SAMPLE_S``; the slope is the least-squares line after the
  warm-up, which is said (``--warm-up``, a third else): until a hearing has ended and has left, heaps only fill. A
  hearing is closed and another begun every ``--hearing-minutes``. From ``LONG_MINUTES`` on it is judged.
* Memory saws: it grows by ``a`` in a hearing of ``t`` hours and falls as that ends. Of ``n`` teeth of one height the
  least-squares line still has a slope of ``a / (t n²)``: 1.2 MB an hour for three hearings of 9 minutes and 1.6 MB. So
  the line through the lowest point of each hearing (``floor``) is told too, and is what is judged where there are
  ``LEAST_LOWS`` of them.
* Descriptors are compared at rest: after a first short hearing, and after the last one, when nobody is there any more
  and the archives are made. So is memory, for who reads: there the warm-up is within.
* ``--trace FOLDER`` runs every process under tracemalloc (slow) and has them say what grew between the two rests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import socketio

from tests.e2e.court import Court, until
from tests.e2e.devices import CLERK, DEFENDANT, JUDGE, PLAINTIFF, WITNESS
from tests.lab import report
from tests.lab.light import Seat

SAMPLE_S = 2.0
SPARE = 2
"""A connection that is kept alive or a file of the store may just stand open; arrivals that leak leave dozens."""
STAY_S = 0.7
FIRST_STEPS = 5
ARCHIVE_S, SETTLE_S = 600, 30
PEOPLE = (JUDGE, CLERK, PLAINTIFF, DEFENDANT, WITNESS)
PARTIES = (PLAINTIFF, DEFENDANT)
PARTS = {"worker": "courtroom.worker", "writer": "recorder"}
GOAL_MB_PER_HOUR = 1.0
LEAST_LOWS = 3
LONG_MINUTES = 30.0
TRACE = Path(__file__).parent / "trace"


@dataclass
class Gauge:
    """One process over time."""

    pid: int
    at: list[float] = field(default_factory=list)
    rss_kb: list[int] = field(default_factory=list)
    fds: list[int] = field(default_factory=list)
    rest: list[int] = field(default_factory=list)  # descriptors when nobody is there
    rest_kb: list[int] = field(default_factory=list)

    def read(self, at: float) -> None:
        self.at.append(at)
        self.rss_kb.append(self.resident())
        self.fds.append(self.descriptors())

    def resident(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def found(self, warm_up: float, begun: Sequence[float] = ()) -> dict[str, Any]:
        """Slopes in MB an hour after the warm-up: of everything, and of the lowest point of each hearing ``begun``."""
        rows = [(at, rss) for at, rss in zip(self.at, self.rss_kb, strict=True) if at >= warm_up]
        lows = self._lows(rows, begun)
        megabytes = [round(rss / 1024, 1) for rss in self.rss_kb]
        return {
            "pid": self.pid, "rss_mb": megabytes, "slope_mb_h": round(slope(rows) * 3600 / 1024, 2),
            "lows_mb": [round(rss / 1024, 1) for _, rss in lows],
            "floor_mb_h": round(slope(lows) * 3600 / 1024, 2) if len(lows) >= LEAST_LOWS else None,
            "samples": len(rows), "rest_mb": [round(kb / 1024, 1) for kb in self.rest_kb], "fds": self.rest,
            "fds_max": max(self.fds),
        }  # fmt: skip

    @staticmethod
    def _lows(rows: list[tuple[float, int]], begun: Sequence[float]) -> list[tuple[float, int]]:
        """When and how low each hearing's lowest point was. Left out: a hearing that began before the first row, and
        the last one if it was cut short, since what the one before it held is given back some minutes later."""
        hearings = [
            [row for row in rows if first <= row[0] < end]
            for first, end in itertools.pairwise([*begun, float("inf")])
            if rows and first >= rows[0][0] - SAMPLE_S
        ]
        longest = max((len(one) for one in hearings), default=0)
        return [min(one, key=lambda row: row[1]) for one in hearings if len(one) * 2 > longest]


def slope(rows: list[tuple[float, int]]) -> float:
    """Of the least-squares line; 0 of fewer than two points."""
    if len(rows) < 2:
        return 0.0
    middle_x, middle_y = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    spread = sum((x - middle_x) ** 2 for x, _y in rows)
    return sum((x - middle_x) * (y - middle_y) for x, y in rows) / spread if spread else 0.0


class Sitting:
    """One hearing and the people in it, cycling."""

    def __init__(self, court: Court, chance: random.Random, failures: Counter[str], done: Counter[str]) -> None:
        self.court = court
        self._chance = chance
        self._failures = failures
        self._done = done
        self.seats: dict[str, Seat] = {}

    async def begin(self) -> None:
        hearing = await self.court.create(PEOPLE)
        self.hearing = hearing.id
        self.seats = {one.role: Seat(self.court, hearing, one, self._fail) for one in PEOPLE}
        for seat in self.seats.values():
            await seat.arrive()
        self.judge = self.seats[JUDGE.role]
        for person in (*PARTIES, WITNESS):
            await self.judge.command("admit", seat=self.seats[person.role].id)
        await self.judge.command("open_hearing")
        for person in (JUDGE, CLERK, *PARTIES):
            await self._live(self.seats[person.role])

    async def end(self) -> None:
        """The hearing is closed and everybody goes home."""
        await self.judge.command("close_hearing")
        for seat in self.seats.values():
            await seat.go()

    def _fail(self, what: str) -> None:
        self._failures[what] += 1
        here = ", ".join(one.role for one in PEOPLE if self.seats[one.role].here)
        print(f"{datetime.now(UTC):%H:%M:%S} {what}; connected: {here}", file=sys.stderr, flush=True)

    async def _live(self, seat: Seat) -> None:
        """Waits until the seat is sent packets of others."""
        await until(lambda: seat.media is not None)
        assert seat.media is not None
        before = seat.media.received
        await until(lambda: seat.media is not None and seat.media.received >= before + 20)

    async def step(self) -> None:
        action: Callable[[], Awaitable[None]] = self._chance.choice(
            [self._testimony, self._lid_closed, self._new_transport, self._left, self._muted]
        )
        self._done[action.__name__.strip("_")] += 1
        try:
            await action()
        except (AssertionError, TimeoutError, socketio.exceptions.SocketIOError) as error:
            self._fail(f"{action.__name__}: {error!r}"[:300])
            await self._whole()
        await asyncio.sleep(STAY_S)

    async def _whole(self) -> None:
        """Everybody back after something failed; where the bench was away too long, the judge goes on."""
        for seat in self.seats.values():
            if not seat.here:
                await seat.go()
                await seat.arrive()
        await until(lambda: self.judge.view)
        if self.judge.view["phase"] == "technical_hold":
            await self.judge.command("resume")

    def _party(self) -> Seat:
        return self.seats[self._chance.choice(PARTIES).role]

    async def _testimony(self) -> None:
        witness = self.seats[WITNESS.role]
        await self.judge.command("call", seat=witness.id)
        await until(lambda: witness.room == "courtroom")
        await self._live(witness)
        await asyncio.sleep(STAY_S)
        await self.judge.command("dismiss", seat=witness.id)
        await until(lambda: witness.room == "witness_room" and witness.media is None)

    async def _lid_closed(self) -> None:
        party = self._party()
        await party.go()
        await asyncio.sleep(STAY_S)
        await party.arrive()
        await self._live(party)

    async def _new_transport(self) -> None:
        party = self._party()
        await party.hush()
        await self._live(party)

    async def _left(self) -> None:
        party = self._party()
        await party.command("leave")
        await until(lambda: party.room is None)
        await party.go()
        await party.arrive()
        await until(lambda: party.room == "waiting")
        await self.judge.command("admit", seat=party.id)
        await until(lambda: party.room == "courtroom")
        await self._live(party)

    async def _muted(self) -> None:
        party = self._party()
        await self.judge.command("mute", seat=party.id, kind="microphone")
        await asyncio.sleep(STAY_S)
        await self.judge.command("unmute", seat=party.id, kind="microphone")


async def sample(gauges: dict[str, Gauge], started: float) -> None:
    while True:
        for gauge in gauges.values():
            gauge.read(time.monotonic() - started)
        await asyncio.sleep(SAMPLE_S)


async def archived(court: Court, *hearings: str) -> bool:
    """Whether no archive is being made any more: of ``hearings``, or of any."""
    asked = hearings or [one["id"] for one in await court.get("/api/v1/hearings")]
    states = [(await court.get(f"/api/v1/hearings/{one}/archive"))["state"] for one in asked]
    return all(state in ("sealed", "failed") for state in states)


async def rest(gauges: dict[str, Gauge], court: Court, trace: str, failures: Counter[str]) -> None:
    """Nobody is there and the archives are made: one more reading of descriptors, and of what is held in memory."""

    async def settled() -> bool:
        return all(not gauge.rest or gauge.descriptors() <= gauge.rest[0] for gauge in gauges.values())

    try:
        await until(lambda: archived(court), ARCHIVE_S, 1)
    except AssertionError:  # what was read until then is worth having
        failures[f"archives not made in {ARCHIVE_S} s"] += 1
    with contextlib.suppress(AssertionError):  # what does not go down is what is to be seen
        await until(settled, SETTLE_S, 1)
    for gauge in gauges.values():
        gauge.rest.append(gauge.descriptors())
        gauge.rest_kb.append(gauge.resident())
        if trace:
            os.kill(gauge.pid, signal.SIGUSR2)
    number = max(len(gauge.rest) for gauge in gauges.values())
    if trace:
        files = [Path(trace) / f"{gauge.pid}-{number}.txt" for gauge in gauges.values()]
        await until(lambda: all(file.exists() for file in files), 120)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    chance, failures, done = random.Random(options.seed), Counter[str](), Counter[str]()
    if options.trace:
        Path(options.trace).mkdir(parents=True, exist_ok=True)
        os.environ |= {"PYTHONPATH": str(TRACE), "LAB_TRACE": options.trace}
    with tempfile.TemporaryDirectory(prefix="court-lab-") as folder:
        async with Court(Path(folder) / "data") as court:
            pids = {"control": court.pid} | {name: court.child(part) for name, part in PARTS.items()}
            gauges = {name: Gauge(pid) for name, pid in pids.items()}
            first = Sitting(court, chance, failures, done)
            await first.begin()
            for _ in range(FIRST_STEPS):
                await first.step()
            await first.end()
            await rest(gauges, court, options.trace, failures)
            started = time.monotonic()
            end = started + options.minutes * 60
            warm_up = 60 * (options.minutes / 3 if options.warm_up is None else options.warm_up)
            reader = asyncio.create_task(sample(gauges, started))
            begun: list[float] = []
            while time.monotonic() < end:
                sitting = Sitting(court, chance, failures, done)
                await sitting.begin()
                begun.append(time.monotonic() - started)
                done["hearings"] += 1
                stop = min(end, time.monotonic() + options.hearing_minutes * 60)
                while time.monotonic() < stop:
                    await sitting.step()
                    if reader.done():
                        raise AssertionError("a process of the court is gone") from reader.exception()
                await sitting.end()
            reader.cancel()
            await rest(gauges, court, options.trace, failures)
            logged = Counter(errors(court.log))
    return {
        "seed": options.seed, "minutes": options.minutes, "warm_up_s": warm_up, "done": dict(done),
        "failures": dict(failures), "logged_errors": dict(logged),
        "processes": {name: gauge.found(warm_up, begun) for name, gauge in gauges.items()},
    }  # fmt: skip


def errors(log: Path) -> list[str]:
    """Events that the court's own log calls errors, and tracebacks of anybody."""
    found = []
    for text in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if text.startswith("Traceback"):
            found.append("Traceback")
            continue
        try:
            said = json.loads(text)
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("level") in ("error", "critical"):
            found.append(str(said.get("event")))
    return found


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--hearing-minutes", type=float, default=10.0)
    parser.add_argument("--warm-up", type=float, metavar="MINUTES", help="before the slope; a third else")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trace", default="", metavar="FOLDER")
    parser.add_argument("--name", default="soak", help="of the file in build/")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    options = arguments(words)
    found = asyncio.run(run(options))
    path = report.save(options.name, found)
    rows = [
        [
            name,
            one["rss_mb"][0],
            one["rss_mb"][-1],
            one["slope_mb_h"],
            one["floor_mb_h"],
            *one["rest_mb"],
            *one["fds"],
            one["fds_max"],
        ]
        for name, one in found["processes"].items()
    ]
    head = ("process", "MB first", "MB last", f"MB/h after {found['warm_up_s'] / 60:g} min", "of the lows",
            "MB at rest", "at the end", "fds at rest", "at the end", "fds max")  # fmt: skip
    print(report.table(head, rows))
    print(f"done {found['done']}\nfailures {found['failures']}\nlogged errors {found['logged_errors']}\n{path}")
    steady = all(one["fds"][1] <= one["fds"][0] + SPARE for one in found["processes"].values())
    if not steady:
        print("descriptors grow")
    level = found["minutes"] < LONG_MINUTES or not grows(found["processes"])
    if not level:
        print(f"memory grows: {' '.join(grows(found['processes']))}")
    return 1 if found["failures"] or found["logged_errors"] or not steady or not level else 0


def grows(processes: dict[str, Any]) -> list[str]:
    """Who misses the goal."""
    return [
        name for name, one in processes.items()
        if (one["slope_mb_h"] if one.get("floor_mb_h") is None else one["floor_mb_h"]) >= GOAL_MB_PER_HOUR
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
