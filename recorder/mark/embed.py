"""Makes one recipient's copy of a sealed programme: decode, mark visibly and invisibly, encode; sound is copied.

Rules
* The programme is read and never written. ``out`` appears last, by rename, and is done when it is there: asked again
  with the same order nothing happens; a job that was killed is simply done again.
* Every picture keeps its time: what is seen at a second of the copy is what is seen there in the programme.
* The process makes itself nice; progress is told as ``recorder.compose`` tells it.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import time
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.error import FFmpegError

from courtroom.errors import BadMessage, Unavailable
from recorder.compose import Progress
from recorder.mark.codes import BIN, KEY_BYTES, Code, copy_id
from recorder.mark.label import MAX_LABEL, Label
from recorder.mark.pattern import Pattern
from recorder.picture.canvas import Bytes
from recorder.picture.colours import FPS
from recorder.picture.fonts import find_fonts

CRF: Final = "18"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Order:
    """``label`` is what the visible mark says (nothing when empty: for measuring only)."""

    programme: Path
    out: Path
    key: Path
    copy: str
    label: str
    font: Path | None = None
    threads: int = 1


def read_key(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise BadMessage("mark_key")
    return key


def read_label(path: Path) -> str:
    """One line of text; ``BadMessage("mark_label")`` for anything else."""
    try:
        text = path.read_bytes()[: 4 * MAX_LABEL + 1].decode().strip()
    except UnicodeDecodeError as error:
        raise BadMessage("mark_label") from error
    if len(text) > MAX_LABEL or any(unicodedata.category(c)[0] == "C" for c in text):
        raise BadMessage("mark_label")
    return text


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy(order: Order, progress: Progress) -> None:
    """Make ``order.out``; ``BadMessage`` for a programme or an order that is not what it should be."""
    code = Code(read_key(order.key), copy_id(order.copy))
    if not order.out.is_file():
        partial = order.out.with_name(order.out.name + ".part")
        try:
            _make(order, code, partial, progress)
        except FFmpegError as error:
            if error.errno in _FULL:
                raise Unavailable("disk_full") from error
            raise BadMessage("programme_unreadable") from error
        handle = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        partial.replace(order.out)
    progress(100, 0)


def _make(order: Order, code: Code, partial: Path, progress: Progress) -> None:
    with (
        av.open(str(order.programme)) as source,
        av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as target,
    ):
        if not source.streams.video:
            raise BadMessage("programme_unreadable")
        seen: Any = source.streams.video[0]
        heard: Any = source.streams.audio[0] if source.streams.audio else None
        video = _video_stream(target, seen, order.threads)
        audio = target.add_stream_from_template(heard) if heard is not None else None
        pen = _Pen(order, code, seen.width, seen.height)
        told = _Told(progress, seen.frames or int((source.duration or 0) * FPS / av.time_base))
        for packet in source.demux([stream for stream in (seen, heard) if stream is not None]):
            if audio is not None and packet.stream.type == "audio":
                if packet.dts is not None:
                    packet.stream = audio
                    target.mux(packet)
                continue
            for frame in packet.decode():
                target.mux(video.encode(pen.marked(frame)))
                told.step()
        target.mux(video.encode(None))


def _video_stream(target: Any, seen: Any, threads: int) -> Any:
    stream = target.add_stream("libx264", rate=FPS)
    stream.width, stream.height, stream.pix_fmt = seen.width, seen.height, "yuv420p"
    context = stream.codec_context
    context.time_base = seen.time_base or Fraction(1, FPS)
    context.thread_count = threads
    context.colorspace, context.color_primaries, context.color_trc, context.color_range = 6, 6, 6, 1  # BT.601, limited
    stream.options = {"preset": "veryfast", "crf": CRF, "g": str(2 * FPS)}
    return stream


class _Pen:
    """Marks pictures in the order they come."""

    def __init__(self, order: Order, code: Code, width: int, height: int) -> None:
        self._height = height
        self._pattern = Pattern(code, width, height)
        self._label = Label(order.label, find_fonts(order.font), width, height) if order.label else None
        self._bin = -1

    def marked(self, frame: Any) -> Any:
        number = frame_number(frame)
        picture: Bytes = frame.to_ndarray(format="yuv420p")
        luma = picture[: self._height]
        if number // BIN != self._bin:
            self._bin = number // BIN
            self._pattern.turn(self._bin, luma)
        self._pattern.lay(luma)
        if self._label is not None:
            self._label.lay(picture, number)
        made = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        made.pts, made.time_base = frame.pts, frame.time_base
        return made


def frame_number(frame: Any) -> int:
    """Which frame of the programme a picture is, by its time."""
    return 0 if frame.pts is None else max(0, round(frame.pts * frame.time_base * FPS))


class _Told:
    """Percent and seconds left, once a second."""

    def __init__(self, progress: Progress, frames: int) -> None:
        self._progress = progress
        self._frames = max(1, frames)
        self._made = 0
        self._began = self._last = time.monotonic()

    def step(self) -> None:
        self._made += 1
        now = time.monotonic()
        if now - self._last >= 1:
            self._last = now
            left = max(0, self._frames - self._made) * (now - self._began) / self._made
            self._progress(min(99, self._made * 100 // self._frames), math.ceil(left))
