"""Many short hearings, one after the other: what does each leave behind, and who holds it?

* A real court, light clients, the soak's own actions; a hearing is begun when the archive of the one before is made.
* After each one every process is asked (``trace/sitecustomize.py``) what Python and what the C library hold; resident
  and proportional set are the kernel's (``smaps_rollup``). The slope is of a hearing, by least squares, after
  ``--warm-up``.
* A hearing stays open for ``desks.QUIET_S`` after its end: so many overlap, and from then on always as many.
* Growth of ``blocks`` is objects that stay; growth of ``c_free_kb`` or ``small_arenas`` alone is memory that the
  allocators keep.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.e2e.court import Court, until
from tests.lab import report
from tests.lab.soak import ARCHIVE_S, PARTS, TRACE, Sitting, archived, slope

SHOWN = ("rss_kb", "pss_kb", "private_kb", "blocks", "objects", "small_arenas", "threads", "c_heap_kb", "c_used_kb",
         "c_free_kb", "c_mapped_kb")  # fmt: skip


KINDS = 12


def resident(pid: int) -> dict[str, int]:
    """Of the kernel's books, in KB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    said = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    private = said["Private_Clean"] + said["Private_Dirty"]
    return {"rss_kb": said["Rss"], "pss_kb": said["Pss"], "private_kb": private}


async def ask(pid: int, folder: Path, number: int) -> dict[str, Any]:
    os.kill(pid, signal.SIGUSR1)
    file = folder / f"{pid}-{number}.json"
    await until(file.exists, 60)
    said = json.loads(file.read_text(encoding="utf-8"))
    return {**resident(pid), **said}


async def run(options: argparse.Namespace) -> dict[str, Any]:
    chance, failures, done = random.Random(options.seed), Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="court-lab-") as folder:
        gauges = Path(folder) / "gauges"
        gauges.mkdir()
        os.environ |= {"PYTHONPATH": str(TRACE), "LAB_GAUGE": str(gauges)}
        if options.trace:
            Path(options.trace).mkdir(parents=True, exist_ok=True)
            os.environ["LAB_TRACE"] = options.trace
        rows: dict[str, list[dict[str, Any]]] = {}
        async with Court(Path(folder) / "data") as court:
            pids = {"control": court.pid} | {name: court.child(part) for name, part in PARTS.items()}
            for number in range(1, options.hearings + 1):
                sitting = Sitting(court, chance, failures, done)
                await sitting.begin()
                for _ in range(options.steps):
                    await sitting.step()
                await sitting.end()
                await until(lambda: archived(court, sitting.hearing), ARCHIVE_S, 1)  # noqa: B023
                for name, pid in pids.items():
                    rows.setdefault(name, []).append(await ask(pid, gauges, number))
                    if options.trace and number in (options.warm_up, options.hearings):
                        os.kill(pid, signal.SIGUSR2)
                say(number, rows)
            if options.trace:
                files = [Path(options.trace) / f"{pid}-2.txt" for pid in pids.values()]
                await until(lambda: all(file.exists() for file in files), 120)
    growth = {name: grown(of, options.warm_up) for name, of in rows.items()}
    for of in rows.values():
        for row in of:
            row.pop("kinds", None)
    return {
        "seed": options.seed, "hearings": options.hearings, "steps": options.steps, "warm_up": options.warm_up,
        "growth": growth, "done": dict(done), "failures": dict(failures), "rows": rows,
        "slopes": {name: slopes(of, options.warm_up) for name, of in rows.items()},
    }  # fmt: skip


def slopes(rows: list[dict[str, Any]], warm_up: int) -> dict[str, float]:
    """What a hearing adds, by gauge."""
    late = list(enumerate(rows))[warm_up:]
    return {name: round(slope([(number, row.get(name, 0)) for number, row in late]), 2) for name in SHOWN}


def grown(rows: list[dict[str, Any]], warm_up: int) -> dict[str, float]:
    """Kinds of objects that are more than they were, a hearing; beginning with the most."""
    first, last = rows[warm_up]["kinds"], rows[-1]["kinds"]
    more = Counter({kind: last[kind] - first.get(kind, 0) for kind in last})
    return {kind: round(count / (len(rows) - 1 - warm_up), 2) for kind, count in more.most_common(KINDS) if count > 0}


def say(number: int, rows: dict[str, list[dict[str, Any]]]) -> None:
    for name, of in rows.items():
        print(number, name, " ".join(f"{gauge}={of[-1].get(gauge, 0)}" for gauge in SHOWN), flush=True)


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.sittings")
    parser.add_argument("--hearings", type=int, default=30)
    parser.add_argument("--steps", type=int, default=4, help="actions in each")
    parser.add_argument("--warm-up", type=int, default=10, help="hearings before the slope")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trace", default="", metavar="FOLDER", help="under tracemalloc, too: slow")
    parser.add_argument("--name", default="sittings", help="of the file in build/")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    options = arguments(words)
    if not 0 < options.warm_up < options.hearings - 1:
        raise SystemExit("the warm-up must leave two hearings at least")
    found = asyncio.run(run(options))
    path = report.save(options.name, found)
    rows = [[name, *(of[gauge] for gauge in SHOWN)] for name, of in found["slopes"].items()]
    print(report.table(("a hearing adds", *SHOWN), rows))
    for name, kinds in found["growth"].items():
        print(name, " ".join(f"{kind}=+{count}" for kind, count in kinds.items()) or "no kind grows")
    print(f"done {found['done']}\nfailures {found['failures']}\n{path}")
    return 1 if found["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
