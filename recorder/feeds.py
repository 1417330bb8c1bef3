"""Pictures out of a capture: the newest frame of a camera at a moment of the court clock, scaled to its place.

Rules
* Only whole frames are decoded. After a loss the feed waits for a key frame, at most ``PATIENCE_US``: a picture that
  has gone still is honest, one smeared over a gap is not.
* Nothing is known of a camera before its first key frame: what comes earlier cannot be decoded by anybody.
* Looking ahead skips to the newest key frame that is not later than the moment; a feed nobody looks at costs nothing
  and holds nothing.
* A picture is cut to its place only where that loses less than ``MAX_LOSS`` of it; otherwise it is shown whole.
* This runs for every picture of every seat: columns are read through ``memoryview`` (a number out of it costs a tenth
  of one out of an array), and scaling has no threads (the processes of the crew are what fills the cores).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from courtroom.errors import BadPacket
from recorder.columns import Ints
from recorder.depacketize import KEY, join
from recorder.payloads import Payloads
from recorder.picture.canvas import Bytes, Planes, Rect
from recorder.picture.colours import FPS
from recorder.runs import Run, whole_frames

PATIENCE_US: Final = 2_000_000
FRESH_US: Final = 1_000_000
STALE_US: Final = 5_000_000
MAX_LOSS: Final = 0.4
MAX_PIXELS: Final = 4096 * 2304
_HALF_FRAME_US: Final = 500_000 // FPS
_CODECS: Final = {"vp8": "vp8", "h264": "h264"}


class VideoFeed:
    """One run of a camera or screen. ``court``: µs of the court clock for each packet."""

    def __init__(self, run: Run, court: Ints, payloads: Payloads) -> None:
        self._run = run
        self._payloads = payloads
        first, last = whole_frames(run)
        begin = int(np.argmax((run.flags[first] & KEY) > 0)) if len(first) else 0
        if len(first) and not run.flags[first[begin]] & KEY:
            begin = len(first)
        first, last = first[begin:], last[begin:]
        when = np.maximum.accumulate(court[first]) if len(first) else np.zeros(0, dtype=np.int64)
        key = (run.flags[first] & KEY) > 0
        follows = np.zeros(len(first), dtype=np.bool_)
        follows[1:] = run.seq[first[1:]] == run.seq[last[:-1]] + 1
        self._first, self._last, self._when = first.data, last.data, when.data
        self._key, self._follows, self._keys = key.data, follows.data, np.flatnonzero(key).data
        self._file, self._offset, self._size = run.file.data, run.offset.data, run.size.data
        self._decoder: Any = None
        self._decoded = -1
        self._shown: VideoFrame | None = None
        self._broken_at = 0
        self._broken = True
        self._scaler = VideoReformatter()
        self._fitting: _Fitting | None = None
        self._scaled: tuple[int, Rect, Planes] | None = None

    @property
    def layer(self) -> str:
        return self._run.track.layer

    def position(self, at: int) -> int:
        return bisect_right(self._when, at + _HALF_FRAME_US) - 1

    def age(self, at: int) -> int | None:
        """µs since the newest whole frame; ``None`` before the first."""
        position = self.position(at)
        return None if position < 0 else max(0, at - self._when[position])

    def picture(self, at: int, area: Rect, whole: bool = False) -> Planes | None:
        """The newest decodable picture at ``at`` for a place of this size; smaller than the place when shown whole."""
        position = self.position(at)
        if position < 0:
            return None
        self._advance(position)
        if self._shown is None:
            return None
        if self._scaled is None or self._scaled[:2] != (self._decoded, area):
            self._scaled = (self._decoded, area, self._fit(self._shown, area, whole))
        return self._scaled[2]

    def rest(self) -> None:
        """Give back what decoding needs; looked at again, the feed begins at a key frame."""
        if self._decoder is not None:
            self._decoder, self._decoded, self._shown, self._broken, self._scaled = None, -1, None, True, None

    def _advance(self, target: int) -> None:
        if target < self._decoded:  # looked at again from earlier: begin anew
            self.rest()
        begin = self._decoded + 1
        if target > begin:
            before = bisect_right(self._keys, target) - 1
            begin = max(begin, self._keys[before]) if before >= 0 else begin
        for position in range(begin, target + 1):
            self._decode(position, fresh=position != self._decoded + 1)
            self._decoded = position

    def _decode(self, position: int, fresh: bool) -> None:
        when = self._when[position]
        if self._key[position]:
            self._broken = False
        elif (fresh or not self._follows[position]) and not self._broken:
            self._broken, self._broken_at = True, when
        if self._broken and (self._decoder is None or when - self._broken_at < PATIENCE_US):
            return
        try:
            for frame in self._opened().decode(av.Packet(self._frame(position))):
                if frame.width * frame.height <= MAX_PIXELS:
                    self._shown = frame
        except (av.FFmpegError, BadPacket):
            self._broken, self._broken_at = True, when

    def _opened(self) -> Any:
        if self._decoder is None:
            self._decoder = av.CodecContext.create(_CODECS[self._run.track.codec], "r")
            self._decoder.thread_count = 1
        return self._decoder

    def _frame(self, position: int) -> bytes:
        read, file, offset, size = self._payloads.read, self._file, self._offset, self._size
        here = range(self._first[position], self._last[position] + 1)
        return join(self._run.track.codec, [read(file[line], offset[line], size[line]) for line in here])

    def _fit(self, frame: VideoFrame, area: Rect, whole: bool) -> Planes:
        given = (frame.width, frame.height, area.width, area.height, whole)
        if self._fitting is None or self._fitting.given != given:
            self._fitting = _fitting(*given)
        fitting = self._fitting
        small = self._scaler.reformat(
            frame, fitting.wide, fitting.high, "yuv420p", interpolation=fitting.interpolation, threads=1
        )
        y, u, v = (_rows(plane) for plane in small.planes)
        return Planes(y[fitting.luma], u[fitting.chroma], v[fitting.chroma])


@dataclass(frozen=True, slots=True)
class _Fitting:
    """How a camera's picture comes to its place: scaled to ``wide`` × ``high``, of which ``luma`` is shown."""

    given: tuple[int, int, int, int, bool]
    wide: int
    high: int
    interpolation: int
    luma: tuple[slice, slice]
    chroma: tuple[slice, slice]


def _fitting(width: int, height: int, room_x: int, room_y: int, whole: bool) -> _Fitting:
    cover = max(room_x / width, room_y / height)
    loss = 1 - (room_x * room_y) / (width * cover * height * cover)
    scale = min(room_x / width, room_y / height) if whole or loss > MAX_LOSS else cover
    wide, high = max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
    shown_x, shown_y = min(room_x, wide), min(room_y, high)
    x, y = (wide - shown_x) // 4 * 2, (high - shown_y) // 4 * 2
    return _Fitting(
        (width, height, room_x, room_y, whole), wide, high,
        int(Interpolation.AREA if scale < 0.7 else Interpolation.BILINEAR),
        (slice(y, y + shown_y), slice(x, x + shown_x)),
        (slice(y // 2, (y + shown_y) // 2), slice(x // 2, (x + shown_x) // 2)),
    )  # fmt: skip


def _rows(plane: Any) -> Bytes:
    """Of a plane, with what pads them; ``plane`` speaks the buffer protocol, which its type does not say."""
    return np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)


class Camera:
    """All runs of one seat's camera (or screen): layers side by side, reconnects one after another."""

    def __init__(self, feeds: Sequence[VideoFeed]) -> None:
        self._feeds = feeds

    def age(self, at: int) -> int | None:
        ages = [age for feed in self._feeds if (age := feed.age(at)) is not None]
        return min(ages, default=None)

    def picture(self, at: int, area: Rect, whole: bool = False, stale_us: int = STALE_US) -> Planes | None:
        """From the largest layer that is alive; the small layer is enough for a small place."""
        order = ("l", "h") if area.width <= 180 else ("h", "l")
        rank = {"": 2, order[0]: 3, order[1]: 1}
        aged = [(age, feed) for feed in self._feeds if (age := feed.age(at)) is not None and age <= stale_us]
        aged.sort(key=lambda item: (item[0] > FRESH_US, -rank.get(item[1].layer, 0), item[0]))
        shown = None
        for _, feed in aged:
            if shown is None:
                shown = feed.picture(at, area, whole)
            else:
                feed.rest()
        if len(aged) < len(self._feeds):
            alive = {id(feed) for _, feed in aged}
            for feed in self._feeds:
                if id(feed) not in alive:
                    feed.rest()
        return shown
