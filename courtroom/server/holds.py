"""How long a recording is kept and who ordered it held: for staff and the desk; every order is a ledger line.

Rules
* There is no way here, or anywhere else in the product, to remove a recording: a period that has run out changes what
  is shown and nothing more (``courtroom.hearing.holds``).
* Staff, the bench and the clerk order a hold; staff and the presiding judge lift one. Both say why.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web

from courtroom.control.api import Courtroom, Docket
from courtroom.errors import Refused
from courtroom.hearing import holds, roles, values
from courtroom.hearing.commands import ObserveArchive
from courtroom.hearing.model import Role
from courtroom.server.api import find
from courtroom.server.auth import STAFF, Doors
from courtroom.server.limits import Limits
from courtroom.server.middleware import body_of
from courtroom.server.problems import not_found
from courtroom.server.schemas import Body, decode

MAX_BODY: Final = 8 * 1024
MAX_OPEN: Final = 100


class HoldBody(Body, frozen=True):
    """A new hold until a time (µs, 0 = until it is lifted); with ``lift`` (an id) the end of one."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=values.MAX_REASON)]
    until: Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)] = 0
    lift: Annotated[str, msgspec.Meta(max_length=64)] = ""


class RetentionBody(Body, frozen=True):
    """The period 保管期限 that the archive was put under."""

    period: Literal["permanent", "long", "short"]


class Holds:
    def __init__(self, docket: Docket, doors: Doors, limits: Limits) -> None:
        self._docket = docket
        self._doors = doors
        self._limits = limits

    def add_to(self, app: web.Application) -> None:
        base = "/api/v1/hearings/{id}/archive"
        app.add_routes(
            [
                web.get(base + "/holds", self.show),
                web.post(base + "/holds", self.order),
                web.post(base + "/retention", self.classify),
            ]
        )

    async def _desk(self, request: web.Request) -> tuple[Courtroom, str, Role | None]:
        """The courtroom, who asks (``staff`` or a seat of the bench or the clerk), and that seat's role."""
        if await self._doors.is_staff(request):
            return await find(self._docket, request.match_info["id"]), STAFF, None
        seated = await self._doors.seat(request)
        if Role(seated.role) not in roles.STAFF:
            raise not_found()
        return seated.courtroom, seated.seat, Role(seated.role)

    async def show(self, request: web.Request) -> web.Response:
        courtroom, _, _ = await self._desk(request)
        return _json(await facts(courtroom))

    async def order(self, request: web.Request) -> web.Response:
        courtroom, by, role = await self._desk(request)
        body = decode(await body_of(request, MAX_BODY, self._limits.body_s), HoldBody)
        known = {hold.id: hold for hold in holds.holds_of(await courtroom.entries_of("archive_noted"))}
        if body.lift:
            if role not in (None, Role.PRESIDING_JUDGE):
                raise Refused("not_allowed")
            if body.lift not in known or known[body.lift].lifted_at:
                raise not_found()
            detail: dict[str, str | int] = {"id": body.lift, "by": by, "reason": body.reason}
            await courtroom.submit(ObserveArchive(what="hold_lifted", detail=detail))
        else:
            if sum(not hold.lifted_at for hold in known.values()) >= MAX_OPEN:
                raise Refused("too_many_holds")
            detail = {"id": f"hold-{secrets.token_hex(8)}", "by": by, "reason": body.reason, "until": body.until}
            await courtroom.submit(ObserveArchive(what="hold", detail=detail))
        return _json(await facts(courtroom), 201)

    async def classify(self, request: web.Request) -> web.Response:
        courtroom, by, _ = await self._desk(request)
        body = decode(await body_of(request, MAX_BODY, self._limits.body_s), RetentionBody)
        await courtroom.submit(ObserveArchive(what="retention", detail={"period": body.period, "by": by}))
        return _json(await facts(courtroom), 201)


async def facts(courtroom: Courtroom) -> dict[str, Any]:
    """``{retention, holds}`` as the ledger tells them."""
    entries = await courtroom.entries_of("archive_noted")
    closed_at = courtroom.hearing.closed_at or courtroom.hearing.at
    return {
        "retention": holds.retention_of(entries, closed_at),
        "holds": [asdict(hold) for hold in holds.holds_of(entries)],
    }


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", status=status)
