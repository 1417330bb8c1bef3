"""Sound that repeats itself: each packet carries the one or two before it, so single losses leave no hole.

Rules
* ``split`` takes a payload apart (``unpack`` a packet) and trusts no length; the last block is the packet itself, those
  before it are earlier ones, oldest first. Only Opus is unpacked; anything else in there is ``BadPacket``.
* ``join`` writes one. A block that is too old or too long for its header is left out with everything before it.
* An earlier packet is told from its time stamp only as far as sequence numbers agree: one packet, one step.

RFC 2198 3.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from courtroom.errors import BadPacket
from courtroom.sfu.kinds import OPUS
from courtroom.sfu.packet import HEADER, Rtp, parse

MAX_BLOCKS: Final = 10
MAX_AGE: Final = (1 << 14) - 1  # ticks
MAX_LENGTH: Final = (1 << 10) - 1
_BLOCK: Final = struct.Struct(">I")


def split(payload: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
    """The packet itself and, oldest first, ``(age in ticks, payload)`` of the earlier ones."""
    heads: list[tuple[int, int]] = []
    at = 0
    while at < len(payload) and payload[at] & 0x80:
        if at + 4 > len(payload) or len(heads) >= MAX_BLOCKS:
            raise BadPacket("bad_red")
        (word,) = _BLOCK.unpack_from(payload, at)
        if word >> 24 & 0x7F != OPUS.payload_type:
            raise BadPacket("bad_red")
        heads.append((word >> 10 & MAX_AGE, word & MAX_LENGTH))
        at += 4
    if at >= len(payload) or payload[at] != OPUS.payload_type:
        raise BadPacket("bad_red")
    at += 1
    earlier: list[tuple[int, bytes]] = []
    for age, length in heads:
        if at + length > len(payload):
            raise BadPacket("bad_red")
        if length:
            earlier.append((age, payload[at : at + length]))
        at += length
    return payload[at:], earlier


def unpack(packet: Rtp) -> tuple[Rtp, list[tuple[int, bytes]]]:
    """The Opus packet in a RED one, under the same header, and what it repeats."""
    payload, earlier = split(packet.data[packet.payload : packet.end])
    first = packet.data[0] & ~0x20
    second = (packet.marker_type & 0x80) | OPUS.payload_type
    head = HEADER.pack(first, second, packet.sequence, packet.timestamp, packet.ssrc)
    return parse(head + packet.data[12 : packet.payload] + payload), earlier


def join(payload: bytes, earlier: Sequence[tuple[int, bytes]]) -> bytes:
    """``earlier`` as ``split`` gives it."""
    heads = bodies = b""
    for age, block in earlier:
        if not 0 < age <= MAX_AGE or len(block) > MAX_LENGTH:
            heads = bodies = b""
            continue
        heads += _BLOCK.pack((0x80 | OPUS.payload_type) << 24 | age << 10 | len(block))
        bodies += block
    return heads + bytes((OPUS.payload_type,)) + bodies + payload
