"""The collector in a process of its own: what it is told there stays told."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import weakref

import pytest

from courtroom.control import heap

HOUSE = """
import gc, sys
from courtroom.control import heap

class Hearing:
    alive = 0
    def __init__(self):
        self.itself, self.parts = self, [[number] for number in range(100)]
        Hearing.alive += 1
    def __del__(self):
        Hearing.alive -= 1

modules = [[number] for number in range(150_000)]
gc.collect()
if sys.argv[1] == "settled":
    heap.settle()
held, most = [Hearing() for _ in range(40)], 0
for number in range(600):
    held[number % 40] = Hearing()
    most = max(most, Hearing.alive - 40)
print(most)
"""


def left_over(how: str) -> int:
    """How many hearings that are over wait at most for the collector, where forty are open."""
    done = subprocess.run([sys.executable, "-c", HOUSE, how], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the collector has other generations")
def test_what_is_over_waits_for_a_part_of_what_lives_and_not_of_all_that_is_loaded() -> None:
    settled, unsettled = left_over("settled"), left_over("as it was")
    print(settled, unsettled)
    assert settled <= 60
    assert unsettled > 4 * settled


async def test_what_is_over_is_gone_when_memory_is_given_back() -> None:
    class Hearing:
        def __init__(self) -> None:
            self.itself = self

    over = weakref.ref(Hearing())
    gc.disable()
    try:
        await heap.give_back()
    finally:
        gc.enable()
    assert over() is None


async def test_without_glibc_only_the_collector_works(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        def __init__(self, _name: None) -> None: ...

    monkeypatch.setattr(ctypes, "CDLL", Bare)
    assert heap._trim() is None
    monkeypatch.setattr(heap, "_TRIM", None)
    await heap.give_back()
