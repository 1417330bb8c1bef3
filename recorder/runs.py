"""What a capture holds, in columns: its segments, and of every SSRC the packets in the order they were sent.

Rules
* A ``Run`` is one SSRC of one TRACK: what comes after a reconnect, a new worker or a new SSRC is another run.
* Columns of a run are parallel; they say where a payload is and never hold one (``payloads`` reads them).
* A frame is whole or it is none: one time stamp, no number missing, its start and its marker there.

RFC 3550 5.1, A.1 (unwrapped numbers). Times are µs of the court clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from courtroom.sfu.capture import Note, Track
from recorder.columns import Ints


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """One file. ``first_at``/``last_at`` are of its records; ``tear`` is '' for a file that ends in order."""

    path: Path
    number: int
    size: int
    first_at: int
    last_at: int
    tear: str


@dataclass(frozen=True, slots=True)
class Run:
    """One SSRC of one track. Arrays are parallel, in order of ``seq``.

    ``seq`` and ``rtp`` are unwrapped; ``at`` is arrival in µs of the court clock; ``marker``, ``flags`` as in
    ``depacketize``; ``file``/``offset``/``size`` say where the payload is. ``reports``: rows of (at, NTP µs, RTP
    unwrapped).
    """

    track: Track
    ssrc: int
    seq: Ints
    rtp: Ints
    at: Ints
    marker: npt.NDArray[np.bool_]
    flags: npt.NDArray[np.uint8]
    file: Ints
    offset: Ints
    size: Ints
    reports: Ints

    @property
    def label(self) -> str:
        return self.track.label


@dataclass(frozen=True, slots=True)
class Capture:
    segments: tuple[SegmentInfo, ...]
    runs: tuple[Run, ...]
    notes: tuple[Note, ...]
    beats: Ints  # arrival of every record that proves the writer alive, thinned to one per 100 ms
    packets: Ints  # …and of every packet, thinned alike
    unreadable: int  # packets left out because they were not RTP

    @property
    def first_at(self) -> int:
        return min((segment.first_at for segment in self.segments), default=0)

    @property
    def last_at(self) -> int:
        return max((segment.last_at for segment in self.segments), default=0)


def whole_frames(run: Run) -> tuple[Ints, Ints]:
    """First and last packet of every frame that is whole: one time stamp, no number missing, start and marker there."""
    count = len(run.seq)
    change = np.flatnonzero(np.diff(run.rtp)) + 1
    first = np.concatenate(([0], change)).astype(np.int64)
    last = np.concatenate((change, [count])).astype(np.int64) - 1
    gapless = run.seq[last] - run.seq[first] == last - first
    good = gapless & run.marker[last] & ((run.flags[first] & 1) > 0)
    return first[good], last[good]
