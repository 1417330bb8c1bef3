"""Sound out of a capture: every microphone on the court clock, mixed; and who speaks when.

Rules
* Each decoded packet is put where its court time says. Small differences (clock drift) are taken up by stretching
  packets by at most 1 %; a difference over ``JUMP`` samples is a real hole or a new epoch and is jumped.
* Lost packets are silence: nothing that was not heard is invented.
* Speaking = the seat's own level over 100 ms is above ``LOUD``, held for half a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

from recorder.index import Ints, Payloads, Run

RATE: Final = 48_000
JUMP: Final = RATE * 40 // 1000
WARM_US: Final = 400_000  # decoded before the moment looked for, so that the decoder has settled
WINDOW: Final = RATE // 10
HOLD: Final = 5  # windows
LOUD: Final = 10 ** (-42 / 20)

Samples = npt.NDArray[np.float32]


def samples_of(us: int) -> int:
    return us * RATE // 1_000_000


class Voice:
    """One run of a microphone, read forwards."""

    def __init__(self, run: Run, court: Ints, payloads: Payloads) -> None:
        self.label = run.label
        self.kind = run.track.kind
        self._run = run
        self._court = court
        self._payloads = payloads
        self._next = 0
        self._decoder: Any = None
        self._position: float | None = None  # court sample at which the next decoded sample belongs
        self._ready: deque[tuple[int, Samples]] = deque()
        self._until = -1

    def render(self, start: int, end: int) -> Samples | None:
        """Mono samples of ``[start, end)`` µs, or ``None`` when the run is silent there."""
        court = self._court
        if court[-1] + WARM_US < start or court[0] - WARM_US > end:
            return None
        if start != self._until:
            self._seek(start)
        self._until = end
        low, high = samples_of(start), samples_of(end)
        while self._next < len(court) and court[self._next] < end + 100_000:
            self._decode(self._next)
            self._next += 1
        out = np.zeros(high - low, dtype=np.float32)
        while self._ready and self._ready[0][0] < high:
            at, pcm = self._ready.popleft()
            begin, stop = max(at, low), min(at + len(pcm), high)
            if stop > begin:
                out[begin - low : stop - low] += pcm[begin - at : stop - at]
            if at + len(pcm) > high:
                self._ready.appendleft((high, pcm[high - at :]))
                break
        return out

    def _seek(self, start: int) -> None:
        self._next = int(np.searchsorted(self._court, start - WARM_US))
        self._decoder = av.CodecContext.create("libopus", "r")
        self._decoder.sample_rate = RATE
        self._position = None
        self._ready.clear()

    def _decode(self, which: int) -> None:
        run = self._run
        data = self._payloads.read(int(run.file[which]), int(run.offset[which]), int(run.size[which]))
        try:
            pieces = [_mono(frame) for frame in self._decoder.decode(av.Packet(data))]
        except av.FFmpegError:
            return
        if pieces:
            self._place(np.concatenate(pieces), int(self._court[which]) * RATE / 1_000_000)

    def _place(self, pcm: Samples, wanted: float) -> None:
        if self._position is None or abs(wanted - self._position) > JUMP:
            self._position = float(wanted)
        error = wanted - self._position
        length = len(pcm)
        stretch = round(float(np.clip(error, -length / 100, length / 100)))
        if abs(error) > RATE / 1000 and stretch:
            places = np.linspace(0, length - 1, length + stretch)
            pcm = np.interp(places, np.arange(length), pcm).astype(np.float32)
        at = round(self._position)
        self._ready.append((at, pcm))
        self._position += len(pcm)


def _mono(frame: Any) -> Samples:
    data = frame.to_ndarray()
    if data.dtype == np.int16:
        data = data.astype(np.float32) / 32768
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        data = data.reshape(-1, channels).T
    mean: Samples = data.mean(axis=0, dtype=np.float32)
    return mean


class Mixer:
    """All voices of a recording."""

    def __init__(self, voices: Sequence[Voice]) -> None:
        self._voices = voices
        self._loud: dict[str, set[int]] = {}

    def render(self, start: int, end: int) -> npt.NDArray[np.int16]:
        """The mix of ``[start, end)``; also learns who speaks in it."""
        out = np.zeros(samples_of(end) - samples_of(start), dtype=np.float32)
        self._loud = {}
        for voice in self._voices:
            heard = voice.render(start, end)
            if heard is None:
                continue
            out += heard
            if voice.kind == "microphone":
                self._loud.setdefault(voice.label, set()).update(_loud_windows(heard, start))
        return np.rint(_limited(out) * 32767).astype(np.int16)

    def speaking(self, at: int) -> frozenset[str]:
        """Seats speaking at a moment inside what was rendered last."""
        window = at // 100_000
        return frozenset(
            label for label, loud in self._loud.items() if any(window - back in loud for back in range(HOLD + 1))
        )


def _loud_windows(heard: Samples, start: int) -> Iterator[int]:
    whole = len(heard) // WINDOW
    levels = np.sqrt(np.square(heard[: whole * WINDOW]).reshape(whole, WINDOW).mean(axis=1))
    first = start // 100_000
    loud = levels > LOUD
    steady = loud & (np.roll(loud, 1) | np.roll(loud, -1))  # a single click is not speech
    return (first + int(line) for line in np.flatnonzero(steady))


def _limited(mix: Samples) -> Samples:
    """Leaves everything under 0.8 alone and bends the rest below 1."""
    size = np.abs(mix)
    if not size.size or float(size.max()) <= 0.8:
        return mix
    bent = np.sign(mix) * (0.8 + 0.2 * np.tanh((size - 0.8) / 0.2))
    limited: Samples = np.where(size > 0.8, bent, mix).astype(np.float32)
    return limited
