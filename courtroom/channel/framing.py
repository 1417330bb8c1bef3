"""Length-prefixed JSON messages on a stream socket, bounded both ways.

Rules: a frame is ``u32 length (big endian) | UTF-8 JSON``; a frame over ``MAX_FRAME`` bytes or one that does not decode
to the expected union raises ``BadMessage`` and the connection is to be closed; the end of the stream is ``None``.
Pure: bytes in, messages out; the sockets belong to ``worker``, ``control`` and ``recorder.writer``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

import msgspec

from courtroom.errors import BadMessage

MAX_FRAME: Final = 8 * 1024 * 1024
_LENGTH: Final = struct.Struct(">I")
_ENCODER: Final = msgspec.json.Encoder()

M = TypeVar("M", bound=msgspec.Struct)


def encode(message: msgspec.Struct) -> bytes:
    """One message as a frame ready to be written."""
    body = _ENCODER.encode(message)
    if len(body) > MAX_FRAME:
        raise BadMessage("frame_too_large", {"bytes": len(body)})
    return _LENGTH.pack(len(body)) + body


class Decoder(Generic[M]):
    """Feed it bytes as they come, iterate over whole messages."""

    def __init__(self, union: object) -> None:
        self._decode: msgspec.json.Decoder[M] = msgspec.json.Decoder(union)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[M]:
        self._buffer += data
        while len(self._buffer) >= 4:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME:
                raise BadMessage("frame_too_large", {"bytes": length})
            if len(self._buffer) < 4 + length:
                return
            body = bytes(self._buffer[4 : 4 + length])
            del self._buffer[: 4 + length]
            try:
                yield self._decode.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise BadMessage("frame_not_understood") from error
