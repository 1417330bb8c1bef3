"""``POST /api/v1/hearings/{id}/journal``: what a seat's own browser wrote down, taken in, verified and kept.

Rules
* Everything that comes is bounded (size, rate, number) and kept sealed beside the ledger, as it came. The ledger gets
  the facts that belong to an interruption, the hash they stand under, and whatever is wrong with the chain.
* A chain that is rewritten, begun anew without naming the one before it, or has entries missing is itself a fact, not
  an error: the upload is answered as any other, so that nobody learns by trying which lie passes.
* The answer carries ``t1`` and ``t2``: every upload is an exchange of clocks (RFC 5905), sent back with the next one.
* A seat's own client speaks for that seat alone; what it says goes to the court as evidence with the client's clock
  named, never as a judgement.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web

from courtroom.control.api import Courtroom, Docket
from courtroom.errors import BadMessage, Refused
from courtroom.hearing import clientjournal
from courtroom.hearing.clientjournal import Clock, Note
from courtroom.hearing.commands import ObserveEvidence, ObserveJournal
from courtroom.server.api import find
from courtroom.server.auth import Doors, Seated, court_now
from courtroom.server.limits import Buckets, Limits
from courtroom.server.middleware import body_of
from courtroom.server.problems import not_found
from courtroom.server.schemas import Body, decode
from courtroom.store.ports import JournalTip, Registry

MAX_ENTRIES: Final = 200
MAX_UPLOADS: Final = 4
"""Of one seat under way at once: a browser gives one up after ten seconds and begins the next."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
Millis = Annotated[int, msgspec.Meta(ge=0, le=clientjournal.MAX_MS)]
Micros = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Word = Annotated[str, msgspec.Meta(max_length=clientjournal.MAX_DETAIL)]
Whole = Annotated[int, msgspec.Meta(ge=-(2**53 - 1), le=2**53 - 1)]


class EntryBody(Body, frozen=True):
    """One entry; see ``hearing.clientjournal``."""

    n: Annotated[int, msgspec.Meta(ge=1, le=2**31)]
    at: Millis
    up: Millis
    kind: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    detail: Annotated[dict[str, Whole | Word], msgspec.Meta(max_length=clientjournal.MAX_KEYS)]
    hash: Hash


class BaseBody(Body, frozen=True):
    """The entry before the first one of an upload."""

    n: Count
    hash: Hash


class JournalBody(Body, frozen=True):
    """``clock``: exchanges ``[t0, t1, t2, t3]`` of this browser, µs."""

    chain: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
    base: BaseBody
    entries: Annotated[list[EntryBody], msgspec.Meta(max_length=MAX_ENTRIES)]
    clock: Annotated[list[tuple[Micros, Micros, Micros, Micros]], msgspec.Meta(max_length=clientjournal.MAX_SAMPLES)]


class JournalAnswer(msgspec.Struct, frozen=True):
    """``acked``: newest entry that is kept. ``broken``: this chain is not followed any further."""

    acked: int
    state: Literal["ok", "broken"]
    t1: int
    t2: int


class Journals:
    """The intake of one application."""

    def __init__(self, docket: Docket, doors: Doors, registry: Registry, limits: Limits) -> None:
        self._docket = docket
        self._doors = doors
        self._registry = registry
        self._limits = limits
        self._rate = Buckets(limits.journal)
        self._turns: dict[str, _Turn] = {}

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/api/v1/hearings/{id}/journal", self.take)
        app.router.add_get("/api/v1/hearings/{id}/journal/{seat}", self.show)

    # --- staff ------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.Response:
        """Every entry that was kept, one a line, under its chain."""
        await self._doors.staff(request)
        hearing, seat = request.match_info["id"], request.match_info["seat"]
        courtroom = await find(self._docket, hearing)
        if seat not in courtroom.hearing.seats:
            raise not_found()
        lines = "".join(lines for _, lines in await self._registry.journal(hearing, seat))
        return web.Response(body=lines.encode(), headers={"Content-Type": "application/jsonl; charset=utf-8"})

    # --- seats ------------------------------------------------------------------------------------

    async def take(self, request: web.Request) -> web.Response:
        t1 = court_now()
        seated = await self._doors.seat(request)
        if request.content_type != "application/json":
            raise BadMessage("unsupported_media_type")
        body = decode(await body_of(request, self._limits.json, self._limits.body_s), JournalBody)
        if not self._rate.take(seated.seat):
            raise Refused("too_fast")
        async with self._turn(seated.seat):
            tip = await self._taken(seated, body)
        answer = JournalAnswer(tip.n, "broken" if tip.broken else "ok", t1, court_now())
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    @contextlib.asynccontextmanager
    async def _turn(self, seat: str) -> AsyncIterator[None]:
        """One upload of a seat after the other: one that its browser gave up may still be on its way to the disk."""
        turn = self._turns.setdefault(seat, _Turn())
        if turn.uploads >= MAX_UPLOADS:
            raise Refused("too_fast")
        turn.uploads += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.uploads -= 1
            if not turn.uploads:
                del self._turns[seat]

    async def _taken(self, seated: Seated, body: JournalBody) -> JournalTip:
        courtroom, seat = seated.courtroom, seated.seat
        tips = {one.chain: one for one in await self._registry.journal_tips(courtroom.id, seat)}
        first = clientjournal.first_hash(body.chain, courtroom.id, seat)
        tip = tips.get(body.chain, JournalTip(body.chain, 0, first, broken=False))
        if tip.broken or not body.entries:
            return tip
        notes = [Note(one.n, one.at, one.up, one.kind, one.detail, one.hash) for one in body.entries]
        fresh = [note for note in notes if note.n > tip.n]
        again = next((note for note in notes if note.n == tip.n), None)
        rewritten = again is not None and again.hash != tip.hash
        if not fresh and not rewritten:
            return tip
        kept = sum(one.n for one in tips.values())
        if len(tips) >= self._limits.journal_chains or kept > self._limits.journal_entries:
            raise Refused("journal_full")
        upload = _Upload(tip, fresh, rewritten=rewritten, base=(body.base.n, body.base.hash))
        upload.follows = not tips or await self._follows(courtroom.id, seat, fresh[0] if fresh else None)
        lines = "".join(
            msgspec.json.encode({"chain": body.chain, **msgspec.to_builtins(one)}).decode() + "\n"
            for one in body.entries
            if one.n > tip.n
        )
        await self._registry.add_journal(courtroom.id, seat, upload.tip, fresh[0].n if fresh else tip.n, lines)
        await self._told(courtroom, seat, upload, clientjournal.clock_of(body.clock))
        return upload.tip

    async def _follows(self, hearing: str, seat: str, first: Note | None) -> bool:
        """Whether a chain that begins here names the page before it, as the court knows that page."""
        if first is None or first.n != 1:
            return True
        before, n = first.detail.get("before"), first.detail.get("before_n")
        for chain, lines in await self._registry.journal(hearing, seat) if first.kind == "begun" else ():
            for line in lines.splitlines() if chain == before else ():
                entry = msgspec.json.decode(line)
                if entry["n"] == n:
                    return bool(entry["hash"] == first.detail.get("before_hash"))
        return False

    async def _told(self, courtroom: Courtroom, seat: str, upload: _Upload, clock: Clock | None) -> None:
        """What the court hears of it."""
        for what, detail in upload.troubles():
            await courtroom.submit(ObserveJournal(seat=seat, what=what, detail=dict(detail)))
        if clock is None or not upload.good:
            return
        state = courtroom.hearing.seats[seat]
        found = clientjournal.by_interruption(state, upload.good, clock, court_now())
        for began, rows in found.items():
            await courtroom.submit(ObserveEvidence(seat=seat, evidence=rows, spell=began))
        if found:
            last = upload.good[-1]
            kept: dict[str, str | int] = {
                "chain": upload.tip.chain, "n": last.n, "hash": last.hash,
                "offset_us": clock.offset_us, "error_us": clock.error_us,
            }  # fmt: skip
            await courtroom.submit(ObserveJournal(seat=seat, what="kept", detail=kept))


class _Turn:
    """Whose turn it is among the uploads of one seat, of which there are so many."""

    __slots__ = ("lock", "uploads")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.uploads = 0


class _Upload:
    """One upload held against what was known before: ``good`` entries, the new ``tip``, ``troubles``."""

    def __init__(self, tip: JournalTip, fresh: Sequence[Note], *, rewritten: bool, base: tuple[int, str]) -> None:
        self.follows = True
        self._before = tip
        self._rewritten = rewritten
        n, before = tip.n, tip.hash
        self._missing = fresh[0].n - tip.n - 1 if fresh else 0
        if self._missing:
            n, before = base  # the newest entry that the browser let go of
        self.good = [] if rewritten else list(fresh[: clientjournal.holding(n, before, fresh)])
        self._bad = not rewritten and len(self.good) < len(fresh)
        last = self.good[-1] if self.good else None
        self.tip = JournalTip(
            tip.chain, last.n if last else tip.n, last.hash if last else tip.hash, broken=rewritten or self._bad
        )

    def troubles(self) -> list[tuple[str, dict[str, str | int]]]:
        chain = self.tip.chain
        found: list[tuple[str, dict[str, str | int]]] = []
        if self._rewritten or self._bad:
            found.append(("rewritten", {"chain": chain, "n": self.tip.n + (0 if self._rewritten else 1)}))
        if self._missing and self.good:
            found.append(("missing", {"chain": chain, "n": self._before.n + 1, "count": self._missing}))
        if back := clientjournal.stepped(self.good):
            found.append(("stepped", {"chain": chain, "ms": back}))
        if self.good and not self.follows:
            found.append(("restarted", {"chain": chain, "store": str(self.good[0].detail.get("store", ""))}))
        return found
