"""A small real docket for the server's tests: the court core in memory, no media plane, no store.

It decides, evolves, hashes and shows views with ``courtroom.hearing``; SDP is made up and remembered.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from courtroom import config
from courtroom.config import Settings
from courtroom.control.api import Archive, Created, HearingPlan, IssuedSeat, Session
from courtroom.control.copies import Copies, CopyJobs
from courtroom.errors import Refused
from courtroom.hearing.commands import Command, ObserveArrival, ObserveEvidence, ObserveLoss
from courtroom.hearing.decide import decide
from courtroom.hearing.events import Event
from courtroom.hearing.evolve import evolve
from courtroom.hearing.founding import found
from courtroom.hearing.ledger import FIRST, Entry, SignedHead, entry_for, to_line
from courtroom.hearing.model import Hearing
from courtroom.hearing.view import presence_report, view
from courtroom.server.app import make_app
from courtroom.server.limits import Limits
from courtroom.store.memory import MemoryRegistry
from courtroom.store.ports import SeatRecord

STAFF_TOKEN = "staff-token-of-the-tests"
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


def now() -> int:
    return time.time_ns() // 1000


class Room:
    """``control.api.Courtroom`` over the pure core."""

    def __init__(self, hearing_id: str, plan: HearingPlan) -> None:
        self.id = hearing_id
        self._hearing: Hearing | None = None
        self.entries: list[Entry] = []
        self.names: dict[str, str] = {one.plan.id: one.name for one in plan.seats}
        self.sessions: dict[str, Session] = {}
        self.lost: list[tuple[str, list[dict[str, str | int]]]] = []
        self.noted: list[tuple[str, list[dict[str, str | int]]]] = []
        self.answers: dict[str, str] = {}
        self.transports: dict[str, str] = {}
        self.hung_up: list[str] = []
        self.preferences: list[tuple[str, Sequence[Mapping[str, Any]]]] = []
        self.readers: list[str] = []
        self.archive = Archive()
        self.video: Path | None = None
        self.copies = Copies(self, CopyJobs(Path(), Path(), None, lambda bag: bag), now)
        self.spoken: dict[str, Any] = {"state": "none", "speakers": []}
        self.bug: type[Exception] | None = None
        event = found(plan.case, plan.policy, plan.scheduled_at, tuple(one.plan for one in plan.seats))
        self._apply("system", (event,))

    @property
    def hearing(self) -> Hearing:
        assert self._hearing is not None
        return self._hearing

    def _apply(self, actor: str, events: Sequence[Event]) -> None:
        for event in events:
            prev = self.entries[-1].hash if self.entries else FIRST
            entry = entry_for(self.id, len(self.entries) + 1, now(), actor, event, prev)
            self._hearing = evolve(self._hearing, event, entry.at, entry.seq, self.id)
            self.entries.append(entry)
        for seat, session in self.sessions.items():
            session.push_view(view(self.hearing, seat, self.names, now()))

    async def submit(self, command: Command) -> int:
        if self.bug is not None:
            raise self.bug("with a secret in its message")
        self._apply(command.actor, decide(self.hearing, command, now(), lambda: f"r-{secrets.token_hex(4)}"))
        return self.hearing.seq

    async def attach(self, seat: str, session: Session) -> None:
        if self.hearing.seats[seat].removed:
            raise Refused("removed_by_court")
        earlier = self.sessions.pop(seat, None)
        if earlier is not None:
            earlier.close("replaced")
        self.sessions[seat] = session
        await self.submit(ObserveArrival(seat=seat, connection=session.id))
        session.push_view(view(self.hearing, seat, self.names, now()))

    async def detach(self, seat: str, session: Session, evidence: Sequence[Mapping[str, str | int]]) -> None:
        rows = [dict(row) for row in evidence]
        self.lost.append((seat, rows))
        if self.sessions.get(seat) is session:
            del self.sessions[seat]
            await self.submit(ObserveLoss(seat=seat, connection=session.id, evidence=tuple(rows)))

    async def note_evidence(self, seat: str, evidence: Sequence[Mapping[str, str | int]]) -> None:
        rows = tuple(dict(row) for row in evidence)
        self.noted.append((seat, list(rows)))
        await self.submit(ObserveEvidence(seat=seat, evidence=rows))

    async def open_media(self, seat: str, places: int, publish: Sequence[str]) -> tuple[str, str]:
        transport = f"t-{secrets.token_hex(4)}"
        self.transports[transport] = seat
        return transport, OFFER + f"a=places:{places} {','.join(publish)}\r\n"

    def _own(self, seat: str, transport: str) -> None:
        if self.transports.get(transport) != seat:
            raise Refused("unknown_transport")

    async def answer_media(self, seat: str, transport: str, sdp: str) -> None:
        self._own(seat, transport)
        self.answers[transport] = sdp

    async def restart_media(self, seat: str, transport: str) -> str:
        self._own(seat, transport)
        return OFFER

    async def hang_up(self, seat: str, transport: str) -> None:
        self._own(seat, transport)
        self.hung_up.append(transport)

    def set_preferences(self, seat: str, places: Sequence[Mapping[str, Any]]) -> None:
        self.preferences.append((seat, places))

    def presence(self) -> dict[str, Any]:
        return presence_report(self.hearing, self.names, now())

    async def ledger(self) -> list[Entry]:
        return list(self.entries)

    async def lines(self) -> AsyncIterator[str]:
        for entry in self.entries:
            yield to_line(entry)

    async def entries_of(self, *types: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.type in types]

    async def head(self) -> SignedHead:
        last = self.entries[-1]
        return SignedHead(self.id, last.seq, last.hash, last.at, "ab" * 64, "cd" * 32)

    async def verify_archive(self) -> dict[str, Any]:
        if self.archive.state != "sealed":
            raise Refused("no_archive")
        return {"ok": True, "checks": []}

    async def read_archive(self, reader: str) -> Path:
        assert self.video is not None
        self.readers.append(reader)
        return self.video

    async def export_archive(self, reader: str) -> Path:
        assert self.archive.bag is not None
        self.readers.append(reader)
        return self.archive.bag

    async def speakers(self) -> dict[str, Any]:
        return self.spoken


class Court:
    """``control.api.Docket``."""

    def __init__(self, registry: MemoryRegistry) -> None:
        self.registry = registry
        self.rooms: dict[str, Room] = {}
        self.well = True

    async def create(self, plan: HearingPlan) -> Created:
        room = Room(f"h-{secrets.token_hex(4)}", plan)
        issued = tuple(
            IssuedSeat(
                one.plan.id, one.plan.role.value, one.name, secrets.token_urlsafe(24), f"{secrets.randbelow(10**6):06}"
            )
            for one in plan.seats
        )
        await self.registry.add_seats(
            [
                SeatRecord(room.id, one.id, one.name, hashlib.sha256(one.token.encode()).hexdigest(), one.code)
                for one in issued
            ]
        )
        self.rooms[room.id] = room
        return Created(room.id, issued)

    async def listed(self) -> AsyncIterator[Room]:
        for room in list(self.rooms.values()):
            yield room

    async def names(self, hearing: str) -> Mapping[str, str]:
        return self.rooms[hearing].names

    async def open(self, hearing: str) -> Room | None:
        return self.rooms.get(hearing)

    def media(self) -> list[str]:
        return ["udp:127.0.0.1:40000"]

    def health(self) -> dict[str, bool]:
        return {"workers": self.well, "writer": True}

    def metrics(self) -> dict[str, float]:
        return {"courtroom_hearings": float(len(self.rooms))}

    async def close(self) -> None:
        self.rooms.clear()


@dataclass
class Running:
    """A server on a free loopback port."""

    url: str
    court: Court
    app: web.Application
    registry: MemoryRegistry
    staff: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {STAFF_TOKEN}"})


def settings(tmp: Path, web_directory: Path | None = None, **changes: Any) -> Settings:
    loaded = config.load({"data": str(tmp), "allow_unchecked": True}, {})
    return replace(loaded, web=web_directory or templates(tmp), **changes)


def templates(tmp: Path) -> Path:
    """Tiny templates with the contexts the real ones use."""
    root = tmp / "web"
    (root / "static").mkdir(parents=True, exist_ok=True)
    (root / "static" / "page.css").write_text("body{}")
    (root / "templates").mkdir(exist_ok=True)
    pages = {
        "home.html": "<p>{{ error and t(error) }}{{ staff }}</p>",
        "join.html": "<h1>{{ seat.name }}</h1><p>{{ case.number }}|{{ case.court }}|{{ isolated }}|{{ needs_code }}</p>"
        "<b>{{ error and t(error) }}</b><i>{{ declined }}</i><input value='{{ notice_hash }}'>",
        "hearing.html": "<script type=application/json id=page>{{ page | tojson }}</script>{{ court }}{{ large }}",
        "docket.html": "{% for x in hearings %}{{ x.case.number }} {{ x.parties }} {{ x.connected }}/{{ x.required }}"
        "{% for a in x.alerts %}{{ a.text }}{% endfor %}{% endfor %}{{ health }}",
        "archive.html": "{% for x in hearings %}<p>{{ x.id }} {{ x.state }}</p>{% endfor %}",
        "sign.html": "<p>{{ person.name }} {{ person.outcome }} {{ sheet and sheet.root_sha256 }}</p>",
        "archive_hearing.html": "<p>{{ case.number }} {{ archive.state }} {{ page.video_url }} {{ head.seq }}</p>",
        "error.html": "<h1>{{ status }} {{ code }} {{ lang }}</h1>",
    }
    for name, content in pages.items():
        (root / "templates" / name).write_text(content)
    return root


@asynccontextmanager
async def serving(chosen: Settings, limits: Limits | None = None) -> AsyncIterator[Running]:
    registry = MemoryRegistry()
    court = Court(registry)
    app = make_app(court, registry, chosen, STAFF_TOKEN, limits)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield Running(f"http://127.0.0.1:{port}", court, app, registry)
    finally:
        await runner.cleanup()


def body(checkin: str = "none", checklist: str = "record", **more: Any) -> dict[str, Any]:
    """A create request with six seats: judge, clerk, plaintiff, defendant, witness, the witness's interpreter."""
    return {
        "case": {
            "number": "（2026）示范0101民初7号",
            "court": "示范市示范区人民法院",
            "cause": "买卖合同纠纷",
            "procedure": "ordinary",
            "public": False,
        },
        "scheduled_at": "2026-11-22T09:30:00+08:00",
        "seats": [
            {"role": "presiding_judge", "name": "周示范"},
            {"role": "clerk", "name": "吴示例"},
            {"role": "plaintiff", "name": "王原告示例"},
            {"role": "defendant", "name": "郑样例"},
            {"role": "witness", "name": "冯例证"},
            {"role": "interpreter", "name": "陈译例", "linked_to": "冯例证"},
        ],
        "policy": {"checkin": checkin, "checklist": checklist},
        **more,
    }
