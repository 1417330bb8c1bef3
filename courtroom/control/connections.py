"""Who of one hearing is connected, and what is known when somebody no longer is.

Rules
* A seat is connected while its signalling is; its media going silent is a loss at once (COURT.md 6), with our own
  faults named first. Signalling alone that goes silent is no loss while media comes in: TCP may stall on a bad line, a
  reverse proxy may be started anew.
* The transport of a page whose signalling is gone waits ``KEEP_MEDIA_S`` for the same page. What it may get is decided
  by the routes as ever.
* Evidence may outrun its loss (a page-hide beacon outruns the socket): it is kept for some seconds.
* Every method is called inside a turn of the hearing's inbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from courtroom.channel.messages import TransportChanged
from courtroom.control.api import Session
from courtroom.control.clock import CourtClock
from courtroom.control.media import MediaPlane
from courtroom.control.signals import ENDS, Signals
from courtroom.errors import Refused
from courtroom.hearing import presence
from courtroom.hearing.commands import Command, ObserveArrival, ObserveEvidence, ObserveJudgeGone, ObserveLoss
from courtroom.hearing.model import Cause, Hearing, Role
from courtroom.hearing.presence import Row

JUDGE_GRACE_S: Final = 3.0
JUDGE_GRACE_PLATFORM_S: Final = 15.0
EARLY_FOR_US: Final = 15_000_000
KEEP_MEDIA_S: Final = 60.0
SIGNALLING_ALONE: Final = frozenset({presence.HEARTBEAT_SILENT, presence.SOCKET_DROPPED})
"""Facts about the socket that say nothing about the person behind it."""
MAX_EARLY: Final = 16

Evidence = Mapping[str, str | int]


class Turn(Protocol):
    """What the hearing's actor offers inside a turn."""

    media: MediaPlane

    @property
    def hearing(self) -> Hearing: ...

    async def carry_out(self, command: Command) -> int: ...

    async def widen(self) -> None: ...

    async def tell(self) -> None: ...

    def post(self, work: Callable[[], Awaitable[Any]]) -> None: ...


class Connections:
    """Of one hearing."""

    def __init__(self, turn: Turn, clock: CourtClock) -> None:
        self._turn = turn
        self._clock = clock
        self.signals = Signals()
        self.sessions: dict[str, Session] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._kept: dict[str, tuple[str, asyncio.TimerHandle | None]] = {}  # transports whose page is away
        self._early: dict[str, tuple[int, tuple[Row, ...]]] = {}  # evidence ahead of its loss

    @property
    def occupied(self) -> bool:
        """Whether anybody is here, or is waited for in these seconds."""
        return bool(self.sessions or self._kept)

    def close(self) -> None:
        """Sessions are told to come back; presence is not touched."""
        for timer in self._timers.values():
            timer.cancel()
        for seat in list(self._kept):
            self._let_go(seat)
        for session in list(self.sessions.values()):
            session.close("closing")
        self.sessions.clear()

    def remove(self) -> None:
        """Whoever was removed from the hearing is hung up on."""
        for seat, session in list(self.sessions.items()):
            if self._turn.hearing.seats[seat].removed:
                del self.sessions[seat]
                session.close("removed")

    # --- coming and going -------------------------------------------------------------------------

    async def attach(self, seat: str, session: Session) -> None:
        hearing = self._turn.hearing
        if seat not in hearing.seats:
            raise Refused("not_found")
        earlier = self.sessions.get(seat)
        known = earlier.page if earlier is not None else self._let_go(seat)
        resumed = known != "" and known == session.page
        if earlier is None and not resumed:
            await self.lose(seat, self._unheard(seat))  # see ``detach``
        if not hearing.closed_at:
            await self._turn.carry_out(ObserveArrival(seat=seat, connection=session.id, resumed=resumed))
        self.sessions[seat] = session
        self.signals.network(seat, getattr(session, "network", ""))
        if not resumed:
            await self._turn.media.drop(seat)
        if earlier is not None:
            earlier.close("resumed" if resumed else "replaced")
        self._calm(seat)
        await self._turn.tell()

    async def detach(self, seat: str, session: Session, evidence: Sequence[Evidence]) -> None:
        if self.sessions.get(seat) is not session:
            return  # replaced in the meantime
        del self.sessions[seat]
        media = self._turn.media
        kept = session.page != "" and media.has_media(seat)
        if kept:
            self._keep(seat, session.page)
        else:
            await media.drop(seat)
        if kept and all(row.get("fact") in SIGNALLING_ALONE for row in evidence) and not self._said_goodbye(seat):
            # who is seen and heard is here; whose program has died is neither, and the worker says so within 2 s
            await self.weigh(seat, tuple(dict(row) for row in evidence))
        else:
            await self.lose(seat, evidence)

    def _keep(self, seat: str, page: str) -> None:
        """Signalling alone is gone, perhaps for a second: the transport waits for the same page to come back."""

        async def drop() -> None:
            if self._let_go(seat):
                await self._turn.media.drop(seat)
                await self.lose(seat, self._unheard(seat))

        timer = asyncio.get_running_loop().call_later(KEEP_MEDIA_S, lambda: self._turn.post(drop))
        self._kept[seat] = (page, timer)

    def _let_go(self, seat: str) -> str:
        """The page whose transport was kept, '' if none was."""
        page, timer = self._kept.pop(seat, ("", None))
        if timer is not None:
            timer.cancel()
        return page

    async def media_back(self, seat: str) -> None:
        """Media of a seat runs again while its signalling never went away."""
        session, hearing = self.sessions.get(seat), self._turn.hearing
        if session is not None and not hearing.seats[seat].connected and not hearing.closed_at:
            await self._turn.carry_out(ObserveArrival(seat=seat, connection=session.id))
            self._calm(seat)

    async def media_silent(self, change: TransportChanged) -> None:
        media = self._turn.media
        seat = media.seat_of(change.transport)
        if seat is not None and media.is_current(change.transport):
            await self.lose(seat, _silence(change))

    async def media_closed(self, seat: str, change: TransportChanged) -> None:
        if change.reason == "dtls_close":
            await self.weigh(seat, (fact(presence.DTLS_CLOSE, change.at),))
        if seat not in self.sessions:
            await self.lose(seat, self._unheard(seat))

    # --- evidence and losses ----------------------------------------------------------------------

    async def weigh(self, seat: str, rows: tuple[Row, ...]) -> None:
        """Evidence before its loss is kept until then; after it, it is a line of the ledger."""
        if seat not in self._turn.hearing.seats:
            raise Refused("not_found")
        now, connected = self._clock.now(), self._turn.hearing.seats[seat].connected
        standing = [row for row in rows if self.signals.stands(seat, row, now)]
        rows = tuple(row for row in rows if row not in standing or not (connected or row["fact"] in ENDS))
        if not rows:
            return
        if connected:
            self._early[seat] = (self._clock.now(), (*self._early.get(seat, (0, ()))[1], *rows)[-MAX_EARLY:])
            if seat not in self.sessions and self._said_goodbye(seat):
                await self.lose(seat, ())  # the beacon came after its socket had dropped
        else:
            await self._turn.carry_out(ObserveEvidence(seat=seat, evidence=rows))

    async def lose(self, seat: str, evidence: Sequence[Evidence]) -> None:
        hearing = self._turn.hearing
        state = hearing.seats[seat]
        if not state.connected or hearing.closed_at:
            return
        known_at, early = self._early.pop(seat, (0, ()))
        fresh = self._clock.now() - known_at < EARLY_FOR_US
        rows = (*(early if fresh else ()), *(dict(row) for row in evidence), *self._overload(), *self._known(seat))
        await self._turn.carry_out(ObserveLoss(seat=seat, connection=state.connection, evidence=rows))
        await self._turn.widen()
        self._watch_judge(seat)

    def read_lines(self) -> None:
        """The workers' newest readings of the lines."""
        for seat, reading in self._turn.media.readings():
            self.signals.read(seat, reading)

    def _said_goodbye(self, seat: str) -> bool:
        """Whether the page has said in these seconds that it is being closed."""
        known_at, rows = self._early.get(seat, (0, ()))
        fresh = self._clock.now() - known_at < EARLY_FOR_US
        return fresh and any(row["fact"] == presence.PAGE_HIDE for row in rows)

    def _unheard(self, seat: str) -> tuple[Row, ...]:
        """That its socket is silent, unless that is kept as evidence already."""
        now = self._clock.now()
        known_at, _ = self._early.get(seat, (0, ()))
        return () if now - known_at < EARLY_FOR_US else (fact(presence.HEARTBEAT_SILENT, now),)

    def _known(self, seat: str) -> tuple[Row, ...]:
        """Readings of the line, standing facts and our own state at a loss."""
        self.read_lines()
        return self.signals.at_loss(self._turn.hearing, seat, self._clock.now(), self._turn.media.port())

    def _overload(self) -> tuple[Row, ...]:
        """Our own lateness is evidence too: nobody is to be blamed because we did not listen."""
        now = self._clock.now()
        late = self._turn.media.late_us(now)
        return (fact(presence.HOST_OVERLOADED, now, late_ms=late // 1000),) if late else ()

    # --- the presiding judge ----------------------------------------------------------------------

    def _watch_judge(self, seat: str) -> None:
        """The presiding judge cut off in session: technical hold after a grace time, longer when the fault is ours."""
        state = self._turn.hearing.seats[seat]
        if state.role is not Role.PRESIDING_JUDGE:
            return
        ours = bool(state.timeline) and state.timeline[-1].cause is Cause.PLATFORM_FAILURE
        grace = JUDGE_GRACE_PLATFORM_S if ours else JUDGE_GRACE_S
        self._calm(seat)
        self._timers[seat] = asyncio.get_running_loop().call_later(
            grace, lambda: self._turn.post(lambda: self._judge_gone(seat))
        )

    async def _judge_gone(self, seat: str) -> None:
        if not self._turn.hearing.seats[seat].connected:
            await self._turn.carry_out(ObserveJudgeGone())

    def _calm(self, seat: str) -> None:
        if timer := self._timers.pop(seat, None):
            timer.cancel()


def fact(name: str, at: int, **more: str | int) -> Row:
    """One line of evidence read on the court's clock; what it weighs is decided by ``hearing.presence``."""
    return {"fact": name, "at": at, "clock": "court", **more}


def _silence(change: TransportChanged) -> tuple[Row, ...]:
    """The evidence of a transport that went silent. What it lost in its last seconds is the cut itself; whether the
    line was bad before is for ``signals`` to say."""
    last = {"last_in_at": change.last_in_at, "last_out_at": change.last_out_at, "permille": change.loss_permille}
    return (fact(presence.MEDIA_SILENT, change.at, **last),)
