"""Reads luma out of programmes and of whatever somebody says is a leaked clip; files are hostile, memory is bounded.

Rules: every picture is scaled down by the decoder's scaler before it is kept; times are seconds from the first picture
of the file; a file that FFmpeg cannot read is ``BadMessage("clip_unreadable")``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from courtroom.errors import BadMessage

MAX_SIDE: Final = 8192
MAX_RATE: Final = 31.0  # pictures a second that are kept
MAX_PICTURES: Final = 1300
MAX_SKIPPED: Final = 2_000_000

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Pictures:
    """``luma[n]`` was shown at ``times[n]`` seconds."""

    luma: Bytes
    times: npt.NDArray[np.float64]


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """Container and its first video stream."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise BadMessage("clip_unreadable")
            stream = container.streams.video[0]
            if not (16 <= stream.width <= MAX_SIDE and 16 <= stream.height <= MAX_SIDE):
                raise BadMessage("clip_unreadable")
            yield container, stream
    except (FFmpegError, UnicodeError) as error:
        raise BadMessage("clip_unreadable") from error


def luma_of(frame: Any, width: int, height: int) -> Bytes:
    """The luma of a decoded picture at an even size."""
    small = frame.reformat(width=width, height=height, format="yuv420p", interpolation="AREA")
    plane = small.planes[0]
    raw = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)
    return raw[:height, :width].copy()


def read(path: Path, width: int, begin: float, seconds: float, height: int = 0) -> Pictures:
    """The pictures of ``[begin, begin + seconds)``, no wider than ``width``; the height follows if it is not given."""
    kept: list[Bytes] = []
    times: list[float] = []
    with opened(path) as (container, stream):
        wide = min(width, stream.width) // 2 * 2
        high = height or max(16, round(wide * _shape(stream)) // 2 * 2)
        for at, frame in _frames(container, stream, begin):
            if at >= begin + seconds or len(kept) >= MAX_PICTURES:
                break
            if at < begin - 1e-3 or (times and at - times[-1] < 1 / MAX_RATE - 1e-3):
                continue
            kept.append(luma_of(frame, wide, high))
            times.append(at)
    if not kept:
        raise BadMessage("clip_empty")
    return Pictures(np.stack(kept), np.array(times))


def keys(path: Path, width: int, height: int, at_most: int) -> Pictures:
    """Key pictures only: what is needed to find a moment in hours."""
    kept: list[Bytes] = []
    times: list[float] = []
    with opened(path) as (container, stream):
        stream.codec_context.skip_frame = "NONKEY"
        for at, frame in _frames(container, stream, 0):
            if len(kept) >= at_most:
                raise BadMessage("programme_too_long")
            kept.append(luma_of(frame, width, height))
            times.append(at)
    if not kept:
        raise BadMessage("clip_empty")
    return Pictures(np.stack(kept), np.array(times))


def _shape(stream: Any) -> float:
    """Height by width of the picture as it is shown."""
    ratio = stream.sample_aspect_ratio
    wide = stream.width * float(ratio) if ratio else float(stream.width)
    return float(min(4.0, max(0.25, stream.height / wide)))


def _frames(container: Any, stream: Any, begin: float) -> Iterator[tuple[float, Any]]:
    first = float((stream.start_time or 0) * stream.time_base)
    if begin > 0:
        container.seek(round((begin + first) / stream.time_base), stream=stream)
    rate = float(stream.average_rate or 25)
    for number, frame in enumerate(container.decode(stream)):
        if number > MAX_SKIPPED:
            return
        yield (number / rate if frame.pts is None else float(frame.pts * frame.time_base) - first), frame
