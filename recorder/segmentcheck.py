"""A capture segment against its own rules: header, CRCs, chain records, end; pure.

Goes on after a damaged record where the framing allows it, so that one flipped byte is one finding with one second.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from courtroom.errors import BadPacket
from courtroom.sfu.capture import MAGIC, MAX_RECORD, Chain, End, Header, Record, decode
from recorder.names import segment_number

_HEAD: Final = struct.Struct(">IB")
_CRC: Final = struct.Struct(">I")
MAX_FAULTS: Final = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """``kind``: header | crc | chain | tear | end; ``second``: last known second of the court clock, 0 when
    none."""

    kind: str
    offset: int
    second: int


def segment_faults(name: str, data: bytes, take: str) -> list[Fault]:
    """What does not hold in a segment called ``name`` of ``take`` ('' when that is not known)."""
    faults: list[Fault] = []
    for fault in _faults(name, data, take):
        faults.append(fault)
        if len(faults) >= MAX_FAULTS:
            break
    return faults


def _faults(name: str, data: bytes, take: str) -> Iterator[Fault]:
    if data[: len(MAGIC)] != MAGIC:
        yield Fault("header", 0, 0)
        return
    digest = hashlib.sha256(data[: len(MAGIC)])
    second, first, ended, chained = 0, True, False, True
    view = memoryview(data)
    for offset, end, record in _records(view):
        match record:
            case None:
                yield Fault("crc" if end else "tear", offset, second)
                if not end:
                    return
            case Header():
                if not first or record.segment != segment_number(name) or (take and record.take != take):
                    yield Fault("header", offset, record.opened_at // 1_000_000)
                second = record.opened_at // 1_000_000
            case Chain(at, expected):
                second = max(second, at // 1_000_000)
                if chained and digest.digest() != expected:
                    yield Fault("chain", offset, second)
                    chained = False  # every later one is wrong for the same reason
            case End():
                ended = True
            case _:
                second = max(second, getattr(record, "at", 0) // 1_000_000)
        if first and not isinstance(record, Header):
            yield Fault("header", offset, second)
        first = False
        digest.update(view[offset:end])
    if not ended:
        yield Fault("end", len(data), second)


def _records(view: memoryview) -> Iterator[tuple[int, int, Record | None]]:
    """``(offset, end, record)``; ``None`` for a damaged record, with ``end`` 0 when its length cannot be believed."""
    offset = len(MAGIC)
    while offset < len(view):
        if len(view) - offset < _HEAD.size:
            yield offset, 0, None
            return
        length, kind = _HEAD.unpack_from(view, offset)
        end = offset + length + 8
        if not 1 <= length <= MAX_RECORD or end > len(view):
            yield offset, 0, None
            return
        body = view[offset + 4 : end - 4]
        record: Record | None = None
        if zlib.crc32(body) == _CRC.unpack_from(view, end - 4)[0]:
            try:
                record = decode(kind, bytes(body[1:]))
            except BadPacket:
                record = None
        yield offset, end, record
        offset = end
