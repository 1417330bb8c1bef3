"""Proof that a person hands in: uploaded by its own seat, given out to bench, clerk, staff and that seat.

Rules (COURT.md 6; web/PROTOCOL.md section 9)
* The file is read as it comes, bounded in size and time, sealed before it is written, and kept only if its digest,
  computed here, is the one that was announced, and its first bytes are of a kind that the court takes.
* It counts as handed in when ``attachment_received`` stands in the ledger, never before; what comes to no end, or is
  not taken, leaves nothing behind.
* Each giving out is a ledger line before a byte leaves (COURT.md 11.10). Given out is a download under a name of ours,
  never something a browser shows in the court's name.
* One upload of a seat at a time; room on the disk belongs to the recording first.
* Not part of the sealed archive: it is personal data that can be erased, and a bag is for ever and travels. The sealed
  ledger names every file by digest, size and kind, so that whoever holds one can prove that it is the one.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import ClientPayloadError, web

from courtroom.control.api import Courtroom, Docket
from courtroom.errors import BadMessage, Refused, Unavailable
from courtroom.hearing import access, statements
from courtroom.hearing.commands import ObserveAttachment, ObserveAttachmentRead
from courtroom.hearing.model import Attachment, Seat
from courtroom.server.api import find
from courtroom.server.auth import STAFF, Doors, Seated, is_id
from courtroom.server.filekinds import MEDIA, Kind
from courtroom.server.limits import Buckets, Limits
from courtroom.server.problems import not_found
from courtroom.store.attachments import AttachmentFiles, Draft
from courtroom.store.ports import Registry

CHUNK: Final = 64 * 1024
MIN_FREE: Final = 2 << 30
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Attachments:
    def __init__(self, docket: Docket, doors: Doors, registry: Registry, data: Path, limits: Limits) -> None:
        self._docket = docket
        self._doors = doors
        self._registry = registry
        self._data = data
        self._files = AttachmentFiles(data / "attachments")
        self._limits = limits
        self._rate = Buckets(limits.attachment)
        self._readings = Buckets(limits.attachment_read)
        self._coming: dict[str, tuple[str, int]] = {}  # seat → hearing and size of what is on its way
        self._turn = asyncio.Semaphore(2)

    def add_to(self, app: web.Application) -> None:
        base = "/api/v1/hearings/{id}"
        app.add_routes(
            [
                web.put(base + "/attachments/{sha256}", self.hand_in),
                web.get(base + "/seats/{seat}/attachments", self.index),
                web.get(base + "/seats/{seat}/attachments/{sha256}", self.give_out, allow_head=False),
            ]
        )
        app.on_startup.append(self._sweep)

    async def _sweep(self, _: web.Application) -> None:
        await asyncio.to_thread(self._files.sweep)

    # --- handing in -------------------------------------------------------------------------------

    async def hand_in(self, request: web.Request) -> web.Response:
        seated = await self._doors.seat(request)
        sha256 = request.match_info["sha256"]
        if not _SHA256.fullmatch(sha256):
            raise not_found()
        seat = _seat(seated)
        known = statements.attachment_of(seat, sha256)
        if known is not None:
            return _json(_told(known))
        size = request.content_length
        if size is None:
            raise Refused("length_required")
        hearing = seated.courtroom.hearing
        waiting = sum(coming for where, coming in self._coming.values() if where == hearing.id)
        statements.may_attach(hearing, seat, size, waiting)
        if seat.id in self._coming or not self._rate.take(seat.id):
            raise Refused("too_fast")
        if len(self._coming) >= self._limits.attachments_at_once:
            raise Unavailable("court_busy")
        self._coming[seat.id] = (hearing.id, size)
        try:
            kind = await self._taken(request, seated, sha256, size)
        finally:
            del self._coming[seat.id]
        kept = statements.attachment_of(await self._record(seated, sha256, size, kind), sha256)
        return _json(_told(kept) if kept is not None else {}, status=201)

    async def _taken(self, request: web.Request, seated: Seated, sha256: str, size: int) -> str:
        """The kind of the file, which is on disk now."""
        hearing, seat = seated.courtroom.id, seated.seat
        if await asyncio.to_thread(_free, self._data) < MIN_FREE + size:
            raise Unavailable("attachment_no_room")
        key = await self._registry.attachment_key(hearing)
        draft = await asyncio.to_thread(self._files.begin, hearing, seat, sha256, key)
        try:
            kind = await self._received(request, draft, size)
            if await asyncio.to_thread(draft.finish) != sha256 or draft.size != size:
                raise Refused("attachment_digest")
            await asyncio.to_thread(draft.keep)
            return kind
        finally:
            await asyncio.shield(asyncio.to_thread(draft.drop))

    async def _received(self, request: web.Request, draft: Draft, size: int) -> str:
        kind = Kind()
        try:
            async with asyncio.timeout(self._limits.attachment_s):
                while piece := await request.content.read(CHUNK):
                    kind.feed(piece)
                    if kind.hopeless:
                        raise Refused("attachment_kind")
                    if draft.size + len(piece) > size:
                        raise BadMessage("body_too_large")
                    await asyncio.to_thread(draft.write, piece)
        except TimeoutError as error:
            raise BadMessage("body_too_slow") from error
        except (ClientPayloadError, web.RequestPayloadError) as error:
            raise BadMessage("bad_request") from error
        if not (name := kind.name()):
            raise Refused("attachment_kind")
        return name

    async def _record(self, seated: Seated, sha256: str, size: int, kind: str) -> Seat:
        seat = seated.seat
        courtroom = await find(self._docket, seated.courtroom.id)  # an upload may have taken minutes
        try:
            await courtroom.submit(ObserveAttachment(seat=seat, sha256=sha256, size=size, kind=kind))
        except Refused:  # the seat was removed meanwhile
            await asyncio.to_thread(self._files.withdraw, courtroom.id, seat, sha256)
            raise
        return courtroom.hearing.seats[seat]

    # --- giving out -------------------------------------------------------------------------------

    async def index(self, request: web.Request) -> web.Response:
        """What the court holds of a seat, each file read and compared with its digest now."""
        courtroom, owner, _ = await self._reader(request)
        listed = [
            {**_told(one), "state": await self._state(courtroom, owner, one.sha256)} for one in owner.attachments
        ]  # fmt: skip
        return _json({"attachments": listed})

    async def _state(self, courtroom: Courtroom, owner: Seat, sha256: str) -> str:
        try:
            await self._read(courtroom, owner, sha256)
        except Unavailable as error:
            return "missing" if error.code == "attachment_missing" else "damaged"
        return "intact"

    async def give_out(self, request: web.Request) -> web.Response:
        courtroom, owner, reader = await self._reader(request)
        known = statements.attachment_of(owner, request.match_info["sha256"])
        if known is None:
            raise not_found()
        content = await self._read(courtroom, owner, known.sha256)
        await courtroom.submit(ObserveAttachmentRead(seat=owner.id, sha256=known.sha256, reader=reader))
        media, ending = MEDIA[known.kind]
        name = f"attachment-{known.seq}-{known.sha256[:12]}.{ending}"
        headers = {
            "Content-Type": media,
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        }
        return web.Response(body=content, headers=headers)

    async def _read(self, courtroom: Courtroom, owner: Seat, sha256: str) -> bytes:
        async with self._turn:
            key = await self._registry.attachment_key(courtroom.id)
            return await asyncio.to_thread(self._files.read, courtroom.id, owner.id, sha256, key)

    async def _reader(self, request: web.Request) -> tuple[Courtroom, Seat, str]:
        """The courtroom, whose files, and who asks; ``not_found`` for everybody else."""
        owner = request.match_info["seat"]
        if await self._doors.is_staff(request):
            courtroom, reader = await find(self._docket, request.match_info["id"]), STAFF
        else:
            seated = await self._doors.seat(request)
            courtroom, reader = seated.courtroom, seated.seat
            if not access.may_see_attachments(courtroom.hearing, reader, owner):
                raise not_found()
        if not is_id(owner) or owner not in courtroom.hearing.seats:
            raise not_found()
        if not self._readings.take(f"{courtroom.id} {reader}"):
            raise Refused("too_fast")
        return courtroom, courtroom.hearing.seats[owner], reader


def _seat(seated: Seated) -> Seat:
    return seated.courtroom.hearing.seats[seated.seat]


def _told(one: Attachment) -> dict[str, Any]:
    return {"sha256": one.sha256, "size": one.size, "kind": one.kind, "at": one.at, "seq": one.seq}


def _free(data: Path) -> int:
    try:
        return shutil.disk_usage(data).free
    except OSError:
        return 0


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )  # fmt: skip
