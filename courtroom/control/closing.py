"""From the last packet to the sealed archive: what one hearing owes its record after 闭庭, and who reads it.

Rules
* An archive is begun when every captured packet is sealed on disk and every seal is in the ledger under a signed head.
* The ledger hears of the archive's end once, also when a restart finds it done.
* Every read is a ledger line before anything is handed over (invariant 10).
* A take that broke is opened again beside the inbox: the hearing does not wait for the writer's disk.
* ``done`` is said only when nothing is owed any more: sealed and in the ledger, stamped and copied where that is asked
  for, every ordered copy made. A failed archive is not done: it is tried again at the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from courtroom.control.api import Archive
from courtroom.control.archive import ArchiveJobs, Closed
from courtroom.control.clock import CourtClock
from courtroom.control.copies import Copies
from courtroom.control.media import MediaPlane
from courtroom.control.recording import Recording
from courtroom.control.shelf import brief_of
from courtroom.errors import Refused
from courtroom.hearing.commands import Command, ObserveArchive, ObserveCapture
from courtroom.hearing.signing import seal_detail
from courtroom.store.ports import Shelved

DRAIN_TIMEOUT_S: Final = 40.0  # a worker gives up what the writer has not answered for 30 s
REOPEN_S: Final = 1.0

log = structlog.get_logger()


class Recorded(Closed, Protocol):
    """The hearing as this needs it."""

    media: MediaPlane
    recording: Recording
    faults: dict[str, int]

    @property
    def archive(self) -> Archive: ...

    async def submit(self, command: Command) -> int: ...

    def post(self, work: Callable[[], Awaitable[Any]]) -> None: ...

    def beside(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None: ...

    async def tell(self) -> None: ...

    async def end_media(self) -> None: ...


class Closing:
    """Of one hearing; ``archive`` is how far it has come."""

    def __init__(self, room: Recorded, jobs: ArchiveJobs, clock: CourtClock) -> None:
        self._room = room
        self._jobs = jobs
        self._clock = clock
        self.archive = Archive()
        self._settled = False
        self.copies = Copies(room, jobs.copies, clock.now)

    # --- the take ---------------------------------------------------------------------------------

    def reopen_beside(self) -> None:
        self._room.beside(self.reopen, "reopen")

    async def reopen(self) -> None:
        """Until the writer has taken it; after the close too, until what the worker still holds is settled."""
        room = self._room
        take = room.recording.take if room.hearing.closed_at else room.hearing.take
        if take:
            try:
                await room.recording.open(take)
            except Refused:
                room.faults["recorder_not_ready"] = self._clock.now()
                asyncio.get_running_loop().call_later(REOPEN_S, self.reopen_beside)
            else:
                room.faults.pop("recorder_not_ready", None)
                room.media.journal.again()

    async def settle(self, take: str) -> None:
        """Returns when every captured packet is sealed on disk and every seal is in the ledger."""
        room, asked = self._room, self._clock.now()
        if not room.recording.take:  # we died between the close and the seal: opening again seals what was left
            await room.recording.open(take)
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                while room.media.capture_pending(asked):  # noqa: ASYNC110 - the worker says so once a second, no event to wait for
                    await asyncio.sleep(0.1)
        except TimeoutError:
            log.error("capture_not_drained", hearing=room.id)
            await room.submit(ObserveCapture(what="defect", detail={"code": "capture_late"}))
        room.media.journal.flush(self._clock.now())
        await room.recording.close()

    # --- the archive ------------------------------------------------------------------------------

    async def finish(self) -> None:
        """After the close: last packets on disk, segments sealed and in the ledger, then the archive job."""
        self._room.beside(self._archive_it, "archive")

    async def _archive_it(self) -> None:
        room = self._room
        async for state in self._jobs.make(room):
            self.archive = state
            if state.state != "queued":  # nothing captured is under way any more
                await room.end_media()
            room.post(room.tell)
        if self.archive.state not in ("sealed", "failed"):
            self._settled = self.archive.state == "none"
            return
        known = await self._known()
        if self.archive.state not in known:
            await room.submit(ObserveArchive(what=self.archive.state, detail=seal_detail(room.id, self.archive.seal)))
        if self.archive.state == "sealed" and "copied" not in known:
            room.recording.copy_bag(room.id, str(self.archive.seal.get("root_sha256", "")))
        if self.archive.state == "sealed":
            await self.copies.resume()
            self._settled = True

    async def _known(self) -> set[str]:
        """What the ledger says of the archive."""
        return {entry.body["what"] for entry in await self._room.entries_of("archive_noted")}

    # --- nothing owed -----------------------------------------------------------------------------

    async def recall(self) -> None:
        """What lies in its place already is there at once for whoever asks first."""
        try:
            found = await self._jobs.sealed(self._room.id)
        except Refused as error:  # one damaged archive keeps nobody from the others
            log.error("archive_not_read", hearing=self._room.id, code=error.code)
            return
        if found is not None:
            self.archive = found
            await self.copies.resume()

    @property
    def done(self) -> bool:
        """As far as this process knows; ``shelved`` looks at the disk and at the ledger."""
        return self._settled and not self._room.recording.busy and self.copies.idle

    async def shelved(self) -> Shelved | None:
        """What the store is told when nothing is owed; ``None`` while something is."""
        room, hearing = self._room, self._room.hearing
        sealed = self.archive.state == "sealed"
        stamped = sealed and await self._jobs.stamped(room.id)
        copied = sealed and room.recording.copies and room.recording.copied and "copied" in await self._known()
        there = not sealed or await self._jobs.sealed(room.id) is not None
        wanting = sealed and ((self._jobs.stamps and not stamped) or (room.recording.copies and not copied))
        if not there or wanting:
            return None
        return Shelved(room.id, hearing.seq, sealed, stamped, copied, brief_of(hearing, self.archive))

    # --- reading ----------------------------------------------------------------------------------

    async def verify(self) -> dict[str, Any]:
        return await self._jobs.verify(self._bag(), self._room.lines())

    async def read(self, reader: str) -> Path:
        return self._jobs.programme(await self._given(reader, "programme"))

    async def export(self, reader: str) -> Path:
        """The bag itself."""
        return await self._given(reader, "bag")

    async def _given(self, reader: str, what: str) -> Path:
        bag = self._bag()
        await self._room.submit(ObserveArchive(what="read", detail={"reader": reader, "what": what}))
        return bag

    async def speakers(self) -> dict[str, Any]:
        return await self._jobs.speakers.of(self.archive.bag if self.archive.state == "sealed" else None)

    def _bag(self) -> Path:
        if self.archive.bag is None:
            raise Refused("no_archive")
        return self.archive.bag
