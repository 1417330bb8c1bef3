"""One reading of a file of an archive: its digests, and of a capture segment everything the verifier asks of it.

Rules
* A segment's bytes are read once: SHA-256, the inner chain and every record's CRC in the same pass. Records are walked
  one by one, what they hold is read in columns (numpy); four million packets of an hour leave no time for more.
* A segment in which anything at all is odd is given to ``segment_faults``, which goes record by record and names what.
* As in ``index``, records count up to the first tear.
* ``thinned`` gives the same packet times as ``index.read_capture``: one valid packet each 100 ms.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from courtroom.errors import BadPacket
from courtroom.sfu.capture import (
    MAGIC,
    MAX_RECORD,
    Chain,
    End,
    Header,
    Note,
    RecordType,
    SenderReport,
    Tear,
    Track,
    decode,
    read,
)
from recorder.bagcheck import open_inside
from recorder.columns import Ints
from recorder.depacketize import flags, rtp_header
from recorder.index import MAX_AT
from recorder.names import segment_number
from recorder.payloads import MAX_SEGMENT_BYTES
from recorder.runs import Capture, SegmentInfo
from recorder.segmentcheck import Fault, segment_faults

BEAT_US: Final = 100_000
_BLOCK: Final = 1 << 20
_WINDOW: Final = 4096
_U32: Final = struct.Struct(">I")
_RTP_HEAD: Final = 15  # length, type, track, arrival
_RTP_LEAST: Final = 11  # type, track, arrival
_QUIET: Final = frozenset({"batch", "renumbered"})  # the writer's own bookkeeping, ten times a second

Bytes = npt.NDArray[np.uint8]
Data = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Scan:
    """A file as it lies there. The columns are of its RTP records, in the order of the file; ``tracks``: TRACK records
    with the number of RTP records before each; ``tear`` as in ``index.SegmentInfo``. ``sm3`` '' when not computed."""

    name: str
    size: int
    sha256: str
    sm3: str
    faults: tuple[Fault, ...] = ()
    tear: str = ""
    first_at: int = 0
    last_at: int = 0
    at: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    number: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    offset: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    tracks: tuple[tuple[int, Track], ...] = ()
    beats: tuple[int, ...] = ()
    notes: tuple[Note, ...] = ()


def scan(root: Path, name: str, take: str, sm3: bool) -> Scan:
    """Read ``name`` (below ``root``, links refused); ``take`` is what a segment's header must say, '' if unknown."""
    with os.fdopen(open_inside(root, name), "rb") as file:
        short = name.rsplit("/", 1)[-1]
        size = os.fstat(file.fileno()).st_size
        if segment_number(short) is None or size > MAX_SEGMENT_BYTES:
            return _plain(name, iter(lambda: file.read(_BLOCK), b""), sm3)
        return segment(name, _whole(file, size), take, sm3)


_ROOM: Final[list[bytearray]] = [bytearray()]


def _whole(file: BinaryIO, size: int) -> memoryview:
    """The file in a room that is used again for the next one: fresh memory costs as much as hashing it."""
    if len(_ROOM[0]) < size:
        _ROOM[0] = bytearray(size)
    view, filled = memoryview(_ROOM[0])[:size], 0
    while filled < size and (count := file.readinto(view[filled:])):  # type: ignore[attr-defined]
        filled += count
    return view[:filled]


def _plain(name: str, blocks: Iterable[bytes], sm3: bool) -> Scan:
    sha, other, size = hashlib.sha256(), hashlib.new("sm3"), 0
    for block in blocks:
        sha.update(block)
        if sm3:
            other.update(block)
        size += len(block)
    return Scan(name, size, sha.hexdigest(), other.hexdigest() if sm3 else "")


def segment(name: str, data: Data, take: str, sm3: bool) -> Scan:
    """A segment's bytes; ``name`` ends with its file name."""
    short = name.rsplit("/", 1)[-1]
    offsets, whole = _walk(data)
    columns = _columns(data, offsets)
    sha, chained = _digest(data, columns)
    second = hashlib.new("sm3", data).hexdigest() if sm3 else ""
    if whole and chained and columns is not None and _well_formed(columns, segment_number(short), take):
        return Scan(name, len(data), sha, second, (), *_content(columns))
    faults = tuple(segment_faults(short, bytes(data), take))
    columns, tear = _until_tear(data)
    return Scan(name, len(data), sha, second, faults, tear, *_content(columns)[1:])


def _walk(data: Data) -> tuple[list[int], bool]:
    """Where each record begins, and whether framing and CRCs hold to the last byte."""
    offsets: list[int] = []
    if data[: len(MAGIC)] != MAGIC:
        return offsets, False
    add, word, crc, view, size = offsets.append, _U32.unpack_from, zlib.crc32, memoryview(data), len(data)
    offset = len(MAGIC)
    while offset + 9 <= size:
        end = offset + word(data, offset)[0] + 8
        if end > size or not offset + 9 <= end <= offset + 8 + MAX_RECORD:
            return offsets, False
        if crc(view[offset + 4 : end - 4]) != word(data, end - 4)[0]:
            return offsets, False
        add(offset)
        offset = end
    return offsets, offset == size


@dataclass(frozen=True, slots=True)
class _Columns:
    """RTP records in columns, all others decoded: ``(RTP records before it, offset, record)``."""

    at: Ints
    number: Ints
    offset: Ints
    others: list[tuple[int, int, Any]]


def _columns(data: Data, offsets: Sequence[int]) -> _Columns | None:
    """``None`` when a record with a right CRC is none of ours."""
    where = np.array(offsets, dtype=np.int64)
    if not len(where):
        return None
    raw = np.frombuffer(data, np.uint8)
    is_rtp = raw[where + 4] == RecordType.RTP
    rtp = where[is_rtp]
    if len(rtp) and int(_number(raw, rtp, 4).min()) < _RTP_LEAST:
        return None
    before = np.cumsum(is_rtp)
    others = []
    try:
        for position in np.flatnonzero(~is_rtp).tolist():
            offset = offsets[position]
            end = offset + _U32.unpack_from(data, offset)[0] + 4
            others.append((int(before[position]), offset, decode(data[offset + 4], bytes(data[offset + 5 : end]))))
    except BadPacket:
        return None
    return _Columns(_number(raw, rtp + 7, 8), _number(raw, rtp + 5, 2), rtp, others)


def _number(raw: Bytes, where: Ints, size: int) -> Ints:
    """Big-endian numbers of ``size`` bytes at each place; a time beyond 2^63 shows as negative."""
    out = np.zeros(len(where), dtype=np.int64)
    for byte in range(size):
        out = (out << 8) | raw[where + byte]
    return out


def moments(data: bytes) -> tuple[Ints, Ints]:
    """``(offset, second)`` of each record up to the first tear; seconds never go back, −1 before the first is known."""
    offsets, _ = _walk(data)
    columns = _columns(data, offsets)
    if columns is None:
        columns, _ = _until_tear(data)
    if columns is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    at = np.array([_time(record) for _, _, record in columns.others], dtype=np.int64)
    where = np.concatenate((columns.offset, np.array([offset for _, offset, _ in columns.others], dtype=np.int64)))
    times = np.concatenate((np.where(columns.at <= MAX_AT, columns.at, 0), at))
    order = np.argsort(where)
    seconds = np.where(times[order] > 0, times[order] // 1_000_000, -1)
    return where[order], np.maximum.accumulate(seconds)


def _time(record: Any) -> int:
    at = record.opened_at if isinstance(record, Header) else getattr(record, "at", 0)
    return at if 0 < at <= MAX_AT else 0


def _digest(data: Data, columns: _Columns | None) -> tuple[str, bool]:
    """SHA-256 of all, and whether each CHAIN record says the same of what stands before it."""
    digest, view, done, good = hashlib.sha256(), memoryview(data), 0, True
    for _, offset, record in columns.others if columns is not None else ():
        if isinstance(record, Chain):
            digest.update(view[done:offset])
            done = offset
            good = good and digest.digest() == record.digest
    digest.update(view[done:])
    return digest.hexdigest(), good


def _well_formed(columns: _Columns, number: int | None, take: str) -> bool:
    headers = [record for _, _, record in columns.others if isinstance(record, Header)]
    first = columns.others[0][2] if columns.others else None
    begins = isinstance(first, Header) and columns.others[0][1] == len(MAGIC) and len(headers) == 1
    if not begins or headers[0].segment != number or (take and headers[0].take != take):
        return False
    return any(isinstance(record, End) for _, _, record in columns.others)


def _until_tear(data: Data) -> tuple[_Columns | None, str]:
    """The slow way for a damaged segment: what stands before the first tear, and the tear."""
    offsets, tear, ended = [], "", False
    for offset, record in read(data):
        if isinstance(record, Tear):
            tear = record.reason
        else:
            offsets.append(offset)
            ended = ended or isinstance(record, End)
    return _columns(data, offsets), tear or ("" if ended else "end")


def _content(
    columns: _Columns | None,
) -> tuple[str, int, int, Ints, Ints, Ints, tuple[tuple[int, Track], ...], tuple[int, ...], tuple[Note, ...]]:
    """The rest of a ``Scan`` from ``tear`` on."""
    if columns is None:
        none = np.zeros(0, np.int64)
        return "", 0, 0, none, none, none, (), (), ()
    first = last = 0
    beats, notes, tracks = [], [], []
    for before, _, record in columns.others:
        at = 0
        match record:
            case Header(opened_at=at):
                first = at
            case Chain(at=at):
                beats.append(at)
            case Note(at=at):
                if record.body.get("kind") not in _QUIET:
                    notes.append(record)
            case SenderReport(at=at) | End(at=at):
                pass
            case Track():
                tracks.append((before, record))
        if 0 < at <= MAX_AT:
            first, last = first or at, max(last, at)
    known = columns.at[(columns.at > 0) & (columns.at <= MAX_AT)]
    if len(known):
        first, last = first or int(known[0]), max(last, int(known.max()))
    return "", first, last, columns.at, columns.number, columns.offset, tuple(tracks), tuple(beats), tuple(notes)


# --- all segments together ----------------------------------------------------------------------------------------


def capture_of(root: Path, scans: Sequence[Scan]) -> Capture:
    """What ``timeline.recording_of`` needs of a capture, without its packets; ``scans`` in the order of numbers."""
    beats: list[int] = []
    for one in scans:
        for at in one.beats:
            if at <= MAX_AT and (not beats or at - beats[-1] >= BEAT_US):
                beats.append(at)
    notes = sorted((note for one in scans for note in one.notes), key=lambda note: note.at)
    return Capture(
        tuple(_info(root, one) for one in scans), (), tuple(notes), np.sort(np.array(beats, dtype=np.int64)),
        np.sort(np.array(thinned(root, scans), dtype=np.int64)), 0,
    )  # fmt: skip


def recorded(scans: Iterable[Scan], labels: frozenset[str]) -> dict[str, Ints]:
    """Arrival of every packet that was recorded under these labels, as it stands in the files."""
    found: dict[str, list[Ints]] = {label: [] for label in labels}
    live: dict[int, str] = {}
    for one in scans if labels else ():
        edges = sorted({0, len(one.at), *(before for before, _ in one.tracks)})
        for start, end in pairwise(edges):
            live.update({track.track: track.label for before, track in one.tracks if before == start})
            for number, label in live.items():
                if label in labels:
                    part = one.at[start:end]
                    found[label].append(part[one.number[start:end] == number])
        live.update({track.track: track.label for before, track in one.tracks if before == len(one.at)})
    return {label: np.concatenate(parts) if parts else np.zeros(0, np.int64) for label, parts in found.items()}


def _info(root: Path, one: Scan) -> SegmentInfo:
    number = segment_number(one.name.rsplit("/", 1)[-1]) or 0
    return SegmentInfo(root / one.name, number, one.size, one.first_at, one.last_at, one.tear)


def thinned(root: Path, scans: Iterable[Scan]) -> list[int]:
    """Arrival of a valid packet each ``BEAT_US``; only those that would count are opened and looked into."""
    beats: list[int] = []
    live: dict[int, Track] = {}
    for one in scans:
        with os.fdopen(open_inside(root, one.name), "rb") as file:
            waiting = iter(one.tracks)
            upcoming = next(waiting, None)
            for position in _candidates(one.at, beats):
                while upcoming is not None and upcoming[0] <= position:
                    live[upcoming[1].track] = upcoming[1]
                    upcoming = next(waiting, None)
                at, track = int(one.at[position]), live.get(int(one.number[position]))
                if track is not None and 0 <= at <= MAX_AT and _valid(file.fileno(), int(one.offset[position]), track):
                    beats.append(at)
            live.update({track.track: track for _, track in one.tracks})
    return beats


def _candidates(at: Ints, beats: list[int]) -> Iterator[int]:
    """Positions far enough from the last beat; the caller appends to ``beats`` what proved valid."""
    start = 0
    while start < len(at):
        if beats:
            far = at[start : start + _WINDOW] - beats[-1] >= BEAT_US
            step = int(far.argmax())
            if not far[step]:
                start += len(far)
                continue
            start += step
        yield start
        start += 1


def _valid(fd: int, offset: int, track: Track) -> bool:
    """Whether ``index`` would take the packet for media."""
    head = os.pread(fd, _RTP_HEAD, offset)
    (length,) = _U32.unpack_from(head)
    data = os.pread(fd, length - _RTP_LEAST, offset + _RTP_HEAD)
    try:
        _, _, _, _, start, end = rtp_header(data)
        if start == end:
            return False
        flags(track.codec, data[start:end])
    except BadPacket:
        return False
    return True


# --- many files ---------------------------------------------------------------------------------------------------

PARALLEL_BYTES: Final = 64 << 20
"""Below this a second process costs more than it brings."""
MAX_PROCESSES: Final = 16


def scan_all(root: Path, sizes: dict[str, int], take: str, sm3: bool) -> dict[str, Scan]:
    """``scan`` of every name; large archives on every core. A file that cannot be read is left out."""
    cores = os.cpu_count() or 1
    if cores == 1 or sum(sizes.values()) < PARALLEL_BYTES:
        tried = (_tried(root, name, take, sm3) for name in sizes)
        return {one.name: one for one in tried if one is not None}
    names = sorted(sizes, key=lambda name: -sizes[name])
    with ProcessPoolExecutor(min(cores, MAX_PROCESSES, len(names))) as pool:
        waiting = [pool.submit(_tried, root, name, take, sm3) for name in names]
        done = [future.result() for future in waiting]
    return {one.name: one for one in done if one is not None}


def _tried(root: Path, name: str, take: str, sm3: bool) -> Scan | None:
    try:
        return scan(root, name, take, sm3)
    except OSError:
        return None
