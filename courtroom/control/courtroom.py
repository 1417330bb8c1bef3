"""One hearing's actor: the only place where its state changes, one thing at a time.

The loop of a command is **narrow, record, widen, tell** (ARCHITECTURE.md 3): decide → evolve → whatever is no longer
allowed is taken from the media plane → the entries are appended durably → whatever is newly allowed is given → changed
views go out → the command is acknowledged with its ledger number. If appending fails nothing has happened, the media
plane stays narrowed to what both states allow, the bench is told, and the asker gets ``store_failed``.

Everything that touches this hearing goes through one bounded inbox: commands, media requests, what workers and the
writer report. Who is connected is judged by ``connections``; what the record needs after the close is ``closing``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog

from courtroom.control.api import Archive, Copies, Session
from courtroom.control.archive import ArchiveJobs
from courtroom.control.capture import CaptureWriter
from courtroom.control.certificates import Certificates
from courtroom.control.clock import CourtClock
from courtroom.control.closing import Closing
from courtroom.control.connections import Connections, Evidence, fact
from courtroom.control.heads import Heads
from courtroom.control.heard import Heard
from courtroom.control.inbox import Inbox
from courtroom.control.media import Desired, MediaPlane
from courtroom.control.notify.notices import Notices
from courtroom.control.recording import Recording
from courtroom.control.relay import Relay
from courtroom.control.rounds import Rounds
from courtroom.control.rulings import drafted
from courtroom.control.screens import screen
from courtroom.control.second import SecondCopies
from courtroom.control.speech import Speech
from courtroom.control.workers import WorkerPool
from courtroom.errors import Refused, Unavailable
from courtroom.hearing import presence
from courtroom.hearing.access import Edge, edges, media_room
from courtroom.hearing.commands import (
    Command,
    Leave,
    ObserveLoss,
    Rule,
)
from courtroom.hearing.decide import decide
from courtroom.hearing.events import CaptureNoted, DevicesChanged, Event, RecordingEnded, RecordingStarted
from courtroom.hearing.evolve import evolve
from courtroom.hearing.ledger import Entry, SignedHead, entry_for, from_line
from courtroom.hearing.model import Hearing, RoomKind
from courtroom.hearing.rooms import must_be_isolated
from courtroom.hearing.view import presence_report
from courtroom.store.ports import Ledgers

T = TypeVar("T")
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
        self._relay = relay
        self._inbox = Inbox(hearing.id)
        self._shown: dict[str, tuple[str, dict[str, Any]]] = {}  # what each seat's session was last told
        self.faults: dict[str, int] = {}  # notices of our own troubles: code → since
        self._speech = Speech()
        self._notices = notices
        self.recording = Recording(
            writer,
            note=lambda observation: self.post(lambda: self.carry_out(observation)),
            changed=lambda: self.post(self.tell),
            reopen=lambda: self.beside(self._closing.reopen, "reopen"),
            copies=copies,
        )
        self._hear = Heard(self, self._speech, clock)
        self.media = MediaPlane(hearing.id, pool, self._hear, self.recording.mark)
        self.certificates = self.media.certificates = Certificates(
            lambda observation: self.post(lambda: self.carry_out(observation)), self.entries,
            lambda: frozenset(s.id for s in self._hearing.seats.values() if must_be_isolated(self._hearing, s)),
        )  # fmt: skip
        self.connections = Connections(self, clock)
        self._closing: Closing = Closing(self, archives, clock)
        self._rounds = Rounds(self, self._speech, clock)
        self._tasks: list[asyncio.Task[None]] = []
        self._beside: set[asyncio.Task[None]] = set()

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._inbox.run(), name=f"courtroom-{self.id}"),
            asyncio.create_task(self._rounds.sign(), name=f"heads-{self.id}"),
            asyncio.create_task(self._rounds.look(), name=f"looks-{self.id}"),
        ]

    async def recover(self) -> None:
        """From the ledger alone, after a restart of control or from the shelf: the hearing stands where it stood;
        whoever was connected when we died was cut off by us."""
        now, hearing = self._clock.now(), self._hearing
        self.recording.remember(await self.entries_of("capture_noted"))
        self.certificates.recovered(now)
        if hearing.closed_at:
            await self._closing.recall()
            self.post(self._closing.finish)
            return
        if hearing.take:
            self.recording.media_lost(hearing.at, "control_restarted")
            await self._inbox.do(self._closing.reopen)
        for seat in hearing.seats.values():
            if seat.connected:
                evidence = (fact(presence.CONTROL_RESTARTED, now),)
                await self.submit(ObserveLoss(seat=seat.id, connection=seat.connection, evidence=evidence))

    def idle(self) -> bool:
        """Whether nobody is here, nothing is under way and nothing is owed any more that only this process knows of: it
        could be let out of memory now. A hearing that has not begun waits for its people on the shelf as well."""
        hearing, waiting = self._hearing, self._inbox.busy or any(not task.done() for task in self._beside)
        if waiting or self.connections.occupied or self.media.occupied or self.faults.keys() - {"store_failed"}:
            return False
        if self._notices is not None and self._notices.owes(self):
            return False
        if hearing.opened_at:
            return self._closing.done
        return bool(hearing.closed_at) or not any(seat.connected for seat in hearing.seats.values())

    async def shelve(self) -> bool:
        """Has the store know that nothing is owed to this hearing's record; False when that is not so."""
        found = await self._closing.shelved()
        await self.head()
        return found is not None and await self._ledgers.shelve(found, self._fence)

    async def close(self) -> None:
        """Out of memory: sessions are told to come back, nothing is lost, presence is not touched. Whoever asks this
        object for something afterwards hears ``Unavailable("court_busy")``."""
        self.connections.close()
        await self._closing.copies.close()
        self._inbox.close()
        for task in (*self._tasks, *self._beside):
            task.cancel()
        for task in (*self._tasks, *self._beside):
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.head()

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

    @property
    def archive(self) -> Archive:
        return self._closing.archive

    @property
    def waiting(self) -> bool:
        """Whether anything waits for its turn."""
        return bool(len(self._inbox))

    def presence(self) -> dict[str, Any]:
        return presence_report(self._hearing, self._names, self._clock.now())

    @property
    def copies(self) -> Copies:
        return self._closing.copies

    async def ledger(self) -> list[Entry]:
        return await self._ledgers.entries(self.id)

    def lines(self) -> AsyncIterator[str]:
        return self._ledgers.lines(self.id)

    async def entries(self) -> AsyncIterator[Entry]:
        async for line in self.lines():
            yield from_line(line)

    async def entries_of(self, *types: str) -> list[Entry]:
        return await self._ledgers.entries_of(self.id, types)

    async def head(self) -> SignedHead:
        return await self._heads.of(self._last)

    # --- asking -----------------------------------------------------------------------------------

    async def submit(self, command: Command) -> int:
        if isinstance(command, Leave):
            return await self._inbox.do(lambda: self._leave(command))
        if isinstance(command, Rule):
            ruling = await drafted(self._hearing, command, self._clock.now(), self.ledger)
            return await self._inbox.do(lambda: self._rule(ruling))
        return await self._inbox.do(lambda: self.carry_out(command))

    async def attach(self, seat: str, session: Session) -> None:
        await self._inbox.do(lambda: self.connections.attach(seat, session))

    async def detach(self, seat: str, session: Session, evidence: Sequence[Evidence]) -> None:
        if self.connections.sessions.get(seat) is session:
            await self._inbox.do(lambda: self.connections.detach(seat, session, evidence))

    async def note_evidence(self, seat: str, evidence: Sequence[Evidence]) -> None:
        await self._inbox.do(lambda: self.connections.weigh(seat, tuple(dict(row) for row in evidence)))

    async def open_media(self, seat: str, places: int, publish: Sequence[str]) -> tuple[str, str]:
        async def work() -> tuple[str, str]:
            key = media_room(self._hearing, seat)
            if key is None:
                raise Refused("no_media_here")
            return await self.media.open(seat, key, places, publish)

        return await self._inbox.do(work)

    async def answer_media(self, seat: str, transport: str, sdp: str) -> None:
        await self._inbox.do(lambda: self.media.answer(seat, transport, sdp))

    async def restart_media(self, seat: str, transport: str) -> str:
        return await self._inbox.do(lambda: self.media.restart(seat, transport))

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

        await self._inbox.do(work)

    def set_preferences(self, seat: str, places: Sequence[Mapping[str, Any]]) -> None:
        self.media.prefer(seat, places)

    async def verify_archive(self) -> dict[str, Any]:
        return await self._closing.verify()

    async def read_archive(self, reader: str) -> Path:
        return await self._closing.read(reader)

    async def export_archive(self, reader: str) -> Path:
        return await self._closing.export(reader)

    async def speakers(self) -> dict[str, Any]:
        return await self._closing.speakers()

    async def settle_recording(self, take: str) -> None:
        """Returns when every captured packet is sealed on disk and every seal is in the ledger under a signed head."""
        await self._closing.settle(take)
        await self._inbox.do(self.head)

    async def _rule(self, command: Rule) -> int:
        """The head over a ruling is signed at once."""
        seq = await self.carry_out(command)
        try:
            await self.head()
        except Unavailable as error:  # the ruling stands; the next round signs it
            log.error("head_not_saved", hearing=self.id, code=error.code)
        return seq

    async def end_media(self) -> None:
        """A hearing that is over leaves nothing behind in its worker; once more is no harm."""
        await self._inbox.do(self.media.close)

    def post(self, work: Callable[[], Awaitable[Any]]) -> None:
        """In turn, without an asker."""
        self._inbox.post(work)

    def beside(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Not in turn: the hearing does not wait for it; ended with the process."""
        task = asyncio.create_task(work(), name=f"{name}-{self.id}")
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _leave(self, command: Leave) -> int:
        seq = await self.carry_out(command)
        await self.media.drop(command.actor)
        return seq

    # --- narrow, record, widen, tell --------------------------------------------------------------

    async def carry_out(self, command: Command) -> int:
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
            self.faults["store_failed"] = at
            await self.tell()
            raise
        self.faults.pop("store_failed", None)
        self._hearing, self._last = after, entries[-1]
        if self._notices is not None:
            self._notices.recorded(self, entries)
        await self.widen()
        self._after(events)
        await self.tell()
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

    async def widen(self) -> None:
        await self.media.settle(self._desired(self._hearing, edges(self._hearing)))

    def _after(self, events: Sequence[Event]) -> None:
        """What follows from events outside the court core."""
        for event in events:
            match event:
                case RecordingEnded():
                    self.post(self._rounds.note_speech)
                    self.post(self._closing.finish)
                case DevicesChanged(seat=seat, microphone=microphone, camera=camera):
                    self.connections.signals.devices(seat, microphone, camera)
                case CaptureNoted(what="defect" | "alarm", detail=detail):
                    self.connections.signals.trouble(self._clock.now(), str(detail.get("code", "")))
                case _:
                    pass
        if dismissed := Certificates.dismissed(events):
            self.beside(lambda: self.certificates.issue(dismissed), "isolation")
        self.connections.remove()

    async def tell(self) -> None:
        """Pushes each view that has changed. An unchanged one is not sent: to an isolated seat even the rhythm of the
        hearing would be something of the hearing (COURT.md 5)."""
        for seat, session in list(self.connections.sessions.items()):
            picture = screen(
                self._hearing,
                seat,
                self._names,
                self._clock.now(),
                media=self.media,
                recording=self.recording,
                archive=self.archive,
                faults={**self.faults, **self.recording.notices},
                relay=self._relay,
            )
            shown = {**picture, "clock": None}
            if self._shown.get(seat) != (session.id, shown):
                self._shown[seat] = (session.id, shown)
                session.push_view(picture)
