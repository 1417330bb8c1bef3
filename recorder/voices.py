"""Sound out of a capture: every microphone on the court clock, mixed; and who speaks when.

Rules
* Where a packet belongs follows from the court times of its run alone (``placed``), never from what was rendered
  before: any stretch of the programme sounds the same whichever process renders it, and chunks meet without a step.
* The sender's clock drifts: packets are stretched to reach the next one, by a few samples each. A difference over
  ``JUMP`` samples is a real hole or a new epoch and is jumped.
* Lost packets are silence of their length: nothing that was not heard is invented. The sound fades out before a hole
  and in after it (``FADE``), so that the hole does not click.
* Speaking = the seat's own level over 100 ms is above ``LOUD`` twice in a row (a click is not speech), held for half a
  second.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

from recorder.columns import Ints
from recorder.payloads import Payloads
from recorder.runs import Run

RATE: Final = 48_000
JUMP: Final = RATE * 40 // 1000
WARM: Final = RATE * 400 // 1000  # decoded before the moment looked for, so that the decoder has settled
SMOOTH: Final = 51  # packets over which a sender's rate is averaged: jitter of the clock map must not be heard
STRETCH: Final = 0.02  # of a packet's length at most; beyond it there is a hole
FADE: Final = RATE * 5 // 1000
LONGEST: Final = RATE * 120 // 1000  # an Opus packet (RFC 6716 2.1.4)
WINDOW_US: Final = 100_000
WINDOW: Final = RATE // 10
HOLD: Final = 5  # windows
BEFORE_US: Final = (HOLD + 2) * WINDOW_US  # heard before a stretch to know who was speaking when it begins
LOUD: Final = 10 ** (-42 / 20)

Samples = npt.NDArray[np.float32]
_SMALL: Final = np.float32(1 / 32768)
_IN: Final = np.linspace(0, 1, FADE, endpoint=False, dtype=np.float32)
_OUT: Final = _IN[::-1]


def samples_of(us: int) -> int:
    return us * RATE // 1_000_000


def placed(rtp: Ints, court: Ints, rate: int = RATE) -> Ints:
    """The court sample at which each packet begins; never falling.

    ``rtp`` unwrapped, ``court`` in µs. Between jumps the difference to the sender's own clock is averaged over
    ``SMOOTH`` packets: its drift is followed, its jitter is not.
    """
    nominal = rtp.astype(np.float64) * (RATE / rate)
    error = court.astype(np.float64) * (RATE / 1_000_000) - nominal
    edges = [0, *(np.flatnonzero(np.abs(np.diff(error)) > JUMP) + 1).tolist(), len(error)]
    smooth = np.empty_like(error)
    for begin, end in pairwise(edges):
        smooth[begin:end] = _mean_around(error[begin:end], SMOOTH // 2)
    return np.maximum.accumulate(np.rint(nominal + smooth).astype(np.int64))


def _mean_around(values: npt.NDArray[np.float64], reach: int) -> npt.NDArray[np.float64]:
    """The mean of as many values on either side as there are on both, at most ``reach``: a slope stays a slope."""
    count = len(values)
    place = np.arange(count)
    either = np.minimum(reach, np.minimum(place, count - 1 - place))
    sums = np.concatenate(([0.0], np.cumsum(values - values[0])))
    mean: npt.NDArray[np.float64] = values[0] + (sums[place + either + 1] - sums[place - either]) / (2 * either + 1)
    return mean


class Voice:
    """One run of a microphone, read forwards."""

    def __init__(self, run: Run, court: Ints, payloads: Payloads) -> None:
        self.label = run.label
        self.kind = run.track.kind
        self._run = run
        self._starts = placed(run.rtp, court, run.track.clock_rate)
        self._places, self._file, self._offset, self._size = (
            column.data for column in (self._starts, run.file, run.offset, run.size)
        )  # a number out of a memoryview costs a tenth of one out of an array
        self._payloads = payloads
        self._next = 0
        self._decoder: Any = None
        self._joined = False  # the packet before the next one reaches up to it
        self._rest: tuple[int, Samples] | None = None  # decoded, but after what was asked for
        self._plain: list[memoryview] = []  # packets that each reach exactly up to the next: laid together
        self._plain_at = 0
        self._until = -1

    def render(self, low: int, high: int) -> Samples | None:
        """Mono samples ``[low, high)`` of the court clock, or ``None`` when the run is silent there."""
        starts, count = self._places, len(self._places)
        if starts[-1] + LONGEST < low or starts[0] >= high:
            return None
        if low != self._until:
            self._seek(low)
        self._until = high
        out = np.zeros(high - low, dtype=np.float32)
        if self._rest is not None:
            at, pcm = self._rest
            self._rest = None
            self._lay(out, low, at, pcm)
        while self._next < count and starts[self._next] < high:
            self._decode(self._next, out, low)
            self._next += 1
        self._lay_plain(out, low)
        return out

    def _seek(self, low: int) -> None:
        self._next = int(np.searchsorted(self._starts, low - WARM))
        self._decoder = av.CodecContext.create("libopus", "r")
        self._decoder.sample_rate = RATE
        self._decoder.layout = "mono"
        self._joined, self._rest = False, None

    def _decode(self, which: int, out: Samples, low: int) -> None:
        data = self._payloads.read(self._file[which], self._offset[which], self._size[which])
        try:
            frames = self._decoder.decode(av.Packet(data))
        except av.FFmpegError:
            self._joined = False
            return
        if not frames:
            self._lay_plain(out, low)
            return
        at = self._places[which]
        room = self._places[which + 1] - at if which + 1 < len(self._places) else LONGEST
        if self._joined and len(frames) == 1 and frames[0].samples == room and _is_plain(frames[0]):
            if not self._plain:
                self._plain_at = at
            self._plain.append(memoryview(frames[0].planes[0])[: 2 * room])
            return
        self._lay_plain(out, low)
        pieces = [_mono(frame) for frame in frames]
        self._lay(out, low, at, self._shaped(room, pieces[0] if len(pieces) == 1 else np.concatenate(pieces)))

    def _lay_plain(self, out: Samples, low: int) -> None:
        if self._plain:
            self._lay(out, low, self._plain_at, np.frombuffer(b"".join(self._plain), dtype=np.int16) * _SMALL)
            self._plain.clear()

    def _shaped(self, room: int, pcm: Samples) -> Samples:
        """Stretched to the next packet, or faded where none follows."""
        length, joined = len(pcm), self._joined
        self._joined = abs(room - length) <= length * STRETCH
        if self._joined and room != length:
            pcm = np.interp(np.linspace(0, length - 1, room), np.arange(length), pcm).astype(np.float32)
        elif room < length:
            pcm = pcm[:room]
        if len(pcm) >= 2 * FADE and not (joined and self._joined):
            pcm = pcm.copy()
            if not joined:
                pcm[:FADE] *= _IN
            if not self._joined:
                pcm[-FADE:] *= _OUT
        return pcm

    def _lay(self, out: Samples, low: int, at: int, pcm: Samples) -> None:
        begin, stop, high = max(at, low), min(at + len(pcm), low + len(out)), low + len(out)
        if stop > begin:
            out[begin - low : stop - low] += pcm[begin - at : stop - at]
        if at + len(pcm) > high:
            self._rest = (max(at, high), pcm[max(0, high - at) :])


def _is_plain(frame: Any) -> bool:
    """What the decoder was asked for: 16-bit mono."""
    return bool(frame.format.name == "s16" and frame.layout.nb_channels == 1)


def _mono(frame: Any) -> Samples:
    """What the decoder was asked for read in place; anything else by the long way."""
    if _is_plain(frame):
        return np.frombuffer(frame.planes[0], dtype=np.int16)[: frame.samples] * _SMALL
    data = frame.to_ndarray()
    channels = len(frame.layout.channels)
    data = data if frame.format.is_planar else data.reshape(-1, channels).T
    mean: Samples = data.mean(axis=0, dtype=np.float32)
    return mean * _SMALL if data.dtype == np.int16 else mean


class Mixer:
    """All voices of a recording."""

    def __init__(self, voices: Sequence[Voice]) -> None:
        self._voices = voices
        self._levels: dict[str, dict[int, float]] = {}
        self._until = -1

    def render(self, start: int, end: int) -> npt.NDArray[np.int16]:
        """The mix of ``[start, end)`` µs; also learns who speaks in it."""
        if start != self._until:
            self._levels = {}
            self._heard(start - BEFORE_US, start)
        self._until = end
        return np.rint(_limited(self._heard(start, end)) * 32767).astype(np.int16)

    def _heard(self, start: int, end: int) -> Samples:
        low, high = samples_of(start), samples_of(end)
        out = np.zeros(high - low, dtype=np.float32)
        before = start // WINDOW_US - BEFORE_US // WINDOW_US
        for levels in self._levels.values():
            for window in [window for window in levels if window < before]:
                del levels[window]
        for voice in self._voices:
            heard = voice.render(low, high)
            if heard is None:
                continue
            out += heard
            if voice.kind == "microphone":
                _add_levels(self._levels.setdefault(voice.label, {}), heard, low)
        return out

    def speaking(self, at: int) -> frozenset[str]:
        """Seats speaking at a moment inside what was rendered last."""
        window = at // WINDOW_US
        return frozenset(
            label
            for label, levels in self._levels.items()
            if any(_loud(levels, window - back) and _loud(levels, window - back - 1) for back in range(HOLD + 1))
        )


def _add_levels(into: dict[int, float], heard: Samples, low: int) -> None:
    """Energy by window of the court clock, also where a stretch begins or ends inside one."""
    first = low // WINDOW
    before = low - first * WINDOW
    count = -(-(before + len(heard)) // WINDOW)
    energy = np.zeros(count * WINDOW, dtype=np.float32)
    np.square(heard, out=energy[before : before + len(heard)])
    for line, one in enumerate(energy.reshape(count, WINDOW).sum(axis=1).tolist()):
        into[first + line] = into.get(first + line, 0.0) + one


def _loud(levels: dict[int, float], window: int) -> bool:
    return levels.get(window, 0.0) > LOUD * LOUD * WINDOW


def _limited(mix: Samples) -> Samples:
    """Leaves everything under 0.8 alone and bends the rest below 1."""
    size = np.abs(mix)
    if not size.size or float(size.max()) <= 0.8:
        return mix
    bent = np.sign(mix) * (0.8 + 0.2 * np.tanh((size - 0.8) / 0.2))
    limited: Samples = np.where(size > 0.8, bent, mix).astype(np.float32)
    return limited
