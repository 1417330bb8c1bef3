"""Archives of any length without a single real picture: captures with right headers, a witness, a media journal.

``write_hour`` is for measuring (nine seats, 700 kbit/s each), ``write_tiny`` for damaging byte by byte.
"""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from courtroom.channel.messages import EdgeCounter, TransportChanged
from courtroom.control.mediajournal import MediaJournal
from courtroom.hearing import events as e
from courtroom.hearing.keyring import CourtKey, to_value
from courtroom.hearing.ledger import to_line
from courtroom.hearing.model import Case, Policy, SeatPlan
from courtroom.sfu.capture import MAGIC, Chain, End, Header, Note, Packet, SenderReport, Track, encode
from recorder.bag import Contents, pack
from recorder.seal import public_hex
from tests.recorder.cast import CAST, WITNESS, names
from tests.recorder.stage import SECOND, START, TAKE, Script, write_key

FRAME = 20_000  # µs of an Opus packet


@dataclass(frozen=True)
class Hour:
    """``seats`` of the cast and one witness, who is called at a third and dismissed at two thirds of the time."""

    seconds: int
    seats: int = 8
    video_bytes: int = 1090
    video_rate: int = 80
    audio_bytes: int = 80
    audio_rate: int = 50
    segment_s: int = 60
    chain_us: int = 100_000
    report_us: int = SECOND
    start: int = START

    @property
    def end(self) -> int:
        return self.start + self.seconds * SECOND

    @property
    def called(self) -> int:
        return self.start + self.seconds * SECOND // 3

    @property
    def dismissed(self) -> int:
        return self.start + self.seconds * SECOND * 2 // 3

    @property
    def cast(self) -> tuple[SeatPlan, ...]:
        return (*CAST[: self.seats], WITNESS)


class Journalled:
    """The media journal as control writes it: every seat hears every other, the witness while it testifies."""

    def __init__(self, hour: Hour, leak: Callable[[int], bool] = lambda at: False) -> None:
        self.notes: list[Note] = []
        self._hour = hour
        self._leak = leak
        self._at = self._up_at = 0
        self._journal = MediaJournal(self._mark)

    def _mark(self, kind: str, detail: str) -> bool:
        self.notes.append(Note(self._at, {**json.loads(detail), "kind": kind}))
        return True

    def lines(self) -> list[Note]:
        hour, seats = self._hour, [seat.id for seat in self._hour.cast]
        for seat in seats[:-1]:
            self._journal.belongs(f"t-{seat}", seat, "courtroom")
            self._journal.changed(TransportChanged(f"t-{seat}", "connected", hour.start - 5 * SECOND))
        up = False
        for at in range(hour.start, hour.end + SECOND, SECOND):
            self._at = at + 1000
            inside = hour.called <= at < hour.dismissed or self._leak(at)
            if inside and not up:
                self._up_at = at
                self._journal.belongs("t-w", WITNESS.id, "courtroom")
                self._journal.changed(TransportChanged("t-w", "connected", at + 300))
            if up and not inside:
                self._journal.changed(TransportChanged("t-w", "closed", at))
            up = inside
            self._journal.counted(self._at, list(self._edges(seats[:-1], at, inside)))
        self._at += 1
        self._journal.flush(self._at)
        return self.notes

    def _edges(self, seats: list[str], at: int, inside: bool) -> Iterator[EdgeCounter]:
        start = self._hour.start
        since = (at - start) // SECOND + 1
        begun = self._up_at
        for to in seats:
            for source in seats:
                if to != source:
                    yield EdgeCounter(f"t-{to}", f"t-{source}", "camera", 80 * since, 0, start + 1000, at)
        for source in seats if inside else ():
            count = 80 * max(1, (at - begun) // SECOND)
            yield EdgeCounter("t-w", f"t-{source}", "camera", count, 0, begun + 2000, max(at, begun + 2000))


class _At(Script):
    """A ledger that begins when it is told to."""

    def __init__(self, start: int, seats: tuple[SeatPlan, ...]) -> None:
        self.entries, self.seats = [], seats
        case = Case("（2026）示范0101民初123号", "示范市示范区人民法院", "买卖合同纠纷", "ordinary", True)
        event = e.HearingCreated(case=case, policy=Policy("none", "record"), scheduled_at=start, seats=seats)
        self.say(start - 600 * SECOND, event)

    def open(self, at: int = START) -> Script:
        self.seats = tuple(seat for seat in self.seats if seat is not WITNESS)
        self.say(at - 90 * SECOND, e.SeatMoved(seat=WITNESS.id, room="witness_room", owner=WITNESS.id, why="admitted"))
        return super().open(at)


def _script(hour: Hour) -> Script:
    script = _At(hour.start, hour.cast)
    script.open(hour.start)
    script.say(hour.called, e.SeatMoved(seat=WITNESS.id, room="courtroom", owner="", why="called"), "s-judge")
    script.say(hour.dismissed, e.SeatMoved(seat=WITNESS.id, room="witness_room", owner=WITNESS.id, why="dismissed"))
    return script


def write_hour(folder: Path, hour: Hour, leak: Callable[[int], bool] = lambda at: False) -> Script:
    """The capture of a hearing, and the ledger that names its segments."""
    folder.mkdir(parents=True, exist_ok=True)
    notes = Journalled(hour, leak).lines()
    sealed = []
    for number in range(-(-hour.seconds // hour.segment_s)):
        low = hour.start + number * hour.segment_s * SECOND
        high = min(low + hour.segment_s * SECOND, hour.end)
        mine = [note for note in notes if low <= note.at < high or (high == hour.end and note.at >= high)]
        sealed.append(_segment(folder, number + 1, low, high, hour, mine))
    script = _script(hour)
    script.close(hour.end, sealed)
    return script


def _segment(folder: Path, number: int, low: int, high: int, hour: Hour, notes: list[Note]) -> tuple[str, bytes]:
    digest, out = hashlib.sha256(), bytearray()
    seeded = random.Random(number)
    pool = seeded.randbytes(64_000)

    def put(data: bytes) -> None:
        digest.update(data)
        out.extend(data)

    put(MAGIC + encode(Header(TAKE, number, low)))
    for index, seat in enumerate(hour.cast, 1):
        put(encode(Track(index, seat.id, "camera", "h", "vp8", 90_000, 96, "w-1")))
        put(encode(Track(index + 100, seat.id, "microphone", "", "opus", 48_000, 111, "w-1")))
    chained = last = low
    for at, data in _records(low, high, hour, pool, seeded, notes):
        while at - chained >= hour.chain_us:
            chained += hour.chain_us
            put(encode(Chain(chained, digest.digest())))
        put(data)
        last = max(last, at)
    put(encode(Chain(last, digest.digest())))
    put(encode(End(last)))
    name = f"seg-{number:05d}.cap"
    (folder / name).write_bytes(out)
    return name, digest.digest()


def _records(
    low: int, high: int, hour: Hour, pool: bytes, seeded: random.Random, notes: list[Note]
) -> list[tuple[int, bytes]]:
    """Everything that arrives in ``[low, high)``, in order."""
    found = [(note.at, encode(note)) for note in notes]
    for index, seat in enumerate(hour.cast, 1):
        begin, end = (max(low, hour.called), min(high, hour.dismissed)) if seat is WITNESS else (low, high)
        if begin >= end:
            continue
        for track, rate, size, clock, head, kind in (
            (index, hour.video_rate, hour.video_bytes, 90_000, b"\x90\x80\x81\x23", 96),
            (index + 100, hour.audio_rate, hour.audio_bytes, 48_000, b"", 111),
        ):
            found += _stream(track, begin, end, rate, size, clock, head, kind, pool, seeded)
        for at in range(begin, end, hour.report_us):
            found.append((at, encode(SenderReport(index, at, (at // SECOND + 2_208_988_800) << 32, at % (1 << 32)))))
    found.sort(key=lambda item: item[0])
    return found


def _stream(
    track: int, begin: int, end: int, rate: int, size: int, clock: int, head: bytes, kind: int, pool: bytes,
    seeded: random.Random,
) -> list[tuple[int, bytes]]:  # fmt: skip
    out = []
    step = SECOND // rate
    for at in range(begin + track * 37, end, step):
        place = seeded.randrange(len(pool) - size)
        number, stamp = at // step & 0xFFFF, at * clock // SECOND & 0xFFFFFFFF
        rtp = struct.pack(">BBHII", 0x80, 0x80 | kind, number, stamp, track)
        out.append((at, encode(Packet(track, at, rtp + head + pool[place : place + size]))))
    return out


# --- small enough to be damaged everywhere ------------------------------------------------------------------------

TINY = Hour(
    3, seats=2, video_bytes=24, video_rate=4, audio_bytes=12, audio_rate=5, segment_s=2, chain_us=500_000,
    report_us=2 * SECOND,
)  # fmt: skip


def write_programme(path: Path, seconds: float) -> None:
    """Black pictures and silence, as small as MP4 can be."""
    with av.open(str(path), "w", format="mp4") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 36, "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "40", "g": "250"}
        sound = out.add_stream("aac", rate=8000, layout="mono")
        black = av.VideoFrame.from_ndarray(np.zeros((36, 64, 3), np.uint8), format="rgb24").reformat(format="yuv420p")
        for number in range(round(seconds * 25)):
            black.pts, black.time_base = number, Fraction(1, 25)
            out.mux(video.encode(black))
        out.mux(video.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate, silence.pts, silence.time_base = 8000, 0, Fraction(1, 8000)
        for packet in [*sound.encode(silence), *sound.encode(None)]:
            out.mux(packet)


@dataclass(frozen=True)
class Tiny:
    """A sealed archive of a few kilobytes, and everything it was made of."""

    folder: Path
    hour: Hour
    key: Ed25519PrivateKey

    @property
    def bag(self) -> Path:
        return self.folder / "bag"

    def contents(self) -> Contents:
        return Contents(
            self.folder / "capture", self.folder / "ledger.jsonl", self.folder / "head.json",
            self.folder / "people.json", self.folder / "programme.mp4", self.folder / "key.pem", self.hour.end + SECOND,
            self.folder / "keys.json",
        )  # fmt: skip


def write_tiny(
    folder: Path, leak: Callable[[int], bool] = lambda at: False, keys: Sequence[CourtKey] = (), start: int = START
) -> Tiny:
    """``keys``: the keyring, its last key is to come; without it the key that is made here is the first."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Tiny(folder, replace(TINY, start=start), write_key(folder / "key.pem"))
    script = write_hour(folder / "capture", made.hour, leak)
    script.save(folder / "ledger.jsonl")
    (folder / "people.json").write_text(json.dumps(dict(list(names("zh").items())[:2])), encoding="utf-8")
    (folder / "head.json").write_text(to_line(script.head(made.key)), encoding="utf-8")
    ring = keys or [CourtKey(public_hex(made.key.public_key()), 0)]
    (folder / "keys.json").write_text(json.dumps(to_value(ring)), encoding="utf-8")
    write_programme(folder / "programme.mp4", TINY.seconds)
    pack(made.contents(), made.bag, folder / "making")
    return made
