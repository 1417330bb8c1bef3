"""A small staged hearing: a real ledger, and a capture with real VP8 and Opus, packetized here and not by the product.

Every sender has a clock of its own: an NTP offset (wrong by minutes), random RTP starts, network delay with jitter.
A flash and a beep made at the same moment of the sender's clock are what the sync tests look for.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from courtroom.hearing import events as e
from courtroom.hearing.ledger import FIRST, Entry, SignedHead, entry_for, head_bytes, to_line
from courtroom.hearing.model import Case, Policy, Role, SeatPlan, Side
from courtroom.sfu.capture import MAGIC, Chain, End, Header, Note, Packet, Record, SenderReport, Track, encode

START = 1_795_484_520_000_000  # 2026-11-24 09:42:00 in Beijing
SECOND = 1_000_000
HEARING = "h-stage"
TAKE = "t-stage"

SEATS = (
    SeatPlan("s-judge", Role.PRESIDING_JUDGE),
    SeatPlan("s-plaintiff", Role.PLAINTIFF, Side.PLAINTIFF),
    SeatPlan("s-defendant", Role.DEFENDANT, Side.DEFENDANT),
    SeatPlan("s-clerk", Role.CLERK),
)
PEOPLE = {"s-judge": "顾明远", "s-plaintiff": "林晓芸", "s-defendant": "何建国", "s-clerk": "苏雨桐"}
COLOURS = {
    "s-judge": (180, 40, 40),
    "s-plaintiff": (40, 160, 60),
    "s-defendant": (50, 70, 190),
    "s-clerk": (190, 170, 40),
}
TONES = {"s-judge": 440.0, "s-plaintiff": 660.0, "s-defendant": 990.0, "s-clerk": 1320.0}


# --- ledger -------------------------------------------------------------------------------------------------------


class Script:
    """Writes a ledger line by line."""

    def __init__(self, policy: Policy | None = None, seats: tuple[SeatPlan, ...] = SEATS) -> None:
        self.entries: list[Entry] = []
        self.seats = seats
        case = Case("（2026）示范0101民初123号", "示范市示范区人民法院", "买卖合同纠纷", "ordinary", True)
        self.say(
            START - 600 * SECOND,
            e.HearingCreated(case=case, policy=policy or Policy(), scheduled_at=START, seats=seats),
        )

    def say(self, at: int, event: e.Event, actor: str = "system") -> Script:
        prev = self.entries[-1].hash if self.entries else FIRST
        self.entries.append(entry_for(HEARING, len(self.entries) + 1, at, actor, event, prev))
        return self

    def open(self, at: int = START) -> Script:
        before = at - 60 * SECOND
        self.say(before, e.PhaseChanged(phase="check_in", previous="scheduled"))
        for seat in self.seats:
            self.say(before, e.SeatConnected(seat=seat.id, connection=f"c-{seat.id}"))
            self.say(before, e.SeatMoved(seat=seat.id, room="courtroom", owner="", why="admitted"))
            self.say(before, e.DevicesChanged(seat=seat.id, microphone="on", camera="on"))
        self.say(at, e.PhaseChanged(phase="open", previous="check_in"), "s-judge")
        return self.say(at, e.RecordingStarted(take=TAKE), "s-judge")

    def close(self, at: int, segments: list[tuple[str, bytes]] | None = None) -> Script:
        self.say(at, e.RecordingEnded(take=TAKE), "s-judge")
        self.say(at, e.PhaseChanged(phase="closed", previous="open"), "s-judge")
        for name, sha in segments or []:
            detail: dict[str, str | int] = {
                "segment": name,
                "sha256": sha.hex(),
                "start_at": 0,
                "end_at": 0,
                "bytes": 0,
            }
            self.say(at, e.CaptureNoted(what="sealed", detail=detail))
        return self

    def save(self, path: Path) -> None:
        path.write_text("".join(to_line(entry) + "\n" for entry in self.entries), encoding="utf-8")

    def head(self, key: Ed25519PrivateKey) -> SignedHead:
        last = self.entries[-1]
        signature = key.sign(head_bytes(HEARING, last.seq, last.hash, last.at))
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return SignedHead(HEARING, last.seq, last.hash, last.at, signature.hex(), public.hex())


def write_key(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


# --- media --------------------------------------------------------------------------------------------------------


@dataclass
class Sender:
    """One seat's browser. ``loud(t)``/``bright(t)``: seconds of programme → tone level, flash."""

    label: str
    track: int
    ntp_offset: int
    seed: int
    video_codec: str = "vp8"
    bright: Callable[[float], bool] = lambda t: False
    loud: Callable[[float], float] = lambda t: 0.05
    camera: Callable[[float], bool] = lambda t: True
    microphone: Callable[[float], bool] = lambda t: True
    lost: frozenset[int] = frozenset()
    fps: int = 20
    size: tuple[int, int] = (320, 180)
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._made: dict[tuple[float, int], list[tuple[int, Record]]] = {}
        self.random = random.Random(self.seed)

    def records(self, seconds: float, start: int = START) -> list[tuple[int, Record]]:
        """Everything this seat sends, by arrival; encoded once."""
        if (seconds, start) not in self._made:
            made = list(self._video(seconds, start)) + list(self._audio(seconds, start))
            self._made[seconds, start] = sorted(made, key=lambda item: item[0])
        return self._made[seconds, start]

    def _arrival(self, sent: int) -> int:
        return sent + 20_000 + self.random.randrange(0, 30_000)

    def _ntp(self, at: int) -> int:
        ntp_us = at + self.ntp_offset + 2_208_988_800 * SECOND
        return (ntp_us // SECOND << 32) | ((ntp_us % SECOND << 32) // SECOND)

    def _packet(self, track: int, seq: int, stamp: int, marker: bool, payload: bytes) -> bytes:
        return (
            struct.pack(">BBHII", 0x80, (96 if marker is False else 0x80 | 96), seq & 0xFFFF, stamp & 0xFFFFFFFF, track)
            + payload
        )

    def _video(self, seconds: float, start: int) -> Iterator[tuple[int, Record]]:
        encoder = video_encoder(self.video_codec, self.size, self.fps)
        seq, base = self.random.randrange(65536), self.random.randrange(1 << 32)
        width, height = self.size
        for number in range(int(seconds * self.fps)):
            t = number / self.fps
            if not self.camera(t):
                continue
            colour = (235, 235, 235) if self.bright(t) else COLOURS[self.label]
            image = np.full((height, width, 3), colour, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, self.fps)
            sent = start + int(t * SECOND)
            stamp = base + int(t * 90_000)
            if number % self.fps == 0:
                yield (
                    self._arrival(sent),
                    SenderReport(self.track, self._arrival(sent), self._ntp(sent), stamp & 0xFFFFFFFF),
                )
            for packet in encoder.encode(frame):
                pieces = packetize(self.video_codec, bytes(packet))
                for line, piece in enumerate(pieces):
                    data = self._packet(self.track, seq, stamp, line == len(pieces) - 1, piece)
                    at = self._arrival(sent)
                    if seq & 0xFFFF not in self.lost:
                        yield at, Packet(self.track, at, data)
                    seq += 1

    def _audio(self, seconds: float, start: int) -> Iterator[tuple[int, Record]]:
        encoder = av.CodecContext.create("libopus", "w")
        encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 48_000, "mono", "flt", 48_000
        encoder.options = {"application": "audio", "frame_duration": "20"}
        seq, base, track = self.random.randrange(65536), self.random.randrange(1 << 32), self.track + 100
        for number in range(int(seconds * 50)):
            t = number / 50
            times = t + np.arange(960) / 48_000
            level = np.array([self.loud(float(x)) for x in times[::48]]).repeat(48)
            pcm = (level * np.sin(2 * np.pi * TONES[self.label] * times)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="flt", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 960, Fraction(1, 48_000)
            sent, stamp = start + int(t * SECOND), base + number * 960
            if number % 50 == 25:
                yield self._arrival(sent), SenderReport(track, self._arrival(sent), self._ntp(sent), stamp & 0xFFFFFFFF)
            for packet in encoder.encode(frame):
                # libopus looks ahead 312 samples: what a packet holds began that much earlier than its first sample in
                data = self._packet(track, seq, stamp, False, bytes(packet))
                at = self._arrival(sent)
                if self.microphone(t):
                    yield at, Packet(track, at, data)
                seq += 1

    def tracks(self) -> list[Track]:
        codec = self.video_codec
        return [
            Track(self.track, self.label, "camera", "h", codec, 90_000, 96, "w-1"),
            Track(self.track + 100, self.label, "microphone", "", "opus", 48_000, 111, "w-1"),
        ]


def video_encoder(codec: str, size: tuple[int, int], fps: int) -> av.VideoCodecContext:
    encoder = av.CodecContext.create({"vp8": "libvpx", "h264": "libx264"}[codec], "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, fps), Fraction(fps)
    encoder.bit_rate = 300_000
    encoder.options = {
        "vp8": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "g": "40"},
        "h264": {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "g": "40"},
    }[codec]
    return encoder


def packetize(codec: str, frame: bytes, limit: int = 1000) -> list[bytes]:
    """RFC 7741 with a 15-bit picture id, or RFC 6184 with FU-A and STAP-A."""
    if codec == "vp8":
        parts = [frame[at : at + limit] for at in range(0, len(frame), limit)]
        return [bytes((0x80 | (0x10 if n == 0 else 0), 0x80, 0x81, 0x23)) + part for n, part in enumerate(parts)]
    units = [unit for unit in split_annex_b(frame) if unit[0] & 31 in (1, 5, 7, 8)]
    parameter = [unit for unit in units if unit[0] & 31 in (7, 8)]
    out = [b"\x78" + b"".join(struct.pack(">H", len(unit)) + unit for unit in parameter)] if parameter else []
    for unit in units:
        if unit in parameter:
            continue
        if len(unit) <= limit:
            out.append(unit)
            continue
        body = [unit[1:][at : at + limit] for at in range(0, len(unit) - 1, limit)]
        for n, part in enumerate(body):
            edge = (0x80 if n == 0 else 0) | (0x40 if n == len(body) - 1 else 0)
            out.append(bytes(((unit[0] & 0xE0) | 28, edge | (unit[0] & 31))) + part)
    return out


def split_annex_b(data: bytes) -> list[bytes]:
    return [
        unit.rstrip(b"\x00")
        for unit in data.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
        if unit
    ]


def write_capture(
    folder: Path, senders: list[Sender], seconds: float, segment_s: float = 5.0, notes: list[Note] | None = None,
    silent: Callable[[int], bool] = lambda at: False,
) -> list[tuple[str, bytes]]:  # fmt: skip
    """Segments as the writer makes them; the SHA-256 of each. ``silent(at)`` leaves records out."""
    folder.mkdir(parents=True, exist_ok=True)
    records = sorted(
        [item for sender in senders for item in sender.records(seconds)] + [(note.at, note) for note in notes or []],
        key=lambda item: item[0],
    )
    records = [item for item in records if not silent(item[0])]
    sealed = []
    length = int(segment_s * SECOND)
    total = -(-int(seconds * SECOND) // length)
    for number in range(total):
        low, high = START + number * length, START + (number + 1) * length
        high = high if number < total - 1 else high + SECOND
        mine = [(at, record) for at, record in records if low <= at < high]
        sealed.append(write_segment(folder, number + 1, low, mine, [t for s in senders for t in s.tracks()]))
    return sealed


def write_segment(
    folder: Path, number: int, opened_at: int, records: list[tuple[int, Record]], tracks: list[Track]
) -> tuple[str, bytes]:
    import hashlib

    digest = hashlib.sha256()
    out = bytearray()

    def put(data: bytes) -> None:
        digest.update(data)
        out.extend(data)

    put(MAGIC + encode(Header(TAKE, number, opened_at)))
    for track in tracks:
        put(encode(track))
    chained = last = opened_at
    for at, record in records:
        while at - chained >= 100_000:
            chained += 100_000
            put(encode(Chain(chained, digest.digest())))
        put(encode(record))
        last = max(last, at)
    put(encode(Chain(last, digest.digest())))
    put(encode(End(last)))
    name = f"seg-{number:05d}.cap"
    (folder / name).write_bytes(out)
    return name, digest.digest()


def every(period: float, length: float = 0.1, first: float = 1.0) -> Callable[[float], bool]:
    """True for ``length`` seconds every ``period``."""
    return lambda t: t >= first and (t - first) % period < length


def save_people(path: Path) -> None:
    path.write_text(json.dumps(PEOPLE, ensure_ascii=False), encoding="utf-8")
