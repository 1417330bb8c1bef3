"""Documents about a hearing's absences: JSON and PDF of one seat's draft, and the fairness report.

Rules
* For staff, and for the bench and clerk of that hearing (``access.at_desk``); everybody else hears ``not_found``.
* Made afresh from the ledger under a head that is signed for it; replay and typesetting run in a thread, one request of
  a kind at a time, and never in the event loop.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from aiohttp import web

from courtroom.catalogue import LANGUAGES
from courtroom.config import Settings
from courtroom.control.api import Courtroom, Docket
from courtroom.documents.absence import Absence, absence_json, absence_of, absence_pdf
from courtroom.errors import Refused
from courtroom.hearing import fairness
from courtroom.hearing.access import at_desk
from courtroom.server.api import find
from courtroom.server.archive_rows import parts
from courtroom.server.auth import Doors, court_now, is_id
from courtroom.server.problems import not_found

CACHE: Final = {"Cache-Control": "no-store"}


class Papers:
    def __init__(self, docket: Docket, doors: Doors, settings: Settings) -> None:
        self._docket = docket
        self._doors = doors
        self._font = settings.font
        self._turn = asyncio.Semaphore(2)

    def add_to(self, app: web.Application) -> None:
        base = "/api/v1/hearings/{id}"
        app.add_routes(
            [
                web.get(base + "/seats/{seat}/absence", self.absence),
                web.get(base + "/seats/{seat}/absence.pdf", self.pdf),
                web.get(base + "/fairness", self.fairness),
            ]
        )

    async def absence(self, request: web.Request) -> web.Response:
        courtroom = await self._courtroom(request)
        async with self._turn:
            made = await self._absence(request, courtroom)
            body = await asyncio.to_thread(lambda: msgspec.json.encode(absence_json(made)))
        return web.Response(body=body, content_type="application/json", headers=CACHE)

    async def pdf(self, request: web.Request) -> web.Response:
        courtroom = await self._courtroom(request)
        wanted = request.query.get("lang", "zh")
        lang = next((one for one in LANGUAGES if one == wanted), None)
        if lang is None:
            raise Refused("bad_body", {"at": "$.lang"})
        async with self._turn:
            made = await self._absence(request, courtroom)
            body = await asyncio.to_thread(absence_pdf, made, lang, self._font)
        name = f"absence-{courtroom.id}-{made.draft.seat}-{made.draft.seq}-{lang}.pdf"
        headers = {**CACHE, "Content-Disposition": f'inline; filename="{name}"'}
        return web.Response(body=body, content_type="application/pdf", headers=headers)

    async def fairness(self, request: web.Request) -> web.Response:
        courtroom, query = await self._asked(request)
        async with self._turn:
            entries, now = await courtroom.ledger(), court_now()
            film = parts(courtroom.archive.seal) if courtroom.archive.state == "sealed" else []
            page = f"/archive/{courtroom.id}{query}"
            body = await asyncio.to_thread(
                lambda: msgspec.json.encode(fairness.in_film(fairness.report(entries, now), film, page))
            )
        return web.Response(body=body, content_type="application/json", headers=CACHE)

    async def _absence(self, request: web.Request, courtroom: Courtroom) -> Absence:
        seat = request.match_info["seat"]
        if not is_id(seat) or seat not in courtroom.hearing.seats:
            raise not_found()
        head = await courtroom.head()
        entries = await courtroom.ledger()
        return await asyncio.to_thread(absence_of, entries, seat, dict(courtroom.names), head)

    async def _courtroom(self, request: web.Request) -> Courtroom:
        return (await self._asked(request))[0]

    async def _asked(self, request: web.Request) -> tuple[Courtroom, str]:
        """The hearing, for those who may read its papers, and the query by which their own pages name them."""
        if await self._doors.is_staff(request):
            return await find(self._docket, request.match_info["id"]), ""
        seated = await self._doors.seat(request)
        if not at_desk(seated.courtroom.hearing, seated.courtroom.hearing.seats[seated.seat]):
            raise not_found()
        return seated.courtroom, f"?seat={seated.seat}"
