"""Every hearing of this control process: made, found again after a restart, and ended in order.

``open_docket`` starts the capture writer and the media workers and opens every hearing to whose record something is
owed: it is claimed (a new fencing token: an earlier owner can write no more) and rebuilt by replaying the ledger. The
others lie on the shelf until somebody asks (``desks``).

Rules
* What lies on the shelf is what the store says so of, and of whose archive the disk says so too. In doubt it is opened.
* A time-stamp or a second copy that this court wants and a shelved archive does not have is owed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from courtroom.config import Settings
from courtroom.control import heap
from courtroom.control.api import Courtroom, Created, HearingPlan, IssuedSeat, Listed
from courtroom.control.archive import ArchiveJobs
from courtroom.control.capture import CaptureWriter
from courtroom.control.clock import CourtClock
from courtroom.control.courtroom import CourtroomActor
from courtroom.control.desks import QUIET_S, Desks
from courtroom.control.notify.notices import Notices
from courtroom.control.notify.ways import notifiers
from courtroom.control.relay import Relay
from courtroom.control.second import SecondCopies
from courtroom.control.shelf import read_brief
from courtroom.control.workers import WorkerPool
from courtroom.errors import CourtroomError
from courtroom.hearing.commands import COURT_SYSTEM
from courtroom.hearing.evolve import evolve
from courtroom.hearing.founding import found
from courtroom.hearing.ledger import FIRST, Entry, apply, entry_for, from_line
from courtroom.hearing.model import Hearing
from courtroom.store.ports import Contact, Ledgers, Registry, SeatRecord

TOKEN_BYTES: Final = 24
CODE_DIGITS: Final = 6
LOOK_AT: Final = 500  # archives at once, on the disk

log = structlog.get_logger()


def new_id(prefix: str) -> str:
    """An id that says nothing: 96 random bits."""
    return f"{prefix}-{secrets.token_hex(12)}"


class CourtDocket:
    """The docket over one store, one writer and a pool of workers."""

    def __init__(
        self,
        ledgers: Ledgers,
        registry: Registry,
        sign: Callable[[bytes], bytes],
        key_hex: str,
        key_file: Path,
        settings: Settings,
    ) -> None:
        self._ledgers = ledgers
        self._registry = registry
        self._sign = sign
        self._key_hex = key_hex
        self.clock = CourtClock()
        captures = settings.data / "captures"
        # A short path of our own: a unix socket's name has 108 bytes, and --data may be anywhere
        self._run = Path(tempfile.mkdtemp(prefix="court-"))
        self._writer = CaptureWriter(self.clock, self._run / "capture.sock", captures)
        self._pool = WorkerPool(
            settings.workers, self.clock, settings.media_port, settings.public_addresses, self._writer.socket
        )
        tsa = _authority(settings)
        self._archives = ArchiveJobs(
            settings.data / "archives", captures, key_file, settings.font, tsa, settings.archive_size
        )
        place = settings.second_copy
        self._copies = SecondCopies(place, captures, settings.data / "archives") if place is not None else None
        self._relay = Relay(settings.turn_urls, settings.turn_secret)
        self._notices = Notices(notifiers(settings.post), registry, self.clock.now)
        self._desks: Desks[CourtroomActor] = Desks(self._brought, time.monotonic, heap.give_back)

    async def start(self) -> None:
        await self._writer.start()
        await self._pool.start()
        if self._copies is not None:
            self._copies.start()
        for hearing in await self._owing():
            room = await self._brought(hearing)
            if room is not None:
                self._desks.put(room)
        self._desks.start()

    async def _owing(self) -> list[str]:
        """The hearings that cannot stay on the shelf; counts the others."""
        owing, page = await self._ledgers.unshelved(), list[str]()

        async def look() -> None:
            owing.extend(missing := await asyncio.to_thread(self._archives.missing, page))
            self._desks.shelved += len(page) - len(missing)
            page.clear()

        async for one in self._ledgers.shelved():
            wanting = (self._archives.stamps and not one.stamped) or (self._copies is not None and not one.copied)
            if read_brief(one) is None or (one.sealed and wanting):
                owing.append(one.hearing)
            elif one.sealed:
                page.append(one.hearing)
            else:
                self._desks.shelved += 1
            if len(page) >= LOOK_AT:
                await look()
        await look()
        return owing

    async def _brought(self, hearing: str) -> CourtroomActor | None:
        state, last = None, None
        async for line in self._ledgers.lines(hearing):
            last = from_line(line)
            state = apply(state, last)
        if state is None or last is None:
            return None
        room = await self._sit(state, last)
        try:
            await room.recover()
        except CourtroomError:
            with contextlib.suppress(CourtroomError):
                await room.close()
            raise
        return room

    async def create(self, plan: HearingPlan) -> Created:
        hearing = new_id("h")
        at = self.clock.now()
        event = found(plan.case, plan.policy, plan.scheduled_at, tuple(seat.plan for seat in plan.seats))
        first = entry_for(hearing, 1, at, COURT_SYSTEM, event, FIRST)
        issued = tuple(
            IssuedSeat(
                seat.plan.id, str(seat.plan.role), seat.name, secrets.token_urlsafe(TOKEN_BYTES),
                f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}",
            )
            for seat in plan.seats
        )  # fmt: skip
        await self._registry.add_seats(
            [
                SeatRecord(hearing, seat.id, seat.name, hashlib.sha256(seat.token.encode()).hexdigest(), seat.code)
                for seat in issued
            ]
        )
        contacts = {seat.plan.id: seat.contact for seat in plan.seats if seat.contact != Contact()}
        await self._registry.add_contacts(hearing, contacts)
        fence = await self._ledgers.claim(hearing)
        await self._ledgers.append(hearing, [first], fence)
        self._desks.put(await self._sit(evolve(None, event, at, 1, hearing), first, fence))
        log.info("hearing_created", hearing=hearing, seats=len(issued), unchecked=plan.policy.unchecked)
        return Created(hearing, issued)

    async def listed(self) -> AsyncIterator[Listed]:
        at_desks, told = list(self._desks), set[str]()
        already = {room.id for room in at_desks}
        async for one in self._ledgers.shelved():
            if one.hearing not in already and (brief := read_brief(one)) is not None:
                told.add(one.hearing)
                yield brief
        for room in at_desks:
            yield room
        for room in self._desks:  # opened and changed while we read
            if room.id not in already | told:
                yield room

    async def names(self, hearing: str) -> Mapping[str, str]:
        return {seat.seat: seat.name for seat in await self._registry.seats(hearing)}

    async def open(self, hearing: str) -> Courtroom | None:
        return await self._desks.open(hearing)

    def find(self, hearing: str) -> Courtroom | None:
        """If it is open now."""
        return self._desks.get(hearing)

    async def tidy(self, quiet_s: float = QUIET_S) -> None:
        """Puts back what has been quiet for so long, now."""
        await self._desks.tidy(quiet_s)

    def reachable_at(self, url: str) -> None:
        self._notices.reachable_at(url)
        for room in self._desks:
            self._notices.resume(room)

    def media(self) -> list[str]:
        return [address for worker in self._pool.workers for address in worker.media]

    def health(self) -> dict[str, bool]:
        return {"workers": any(worker.up for worker in self._pool.workers), "writer": self._writer.up}

    def processes(self) -> dict[str, int]:
        """Process ids by name, for operators and for tests that kill them."""
        mirror = {"mirror": self._copies.pid} if self._copies is not None else {}
        workers = {f"worker-{worker.number}": worker.pid for worker in self._pool.workers}
        return {"writer": self._writer.pid, **mirror, **workers}

    def metrics(self) -> dict[str, float]:
        gauges: dict[str, float] = {
            "courtroom_hearings": len(self._desks) + self._desks.shelved,
            "courtroom_hearings_open": len(self._desks),
            "courtroom_workers_up": sum(worker.up for worker in self._pool.workers),
            "courtroom_workers_full": sum(worker.gauge.full for worker in self._pool.workers),
            "courtroom_writer_up": float(self._writer.up),
            "courtroom_second_copies_waiting": float(self._copies.waiting if self._copies is not None else 0),
            "courtroom_worker_deaths_total": sum(worker.deaths for worker in self._pool.workers),
        }
        for name in ("loop_lag_us", "transports", "packets_in", "packets_out", "capture_lag_us", "cpu_permille"):
            gauges[f"courtroom_worker_{name}"] = sum(
                getattr(worker.load, name) for worker in self._pool.workers if worker.load
            )
        return gauges

    async def close(self) -> None:
        self._archives.close()
        await self._notices.close()
        await self._desks.close()
        await self._pool.stop()
        await self._writer.stop()
        if self._copies is not None:
            await self._copies.stop()
        await asyncio.to_thread(shutil.rmtree, self._run, ignore_errors=True)

    async def _sit(self, hearing: Hearing, last: Entry, fence: int | None = None) -> CourtroomActor:
        room = CourtroomActor(
            hearing,
            last,
            names=await self.names(hearing.id),
            fence=fence if fence is not None else await self._ledgers.claim(hearing.id),
            clock=self.clock,
            ids=lambda: new_id("x"),
            ledgers=self._ledgers,
            sign=self._sign,
            key_hex=self._key_hex,
            pool=self._pool,
            writer=self._writer,
            archives=self._archives,
            relay=self._relay,
            copies=self._copies,
            notices=self._notices,
        )
        room.start()
        return room


def _authority(settings: Settings) -> tuple[str, Path] | None:
    """Who stamps seals: its address, and the certificate it is trusted through."""
    return (settings.tsa_url, settings.tsa_ca) if settings.tsa_url and settings.tsa_ca is not None else None


async def open_docket(
    ledgers: Ledgers,
    registry: Registry,
    sign: Callable[[bytes], bytes],
    key_hex: str,
    key_file: Path,
    settings: Settings,
) -> CourtDocket:
    """A docket with its processes up and every hearing open to which something is owed.

    ``sign`` is Ed25519, ``key_hex`` its public half; ``key_file`` (PEM) is handed to the archive job, which seals
    with it.
    """
    docket = await asyncio.to_thread(CourtDocket, ledgers, registry, sign, key_hex, key_file, settings)
    await docket.start()
    return docket
