"""When something was said or seen, on the court's clock; pure.

A packet carries the sender's media clock (RTP), sender reports tie that to the sender's NTP clock, arrivals tie
the NTP clock to the court's. Each alone is wrong: RTP drifts, NTP may be hours off, arrivals jitter. So (ARCHITECTURE
5):

* RTP → NTP: straight lines between sender reports; before the first and after the last at the nominal rate; a
  report that contradicts the one before it by more than 500 ms begins a new piece.
* A report may name a moment too late, never too early: browsers take for a microphone the time at which its sound came
  out of the machine's buffers (on a busy machine 100 ms and more after it went in). So a report counts only as far as
  its neighbours and ``DRIFT`` allow. A step that lasts is a device that lost sound, and is followed.
* NTP → court: ``offset = min(arrival - NTP)`` over a minute around, **one offset for everything one seat sends**, so
  its voice and its lips keep the relation that the sender gave them. What remains unknown is the shortest network
  delay.
* That relation is believed as far as arrivals bear it out. Both go the same way, so a camera whose soonest picture is
  for long more than ``PREPARED_US`` behind the soonest sound of the same two seconds names its pictures too early, and
  what is more is taken off. (libwebrtc's ``TimestampAligner`` does so for good once frames were handed to it late: by
  140 to 200 ms after a second in which the computer was too busy, measured in Chromium 156.)
* Where the offset of a seat changes for good by more than 500 ms, a new epoch begins and nothing is averaged across.
* A run without any report has only its arrivals: its own clock at the nominal rate, its own offset.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from recorder.columns import Ints
from recorder.runs import Run

WINDOW_US: Final = 5_000_000
AROUND: Final = 6  # windows either side that the least delay is taken from
DISAGREE_US: Final = 500_000
DRIFT: Final = 0.0005  # no clock of a camera or a microphone drifts faster
STEADY: Final = 4  # reports
STEP_US: Final = 40_000
LASTING: Final = 3  # windows a jump has to last before it is a new epoch and not a burst of late packets
NEAR_US: Final = 2_000_000
LONG: Final = 4  # windows of ``NEAR_US`` either side: more than half of them have to be behind
PREPARED_US: Final = 20_000  # a sound leaves when its last sample is there, 20 ms after the first; a picture when coded

Floats = npt.NDArray[np.float64]


def court_times(runs: Sequence[Run]) -> list[Ints]:
    """µs of the court clock for every packet of every run, parallel to ``runs``."""
    senders = [sender_times(run) for run in runs]
    times: list[Ints] = [np.zeros(len(run.rtp), dtype=np.int64) for run in runs]
    for clock in _clocks(runs, senders):
        offsets, early = _Offsets(clock.windows), _Early(clock.members, runs, senders)
        for piece in clock.members:
            run, sender = runs[piece.run], senders[piece.run].ntp[piece.packets]
            at = run.at[piece.packets]
            court = sender + offsets.at(at) + (early.at(at) if run.track.kind == "camera" else 0.0)
            times[piece.run][piece.packets] = np.round(court).astype(np.int64)
    return times


@dataclass(frozen=True, slots=True)
class SenderTimes:
    """µs of the sender's own clock for each packet, and its piece: a new one wherever that clock was set."""

    ntp: Floats
    piece: Ints


def sender_times(run: Run) -> SenderTimes:
    """By NTP where the sender reported it, else by its media clock alone."""
    rate = 1_000_000 / run.track.clock_rate
    pieces = np.zeros(len(run.rtp), dtype=np.int64)
    if not len(run.reports):
        return SenderTimes(run.rtp.astype(np.float64) * rate, pieces)
    rows = run.reports[np.argsort(run.reports[:, 2], kind="stable")]
    rows = rows[np.concatenate(([True], np.diff(rows[:, 2]) > 0))]
    stamp, ntp = rows[:, 2].astype(np.float64), rows[:, 1].astype(np.float64)
    steps = np.diff(ntp) - np.diff(stamp) * rate
    breaks = np.flatnonzero(np.abs(steps) > DISAGREE_US) + 1
    out = np.zeros(len(run.rtp), dtype=np.float64)
    edges = [0, *breaks.tolist(), len(rows)]
    for number, (begin, end) in enumerate(pairwise(edges)):
        low = -np.inf if begin == 0 else stamp[begin]
        high = np.inf if end == len(rows) else stamp[end]
        inside = (run.rtp >= low) & (run.rtp < high)
        pieces[inside] = number
        out[inside] = _lines(run.rtp[inside].astype(np.float64), stamp[begin:end], ntp[begin:end], rate)
    return SenderTimes(out, pieces)


def _lines(at: Floats, stamp: Floats, ntp: Floats, rate: float) -> Floats:
    """Straight lines between reports, at the nominal rate outside them; a lasting step is not sloped over."""
    media, said = at * rate, stamp * rate
    offset = ntp - said
    steps = _lasting_steps(offset)
    least = _earliest(said, offset, steps)
    corners = list(zip(said.tolist(), least.tolist(), strict=True))
    for line in steps:
        later = least[line] > least[line - 1]  # the lesser offset reaches to the other report
        corners.append((said[line] - 1, least[line - 1]) if later else (said[line - 1] + 1, least[line]))
    where, offsets = np.array(sorted(corners)).T
    lines: Floats = np.interp(media, where, offsets)
    return media + lines


def _earliest(at: Floats, offset: Floats, steps: Sequence[int]) -> Floats:
    """The least offset that the reports around allow, a clock drifting by ``DRIFT`` at most; nothing is taken over from
    beyond a step that lasts."""
    least = np.empty_like(offset)
    for begin, end in pairwise([0, *steps, len(offset)]):
        rise, mine = (at[begin:end] - at[begin]) * DRIFT, offset[begin:end]
        before = np.minimum.accumulate(mine - rise) + rise
        after = np.minimum.accumulate((mine + rise)[::-1])[::-1] - rise
        least[begin:end] = np.minimum(before, after)
    return least


def _lasting_steps(offset: Floats) -> list[int]:
    """Reports from which on all of ``STEADY`` differ to one side by ``STEP_US`` from all as many before."""
    if len(offset) < 2 * STEADY:
        return []
    around = np.lib.stride_tricks.sliding_window_view(offset, STEADY)
    low, high = around.min(axis=1), around.max(axis=1)
    steps = np.maximum(low[STEADY:] - high[:-STEADY], low[:-STEADY] - high[STEADY:]) > STEP_US
    found: list[int] = (np.flatnonzero(steps) + STEADY).tolist()
    return found


@dataclass(frozen=True, slots=True)
class _Piece:
    """Packets of one run whose sender clock was not set in between."""

    run: int
    packets: npt.NDArray[np.bool_]


@dataclass(slots=True)
class _Clock:
    """One sender's clock: the pieces that share it, and the least ``arrival - sender`` of each window."""

    members: list[_Piece] = field(default_factory=list)
    windows: dict[int, float] = field(default_factory=dict)

    def accepts(self, windows: dict[int, float]) -> bool:
        common = self.windows.keys() & windows.keys()
        if common:
            mine = np.array([self.windows[key] - windows[key] for key in common])
            return bool(abs(float(np.median(mine))) <= DISAGREE_US)
        near = min(self.windows, key=lambda key: min(abs(key - min(windows)), abs(key - max(windows))))
        return abs(self.windows[near] - min(windows.values())) <= DISAGREE_US

    def join(self, piece: _Piece, windows: dict[int, float]) -> None:
        self.members.append(piece)
        for key, value in windows.items():
            self.windows[key] = min(self.windows.get(key, value), value)


def _clocks(runs: Sequence[Run], senders: Sequence[SenderTimes]) -> list[_Clock]:
    """Pieces of one label whose clocks agree share one; a second device, or a run without reports, stands alone."""
    clocks: dict[str, list[_Clock]] = defaultdict(list)
    for which, (run, sender) in enumerate(zip(runs, senders, strict=True)):
        mine = clocks[f"{run.label}/{run.track.worker}" if len(run.reports) else f"{run.label}//{which}"]
        for number in np.unique(sender.piece).tolist():
            piece = _Piece(which, sender.piece == number)
            windows = _least(run.at[piece.packets], run.at[piece.packets] - sender.ntp[piece.packets], WINDOW_US)
            clock = next((clock for clock in mine if clock.accepts(windows)), None)
            if clock is None:
                clock = _Clock()
                mine.append(clock)
            clock.join(piece, windows)
    return [clock for group in clocks.values() for clock in group]


def _least(at: Ints, delay: Floats, window_us: int) -> dict[int, float]:
    keys = at // window_us
    found, where = np.unique(keys, return_inverse=True)
    least = np.full(len(found), np.inf)
    np.minimum.at(least, where, delay)
    return dict(zip(found.tolist(), least.tolist(), strict=True))


class _Offsets:
    """Sender clock + ``at(arrival)`` = court clock."""

    def __init__(self, windows: dict[int, float]) -> None:
        keys = np.array(sorted(windows), dtype=np.int64)
        values = np.array([windows[int(key)] for key in keys], dtype=np.float64)
        self._epochs = [0, *epoch_starts(values), len(keys)]
        self._centre = (keys * WINDOW_US + WINDOW_US // 2).astype(np.float64)
        self._start = (keys * WINDOW_US).astype(np.float64)
        self._value = np.empty_like(values)
        for begin, end in pairwise(self._epochs):
            for line in range(begin, end):
                near = slice(max(begin, line - AROUND), min(end, line + AROUND + 1))
                self._value[line] = values[near].min()

    def at(self, arrival: Ints) -> Floats:
        out = np.empty(len(arrival), dtype=np.float64)
        which = np.searchsorted(self._start[self._epochs[1:-1]], arrival, side="right")
        for number, (begin, end) in enumerate(pairwise(self._epochs)):
            inside = which == number
            out[inside] = np.interp(arrival[inside], self._centre[begin:end], self._value[begin:end])
        return out


class _Early:
    """By how much the cameras of one clock name their pictures too early, by what arrives with their sound."""

    def __init__(self, members: Sequence[_Piece], runs: Sequence[Run], senders: Sequence[SenderTimes]) -> None:
        soonest: dict[str, dict[int, float]] = {"microphone": {}, "camera": {}}
        for piece in members:
            run = runs[piece.run]
            if (windows := soonest.get(run.track.kind)) is not None:
                at = run.at[piece.packets]
                for key, delay in _least(at, at - senders[piece.run].ntp[piece.packets], NEAR_US).items():
                    windows[key] = min(windows.get(key, delay), delay)
        sound, picture = soonest["microphone"], soonest["camera"]
        keys = sorted(sound.keys() & picture.keys())
        behind = np.array([picture[key] - sound[key] for key in keys], dtype=np.float64)
        lasting = [np.median(behind[max(0, line - LONG) : line + LONG + 1]) for line in range(len(behind))]
        self._centre = np.array(keys, dtype=np.float64) * NEAR_US + NEAR_US // 2
        self._value = np.clip(np.array(lasting, dtype=np.float64) - PREPARED_US, 0, DISAGREE_US)

    def at(self, arrival: Ints) -> Floats:
        if not len(self._centre):
            return np.zeros(len(arrival), dtype=np.float64)
        return np.interp(arrival, self._centre, self._value)


def epoch_starts(least: Floats) -> list[int]:
    """Windows in which the offset changes by more than ``DISAGREE_US`` and stays changed."""
    starts: list[int] = []
    begin = 0
    for line in range(1, len(least)):
        before = least[max(begin, line - LASTING) : line].min()
        after = least[line : line + LASTING]
        here = abs(least[line] - before) > DISAGREE_US
        if here and abs(after.min() - before) > DISAGREE_US:
            starts.append(line)
            begin = line
    return starts
