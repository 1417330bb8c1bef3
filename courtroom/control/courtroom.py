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
from courtroom.control.api import Archive, Copy, Session
from courtroom.control.archive import ArchiveJobs
from courtroom.control.capture import CaptureWriter
from courtroom.control.clock import CourtClock
from courtroom.control.copies import Copies
from courtroom.control.heads import EVERY_S, Heads
from courtroom.control.media import Desired, MediaPlane, WorkerDown
from courtroom.control.notify.notices import Notices
from courtroom.control.recording import Recording
from courtroom.control.relay import Relay
from courtroom.control.rulings import with_draft
from courtroom.control.screens import screen
from courtroom.control.second import SecondCopies
from courtroom.control.signals import ENDS, Signals
from courtroom.control.speech import Speech
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
    ObserveLapse,
    ObserveLoss,
    Rule,
)
from courtroom.hearing.decide import decide
from courtroom.hearing.events import CaptureNoted, DevicesChanged, Event, RecordingEnded, RecordingStarted
from courtroom.hearing.evolve import evolve, settle
from courtroom.hearing.guards import allowed
from courtroom.hearing.ledger import Entry, SignedHead, entry_for
from courtroom.hearing.model import Cause, Hearing, Role, RoomKind
from courtroom.hearing.phases import recording_on
from courtroom.hearing.presence import Row
from courtroom.hearing.signing import seal_detail
from courtroom.hearing.view import presence_report
from courtroom.store.ports import Ledgers

INBOX: Final = 512
DRAIN_TIMEOUT_S: Final = 40.0  # a worker gives up what the writer has not answered for 30 s
REOPEN_S: Final = 1.0
LOOK_EVERY_S: Final = 2.0
JUDGE_GRACE_S: Final = 3.0
JUDGE_GRACE_PLATFORM_S: Final = 15.0
EARLY_FOR_US: Final = 15_000_000
KEEP_MEDIA_S: Final = 60.0
SIGNALLING_ALONE: Final = frozenset({presence.HEARTBEAT_SILENT, presence.SOCKET_DROPPED})
"""Facts about the socket that say nothing about the person behind it."""
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
        copies: SecondCopies | None = None,
        notices: Notices | None = None,
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
        self._signals = Signals()
        self._speech = Speech()
        self._notices = notices
        self.media = MediaPlane(hearing.id, pool, self._hear, self._mark_media)
        self.recording = Recording(
            writer,
            note=lambda observation: self._post(lambda: self._carry_out(observation)),
            changed=lambda: self._post(self._tell),
            reopen=self._reopen_beside,
            copies=copies,
        )
        self.archive = Archive()
        self._copies = Copies(self, archives.copies, clock.now)
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
        await self._copies.close()
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
        if isinstance(command, Rule):
            ruling = await self._drafted(command)
            return await self._do(lambda: self._rule(ruling))
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

    def copies(self) -> Sequence[Copy]:
        return self._copies.listed()

    async def issue_copy(self, recipient: str, purpose: str, by: str) -> Copy:
        return await self._copies.issue(recipient, purpose, by)

    async def read_copy(self, copy: str, reader: str) -> Path:
        return await self._copies.read(copy, reader)

    async def speakers(self) -> dict[str, Any]:
        return await self._archives.speakers.of(self.archive.bag if self.archive.state == "sealed" else None)

    async def _drafted(self, command: Rule) -> Rule:
        """A ruling names the draft that lay before the judge. Not in turn: a long ledger takes seconds to replay."""
        now = self._clock.now()
        if not allowed(settle(self._hearing, now), "rule", command.actor, now, command.seat):
            return command  # the court core says why not
        return await with_draft(command, await self.ledger())

    async def _rule(self, command: Rule) -> int:
        """The head over a ruling is signed at once."""
        seq = await self._carry_out(command)
        try:
            await self._sign_head()
        except Unavailable as error:  # the ruling stands; the next turn of ``_sign_now_and_then`` signs it
            log.error("head_not_saved", hearing=self.id, code=error.code)
        return seq

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
        self._send_notices(entries)
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

    def _send_notices(self, entries: Sequence[Entry]) -> None:
        """Prompts and warnings leave the house as soon as they stand in the ledger."""
        for entry in entries:
            step = {"prompted": "prompt", "warned": "warning"}.get(entry.type)
            if step is not None and self._notices is not None:
                self._notices.post(self, entry.body["seat"], entry.seq, step)

    def _after(self, events: Sequence[Event]) -> None:
        """What follows from events outside the court core."""
        for event in events:
            match event:
                case RecordingEnded():
                    self._post(self._note_speech)
                    self._post(self._finish)
                case DevicesChanged(seat=seat, microphone=microphone, camera=camera):
                    self._signals.devices(seat, microphone, camera)
                case CaptureNoted(what="defect" | "alarm", detail=detail):
                    self._signals.trouble(self._clock.now(), str(detail.get("code", "")))
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
                faults={**self._faults, **self.recording.notices},
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
        self._signals.network(seat, getattr(session, "network", ""))
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
        if kept and all(row.get("fact") in SIGNALLING_ALONE for row in evidence) and not self._said_goodbye(seat):
            # TCP may stall on a bad line, a reverse proxy may be started anew: who is seen and heard is here; whose
            # program has died is neither, and the worker says so within two seconds
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
        now, connected = self._clock.now(), self._hearing.seats[seat].connected
        standing = [row for row in rows if self._signals.stands(seat, row, now)]
        rows = tuple(row for row in rows if row not in standing or not (connected or row["fact"] in ENDS))
        if not rows:
            return
        if connected:
            self._early[seat] = (self._clock.now(), (*self._early.get(seat, (0, ()))[1], *rows)[-MAX_EARLY:])
            if seat not in self._sessions and self._said_goodbye(seat):
                await self._lose(seat, ())  # the beacon came after its socket had dropped
        else:
            await self._carry_out(ObserveEvidence(seat=seat, evidence=rows))

    def _said_goodbye(self, seat: str) -> bool:
        """Whether the page has said in these seconds that it is being closed."""
        known_at, rows = self._early.get(seat, (0, ()))
        fresh = self._clock.now() - known_at < EARLY_FOR_US
        return fresh and any(row["fact"] == presence.PAGE_HIDE for row in rows)

    async def _lose(self, seat: str, evidence: Sequence[Evidence]) -> None:
        state = self._hearing.seats[seat]
        if not state.connected or self._hearing.closed_at:
            return
        known_at, early = self._early.pop(seat, (0, ()))
        fresh = self._clock.now() - known_at < EARLY_FOR_US
        rows = (*(early if fresh else ()), *(dict(row) for row in evidence), *self._overload(), *self._known(seat))
        await self._carry_out(ObserveLoss(seat=seat, connection=state.connection, evidence=rows))
        await self._widen()
        self._watch_judge(seat)

    def _unheard(self, seat: str) -> tuple[Row, ...]:
        """That its socket is silent, unless that is kept as evidence already."""
        now = self._clock.now()
        known_at, _ = self._early.get(seat, (0, ()))
        return () if now - known_at < EARLY_FOR_US else (_fact(presence.HEARTBEAT_SILENT, now),)

    def _known(self, seat: str) -> tuple[Row, ...]:
        """Readings of the line, standing facts and our own state at a loss."""
        self._read_lines()
        return self._signals.at_loss(self._hearing, seat, self._clock.now(), self.media.port())

    def _watch_port(self) -> None:
        """The bench is told when our own media port hears nobody."""
        port, now = self.media.port(), self._clock.now()
        if port is None or not port.silent(now):
            self._faults.pop("media_port_silent", None)
        elif "media_port_silent" not in self._faults:
            self._faults["media_port_silent"] = now

    def _read_lines(self) -> None:
        for seat, reading in self.media.readings():
            self._signals.read(seat, reading)

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

    def _mark_media(self, kind: str, detail: str) -> bool:
        return self.recording.mark(kind, detail)

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
                    heard = self.media.speaking if recording_on(self._hearing) else ()
                    self._speech.changed(heard, self._clock.now())
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

    async def _note_speech(self) -> None:
        note = self._speech.note(self._clock.now())
        if note is not None:
            await self._carry_out(note)

    def _reopen_beside(self) -> None:
        """Not in the inbox: the hearing does not wait for the writer's disk."""
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(asyncio.create_task(self._reopen_take(), name=f"reopen-{self.id}"))

    async def _reopen_take(self) -> None:
        # after the close too, until what the worker still holds is settled
        take = self.recording.take if self._hearing.closed_at else self._hearing.take
        if take:
            try:
                await self.recording.open(take)
            except Refused:
                self._faults["recorder_not_ready"] = self._clock.now()
                asyncio.get_running_loop().call_later(REOPEN_S, self._reopen_beside)
            else:
                self._faults.pop("recorder_not_ready", None)
                self.media.journal.again()

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
            await self.submit(ObserveArchive(what=self.archive.state, detail=seal_detail(self.id, self.archive.seal)))
        if self.archive.state == "sealed" and "copied" not in known:
            self.recording.copy_bag(self.id, str(self.archive.seal.get("root_sha256", "")))
        if self.archive.state == "sealed":
            await self._copies.resume()

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
        self.media.journal.flush(self._clock.now())
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
            self._read_lines()
            self._watch_port()
            if self._speech.due(self._clock.now()):
                self._post(self._note_speech)
            proposal = self._hearing.proposal
            if proposal is not None and self._clock.now() >= proposal.until:
                self._post(lambda: self._carry_out(ObserveLapse()))
            if self._sessions and not self._inbox.qsize():
                self._post(self._tell)

    async def _sign_head(self) -> SignedHead:
        return await self._heads.of(self._last)


def _fact(fact: str, at: int, **more: str | int) -> Row:
    """One line of evidence read on the court's clock; what it weighs is decided by ``hearing.presence``."""
    return {"fact": fact, "at": at, "clock": "court", **more}


def _silence(change: TransportChanged) -> tuple[Row, ...]:
    """The evidence of a transport that went silent. What it lost in its last seconds is the cut itself; whether the
    line was bad before is for ``signals`` to say."""
    last = {"last_in_at": change.last_in_at, "last_out_at": change.last_out_at, "permille": change.loss_permille}
    return (_fact(presence.MEDIA_SILENT, change.at, **last),)
