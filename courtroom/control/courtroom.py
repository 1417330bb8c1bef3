"""One hearing's actor: the only place where its state changes, one thing at a time.

The loop of a command is **narrow, record, widen, tell** (ARCHITECTURE.md 3): decide → evolve → whatever is no longer
allowed is taken from the media plane → the entries are appended durably → whatever is newly allowed is given → changed
views go out → the command is acknowledged with its ledger number. If appending fails nothing has happened, the media
plane stays narrowed to what both states allow, the bench is told, and the asker gets ``store_failed``.

Everything that touches this hearing goes through one bounded inbox: commands, media requests, what workers and the
writer report. Connections are judged here too: a seat is connected while its signalling is; its media going silent is a
loss at once (COURT.md 6), with our own faults named first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from courtroom.channel.messages import ProducerChanged, SpeakingChanged, TransportChanged
from courtroom.control.api import Archive, Session
from courtroom.control.archive import ArchiveJobs
from courtroom.control.capture import CaptureWriter
from courtroom.control.clock import CourtClock
from courtroom.control.heads import EVERY_S, Heads
from courtroom.control.media import Desired, MediaPlane, WorkerDown
from courtroom.control.recording import Recording
from courtroom.control.relay import Relay
from courtroom.control.screens import screen
from courtroom.control.workers import WorkerPool
from courtroom.errors import CourtroomError, Refused, Unavailable
from courtroom.hearing import presence
from courtroom.hearing.access import Edge, edges, media_room
from courtroom.hearing.commands import (
    Command,
    Leave,
    ObserveArchive,
    ObserveArrival,
    ObserveCapture,
    ObserveEvidence,
    ObserveJudgeGone,
    ObserveLoss,
)
from courtroom.hearing.decide import decide
from courtroom.hearing.events import Event, RecordingEnded, RecordingStarted
from courtroom.hearing.evolve import evolve
from courtroom.hearing.ledger import Entry, SignedHead, entry_for
from courtroom.hearing.model import Cause, Hearing, Role, RoomKind
from courtroom.hearing.presence import Row
from courtroom.hearing.view import presence_report
from courtroom.store.ports import Ledgers

INBOX: Final = 512
DRAIN_TIMEOUT_S: Final = 40.0  # a worker gives up what the writer has not answered for 30 s
LOOK_EVERY_S: Final = 2.0
JUDGE_GRACE_S: Final = 3.0
JUDGE_GRACE_PLATFORM_S: Final = 15.0
HIGH_LOSS_PERMILLE: Final = 100
EARLY_FOR_US: Final = 15_000_000
KEEP_MEDIA_S: Final = 60.0
MAX_EARLY: Final = 16

T = TypeVar("T")
Evidence = Mapping[str, str | int]
log = structlog.get_logger()


class CourtroomActor:
    """Made by the docket from a ledger; ``start`` before use."""

    def __init__(
        self,
        hearing: Hearing,
        last: Entry,
        *,
        names: Mapping[str, str],
        fence: int,
        clock: CourtClock,
        ids: Callable[[], str],
        ledgers: Ledgers,
        sign: Callable[[bytes], bytes],
        key_hex: str,
        pool: WorkerPool,
        writer: CaptureWriter,
        archives: ArchiveJobs,
        relay: Relay,
    ) -> None:
        self._hearing = hearing
        self._last = last
        self._names = names
        self._fence = fence
        self._clock = clock
        self._ids = ids
        self._ledgers = ledgers
        self._heads = Heads(ledgers, clock, sign, key_hex)
        self._archives = archives
        self._relay = relay
        self._inbox: asyncio.Queue[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any] | None]] = asyncio.Queue()
        self._sessions: dict[str, Session] = {}
        self._shown: dict[str, tuple[str, dict[str, Any]]] = {}  # what each seat's session was last told
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._kept: dict[str, tuple[str, asyncio.TimerHandle | None]] = {}  # transports whose page is away
        self._faults: dict[str, int] = {}  # notices of our own troubles: code → since
        self._early: dict[str, tuple[int, tuple[Row, ...]]] = {}  # evidence ahead of its loss
        self.media = MediaPlane(hearing.id, pool, self._hear)
        self.recording = Recording(
            writer,
            note=lambda observation: self._post(lambda: self._carry_out(observation)),
            changed=lambda: self._post(self._tell),
            reopen=lambda: self._post(self._reopen_take),
        )
        self.archive = Archive()
        self._tasks: list[asyncio.Task[None]] = []

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._run(), name=f"courtroom-{self.id}"),
            asyncio.create_task(self._sign_now_and_then(), name=f"heads-{self.id}"),
            asyncio.create_task(self._look_now_and_then(), name=f"looks-{self.id}"),
        ]

    async def recover(self) -> None:
        """After a restart of control: the hearing stands where it stood; whoever was connected was cut off by us."""
        now = self._clock.now()
        self.recording.remember(await self.ledger())
        hearing = self._hearing
        if hearing.take and not hearing.closed_at:
            self.recording.media_lost(hearing.at, "control_restarted")
            await self._do(self._reopen_take)
        for seat in hearing.seats.values():
            if seat.connected:
                evidence = (_fact(presence.CONTROL_RESTARTED, now),)
                await self.submit(ObserveLoss(seat=seat.id, connection=seat.connection, evidence=evidence))
        if hearing.closed_at:
            self._post(self._finish)

    async def close(self) -> None:
        """The process ends: sessions are told to come back, nothing is lost, presence is not touched."""
        for timer in self._timers.values():
            timer.cancel()
        for seat in list(self._kept):
            self._let_go(seat)
        for session in list(self._sessions.values()):
            session.close("closing")
        self._sessions.clear()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._sign_head()

    # --- looking ----------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self._hearing.id

    @property
    def hearing(self) -> Hearing:
        return self._hearing

    @property
    def names(self) -> Mapping[str, str]:
        return self._names

    def presence(self) -> dict[str, Any]:
        return presence_report(self._hearing, self._names, self._clock.now())

    async def ledger(self) -> list[Entry]:
        return await self._ledgers.entries(self.id)

    async def head(self) -> SignedHead:
        return await self._sign_head()

    # --- asking -----------------------------------------------------------------------------------

    async def submit(self, command: Command) -> int:
        if isinstance(command, Leave):
            return await self._do(lambda: self._leave(command))
        return await self._do(lambda: self._carry_out(command))

    async def attach(self, seat: str, session: Session) -> None:
        await self._do(lambda: self._attach(seat, session))

    async def detach(self, seat: str, session: Session, evidence: Sequence[Evidence]) -> None:
        if self._sessions.get(seat) is session:
            await self._do(lambda: self._detach(seat, session, evidence))

    async def note_evidence(self, seat: str, evidence: Sequence[Evidence]) -> None:
        await self._do(lambda: self._weigh(seat, tuple(dict(row) for row in evidence)))

    async def open_media(self, seat: str, places: int, publish: Sequence[str]) -> tuple[str, str]:
        async def work() -> tuple[str, str]:
            key = media_room(self._hearing, seat)
            if key is None:
                raise Refused("no_media_here")
            return await self.media.open(seat, key, places, publish)

        return await self._do(work)

    async def answer_media(self, seat: str, transport: str, sdp: str) -> None:
        await self._do(lambda: self.media.answer(seat, transport, sdp))

    async def restart_media(self, seat: str, transport: str) -> str:
        return await self._do(lambda: self.media.restart(seat, transport))

    async def hang_up(self, seat: str, transport: str) -> None:
        """In the courtroom this is the leave button; a device check in the waiting room just ends."""

        async def work() -> None:
            if self.media.seat_of(transport) != seat:
                raise Refused("not_found")
            room = self._hearing.seats[seat].room
            in_court = room is not None and room.kind is RoomKind.COURTROOM and self.media.is_current(transport)
            await self.media.drop(seat)
            if in_court:
                await self._leave(Leave(actor=seat))

        await self._do(work)

    def set_preferences(self, seat: str, places: Sequence[Mapping[str, Any]]) -> None:
        self.media.prefer(seat, places)

    async def verify_archive(self) -> dict[str, Any]:
        if self.archive.bag is None:
            raise Refused("no_archive")
        return await self._archives.verify(self.archive.bag)

    async def read_archive(self, reader: str) -> Path:
        if self.archive.bag is None:
            raise Refused("no_archive")
        await self.submit(ObserveArchive(what="read", detail={"reader": reader, "what": "programme"}))
        return self._archives.programme(self.archive.bag)

    # --- the inbox --------------------------------------------------------------------------------

    async def _do(self, work: Callable[[], Awaitable[T]]) -> T:
        """Runs ``work`` in turn and returns what it returns; the asker going away does not stop it half-way."""
        if self._inbox.qsize() >= INBOX:
            raise Unavailable("court_busy")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait((work, future))
        return await future

    def _post(self, work: Callable[[], Awaitable[Any]]) -> None:
        """The same without an asker, for what our own processes report: bounded by their rates, never refused, since
        it may be part of the record."""
        self._inbox.put_nowait((work, None))

    async def _run(self) -> None:
        while True:
            work, future = await self._inbox.get()
            try:
                result = await work()
            except CourtroomError as error:
                if future is None:
                    log.info("observation_refused", hearing=self.id, code=error.code)
                elif not future.done():
                    future.set_exception(error)
            except Exception as error:
                log.exception("courtroom_bug", hearing=self.id)
                if future is not None and not future.done():
                    future.set_exception(error)
            else:
                if future is not None and not future.done():
                    future.set_result(result)

    # --- narrow, record, widen, tell --------------------------------------------------------------

    async def _carry_out(self, command: Command) -> int:
        before = self._hearing
        at = self._clock.now()
        events = decide(before, command, at, self._ids)
        if not events:
            return before.seq
        after, entries = self._fold(before, events, at, command.actor)
        if any(isinstance(event, RecordingStarted) for event in events):
            await self.recording.open(after.take)
        allowed = edges(after)
        await self.media.narrow(self._desired(after, edges(before) & allowed))
        try:
            await self._ledgers.append(self.id, entries, self._fence)
        except Unavailable:
            self._faults["store_failed"] = at
            await self._tell()
            raise
        self._faults.pop("store_failed", None)
        self._hearing, self._last = after, entries[-1]
        await self._widen()
        self._after(events)
        await self._tell()
        return after.seq

    def _fold(self, hearing: Hearing, events: Sequence[Event], at: int, actor: str) -> tuple[Hearing, list[Entry]]:
        entries: list[Entry] = []
        last = self._last
        for event in events:
            last = entry_for(self.id, last.seq + 1, at, actor, event, last.hash)
            entries.append(last)
            hearing = evolve(hearing, event, at, last.seq)
        return hearing, entries

    def _desired(self, hearing: Hearing, allowed: frozenset[Edge]) -> Desired:
        return Desired(
            allowed, {seat: media_room(hearing, seat) for seat in hearing.seats}, hearing.take, tuple(hearing.seats)
        )

    async def _widen(self) -> None:
        await self.media.settle(self._desired(self._hearing, edges(self._hearing)))

    def _after(self, events: Sequence[Event]) -> None:
        """What follows from events outside the court core."""
        for event in events:
            match event:
                case RecordingEnded():
                    self._post(self._finish)
                case _:
                    pass
        for seat, session in list(self._sessions.items()):
            if self._hearing.seats[seat].removed:
                del self._sessions[seat]
                session.close("removed")

    async def _tell(self) -> None:
        """Pushes each view that has changed. An unchanged one is not sent: to an isolated seat even the rhythm of the
        hearing would be something of the hearing (COURT.md 5)."""
        for seat, session in list(self._sessions.items()):
            picture = screen(
                self._hearing,
                seat,
                self._names,
                self._clock.now(),
                media=self.media,
                recording=self.recording,
                archive=self.archive,
                faults=self._faults,
                relay=self._relay,
            )
            shown = {**picture, "clock": None}
            if self._shown.get(seat) != (session.id, shown):
                self._shown[seat] = (session.id, shown)
                session.push_view(picture)

    # --- connections ------------------------------------------------------------------------------

    async def _attach(self, seat: str, session: Session) -> None:
        if seat not in self._hearing.seats:
            raise Refused("not_found")
        earlier = self._sessions.get(seat)
        known = earlier.page if earlier is not None else self._let_go(seat)
        resumed = known != "" and known == session.page
        if earlier is None and not resumed:
            await self._lose(seat, self._unheard(seat))  # see ``_detach``
        if not self._hearing.closed_at:
            await self._carry_out(ObserveArrival(seat=seat, connection=session.id, resumed=resumed))
        self._sessions[seat] = session
        if not resumed:
            await self.media.drop(seat)
        if earlier is not None:
            earlier.close("resumed" if resumed else "replaced")
        self._calm(seat)
        await self._tell()

    async def _detach(self, seat: str, session: Session, evidence: Sequence[Evidence]) -> None:
        if self._sessions.get(seat) is not session:
            return  # replaced in the meantime
        del self._sessions[seat]
        kept = session.page != "" and self.media.has_media(seat)
        if kept:
            self._keep(seat, session.page)
        else:
            await self.media.drop(seat)
        if kept and all(row.get("fact") == presence.HEARTBEAT_SILENT for row in evidence):
            # TCP may stall for seconds on a bad line while pictures and sound come in: who is seen and heard is here
            await self._weigh(seat, tuple(dict(row) for row in evidence))
        else:
            await self._lose(seat, evidence)

    def _keep(self, seat: str, page: str) -> None:
        """Signalling alone is gone, perhaps for a second: the transport waits for the same page to come back. What it
        may get is decided by the routes as ever."""

        async def drop() -> None:
            if self._let_go(seat):
                await self.media.drop(seat)
                await self._lose(seat, self._unheard(seat))

        timer = asyncio.get_running_loop().call_later(KEEP_MEDIA_S, lambda: self._post(drop))
        self._kept[seat] = (page, timer)

    def _let_go(self, seat: str) -> str:
        """The page whose transport was kept, '' if none was."""
        page, timer = self._kept.pop(seat, ("", None))
        if timer is not None:
            timer.cancel()
        return page

    async def _leave(self, command: Leave) -> int:
        seq = await self._carry_out(command)
        await self.media.drop(command.actor)
        return seq

    async def _weigh(self, seat: str, rows: tuple[Row, ...]) -> None:
        """Evidence may come before its loss (a page-hide beacon outruns the socket): it is kept until then."""
        if seat not in self._hearing.seats:
            raise Refused("not_found")
        if self._hearing.seats[seat].connected:
            self._early[seat] = (self._clock.now(), (*self._early.get(seat, (0, ()))[1], *rows)[-MAX_EARLY:])
        else:
            await self._carry_out(ObserveEvidence(seat=seat, evidence=rows))

    async def _lose(self, seat: str, evidence: Sequence[Evidence]) -> None:
        state = self._hearing.seats[seat]
        if not state.connected or self._hearing.closed_at:
            return
        known_at, early = self._early.pop(seat, (0, ()))
        fresh = self._clock.now() - known_at < EARLY_FOR_US
        rows = (*(early if fresh else ()), *(dict(row) for row in evidence), *self._overload())
        await self._carry_out(ObserveLoss(seat=seat, connection=state.connection, evidence=rows))
        await self._widen()
        self._watch_judge(seat)

    def _unheard(self, seat: str) -> tuple[Row, ...]:
        """That its socket is silent, unless that is kept as evidence already."""
        now = self._clock.now()
        known_at, _ = self._early.get(seat, (0, ()))
        return () if now - known_at < EARLY_FOR_US else (_fact(presence.HEARTBEAT_SILENT, now),)

    def _overload(self) -> tuple[Row, ...]:
        """Our own lateness is evidence too: nobody is to be blamed because we did not listen."""
        now = self._clock.now()
        late = self.media.late_us(now)
        return (_fact(presence.HOST_OVERLOADED, now, late_ms=late // 1000),) if late else ()

    async def _return(self, seat: str) -> None:
        """Media of a seat runs again while its signalling never went away."""
        session = self._sessions.get(seat)
        if session is not None and not self._hearing.seats[seat].connected and not self._hearing.closed_at:
            await self._carry_out(ObserveArrival(seat=seat, connection=session.id))
            self._calm(seat)

    def _watch_judge(self, seat: str) -> None:
        """The presiding judge cut off in session: technical hold after a grace time, longer when the fault is ours."""
        state = self._hearing.seats[seat]
        if state.role is not Role.PRESIDING_JUDGE:
            return
        ours = bool(state.timeline) and state.timeline[-1].cause is Cause.PLATFORM_FAILURE
        grace = JUDGE_GRACE_PLATFORM_S if ours else JUDGE_GRACE_S
        self._calm(seat)
        self._timers[seat] = asyncio.get_running_loop().call_later(
            grace, lambda: self._post(lambda: self._judge_gone(seat))
        )

    async def _judge_gone(self, seat: str) -> None:
        if not self._hearing.seats[seat].connected:
            await self._carry_out(ObserveJudgeGone())

    def _calm(self, seat: str) -> None:
        if timer := self._timers.pop(seat, None):
            timer.cancel()

    # --- what the worker reports ------------------------------------------------------------------

    def _hear(self, message: object) -> None:
        match message:
            case WorkerDown():
                self._post(self._worker_down)
            case TransportChanged():
                self._post(lambda: self._transport_changed(message))
            case SpeakingChanged(room=room, transports=transports):
                if room == f"{self.id}/{RoomKind.COURTROOM.value}":
                    self.media.speaking = self.media.speaking_seats(transports)
                    self._post(self._tell)
            case ProducerChanged():
                pass  # what a seat sends is told by its own set_devices; liveness shows in the picture itself
            case _:
                log.warning("unexpected_message", hearing=self.id)

    async def _worker_down(self) -> None:
        now = self._clock.now()
        seats = self.media.lost_worker()
        if self._hearing.take:
            self.recording.media_lost(now, "worker_died")
        for seat in seats:
            await self._lose(seat, (_fact(presence.WORKER_DIED, now),))
        await self._tell()

    async def _transport_changed(self, change: TransportChanged) -> None:
        match change.state:
            case "connected" | "back":
                seat = await self.media.promote(change.transport) or self.media.seat_of(change.transport)
                if seat is None:
                    return
                await self._return(seat)
                await self._widen()
                if self._hearing.take:
                    self.recording.media_back(self._clock.now())
                await self._tell()
            case "silent":
                seat = self.media.seat_of(change.transport)
                if seat is not None and self.media.is_current(change.transport):
                    await self._lose(seat, _silence(change))
            case "closed":
                seat = self.media.forget(change.transport)
                if seat is not None:
                    await self._widen()
                    if change.reason == "dtls_close":
                        await self._weigh(seat, (_fact(presence.DTLS_CLOSE, change.at),))
                    if seat not in self._sessions:
                        await self._lose(seat, self._unheard(seat))
                    await self._tell()
            case _:
                log.warning("unexpected_state", hearing=self.id)

    # --- recording and archive --------------------------------------------------------------------

    async def _reopen_take(self) -> None:
        if self._hearing.take and not self._hearing.closed_at:
            try:
                await self.recording.open(self._hearing.take)
            except Refused:
                self._faults["recorder_not_ready"] = self._clock.now()
                asyncio.get_running_loop().call_later(1.0, lambda: self._post(self._reopen_take))
            else:
                self._faults.pop("recorder_not_ready", None)

    async def _finish(self) -> None:
        """After close: last packets on disk, segments sealed and in the ledger, then the archive job."""
        self._tasks.append(asyncio.create_task(self._archive_it(), name=f"archive-{self.id}"))

    async def _archive_it(self) -> None:
        """Drives the archive job; the ledger hears of its end once, also when a restart finds it done."""
        async for state in self._archives.make(self):
            self.archive = state
            self._post(self._tell)
        if self.archive.state not in ("sealed", "failed"):
            return
        known = {entry.body["what"] for entry in await self.ledger() if entry.type == "archive_noted"}
        if self.archive.state not in known:
            detail: dict[str, str | int] = {"root": str(self.archive.seal.get("root_sha256", ""))}
            await self.submit(ObserveArchive(what=self.archive.state, detail=detail))

    async def settle_recording(self, take: str) -> None:
        """Returns when every captured packet is sealed on disk and every seal is in the ledger under a signed head."""
        asked = self._clock.now()
        if not self.recording.take:  # we died between the close and the seal: opening again seals what was left
            await self.recording.open(take)
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                while self.media.capture_pending(asked):  # noqa: ASYNC110 - the worker says so once a second, no event to wait for
                    await asyncio.sleep(0.1)
        except TimeoutError:
            log.error("capture_not_drained", hearing=self.id)
            await self._do(lambda: self._carry_out(ObserveCapture(what="defect", detail={"code": "capture_late"})))
        await self.recording.close()
        await self._do(self._sign_head)

    # --- heads ------------------------------------------------------------------------------------

    async def _sign_now_and_then(self) -> None:
        """A chain alone misses truncation: the head is signed at least every ten seconds while things happen."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self._sign_head()
            except Unavailable as error:
                log.error("head_not_saved", hearing=self.id, code=error.code)

    async def _look_now_and_then(self) -> None:
        """What time alone changes (connection quality, permissions running out) reaches the screens as well."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._sessions and not self._inbox.qsize():
                self._post(self._tell)

    async def _sign_head(self) -> SignedHead:
        return await self._heads.of(self._last)


def _fact(fact: str, at: int, **more: str | int) -> Row:
    """One line of evidence read on the court's clock; what it weighs is decided by ``hearing.presence``."""
    return {"fact": fact, "at": at, "clock": "court", **more}


def _silence(change: TransportChanged) -> tuple[Row, ...]:
    """The evidence of a transport that went silent."""
    rows = [_fact(presence.MEDIA_SILENT, change.at, last_in_at=change.last_in_at, last_out_at=change.last_out_at)]
    if change.loss_permille > HIGH_LOSS_PERMILLE:
        rows.append(_fact(presence.HIGH_LOSS, change.at, permille=change.loss_permille))
    return tuple(rows)
