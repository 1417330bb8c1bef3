"""What time alone changes in one hearing: permissions lapse, lines fade, a head is due, a port falls silent.

Rules: a round looks and posts, the change itself is taken in turn by the hearing; a view goes out only where nothing
waits for its turn, since whatever does will tell more. A head that cannot be kept is tried again in the next round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, Protocol

import structlog

from courtroom.control.clock import CourtClock
from courtroom.control.connections import Connections
from courtroom.control.heads import EVERY_S
from courtroom.control.media import MediaPlane
from courtroom.control.speech import Speech
from courtroom.errors import Unavailable
from courtroom.hearing.commands import Command, ObserveLapse
from courtroom.hearing.ledger import SignedHead
from courtroom.hearing.model import Hearing

LOOK_EVERY_S: Final = 2.0

log = structlog.get_logger()


class Room(Protocol):
    """The hearing as this needs it; ``faults``: notices of our own troubles, code → since (µs)."""

    media: MediaPlane
    connections: Connections
    faults: dict[str, int]

    @property
    def id(self) -> str: ...

    @property
    def hearing(self) -> Hearing: ...

    @property
    def waiting(self) -> bool: ...

    def post(self, work: Callable[[], Awaitable[Any]]) -> None: ...

    async def carry_out(self, command: Command) -> int: ...

    async def tell(self) -> None: ...

    async def head(self) -> SignedHead: ...


class Rounds:
    """Both run until cancelled."""

    def __init__(self, room: Room, speech: Speech, clock: CourtClock) -> None:
        self._room = room
        self._speech = speech
        self._clock = clock

    async def sign(self) -> NoReturn:
        """A chain alone misses truncation: the head is signed at least every ten seconds while things happen."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self._room.head()
            except Unavailable as error:
                log.error("head_not_saved", hearing=self._room.id, code=error.code)

    async def look(self) -> NoReturn:
        """What time alone changes (connection quality, permissions running out) reaches the screens as well."""
        room = self._room
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            room.connections.read_lines()
            self._watch_port()
            if self._speech.due(self._clock.now()):
                room.post(self.note_speech)
            proposal = room.hearing.proposal
            if proposal is not None and self._clock.now() >= proposal.until:
                room.post(lambda: room.carry_out(ObserveLapse()))
            if room.connections.sessions and not room.waiting:
                room.post(room.tell)

    async def note_speech(self) -> None:
        note = self._speech.note(self._clock.now())
        if note is not None:
            await self._room.carry_out(note)

    def _watch_port(self) -> None:
        """The bench is told when our own media port hears nobody."""
        room = self._room
        port, now = room.media.port(), self._clock.now()
        if port is None or not port.silent(now):
            room.faults.pop("media_port_silent", None)
        elif "media_port_silent" not in room.faults:
            room.faults["media_port_silent"] = now
