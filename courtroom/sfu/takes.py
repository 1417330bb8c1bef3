"""What is captured, on its way to the writer: records gathered into batches, kept until they are certainly on disk.

Rules
* A batch per take is cut every ``CUT_US``; batches carry numbers that grow over the whole run of the worker.
* A batch stays until the writer has answered its own number. After a reconnect all that stay are sent again.
* Bounded by ``MAX_BYTES`` and ``MAX_AGE_US``: the oldest goes first, is counted, and the take says so itself in an
  EVENT ``capture_overflow``, with where the hole is (``from_at``, ``to_at``). Nothing here ever waits for the writer.
* Of a take that has ended only the number of its last track is kept; of more than ``MAX_ENDED``, only the highest such
  number, from which every take then goes on: one take never gives a number twice.

Format: courtroom/sfu/capture.py.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections import deque
from dataclasses import dataclass
from typing import Final

from courtroom.sfu import capture
from courtroom.sfu.capture import Batch, Note, RecordType, SenderReport, Track

CUT_US: Final = 100_000
MAX_BYTES: Final = 64 << 20
MAX_AGE_US: Final = 30_000_000
MAX_BATCH_RECORDS: Final = 8 << 20
MAX_ENDED: Final = 256
_RTP_HEAD: Final = struct.Struct(">IBHQ")
_CRC: Final = struct.Struct(">I")


class Take:
    """The open end of one take: records since the last cut, and the numbers of its tracks."""

    def __init__(self, name: str, worker: str, numbered: int = 0) -> None:
        self.name = name
        self._worker = worker
        self.numbered = numbered
        self._records: list[bytes] = []
        self.size = 0
        self._tracks: dict[tuple[str, str, str, int, int], int] = {}

    def track(
        self, label: str, kind: str, layer: str, ssrc: int, codec: str, clock_rate: int, payload_type: int
    ) -> int:
        """The number of this track; its TRACK record is written the first time. −1 when numbers are used up."""
        key = (label, kind, layer, ssrc, payload_type)  # a sender may change its codec under one SSRC
        number = self._tracks.get(key)
        if number is None:
            number = self.numbered + 1
            if number > 0xFFFF:
                return -1
            self._tracks[key] = self.numbered = number
            self._add(capture.encode(Track(number, label, kind, layer, codec, clock_rate, payload_type, self._worker)))
        return number

    def packet(self, track: int, now: int, data: bytes) -> None:
        """``capture.encode(Packet(…))`` without its objects: this runs once per packet (equality is tested)."""
        body = _RTP_HEAD.pack(11 + len(data), RecordType.RTP, track, now) + data
        self._add(body + _CRC.pack(zlib.crc32(body[4:])))

    def report(self, track: int, now: int, ntp: int, rtp: int) -> None:
        self._add(capture.encode(SenderReport(track, now, ntp, rtp)))

    def note(self, now: int, body: dict[str, object]) -> None:
        self._add(capture.encode(Note(now, body)))

    def _add(self, record: bytes) -> None:
        self._records.append(record)
        self.size += len(record)

    def cut(self) -> bytes:
        """All records since the last cut."""
        records, self._records, self.size = self._records, [], 0
        return b"".join(records)


@dataclass(slots=True)
class _Waiting:
    number: int
    take: str
    made_at: int
    data: bytes


class Spool:
    """All takes of a worker and the batches that the writer has not answered."""

    def __init__(self, worker: str) -> None:
        self.worker = worker
        self._takes: dict[str, Take] = {}
        self._ended: dict[str, int] = {}  # take → number of its last track
        self._floor = 0  # the highest of those that were forgotten
        self._waiting: deque[_Waiting] = deque()
        self._unsent = 0  # how many at the right end of _waiting were not handed out on this connection
        self._number = 0
        self._bytes = 0
        self._cut_at = 0
        self.overflowed = 0

    def take(self, name: str) -> Take:
        known = self._takes.get(name)
        if known is None:
            known = self._takes[name] = Take(name, self.worker, self._ended.pop(name, self._floor))
        return known

    def end(self, name: str, now: int) -> None:
        """Nothing is captured into this take any more: its last records go out, its tracks are forgotten."""
        take = self._takes.pop(name, None)
        if take is None:
            return
        self._batch(take, now)
        self._ended[name] = take.numbered
        while len(self._ended) > MAX_ENDED:
            self._floor = max(self._floor, self._ended.pop(next(iter(self._ended))))

    def cut(self, now: int) -> None:
        """Close the batches of this tenth of a second; call at least that often."""
        if now - self._cut_at < CUT_US and all(take.size < MAX_BATCH_RECORDS for take in self._takes.values()):
            return
        self._cut_at = now
        for take in self._takes.values():
            self._batch(take, now)
        lost: dict[str, list[int]] = {}
        while self._waiting and (self._bytes > MAX_BYTES or now - self._waiting[0].made_at > MAX_AGE_US):
            oldest = self._forget_first()
            lost.setdefault(oldest.take, []).append(oldest.made_at)
            self.overflowed += 1
        for name, made in lost.items():
            where: dict[str, object] = {"from_at": made[0] - CUT_US, "to_at": made[-1]}
            self.take(name).note(now, {"kind": "capture_overflow", "batches": len(made), **where})

    def _batch(self, take: Take, now: int) -> None:
        if take.size:
            self._number += 1
            data = capture.encode_batch(Batch(take.name, self.worker, self._number, take.cut()))
            self._waiting.append(_Waiting(self._number, take.name, now, data))
            self._unsent += 1
            self._bytes += len(data)

    def _forget_first(self) -> _Waiting:
        oldest = self._waiting.popleft()
        self._bytes -= len(oldest.data)
        self._unsent = min(self._unsent, len(self._waiting))
        return oldest

    def next(self) -> bytes | None:
        """The next batch to write to the socket, in order; None when all were handed out."""
        if not self._unsent:
            return None
        batch = self._waiting[len(self._waiting) - self._unsent]
        self._unsent -= 1
        return batch.data

    def answered(self, number: int) -> None:
        """The writer has this batch in the file."""
        sent = len(self._waiting) - self._unsent
        for place, batch in enumerate(itertools.islice(self._waiting, sent)):
            if batch.number == number:
                self._bytes -= len(batch.data)
                del self._waiting[place]
                return

    def reconnected(self) -> None:
        """A new connection: what was not answered goes out again."""
        self._unsent = len(self._waiting)

    def lag(self, now: int) -> int:
        """Age of the oldest batch that is not answered, µs."""
        return now - self._waiting[0].made_at if self._waiting else 0
