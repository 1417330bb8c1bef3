"""Makes the programme: one H.264 + AAC picture of the whole hearing, out of a capture, a ledger and the names.

Rules
* The picture is 1280 × 720 at 25 a second, the sound 48 kHz mono; both lie on the court clock of ``recorder.timeline``.
* Work goes in chunks of 60 s, each an own pair of files that appears under its name only when it is whole. A job that
  was killed begins with the first chunk that is missing; the same inputs make the same fingerprint, other inputs clear
  the chunks away.
* ``out`` appears last, by rename. If it is there with the same fingerprint, nothing is done.
* The process makes itself nice; a crash here touches no hearing and no evidence.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

from courtroom.catalogue import Language
from courtroom.hearing.ledger import Entry
from recorder import VERSION
from recorder.clockmap import court_times
from recorder.feeds import FRESH_US, STALE_US, Camera, VideoFeed
from recorder.index import Capture, Payloads, read_capture
from recorder.ledgerfile import read_ledger, read_people
from recorder.picture.canvas import Planes
from recorder.picture.colours import FPS, HEIGHT, WIDTH
from recorder.picture.fonts import find_fonts
from recorder.picture.frame import STAGE, FrameRenderer, exhibit_area
from recorder.picture.scene import Scene, TileState
from recorder.scenes import FRESH, STALE, SceneMaker, Sights
from recorder.timeline import FRAME_US, Recording, States, recording_of
from recorder.voices import RATE, Mixer, Voice

CHUNK_FRAMES: Final = 60 * FPS
NICENESS: Final = 10
CRF: Final = "23"
AAC_BITS: Final = 96_000
_CHUNK: Final = re.compile(r"chunk-[0-9]{5}\.(mp4|pcm)(\.tmp)?")
_SAMPLES: Final = RATE // FPS

Progress = Callable[[int, int | None], None]
"""Called with percent done and seconds left (``None`` while unknown)."""


@dataclass(frozen=True, slots=True)
class Order:
    capture: Path
    ledger: Path
    people: Path
    out: Path
    font: Path | None = None
    lang: Language = "zh"
    threads: int = 1

    @property
    def work(self) -> Path:
        return self.out.with_name(self.out.name + ".work")


def compose(order: Order, progress: Progress) -> Recording:
    """Make ``order.out``; what is known about its time. ``BadMessage`` for inputs that are not what they should be."""
    entries = read_ledger(order.ledger)
    capture = read_capture(order.capture)
    recording = recording_of(entries, capture)
    mark = _fingerprint(order, capture)
    done = order.work / "done"
    if order.out.is_file() and done.is_file() and done.read_text("ascii") == mark:
        progress(100, 0)
        return recording
    _prepare(order.work, mark)
    with Payloads([segment.path for segment in capture.segments]) as payloads:
        studio = Studio(order, entries, capture, recording, payloads)
        chunks = max(1, math.ceil(recording.frames / CHUNK_FRAMES))
        eta = _Eta(progress, recording.frames)
        for number in range(chunks):
            frames = range(number * CHUNK_FRAMES, min((number + 1) * CHUNK_FRAMES, recording.frames))
            picture, sound = order.work / f"chunk-{number:05d}.mp4", order.work / f"chunk-{number:05d}.pcm"
            if picture.is_file() and sound.is_file():
                eta.skip(len(frames))
                continue
            studio.chunk(frames, picture, sound, eta.step)
    _join(order.work, chunks, order.out, recording.frames)
    done.write_text(mark, "ascii")
    _clear(order.work)
    progress(100, 0)
    return recording


def _fingerprint(order: Order, capture: Capture) -> str:
    digest = hashlib.sha256(f"{VERSION} {order.lang} {order.font}".encode())
    for path in (order.ledger, order.people):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for segment in capture.segments:
        stat = segment.path.stat()
        digest.update(f"{segment.path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _prepare(work: Path, mark: str) -> None:
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = work / "inputs"
    if not key.is_file() or key.read_text("ascii") != mark:
        _clear(work)
        key.write_text(mark, "ascii")


def _clear(work: Path) -> None:
    """Removes our own intermediate files and nothing else."""
    for path in work.iterdir():
        if _CHUNK.fullmatch(path.name):
            path.unlink()


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

    def step(self) -> None:
        self._made += 1
        now = time.monotonic()
        if now - self._told >= 1:
            self._told = now
            left = self._frames - self._skipped - self._made
            rate = (now - self._began) / self._made
            eta = (
                math.ceil(rate * left) if self._made > 2 * FPS else None
            )  # the first pictures pay for fonts and caches
            self._progress(min(99, (self._skipped + self._made) * 100 // self._frames), eta)


class Studio:
    """Cameras, microphones and the pen: renders any stretch of the programme."""

    def __init__(
        self, order: Order, entries: Sequence[Entry], capture: Capture, recording: Recording, payloads: Payloads
    ) -> None:
        self._threads = order.threads
        self._recording = recording
        self._states = States(entries)
        self._scenes = SceneMaker(self._states, recording, read_people(order.people), order.lang)
        self._renderer = FrameRenderer(find_fonts(order.font))
        feeds: dict[tuple[str, str], list[VideoFeed]] = defaultdict(list)
        voices: list[Voice] = []
        for run, court in zip(capture.runs, court_times(capture.runs), strict=True):
            if run.track.codec == "opus":
                voices.append(Voice(run, court, payloads))
            elif run.track.codec in ("vp8", "h264"):
                feeds[run.label, run.track.kind].append(VideoFeed(run, court, payloads))
        self._cameras = {label: Camera(list_) for (label, kind), list_ in feeds.items() if kind == "camera"}
        self._screens = {label: Camera(list_) for (label, kind), list_ in feeds.items() if kind == "screen"}
        self._mixer = Mixer(voices)

    def chunk(self, frames: range, picture: Path, sound: Path, step: Callable[[], None]) -> None:
        """Render ``frames`` of the programme into two files."""
        sound_tmp, picture_tmp = sound.with_name(sound.name + ".tmp"), picture.with_name(picture.name + ".tmp")
        pcm: list[npt.NDArray[np.int16]] = []
        with av.open(str(picture_tmp), "w", format="mp4") as container:
            stream = _video_stream(container, self._threads)
            for stretch in self._stretches(frames):
                pcm.append(self._heard(stretch))
                for frame in stretch:
                    image = av.VideoFrame.from_ndarray(self.frame(frame), format="yuv420p")
                    image.pts = frame - frames.start
                    container.mux(stream.encode(image))
                    step()
            container.mux(stream.encode(None))
        sound_tmp.write_bytes(np.concatenate(pcm).tobytes())
        os.replace(sound_tmp, sound)
        os.replace(picture_tmp, picture)

    def _stretches(self, frames: range) -> list[range]:
        """The chunk cut where parts change, so that sound never runs over a jump of the clock."""
        pieces: list[range] = []
        at = frames.start
        while at < frames.stop:
            part = self._recording.part_of(at)
            stop = min(frames.stop, part.first + part.frames)
            pieces.append(range(at, stop))
            at = stop
        return pieces

    def _heard(self, stretch: range) -> npt.NDArray[np.int16]:
        """Exactly as many samples as the stretch has pictures; who speaks in it is known afterwards."""
        size = len(stretch) * _SAMPLES
        if self._recording.part_of(stretch.start).kind == "plate":
            return np.zeros(size, dtype=np.int16)
        start = self._recording.court_of(stretch.start)
        mixed = self._mixer.render(start, start + len(stretch) * FRAME_US)
        return np.pad(mixed, (0, max(0, size - len(mixed))))[:size]

    def frame(self, number: int) -> npt.NDArray[np.uint8]:
        """One picture of the programme."""
        part = self._recording.part_of(number)
        at = self._recording.court_of(number)
        if part.gap is not None:
            return self._renderer.frame(self._scenes.notice(at, part.gap), at, {})
        scene = self._scenes.live(at, self._sights(at))
        return self._renderer.frame(scene, at, self._pictures(scene, at))

    def _sights(self, at: int) -> Sights:
        pictures = []
        for seat in self._scenes.seats_at(at):
            camera = self._cameras.get(seat.id)
            age = camera.age(at) if camera else None
            if age is not None and age <= STALE_US:
                pictures.append((seat.id, FRESH if age <= FRESH_US else STALE))
        return Sights(tuple(pictures), self._mixer.speaking(at))

    def _pictures(self, scene: Scene, at: int) -> dict[str, Planes]:
        live = {view.seat for view in scene.tiles if view.state is TileState.LIVE}
        found: dict[str, Planes] = {}
        for cell in scene.layout.cells:
            camera = self._cameras.get(cell.seat)
            if cell.seat in live and camera and (planes := camera.picture(at, cell.picture)) is not None:
                found[cell.seat] = planes
        if scene.exhibit:
            screen = self._screens.get(self._states.at(at).presenting)
            age = screen.age(at) if screen else None
            if screen and age is not None and age <= 10 * STALE_US:  # a still page sends next to nothing
                planes = screen.picture(at, exhibit_area(scene.layout.stage), whole=True)
                if planes is not None:
                    found[STAGE] = planes
        return found


def _video_stream(container: Any, threads: int) -> Any:
    stream = container.add_stream("libx264", rate=FPS)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context = stream.codec_context
    context.time_base = Fraction(1, FPS)
    context.thread_count = threads
    context.colorspace, context.color_primaries, context.color_trc, context.color_range = 6, 6, 6, 1  # BT.601, limited
    stream.options = {"preset": "veryfast", "crf": CRF, "g": str(2 * FPS)}
    return stream


def _join(work: Path, chunks: int, out: Path, frames: int) -> None:
    """Chunks → one file with the index in front; sound is encoded here in one go, so that no chunk edge is heard."""
    partial = work / "programme.tmp"
    with av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        with av.open(str(work / "chunk-00000.mp4")) as first:
            video = container.add_stream_from_template(first.streams.video[0])
        audio: Any = container.add_stream("aac", rate=RATE)
        audio.layout, audio.format, audio.bit_rate = "mono", "fltp", AAC_BITS
        sound = _sound_packets(work, chunks, audio, frames)
        waiting = next(sound, None)
        for number in range(chunks):
            with av.open(str(work / f"chunk-{number:05d}.mp4")) as source:
                base = source.streams.video[0].time_base or Fraction(1, FPS)
                offset = number * CHUNK_FRAMES * int(1 / (FPS * base))
                for packet in source.demux(video=0):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.dts, packet.pts = packet.dts + offset, packet.pts + offset
                    while waiting is not None and waiting.dts * waiting.time_base <= packet.dts * packet.time_base:
                        container.mux(waiting)
                        waiting = next(sound, None)
                    packet.stream = video
                    container.mux(packet)
        while waiting is not None:
            container.mux(waiting)
            waiting = next(sound, None)
    fd = os.open(partial, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(partial, out)


def _sound_packets(work: Path, chunks: int, audio: Any, frames: int) -> Iterator[Any]:
    sent = 0
    for number in range(chunks):
        pcm = np.frombuffer((work / f"chunk-{number:05d}.pcm").read_bytes(), dtype=np.int16)
        for begin in range(0, len(pcm), RATE):
            piece = pcm[begin : begin + RATE].astype(np.float32) / 32768
            frame = av.AudioFrame.from_ndarray(piece.reshape(1, -1), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, sent, Fraction(1, RATE)
            sent += len(piece)
            yield from audio.encode(frame)
    assert sent == frames * _SAMPLES
    yield from audio.encode(None)


def be_nice() -> None:
    """Below everything that a hearing needs; where the system refuses, at its own pace."""
    try:
        os.nice(NICENESS)
    except OSError:  # already as nice as the limits allow
        return


def progress_line(stage: str, percent: int, eta_s: int | None) -> str:
    return json.dumps({"event": "progress", "stage": stage, "percent": percent, "eta_s": eta_s})
