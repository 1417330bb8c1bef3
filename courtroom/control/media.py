"""The media plane of one hearing: which seat has which transport, and what the worker has been told to forward.

Rules
* ``hearing.access`` says who may receive whom; ``routing`` only turns its edges into routes between transports.
* ``narrow`` runs before anything is recorded: transports of seats that change room are closed, routes that are no
  longer allowed are gone when it returns. A worker that is dead forwards nothing, which is narrow enough.
* ``settle`` runs after: the whole set of every room whose set differs is sent (``SetRoutes``, a new revision).
* Which transport a seat has, and which is on its way, is in ``stays``; at connect the old one is closed before the new
  one counts.
* Every method is called by the hearing's actor alone, one at a time; the ``on_…`` methods only tell the actor.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from courtroom.channel.messages import (
    AcceptAnswer,
    CaptureRoute,
    CloseRoom,
    CloseTransport,
    Journal,
    OpenRoom,
    OpenTransport,
    PlacePreference,
    ProducerChanged,
    Reply,
    RestartTransport,
    Route,
    SetPreferences,
    SetRoutes,
    SpeakingChanged,
    TransportChanged,
)
from courtroom.control.certificates import Certificates
from courtroom.control.mediajournal import MediaJournal
from courtroom.control.places import Places, mid
from courtroom.control.routing import Applied, Desired, Stay, narrowed, wanted
from courtroom.control.signals import Port, Reading
from courtroom.control.stays import Stays
from courtroom.control.workers import LATE_US, MediaWorker, WorkerPool
from courtroom.errors import Refused, Unavailable
from courtroom.hearing.model import Kind
from courtroom.sfu.takes import CUT_US

__all__ = ["Desired", "MediaPlane", "Stay", "WorkerDown"]

MAX_PLACES: Final = 16
PUBLISHABLE: Final = (Kind.MICROPHONE, Kind.CAMERA, Kind.SCREEN)

_VIDEO_LINE: Final = re.compile(r"v(\d{1,2})", re.ASCII)

log = structlog.get_logger()


class MediaPlane:
    """``tell`` receives what the worker reports, in order, and hands it to the actor; ``mark`` writes a line of the
    media journal into the open take and says whether there was one."""

    def __init__(
        self,
        hearing: str,
        pool: WorkerPool,
        tell: Callable[[object], None],
        mark: Callable[[str, str], bool] = lambda _kind, _detail: False,
    ) -> None:
        self._hearing = hearing
        self._pool = pool
        self._tell = tell
        self._worker: MediaWorker | None = None
        self._rooms: dict[str, Applied] = {}
        self._stays = Stays()
        self._life = 0  # of the worker: how often it had died when we moved in
        self._epoch = 0
        self._revision = 0
        self.speaking: list[str] = []
        self._mark = mark
        self.journal = MediaJournal(mark)
        self.certificates: Certificates | None = None  # of isolation, where somebody asks for them

    # --- what the worker says (any time, never blocks) --------------------------------------------

    def on_worker_up(self) -> None:
        """A respawned worker holds nothing; clients come back by themselves and rooms are opened as they do."""

    def on_worker_down(self) -> None:
        self._tell(WorkerDown())

    def on_worker_message(self, message: TransportChanged | ProducerChanged | SpeakingChanged | Journal) -> None:
        if isinstance(message, Journal):
            self.journal.counted(message.at, message.edges)
            if self.certificates is not None:
                self.certificates.counted(message.at, message.edges)
            return
        if isinstance(message, TransportChanged):
            self.journal.changed(message)
            if self.certificates is not None:
                self.certificates.changed(message)
        self._tell(message)

    # --- looking ----------------------------------------------------------------------------------

    def seat_of(self, transport: str) -> str | None:
        return self._stays.seat_of(transport)

    def is_current(self, transport: str) -> bool:
        return self._stays.is_current(transport)

    def has_media(self, seat: str) -> bool:
        return seat in self._stays.current

    @property
    def occupied(self) -> bool:
        return bool(self._stays)

    def late_us(self, now: int) -> int:
        """How late our own processes were at worst in the last seconds; 0 when not worth mentioning."""
        worst = max(self._pool.late.worst(now), self._worker.late.worst(now) if self._worker else 0)
        return worst if worst >= LATE_US else 0

    def port(self) -> Port | None:
        """How our worker's media port is doing; ``None`` without a worker."""
        return self._worker.port if self._worker is not None else None

    def readings(self) -> list[tuple[str, Reading]]:
        """The worker's last second of each seat's line."""
        load = self._worker.load if self._worker is not None else None
        if load is None:
            return []
        lines = {one.transport: Reading(load.at, one.loss_permille, one.rtt_us, one.jitter_us) for one in load.quality}
        return [(seat, lines[stay.transport]) for seat, stay in self._stays.current.items() if stay.transport in lines]

    def transport_of(self, seat: str) -> str:
        """The id of the transport that counts (the last part of its Location), '' when there is none."""
        stay = self._stays.current.get(seat)
        return stay.transport if stay is not None else ""

    def room_name(self, key: str) -> str:
        """Opaque to clients: changes whenever their transport is dead and a new offer is to be asked for."""
        return f"{key}.{self._epoch}"

    def routes_of(self, seat: str) -> list[dict[str, Any]]:
        """``view.media.routes`` of a seat, from what the worker really forwards."""
        stay = self._stays.current.get(seat)
        if stay is None:
            return []
        seats = self._stays.by_transport()
        applied = self._rooms.get(self._room(stay.key), Applied())
        return [
            {
                "mid": mid(route.place, route.kind),
                "seat": seats.get(route.source, ""),
                "source": route.kind,
                "kind": "audio" if mid(route.place, route.kind).startswith("a") else "video",
            }
            for route in applied.routes
            if route.receiver == stay.transport
        ]

    def quality(self) -> dict[str, str]:
        """``good`` or ``unstable`` by seat, from the worker's last second."""
        load = self._worker.load if self._worker else None
        if load is None:
            return {}
        words = {
            quality.transport: "unstable" if quality.loss_permille > 50 or quality.rtt_us > 400_000 else "good"
            for quality in load.quality
        }
        return {seat: words.get(stay.transport, "good") for seat, stay in self._stays.current.items()}

    def speaking_seats(self, transports: Sequence[str]) -> list[str]:
        return [seat for transport in transports if (seat := self.seat_of(transport)) is not None]

    def capture_pending(self, since: int) -> bool:
        """Whether captured packets from before ``since`` may still be on their way to the writer.

        What came later does not count: other hearings' packets, or a slow disk, would otherwise hold this one up.
        """
        worker = self._alive()
        if worker is None:
            return False  # what a dead worker held is lost and shows as a gap
        load = worker.load
        return load is None or load.at - load.capture_lag_us <= since + CUT_US

    # --- transports -------------------------------------------------------------------------------

    async def open(self, seat: str, key: str, places: int, publish: Sequence[str]) -> tuple[str, str]:
        """A transport for ``seat`` in room ``key``: its id and the server's offer."""
        if not 0 <= places <= MAX_PLACES:
            raise Refused("too_many_places", {"max": MAX_PLACES})
        if unknown := set(publish) - set(PUBLISHABLE):
            raise Refused("unknown_kind", {"kind": sorted(unknown)[0][:32]})
        worker = self._home()
        room = self._room(key)
        if room not in self._rooms:
            worker.claim_room(room, self)
            _done(await worker.ask(lambda number: OpenRoom(number, room)))
            self._rooms[room] = Applied()
        if earlier := self._stays.pending.pop(seat, None):
            await self._close(earlier.transport)
        kinds = [kind for kind in (*PUBLISHABLE, Kind.SCREEN_SOUND) if kind in publish]
        if Kind.SCREEN in publish:
            kinds.append(Kind.SCREEN_SOUND)
        stay = Stay(seat, f"t-{secrets.token_hex(8)}", key, Places(places))
        worker.claim_transport(stay.transport, self)
        self.journal.belongs(stay.transport, seat, key)
        if self.certificates is not None:
            self.certificates.belongs(stay.transport, seat, key)
        reply = _done(
            await worker.ask(
                lambda number: OpenTransport(number, room, stay.transport, places, [str(k) for k in kinds])
            )
        )
        self._stays.pending[seat] = stay
        return stay.transport, reply.sdp

    async def answer(self, seat: str, transport: str, sdp: str) -> None:
        self._own(seat, transport)
        _done(await self._home().ask(lambda number: AcceptAnswer(number, transport, sdp)))

    async def restart(self, seat: str, transport: str) -> str:
        self._own(seat, transport)
        return _done(await self._home().ask(lambda number: RestartTransport(number, transport))).sdp

    async def promote(self, transport: str) -> str | None:
        """A transport is connected: it counts from now on. The seat it belongs to, if it is still wanted."""
        stay = self._stays.connected(transport)
        if stay is None:
            return None
        if before := self._stays.current.pop(stay.seat, None):
            await self._close(before.transport)
        self._stays.current[stay.seat] = stay
        return stay.seat

    def forget(self, transport: str) -> str | None:
        """The worker has closed a transport; the seat whose current one it was."""
        return self._stays.gone(transport)

    async def drop(self, seat: str) -> None:
        """Closes everything a seat has."""
        for stay in self._stays.leaving(seat):
            await self._close(stay.transport)

    def lost_worker(self) -> list[str]:
        """The worker died: nothing is forwarded any more. The seats that had media."""
        seats = list(self._stays.current)
        self.journal.worker_lost()
        if self.certificates is not None:
            self.certificates.worker_lost()
        self._stays.clear()
        self._rooms.clear()
        self.speaking = []
        self._epoch += 1
        if self._worker is not None:
            self._worker.move_out(self)
            self._worker = None
        return seats

    def prefer(self, seat: str, wishes: Sequence[Mapping[str, Any]]) -> None:
        """Tile widths by video m-line; unknown m-lines are ignored, they may belong to an earlier stay."""
        stay = self._stays.current.get(seat)
        worker = self._alive()
        if stay is None or worker is None:
            return
        places = []
        for wish in wishes[: 2 * MAX_PLACES]:
            place, width = _VIDEO_LINE.fullmatch(str(wish.get("mid"))), wish.get("width")
            if place and isinstance(width, int) and int(place[1]) < stay.places.count:
                places.append(PlacePreference(int(place[1]), max(0, min(width, 7680))))
        if places:
            worker.send(SetPreferences(stay.transport, places))

    # --- routes -----------------------------------------------------------------------------------

    async def narrow(self, desired: Desired) -> None:
        """Nothing that ``desired`` does not allow is forwarded when this returns."""
        for stay in self._stays.misplaced(desired.rooms):
            await self._close(stay.transport)
        seats = self._stays.by_transport()
        for room, applied in list(self._rooms.items()):
            left = narrowed(applied, desired, seats)
            if not await self._apply(room, *left) and self._rooms[room].forwarded != left:
                self._fail_closed()

    async def settle(self, desired: Desired) -> bool:
        """Everything that ``desired`` allows and that has transports is forwarded; whether anything changed."""
        changed = False
        for room in list(self._rooms):
            members = {seat: stay for seat, stay in self._stays.current.items() if self._room(stay.key) == room}
            changed |= await self._apply(room, *wanted(members, desired))
        return changed

    async def _apply(self, room: str, routes: tuple[Route, ...], captures: tuple[CaptureRoute, ...]) -> bool:
        applied = self._rooms[room]
        if (routes, captures) == applied.forwarded:
            return False
        self._revision += 1
        revision = self._revision
        worker = self._alive()
        if worker is None:
            return False
        try:
            reply = await worker.ask(lambda number: SetRoutes(number, room, revision, list(routes), list(captures)))
        except Unavailable:
            return False  # it is dead or has been killed for not answering: it forwards nothing
        if reply.code:
            # A transport may have closed between the desire and the order; its own message is on the way.
            log.warning("routes_refused", room_revision=revision, code=reply.code)
            return False
        self._rooms[room] = Applied(revision, routes, captures)
        return True

    # --- inside -----------------------------------------------------------------------------------

    def _room(self, key: str) -> str:
        return f"{self._hearing}/{key}"

    def _alive(self) -> MediaWorker | None:
        """Our worker, if it still is the process that we moved into: one that was respawned knows nothing of us."""
        worker = self._worker
        return worker if worker is not None and worker.up and worker.deaths == self._life else None

    def _home(self) -> MediaWorker:
        if self._worker is None:
            self._worker = self._pool.pick(running=self._epoch > 0)
            self._life = self._worker.deaths
            self._worker.move_in(self)
        worker = self._alive()
        if worker is None:
            raise Unavailable("media_unavailable")  # we are about to be told
        return worker

    def _own(self, seat: str, transport: str) -> None:
        if not self._stays.owns(seat, transport):
            raise Refused("not_found")

    async def _close(self, transport: str) -> None:
        """Returns when the transport is gone; its routes go with it."""
        for room, applied in self._rooms.items():
            self._rooms[room] = Applied(
                applied.revision,
                tuple(route for route in applied.routes if transport not in (route.source, route.receiver)),
                tuple(capture for capture in applied.captures if capture.source != transport),
            )
        worker = self._alive()
        if worker is None:
            return
        try:
            await worker.ask(lambda number: CloseTransport(number, transport))
        except Unavailable:
            return  # dead workers hold no transports

    def _fail_closed(self) -> None:
        """The worker did not take an order to forward less: what it does is unknown, so it must not go on."""
        worker = self._alive()
        if worker is not None:
            log.error("narrowing_refused")
            worker.kill()

    async def close(self) -> None:
        """The hearing is over and its record is whole: every transport and room is closed, the journal let go of."""
        for stay in self._stays.all_leaving():
            await self._close(stay.transport)
        if self._worker is not None:
            for room in list(self._rooms):
                try:
                    await self._worker.ask(lambda number, room=room: CloseRoom(number, room))  # type: ignore[misc]
                except Unavailable:
                    break
            self._worker.move_out(self)
            self._worker = None
        self._rooms.clear()
        self.journal = MediaJournal(self._mark)


@dataclass(frozen=True, slots=True)
class WorkerDown:
    """Told to the actor when the worker of this hearing died."""


def _done(reply: Reply) -> Reply:
    if reply.code:
        raise Refused(reply.code)
    return reply
