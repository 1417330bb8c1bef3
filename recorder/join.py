"""Chunks → one file: pictures are copied, sound is encoded once over the whole so that no chunk's edge is heard.

The sound is encoded while pictures are still being rendered (``Sound.take``), a second at a time, because it is the
one thing that cannot be done side by side.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from courtroom.errors import BadMessage, Unavailable
from recorder.chunkfile import read_packets
from recorder.picture.colours import FPS
from recorder.voices import RATE

AAC_BITS: Final = 96_000
AAC_CODER: Final = "fast"  # at this rate nearer to the waveform than "twoloop", which puts noise for noise (PNS)


class Sound:
    """The AAC of a programme, growing; written to ``path`` (MP4, sound only)."""

    def __init__(self, path: Path) -> None:
        self._container: Any = av.open(str(path), "w", format="mp4")
        self._stream: Any = self._container.add_stream("aac", rate=RATE)
        self._stream.layout, self._stream.format, self._stream.bit_rate = "mono", "fltp", AAC_BITS
        self._stream.options = {"aac_coder": AAC_CODER}
        self.samples = 0

    def take(self, pcm: Path) -> Iterator[int]:
        """Encode the next samples; gives back after each second, with how many there are so far."""
        whole = np.fromfile(pcm, dtype=np.int16)
        for begin in range(0, len(whole), RATE):
            piece = whole[begin : begin + RATE].astype(np.float32) * np.float32(1 / 32768)
            frame = av.AudioFrame.from_ndarray(piece.reshape(1, -1), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, self.samples, Fraction(1, RATE)
            self.samples += len(piece)
            self._container.mux(self._stream.encode(frame))
            yield self.samples

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


def join(
    pictures: Sequence[tuple[Path, int]], stream: Callable[[Any], Any], sound: Path, out: Path, partial: Path
) -> None:
    """``pictures``: files with the number of frames in each; ``stream`` adds to a container what they are packets of.
    ``out`` appears last, with its index in front."""
    with (
        av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as container,
        av.open(str(sound)) as heard,
    ):
        video = stream(container)
        audio = container.add_stream_from_template(heard.streams.audio[0])
        voices = _sound_packets(heard)
        waiting = next(voices, None)
        for packet in _picture_packets(pictures):
            while waiting is not None and waiting.dts * FPS <= packet.dts * RATE:
                waiting.stream = audio
                container.mux(waiting)
                waiting = next(voices, None)
            packet.stream = video
            container.mux(packet)
        while waiting is not None:
            waiting.stream = audio
            container.mux(waiting)
            waiting = next(voices, None)
    fd = os.open(partial, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(partial, out)


def _sound_packets(container: Any) -> Iterator[Any]:
    for packet in container.demux(audio=0):
        if packet.dts is not None and packet.size:
            yield packet


def _picture_packets(pictures: Sequence[tuple[Path, int]]) -> Iterator[Any]:
    """All packets with the time of their chunk; a chunk that does not hold what it should is not joined."""
    before = 0
    for path, frames in pictures:
        found = 0
        try:
            for packet in read_packets(path, before):
                found += 1
                yield packet
        except BadMessage:
            found = -1
        if found != frames:
            path.unlink(missing_ok=True)
            raise Unavailable("compose_failed", {"chunk": path.name})
        before += frames
