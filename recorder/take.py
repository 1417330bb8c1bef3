"""One take on disk: segments one after another, each batch in it once, room on the disk set aside beforehand.

What is guaranteed
* ``append`` returns ``True`` or ``False`` only when the batch's records are in the file as far as the kernel is
  concerned (``False``: they already were, the number is known). That is what an acknowledgement means: SIGKILL of
  this process loses nothing acknowledged. Power loss can take what was written after the last ``fdatasync``, at most
  about a second.
* Each batch ends with an EVENT ``{"kind": "batch", "worker", "number"}`` in the same write, so a writer that starts
  again on the same take knows which numbers are in the files. A batch whose write was torn has no such line, is not
  acknowledged, and comes again; readers drop the doubled packets by their RTP sequence numbers.
* A leftover ``.part`` is sealed as it is; nothing is truncated or deleted.
* Every segment begins with the TRACK records that live, so each can be read alone. Two workers that use one track
  number are told apart by renumbering the later one.
* The reserve is a real file of allocated blocks beside the take. It shrinks as the take grows; when the disk is full
  it is given up piece by piece, so the disk is full for everybody else before it is full for the court.

Blocking calls: for a thread of its own, never a loop.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from courtroom.errors import BadPacket
from courtroom.sfu.capture import MAX_RECORD, Batch, Note, RecordType, Track, decode, encode, read
from recorder.names import PART, checked_take, segment_name, segment_number
from recorder.segment import Sealed, SegmentFile, describe, seal_leftover

SEGMENT_US: Final = 60_000_000
QUIET_CHAIN_US: Final = 1_000_000  # a CHAIN at least this often, so that silence is told from a dead writer
RESERVE_STEP: Final = 16 << 20
MAX_TRACKS: Final = 4096
FORGET_US: Final = 180_000_000  # tracks of a worker that is gone are repeated this long, it may come back

_HEAD: Final = struct.Struct(">IB")
_NUMBER: Final = struct.Struct(">H")
_CRC: Final = struct.Struct(">I")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_FROM_WORKERS: Final = frozenset({RecordType.TRACK, RecordType.RTP, RecordType.SR, RecordType.EVENT})


@dataclass(slots=True)
class _Worker:
    """One worker run as this take knows it: its newest batch, its live tracks by its own numbers, renumbering."""

    last: int = -1
    joined: bool = False
    lost_at: int = 0
    tracks: dict[int, Track] = field(default_factory=dict)
    renumbered: dict[int, int] = field(default_factory=dict)


def survey(records: bytes) -> list[tuple[int, int, int]]:
    """``(offset, end, type)`` of each record of a batch; ``BadPacket`` unless all are whole, right and of a worker's
    kind."""
    found: list[tuple[int, int, int]] = []
    offset, size = 0, len(records)
    view = memoryview(records)
    while offset < size:
        if size - offset < _HEAD.size:
            raise BadPacket("capture_batch")
        length, kind = _HEAD.unpack_from(records, offset)
        end = offset + length + 8
        if not 3 <= length <= MAX_RECORD or end > size or kind not in _FROM_WORKERS:
            raise BadPacket("capture_batch")
        if zlib.crc32(view[offset + 4 : end - 4]) != _CRC.unpack_from(records, end - 4)[0]:
            raise BadPacket("capture_batch")
        found.append((offset, end, kind))
        offset = end
    return found


class Take:
    """A take that is open. ``clock`` gives µs of the court clock."""

    def __init__(self, root: Path, take: str, clock: Callable[[], int], segment_us: int = SEGMENT_US) -> None:
        self.name = checked_take(take)
        self.directory = root / self.name
        self.reserve_broken = False
        self._reserve_path = root / f"{self.name}.reserve"
        self._reserve_size = 0
        self._reserve_ordered = 0
        self._clock = clock
        self._segment_us = segment_us
        self._workers: dict[str, _Worker] = {}
        self._segment: SegmentFile | None = None
        self._finished_bytes = 0
        self._next = 1
        self._abandoned: list[int] = []

    # --- opening ---

    def open(self, reserve_bytes: int) -> bool:
        """Set the reserve aside and open the next segment; ``True`` when the take existed. ``OSError`` if there is no
        room.

        A take that already holds segments is opened even when the reserve cannot be had (``reserve_broken``): to go on
        recording matters more.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        numbers = self._numbers()
        try:
            self._set_aside(reserve_bytes)
        except OSError:
            if not numbers:
                raise
            self.reserve_broken = True
        if numbers:
            self._recover(max(numbers))
        self._next = max(numbers, default=0) + 1
        self._start_segment()
        return bool(numbers)

    def _numbers(self) -> dict[int, bool]:
        """Segment numbers on disk; ``True`` for a leftover ``.part``."""
        found: dict[int, bool] = {}
        for entry in os.scandir(self.directory):
            number = segment_number(entry.name)
            if number is not None and entry.is_file(follow_symlinks=False):
                found[number] = entry.name.endswith(PART)
        return found

    def leftovers(self, before: int) -> list[Sealed]:
        """Seal what earlier processes left unfinished and describe every segment numbered under ``before``.

        All are told again, because a writer that dies between the seal and the message has told nobody.
        """
        return [
            seal_leftover(self.directory, number) if part else describe(self.directory, number)
            for number, part in sorted(self._numbers().items())
            if number < before
        ]

    @property
    def number(self) -> int:
        return self._segment.number if self._segment else 0

    def _recover(self, newest: int) -> None:
        """Batch numbers and live tracks as the newest file tells them (each segment repeats its live tracks)."""
        base = self.directory / segment_name(newest)
        path = base if base.exists() else base.with_name(base.name + PART)
        for _, record in read(path.read_bytes()):
            match record:
                case Track():
                    self._worker(record.worker).tracks[record.track] = record
                case Note(_, {"kind": "batch", "worker": str(worker), "number": int(number)}):
                    run = self._worker(worker)
                    run.last = max(run.last, number)
                case Note(_, {"kind": "renumbered", "worker": str(worker), "from": int(old), "to": int(new)}):
                    run = self._worker(worker)
                    run.renumbered[old] = new
                case _:
                    pass
        for run in self._workers.values():
            back = {new: old for old, new in run.renumbered.items()}
            run.tracks = {back.get(number, number): track for number, track in run.tracks.items()}

    def _worker(self, name: str) -> _Worker:
        return self._workers.setdefault(name, _Worker())

    # --- writing ---

    def append(self, batch: Batch) -> bool:
        """Write a batch, or know it: see the guarantee above. ``BadPacket`` for what may not stand in a capture."""
        file = self._file()
        self.settle()
        run = self._worker(batch.worker)
        if batch.number <= run.last:
            return False
        spans = survey(batch.records)
        before = self._announce(run, batch, spans)
        data = before + (self._renumber(run, batch.records, spans) if run.renumbered else batch.records)
        now = self._clock()
        data += encode(Note(now, {"kind": "batch", "worker": batch.worker, "number": batch.number}))
        try:
            self._write(data, now)
        except OSError:
            if file.owed:  # the rest is settled before anything else happens, so the batch will be in the file
                run.last = batch.number
            raise
        run.last = batch.number
        return True

    def _announce(self, run: _Worker, batch: Batch, spans: list[tuple[int, int, int]]) -> bytes:
        """Learn the batch's TRACK records; the notes that have to stand before them."""
        notes = b""
        if not run.joined:
            run.joined, run.lost_at = True, 0
            notes += encode(Note(self._clock(), {"kind": "worker_joined", "worker": batch.worker}))
        for offset, end, kind in spans:
            if kind != RecordType.TRACK:
                continue
            record = decode(kind, batch.records[offset + 5 : end - 4])
            if not isinstance(record, Track) or len(run.tracks) >= MAX_TRACKS:
                raise BadPacket("capture_batch")
            if record.track not in run.tracks:
                taken = self._taken(but=run)
                if record.track in taken:
                    new = next(number for number in range(65535, -1, -1) if number not in taken)
                    run.renumbered[record.track] = new
                    note = {"kind": "renumbered", "worker": batch.worker, "from": record.track, "to": new}
                    notes += encode(Note(self._clock(), note))
            run.tracks[record.track] = replace(record, track=run.renumbered.get(record.track, record.track))
        return notes

    def _taken(self, but: _Worker) -> set[int]:
        others = (run for run in self._workers.values() if run is not but and not run.lost_at)
        mine = {track.track for track in but.tracks.values()}
        return mine.union(*({track.track for track in run.tracks.values()} for run in others))

    def _renumber(self, run: _Worker, records: bytes, spans: list[tuple[int, int, int]]) -> bytes:
        out = bytearray()
        for offset, end, kind in spans:
            record = bytearray(records[offset:end])
            if kind != RecordType.EVENT:
                (number,) = _NUMBER.unpack_from(record, 5)
                _NUMBER.pack_into(record, 5, run.renumbered.get(number, number))
                _CRC.pack_into(record, len(record) - 4, zlib.crc32(memoryview(record)[4:-4]))
            out += record
        return bytes(out)

    def note(self, at: int, body: dict[str, object]) -> None:
        """An EVENT record of the court's own."""
        self._write(encode(Note(at, body)), at)

    def lost(self, worker: str) -> None:
        """The worker's connection is gone; its tracks stop being repeated at the next segment."""
        run = self._workers.get(worker)
        if run and run.joined:
            run.joined, run.lost_at = False, self._clock()
            self.note(run.lost_at, {"kind": "worker_lost", "worker": worker})

    def _file(self) -> SegmentFile:
        """The segment being written; a new one if the last had to be given up and none could be opened then."""
        if self._segment is None:
            self._start_segment()
        assert self._segment is not None
        return self._segment

    def _write(self, data: bytes, at: int) -> None:
        file = self._file()
        try:
            file.append(data, at)
        except OSError as error:
            if error.errno in _FULL:
                self.settle()
            else:
                self._give_up(file)
                self._file().append(data, at)

    def settle(self) -> None:
        """Finish a write that the disk refused, breaking into the reserve; ``OSError`` while there is still no room."""
        file = self._file()
        while True:
            try:
                file.settle()
                return
            except OSError as error:
                if error.errno not in _FULL or not self._break_reserve():
                    raise

    def _give_up(self, broken: SegmentFile) -> None:
        """The file itself fails: it stays the torn ``.part`` it is, and the same records go into the next segment."""
        self._segment = None
        self._abandoned.append(broken.number)
        self._finished_bytes += broken.size
        broken.abandon()

    def gave_up(self) -> list[int]:
        """Numbers of the segments that had to be abandoned since the last call."""
        abandoned, self._abandoned = self._abandoned, []
        return abandoned

    # --- segments ---

    def _start_segment(self) -> None:
        now = self._clock()
        file = SegmentFile(self.directory, self.name, self._next, now)
        self._segment, self._next = file, self._next + 1
        live = [track for run in self._workers.values() for track in run.tracks.values()]
        head = b"".join(encode(track) for track in live)
        for name, run in self._workers.items():
            if run.last >= 0:
                head += encode(Note(now, {"kind": "batch", "worker": name, "number": run.last}))
            for old, new in run.renumbered.items():
                head += encode(Note(now, {"kind": "renumbered", "worker": name, "from": old, "to": new}))
        if head:
            file.append(head, now)

    def tick(self) -> SegmentFile | None:
        """Every 100 ms: flush what came; a segment that is a minute old is finished and returned for ``seal``."""
        file, now = self._file(), self._clock()
        self.settle()
        if now - file.opened_at >= self._segment_us:
            return self._rotate(file, now)
        if file.dirty or now - file.last_at >= QUIET_CHAIN_US:
            try:
                file.chain(now)
            except OSError as error:
                if error.errno not in _FULL:
                    self._give_up(file)
                    raise
                self.settle()
        return None

    def _rotate(self, done: SegmentFile, now: int) -> SegmentFile:
        self._finish(done, now)
        self._finished_bytes += done.size
        self._segment = None
        self._workers = {
            name: run for name, run in self._workers.items() if not run.lost_at or now - run.lost_at < FORGET_US
        }
        self._start_segment()
        return done

    def _finish(self, done: SegmentFile, now: int) -> None:
        while True:
            try:
                done.finish(now)
                return
            except OSError as error:
                if error.errno not in _FULL or not self._break_reserve():
                    raise

    def close(self) -> SegmentFile:
        """The last segment, finished and to be sealed; the reserve is given back. ``OSError``: call again."""
        done = self._file()
        self._finish(done, self._clock())
        self._segment = None
        self._reserve_path.unlink(missing_ok=True)
        return done

    @property
    def current(self) -> SegmentFile | None:
        return self._segment

    @property
    def finished_bytes(self) -> int:
        return self._finished_bytes

    # --- the reserve ---

    def _set_aside(self, reserve_bytes: int) -> None:
        self._reserve_ordered = reserve_bytes
        self._reserve_path.unlink(missing_ok=True)
        if reserve_bytes <= 0:
            return
        stat = os.statvfs(self._reserve_path.parent)
        if stat.f_bavail * stat.f_frsize < reserve_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fd = os.open(self._reserve_path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(fd, 0, reserve_bytes)
            self._reserve_size = reserve_bytes
        except OSError:
            self._reserve_path.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)

    def shrink_reserve(self) -> None:
        """What the take has used of its reserve is no longer set aside; the last step is kept for a full disk."""
        used = self._finished_bytes + (self._segment.size if self._segment else 0)
        wanted = max(self._reserve_ordered - used, min(self._reserve_ordered, RESERVE_STEP))
        if not self.reserve_broken and self._reserve_size - wanted >= RESERVE_STEP:
            self._cut_reserve(wanted)

    def _break_reserve(self) -> bool:
        if self._reserve_size <= 0:
            return False
        self.reserve_broken = True
        self._cut_reserve(max(0, self._reserve_size - RESERVE_STEP))
        return True

    def _cut_reserve(self, size: int) -> None:
        os.truncate(self._reserve_path, size)
        self._reserve_size = size

    def free_bytes(self) -> int:
        """Room for this take: free blocks of the file system and what is still set aside."""
        stat = os.statvfs(self.directory)
        return stat.f_bavail * stat.f_frsize + self._reserve_size
