"""Every parser that hostile bytes reach, each as one function that reads, checks what it read, and reads it again.

Rules
* ``read`` may raise what is in ``allowed`` and nothing else; an ``AssertionError`` is a broken invariant and a finding.
* ``repair`` makes a mutated input pass the checksum that would turn most of them away at the door; half get it.
* Seeds are valid inputs made by writers (ours or the tests') and the packets of real browsers in ``corpus``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from courtroom.channel import framing
from courtroom.channel import messages as m
from courtroom.errors import BadMessage, BadPacket, Refused
from courtroom.sfu import capture, kinds, packet, red, rtcp
from courtroom.sfu.munger import Munger
from courtroom.worker import dtls, sdp, stream, stun, tcp
from courtroom.worker.datagrams import IN_SLOTS, SLOT
from courtroom.worker.ice import Credentials
from tests.sfu import wire

CORPUS: Final = Path(__file__).parent / "corpus"
STREAM: Final = 70_000


@dataclass(frozen=True)
class Target:
    name: str
    read: Callable[[bytes], object]
    seeds: Sequence[bytes]
    allowed: tuple[type[Exception], ...] = (BadPacket,)
    repair: Callable[[bytes], bytes] | None = None
    weight: int = 1  # of the executions
    largest: int = SLOT  # octets: what does not fit into a datagram never reaches a parser of datagrams

    def all_seeds(self) -> list[bytes]:
        found = sorted((CORPUS / self.name).glob("*.bin"))
        return [*self.seeds, *(path.read_bytes() for path in found)]


# --- RTP -----------------------------------------------------------------------------------------------------------

_MUNGER: Final = Munger(5, 1, 1)


def read_rtp(data: bytes) -> None:
    parsed = packet.parse(data)
    assert 12 <= parsed.extensions <= len(data) or parsed.profile == 0
    assert 12 <= parsed.payload <= parsed.end <= len(data)
    for number in range(16):
        value = packet.extension(parsed, number)
        assert value is None or (len(value) <= 255 and value in data)
    for codec in kinds.CODECS:
        parsed.first, parsed.keyframe, parsed.shape = 0x90, False, packet.PLAIN
        packet.look(parsed, codec)
        padding = parsed.tail[-1] if parsed.first & 0x20 else 0
        content = parsed.tail[: len(parsed.tail) - padding]
        assert padding < packet.UNIT
        assert len(content) <= parsed.end - parsed.payload
        assert data[parsed.end - len(content) : parsed.end] == content
        parsed.index = parsed.sequence
        written = _MUNGER.write(parsed, 1, 0)
        if len(written) <= packet.MAX_PACKET:
            again = packet.parse(written)
            assert again.timestamp == parsed.timestamp
            assert written[: again.end].endswith(content)
    original = packet.unwrap_retransmission(parsed, 77, 96)
    if original is not None:
        assert original.ssrc == 77
        assert data[parsed.payload + 2 : parsed.end] == original.data[original.payload : original.end]
        repeated = struct.pack(">BBHII", 0x80, 97, 9, original.timestamp, 78)
        repeated += struct.pack(">H", original.sequence) + original.data[original.payload : original.end]
        back = packet.unwrap_retransmission(packet.parse(repeated), 77, 96)
        assert back is not None
        assert (back.sequence, back.timestamp) == (original.sequence, original.timestamp)
        assert back.data[back.payload : back.end] == original.data[original.payload : original.end]


RTP: Final = (
    wire.rtp(7, 8, 9, wire.vp8(1, 2, key=True), mid=b"cam", rid=b"h", twcc=b"\0\1", abs=b"abc"),
    wire.rtp(7, 8, 9, b"\x18\x00\x02\x67\x42\x00\x02\x68\x00", 102, padding=9, mid=b"scr"),
    wire.rtp(7, 8, 9, b"\x7c\x85" + bytes(30), 102, mid=b"cam"),
    wire.rtp(7, 8, 9, b"opus", 111, mid=b"mic", level=b"\x20"),
    wire.rtx(7, 8, 10, 6, wire.vp8(1, 2), mid=b"cam", rrid=b"h"),
    b"\x90\x60\0\1\0\0\0\2\0\0\0\3\x10\x00\0\2\4\3cam\0\5\1h" + wire.vp8(1, 2),
    b"\x9f\x60\0\1\0\0\0\2\0\0\0\3" + bytes(60) + b"\xbe\xde\0\1\x40a\0\0" + wire.vp8(1, 2),
)


def read_red(data: bytes) -> None:
    payload, earlier = red.split(data)
    assert len(payload) + sum(len(block) for _, block in earlier) <= len(data)
    assert len(earlier) <= red.MAX_BLOCKS
    kept = [(age, block) for age, block in earlier if age > 0]
    if kept == earlier and payload[:1] != b"":
        assert red.split(red.join(payload, earlier)) == (payload, earlier)


RED: Final = (
    red.join(b"now", [(960, b"before"), (480, b"between")]),
    red.join(b"x" * 200, [(1920, b"y" * 300)]),
    red.join(b"alone", []),
)


# --- RTCP ----------------------------------------------------------------------------------------------------------


def _written(report: rtcp.Report) -> bytes | None:
    match report:
        case rtcp.SenderReport(ssrc, ntp, rtp, packets, octets, ()):
            return rtcp.sender_report(ssrc, ntp, rtp, packets, octets)
        case rtcp.ReceiverReport(ssrc, blocks):
            return rtcp.receiver_report(ssrc, blocks)
        case rtcp.Pli(media):
            return rtcp.pli(1, media)
        case rtcp.Remb(bitrate, ssrcs) if bitrate < 1 << 80:
            return rtcp.remb(1, bitrate, ssrcs)
        case rtcp.Bye(ssrcs):
            return rtcp.bye(ssrcs) if ssrcs else None
    return None


def read_rtcp(data: bytes) -> None:
    reports = rtcp.parse(data)
    assert len(reports) <= rtcp.MAX_PACKETS
    for report in reports:
        match report:
            case rtcp.Nack(_, lost):
                assert len(lost) <= rtcp.MAX_LOST + 17
                assert all(0 <= number <= 0xFFFF for number in lost)
            case rtcp.Arrivals(_, times):
                assert len(times) <= rtcp.MAX_STATUS
        written = _written(report)
        if written is not None:
            assert rtcp.parse(written) == [report], report


def _feedback(*body: int) -> bytes:
    data = struct.pack(">II", 1, 2) + bytes(body)
    return b"\x8f\xcd" + struct.pack(">H", len(data) // 4) + data


RTCP: Final = (
    rtcp.sender_report(9, 1 << 40, 3, 4, 5) + rtcp.nack(1, 9, range(40)) + rtcp.pli(1, 9),
    rtcp.receiver_report(1, [rtcp.Block(100_000, 1, 2, 3, 4, 5, 6)] * 3) + rtcp.remb(1, 500_000, [1, 2, 3]),
    rtcp.bye([1, 2, 3]) + b"\x84\xce\0\4" + bytes(8) + b"\0\0\0\7\1\0\0\0",
    _feedback(0, 9, 0, 7, 0, 0, 1, 3, 0xD5, 0x40, 4, 5, 6, 7, 0, 0),
    _feedback(0, 9, 0, 20, 0, 0, 1, 3, 0x20, 0x10, 0x90, 0, *([8] * 17), 0, 0, 0),
    rtcp.nack(1, 9, range(0, 60_000, 17)),
)


# --- STUN, DTLS, frames --------------------------------------------------------------------------------------------

_PASSWORD: Final = b"p" * 24


def read_stun(data: bytes) -> None:
    name = stun.names(data)
    assert len(name) <= stun.MAX_SIZE
    refused = 0
    for reader in (stun.parse, stun.parse_answer):
        try:
            message = reader(data)
        except BadPacket:
            refused += 1
            continue
        assert len(message.transaction) == 12
        assert len(message.integrity) == 20
        assert len(message.signed) < len(data)
        stun.authentic(message, _PASSWORD)
    if refused == 2:
        raise BadPacket("bad_stun")


def _refinish_stun(data: bytes) -> bytes:
    if len(data) < 28:
        return data
    body = data[:2] + struct.pack(">H", (len(data) - 20) & 0xFFFF) + b"\x21\x12\xa4\x42" + data[8:-8]
    return body + struct.pack(">HHI", 0x8028, 4, zlib.crc32(body) ^ 0x5354554E)


_REQUEST: Final = stun.request(bytes(12), b"local:remote", _PASSWORD, use_candidate=True)
STUN: Final = (
    _REQUEST,
    stun.request(b"t" * 12, b"abcd:efgh", _PASSWORD, controlled=True),
    stun.success(stun.parse(_REQUEST), bytes((2, 0, 4, 5, 127, 0, 0, 1)) + bytes(8), _PASSWORD),
    stun.success(stun.parse(_REQUEST), bytes(28), _PASSWORD),
)


class _Shape(dtls.Dtls):
    """The record filter without OpenSSL behind it."""

    def __init__(self) -> None:
        self._proven = False


def read_dtls(data: bytes) -> None:
    cut = dtls._datagrams(data)
    assert b"".join(cut) == data[: sum(map(len, cut))]
    for one in cut[:-1]:
        assert len(one) <= dtls.MTU or int.from_bytes(one[11:13], "big") + dtls.MIN_RECORD >= len(one)
    passed = _Shape()._expected(data)
    assert len(passed) <= len(data)
    assert _Shape()._expected(passed) == passed
    if not passed:
        raise BadPacket("bad_dtls")


def _record(kind: int, body: bytes, epoch: int = 0) -> bytes:
    return struct.pack(">BHHHIH", kind, 0xFEFD, epoch, 0, 1, len(body)) + body


def _handshake(kind: int, number: int, body: bytes) -> bytes:
    return _record(22, bytes((kind,)) + len(body).to_bytes(3, "big") + struct.pack(">H", number) + bytes(3)
                   + len(body).to_bytes(3, "big") + body)  # fmt: skip


DTLS: Final = (
    _handshake(1, 0, bytes(150)),
    _handshake(11, 1, bytes(300)) + _handshake(16, 2, bytes(66)) + _handshake(15, 3, bytes(76)) + _record(20, b"\1")
    + _record(22, bytes(40), 1),
    _record(21, b"\1\0", 1),
    *(_handshake(11, 1, bytes(1180)) * 3,),
)  # fmt: skip


class _Socket:
    """A connection that has already said everything."""

    def __init__(self, data: bytes, step: int) -> None:
        self._parts = [data[at : at + step] for at in range(0, len(data), step)]

    def recv(self, _size: int) -> bytes:
        if self._parts:
            return self._parts.pop(0)
        raise BlockingIOError

    def close(self) -> None:
        self._parts = []


class _NoLoop:
    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_: None


_STREAMS: Final = tcp.Streams(_NoLoop(), lambda: 1, lambda _why: None, lambda _one: None, lambda _one: None)
_HERE: Final = bytes(16) + b"\x06"


def read_frames(data: bytes) -> None:
    """The same frames whatever pieces they come in."""
    outcomes = [_frames(data, step) for step in (max(1, len(data)), 1 + len(data) // 3)]
    whole, closed = outcomes[0]
    assert outcomes[0] == outcomes[1] or closed or outcomes[1][1], "pieces make no difference"
    at = 0
    for frame in whole:
        assert stream.MIN_FRAME <= len(frame) <= SLOT
        assert data[at : at + 2 + len(frame)] == len(frame).to_bytes(2, "big") + frame
        at += 2 + len(frame)
    if closed:
        raise BadPacket("bad_frame")


def _frames(data: bytes, step: int) -> tuple[list[bytes], bool]:
    socket: Any = _Socket(data, step)
    _STREAMS._streams[_HERE] = one = stream.Stream(_STREAMS, socket, _HERE, 1)
    _STREAMS._hosts[bytes(4)] = 1
    one.known = True
    found: list[bytes] = []
    for _ in range(len(data) + 4):
        count = one.receive()
        assert count <= IN_SLOTS
        found += [bytes(one.incoming[i * SLOT : i * SLOT + one.lengths[i]]) for i in range(count)]
        if one.closed:
            # what stood before the bad length may have been handed out or not, as it came
            return [], True
        if not count and not socket._parts and not one.has_frame:
            break
    assert len(one._rest) < SLOT + 2 + stream._CHUNK, "what is kept is the beginning of a frame and one reading"
    return found, False


def _framed(*frames: bytes) -> bytes:
    return b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames)


FRAMES: Final = (
    _framed(_REQUEST, bytes(12), bytes(2048)),
    _framed(*(RTP * 3)),
    _framed(*[bytes(20)] * 100),
    b"\xff\xff" + bytes(300),
)


# --- SDP -----------------------------------------------------------------------------------------------------------

_OFFER: Final = sdp.Offer(
    7, 1, Credentials("u" * 8, "p" * 24), ":".join(["AB"] * 32), ("127.0.0.1",), 5000, tuple(kinds.Kind),
    (sdp.PlaceIds(1, 2, 3), sdp.PlaceIds(5, 6, 7)),
)  # fmt: skip


def _answer() -> str:
    """What a client would answer to everything."""
    changed = {"a=setup:actpass": "a=setup:active", "a=recvonly": "a=sendonly", "a=sendonly": "a=recvonly"}
    lines = [changed.get(line, line).replace(" recv", " send") for line in sdp.write(_OFFER).splitlines()]
    kept = [line for line in lines if not line.startswith(("a=ice-lite", "a=candidate"))]
    return "\r\n".join(kept) + "\r\na=ssrc:99 cname:x\r\na=ssrc-group:FID 99 100\r\n"


def read_sdp(data: bytes) -> None:
    answer = sdp.read(data.decode("utf-8", "replace"), _OFFER.mids)
    assert [section.mid for section in answer.sections] == _OFFER.mids
    assert len(answer.fingerprint) == 95
    answer.ufrag.encode()
    for section in answer.sections:
        assert len(section.ssrcs) <= 8
        assert len(section.rids) <= 4
        assert all(0 <= ssrc <= 0xFFFFFFFF for ssrc in section.ssrcs)
        assert len(section.payload_types) <= 32


# --- capture files, the channel ------------------------------------------------------------------------------------


def read_capture(data: bytes) -> None:
    last = -1
    torn = False
    for offset, record in capture.read(data):
        assert last < offset <= len(data)
        assert not torn, "a tear is the last word"
        last = offset
        if isinstance(record, capture.Tear):
            torn = True
        else:
            _rewritten(record)
    if torn:
        raise BadPacket("capture_record")


def _rewritten(record: capture.Record) -> None:
    again = [one for _, one in capture.read(capture.MAGIC + capture.encode(record))]
    assert again == [record] or repr(again) == repr([record]), "what can be read can be written"  # NaN is not itself


def _recrc_capture(data: bytes) -> bytes:
    """Frames put right: lengths as they stand, every checksum made to fit."""
    out = bytearray(capture.MAGIC)
    at = len(capture.MAGIC)
    while at + 9 <= len(data):
        length = min(int.from_bytes(data[at : at + 4], "big") % 4096 or 1, len(data) - at - 4)
        body = data[at + 4 : at + 4 + length]
        out += struct.pack(">I", len(body)) + body + struct.pack(">I", zlib.crc32(body))
        at += 8 + length
    return bytes(out)


_RECORDS: Final = (
    capture.Header("take", 1, 2),
    capture.Track(1, "seat", "camera", "h", "vp8", 90000, 96, "w"),
    capture.Packet(1, 2, RTP[0]),
    capture.SenderReport(1, 2, 3, 4),
    capture.Note(1, {"kind": "x", "n": [1, {"a": None}]}),
    capture.Chain(1, bytes(32)),
    capture.End(3),
)
CAPTURE: Final = tuple(
    capture.MAGIC + b"".join(map(capture.encode, records)) for records in (_RECORDS, *((one,) for one in _RECORDS))
)


def read_batch(data: bytes) -> None:
    batch = capture.decode_batch(data)
    assert capture.decode_batch(capture.encode_batch(batch)[4:]) == batch


BATCH: Final = (capture.encode_batch(capture.Batch("take", "worker", 1, b"records"))[4:],)


def read_channel(data: bytes) -> None:
    refused = 0
    for union in (m.FromWorker, m.ToWorker):
        decoder: framing.Decoder[m.Message] = framing.Decoder(union)
        try:
            for message in decoder.feed(data):
                assert list(framing.Decoder[m.Message](union).feed(framing.encode(message))) == [message]
        except BadMessage:
            refused += 1
    if refused == 2:
        raise BadMessage("frame_not_understood")


def _relength_channel(data: bytes) -> bytes:
    return struct.pack(">I", max(0, len(data) - 4)) + data[4:]


CHANNEL: Final = tuple(
    framing.encode(message)
    for message in (
        m.WelcomeWorker(m.VERSION, 1, 2, ["127.0.0.1"]),
        m.SetRoutes(1, "room", 2, [m.Route("a", 0, "b", "camera")], [m.CaptureRoute("t", "a", "camera", "s")]),
        m.WorkerLoad(1, 2, 3, 4, 5, {"srtp": 6}, 7, [m.TransportQuality("t", 1, 2, 3)], 8),
        m.TransportChanged("t", "closed", 1, "asked"),
        m.Reply(1, "code", "v=0"),
    )
)

TARGETS: Final = {
    target.name: target
    for target in (
        Target("rtp", read_rtp, RTP, weight=4),
        Target("rtcp", read_rtcp, RTCP, weight=4),
        Target("red", read_red, RED, weight=2),
        Target("stun", read_stun, STUN, repair=_refinish_stun, weight=2),
        Target("dtls", read_dtls, DTLS, weight=2),
        Target("frames", read_frames, FRAMES, largest=STREAM),
        Target("sdp", read_sdp, (_answer().encode(),), (Refused,), largest=STREAM),
        Target("capture", read_capture, CAPTURE, repair=_recrc_capture, weight=2, largest=STREAM),
        Target("batch", read_batch, BATCH, largest=STREAM),
        Target("channel", read_channel, CHANNEL, (BadMessage,), repair=_relength_channel, largest=STREAM),
    )
}
