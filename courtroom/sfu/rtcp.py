"""RTCP: the reports and requests that we read and write, in compound packets or reduced size.

Rules
* ``parse`` reads at most ``MAX_PACKETS`` packets of one datagram and yields those it knows; a broken length ends it
  with ``BadPacket``. Unknown types are skipped, as RFC 3550 6.1 wants.
* Times are 64-bit NTP on the wire and µs outside; ``to_ntp`` and ``from_ntp`` convert.

RFC 3550 6.4 (SR, RR), RFC 4585 6 (NACK, PLI), RFC 5104 4.3.1 (FIR), draft-alvestrand-rmcat-remb (REMB),
draft-holmer-rmcat-transport-wide-cc-extensions-01 (transport-wide feedback), RFC 5506.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from courtroom.errors import BadPacket

MAX_PACKETS: Final = 32
MAX_LOST: Final = 512
MAX_STATUS: Final = 2048

_HEAD: Final = struct.Struct(">BBH")
_U32: Final = struct.Struct(">I")
_SENDER: Final = struct.Struct(">IQIII")
_BLOCK: Final = struct.Struct(">IIIIII")
_PAIR: Final = struct.Struct(">II")
_LOST: Final = struct.Struct(">HH")

SR, RR, SDES, BYE, RTPFB, PSFB = 200, 201, 202, 203, 205, 206
_NTP_EPOCH: Final = 2_208_988_800


def to_ntp(us: int) -> int:
    """µs of Unix time as a 64-bit NTP timestamp."""
    seconds, rest = divmod(us, 1_000_000)
    return ((seconds + _NTP_EPOCH) << 32) | ((rest << 32) // 1_000_000)


def from_ntp(ntp: int) -> int:
    """A 64-bit NTP timestamp as µs of Unix time (negative before 1970; some clients count from their start)."""
    return ((ntp >> 32) - _NTP_EPOCH) * 1_000_000 + (((ntp & 0xFFFFFFFF) * 1_000_000) >> 32)


@dataclass(frozen=True, slots=True)
class Block:
    """What a receiver says about one of our streams."""

    ssrc: int
    fraction: int  # of 256
    lost: int
    highest: int
    jitter: int  # clock units
    last_report: int
    delay: int  # 1/65536 s


@dataclass(frozen=True, slots=True)
class SenderReport:
    ssrc: int
    ntp: int
    rtp: int
    packets: int
    octets: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    ssrc: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Nack:
    media: int
    lost: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pli:
    media: int


@dataclass(frozen=True, slots=True)
class Fir:
    media: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Remb:
    bitrate: int
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What a receiver says of our packets by transport-wide number: when each came, −1 if it did not.

    ``times`` are µs of the receiver's clock, which wraps after 12 days; only their differences mean anything.
    """

    first: int
    times: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bye:
    ssrcs: tuple[int, ...]


Report = SenderReport | ReceiverReport | Nack | Pli | Fir | Remb | Arrivals | Bye


def parse(data: bytes) -> list[Report]:
    """The known packets of one datagram in order."""
    reports: list[Report] = []
    offset = 0
    for _ in range(MAX_PACKETS):
        if offset == len(data):
            return reports
        if offset + 8 > len(data):
            raise BadPacket("bad_rtcp")
        first, kind, words = _HEAD.unpack_from(data, offset)
        end = offset + 4 + 4 * words
        if first >> 6 != 2 or end > len(data) or words < 1:
            raise BadPacket("bad_rtcp")
        try:
            report = _one(kind, first & 0x1F, data[offset + 4 : end])
        except (struct.error, IndexError) as error:
            raise BadPacket("bad_rtcp") from error
        if report is not None:
            reports.append(report)
        offset = end
    return reports


def _one(kind: int, count: int, body: bytes) -> Report | None:
    match kind:
        case 200:
            ssrc, ntp, rtp, packets, octets = _SENDER.unpack_from(body)
            return SenderReport(ssrc, ntp, rtp, packets, octets, _blocks(body, 24, count))
        case 201:
            return ReceiverReport(_U32.unpack_from(body)[0], _blocks(body, 4, count))
        case 203:
            return Bye(struct.unpack_from(f">{count}I", body))
        case 205 if count == 1:
            return Nack(_PAIR.unpack_from(body)[1], _lost(body))
        case 205 if count == 15:
            return _arrivals(body)
        case 206 if count == 1:
            return Pli(_PAIR.unpack_from(body)[1])
        case 206 if count == 4:
            return Fir(tuple(_U32.unpack_from(body, at)[0] for at in range(8, len(body) - 7, 8)))
        case 206 if count == 15 and body[8:12] == b"REMB":
            listed, high, low = struct.unpack_from(">BBH", body, 12)
            bitrate = (((high & 3) << 16) | low) << (high >> 2)
            return Remb(bitrate, struct.unpack_from(f">{listed}I", body, 16))
    return None


def _blocks(body: bytes, offset: int, count: int) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for i in range(count):
        ssrc, lost, highest, jitter, last, delay = _BLOCK.unpack_from(body, offset + 24 * i)
        total = lost & 0xFFFFFF
        blocks.append(Block(ssrc, lost >> 24, total - ((total & 0x800000) << 1), highest, jitter, last, delay))
    return tuple(blocks)


def _lost(body: bytes) -> tuple[int, ...]:
    lost: list[int] = []
    for at in range(8, len(body) - 3, 4):
        first, mask = _LOST.unpack_from(body, at)
        lost.append(first)
        lost += [(first + 1 + bit) & 0xFFFF for bit in range(16) if mask >> bit & 1]
        if len(lost) >= MAX_LOST:
            break
    return tuple(lost)


def _arrivals(body: bytes) -> Arrivals:
    """Transport-wide feedback: a run of statuses, then a time step for each packet that came."""
    first, count, reference = struct.unpack_from(">HHI", body, 8)
    if count > MAX_STATUS:
        raise BadPacket("bad_rtcp")
    symbols: list[int] = []
    at = 16
    while len(symbols) < count:
        word = body[at] << 8 | body[at + 1]
        at += 2
        if not word & 0x8000:
            symbols += [word >> 13] * min(word & 0x1FFF, count - len(symbols))
            if not word & 0x1FFF:
                raise BadPacket("bad_rtcp")
        elif word & 0x4000:
            symbols += (
                word >> 12 & 3, word >> 10 & 3, word >> 8 & 3, word >> 6 & 3, word >> 4 & 3, word >> 2 & 3, word & 3,
            )  # fmt: skip
        else:
            symbols += [word >> shift & 1 for shift in range(13, -1, -1)]
    clock = (reference >> 8) * 64_000
    times: list[int] = []
    append = times.append
    for symbol in symbols[:count]:
        if symbol == 1:
            clock += body[at] * 250
            at += 1
            append(clock)
        elif symbol == 2:
            clock += (((body[at] << 8 | body[at + 1]) ^ 0x8000) - 0x8000) * 250
            at += 2
            append(clock)
        else:
            append(-1 if not symbol else clock)
    return Arrivals(first, tuple(times))


# --- writing ---------------------------------------------------------------------------------------------------------


def sender_report(ssrc: int, ntp: int, rtp: int, packets: int, octets: int) -> bytes:
    body = _SENDER.pack(ssrc, ntp, rtp & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
    return _HEAD.pack(0x80, SR, 6) + body


def receiver_report(ssrc: int, blocks: Sequence[Block]) -> bytes:
    body = _U32.pack(ssrc)
    for block in blocks[:31]:
        lost = (block.fraction << 24) | (max(-0x800000, min(block.lost, 0x7FFFFF)) & 0xFFFFFF)
        body += _BLOCK.pack(block.ssrc, lost, block.highest, block.jitter, block.last_report, block.delay)
    return _HEAD.pack(0x80 | min(len(blocks), 31), RR, len(body) // 4) + body


def nack(sender: int, media: int, lost: Iterable[int]) -> bytes:
    """One NACK for 16-bit sequence numbers given in order."""
    pairs: list[list[int]] = []
    for sequence in lost:
        distance = (sequence - pairs[-1][0] - 1) & 0xFFFF if pairs else 16
        if distance < 16:
            pairs[-1][1] |= 1 << distance
        else:
            pairs.append([sequence & 0xFFFF, 0])
    body = _PAIR.pack(sender, media) + b"".join(_LOST.pack(*pair) for pair in pairs)
    return _HEAD.pack(0x81, RTPFB, len(body) // 4) + body


def pli(sender: int, media: int) -> bytes:
    return _HEAD.pack(0x81, PSFB, 2) + _PAIR.pack(sender, media)


def remb(sender: int, bitrate: int, ssrcs: Sequence[int]) -> bytes:
    exponent = max(0, bitrate.bit_length() - 18)
    mantissa = bitrate >> exponent
    head = struct.pack(
        ">II4sBBH", sender, 0, b"REMB", len(ssrcs), (exponent << 2) | (mantissa >> 16), mantissa & 0xFFFF
    )
    body = head + struct.pack(f">{len(ssrcs)}I", *ssrcs)
    return _HEAD.pack(0x8F, PSFB, len(body) // 4) + body


def bye(ssrcs: Sequence[int]) -> bytes:
    return _HEAD.pack(0x80 | len(ssrcs), BYE, len(ssrcs)) + struct.pack(f">{len(ssrcs)}I", *ssrcs)
