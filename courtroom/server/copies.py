"""Recipients' copies of a sealed recording: ordered by bench, clerk or staff, downloaded by them and by the recipient.

Rules (COURT.md 7)
* Who may order and who may see which copy is ``hearing.access``; everybody else hears 404, as for an unknown copy.
* A download is in the ledger before a byte leaves. A request for the first byte is a download of its own; the further
  ranges of one player belong to it for ``READ_S``.
* The answer tells seats and states, never a name, a path or the key.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from courtroom.control.api import Copy, Courtroom, Docket
from courtroom.errors import BadMessage, Refused
from courtroom.hearing import access, values
from courtroom.server.api import find
from courtroom.server.auth import STAFF, Doors
from courtroom.server.limits import Limits
from courtroom.server.middleware import body_of
from courtroom.server.problems import not_found
from courtroom.server.schemas import MAX_PURPOSE, CopyAnswer, CopyBody, CopyList, decode

READ_S: Final = 3600.0
MAX_READINGS: Final = 1000
_COPY: Final = re.compile(r"[0-9a-f]{16}")
_LATER: Final = re.compile(r"bytes=0*[1-9][0-9]*-[0-9]*")


class RecipientCopies:
    def __init__(self, docket: Docket, doors: Doors, limits: Limits) -> None:
        self._docket = docket
        self._doors = doors
        self._limits = limits
        self._readings: OrderedDict[tuple[str, str, str], tuple[float, Path]] = OrderedDict()

    def add_to(self, app: web.Application) -> None:
        base = "/api/v1/hearings/{id}/copies"
        app.add_routes(
            [
                web.post(base, self.issue),
                web.get(base, self.index),
                web.get(base + "/{copy}", self.show),
                web.get(base + "/{copy}/file", self.file, allow_head=False),
            ]
        )

    async def _asker(self, request: web.Request) -> tuple[Courtroom, str]:
        if await self._doors.is_staff(request):
            return await find(self._docket, request.match_info["id"]), STAFF
        seated = await self._doors.seat(request)
        return seated.courtroom, seated.seat

    async def issue(self, request: web.Request) -> web.Response:
        courtroom, asker = await self._asker(request)
        if asker != STAFF and not access.may_grant_copy(courtroom.hearing, asker):
            raise Refused("copy_not_granted") if access.may_have_copy(courtroom.hearing, asker) else not_found()
        if request.content_type != "application/json":
            raise BadMessage("unsupported_media_type")
        body = decode(await body_of(request, self._limits.json, self._limits.body_s), CopyBody)
        if body.recipient not in courtroom.hearing.seats:
            raise Refused("bad_body", {"at": "$.recipient"})
        purpose = body.purpose.strip()
        if not purpose or not values.plain_text(purpose, MAX_PURPOSE):
            raise Refused("bad_body", {"at": "$.purpose"})
        copy = await courtroom.copies.issue(body.recipient, purpose, asker)
        location = f"/api/v1/hearings/{courtroom.id}/copies/{copy.id}"
        return _json({"id": copy.id, "state": copy.state}, status=202, Location=location)

    async def index(self, request: web.Request) -> web.Response:
        courtroom, asker = await self._asker(request)
        if asker != STAFF and not access.may_have_copy(courtroom.hearing, asker):
            raise not_found()
        seen = [answer(copy) for copy in courtroom.copies.listed() if _may_see(courtroom, asker, copy)]
        return _json(CopyList(seen))

    async def show(self, request: web.Request) -> web.Response:
        courtroom, asker = await self._asker(request)
        return _json(answer(self._copy(request, courtroom, asker)))

    async def file(self, request: web.Request) -> web.StreamResponse:
        courtroom, asker = await self._asker(request)
        copy = self._copy(request, courtroom, asker)
        path = await self._reading(request, courtroom, asker, copy.id)
        name = f"attachment; filename=copy-{copy.id}.mp4"
        return web.FileResponse(path, headers={"Content-Type": "video/mp4", "Content-Disposition": name})

    def _copy(self, request: web.Request, courtroom: Courtroom, asker: str) -> Copy:
        wanted = request.match_info["copy"]
        if not _COPY.fullmatch(wanted):
            raise not_found()
        found = next((copy for copy in courtroom.copies.listed() if copy.id == wanted), None)
        if found is None or not _may_see(courtroom, asker, found):
            raise not_found()
        return found

    async def _reading(self, request: web.Request, courtroom: Courtroom, asker: str, copy: str) -> Path:
        key, now = (courtroom.id, asker, copy), time.monotonic()
        begun = self._readings.get(key)
        later = _LATER.fullmatch(request.headers.get("Range", "").replace(" ", "")) is not None
        if later and begun is not None and now - begun[0] < READ_S:
            return begun[1]
        path = await courtroom.copies.read(copy, asker)
        self._readings[key] = (now, path)
        self._readings.move_to_end(key)
        while len(self._readings) > MAX_READINGS:
            self._readings.popitem(last=False)
        return path


def _may_see(courtroom: Courtroom, asker: str, copy: Copy) -> bool:
    return asker == STAFF or access.may_see_copy(courtroom.hearing, asker, copy.recipient)


def answer(copy: Copy) -> CopyAnswer:
    return CopyAnswer(copy.id, copy.recipient, copy.purpose, copy.state, copy.percent, copy.eta_s, copy.made_at)


def _json(value: object, status: int = 200, **headers: str) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=headers
    )
