"""Second copies of what is sealed, in another place: what is still to be copied, when, and who is told.

Rules (COURT.md 7: two copies in two places, both re-verified)
* Copying is done by a process of its own (``recorder.mirror``): a place that hangs is waited for by nobody here.
* The ledger is the queue: whatever has a ``sealed`` line and no ``copied`` line is to be copied, after every restart
  anew; copying twice does no harm. ``copied`` is written when the file was read back and was the same.
* A place that cannot be reached stops nothing: one thing at a time is tried, again and again with longer pauses, and
  after ``ALARM_S`` without a byte the hearings whose copies wait are told, once for each reason until it works again.
* A source that is not there or not what the ledger says is told at once and not tried again before a restart.
* The place is told by the name the court gave it, never by its path or address.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from courtroom.channel.messages import (
    VERSION,
    CopyBag,
    CopySegment,
    FromMirror,
    MirrorMoves,
    MirrorReady,
    WelcomeMirror,
)
from courtroom.config import SecondPlace
from courtroom.control.supervisor import Supervisor
from courtroom.errors import Unavailable

ARGV: Final = (sys.executable, "-m", "recorder", "mirror")
PATIENCE_S: Final = 120.0
ALARM_S: Final = 60.0
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
MAX_WAITING: Final = 100_000
HOPELESS: Final = frozenset({"source_missing", "source_changed", "segment_name", "take_name"})

log = structlog.get_logger()


class Copied(Protocol):
    """Whose copy it is."""

    def on_copied(self, what: str, sha256: str, place: str) -> None:
        """``what``: a segment's name, '' for the bag."""
        ...

    def on_copy_failing(self, code: str, place: str) -> None:
        """It cannot be made for now; told once until something works again."""
        ...


@dataclass(frozen=True, slots=True)
class _Job:
    owner: Copied
    what: str
    sha256: str
    order: Callable[[int], msgspec.Struct]


class SecondCopies:
    """``start`` before use; without it jobs are gathered and nothing is copied."""

    def __init__(self, place: SecondPlace, captures: Path, archives: Path) -> None:
        self._name = place.name
        self._waiting: dict[tuple[str, str], _Job] = {}
        self._work = asyncio.Event()
        self._moved_at = 0.0
        self._told: set[tuple[int, str]] = set()
        self._code = "copy_unreachable"
        self._tasks: list[asyncio.Task[None]] = []
        self._supervisor: Supervisor[FromMirror] = Supervisor(
            "mirror",
            ARGV,
            FromMirror,
            lambda: WelcomeMirror(
                VERSION, str(captures), str(archives), place.url, place.endpoint, place.key, place.secret
            ),
            MirrorReady,
            on_message=self._on_message,
            on_up=lambda _ready: None,
            on_down=lambda: None,
        )

    # --- what is to be copied ---

    def segment(self, owner: Copied, take: str, segment: str, sha256: str) -> None:
        job = _Job(owner, segment, sha256, lambda number: CopySegment(number, take, segment, sha256))
        self._add((take, segment), job)

    def bag(self, owner: Copied, hearing: str, root: str) -> None:
        self._add((hearing, ""), _Job(owner, "", root, lambda number: CopyBag(number, hearing)))

    def _add(self, key: tuple[str, str], job: _Job) -> None:
        if len(self._waiting) >= MAX_WAITING:
            log.error("second_copies_too_many")  # the ledger still has them: after the next restart
            return
        if not self._waiting:
            self._moved()
        self._waiting.setdefault(key, job)
        self._work.set()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def pid(self) -> int:
        return self._supervisor.pid

    # --- life ---

    def start(self) -> None:
        """Returns at once: no hearing waits for the second place."""
        self._tasks = [
            asyncio.create_task(self._start(), name="mirror-start"),
            asyncio.create_task(self._copying(), name="second-copies"),
            asyncio.create_task(self._watching(), name="second-copies-watch"),
        ]

    async def _start(self) -> None:
        with contextlib.suppress(Unavailable):  # the supervisor goes on trying
            await self._supervisor.start()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._supervisor.stop()

    # --- copying ---

    async def _copying(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            await self._work.wait()
            if not self._supervisor.up:
                await asyncio.sleep(FIRST_PAUSE_S / 4)  # between two lives: nobody's turn is used up
                continue
            key, job = next(iter(self._waiting.items()))
            code = await self._copy(job)
            if not code:
                pause = FIRST_PAUSE_S
                self._done(key)
                self._moved()
                self._told.clear()
                job.owner.on_copied(job.what, job.sha256, self._name)
            elif code in HOPELESS:
                self._done(key)
                log.error("second_copy_impossible", code=code)
                job.owner.on_copy_failing(code, self._name)
            else:
                self._waiting[key] = self._waiting.pop(key)  # the next one may fare better
                self._code = code
                log.warning("second_copy_failed", code=code, waiting=len(self._waiting))
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)

    def _done(self, key: tuple[str, str]) -> None:
        del self._waiting[key]
        if not self._waiting:
            self._work.clear()

    async def _copy(self, job: _Job) -> str:
        try:
            reply = await self._supervisor.child.ask(job.order, PATIENCE_S, while_heard=True)
        except Unavailable:
            return "copy_unreachable"
        return reply.code

    # --- the alarm ---

    def _moved(self) -> None:
        self._moved_at = asyncio.get_running_loop().time()

    def _on_message(self, message: FromMirror) -> None:
        if isinstance(message, MirrorMoves):
            self._moved()

    async def _watching(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, ALARM_S / 4))
            if not self._waiting or loop.time() - self._moved_at < ALARM_S:
                continue
            for owner in {id(job.owner): job.owner for job in self._waiting.values()}.values():
                if (id(owner), self._code) not in self._told:
                    self._told.add((id(owner), self._code))
                    owner.on_copy_failing(self._code, self._name)
