"""What is in a capture folder: every packet's place and clock, by track, without holding a single payload in memory.

Rules
* Segments are read in the order of their numbers, each up to its first tear; a tear is noted, never an exception.
* A ``Run`` is one SSRC of one TRACK: what comes after a reconnect, a new worker or a new SSRC is another run; a late
  packet of the SSRC before still belongs to its own.
* Inside a run packets stand by unwrapped sequence number (RFC 3550 A.1), doubled ones once, the first arrival counting.
* A packet that is not RTP is left out and counted.

Pure apart from reading the files; the files are opened read-only and never followed through links.
"""

from __future__ import annotations

import os
import struct
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from courtroom.errors import BadMessage
from courtroom.sfu.capture import (
    MAGIC,
    MAX_RECORD,
    Chain,
    End,
    Header,
    Note,
    Record,
    RecordType,
    SenderReport,
    Tear,
    Track,
    read,
)
from recorder.columns import Bits, Bytes, Heads, Ints, heads
from recorder.names import PART, segment_number
from recorder.payloads import Payloads
from recorder.runs import Capture, Run, SegmentInfo

MAX_AT: Final = 1 << 53  # µs; no court lasts that long
MAX_RUNS: Final = 4096  # that still grow; a sender that changes its SSRC with every packet ends here
_HEAD: Final = struct.Struct(">IB")
_PACKET: Final = struct.Struct(">HQ")
_CRC: Final = struct.Struct(">I")
_LEAST: Final = 11  # type, track, arrival
_RTP_AT: Final = 15  # record head (5), track (2), arrival (8)


@dataclass(slots=True)
class _Growing:
    track: Track
    ssrc: int
    parts: list[dict[str, npt.NDArray[Any]]] = field(default_factory=list)
    reports: list[tuple[int, int, int]] = field(default_factory=list)


class _Reading:
    """State while the records of all segments go by; packets are gathered by place and read in columns at the end of
    their segment, or where a track changes."""

    def __init__(self) -> None:
        self.tracks: dict[int, Track] = {}
        self.runs: dict[tuple[int, int], _Growing] = {}
        self.latest: dict[int, _Growing] = {}
        self.done: list[_Growing] = []
        self.waiting: dict[int, list[tuple[int, int, int]]] = {}
        self.notes: list[Note] = []
        self.beats = array("q")
        self.packets = array("q")
        self.unreadable = 0
        self.gathered: list[tuple[int, int, int, int]] = []  # track, arrival, begin, end
        self.span = (0, 0)  # first and last arrival in the segment so far
        self._reports: list[tuple[int, int, tuple[int, int, int]]] = []

    def track(self, track: Track, data: Bytes, file: int) -> None:
        if self.tracks.get(track.track) != track:
            self.flush(data, file)
            self.tracks[track.track] = track
            for key in [key for key in self.runs if key[0] == track.track]:
                del self.runs[key]
            self.latest.pop(track.track, None)
            self.waiting.pop(track.track, None)

    def report(self, record: SenderReport) -> None:
        if record.at > MAX_AT:
            return
        ntp_us = (record.ntp >> 32) * 1_000_000 + ((record.ntp & 0xFFFFFFFF) * 1_000_000 >> 32)
        self._reports.append((len(self.gathered), record.track, (record.at, ntp_us, record.rtp)))

    def flush(self, data: Bytes, file: int) -> None:
        """Read what was gathered; ``data``: the segment it lies in."""
        places = np.array(self.gathered, dtype=np.uint64).reshape(-1, 4)
        number, begin, end = (places[:, column].astype(np.int64) for column in (0, 2, 3))
        at = np.minimum(places[:, 1], MAX_AT + 1).astype(np.int64)
        known = at[(at > 0) & (at <= MAX_AT)]
        if len(known):
            self.span = self.span[0] or int(known[0]), max(self.span[1], int(known.max()))
        reports, self._reports = self._reports, []
        self.gathered.clear()  # the reader holds on to this very list
        valid = np.zeros(len(at), dtype=np.bool_)
        for one in sorted({*np.unique(number).tolist(), *(track for _, track, _ in reports)}):
            track = self.tracks.get(one)
            mine = np.flatnonzero((number == one) & (at <= MAX_AT)) if track else np.zeros(0, dtype=np.int64)
            if track is not None and len(mine):
                found = heads(data, begin[mine], end[mine], track.codec)
                filled = found.ok & (found.start < found.end)  # padding only: a probe, nothing to see or hear
                self.unreadable += int((~found.ok).sum())
                valid[mine[filled]] = True
                self._grow(track, found, filled, at[mine], file, mine, reports)
            else:
                self._report(one, [row for _, number_, row in reports if number_ == one])
        self.unreadable += int((at > MAX_AT).sum())
        declared = np.isin(number, np.array(list(self.tracks), dtype=np.int64))
        self.unreadable += int((~declared & (at <= MAX_AT)).sum())
        for moment in at[valid].tolist():
            _beat(self.packets, moment)

    def _grow(
        self, track: Track, found: Heads, filled: Bits, at: Ints, file: int, places: Ints,
        reports: Sequence[tuple[int, int, tuple[int, int, int]]],
    ) -> None:  # fmt: skip
        """Packets of one track to their runs, and each report to the run that was sending when it came."""
        where = np.flatnonzero(filled)
        edges = (np.flatnonzero(np.diff(found.ssrc[where])) + 1).tolist()
        rows = [(place, row) for place, number, row in reports if number == track.track]
        for begin, end in pairwise([0, *edges, len(where)] if len(where) else []):
            part = where[begin:end]
            early = [row for place, row in rows if place <= places[part[0]]]
            rows = rows[len(early) :]
            self._report(track.track, early)
            ssrc = int(found.ssrc[part[0]])
            run = self.runs.get((track.track, ssrc))
            if run is None:
                if len(self.runs) >= MAX_RUNS:
                    self.runs.clear()
                run = self.runs[track.track, ssrc] = _Growing(track, ssrc)
                run.reports = self.waiting.pop(track.track, [])
                self.done.append(run)
            self.latest[track.track] = run
            run.parts.append({
                "seq": found.seq[part], "rtp": found.rtp[part], "at": at[part], "marker": found.marker[part],
                "flags": found.flags[part], "file": np.full(len(part), file, dtype=np.int64),
                "offset": found.start[part], "size": found.end[part] - found.start[part],
            })  # fmt: skip
        self._report(track.track, [row for _, row in rows])

    def _report(self, number: int, rows: list[tuple[int, int, int]]) -> None:
        run = self.latest.get(number)
        (self.waiting.setdefault(number, []) if run is None else run.reports).extend(rows)


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
    reading.span = (0, 0)
    with Payloads([path]) as payloads:
        data = payloads.whole(0)
        columns = np.frombuffer(data, dtype=np.uint8)
        for record in _records(data, reading):
            at = 0
            match record:
                case SenderReport():
                    reading.report(record)
                    at = record.at
                case Track():
                    reading.track(record, columns, file)
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
        reading.flush(columns, file)
        if reading.span[1]:
            first, last = first or reading.span[0], max(last, reading.span[1])
        size = len(data)
        del data, columns
    return SegmentInfo(path, number, size, first, last, tear or ("" if ended else "end"))


def _records(data: bytes, reading: _Reading) -> Iterator[Record | Tear]:
    """As ``capture.read``, but packets only leave their place with ``reading``."""
    offset, size, view, plain = len(MAGIC), len(data), memoryview(data), int(RecordType.RTP)
    if data[:offset] != MAGIC:
        yield Tear(0, "magic")
        return
    crc32, crc, place, packet = zlib.crc32, _CRC.unpack_from, _PACKET.unpack_from, reading.gathered.append
    while offset < size:
        length, kind = _HEAD.unpack_from(data, offset) if size - offset >= _HEAD.size else (0, 0)
        end = offset + 4 + length
        if (
            kind == plain
            and _LEAST <= length <= MAX_RECORD
            and end + 4 <= size
            and crc32(view[offset + 4 : end]) == crc(data, end)[0]
        ):
            packet((*place(data, offset + 5), offset + _RTP_AT, end))
            offset = end + 4
            continue
        _, one = next(read(MAGIC + data[offset : offset + 8 + min(length, MAX_RECORD)]))
        if isinstance(one, Tear):
            yield Tear(offset, one.reason)
            return
        yield one
        offset = end + 4


def _unwrap(values: npt.NDArray[np.int64], bits: int) -> Ints:
    """Follow a counter that wraps at ``bits``; each step is taken the shorter way round."""
    half, whole = 1 << (bits - 1), 1 << bits
    steps = np.diff(values)
    steps = (steps + half) % whole - half
    return np.concatenate((values[:1], values[0] + np.cumsum(steps)))


def _settle(growing: _Growing) -> Run | None:
    if not growing.parts:
        return None
    columns = {name: np.concatenate([part[name] for part in growing.parts]) for name in growing.parts[0]}
    seq = _unwrap(columns["seq"], 16)
    rtp = _unwrap(columns["rtp"], 32)
    reports = _unwrap_reports(growing.reports, columns["at"], rtp)
    seq, order = np.unique(seq, return_index=True)
    rest = {name: columns[name][order] for name in ("at", "marker", "flags", "file", "offset", "size")}
    return Run(track=growing.track, ssrc=growing.ssrc, seq=seq, rtp=rtp[order], reports=reports, **rest)


def _unwrap_reports(rows: list[tuple[int, int, int]], at: Ints, rtp: Ints) -> Ints:
    """RTP time stamps of sender reports on the unwrapped scale of the packets that arrived around them."""
    out = np.zeros((len(rows), 3), dtype=np.int64)
    for line, (when, ntp, stamp) in enumerate(rows):
        near = int(rtp[min(int(np.searchsorted(at, when)), len(at) - 1)])
        step = (stamp - near + (1 << 31)) % (1 << 32) - (1 << 31)
        out[line] = when, ntp, near + step
    return out
