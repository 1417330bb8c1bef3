"""Makes the programme: one H.264 + AAC picture of the whole hearing, out of a capture, a ledger and the names.

Rules
* The picture is 1280 × 720 or 1920 × 1080 at 25 a second, the sound 48 kHz mono; both lie on the court clock of
  ``recorder.timeline``.
* Work goes in chunks, a process a core: pictures in short ones (``CHUNK_FRAMES``: all processes end nearly together),
  sound before them in longer ones (``SOUND_CHUNKS`` of those). Each appears under its name only when it is
  whole. A job that was killed goes on with the chunks that are missing; the same inputs make the same fingerprint,
  other inputs clear the chunks away.
* No core waits while there is work: processes of the crew load their libraries while the capture is indexed, the sound
  is encoded while pictures are rendered.
* ``out`` appears last, by rename. If it is there with the same fingerprint, nothing is done. Two jobs for one ``out``
  never run at a time: the second waits.
* The process makes itself nice; a crash here touches no hearing and no evidence.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import itertools
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
from recorder.crew import Crew, Job, Kind, serve
from recorder.index import read_capture
from recorder.indexfile import load_index, save_index
from recorder.join import Sound, join
from recorder.ledgerfile import read_ledger, read_people, small_json
from recorder.payloads import Payloads
from recorder.picture.colours import FPS
from recorder.picture.screen import SCREENS
from recorder.runs import Capture
from recorder.studio import SAMPLES, Look, Speech, Studio, picture_stream
from recorder.timeline import Recording, recording_of

CHUNK_FRAMES: Final = 4 * FPS  # whole groups of pictures: a key frame stands there anyway
SOUND_CHUNKS: Final = 2
WORTH_FRAMES: Final = 15 * FPS  # of a process of its own
WORTH_BYTES: Final = 16 << 20  # of capture: whoever has to index as much will need the crew
UNITS: Final[dict[Kind, int]] = {"sound": 1, "picture": 16}  # what a frame costs
NICENESS: Final = 10
MAX_WORKERS: Final = 64
_FORMAT: Final = 5  # of chunks and index; another number clears those of before away
_CHUNK: Final = re.compile(
    r"(chunk-[0-9]{5}\.(packets|mp4|pcm)|sound-[0-9]{5}\.(pcm|json))(\.([0-9]+\.)?tmp)?|(sound|programme)\.tmp"
)

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
    with Crew(order.work) as crew:
        if _cores_of(order) > 1 and _bytes(order.capture) >= WORTH_BYTES:
            crew.call(_cores_of(order))
        capture, court = _indexed(order)
        recording = recording_of(entries, capture)
        job = _Job(order.work, Plan.of(recording), _Eta(progress, recording.frames))
        sounds, pictures = job.missing()
        worth = sum(len(job.plan.pictures[number]) for number in pictures) // WORTH_FRAMES
        processes = min(_cores_of(order), order.workers or max(1, worth), len(sounds) + len(pictures))
        if processes > 1:
            _write_task(order, job.plan)
            crew.render(processes, sounds, pictures, job)
        else:
            with Payloads([segment.path for segment in capture.segments]) as payloads:
                studio = Studio(order.look, entries, read_people(order.people), capture, court, recording, payloads)
                for one in (*(Job("sound", number) for number in sounds), *(Job("picture", n) for n in pictures)):
                    _render(studio, order.work, job.plan, one, functools.partial(job.made, one.kind, 1))
        made = [(_picture(order.work, number), len(frames)) for number, frames in enumerate(job.plan.pictures)]
        stream = functools.partial(picture_stream, look=order.look)
        join(made, stream, job.sound(), order.out, order.work / "programme.tmp")
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


def _cores_of(order: Order) -> int:
    return order.workers or min(MAX_WORKERS, len(os.sched_getaffinity(0)))


def _bytes(capture: Path) -> int:
    return sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(capture))


@dataclass(frozen=True, slots=True)
class Plan:
    """Which frames each chunk holds; every chunk of pictures lies within one of sound."""

    pictures: list[range]
    sounds: list[range]
    chunk_frames: int
    sound_chunks: int

    @staticmethod
    def of(recording: Recording, chunk_frames: int = 0, sound_chunks: int = 0) -> Plan:
        chunk_frames, sound_chunks = chunk_frames or CHUNK_FRAMES, sound_chunks or SOUND_CHUNKS
        frames = recording.frames
        pictures, sounds = _cut(frames, chunk_frames), _cut(frames, chunk_frames * sound_chunks)
        return Plan(pictures, sounds, chunk_frames, sound_chunks)


def _cut(frames: int, length: int) -> list[range]:
    return [range(begin, min(begin + length, frames)) for begin in range(0, frames, length)] or [range(0)]


def _picture(work: Path, number: int) -> Path:
    return work / f"chunk-{number:05d}.packets"


def _sound(work: Path, number: int) -> tuple[Path, Path]:
    """Samples, and who speaks."""
    return work / f"sound-{number:05d}.pcm", work / f"sound-{number:05d}.json"


def _render(studio: Studio, work: Path, plan: Plan, job: Job, step: Callable[[], None]) -> None:
    if job.number >= len(plan.sounds if job.kind == "sound" else plan.pictures):
        raise BadMessage("index_damaged")
    if job.kind == "sound":
        studio.sound(plan.sounds[job.number], *_sound(work, job.number), step)
    else:
        speech = Speech(_sound(work, job.number // plan.sound_chunks)[1])
        studio.picture(plan.pictures[job.number], _picture(work, job.number), speech, step)


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
    made = f"{VERSION} {_FORMAT} {CHUNK_FRAMES} {SOUND_CHUNKS} {order.lang} {order.font} {order.size}"
    digest = hashlib.sha256(made.encode())
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


class _Job:
    """What is there and what is missing; encodes the sound in its order as soon as it is there."""

    def __init__(self, work: Path, plan: Plan, eta: _Eta) -> None:
        self.plan = plan
        self._work = work
        self._eta = eta
        self._path = work / "sound.tmp"
        self._sound = Sound(self._path)
        self._begun = 0  # sounds given to the encoder
        self._encoding: Iterator[int] = iter(())

    def missing(self) -> tuple[list[int], list[int]]:
        """Sounds and pictures; what is there counts as done."""
        sounds = [number for number in range(len(self.plan.sounds)) if not self._is_heard(number)]
        pictures = [number for number in range(len(self.plan.pictures)) if not _picture(self._work, number).is_file()]
        lacking = UNITS["sound"] * sum(len(self.plan.sounds[number]) for number in sounds)
        lacking += UNITS["picture"] * sum(len(self.plan.pictures[number]) for number in pictures)
        self._eta.begin(lacking)
        return sounds, pictures

    def _is_heard(self, number: int) -> bool:
        """As long as it should be: a machine that lost its power may leave names without contents."""
        pcm, speech = _sound(self._work, number)
        size = 2 * SAMPLES * len(self.plan.sounds[number])
        return pcm.is_file() and pcm.stat().st_size == size and speech.is_file() and speech.stat().st_size > 0

    def made(self, kind: Kind, frames: int) -> None:
        self._eta.step(UNITS[kind] * frames)

    def spare(self) -> bool:
        """Encode a second of sound."""
        if next(self._encoding, None) is not None:
            return True
        if self._begun == len(self.plan.sounds) or not self._is_heard(self._begun):
            return False
        self._encoding = self._sound.take(_sound(self._work, self._begun)[0])
        self._begun += 1
        return True

    def sound(self) -> Path:
        """The whole of it, encoded."""
        while self.spare():
            pass
        self._sound.close()
        assert self._sound.samples == self.plan.pictures[-1].stop * SAMPLES
        return self._path


class _Eta:
    def __init__(self, progress: Progress, frames: int) -> None:
        self._progress = progress
        self._units = max(1, frames * sum(UNITS.values()))
        self._skipped = 0
        self._made = 0
        self._began = time.monotonic()
        self._told = -1.0

    def begin(self, missing: int) -> None:
        self._skipped = self._units - missing

    def step(self, units: int) -> None:
        self._made = max(0, self._made + units)
        now = time.monotonic()
        if self._made and now - self._told >= 1:
            self._told = now
            left = max(0, self._units - self._skipped - self._made)
            rate = (now - self._began) / self._made
            known = self._made > 2 * FPS * UNITS["picture"]  # the first pictures pay for fonts and caches
            eta = math.ceil(rate * left) if known else None
            self._progress(min(99, (self._skipped + self._made) * 100 // self._units), eta)


# --- in a process of the crew -------------------------------------------------------------------------------------


def _write_task(order: Order, plan: Plan) -> None:
    task = {
        "ledger": str(order.ledger), "people": str(order.people), "lang": order.lang, "size": order.size,
        "font": str(order.font) if order.font else None, "threads": order.threads,
        "chunk_frames": plan.chunk_frames, "sound_chunks": plan.sound_chunks,
    }  # fmt: skip
    (order.work / "task.json").write_text(json.dumps(task, ensure_ascii=False), encoding="utf-8")


def work_on(work: Path, lines: Iterator[str], out: Any) -> None:
    """Render the chunks of ``work`` that are read from ``lines``; ``BadMessage`` for a folder that is not a composer's.
    The folder is looked at when the first order is there."""
    first = next(lines, None)
    if first is None:
        return
    found = load_index(work / "index")
    if found is None:
        raise BadMessage("index_damaged")
    task = small_json(work / "task.json")
    if not isinstance(task, dict):
        raise BadMessage("index_damaged")
    capture, court = found
    entries: list[Entry] = read_ledger(Path(task["ledger"]))
    recording = recording_of(entries, capture)
    plan = Plan.of(recording, int(task["chunk_frames"]), int(task["sound_chunks"]))
    if task["lang"] not in LANGUAGES or task["size"] not in SCREENS:
        raise BadMessage("index_damaged")
    font = Path(task["font"]) if task["font"] else None
    look = Look(cast(Language, task["lang"]), task["size"], font, int(task["threads"]))
    with Payloads([segment.path for segment in capture.segments]) as payloads:
        studio = Studio(look, entries, read_people(Path(task["people"])), capture, court, recording, payloads)
        serve(lambda job, step: _render(studio, work, plan, job, step), itertools.chain([first], lines), out)


def be_nice() -> None:
    """Below everything that a hearing needs; where the system refuses, at its own pace."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def progress_line(stage: str, percent: int, eta_s: int | None) -> str:
    return json.dumps({"event": "progress", "stage": stage, "percent": percent, "eta_s": eta_s})
