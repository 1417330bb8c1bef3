"""Makes the programme: one H.264 + AAC picture of the whole hearing, out of a capture, a ledger and the names.

Rules
* The picture is 1280 × 720 or 1920 × 1080 at 25 a second, the sound 48 kHz mono; both lie on the court clock of
  ``recorder.timeline``.
* Work goes in chunks of ``CHUNK_FRAMES``, a process a core; each is a pair of files that appears under its name only
  when it is whole. A job that was killed goes on with the chunks that are missing; the same inputs make the same
  fingerprint, other inputs clear the chunks away.
* ``out`` appears last, by rename. If it is there with the same fingerprint, nothing is done. Two jobs for one ``out``
  never run at a time: the second waits.
* The process makes itself nice; a crash here touches no hearing and no evidence.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from courtroom.catalogue import LANGUAGES, Language
from courtroom.errors import BadMessage
from courtroom.hearing.ledger import Entry
from recorder import VERSION
from recorder.clockmap import court_times
from recorder.columns import Ints
from recorder.crew import Crew, serve
from recorder.index import read_capture
from recorder.indexfile import load_index, save_index
from recorder.join import Sound, join
from recorder.ledgerfile import read_ledger, read_people, small_json
from recorder.payloads import Payloads
from recorder.picture.colours import FPS
from recorder.picture.screen import SCREENS
from recorder.runs import Capture
from recorder.studio import SAMPLES, Look, Studio
from recorder.timeline import Recording, recording_of

CHUNK_FRAMES: Final = 30 * FPS
NICENESS: Final = 10
MAX_WORKERS: Final = 64
_FORMAT: Final = 3  # of chunks and index; another number clears those of before away
_CHUNK: Final = re.compile(r"chunk-[0-9]{5}\.(mp4|pcm)(\.([0-9]+\.)?tmp)?|(sound|programme)\.tmp")

Progress = Callable[[int, int | None], None]
"""Called with percent done and seconds left (``None`` while unknown)."""


@dataclass(frozen=True, slots=True)
class Order:
    """``workers``: processes, 0 for one a core; ``threads``: of the encoder in each."""

    capture: Path
    ledger: Path
    people: Path
    out: Path
    font: Path | None = None
    lang: Language = "zh"
    threads: int = 1
    size: str = "720p"
    workers: int = 0

    @property
    def work(self) -> Path:
        return self.out.with_name(self.out.name + ".work")

    @property
    def look(self) -> Look:
        return Look(self.lang, self.size, self.font, self.threads)


def compose(order: Order, progress: Progress) -> Recording:
    """Make ``order.out``; what is known about its time. ``BadMessage`` for inputs that are not what they should be,
    ``Unavailable`` when a chunk cannot be made."""
    order.work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(order.work):
        return _compose(order, progress)


def _compose(order: Order, progress: Progress) -> Recording:
    entries, mark, done = read_ledger(order.ledger), _fingerprint(order), order.work / "done"
    if order.out.is_file() and done.is_file() and done.read_text("ascii") == mark:
        progress(100, 0)
        return recording_of(entries, read_capture(order.capture))
    _prepare(order.work, mark)
    capture, court = _indexed(order)
    recording = recording_of(entries, capture)
    chunks = _chunks(recording, CHUNK_FRAMES)
    eta = _Eta(progress, recording.frames)
    sound = _SoundJob(order.work, len(chunks))
    missing = [number for number in range(len(chunks)) if not _is_whole(order.work, number)]
    eta.skip(recording.frames - sum(len(chunks[number]) for number in missing))
    crew = min(order.workers or _cores(), len(missing))
    if crew > 1:
        _write_task(order, CHUNK_FRAMES)
        Crew(order.work, crew, eta.step, sound.finished).render(missing)
    else:
        with Payloads([segment.path for segment in capture.segments]) as payloads:
            studio = Studio(order.look, entries, read_people(order.people), capture, court, recording, payloads)
            for number in missing:
                studio.chunk(chunks[number], *_files(order.work, number), lambda: eta.step(1))
                sound.finished(number)
    sound.close(recording.frames)
    pictures = [(_files(order.work, number)[0], len(frames)) for number, frames in enumerate(chunks)]
    join(pictures, sound.path, order.out, order.work / "programme.tmp")
    done.write_text(mark, "ascii")
    _clear(order.work)
    progress(100, 0)
    return recording


@contextlib.contextmanager
def _alone(work: Path) -> Iterator[None]:
    """One job for a work folder at a time; the system ends the lock with the process."""
    fd = os.open(work / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _cores() -> int:
    return min(MAX_WORKERS, len(os.sched_getaffinity(0)))


def _chunks(recording: Recording, length: int) -> list[range]:
    frames = recording.frames
    return [range(begin, min(begin + length, frames)) for begin in range(0, frames, length)] or [range(0)]


def _files(work: Path, number: int) -> tuple[Path, Path]:
    return work / f"chunk-{number:05d}.mp4", work / f"chunk-{number:05d}.pcm"


def _is_whole(work: Path, number: int) -> bool:
    return all(path.is_file() for path in _files(work, number))


def _indexed(order: Order) -> tuple[Capture, Sequence[Ints]]:
    """The capture's index, from the work folder where a job of before left one."""
    folder = order.work / "index"
    try:
        found = load_index(folder)
    except BadMessage:
        found = None
    if found is None:
        capture = read_capture(order.capture)
        court = court_times(capture.runs)
        save_index(folder, capture, court)
        found = load_index(folder)
    assert found is not None
    return found


def _fingerprint(order: Order) -> str:
    digest = hashlib.sha256(f"{VERSION} {_FORMAT} {CHUNK_FRAMES} {order.lang} {order.font} {order.size}".encode())
    for path in (order.ledger, order.people):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for entry in sorted(os.scandir(order.capture), key=lambda entry: entry.name):
        stat = entry.stat(follow_symlinks=False)
        digest.update(f"{entry.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _prepare(work: Path, mark: str) -> None:
    key = work / "inputs"
    if not key.is_file() or key.read_text("ascii") != mark:
        _clear(work)
        partial = work / "programme.tmp"
        partial.write_text(mark, "ascii")
        os.replace(partial, key)


def _clear(work: Path) -> None:
    """Removes our own intermediate files and nothing else."""
    shutil.rmtree(work / "index", ignore_errors=True)
    for path in work.iterdir():
        if _CHUNK.fullmatch(path.name):
            path.unlink()


class _SoundJob:
    """Encodes the sound of chunks in their order as soon as they are there."""

    def __init__(self, work: Path, chunks: int) -> None:
        self.path = work / "sound.tmp"
        self._work = work
        self._chunks = chunks
        self._next = 0
        self._sound = Sound(self.path)

    def finished(self, _number: int) -> None:
        while self._next < self._chunks and _is_whole(self._work, self._next):
            self._sound.take(_files(self._work, self._next)[1])
            self._next += 1

    def close(self, frames: int) -> None:
        self.finished(-1)
        self._sound.close()
        assert self._sound.samples == frames * SAMPLES


class _Eta:
    def __init__(self, progress: Progress, frames: int) -> None:
        self._progress = progress
        self._frames = max(1, frames)
        self._skipped = 0
        self._made = 0
        self._began = time.monotonic()
        self._told = -1.0

    def skip(self, frames: int) -> None:
        self._skipped += frames

    def step(self, frames: int) -> None:
        self._made = max(0, self._made + frames)
        now = time.monotonic()
        if self._made and now - self._told >= 1:
            self._told = now
            left = max(0, self._frames - self._skipped - self._made)
            rate = (now - self._began) / self._made
            eta = (
                math.ceil(rate * left) if self._made > 2 * FPS else None
            )  # the first pictures pay for fonts and caches
            self._progress(min(99, (self._skipped + self._made) * 100 // self._frames), eta)


# --- in a process of the crew -------------------------------------------------------------------------------------


def _write_task(order: Order, length: int) -> None:
    task = {
        "ledger": str(order.ledger), "people": str(order.people), "lang": order.lang, "size": order.size,
        "font": str(order.font) if order.font else None, "threads": order.threads, "chunk_frames": length,
    }  # fmt: skip
    (order.work / "task.json").write_text(json.dumps(task, ensure_ascii=False), encoding="utf-8")


def work_on(work: Path, lines: Iterator[str], out: Any) -> None:
    """Render the chunks of ``work`` whose numbers are read from ``lines``; ``BadMessage`` for a folder that is not a
    composer's."""
    found = load_index(work / "index")
    if found is None:
        raise BadMessage("index_damaged")
    task = small_json(work / "task.json")
    if not isinstance(task, dict):
        raise BadMessage("index_damaged")
    capture, court = found
    entries: list[Entry] = read_ledger(Path(task["ledger"]))
    recording = recording_of(entries, capture)
    chunks = _chunks(recording, int(task["chunk_frames"]))
    if task["lang"] not in LANGUAGES or task["size"] not in SCREENS:
        raise BadMessage("index_damaged")
    font = Path(task["font"]) if task["font"] else None
    look = Look(cast(Language, task["lang"]), task["size"], font, int(task["threads"]))
    with Payloads([segment.path for segment in capture.segments]) as payloads:
        studio = Studio(look, entries, read_people(Path(task["people"])), capture, court, recording, payloads)
        serve(lambda number, step: studio.chunk(chunks[number], *_files(work, number), step), lines, out)


def be_nice() -> None:
    """Below everything that a hearing needs; where the system refuses, at its own pace."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def progress_line(stage: str, percent: int, eta_s: int | None) -> str:
    return json.dumps({"event": "progress", "stage": stage, "percent": percent, "eta_s": eta_s})
