"""``/api/v1``: hearings for staff, media and facts for seats (web/PROTOCOL.md section 2).

Rules: every route asks ``Doors`` first; every body is bounded and goes through ``schemas``; what is refused becomes a
problem in ``middleware``. Handlers hold no state.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from courtroom.config import Settings
from courtroom.control.api import Courtroom, Docket
from courtroom.errors import BadMessage, Refused
from courtroom.hearing.commands import ObserveSelfTest
from courtroom.hearing.ledger import to_line
from courtroom.hearing.model import Hearing, Seat
from courtroom.server import jsonl
from courtroom.server.auth import Doors, Seated, court_now, is_id
from courtroom.server.limits import Limits
from courtroom.server.middleware import body_of
from courtroom.server.problems import not_found
from courtroom.server.schemas import (
    BeaconBody,
    HearingAnswer,
    HearingBody,
    MediaBody,
    SeatAnswer,
    check_passed,
    check_result,
    decode,
    plan_of,
)
from courtroom.store.ports import Registry

SDP: Final = "application/sdp"


@dataclass(frozen=True, slots=True)
class Api:
    docket: Docket
    registry: Registry
    settings: Settings
    doors: Doors
    limits: Limits

    def add_to(self, app: web.Application) -> None:
        hearing = "/api/v1/hearings/{id}"
        media = hearing + "/media/{transport}"
        from courtroom.server.openapi import describe  # it reads the bodies of routes that stand on this module

        description = msgspec.json.encode(describe())

        async def openapi(_: web.Request) -> web.Response:
            return web.Response(body=description, content_type="application/json")

        app.add_routes(
            [
                web.post("/api/v1/hearings", self.create),
                web.get("/api/v1/hearings", self.index),
                web.get(hearing, self.show),
                web.get(hearing + "/ledger", self.ledger),
                web.get(hearing + "/presence", self.presence),
                web.post(hearing + "/media", self.open_media),
                web.put(media, self.answer_media),
                web.delete(media, self.hang_up),
                web.post(media + "/restart", self.restart_media),
                web.post(hearing + "/beacon", self.beacon),
                web.post(hearing + "/check", self.check),
                web.get("/api/v1/openapi.json", openapi),
            ]
        )

    # --- staff ------------------------------------------------------------------------------------

    async def create(self, request: web.Request) -> web.Response:
        await self.doors.staff(request)
        body = decode(await self._json(request), HearingBody)
        created = await self.docket.create(plan_of(body, self.settings.allow_unchecked, court_now()))
        base = self.settings.url or f"{request.scheme}://{request.host}"
        seats = [
            SeatAnswer(one.id, str(one.role), one.name, one.token, f"{base}/j/{one.token}", one.code)
            for one in created.seats
        ]
        return _json(HearingAnswer(created.id, seats), status=201, Location=f"/api/v1/hearings/{created.id}")

    async def index(self, request: web.Request) -> web.Response:
        await self.doors.staff(request)
        rows = [msgspec.json.encode(summary(one.hearing)) async for one in self.docket.listed()]
        return web.Response(body=b"[" + b",".join(rows) + b"]", content_type="application/json")

    async def show(self, request: web.Request) -> web.Response:
        courtroom = await self._staff_courtroom(request)
        hearing, archive = courtroom.hearing, courtroom.archive
        seats = [_seat(one, courtroom.names.get(one.id, "")) for one in hearing.seats.values()]
        return _json(
            {
                **summary(hearing),
                "seats": seats,
                "policy": asdict(hearing.policy),
                "recording": recording(hearing),
                "presence": courtroom.presence().get("seats", []),
                "archive": {"state": archive.state, "progress": archive.progress, "eta_s": archive.eta_s},
            }
        )

    async def ledger(self, request: web.Request) -> web.StreamResponse:
        courtroom = await self._staff_courtroom(request)
        head = await courtroom.head()
        headers = {"Content-Type": "application/jsonl; charset=utf-8", "Courtroom-Head": to_line(head)}
        return await jsonl.answer(request, courtroom.lines(), headers)

    async def presence(self, request: web.Request) -> web.Response:
        courtroom = await self._staff_courtroom(request)
        return _json(courtroom.presence())

    async def _staff_courtroom(self, request: web.Request) -> Courtroom:
        await self.doors.staff(request)
        return await find(self.docket, request.match_info["id"])

    # --- seats: media -----------------------------------------------------------------------------

    async def open_media(self, request: web.Request) -> web.Response:
        seated = await self.doors.seat(request)
        body = decode(await self._json(request) or b"{}", MediaBody)
        publish = tuple(dict.fromkeys(body.publish))
        transport, offer = await seated.courtroom.open_media(seated.seat, body.places, publish)
        location = f"/api/v1/hearings/{seated.courtroom.id}/media/{transport}"
        return web.Response(status=201, body=offer.encode(), headers={"Content-Type": SDP, "Location": location})

    async def answer_media(self, request: web.Request) -> web.Response:
        seated, transport = await self._transport(request)
        if request.content_type != SDP:
            raise BadMessage("unsupported_media_type")
        content = await body_of(request, self.limits.sdp, self.limits.body_s)
        try:
            sdp = content.decode()
        except UnicodeDecodeError as error:
            raise BadMessage("bad_body", {"at": "$"}) from error
        await seated.courtroom.answer_media(seated.seat, transport, sdp)
        return web.Response(status=204)

    async def restart_media(self, request: web.Request) -> web.Response:
        seated, transport = await self._transport(request)
        offer = await seated.courtroom.restart_media(seated.seat, transport)
        return web.Response(body=offer.encode(), headers={"Content-Type": SDP})

    async def hang_up(self, request: web.Request) -> web.Response:
        seated, transport = await self._transport(request)
        await seated.courtroom.hang_up(seated.seat, transport)
        return web.Response(status=204)

    async def _transport(self, request: web.Request) -> tuple[Seated, str]:
        seated = await self.doors.seat(request)
        transport = request.match_info["transport"]
        if not is_id(transport):
            raise not_found()
        return seated, transport

    # --- seats: facts -----------------------------------------------------------------------------

    async def beacon(self, request: web.Request) -> web.Response:
        """Sent by ``navigator.sendBeacon``, which cannot name a content type of ours."""
        seated = await self.doors.seat(request)
        body = decode(await body_of(request, 1024, self.limits.body_s), BeaconBody)
        row: dict[str, str | int] = {"fact": body.kind, "at": body.at, "clock": "client", "received_at": court_now()}
        await seated.courtroom.note_evidence(seated.seat, [row])
        return web.Response(status=204)

    async def check(self, request: web.Request) -> web.Response:
        seated = await self.doors.seat(request)
        result = check_result(await self._json(request))
        hearing = seated.courtroom.id
        if len(await self.registry.checks(hearing, seated.seat)) >= self.limits.checks:
            raise Refused("too_fast")
        await self.registry.add_check(hearing, seated.seat, court_now(), result)
        await seated.courtroom.submit(ObserveSelfTest(seat=seated.seat, passed=check_passed(result)))
        return web.Response(status=204)

    async def _json(self, request: web.Request) -> bytes:
        if request.content_type not in ("application/json", "application/octet-stream", "text/plain"):
            raise BadMessage("unsupported_media_type")
        return await body_of(request, self.limits.json, self.limits.body_s)


async def find(docket: Docket, hearing: str) -> Courtroom:
    courtroom = await docket.open(hearing) if is_id(hearing) else None
    if courtroom is None:
        raise not_found()
    return courtroom


def summary(hearing: Hearing) -> dict[str, Any]:
    return {
        "id": hearing.id,
        "case": asdict(hearing.case),
        "scheduled_at": hearing.scheduled_at,
        "phase": hearing.phase.value,
        "opened_at": hearing.opened_at,
        "closed_at": hearing.closed_at,
        "seats": len(hearing.seats),
        "seq": hearing.seq,
    }


def recording(hearing: Hearing) -> dict[str, str | int]:
    """Whether a take is open and not lawfully interrupted, as the ledger has it."""
    if not hearing.take:
        return {"state": "off", "reason": "", "since": hearing.closed_at}
    last = hearing.interruptions[-1] if hearing.interruptions else None
    if last is not None and last.until == 0:
        return {"state": "interrupted", "reason": last.reason, "since": last.since}
    return {"state": "on", "reason": "", "since": last.until if last else hearing.opened_at}


def _seat(seat: Seat, name: str) -> dict[str, Any]:
    spell = seat.timeline[-1] if seat.timeline else None
    return {
        "id": seat.id,
        "role": seat.role.value,
        "name": name,
        "side": seat.plan.side.value,
        "linked_to": seat.plan.linked_to,
        "required": seat.plan.required,
        "room": seat.room.kind.value if seat.room else None,
        "connected": seat.connected,
        "presence": spell.state.value if spell else "absent",
        "identity_verified": seat.identity_verified,
        "consented": seat.consented,
    }


def _json(value: object, status: int = 200, **headers: str) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=headers
    )
