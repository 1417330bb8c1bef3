"""The archive of a closed hearing: state, picture, verification; for staff and for the desk's own seats.

Rules
* Every reading of the picture is in the ledger before a byte leaves (COURT.md 11.10). A player asks for many ranges:
  they are one reading for ``READ_S``, by one reader, of one hearing.
* The bench and the clerk read the isolation certificates while the hearing goes on; nobody else does.
* Who has read or been given what is listed for staff and desk from the ledger itself (``accesses``).
* The whole archive leaves as one tar (``bagtar``), for those who may read it; ``EXPORTS`` at once in the house.
* Verifying reads the whole archive: ``VERIFY`` bounds it for each hearing.
* There is no way to delete or change anything here.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from courtroom.control.api import Courtroom, Docket
from courtroom.errors import Refused, Unavailable
from courtroom.hearing import roles
from courtroom.hearing.model import Role
from courtroom.server import bagtar
from courtroom.server.accesses import OF, accesses
from courtroom.server.api import find
from courtroom.server.archive_rows import certificates, phases, seal_state
from courtroom.server.auth import STAFF, Doors
from courtroom.server.limits import Buckets, Rate
from courtroom.server.problems import not_found

READ_S: Final = 3600.0
MAX_READINGS: Final = 1000
VERIFY: Final = Rate(0.1, 5)
EXPORTS: Final = 2
STALL_S: Final = 60.0


log = structlog.get_logger()


class Archives:
    def __init__(self, docket: Docket, doors: Doors) -> None:
        self._docket = docket
        self._doors = doors
        self._readings: OrderedDict[tuple[str, str, str], tuple[float, Path]] = OrderedDict()
        self._exports = 0
        self._verifications = Buckets(VERIFY)

    def add_to(self, app: web.Application) -> None:
        base = "/api/v1/hearings/{id}/archive"
        app.add_routes(
            [
                web.get(base, self.show),
                web.get(base + "/video", self.video),
                web.get(base + "/bag", self.bag, allow_head=False),
                web.post(base + "/verify", self.verify),
                web.get(base + "/speakers", self.speakers),
                web.get("/api/v1/hearings/{id}/accesses", self.accesses),
                web.get("/api/v1/hearings/{id}/isolation", self.isolation),
            ]
        )

    async def reader(self, request: web.Request) -> tuple[Courtroom, str]:
        """The courtroom and who reads: ``staff`` or a seat of the bench or the clerk."""
        if await self._doors.is_staff(request):
            return await find(self._docket, request.match_info["id"]), STAFF
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
        path = await self._reading(courtroom, reader, "programme")
        headers = {"Content-Type": "video/mp4", "Content-Disposition": "inline"}
        return web.FileResponse(path, headers=headers)

    async def bag(self, request: web.Request) -> web.StreamResponse:
        """The archive as a tar; a download that broke off may ask for the rest (RFC 9110 section 14)."""
        courtroom, reader = await self.reader(request)
        if courtroom.archive.state != "sealed":
            raise Refused("no_archive")
        if self._exports >= EXPORTS:
            raise Unavailable("court_busy")
        self._exports += 1
        try:
            bag = await self._reading(courtroom, reader, "bag")
            return await _send(request, await asyncio.to_thread(bagtar.members, bag), bag.name)
        finally:
            self._exports -= 1

    async def _reading(self, courtroom: Courtroom, reader: str, what: str) -> Path:
        key, now = (courtroom.id, reader, what), time.monotonic()
        begun = self._readings.get(key)
        if begun is not None and now - begun[0] < READ_S:
            return begun[1]
        give = courtroom.export_archive if what == "bag" else courtroom.read_archive
        path = await give(reader)
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
        listed = accesses(courtroom, await courtroom.entries_of(*OF))
        return web.Response(body=msgspec.json.encode({"accesses": listed}), content_type="application/json")

    async def isolation(self, request: web.Request) -> web.Response:
        """The certificates given at dismissals; the sealed one is in the archive and is what counts afterwards."""
        courtroom, _ = await self.reader(request)
        listed = certificates(await courtroom.entries_of("capture_noted"))
        return web.Response(body=msgspec.json.encode({"certificates": listed}), content_type="application/json")


async def _send(request: web.Request, listed: list[bagtar.Member], name: str) -> web.StreamResponse:
    whole = bagtar.length(listed)
    begin, end = _range(request, whole)
    headers = {
        "Content-Type": "application/x-tar", "Content-Disposition": f'attachment; filename="{name}.tar"',
        "Accept-Ranges": "bytes", "Cache-Control": "no-store", "Content-Length": str(end - begin),
    }  # fmt: skip
    if (begin, end) != (0, whole):
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{whole}"
    response = web.StreamResponse(status=200 if (begin, end) == (0, whole) else 206, headers=headers)
    await response.prepare(request)
    coming = bagtar.pieces(listed, begin, end)
    try:
        while piece := await asyncio.to_thread(next, coming, b""):
            async with asyncio.timeout(STALL_S):
                await response.write(piece)
        await response.write_eof()
    except (TimeoutError, Unavailable) as error:
        # headers are out: a short file is the only true word left, and whoever reads it notices by its length
        log.error("export_broken_off", code=getattr(error, "code", "stalled"))
        if request.transport is not None:
            request.transport.abort()
    return response


def _range(request: web.Request, whole: int) -> tuple[int, int]:
    """What is asked for of ``whole`` bytes; everything when that cannot be understood, as RFC 9110 allows."""
    try:
        begin, end, _ = request.http_range.indices(whole)
    except ValueError:
        return 0, whole
    return (begin, end) if begin < end else (0, whole)


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
        "bag_url": f"/api/v1/hearings/{hearing.id}/archive/bag{query}" if sealed else None,
    }
