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
* A write that is refused is ``pending`` until it stands whole in one file: on a full disk it is finished where it
  began, on an I/O error the file stays the torn ``.part`` it is and the same records go into the next segment.
* A segment whose end was begun takes nothing more; what can be sealed waits in ``finished``.
* Every segment begins with the TRACK records that live, so each can be read alone. Two workers that use one track
  number are told apart by renumbering the later one.
* Room is set aside beforehand (``recorder.reserve``) and broken into before anything is refused.

Blocking calls: for a thread of its own, never a loop.
"""

from __future__ import annotations

import contextlib
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
from recorder.reserve import FULL, Reserve
from recorder.segment import SegmentFile

SEGMENT_US: Final = 60_000_000
QUIET_CHAIN_US: Final = 1_000_000  # a CHAIN at least this often, so that silence is told from a dead writer
MAX_TRACKS: Final = 4096
GIVE_UP_US: Final = 5_000_000
FORGET_US: Final = 180_000_000  # tracks of a worker that is gone are repeated this long, it may come back

_HEAD: Final = struct.Struct(">IB")
_NUMBER: Final = struct.Struct(">H")
_CRC: Final = struct.Struct(">I")
_FROM_WORKERS: Final = frozenset({RecordType.TRACK, RecordType.RTP, RecordType.SR, RecordType.EVENT})


@dataclass(slots=True)
class _Worker:
    """One worker run as this take knows it: its newest batch, its live tracks by its own numbers, renumbering."""

    last: int = -1
    joined: bool = False
    lost_at: int = 0
    tracks: dict[int, Track] = field(default_factory=dict)
    renumbered: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Pending:
    """A write until it stands whole in one file; only then is the batch ``number`` of ``run`` known."""

    data: bytes
    at: int
    run: _Worker | None = None
    number: int = -1
    holder: SegmentFile | None = None  # the file that has begun to write it


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
        self.reserve = Reserve(root / f"{self.name}.reserve")
        self._clock = clock
        self._segment_us = segment_us
        self._workers: dict[str, _Worker] = {}
        self._segment: SegmentFile | None = None
        self._pending: _Pending | None = None
        self._patient_until = 0
        self._renew = self._closing = False
        self._used = 0  # by segments that are over
        self._next = 1
        self._done: list[SegmentFile] = []
        self._abandoned: list[int] = []

    # --- opening ---

    def open(self, reserve_bytes: int) -> bool:
        """Set the reserve aside and open the next segment; ``True`` when the take existed. ``OSError`` if there is no
        room.

        A take that already holds segments is opened even when the reserve cannot be had (``reserve.broken``): to go on
        recording matters more.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        numbers = self._numbers()
        self._used = sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(self.directory))
        try:
            self.reserve.order(reserve_bytes, self._used)
        except OSError:
            if not numbers:
                self.reserve.give_back()
                raise
            self.reserve.broken = True
        if numbers:
            self._recover(max(numbers))
        self._next = max(numbers, default=0) + 1
        self._start_segment()
        if numbers:
            with contextlib.suppress(OSError):  # pending then, like any other write
                self.note(self._clock(), {"kind": "writer_restarted"})
        return bool(numbers)

    def _numbers(self) -> dict[int, bool]:
        """Segment numbers on disk; ``True`` for a leftover ``.part``."""
        found: dict[int, bool] = {}
        for entry in os.scandir(self.directory):
            number = segment_number(entry.name)
            if number is not None and entry.is_file(follow_symlinks=False):
                found[number] = entry.name.endswith(PART)
        return found

    def earlier(self, before: int) -> list[int]:
        """Numbers of the segments on disk before ``before``, sealed or not."""
        return sorted(number for number in self._numbers() if number < before)

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
        self.settle()
        run = self._worker(batch.worker)
        if batch.number <= run.last:
            return False
        spans = survey(batch.records)
        before = self._announce(run, batch, spans)
        data = before + (self._renumber(run, batch.records, spans) if run.renumbered else batch.records)
        now = self._clock()
        data += encode(Note(now, {"kind": "batch", "worker": batch.worker, "number": batch.number}))
        self._write(_Pending(data, now, run, batch.number))
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
        self.settle()
        self._write(_Pending(encode(Note(at, body)), at))

    def lost(self, worker: str) -> None:
        """The worker's connection is gone; its tracks stop being repeated at the next segment."""
        run = self._workers.get(worker)
        if run and run.joined:
            at = self._clock()
            self.note(at, {"kind": "worker_lost", "worker": worker})
            run.joined, run.lost_at = False, at

    def _write(self, pending: _Pending) -> None:
        """Only behind a ``settle`` that returned: what is pending is one write."""
        self._pending = pending
        self.settle()

    def settle(self) -> None:
        """Finish what the disk refused; ``OSError`` while it still does. A file is given up at once, but not one after
        the other on a disk that takes nothing."""
        while True:
            try:
                self._settle()
                return
            except OSError as error:
                if error.errno in FULL:
                    if not self.reserve.give():
                        raise
                elif self._segment is None or self._clock() < self._patient_until:
                    raise
                else:
                    self._give_up(self._segment)

    def _settle(self) -> None:
        file = self._segment
        if file is not None and file.ending:
            file.finish(self._clock())
            self._over(file)
            file = None
        pending = self._pending
        if file is None:
            if self._closing and pending is None:
                return
            file = self._start_segment()
        file.settle()
        if pending is None:
            return
        if pending.holder is not file:
            pending.holder = file
            file.append(pending.data, pending.at)
        if pending.run is not None:
            pending.run.last = pending.number
        self._pending = None

    def _over(self, file: SegmentFile) -> None:
        self._done.append(file)
        self._used += file.size
        self._segment = None

    def _give_up(self, broken: SegmentFile) -> None:
        self._segment = None
        self._abandoned.append(broken.number)
        self._patient_until = self._clock() + GIVE_UP_US
        self._used += broken.size
        broken.abandon()

    def finished(self) -> list[SegmentFile]:
        """Segments that wait for their seal, each once."""
        done, self._done = self._done, []
        return done

    def gave_up(self) -> list[int]:
        """Numbers of the segments that had to be abandoned since the last call."""
        abandoned, self._abandoned = self._abandoned, []
        return abandoned

    # --- segments ---

    def _start_segment(self) -> SegmentFile:
        now = self._clock()
        try:
            file = SegmentFile(self.directory, self.name, self._next, now)
        except FileExistsError:
            self._next += 1  # a file that could be neither written nor removed
            raise
        self._segment, self._next, self._renew = file, self._next + 1, False
        live = [track for run in self._workers.values() for track in run.tracks.values()]
        head = b"".join(encode(track) for track in live)
        for name, run in self._workers.items():
            if run.last >= 0:
                head += encode(Note(now, {"kind": "batch", "worker": name, "number": run.last}))
            for old, new in run.renumbered.items():
                head += encode(Note(now, {"kind": "renumbered", "worker": name, "from": old, "to": new}))
        if head:
            file.append(head, now)
        return file

    def renew(self) -> None:
        """Go over to a new segment at the next tick: the disk has failed to keep this one."""
        self._renew = True

    def tick(self) -> None:
        """Every 100 ms: flush what came; a segment that is a minute old goes to ``finished``."""
        self.settle()
        file, now = self._segment, self._clock()
        if file is None:
            return
        if self._renew or now - file.opened_at >= self._segment_us:
            self._workers = {
                name: run for name, run in self._workers.items() if not run.lost_at or now - run.lost_at < FORGET_US
            }
            self._end(file, now)
            self.settle()
        elif file.dirty or now - file.last_at >= QUIET_CHAIN_US:
            self._insist(lambda: file.chain(now))

    def _end(self, file: SegmentFile, now: int) -> None:
        self._insist(lambda: file.finish(now))
        if self._segment is file:  # not given up on the way
            self._over(file)

    def _insist(self, act: Callable[[], None]) -> None:
        """``act`` on the present file; what it could not write is settled like any other write."""
        try:
            act()
        except OSError:
            self.settle()

    def close(self) -> None:
        """The last segment goes to ``finished``; the reserve is given back. ``OSError``: call again."""
        self._closing = True
        self.settle()
        if self._segment is not None:
            self._end(self._segment, self._clock())
        self.reserve.give_back()

    def resume(self) -> None:
        """Take ``close`` back: what it could not finish is still pending here."""
        self._closing = False

    def unsealed(self) -> list[int]:
        """Numbers of the segments on disk that still have no final name, but for the one being written."""
        return sorted(number for number, part in self._numbers().items() if part and number != self.number)

    @property
    def current(self) -> SegmentFile | None:
        return self._segment

    @property
    def finished_bytes(self) -> int:
        """Bytes of the segments that are over."""
        return self._used

    def look_after_reserve(self) -> int:
        """Once a second: shrink it or make it good again; the room that is left for this take."""
        if not self._closing:
            used = self._used + (self._segment.size if self._segment else 0)
            self.reserve.shrink(used)
            self.reserve.mend(used)
        return self.reserve.room()
