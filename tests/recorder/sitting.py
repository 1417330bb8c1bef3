"""A short hearing before a real court without browsers: docket, store, writer and workers are the product's own
processes, the people speak through a plain DTLS and SRTP client.

What was said when, and what the desk was shown when, is written down here, so that the archive can be held against it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

from courtroom import config
from courtroom.channel.messages import CloseRoom
from courtroom.control.courtroom import CourtroomActor
from courtroom.control.docket import CourtDocket, open_docket
from courtroom.errors import CourtroomError
from courtroom.hearing import commands as c
from courtroom.hearing.ledger import Entry
from courtroom.hearing.model import Role
from courtroom.server.schemas import CaseBody, HearingBody, PolicyBody, SeatBody, plan_of
from courtroom.store.database import Database
from courtroom.store.keys import SigningKey
from courtroom.store.ledgers import SqlLedgers
from courtroom.store.registry import SqlRegistry
from courtroom.store.secrets import Vault
from recorder.index import read_capture
from recorder.runs import Capture
from tests.sfu import wire
from tests.worker.client import Client

FRAME_S = 0.02
MAY_BE_LOST_US = 200_000
PATIENCE_S = 90.0
PEOPLE = (
    SeatBody(Role.PRESIDING_JUDGE, "周示范"),
    SeatBody(Role.CLERK, "吴示例"),
    SeatBody(Role.PLAINTIFF, "示范商贸有限公司"),
)
SPEAKERS = (Role.PRESIDING_JUDGE, Role.PLAINTIFF)


def _tone() -> list[bytes]:
    """A second of a quiet tone in Opus."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 48_000, "mono", "flt", 24_000
    packets: list[bytes] = []
    for number in itertools.count():
        times = (number * 960 + np.arange(960)) / 48_000
        frame = av.AudioFrame.from_ndarray(
            (0.1 * np.sin(2 * math.pi * 440 * times)).astype(np.float32).reshape(1, -1), format="flt", layout="mono"
        )
        frame.sample_rate, frame.pts = 48_000, number * 960
        packets += [bytes(packet) for packet in encoder.encode(frame)]
        if len(packets) >= 50:
            return packets
    raise AssertionError


async def until(good: Callable[[], Any], patience: float = PATIENCE_S) -> Any:
    async with asyncio.timeout(patience):
        while not (found := good()):
            await asyncio.sleep(0.02)
    return found


class Page:
    """A signalling session: what it was shown, and when."""

    def __init__(self, seat: str, now: Callable[[], int]) -> None:
        self.id = f"c-{seat}"
        self.page = f"p-{seat}"
        self.shown: list[tuple[int, dict[str, Any]]] = []
        self._now = now

    def push_view(self, view: dict[str, Any]) -> None:
        self.shown.append((self._now(), view))

    def push_signal(self, signal: dict[str, Any]) -> None:
        pass

    def close(self, reason: str) -> None:
        pass


@dataclass
class Voice:
    """One seat's microphone; comes back by itself when its worker dies. ``said``: (sequence, µs) of each packet."""

    room: CourtroomActor
    seat: str
    said: list[tuple[int, int]] = field(default_factory=list)
    _client: Client | None = None
    _key: str = ""
    _ssrc: int = 0

    async def speak(self, tone: list[bytes], now: Callable[[], int], ended: asyncio.Event) -> None:
        begin, loop = now(), asyncio.get_running_loop()
        due = loop.time()
        for number in itertools.count():
            if ended.is_set():
                break
            key = self._room_key()
            if self._client is None or key != self._key:
                await self._connect(ended)
                due = loop.time()
                continue
            stamp = (now() - begin) * 48 // 1000
            packet = wire.rtp(number, stamp, self._ssrc, tone[number % len(tone)], 111, mid=b"mic", level=b"\x20")
            self._client.send_rtp(packet)
            self._client.datagrams.clear()
            self.said.append((number & 0xFFFF, now()))
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - loop.time()))
        self.hang_up()

    def _room_key(self) -> str:
        return self.room.media.room_name("courtroom")

    async def _connect(self, ended: asyncio.Event) -> None:
        self.hang_up()
        self._key = self._room_key()
        try:
            transport, offer = await self.room.open_media(self.seat, 1, ["microphone"])
            self._client = Client(offer)
            self._ssrc += 1
            await self.room.answer_media(self.seat, transport, self._client.answer())
            await self._client.check()
            await self._client.handshake()
        except (CourtroomError, TimeoutError):
            self.hang_up()  # the worker is down, or was killed under us
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 0.05)

    def hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


@dataclass
class Sitting:
    """One hearing. Times in µs of the court clock."""

    room: CourtroomActor
    seats: dict[str, str]  # role → seat id
    pages: dict[str, Page]
    voices: dict[str, Voice]
    now: Callable[[], int]
    opened_at: int = 0
    closed_at: int = 0
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _speaking: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def desk(self) -> Page:
        return self.pages[self.seats[Role.PRESIDING_JUDGE]]

    def lamps(self) -> list[tuple[int, str]]:
        """What the judge's lamp said, and since when."""
        states: list[tuple[int, str]] = []
        for at, view in self.desk.shown:
            state = view["recording"]["state"]
            if not states or states[-1][1] != state:
                states.append((at, state))
        return states

    def notices(self) -> set[str]:
        """Every notice the judge was shown."""
        return {notice["code"] for _, view in self.desk.shown for notice in view["notices"]}

    async def notes(self, what: str = "") -> list[Entry]:
        return [
            entry for entry in await self.room.ledger()
            if entry.type == "capture_noted" and (not what or entry.body["what"] == what)
        ]  # fmt: skip

    async def open(self, tone: list[bytes]) -> None:
        """Opened, everybody speaking, the lamp on."""
        for seat, page in self.pages.items():
            await self.room.attach(seat, page)
        judge = self.seats[Role.PRESIDING_JUDGE]
        for seat in self.pages:
            if self.room.hearing.seats[seat].room is None or not self.room.hearing.seats[seat].admitted:
                with contextlib.suppress(CourtroomError):  # the bench needs no admission
                    await self.room.submit(c.Admit(actor=judge, seat=seat))
        self._speaking = [
            asyncio.create_task(voice.speak(tone, self.now, self._ended)) for voice in self.voices.values()
        ]
        await until(lambda: all(voice.said for voice in self.voices.values()))
        await self.room.submit(c.OpenHearing(actor=judge))
        self.opened_at = self.now()
        await until(lambda: self.lamps()[-1][1] == "on")

    async def close(self) -> None:
        async def ask() -> None:
            await self.room.submit(c.CloseHearing(actor=self.seats[Role.PRESIDING_JUDGE]))

        await ask()
        self.closed_at = self.now()
        self._ended.set()
        await asyncio.gather(*self._speaking)

    async def sealed(self) -> Path:
        await until(lambda: self.room.archive.state in ("sealed", "failed"), 300)
        assert self.room.archive.state == "sealed", self.room.archive
        assert self.room.archive.bag is not None
        await self.left_nothing()
        return self.room.archive.bag

    async def left_nothing(self) -> None:
        """No media worker holds a room of a hearing that is over: rooms are few, and courts sit every day."""
        media = self.room.media
        assert media._worker is None
        for worker in media._pool.workers:
            assert media not in worker._tenants
            if worker.up:
                reply = await worker.ask(lambda number: CloseRoom(number, f"{self.room.id}/courtroom"))
                assert reply.code == "no_such_room"


class Court:
    """The docket over a data directory of its own."""

    def __init__(self, docket: CourtDocket, data: Path) -> None:
        self.docket = docket
        self.data = data
        self.tone = _tone()

    async def hearing(self) -> Sitting:
        body = HearingBody(
            case=CaseBody("（2026）示范0101民初123号", "示范市示范区人民法院", "买卖合同纠纷", "ordinary", True),
            seats=list(PEOPLE),
            policy=PolicyBody(checkin="none", checklist="record"),
        )
        now = self.docket.clock.now
        created = await self.docket.create(plan_of(body, True, now()))
        room = self.docket.find(created.id)
        assert isinstance(room, CourtroomActor)
        seats = {seat.role: seat.id for seat in created.seats}
        pages = {seat.id: Page(seat.id, now) for seat in created.seats}
        voices = {seats[role]: Voice(room, seats[role]) for role in SPEAKERS}
        return Sitting(room, seats, pages, voices, now)

    def pid(self, name: str) -> int:
        return self.docket.processes()[name]


@contextlib.asynccontextmanager
async def court(data: Path, **flags: object) -> AsyncIterator[Court]:
    given = {"data": str(data), "port": "0", "media_port": "0", "workers": "1", "allow_unchecked": True, **flags}
    settings = await asyncio.to_thread(config.load, given, {})
    key_file = data / "court.pem"
    key = await asyncio.to_thread(SigningKey.load, key_file)
    vault = await asyncio.to_thread(Vault.load, data / "vault.key")
    database = await Database.open(f"sqlite+aiosqlite:///{data / 'court.sqlite3'}")
    registry = SqlRegistry(database, vault)
    try:
        docket = await open_docket(SqlLedgers(database), registry, key.sign, key.hex, key_file, settings)
        try:
            yield Court(docket, data)
        finally:
            await docket.close()
    finally:
        await database.close()


# --- the archive against what was said ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """What became of every second the lamp vouched for, and of every packet said while it was on."""

    seconds: int  # acknowledged: the lamp was on in it
    by_media: int
    by_gap: int
    unaccounted: list[int]
    hidden_us: int  # the longest stretch said, neither in the media nor in a logged gap
    gap_us: int
    lost_us: int  # from the last packet in the files to the moment a worker was killed under speaking people


async def account(sitting: Sitting, bag: Path, workers_killed: Sequence[int] = ()) -> tuple[Account, dict[str, Any]]:
    """Holds the archive's media and recording log against what people said and saw; the log too."""
    capture = await asyncio.to_thread(read_capture, bag / "data" / "capture")
    log = json.loads(await asyncio.to_thread((bag / "data" / "recording-log.json").read_bytes))
    return _account(sitting, capture, log, workers_killed), log


def _account(sitting: Sitting, capture: Capture, log: dict[str, Any], killed: Sequence[int]) -> Account:
    gaps = [(gap["from_at"], gap["to_at"]) for gap in log["gaps"]]
    arrivals = np.concatenate([run.at for run in capture.runs]) if capture.runs else np.zeros(0, np.int64)
    over = min(sitting.closed_at, log["ended_at"])
    seconds = sorted({second for lit in _lit(sitting, over) for second in _vouched(*lit)})
    media = {int(at) // 10**6 for at in arrivals}
    gapped = {second for low, high in gaps for second in range(low // 10**6, high // 10**6 + 1)}
    hidden = max(_hidden(voice, capture, gaps, over) for voice in sitting.voices.values())
    return Account(
        len(seconds),
        sum(second in media for second in seconds),
        sum(second not in media and second in gapped for second in seconds),
        [second for second in seconds if second not in media and second not in gapped],
        hidden,
        sum(high - low for low, high in gaps),
        max((_lost(sitting, arrivals, at) for at in killed), default=0),
    )


def _lost(sitting: Sitting, arrivals: Any, at: int) -> int:
    speaking = any(at - 60_000 < said <= at for voice in sitting.voices.values() for _, said in voice.said)
    before = arrivals[arrivals <= at]
    return at - int(before.max()) if speaking and len(before) else 0


def _lit(sitting: Sitting, over: int) -> list[tuple[int, int]]:
    """When the lamp was on, as shown, until the recording was over."""
    states = [*sitting.lamps(), (over, "off")]
    return [(at, min(end, over)) for (at, state), (end, _) in itertools.pairwise(states) if state == "on" and at < over]


def _vouched(begin: int, end: int) -> list[int]:
    """Seconds of which the lamp vouched for more than may be lost."""
    seconds = range(begin // 10**6, end // 10**6 + 1)
    return [one for one in seconds if min(end, (one + 1) * 10**6) - max(begin, one * 10**6) > MAY_BE_LOST_US]


def _hidden(voice: Voice, capture: Capture, gaps: list[tuple[int, int]], over: int) -> int:
    """The longest stretch of packets, said before the close and while the recording was on, that is in no file and in
    no gap of the log."""
    runs = [run for run in capture.runs if run.label == voice.seat]
    numbers = {int(seq) & 0xFFFF for run in runs for seq in run.seq}
    first = min((int(run.at[0]) for run in runs), default=over)
    longest = begin = end = 0
    for number, at in voice.said:
        if not first <= at <= over or number in numbers or any(lo <= at <= hi for lo, hi in gaps):
            begin = end = 0
            continue
        begin, end = begin or at, at
        longest = max(longest, end - begin + int(FRAME_S * 10**6))
    return longest
