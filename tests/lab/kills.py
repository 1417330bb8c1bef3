"""``make kills``: the processes that keep the record are killed at moments of chance; every second is accounted for.

* Short hearings before a real court (``tests.recorder.sitting``): real writer, media worker and archive jobs, each
  struck by a real SIGKILL; people speak through real DTLS and SRTP. In each hearing the writer, the worker, or both at
  once are killed, and afterwards the job that composes and seals.
* Everything sealed is copied to a second place meanwhile; in every third hearing the process that copies dies too.
* Held against what was said and what the lamp showed: the archive verifies; every second in which the lamp was on has
  media or stands in a gap of the recording log; nobody said more than ``HIDDEN_US`` that is in neither; a worker
  takes no more than ``LOST_US`` with it (more, but logged, only when the writer was killed before it and could not
  take in what the worker held); what the ledger calls sealed was not touched, and lies in the second place too.
* The plan comes from the seed; ``--first``/``--last`` run a piece of it, ``--append`` keeps what earlier pieces found.
  A hard rule that is broken ends the run with status 1. Table and numbers: ``build/<name>.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.lab import report
from tests.recorder.sitting import Court, Sitting, account, court, until

HIDDEN_US = 200_000
LOST_US = 200_000
LENGTH_S = 6.0
KINDS = ("writer", "worker", "both")
JOB_S = 1.0
"""Until one has ended by itself, a compose job is taken to last that long; on no machine is one that quick."""


@dataclass(frozen=True)
class Plan:
    """One hearing: what is killed in it and when (s after the opening), then when its archive jobs die (as a share of
    what the last one lasted that ended by itself: a kill that comes after the end does not count)."""

    number: int
    blows: tuple[tuple[float, str], ...]
    jobs: tuple[float, ...]

    @property
    def kills(self) -> int:
        return sum(2 if what == "both" else 1 for _, what in self.blows) + len(self.jobs)


@dataclass
class Outcome:
    number: int
    killed: list[str] = field(default_factory=list)
    seconds: int = 0
    by_media: int = 0
    by_gap: int = 0
    unaccounted: int = 0
    hidden_ms: float = 0.0
    lost_ms: float = 0.0
    lost_with_writer_ms: float = 0.0
    gaps: int = 0
    gap_ms: float = 0.0
    segments: int = 0
    torn: int = 0
    wrong: list[str] = field(default_factory=list)


def plan(seed: int, kills: int, length: float = LENGTH_S) -> list[Plan]:
    """Hearings until ``kills`` are ordered; every kind comes round, moments are of chance."""
    chance = random.Random(seed)
    made: list[Plan] = []
    left = kills
    while left > 0:
        number = len(made)
        blows = [(chance.uniform(0.2, length - 1), KINDS[number % len(KINDS)])]
        if chance.random() < 0.5:
            blows.append((chance.uniform(0.2, length - 1), KINDS[chance.randrange(2)]))
        jobs = tuple(chance.uniform(0.05, 1.0) for _ in range(1 + (chance.random() < 0.3)))
        one = Plan(number, tuple(sorted(blows)), jobs)
        made.append(one)
        left -= one.kills
    return made


class Executioner:
    """Carries out one plan on one hearing of a court."""

    def __init__(self, house: Court, length: float, job_s: float = JOB_S) -> None:
        self._house = house
        self._length = length
        self.job_s = job_s
        self._writer_killed = False
        self._workers_killed: dict[bool, list[int]] = {False: [], True: []}  # by: the writer had been killed before

    async def run(self, one: Plan) -> Outcome:
        outcome = Outcome(one.number)
        sitting = await self._house.hearing()
        await self._settled()
        await sitting.open(self._house.tone)
        begin = time.monotonic()
        for at, what in one.blows:
            await asyncio.sleep(max(0.0, begin + at - time.monotonic()))
            for name in ("worker", "writer") if what == "both" else (what,):
                if self._kill(name):
                    outcome.killed.append(name)
        await asyncio.sleep(max(0.0, begin + self._length - time.monotonic()))
        await sitting.close()
        if one.number % 3 == 2 and (pid := self._house.pid("mirror")):
            os.kill(pid, signal.SIGKILL)
            outcome.killed.append("mirror")
        await self._strike_jobs(one, sitting, outcome)
        await self._judge(sitting, outcome)
        return outcome

    async def _settled(self) -> None:
        """Both are up: a hearing is not opened without them."""
        await until(lambda: all(self._house.docket.health().values()))

    def _kill(self, name: str) -> bool:
        pid = self._house.pid("worker-0" if name == "worker" else "writer")
        if not pid:
            return False  # dead already, from the blow before
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            if name == "worker":
                self._workers_killed[self._writer_killed].append(self._house.docket.clock.now())
            self._writer_killed |= name == "writer"
            return True
        return False

    async def _strike_jobs(self, one: Plan, sitting: Sitting, outcome: Outcome) -> None:
        for share in one.jobs:
            job = await self._job(sitting)
            if job is None:
                return
            begin = time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(job.wait(), share * self.job_s)
                self.job_s = time.monotonic() - begin
            if job.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    job.send_signal(signal.SIGKILL)
                    outcome.killed.append("compose")
            await job.wait()

    async def _job(self, sitting: Sitting) -> asyncio.subprocess.Process | None:
        def find() -> Any:
            running = list(self._house.docket._archives._running)
            alive = [job for job in running if job.returncode is None]
            return alive[0] if alive else sitting.room.archive.state in ("sealed", "failed")

        found = await until(find)
        return found if isinstance(found, asyncio.subprocess.Process) else None

    async def _judge(self, sitting: Sitting, outcome: Outcome) -> None:
        try:
            bag = await sitting.sealed()
        except AssertionError as error:
            outcome.wrong.append(f"not sealed: {error}"[:300])
            return
        found = await sitting.room.verify_archive()
        outcome.wrong += [f"{check['name']} {check['file']}" for check in found["checks"] if not check["ok"]]
        told, log = await account(sitting, bag, self._workers_killed[False])
        both, _ = await account(sitting, bag, self._workers_killed[True])
        outcome.seconds, outcome.by_media, outcome.by_gap = told.seconds, told.by_media, told.by_gap
        outcome.unaccounted = len(told.unaccounted)
        outcome.hidden_ms, outcome.lost_ms = told.hidden_us / 1000, told.lost_us / 1000
        outcome.lost_with_writer_ms = both.lost_us / 1000
        outcome.gaps, outcome.gap_ms = len(log["gaps"]), told.gap_us / 1000
        sealed = await sitting.notes("sealed")
        outcome.segments, outcome.torn = len(sealed), sum(entry.body["detail"]["torn"] for entry in sealed)
        try:
            await until_copied(sitting, {entry.body["detail"]["segment"] for entry in sealed})
        except TimeoutError:
            outcome.wrong.append("no second copy")
        if told.unaccounted:
            outcome.wrong.append(f"seconds in neither media nor log: {told.unaccounted[:5]}")
        if told.hidden_us > HIDDEN_US:
            outcome.wrong.append(f"{told.hidden_us / 1000:.0f} ms lost and not logged")
        if told.lost_us > LOST_US:
            outcome.wrong.append(f"the worker took {told.lost_us / 1000:.0f} ms with it")
        if not told.seconds:
            outcome.wrong.append("the lamp was never on: nothing was tried")


async def until_copied(sitting: Sitting, segments: set[str]) -> None:
    """Every segment and the bag have their lines of a second copy."""
    async with asyncio.timeout(60):
        while True:
            entries = await sitting.room.ledger()
            facts = [(entry.type, entry.body.get("what"), entry.body.get("detail", {})) for entry in entries]
            copied = {detail["segment"] for kind, what, detail in facts if (kind, what) == ("capture_noted", "copied")}
            if segments <= copied and any((kind, what) == ("archive_noted", "copied") for kind, what, _ in facts):
                return
            await asyncio.sleep(0.1)


async def run(plans: list[Plan], fresh: int, length: float = LENGTH_S) -> list[Outcome]:
    """A court of its own for every ``fresh`` hearings: processes that die often are started again ever more slowly,
    which is not what is tried here."""
    outcomes: list[Outcome] = []
    job_s = JOB_S
    for at in range(0, len(plans), fresh):
        with tempfile.TemporaryDirectory(prefix="kills-") as folder:
            data = Path(folder) / "data"
            second = Path(folder) / "second"
            data.mkdir()
            second.mkdir()
            async with court(data, second_copy=str(second)) as house:
                for one in plans[at : at + fresh]:
                    executioner = Executioner(house, length, job_s)
                    outcome = await executioner.run(one)
                    job_s = executioner.job_s
                    outcomes.append(outcome)
                    print(row(outcome), flush=True)
    return outcomes


def row(one: Outcome) -> str:
    return (
        f"{one.number:3} killed {'+'.join(one.killed):28} seconds {one.seconds} = media {one.by_media} + gap "
        f"{one.by_gap}, hidden {one.hidden_ms:.0f} ms, lost {one.lost_ms:.0f} ms, gaps {one.gaps} "
        f"({one.gap_ms:.0f} ms), segments {one.segments} ({one.torn} torn) {one.wrong or ''}"
    )


def summary(outcomes: list[dict[str, Any]]) -> str:
    kinds = ("writer", "worker", "compose", "mirror")
    rows = []
    for kind in (*kinds, "all"):
        hit = [one for one in outcomes if kind == "all" or kind in one["killed"]]
        rows.append(
            (
                kind,
                sum(len(one["killed"]) if kind == "all" else one["killed"].count(kind) for one in hit),
                len(hit),
                sum(one["seconds"] for one in hit),
                sum(one["by_media"] for one in hit),
                sum(one["by_gap"] for one in hit),
                sum(one["unaccounted"] for one in hit),
                max((one["hidden_ms"] for one in hit), default=None),
                max((one["lost_ms"] for one in hit), default=None),
                sum(len(one["wrong"]) for one in hit),
            )
        )
    head = ("killed", "kills", "hearings", "lamp s", "media", "gap", "neither", "hidden ms", "lost ms", "wrong")
    return report.table(head, rows)


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--kills", type=int, default=100)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--first", type=int, default=0)
    words.add_argument("--last", type=int, default=10**6)
    words.add_argument("--fresh", type=int, default=4)
    words.add_argument("--length", type=float, default=LENGTH_S, help="of a hearing, in seconds")
    words.add_argument("--append", action="store_true")
    words.add_argument("--name", default="kills")
    asked = words.parse_args()
    plans = plan(asked.seed, asked.kills, asked.length)
    print(f"{len(plans)} hearings, {sum(one.kills for one in plans)} kills ordered")
    found = asyncio.run(run(plans[asked.first : asked.last], asked.fresh, asked.length))
    earlier = report.earlier(asked.name).get("outcomes", []) if asked.append else []
    numbers = {one.number for one in found}
    kept = [one for one in earlier if one["number"] not in numbers]
    outcomes = sorted([*kept, *map(asdict, found)], key=lambda one: one["number"])
    report.save(asked.name, {"seed": asked.seed, "outcomes": outcomes})
    print(summary(outcomes))
    return 1 if any(one["wrong"] for one in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
