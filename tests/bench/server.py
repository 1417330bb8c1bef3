"""What the bench knows of a server: its processes, and that it can seat people in a room.

Rules
* CPU is utime + stime of all its processes and threads, by /proc/<pid>/stat; memory is RssAnon of
  /proc/<pid>/status, what nobody shares with them. Nothing of the load generator or of the bench is in it.
* All its threads stand on one core, whatever their number.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from tests.bench.load import Load, Place, Plan

TICKS = os.sysconf("SC_CLK_TCK")


class Server(ABC):
    """One server under test."""

    name: str
    verbatim = True  # passes on what it gets, so stamps and content come through
    scale = ""  # why its load is smaller than the others', if it is

    @classmethod
    def missing(cls) -> str:
        """'' when it can run here, otherwise why not."""
        return ""

    def __init__(self, place: Place) -> None:
        self.place = place

    @abstractmethod
    async def start(self) -> None: ...

    @abstractmethod
    async def stop(self) -> None: ...

    @abstractmethod
    def pids(self) -> list[int]: ...

    @abstractmethod
    async def seat(self, load: Load, plan: Plan, seats: Sequence[str], *, watch: bool = False) -> dict[str, int]:
        """Connect these seats of the plan; they get all others that are there, and all others get them. For each, when
        the server had its answer: the moment from which a person waits (ns of Unix time).
        """

    async def drain(self, load: Load, plan: Plan, seats: Sequence[str]) -> None:
        """These seats leave."""
        raise NotImplementedError

    def cpu(self) -> float:
        """Seconds used so far."""
        return sum(_cpu(pid) for pid in self.pids())

    def memory(self) -> int:
        """Bytes."""
        return sum(_anonymous(pid) for pid in self.pids())

    def notes(self) -> dict[str, int]:
        """What the server itself says went wrong."""
        return {}


def on_core(core: int, *command: str) -> list[str]:
    return ["taskset", "--cpu-list", str(core), *command]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _anonymous(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0
