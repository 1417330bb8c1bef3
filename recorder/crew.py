"""Processes that render chunks side by side, and the one that hands the chunks out.

Rules
* One process a core, each a ``recorder chunks`` of its own: a crash costs a chunk, which is tried again by a fresh
  process, ``ATTEMPTS`` times in all; a process that says nothing for ``SILENT_S`` is ended and counts as crashed.
* A process goes on with the chunk after its last one while it can: its decoders stand there already. Otherwise it
  begins in the middle of the longest stretch that nobody has begun.
* Orders are lines on stdin (the chunk's number), answers are lines on stdout (``frames`` made, ``done``). When the one
  who hands out is gone, stdin ends or stdout breaks, and the process with it.
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
from typing import Any, Final

from courtroom.errors import Unavailable

ATTEMPTS: Final = 3
SILENT_S: Final = 300.0
MAX_LINE: Final = 4096
TELL_FRAMES: Final = 25
_KEEP: Final = {"MALLOC_MMAP_THRESHOLD_": "67108864", "MALLOC_TRIM_THRESHOLD_": "134217728"}
"""For mallopt(3): memory of pictures is used again instead of being given back to the system and zeroed each time."""


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    heard: float
    chunk: int | None = None
    last: int = -2
    made: int = 0  # frames of the chunk it is at
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
    """Renders ``chunks`` with ``size`` processes; ``frames`` is called with how many more pictures there are (negative
    when a crash loses some), ``finished`` with each chunk that is whole."""

    def __init__(self, work: Path, size: int, frames: Callable[[int], None], finished: Callable[[int], None]) -> None:
        self._work = work
        self._size = size
        self._frames = frames
        self._finished = finished
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()
        self._failed: dict[int, int] = {}

    def render(self, chunks: Iterable[int]) -> None:
        """Return when all are whole; ``Unavailable("compose_failed")`` when one cannot be made."""
        self._pending = set(chunks)
        try:
            while self._pending or any(worker.chunk is not None for worker in self._workers):
                self._hand_out()
                self._listen()
        finally:
            for worker in list(self._workers):
                self._end(worker)
            self._selector.close()

    def _hand_out(self) -> None:
        while self._pending and len(self._workers) < self._size:
            self._start()
        for worker in list(self._workers):
            if worker.chunk is None and self._pending:
                chunk = next_chunk(self._pending, worker.last)
                self._pending.discard(chunk)
                worker.chunk, worker.made, worker.heard = chunk, 0, time.monotonic()
                assert worker.process.stdin is not None
                try:
                    worker.process.stdin.write(f"{chunk}\n".encode())
                    worker.process.stdin.flush()
                except BrokenPipeError:
                    self._crashed(worker)

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

    def _listen(self) -> None:
        for key, _ in self._selector.select(timeout=1.0):
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
        for worker in [worker for worker in self._workers if worker.chunk is not None]:
            if now - worker.heard > SILENT_S:
                self._crashed(worker)

    def _said(self, worker: _Worker, line: bytes) -> None:
        try:
            said = json.loads(line)
            frames, done = int(said.get("frames", 0)), said.get("done")
        except (ValueError, TypeError, AttributeError):
            return
        worker.made += frames
        self._frames(frames)
        if done is not None and done == worker.chunk:
            worker.last, worker.chunk = done, None
            self._finished(done)

    def _crashed(self, worker: _Worker) -> None:
        chunk, made = worker.chunk, worker.made
        self._end(worker)
        if chunk is None:
            return
        self._frames(-made)
        self._failed[chunk] = self._failed.get(chunk, 0) + 1
        if self._failed[chunk] >= ATTEMPTS:
            raise Unavailable("compose_failed", {"chunk": chunk})
        self._pending.add(chunk)

    def _end(self, worker: _Worker) -> None:
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        process = worker.process
        assert process.stdin is not None
        assert process.stdout is not None
        self._selector.unregister(process.stdout)
        if worker.chunk is not None:
            process.kill()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        process.wait()


def serve(render: Callable[[int, Callable[[], None]], None], lines: Iterable[str], out: Any) -> None:
    """The other end: render what is asked for until there is nothing more to read."""
    made = 0

    def say(body: dict[str, int]) -> None:
        out.write(json.dumps(body) + "\n")
        out.flush()

    def step() -> None:
        nonlocal made
        made += 1
        if made == TELL_FRAMES:
            made = 0
            say({"frames": TELL_FRAMES})

    for line in lines:
        chunk = int(line)
        render(chunk, step)
        left, made = made, 0
        say({"frames": left, "done": chunk})
