"""Put on PYTHONPATH by the soak and by ``sittings``: a process says what it holds when a signal asks.

* ``LAB_TRACE``: on SIGUSR2, what lives under tracemalloc, compared with the time before. What only the garbage
  collector can free is told apart: in a process whose collector runs rarely it counts as held.
* ``LAB_GAUGE``: on SIGUSR1, one line of numbers: objects, what Python and what the C library hold and hold free.
  Nothing is collected or given back by asking.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import tempfile
import threading
import tracemalloc
from collections import Counter
from pathlib import Path
from types import FrameType

_SHOWN = 25
_held: list[tuple[tracemalloc.Snapshot, Counter[str]]] = []
_read = [0]


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
    _put(Path(os.environ["LAB_TRACE"]) / f"{os.getpid()}-{len(_held)}.txt", "\n".join(lines))


def _put(whole: Path, text: str) -> None:
    part = whole.with_suffix(".part")
    part.write_text(text + "\n", encoding="utf-8")
    part.rename(whole)


class _Mallinfo(ctypes.Structure):
    """glibc's ``struct mallinfo2``: summed over all its arenas."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


try:
    _MALLINFO2 = ctypes.CDLL(None).mallinfo2  # looked up once: each look-up leaves a type behind
    _MALLINFO2.restype = _Mallinfo
except AttributeError:  # not glibc, or an old one
    _MALLINFO2 = None


def _c_heap() -> dict[str, int]:
    """KB: ``brk`` and arenas together, of those in use, of those free, and in mappings of their own."""
    if _MALLINFO2 is None:
        return {}
    found = _MALLINFO2()
    return {
        "c_heap_kb": found.arena >> 10, "c_used_kb": found.uordblks >> 10, "c_free_kb": found.fordblks >> 10,
        "c_mapped_kb": found.hblkhd >> 10,
    }  # fmt: skip


def _small_objects() -> int:
    """Arenas of Python's own allocator, by its report on standard error."""
    with tempfile.TemporaryFile() as file:
        sys.stderr.flush()
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            sys._debugmallocstats()
        finally:
            os.dup2(before, 2)
            os.close(before)
        file.seek(0)
        for line in file.read().decode("ascii", "replace").splitlines():
            if line.startswith("# arenas allocated current"):
                return int(line.rsplit("=", 1)[1].replace(",", ""))
    return 0


def _gauge(_signal: int, _frame: FrameType | None) -> None:
    _read[0] += 1
    blocks, kinds = sys.getallocatedblocks(), _kinds()
    said = {
        "blocks": blocks, "objects": kinds.total(), "kinds": kinds,
        "small_arenas": _small_objects(), "threads": threading.active_count(), **_c_heap(),
    }  # fmt: skip
    _put(Path(os.environ["LAB_GAUGE"]) / f"{os.getpid()}-{_read[0]}.json", json.dumps(said))


if os.environ.get("LAB_TRACE"):
    tracemalloc.start(1)
    signal.signal(signal.SIGUSR2, _write)
if os.environ.get("LAB_GAUGE"):
    signal.signal(signal.SIGUSR1, _gauge)
