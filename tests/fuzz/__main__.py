"""``python -m tests.fuzz --executions 10000000 --seed 1``: every parser, on every core.

A finding is written to ``build/fuzz/<target>/<sha>.bin``; in ``tests/fuzz/corpus/<target>/`` pytest replays it.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Final

from tests.fuzz.run import Result, keep, run
from tests.fuzz.targets import TARGETS

SLICE: Final = 50_000
BUILD: Final = Path("build/fuzz")


def one(target: str, executions: int, seed: int) -> tuple[Result, int]:
    """A slice, in a process of the pool; with the most memory this process ever held, in kB."""
    return run(TARGETS[target], executions, seed), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def slices(executions: int, names: list[str]) -> list[tuple[str, int]]:
    """Work by weight, every target from the beginning on."""
    weights = sum(TARGETS[name].weight for name in names)
    work: list[tuple[int, str, int]] = []
    for name in names:
        left, number = executions * TARGETS[name].weight // weights + 1, 0
        while left > 0:
            work.append((number, name, min(SLICE, left)))
            left, number = left - SLICE, number + 1
    return [(name, count) for _, name, count in sorted(work)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--executions", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--target", action="append", choices=sorted(TARGETS))
    options = parser.parse_args()
    names = options.target or list(TARGETS)
    totals = {name: Result(name) for name in names}
    started, done, least, most, findings = time.monotonic(), 0, 1 << 62, 0, 0
    print(f"seed {options.seed}, {options.processes} processes")
    with ProcessPoolExecutor(options.processes) as pool:
        work = [
            pool.submit(one, name, count, options.seed * 1_000_003 + number)
            for number, (name, count) in enumerate(slices(options.executions, names))
        ]
        for finished in as_completed(work):
            result, memory = finished.result()
            total = totals[result.target]
            total.executions += result.executions
            total.refused += result.refused
            if result.slowest_us > total.slowest_us:
                total.slowest_us, total.slowest_size = result.slowest_us, result.slowest_size
            least, most = min(least, memory), max(most, memory)
            done += result.executions
            if result.finding is not None:
                findings += 1
                print(f"\nFOUND {result.target}: {result.error} in {keep(result, BUILD)}")
            took = time.monotonic() - started
            print(f"\r{done:>12,} executions, {done / took:>9,.0f}/s, {findings} findings", end="", flush=True)
    print(f"\n{'target':<10}{'executions':>12}{'refused':>9}{'slowest':>12}{'its size':>10}")
    for total in totals.values():
        share = 100 * total.refused // max(1, total.executions)
        print(
            f"{total.target:<10}{total.executions:>12,}{share:>8}%{total.slowest_us:>9,.0f} µs{total.slowest_size:>10,}"
        )
    print(f"memory of a process: {least // 1024} to {most // 1024} MB")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
