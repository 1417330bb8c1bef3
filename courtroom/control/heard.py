"""What the media worker reports of one hearing, taken in turn: who is connected, silent, gone, speaking; its own death.

Rules: a report changes nothing by itself, it is handed to the hearing's inbox; what is over for the worker is over for
the routes and the recording in the same turn. A message that has no meaning here is logged and dropped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from courtroom.channel.messages import ProducerChanged, SpeakingChanged, TransportChanged
from courtroom.control.clock import CourtClock
from courtroom.control.connections import Connections, fact
from courtroom.control.media import MediaPlane, WorkerDown
from courtroom.control.recording import Recording
from courtroom.control.speech import Speech
from courtroom.hearing import presence
from courtroom.hearing.model import Hearing, RoomKind
from courtroom.hearing.phases import recording_on

log = structlog.get_logger()


class Room(Protocol):
    """The hearing as this needs it."""

    media: MediaPlane
    recording: Recording
    connections: Connections

    @property
    def id(self) -> str: ...

    @property
    def hearing(self) -> Hearing: ...

    def post(self, work: Callable[[], Awaitable[Any]]) -> None: ...

    async def widen(self) -> None: ...

    async def tell(self) -> None: ...


class Heard:
    """Called with each message, in order."""

    def __init__(self, room: Room, speech: Speech, clock: CourtClock) -> None:
        self._room = room
        self._speech = speech
        self._clock = clock

    def __call__(self, message: object) -> None:
        room = self._room
        match message:
            case WorkerDown():
                room.post(self._worker_down)
            case TransportChanged():
                room.post(lambda: self._transport_changed(message))
            case SpeakingChanged(room=name, transports=transports):
                if name == f"{room.id}/{RoomKind.COURTROOM.value}":
                    room.media.speaking = room.media.speaking_seats(transports)
                    heard = room.media.speaking if recording_on(room.hearing) else ()
                    self._speech.changed(heard, self._clock.now())
                    room.post(room.tell)
            case ProducerChanged():
                pass  # what a seat sends is told by its own set_devices; liveness shows in the picture itself
            case _:
                log.warning("unexpected_message", hearing=room.id)

    async def _worker_down(self) -> None:
        room, now = self._room, self._clock.now()
        seats = room.media.lost_worker()
        if room.hearing.take:
            room.recording.media_lost(now, "worker_died")
        for seat in seats:
            await room.connections.lose(seat, (fact(presence.WORKER_DIED, now),))
        await room.tell()

    async def _transport_changed(self, change: TransportChanged) -> None:
        room = self._room
        match change.state:
            case "connected" | "back":
                seat = await room.media.promote(change.transport) or room.media.seat_of(change.transport)
                if seat is None:
                    return
                await room.connections.media_back(seat)
                await room.widen()
                if room.hearing.take:
                    room.recording.media_back(self._clock.now())
                await room.tell()
            case "silent":
                await room.connections.media_silent(change)
            case "closed":
                seat = room.media.forget(change.transport)
                if seat is not None:
                    await room.widen()
                    await room.connections.media_closed(seat, change)
                    await room.tell()
            case _:
                log.warning("unexpected_state", hearing=room.id)
