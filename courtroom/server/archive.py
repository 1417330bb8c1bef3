"""The archive of a closed hearing: state, picture, verification; for staff and for the desk's own seats.

Rules
* Every reading of the picture is in the ledger before a byte leaves (COURT.md 11.10). A player asks for many ranges:
  they are one reading for ``READ_S``, by one reader, of one hearing.
* The bench and the clerk read the isolation certificates while the hearing goes on; nobody else does.
* Who has read or been given what is listed for staff and desk from the ledger itself (``accesses``).
* Verifying reads the whole archive: ``VERIFY`` bounds it for each hearing.
* There is no way to delete or change anything here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from courtroom.control.api import Courtroom, Docket
from courtroom.errors import Refused
from courtroom.hearing import roles
from courtroom.hearing.model import Role
from courtroom.server.api import find
from courtroom.server.archive_rows import accesses, certificates, phases, seal_state
from courtroom.server.auth import STAFF, Doors
from courtroom.server.limits import Buckets, Rate
from courtroom.server.problems import not_found

READ_S: Final = 3600.0
MAX_READINGS: Final = 1000
VERIFY: Final = Rate(0.1, 5)


class Archives:
    def __init__(self, docket: Docket, doors: Doors) -> None:
        self._docket = docket
        self._doors = doors
        self._readings: OrderedDict[tuple[str, str], tuple[float, Path]] = OrderedDict()
        self._verifications = Buckets(VERIFY)

    def add_to(self, app: web.Application) -> None:
        base = "/api/v1/hearings/{id}/archive"
        app.add_routes(
            [
                web.get(base, self.show),
                web.get(base + "/video", self.video),
                web.post(base + "/verify", self.verify),
                web.get(base + "/speakers", self.speakers),
                web.get("/api/v1/hearings/{id}/accesses", self.accesses),
                web.get("/api/v1/hearings/{id}/isolation", self.isolation),
            ]
        )

    async def reader(self, request: web.Request) -> tuple[Courtroom, str]:
        """The courtroom and who reads: ``staff`` or a seat of the bench or the clerk."""
        if await self._doors.is_staff(request):
            return find(self._docket, request.match_info["id"]), STAFF
        seated = await self._doors.seat(request)
        if Role(seated.role) not in roles.STAFF:
            raise not_found()
        return seated.courtroom, seated.seat

    async def show(self, request: web.Request) -> web.Response:
        courtroom, reader = await self.reader(request)
        return web.Response(body=msgspec.json.encode(facts(courtroom, reader)), content_type="application/json")

    async def video(self, request: web.Request) -> web.StreamResponse:
        courtroom, reader = await self.reader(request)
        if courtroom.archive.state != "sealed":
            raise Refused("no_archive")
        path = await self._reading(courtroom, reader)
        headers = {"Content-Type": "video/mp4", "Content-Disposition": "inline"}
        return web.FileResponse(path, headers=headers)

    async def _reading(self, courtroom: Courtroom, reader: str) -> Path:
        key, now = (courtroom.id, reader), time.monotonic()
        begun = self._readings.get(key)
        if begun is not None and now - begun[0] < READ_S:
            return begun[1]
        path = await courtroom.read_archive(reader)
        self._readings[key] = (now, path)
        self._readings.move_to_end(key)
        while len(self._readings) > MAX_READINGS:
            self._readings.popitem(last=False)
        return path

    async def verify(self, request: web.Request) -> web.Response:
        courtroom, _ = await self.reader(request)
        if not self._verifications.take(courtroom.id):
            raise Refused("too_fast")
        result = await courtroom.verify_archive()
        return web.Response(body=msgspec.json.encode(result), content_type="application/json")

    async def speakers(self, request: web.Request) -> web.Response:
        courtroom, _ = await self.reader(request)
        return web.Response(body=msgspec.json.encode(await courtroom.speakers()), content_type="application/json")

    async def accesses(self, request: web.Request) -> web.Response:
        courtroom, _ = await self.reader(request)
        listed = accesses(courtroom, await courtroom.ledger())
        return web.Response(body=msgspec.json.encode({"accesses": listed}), content_type="application/json")

    async def isolation(self, request: web.Request) -> web.Response:
        """The certificates given at dismissals; the sealed one is in the archive and is what counts afterwards."""
        courtroom, _ = await self.reader(request)
        listed = certificates(await courtroom.ledger())
        return web.Response(body=msgspec.json.encode({"certificates": listed}), content_type="application/json")


def facts(courtroom: Courtroom, reader: str) -> dict[str, Any]:
    """``GET …/archive``; ``bag`` is the archive's name, never a path of this machine. ``seat`` keeps a seat's links
    its own.
    """
    archive, hearing = courtroom.archive, courtroom.hearing
    query = "" if reader == STAFF else f"?seat={reader}"
    sealed = archive.state == "sealed"
    return {
        "state": archive.state,
        "seal_state": seal_state(courtroom),
        "progress": archive.progress,
        "eta_s": archive.eta_s,
        "seal": dict(archive.seal),
        "duration_us": archive.seal.get("duration_us", 0),
        "gaps": archive.seal.get("gaps", []),
        "phases": phases(courtroom),
        "opened_at": hearing.opened_at,
        "closed_at": hearing.closed_at,
        "video_url": f"/api/v1/hearings/{hearing.id}/archive/video{query}" if sealed else None,
        "bag": archive.bag.name if archive.bag is not None and sealed else None,
    }
