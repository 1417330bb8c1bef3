"""Cameras, microphones and the pen: renders any stretch of a programme into a picture file and a sound file.

Rules
* What a stretch shows and says follows from its inputs alone, not from what was rendered before it or by whom.
* One picture is kept and painted over; the encoder reads it in place. Only what changed is painted.
* ``ROW`` pictures are looked up together, camera by camera, and painted and encoded after that: a decoder that works
  for a while finds its code and its reference pictures in the cache.
* Sound is rendered apart from pictures and before them: what is left of it for the pictures is who speaks
  (``Speech``).
* Files appear under their names when they are whole; each begins with a key frame and refers to nothing outside.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags

from courtroom.catalogue import Language
from courtroom.errors import BadMessage
from courtroom.hearing.ledger import Entry
from recorder.chunkfile import write_packet
from recorder.columns import Ints
from recorder.feeds import FRESH_US, STALE_US, Camera, VideoFeed
from recorder.ledgerfile import small_json
from recorder.payloads import Payloads
from recorder.picture.canvas import Bytes, Planes, Rect
from recorder.picture.colours import FPS
from recorder.picture.fonts import find_fonts
from recorder.picture.frame import STAGE, FrameRenderer, exhibit_area
from recorder.picture.scene import Scene, TileState
from recorder.picture.screen import SCREENS, Screen
from recorder.runs import Capture
from recorder.scenes import AWAITED, FRESH, STALE, SceneMaker, Sights
from recorder.timeline import FRAME_US, Recording, States
from recorder.voices import RATE, WINDOW_US, Mixer, Voice

CRF: Final = "23"
PRESET: Final = "veryfast"
SAMPLES: Final = RATE // FPS  # per picture
STILL_US: Final = 10 * STALE_US  # a still page on the stage sends next to nothing
ROW: Final = 12
_NOBODY: Final[frozenset[str]] = frozenset()


class Shot(NamedTuple):
    """What one picture of the programme is painted from; ``pictures`` by seat (``STAGE`` for an exhibit)."""

    at: int
    scene: Scene
    pictures: dict[str, Planes]


@dataclass(frozen=True, slots=True)
class Look:
    """How the programme is made: the language of its words, its size, the font, and the encoder's threads."""

    lang: Language = "zh"
    size: str = "720p"
    font: Path | None = None
    threads: int = 1

    @property
    def screen(self) -> Screen:
        return SCREENS[self.size]


class Speech:
    """Who speaks, by window of the court clock; read from what ``Studio.sound`` left."""

    def __init__(self, path: Path | None = None) -> None:
        self._spoke: dict[int, frozenset[str]] = {}
        if path is None:
            return
        try:
            self._spoke = {int(window): frozenset(map(str, labels)) for window, labels in small_json(path).items()}
        except (AttributeError, ValueError, TypeError) as error:
            raise BadMessage("index_damaged") from error

    def at(self, moment: int) -> frozenset[str]:
        return self._spoke.get(moment // WINDOW_US, _NOBODY)


class Studio:
    """One per process; stretches rendered one after another are cheaper than scattered ones."""

    def __init__(
        self, look: Look, entries: Sequence[Entry], people: Mapping[str, str], capture: Capture, court: Sequence[Ints],
        recording: Recording, payloads: Payloads,
    ) -> None:  # fmt: skip
        self._look = look
        self._recording = recording
        self._states = States(entries)
        self._scenes = SceneMaker(self._states, recording, people, look.lang)
        self._renderer = FrameRenderer(find_fonts(look.font), look.screen)
        feeds: dict[tuple[str, str], list[VideoFeed]] = defaultdict(list)
        voices: list[Voice] = []
        for run, times in zip(capture.runs, court, strict=True):
            if run.track.codec == "opus":
                voices.append(Voice(run, times, payloads))
            elif run.track.codec in ("vp8", "h264"):
                feeds[run.label, run.track.kind].append(VideoFeed(run, times, payloads))
        self._cameras = {label: Camera(list_) for (label, kind), list_ in feeds.items() if kind == "camera"}
        self._screens = {label: Camera(list_) for (label, kind), list_ in feeds.items() if kind == "screen"}
        self._mixer = Mixer(voices)
        self._speech = Speech()
        self._asked: tuple[Scene | None, dict[str, Rect]] = (None, {})

    def sound(self, frames: range, pcm: Path, speech: Path, step: Callable[[], None]) -> None:
        """Render the sound of ``frames`` of the programme and who speaks in it into two files, ``pcm`` last."""
        spoke: dict[int, list[str]] = {}
        with _written(pcm) as sound_tmp, sound_tmp.open("wb") as out:
            for stretch in self._stretches(frames):
                out.write(self._heard(stretch, spoke).tobytes())
            with _written(speech) as speech_tmp:
                speech_tmp.write_text(json.dumps(spoke), encoding="utf-8")
        for _ in frames:
            step()

    def picture(self, frames: range, picture: Path, speech: Speech, step: Callable[[], None]) -> None:
        """Render ``frames`` of the programme into a file."""
        self._speech = speech
        image: Any = av.VideoFrame.from_numpy_buffer(self._renderer.canvas, format="yuv420p")
        image.time_base = Fraction(1, FPS)
        encoder = _prepared(av.CodecContext.create("libx264", "w"), self._look)
        with _written(picture) as partial, partial.open("wb") as out:
            for stretch in self._stretches(frames):
                for row in _rows(stretch):
                    for frame, shot in zip(row, self._shots(row), strict=True):
                        self._renderer.paint(shot.scene, shot.at, shot.pictures)
                        image.pts = frame - frames.start
                        for packet in encoder.encode(image):
                            write_packet(out, packet)
                        step()
            for packet in encoder.encode(None):
                write_packet(out, packet)

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

    def _heard(self, stretch: range, spoke: dict[int, list[str]]) -> npt.NDArray[np.int16]:
        """Exactly as many samples as the stretch has pictures; ``spoke`` learns who speaks in which window."""
        size = len(stretch) * SAMPLES
        if self._recording.part_of(stretch.start).kind == "plate":
            return np.zeros(size, dtype=np.int16)
        start = self._recording.court_of(stretch.start)
        end = start + len(stretch) * FRAME_US
        mixed = self._mixer.render(start, end)
        for window in range(start // WINDOW_US, (end - 1) // WINDOW_US + 1):
            if labels := self._mixer.speaking(window * WINDOW_US):
                spoke[window] = sorted(labels)
        return np.pad(mixed, (0, max(0, size - len(mixed))))[:size]

    def frame(self, number: int) -> Bytes:
        """One picture of the programme, as a copy."""
        (shot,) = self._shots(range(number, number + 1))
        return self._renderer.frame(shot.scene, shot.at, shot.pictures)

    def _shots(self, row: range) -> list[Shot]:
        part = self._recording.part_of(row.start)
        moments = [part.court + (number - part.first) * FRAME_US for number in row]
        if part.gap is not None:
            return [Shot(at, self._scenes.notice(at, part.gap), {}) for at in moments]
        shots = [Shot(at, self._scenes.live(at, self._sights(at)), {}) for at in moments]
        for key in dict.fromkeys(key for shot in shots for key in self._wanted(shot.scene)):
            for shot in shots:
                area = self._wanted(shot.scene).get(key)
                picture = self._picture(key, shot, area) if area is not None else None
                if picture is not None:
                    shot.pictures[key] = picture
        return shots

    def _sights(self, at: int) -> Sights:
        pictures = []
        for seat in self._scenes.seats_at(at):
            camera = self._cameras.get(seat.id)
            age = camera.age(at) if camera else None
            if age is not None and age <= STALE_US:
                pictures.append((seat.id, FRESH if age <= FRESH_US else STALE))
            elif self._scenes.awaited(seat, at, None if age is None else at - age):
                pictures.append((seat.id, AWAITED))
        return Sights(tuple(pictures), self._speech.at(at))

    def _wanted(self, scene: Scene) -> dict[str, Rect]:
        """The places of a scene that show a live picture."""
        if scene is not self._asked[0]:
            live = {view.seat for view in scene.tiles if view.state is TileState.LIVE}
            cells = self._renderer.layout(scene).cells
            places = {cell.seat: cell.picture for cell in cells if cell.seat in live}
            if scene.exhibit:
                places[STAGE] = self._renderer.area(exhibit_area(scene.layout.stage))
            self._asked = scene, places
        return self._asked[1]

    def _picture(self, key: str, shot: Shot, area: Rect) -> Planes | None:
        if key != STAGE:
            camera = self._cameras.get(key)
            return camera.picture(shot.at, area) if camera else None
        screen = self._screens.get(self._states.at(shot.at).presenting)
        age = screen.age(shot.at) if screen else None
        if screen is None or age is None or age > STILL_US:
            return None
        return screen.picture(shot.at, area, True, STILL_US)


@contextlib.contextmanager
def _written(path: Path) -> Iterator[Path]:
    """A name to write under that becomes ``path`` when all went well."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    yield partial
    os.replace(partial, path)


def _rows(stretch: range) -> Iterator[range]:
    return (stretch[begin : begin + ROW] for begin in range(0, len(stretch), ROW))


def picture_stream(container: Any, look: Look) -> Any:
    """A stream for packets that ``Studio.picture`` made."""
    stream = container.add_stream("libx264", rate=FPS)
    _prepared(stream.codec_context, look)
    return stream


def _prepared(context: Any, look: Look) -> Any:
    context.width, context.height, context.pix_fmt = look.screen.width, look.screen.height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, FPS), Fraction(FPS)
    context.thread_count = look.threads
    context.colorspace, context.color_primaries, context.color_trc, context.color_range = 6, 6, 6, 1  # BT.601, limited
    context.options = {"preset": PRESET, "crf": CRF, "g": str(2 * FPS), "x264-params": "open-gop=0"}
    context.flags |= Flags.global_header
    return context
