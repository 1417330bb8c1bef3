"""The capture file: an append-only log of what was heard and seen, exactly as it arrived.

A segment file is ``MAGIC`` followed by records. A record is::

    u32 length of (type + payload) | u8 type | payload | u32 CRC-32 over (type + payload)     (all big endian)

Types and payloads (``at`` is always u64 µs of the court clock):

====== ========================================================================================================
HEADER JSON {"take", "segment", "opened_at", "version"}; always first
TRACK  u16 track | JSON {"label", "kind", "layer", "codec", "clock_rate", "payload_type", "worker"}; before any packet
of that track, and again at the head of every segment while the track lives; ``worker`` tells runs apart
RTP    u16 track | u64 arrival | one RTP packet, decrypted, RTX unwrapped, as received (RFC 3550)
SR     u16 track | u64 arrival | u64 NTP timestamp | u32 RTP timestamp (RFC 3550 6.4.1)
EVENT  u64 at | JSON object with a "kind"
CHAIN  u64 at | 32 bytes SHA-256 over every byte of this file before this record; written at each flush (100 ms)
END    u64 at; the last record of a segment that was closed in order
====== ========================================================================================================

Rules: a reader accepts every whole record with a right CRC up to the first tear; a torn tail is a fact to be reported,
never an exception; lengths are bounded (``MAX_RECORD``). Pure: bytes in, records out.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from courtroom.errors import BadPacket

MAGIC: Final = b"COURTCAP\x01\n"
MAX_RECORD: Final = 1 << 20
VERSION: Final = 1

_HEAD: Final = struct.Struct(">IB")
_CRC: Final = struct.Struct(">I")
_TRACK: Final = struct.Struct(">H")
_PACKET: Final = struct.Struct(">HQ")
_REPORT: Final = struct.Struct(">HQQI")
_AT: Final = struct.Struct(">Q")
_CHAIN: Final = struct.Struct(">Q32s")


class RecordType(IntEnum):
    HEADER = 1
    TRACK = 2
    RTP = 3
    SR = 4
    EVENT = 5
    CHAIN = 6
    END = 7


@dataclass(frozen=True, slots=True)
class Header:
    take: str
    segment: int
    opened_at: int
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Track:
    track: int
    label: str
    kind: str
    layer: str
    codec: str  # "opus" | "vp8" | "h264"
    clock_rate: int
    payload_type: int
    worker: str


@dataclass(frozen=True, slots=True)
class Packet:
    track: int
    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SenderReport:
    track: int
    at: int
    ntp: int
    rtp: int


@dataclass(frozen=True, slots=True)
class Note:
    """An EVENT record: ``body`` is a JSON object with a ``kind``."""

    at: int
    body: dict[str, object]


@dataclass(frozen=True, slots=True)
class Chain:
    at: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class End:
    at: int


Record = Header | Track | Packet | SenderReport | Note | Chain | End


def _frame(kind: RecordType, payload: bytes) -> bytes:
    body = bytes((kind,)) + payload
    return struct.pack(">I", len(body)) + body + _CRC.pack(zlib.crc32(body))


def _json(value: dict[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def encode(record: Record) -> bytes:
    """One record as it stands in the file."""
    match record:
        case Packet(track, at, data):
            return _frame(RecordType.RTP, _PACKET.pack(track, at) + data)
        case SenderReport(track, at, ntp, rtp):
            return _frame(RecordType.SR, _REPORT.pack(track, at, ntp, rtp))
        case Track():
            body: dict[str, object] = {
                "label": record.label, "kind": record.kind, "layer": record.layer, "codec": record.codec,
                "clock_rate": record.clock_rate, "payload_type": record.payload_type, "worker": record.worker,
            }  # fmt: skip
            return _frame(RecordType.TRACK, _TRACK.pack(record.track) + _json(body))
        case Header(take, segment, opened_at, version):
            head: dict[str, object] = {"take": take, "segment": segment, "opened_at": opened_at, "version": version}
            return _frame(RecordType.HEADER, _json(head))
        case Note(at, body):
            return _frame(RecordType.EVENT, _AT.pack(at) + _json(body))
        case Chain(at, digest):
            return _frame(RecordType.CHAIN, _CHAIN.pack(at, digest))
        case End(at):
            return _frame(RecordType.END, _AT.pack(at))


def decode(kind: int, payload: bytes) -> Record:
    """The record of one checked frame; ``BadPacket`` for anything that is not one of ours."""
    try:
        match kind:
            case RecordType.RTP:
                track, at = _PACKET.unpack_from(payload)
                return Packet(track, at, payload[_PACKET.size :])
            case RecordType.SR:
                return SenderReport(*_REPORT.unpack(payload))
            case RecordType.TRACK:
                (track,) = _TRACK.unpack_from(payload)
                body = json.loads(payload[_TRACK.size :])
                return Track(
                    track, str(body["label"]), str(body["kind"]), str(body["layer"]), str(body["codec"]),
                    int(body["clock_rate"]), int(body["payload_type"]), str(body["worker"]),
                )  # fmt: skip
            case RecordType.HEADER:
                body = json.loads(payload)
                return Header(str(body["take"]), int(body["segment"]), int(body["opened_at"]), int(body["version"]))
            case RecordType.EVENT:
                (at,) = _AT.unpack_from(payload)
                note = json.loads(payload[_AT.size :])
                if not isinstance(note, dict):
                    raise BadPacket("capture_record")
                return Note(at, note)
            case RecordType.CHAIN:
                return Chain(*_CHAIN.unpack(payload))
            case RecordType.END:
                return End(*_AT.unpack(payload))
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadPacket("capture_record") from error
    raise BadPacket("capture_record")


@dataclass(frozen=True, slots=True)
class Tear:
    """Where reading stopped before the end of the bytes: ``reason`` is ``magic | short | length | crc | record``."""

    offset: int
    reason: str


def read(data: bytes | memoryview) -> Iterator[tuple[int, Record | Tear]]:
    """Yields ``(offset, record)`` for every whole record, and one ``Tear`` at the end if the bytes do not end
    cleanly.
    """
    view = memoryview(data)
    if bytes(view[: len(MAGIC)]) != MAGIC:
        yield 0, Tear(0, "magic")
        return
    offset = len(MAGIC)
    while offset < len(view):
        if len(view) - offset < _HEAD.size:
            yield offset, Tear(offset, "short")
            return
        length, kind = _HEAD.unpack_from(view, offset)
        if not 1 <= length <= MAX_RECORD:
            yield offset, Tear(offset, "length")
            return
        end = offset + 4 + length + 4
        if end > len(view):
            yield offset, Tear(offset, "short")
            return
        body = view[offset + 4 : offset + 4 + length]
        if zlib.crc32(body) != _CRC.unpack_from(view, end - 4)[0]:
            yield offset, Tear(offset, "crc")
            return
        try:
            record = decode(kind, bytes(body[1:]))
        except BadPacket:
            yield offset, Tear(offset, "record")
            return
        yield offset, record
        offset = end


# --- worker → writer: batches over a unix stream socket -------------------------------------------
#
# u32 length of the rest | u16 length of take | take | u16 length of worker | worker | u64 batch number | records
# The writer answers each batch that is in the file with the u64 batch number (per connection order; numbers are per
# worker run). After a reconnect the worker sends again what was not answered; the writer drops numbers it has.

MAX_BATCH: Final = 16 << 20
_BATCH: Final = struct.Struct(">I")
_NUMBER: Final = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Batch:
    take: str
    worker: str
    number: int
    records: bytes  # concatenated, already encoded records (TRACK, RTP, SR, EVENT)


def encode_batch(batch: Batch) -> bytes:
    take, worker = batch.take.encode(), batch.worker.encode()
    rest = (
        _TRACK.pack(len(take)) + take + _TRACK.pack(len(worker)) + worker + _NUMBER.pack(batch.number) + batch.records
    )
    return _BATCH.pack(len(rest)) + rest


def decode_batch(rest: bytes) -> Batch:
    """The batch in what follows the length; ``BadPacket`` if it is not one."""
    try:
        (size,) = _TRACK.unpack_from(rest, 0)
        take = rest[2 : 2 + size].decode()
        at = 2 + size
        (size,) = _TRACK.unpack_from(rest, at)
        worker = rest[at + 2 : at + 2 + size].decode()
        at += 2 + size
        (number,) = _NUMBER.unpack_from(rest, at)
    except (struct.error, UnicodeDecodeError) as error:
        raise BadPacket("capture_batch") from error
    return Batch(take, worker, number, rest[at + 8 :])
