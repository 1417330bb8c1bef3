"""Put on PYTHONPATH by the soak: on SIGUSR2 a process writes what it holds, compared with the time before.

What only the garbage collector can free is told apart: in a process whose collector runs rarely it counts as held.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import tracemalloc
from collections import Counter
from pathlib import Path
from types import FrameType

_SHOWN = 25
_held: list[tuple[tracemalloc.Snapshot, Counter[str]]] = []


def _kinds() -> Counter[str]:
    return Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())


def _write(_signal: int, _frame: FrameType | None) -> None:
    loose, traced = _kinds(), tracemalloc.get_traced_memory()[0]
    unreachable = gc.collect()
    kinds = _kinds()
    freed = traced - tracemalloc.get_traced_memory()[0]
    snapshot = tracemalloc.take_snapshot().filter_traces((tracemalloc.Filter(False, tracemalloc.__file__),))
    lines = [
        " ".join(sys.argv),
        f"traced now and at most: {tracemalloc.get_traced_memory()}",
        f"held in cycles only: {unreachable} objects, {freed} bytes: {(loose - kinds).most_common(_SHOWN)}",
    ]
    if _held:
        before, counted = _held[-1]
        lines += map(str, snapshot.compare_to(before, "lineno")[:_SHOWN])
        grown = Counter({kind: count - counted[kind] for kind, count in kinds.items()})
        lines += [f"{count:+} {kind}" for kind, count in grown.most_common(_SHOWN)]
    _held[:] = [*_held, (snapshot, kinds)]
    whole = Path(os.environ["LAB_TRACE"]) / f"{os.getpid()}-{len(_held)}.txt"
    part = whole.with_suffix(".part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.rename(whole)


if os.environ.get("LAB_TRACE"):
    tracemalloc.start(1)
    signal.signal(signal.SIGUSR2, _write)
