"""One fuzzing run of one target: executions counted, the slowest call found, a finding kept and made small.

Rules: a finding is any exception that is not ``allowed``; the slowest call is measured again before it counts, since a
machine that does something else is not the parser's fault.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fuzz.mutate import Mutator
from tests.fuzz.targets import Target

AGAIN: Final = 5
MAX_STEPS: Final = 2000


@dataclass
class Result:
    target: str
    executions: int = 0
    refused: int = 0
    slowest_us: float = 0.0
    slowest_size: int = 0
    finding: bytes | None = None
    error: str = ""


def run(target: Target, executions: int, seed: int) -> Result:
    result = Result(target.name)
    mutator = Mutator(target.all_seeds(), seed, target.largest)
    clock, read, allowed, repair = time.perf_counter_ns, target.read, target.allowed, target.repair
    gc.disable()
    try:
        for number in range(executions):
            data = mutator.next()
            if repair is not None and number & 1:
                data = repair(data)
            started = clock()
            try:
                read(data)
            except allowed:
                result.refused += 1
            except Exception as error:  # this is what the whole thing looks for
                result.finding, result.error = smaller(target, data, type(error)), repr(error)
                break
            took = (clock() - started) / 1000
            if took > result.slowest_us:
                took = min(took, *(_time(target, data) for _ in range(AGAIN)))
                if took > result.slowest_us:
                    result.slowest_us, result.slowest_size = took, len(data)
            result.executions += 1
            if number % 20_000 == 0:
                gc.collect()
    finally:
        gc.enable()
    return result


def _time(target: Target, data: bytes) -> float:
    started = time.process_time_ns()
    with contextlib.suppress(*target.allowed):
        target.read(data)
    return (time.process_time_ns() - started) / 1000


def outcome(target: Target, data: bytes) -> type[Exception] | None:
    """The exception that should not have come; None when all is well."""
    try:
        target.read(data)
    except target.allowed:
        return None
    except Exception as error:
        return type(error)
    return None


def smaller(target: Target, data: bytes, kind: type[Exception]) -> bytes:
    """Parts taken out as long as the same exception comes."""
    size = max(1, len(data) // 2)
    for _ in range(MAX_STEPS):
        for at in range(0, len(data), size):
            shorter = data[:at] + data[at + size :]
            if outcome(target, shorter) is kind:
                data = shorter
                break
        else:
            if size == 1:
                break
            size = max(1, size // 2)
    return data


def keep(result: Result, folder: Path) -> Path:
    """The finding as a file that can go into the corpus."""
    assert result.finding is not None
    path = folder / result.target / f"{hashlib.sha256(result.finding).hexdigest()[:16]}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(result.finding)
    return path
