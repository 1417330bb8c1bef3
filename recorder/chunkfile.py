"""Encoded pictures of a chunk on disk: each packet as the encoder gave it behind a head of its own.

No container: to open one FFmpeg decodes a picture to find out what is in it, which for an hour of chunks is half a
minute on one core at the very end. A head is size, time of showing, time of decoding (both in pictures from the chunk's
begin) and whether it is a key frame. What does not parse is ``BadMessage("chunk_damaged")``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Final

import av

from courtroom.errors import BadMessage
from recorder.picture.colours import FPS

MAX_CHUNK: Final = 1 << 30
_HEAD: Final = struct.Struct(">Iii?")
_BASE: Final = Fraction(1, FPS)


def write_packet(out: BinaryIO, packet: Any) -> None:
    """``packet``: of an encoder that counts in pictures."""
    out.write(_HEAD.pack(packet.size, packet.pts, packet.dts, packet.is_keyframe))
    out.write(packet)


def read_packets(path: Path, before: int) -> Iterator[Any]:
    """All packets, with times in a programme in which ``before`` pictures come first."""
    if path.stat().st_size > MAX_CHUNK:
        raise BadMessage("chunk_damaged")
    data, at = path.read_bytes(), 0
    while at < len(data):
        if len(data) - at < _HEAD.size:
            raise BadMessage("chunk_damaged")
        size, pts, dts, key = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if not 0 < size <= len(data) - at:
            raise BadMessage("chunk_damaged")
        packet: Any = av.Packet(data[at : at + size])
        packet.pts, packet.dts, packet.time_base, packet.is_keyframe = pts + before, dts + before, _BASE, key
        yield packet
        at += size
