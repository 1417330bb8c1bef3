"""Processes that render sounds and pictures side by side, and the one that hands the work out.

Rules
* One process a core, each a ``recorder chunks`` of its own: a crash costs a job, which is tried again by a fresh
  process, ``ATTEMPTS`` times in all; a process that says nothing for ``SILENT_S`` is ended and counts as crashed.
* All sounds come before the first picture: pictures show who speaks.
* A process goes on with the job after its last one while it can: its decoders stand there already. Otherwise it
  begins in the middle of the longest stretch that nobody has begun.
* Orders are lines on stdin (``sound 3``, ``picture 12``), answers are lines on stdout (``frames`` made, ``done``). When
  the one who hands out is gone, stdin ends or stdout breaks, and the process with it.
* Whoever hands out has time in between: ``spare`` is called while nobody says anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol

from courtroom.errors import BadMessage, Unavailable

ATTEMPTS: Final = 3
SILENT_S: Final = 300.0
MAX_LINE: Final = 4096
TELL_FRAMES: Final = 25
_KEEP: Final = {"MALLOC_MMAP_THRESHOLD_": "67108864", "MALLOC_TRIM_THRESHOLD_": "134217728"}
"""For mallopt(3): memory of pictures is used again instead of being given back to the system and zeroed each time."""

Kind = Literal["sound", "picture"]


class Job(NamedTuple):
    """``number`` counts sounds and pictures each from 0."""

    kind: Kind
    number: int

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"

    @staticmethod
    def of(line: str) -> Job:
        match line.split():
            case [("sound" | "picture") as kind, number] if number.isascii() and number.isdigit():
                return Job(kind, int(number[:9]))
            case _:
                raise BadMessage("index_damaged")


class Owner(Protocol):
    """Whoever hands out; all calls come from ``Crew.render``."""

    def made(self, kind: Kind, frames: int) -> None:
        """There are so many more (fewer, when a crash loses some)."""

    def spare(self) -> bool:
        """Do a little of one's own; whether there may be more to do at once."""


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    heard: float
    job: Job | None = None
    last: dict[Kind, int] = field(default_factory=dict)
    made: int = 0  # frames of the job it is at
    rest: bytes = field(default=b"")


def next_chunk(pending: Iterable[int], last: int) -> int:
    """The one after ``last``; else the middle of the longest stretch (its first, for the very first)."""
    left = sorted(pending)
    if last + 1 in left:
        return last + 1
    stretches: list[list[int]] = []
    for chunk in left:
        if stretches and stretches[-1][-1] == chunk - 1:
            stretches[-1].append(chunk)
        else:
            stretches.append([chunk])
    longest = max(stretches, key=len)
    return longest[0] if longest[0] == 0 or len(longest) == 1 else longest[len(longest) // 2]


class Crew:
    """Processes for one work folder; a context, after which none is left."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()
        self._failed: dict[Job, int] = {}
        self._pending: dict[Kind, set[int]] = {"sound": set(), "picture": set()}

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in list(self._workers):
            self._end(worker)
        self._selector.close()

    def call(self, size: int) -> None:
        """Let there be ``size`` processes; they read what there is to know with their first job."""
        while len(self._workers) < size:
            self._start()

    def render(self, size: int, sounds: Iterable[int], pictures: Iterable[int], owner: Owner) -> None:
        """Return when all are whole; ``Unavailable("compose_failed")`` when one cannot be made."""
        self._size, self._owner = size, owner
        self._pending = {"sound": set(sounds), "picture": set(pictures)}
        more = True
        while any(self._pending.values()) or any(worker.job is not None for worker in self._workers):
            self._hand_out()
            more = self._listen(0.0 if more else 1.0) or owner.spare()
        for worker in self._workers:
            self._dismiss(worker)

    def _hand_out(self) -> None:
        if any(self._pending.values()):
            self.call(self._size)
        for worker in list(self._workers):
            job = self._next(worker) if worker.job is None else None
            if job is not None:
                self._pending[job.kind].discard(job.number)
                worker.job, worker.made, worker.heard = job, 0, time.monotonic()
                assert worker.process.stdin is not None
                try:
                    worker.process.stdin.write(f"{job}\n".encode())
                    worker.process.stdin.flush()
                except BrokenPipeError:
                    self._crashed(worker)

    def _next(self, worker: _Worker) -> Job | None:
        heard = all(other.job is None or other.job.kind == "picture" for other in self._workers)
        kind: Kind = "picture" if heard and not self._pending["sound"] else "sound"
        pending = self._pending[kind]
        return Job(kind, next_chunk(pending, worker.last.get(kind, -2))) if pending else None

    def _start(self) -> None:
        root = str(Path(__file__).resolve().parents[1])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"} | _KEEP
        process = subprocess.Popen(  # noqa: S603  our own program, no words of others
            [sys.executable, "-m", "recorder", "chunks", "--work", str(self._work)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
        )  # fmt: skip
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        worker = _Worker(process, time.monotonic())
        self._workers.append(worker)
        self._selector.register(process.stdout, selectors.EVENT_READ, worker)

    def _listen(self, timeout: float) -> bool:
        """Whether anybody said anything."""
        events = self._selector.select(timeout)
        for key, _ in events:
            worker: _Worker = key.data
            data = os.read(key.fd, 65536)
            if not data or len(worker.rest) > MAX_LINE:
                self._crashed(worker)
                continue
            worker.heard = time.monotonic()
            *lines, worker.rest = (worker.rest + data).split(b"\n")
            for line in lines:
                self._said(worker, line)
        now = time.monotonic()
        for worker in [worker for worker in self._workers if worker.job is not None]:
            if now - worker.heard > SILENT_S:
                self._crashed(worker)
        return bool(events)

    def _said(self, worker: _Worker, line: bytes) -> None:
        try:
            said = json.loads(line)
            frames, done = int(said.get("frames", 0)), said.get("done")
        except (ValueError, TypeError, AttributeError):
            return
        job = worker.job
        if job is None:
            return
        worker.made += frames
        self._owner.made(job.kind, frames)
        if done == str(job):
            worker.last[job.kind], worker.job = job.number, None

    def _crashed(self, worker: _Worker) -> None:
        job, made = worker.job, worker.made
        self._end(worker)
        if job is None:
            return
        self._owner.made(job.kind, -made)
        self._failed[job] = self._failed.get(job, 0) + 1
        if self._failed[job] >= ATTEMPTS:
            raise Unavailable("compose_failed", {"chunk": str(job)})
        self._pending[job.kind].add(job.number)

    def _end(self, worker: _Worker) -> None:
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        process = worker.process
        assert process.stdout is not None
        self._selector.unregister(process.stdout)
        if worker.job is not None:
            process.kill()
        self._dismiss(worker)
        process.stdout.close()
        process.wait()

    @staticmethod
    def _dismiss(worker: _Worker) -> None:
        """It ends when it has nothing more to do; nobody waits for that yet."""
        assert worker.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            worker.process.stdin.close()


def serve(render: Callable[[Job, Callable[[], None]], None], lines: Iterable[str], out: Any) -> None:
    """The other end: render what is asked for until there is nothing more to read."""
    made = 0

    def say(body: dict[str, int | str]) -> None:
        out.write(json.dumps(body) + "\n")
        out.flush()

    def step() -> None:
        nonlocal made
        made += 1
        if made == TELL_FRAMES:
            made = 0
            say({"frames": TELL_FRAMES})

    for line in lines:
        job = Job.of(line)
        render(job, step)
        left, made = made, 0
        say({"frames": left, "done": str(job)})
