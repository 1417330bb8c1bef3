"""What is in a capture folder: every packet's place and clock, by track, without holding a single payload in memory.

Rules
* Segments are read in the order of their numbers, each up to its first tear; a tear is noted, never an exception.
* A ``Run`` is one SSRC of one TRACK: what comes after a reconnect, a new worker or a new SSRC is another run.
* Inside a run packets stand by unwrapped sequence number (RFC 3550 A.1), doubled ones once, the first arrival counting.
* A packet that is not RTP is left out and counted.

Pure apart from reading the files; the files are opened read-only and never followed through links.
"""

from __future__ import annotations

import mmap
import os
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from courtroom.errors import BadMessage, BadPacket
from courtroom.sfu.capture import Chain, End, Header, Note, Packet, SenderReport, Tear, Track, read
from recorder.depacketize import flags, rtp_header
from recorder.names import PART, segment_number

Ints = npt.NDArray[np.int64]

MAX_SEGMENT_BYTES: Final = 1 << 30  # a minute of a hundred seats at 100 Mbit/s together
MAX_AT: Final = 1 << 53  # µs; no court lasts that long
_OPEN_MAPS: Final = 64
_RTP_AT: Final = 15  # record head (5), track (2), arrival (8)


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """One file. ``first_at``/``last_at`` are of its records; ``alive`` are stretches with records no further than
    ``index.SILENT_US`` apart; ``tear`` is '' for a file that ends in order."""

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


@dataclass(slots=True)
class _Growing:
    track: Track
    ssrc: int
    seq: array[int] = field(default_factory=lambda: array("q"))
    rtp: array[int] = field(default_factory=lambda: array("q"))
    at: array[int] = field(default_factory=lambda: array("q"))
    marks: bytearray = field(default_factory=bytearray)
    flags: bytearray = field(default_factory=bytearray)
    file: array[int] = field(default_factory=lambda: array("q"))
    offset: array[int] = field(default_factory=lambda: array("q"))
    size: array[int] = field(default_factory=lambda: array("q"))
    reports: list[tuple[int, int, int]] = field(default_factory=list)


class _Reading:
    """State while the records of all segments go by."""

    def __init__(self) -> None:
        self.tracks: dict[int, Track] = {}
        self.current: dict[int, _Growing] = {}
        self.done: list[_Growing] = []
        self.waiting: dict[int, list[tuple[int, int, int]]] = {}
        self.notes: list[Note] = []
        self.beats = array("q")
        self.packets = array("q")
        self.unreadable = 0

    def track(self, track: Track) -> None:
        if self.tracks.get(track.track) != track:
            self.tracks[track.track] = track
            self.current.pop(track.track, None)
            self.waiting.pop(track.track, None)

    def packet(self, record: Packet, file: int, offset: int) -> None:
        track = self.tracks.get(record.track)
        if track is None or record.at > MAX_AT:
            self.unreadable += 1
            return
        try:
            marker, seq, timestamp, ssrc, start, end = rtp_header(record.data)
            if start == end:
                return  # padding only: a probe, nothing to see or hear
            found = flags(track.codec, record.data[start:end])
        except BadPacket:
            self.unreadable += 1
            return
        run = self.current.get(record.track)
        if run is None or run.ssrc != ssrc:
            run = self.current[record.track] = _Growing(track, ssrc)
            run.reports = self.waiting.pop(record.track, [])
            self.done.append(run)
        run.seq.append(seq)
        run.rtp.append(timestamp)
        run.at.append(record.at)
        run.marks.append(marker)
        run.flags.append(found)
        run.file.append(file)
        run.offset.append(offset + _RTP_AT + start)
        run.size.append(end - start)
        _beat(self.packets, record.at)

    def report(self, record: SenderReport) -> None:
        if record.at > MAX_AT:
            return
        ntp_us = (record.ntp >> 32) * 1_000_000 + ((record.ntp & 0xFFFFFFFF) * 1_000_000 >> 32)
        row = (record.at, ntp_us, record.rtp)
        run = self.current.get(record.track)
        (self.waiting.setdefault(record.track, []) if run is None else run.reports).append(row)


def _beat(into: array[int], at: int) -> None:
    if at <= MAX_AT and (not into or at - into[-1] >= 100_000):
        into.append(at)


def segment_paths(directory: Path) -> list[tuple[int, Path]]:
    """Segments of a folder by number, finished ones and a leftover ``.part``; links and other files are passed over."""
    found = [
        (number, Path(entry.path))
        for entry in os.scandir(directory)
        if (number := segment_number(entry.name)) is not None and entry.is_file(follow_symlinks=False)
    ]
    return sorted(found, key=lambda item: (item[0], item[1].name.endswith(PART)))


def read_capture(directory: Path) -> Capture:
    """Read a whole folder; ``BadMessage("capture_empty")`` when there is nothing to read."""
    reading, segments = _Reading(), []
    for file, (number, path) in enumerate(segment_paths(directory)):
        segments.append(_read_segment(reading, file, number, path))
    if not segments:
        raise BadMessage("capture_empty")
    runs = tuple(run for growing in reading.done if (run := _settle(growing)) is not None)
    return Capture(
        tuple(segments), runs, tuple(sorted(reading.notes, key=lambda note: note.at)),
        _sorted(reading.beats), _sorted(reading.packets), reading.unreadable,
    )  # fmt: skip


def _sorted(values: array[int]) -> Ints:
    return np.sort(np.array(values, dtype=np.int64))


def _read_segment(reading: _Reading, file: int, number: int, path: Path) -> SegmentInfo:
    first = last = 0
    tear, ended = "", False
    with Payloads([path]) as payloads:
        data = payloads.whole(0)
        for offset, record in read(data):
            at = 0
            match record:
                case Packet():
                    reading.packet(record, file, offset)
                    at = record.at
                case SenderReport():
                    reading.report(record)
                    at = record.at
                case Track():
                    reading.track(record)
                case Note():
                    reading.notes.append(record)
                    at = record.at
                case Chain(at=at):
                    _beat(reading.beats, at)
                case Header(opened_at=at):
                    first = at
                case End(at=at):
                    ended = True
                case Tear(reason=tear):
                    pass
            if 0 < at <= MAX_AT:
                first, last = first or at, max(last, at)
        size = len(data)
        del data
    return SegmentInfo(path, number, size, first, last, tear or ("" if ended else "end"))


def _unwrap(values: npt.NDArray[np.int64], bits: int) -> Ints:
    """Follow a counter that wraps at ``bits``; each step is taken the shorter way round."""
    half, whole = 1 << (bits - 1), 1 << bits
    steps = np.diff(values)
    steps = (steps + half) % whole - half
    return np.concatenate((values[:1], values[0] + np.cumsum(steps)))


def _settle(growing: _Growing) -> Run | None:
    if not growing.seq:
        return None
    at = np.array(growing.at, dtype=np.int64)
    seq = _unwrap(np.array(growing.seq, dtype=np.int64), 16)
    rtp = _unwrap(np.array(growing.rtp, dtype=np.int64), 32)
    reports = _unwrap_reports(growing.reports, at, rtp)
    seq, order = np.unique(seq, return_index=True)

    def put(values: Any, kind: Any = np.int64) -> Any:
        return np.array(values, dtype=kind)[order]

    return Run(
        growing.track, growing.ssrc, seq, rtp[order], at[order], put(list(growing.marks), np.bool_),
        put(list(growing.flags), np.uint8), put(growing.file), put(growing.offset), put(growing.size), reports,
    )  # fmt: skip


def _unwrap_reports(rows: list[tuple[int, int, int]], at: Ints, rtp: Ints) -> Ints:
    """RTP time stamps of sender reports on the unwrapped scale of the packets that arrived around them."""
    out = np.zeros((len(rows), 3), dtype=np.int64)
    for line, (when, ntp, stamp) in enumerate(rows):
        near = int(rtp[min(int(np.searchsorted(at, when)), len(at) - 1)])
        step = (stamp - near + (1 << 31)) % (1 << 32) - (1 << 31)
        out[line] = when, ntp, near + step
    return out


class Payloads:
    """Payload bytes by (file, offset, size); at most ``_OPEN_MAPS`` files are mapped at a time."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._maps: OrderedDict[int, mmap.mmap | bytes] = OrderedDict()

    def __enter__(self) -> Payloads:
        return self

    def __exit__(self, *_: object) -> None:
        while self._maps:
            self._drop()

    def _drop(self) -> None:
        _, old = self._maps.popitem(last=False)
        if isinstance(old, mmap.mmap):
            old.close()

    def _map(self, file: int) -> mmap.mmap | bytes:
        found = self._maps.get(file)
        if found is None:
            fd = os.open(self._paths[file], os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                size = os.fstat(fd).st_size
                if size > MAX_SEGMENT_BYTES:
                    raise BadMessage("segment_too_large")
                found = mmap.mmap(fd, 0, access=mmap.ACCESS_READ) if size else b""
            finally:
                os.close(fd)
            if len(self._maps) >= _OPEN_MAPS:
                self._drop()
            self._maps[file] = found
        self._maps.move_to_end(file)
        return found

    def whole(self, file: int) -> bytes:
        return self._map(file)[:]

    def read(self, file: int, offset: int, size: int) -> bytes:
        return self._map(file)[offset : offset + size]


def frames(run: Run) -> Iterator[tuple[int, int]]:
    """``(first, last)`` packet positions of each whole video frame, in order (see ``whole_frames``)."""
    first, last = whole_frames(run)
    yield from zip(first.tolist(), last.tolist(), strict=True)


def whole_frames(run: Run) -> tuple[Ints, Ints]:
    """First and last packet of every frame that is whole: one time stamp, no number missing, start and marker there."""
    count = len(run.seq)
    change = np.flatnonzero(np.diff(run.rtp)) + 1
    first = np.concatenate(([0], change)).astype(np.int64)
    last = np.concatenate((change, [count])).astype(np.int64) - 1
    gapless = run.seq[last] - run.seq[first] == last - first
    good = gapless & run.marker[last] & ((run.flags[first] & 1) > 0)
    return first[good], last[good]
