"""The pages of web/PROTOCOL.md section 3, drawn by the templates in ``web/templates`` (what each needs stands at its
top).

Rules
* Everything is escaped; nothing inline; a page's facts for scripts stand in one data block.
* A page shows a seat what its own summons says and nothing of the hearing: that comes as a view, if it may come.
* An isolated seat lives at ``/w/…`` and every other at ``/h/…``; asking for the wrong one leads to the right one.
* Unknown, foreign and expired look the same: the 404 page.
* ``next`` of the language and type switches is a path of this court, or ``/``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import urlsplit

import jinja2
import msgspec
from aiohttp import web

from courtroom.catalogue import LANGUAGES, Language, bundle, known, text
from courtroom.config import Settings
from courtroom.control.api import Docket, Listed
from courtroom.errors import CourtroomError, Refused
from courtroom.hearing import roles, signing
from courtroom.hearing.commands import Consent
from courtroom.hearing.model import Hearing
from courtroom.hearing.rooms import must_be_isolated
from courtroom.server.accesses import OF
from courtroom.server.api import find
from courtroom.server.archive_rows import MAX_QUERY, SEAL_STATES, archive_page, archive_row, found_by
from courtroom.server.auth import (
    SEAT_SESSION_S,
    STAFF,
    STAFF_COOKIE,
    STAFF_SESSION_S,
    Doors,
    Seated,
    court_now,
    seat_cookie,
)
from courtroom.server.limits import Limits
from courtroom.server.logs import log
from courtroom.server.middleware import ADDRESS, body_of
from courtroom.server.problems import LANG_COOKIE, language, not_found, status_of
from courtroom.server.rows import Newest, docket_row
from courtroom.server.signatures import explained, may_look
from courtroom.server.signatures import facts as signature_facts

LARGE_COOKIE: Final = "large"
MAX_ROWS: Final = 200
"""Of a page's list, beside the hearings that are open: a court has tens of thousands."""
SHOWN_OF: Final = (*OF, "capture_noted", "explanation_signed")
"""What the page of one archive shows of the ledger itself."""
YEAR_S: Final = 365 * 24 * 3600
MAX_NEXT: Final = 512
FORM: Final = "application/x-www-form-urlencoded"
NOTICE: Final = ("choice", "rights", "duties", "discipline", "record", "help")
NOTICE_ISOLATED: Final = ("witness", "silence", "camera", "record", "help")

_LOCAL: Final = re.compile(r"/[A-Za-z0-9_~.\-/?&=%]*")


def local_path(value: str) -> str:
    """``value`` if it is a path of this court, else ``/``: a switch must not send anybody elsewhere."""
    if len(value) > MAX_NEXT or value.startswith("//") or _LOCAL.fullmatch(value) is None:
        return "/"
    parts = urlsplit(value)
    return "/" if parts.scheme or parts.netloc else value


def notice_hash(lang: Language, isolated: bool) -> str:
    """SHA-256 of the notice a person reads before agreeing; '' when this installation has no such notice."""
    keys = [f"page.join.notice.{name}" for name in (NOTICE_ISOLATED if isolated else NOTICE)]
    if not all(known(key) for key in keys):
        return ""
    return hashlib.sha256("\n".join(text(key, lang) for key in keys).encode()).hexdigest()


class Pages:
    def __init__(self, docket: Docket, doors: Doors, settings: Settings, limits: Limits) -> None:
        self._docket = docket
        self._doors = doors
        self._settings = settings
        self._limits = limits
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(settings.web / "templates"),
            autoescape=True,
            auto_reload=False,
        )
        for name in self._templates.list_templates(extensions=["html"]):
            self._templates.get_template(name)  # read now: no file is opened while people wait

    def add_to(self, app: web.Application) -> None:
        static = self._settings.web / "static"
        client = self._settings.web / "node_modules" / "socket.io-client" / "dist" / "socket.io.esm.min.js"
        texts: dict[str, bytes] = {lang: msgspec.json.encode(dict(bundle(lang))) for lang in LANGUAGES}

        async def catalogue(request: web.Request) -> web.Response:
            content = texts.get(request.match_info["lang"])
            if content is None:
                raise not_found()
            return web.Response(body=content, content_type="application/json")

        async def vendor(_: web.Request) -> web.FileResponse:
            return web.FileResponse(client, headers={"Content-Type": "text/javascript; charset=utf-8"})

        app.add_routes(
            [
                web.get("/", self.home),
                web.post("/staff", self.sign_in),
                web.get("/j/{token}", self.join),
                web.post("/j/{token}", self.joined),
                web.get("/h/{id}", self.room),
                web.get("/w/{id}", self.room),
                web.get("/h/{id}/sign", self.sign),
                web.get("/docket", self.docket),
                web.get("/archive", self.archives),
                web.get("/archive/{id}", self.archive),
                web.get("/lang/{lang}", self.switch_language),
                web.get("/large/{large}", self.switch_type),
                web.get("/static/texts/{lang}.json", catalogue),
            ]
        )
        if client.is_file():
            app.router.add_get("/static/vendor/socket.io.esm.min.js", vendor)
        if static.is_dir():
            app.router.add_static("/static", static)

    # --- drawing ----------------------------------------------------------------------------------

    def draw(self, request: web.Request, name: str, **facts: Any) -> web.Response:
        lang = language(request)
        large = request.cookies.get(LARGE_COOKIE) == "1"
        context = {
            "lang": lang,
            "large": large,
            "path": request.path_qs,
            "now": court_now(),
            "court": "",
            "t": lambda key, **values: text(key, lang, **values),
            **facts,
            "page": {"lang": lang, "large": large, **facts.get("page", {})},
        }
        html = self._templates.get_template(name).render(context)
        return web.Response(text=html, content_type="text/html", headers={"Content-Language": lang})

    def error(self, request: web.Request, error: CourtroomError) -> web.Response | None:
        """The error as a page, for somebody who asked for a page; ``None`` = answer a problem."""
        api = request.path.startswith(("/api/", "/static/", "/socket.io/", "/healthz", "/readyz", "/metrics"))
        if api or "text/html" not in request.headers.get("Accept", ""):
            return None
        status = status_of(error)
        code = "not_found" if status == 404 else error.code
        try:
            page = self.draw(request, "error.html", code=code, status=status)
        except Exception as fault:  # a broken template must not hide what was wrong before it
            log.error("bug", route="error page", fault=fault)
            return None
        page.set_status(status)
        return page

    # --- staff ------------------------------------------------------------------------------------

    async def home(self, request: web.Request) -> web.Response:
        return self.draw(request, "home.html", error="", staff=await self._doors.is_staff(request))

    async def sign_in(self, request: web.Request) -> web.Response:
        form = await self._form(request)
        try:
            session = await self._doors.sign_in(form.get("token", ""), request[ADDRESS])
        except Refused as error:
            page = self.draw(request, "home.html", error=f"error.{error.code}", staff=False)
            page.set_status(status_of(error))
            return page
        answer = _see_other("/docket")
        self._set(answer, STAFF_COOKIE, session, STAFF_SESSION_S, "Strict")
        return answer

    async def docket(self, request: web.Request) -> web.Response:
        if not await self._doors.is_staff(request):
            return _see_other("/")
        lang, now = language(request), court_now()
        rows = [docket_row(one, names, lang) for one, names in await self._on_docket()]
        rows.sort(key=lambda row: (not _same_day(row["scheduled_at"], now), row["scheduled_at"]))
        return self.draw(request, "docket.html", hearings=rows, health=self._docket.health())

    async def _on_docket(self) -> list[tuple[Listed, Mapping[str, str]]]:
        """What is open, and of what is not the newest; the others are found in the archive."""
        at_hand: list[tuple[Listed, Mapping[str, str]]] = []
        newest = Newest[Listed](MAX_ROWS)
        async for one in self._docket.listed():
            if one.names:
                at_hand.append((one, one.names))
            else:
                newest.add(one.hearing.scheduled_at, one)
        return at_hand + [(one, await self._docket.names(one.hearing.id)) for one in newest.listed()]

    async def archives(self, request: web.Request) -> web.Response:
        if not await self._doors.is_staff(request):
            return _see_other("/")
        query, seal = request.query.get("q", "")[:MAX_QUERY], request.query.get("seal", "")
        seal = seal if seal in SEAL_STATES else ""
        now = court_now()
        found, known = Newest[dict[str, Any]](MAX_ROWS), 0
        async for one in self._docket.listed():
            if not one.hearing.opened_at:
                continue
            known += 1
            if found_by(row := archive_row(one, now), query, seal):
                found.add(row["opened_at"], row)
        facts = {"all": known, "query": query, "seal": seal, "seals": SEAL_STATES}
        return self.draw(request, "archive.html", hearings=found.listed(), **facts)

    async def archive(self, request: web.Request) -> web.Response:
        if await self._doors.is_staff(request):
            courtroom, reader = await find(self._docket, request.match_info["id"]), STAFF
        else:
            seated = await self._doors.seat(request)
            if seated.courtroom.hearing.seats[seated.seat].role not in roles.STAFF:
                raise not_found()
            courtroom, reader = seated.courtroom, seated.seat
        explanation = await explained(courtroom)
        facts = archive_page(
            courtroom, reader, await courtroom.head(), await courtroom.entries_of(*SHOWN_OF), explanation,
            language(request), court_now(),
        )  # fmt: skip
        return self.draw(request, "archive_hearing.html", court=courtroom.hearing.case.court, **facts)

    async def sign(self, request: web.Request) -> web.Response:
        """The integrity value, shown to one party or counsel for signature."""
        seated = await self._doors.by_cookie(request.query.get("seat"), request.cookies)
        hearing = seated.courtroom.hearing
        if hearing.id != request.match_info["id"] or not may_look(seated):
            raise not_found()
        seat, shown = hearing.seats[seated.seat], signature_facts(seated.courtroom, seated.seat)
        own = next((row for row in shown["signatures"] if row["seat"] == seat.id), None)
        if own is None:  # bench and clerk have their own page for this
            return _see_other(f"/archive/{hearing.id}?seat={seat.id}")
        page = {
            "hearing": hearing.id, "seat": seat.id, "state": shown["state"], "digest": shown["digest"] or "",
            "outcome": own["outcome"], "signatures_url": f"/api/v1/hearings/{hearing.id}/signatures",
        }  # fmt: skip
        return self.draw(
            request, "sign.html", court=hearing.case.court, case=asdict(hearing.case), closed=bool(hearing.closed_at),
            person=own, sheet=shown["sheet"], sealed_seq=shown["sealed_seq"], page=page,
        )  # fmt: skip

    # --- joining ----------------------------------------------------------------------------------

    async def join(self, request: web.Request) -> web.Response:
        seated = await self._doors.by_summons(request.match_info["token"])
        try:
            await self._doors.by_cookie(seated.seat, request.cookies)
        except Refused:
            return self._join_page(request, seated)
        return _see_other(landing(seated))

    async def joined(self, request: web.Request) -> web.Response:
        seated = await self._doors.by_summons(request.match_info["token"])
        form = await self._form(request)
        agree = form.get("agree", "")
        try:
            if agree not in ("yes", "no"):
                raise Refused("agree_required")
            await self._doors.check_code(seated, form.get("code"))
        except Refused as error:
            page = self._join_page(request, seated, error=f"error.{error.code}")
            page.set_status(400 if error.code == "agree_required" else status_of(error))
            return page
        await self._consent(request, seated, agree == "yes", form.get("notice_hash", ""))
        if agree == "no":
            return self._join_page(request, seated, declined=True)
        answer = _see_other(landing(seated))
        session = await self._doors.new_session(seated)
        # Lax, not Strict: a summons opened from a message is a visit from another site, and must find its seat
        self._set(answer, seat_cookie(seated.seat), session, SEAT_SESSION_S, "Lax")
        return answer

    async def _consent(self, request: web.Request, seated: Seated, agreed: bool, shown: str) -> None:
        """What the person answered, into the ledger, with the hash of the notice that was on the page."""
        hearing = seated.courtroom.hearing
        seat = hearing.seats[seated.seat]
        if seat.role not in roles.MAY["consent"]:
            return
        isolated = must_be_isolated(hearing, seat)
        notices = {lang: notice_hash(lang, isolated) for lang in LANGUAGES}
        digest = shown if shown in notices.values() else notices[language(request)]
        try:
            await seated.courtroom.submit(Consent(actor=seated.seat, agreed=agreed, notice_hash=digest))
        except Refused as error:  # said already, or the hearing is over: the room itself will tell
            log.info("consent refused", code=error.code)

    def _join_page(self, request: web.Request, seated: Seated, error: str = "", declined: bool = False) -> web.Response:
        hearing = seated.courtroom.hearing
        seat = hearing.seats[seated.seat]
        isolated = must_be_isolated(hearing, seat)
        case = {"court": hearing.case.court, "number": "", "cause": ""}
        if not isolated:
            case |= {"number": hearing.case.number, "cause": hearing.case.cause}
        return self.draw(
            request,
            "join.html",
            court=hearing.case.court,
            seat={
                "role": seat.role.value,
                "name": seated.courtroom.names.get(seat.id, ""),
                "side": seat.plan.side.value,
                "title": seat.role.value if isolated else signing.title_of(hearing, seat),
            },
            case=case,
            scheduled_at=hearing.scheduled_at,
            isolated=isolated,
            needs_code=hearing.policy.checkin == "full",
            notice_hash=notice_hash(language(request), isolated),
            error=error,
            declined=declined,
            unchecked=hearing.policy.unchecked,
        )

    # --- the room ---------------------------------------------------------------------------------

    async def room(self, request: web.Request) -> web.Response:
        seated = await self._doors.by_cookie(request.query.get("seat"), request.cookies)
        hearing = seated.courtroom.hearing
        if hearing.id != request.match_info["id"]:
            raise not_found()
        path = room_path(seated)
        if urlsplit(path).path != request.path:
            return _see_other(path)
        seat = hearing.seats[seated.seat]
        page = {
            "hearing": hearing.id,
            "seat": seat.id,
            "role": seat.role.value,
            "isolated": must_be_isolated(hearing, seat),
        }
        return self.draw(request, "hearing.html", court=hearing.case.court, page=page)

    # --- switches ---------------------------------------------------------------------------------

    async def switch_language(self, request: web.Request) -> web.Response:
        lang = request.match_info["lang"]
        if lang not in LANGUAGES:
            raise not_found()
        return self._switch(request, LANG_COOKIE, lang)

    async def switch_type(self, request: web.Request) -> web.Response:
        large = request.match_info["large"]
        if large not in ("0", "1"):
            raise not_found()
        return self._switch(request, LARGE_COOKIE, large)

    def _switch(self, request: web.Request, cookie: str, value: str) -> web.Response:
        answer = _see_other(local_path(request.query.get("next", "/")))
        self._set(answer, cookie, value, YEAR_S, "Lax")
        return answer

    def _set(self, answer: web.Response, name: str, value: str, seconds: int, same_site: str) -> None:
        answer.set_cookie(
            name, value, max_age=seconds, path="/", httponly=True, secure=self._settings.secure, samesite=same_site
        )

    async def _form(self, request: web.Request) -> dict[str, str]:
        if request.content_type != FORM:
            raise Refused("unsupported_media_type")
        await body_of(request, 4096, self._limits.body_s)
        return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


def room_path(seated: Seated) -> str:
    hearing: Hearing = seated.courtroom.hearing
    door = "w" if must_be_isolated(hearing, hearing.seats[seated.seat]) else "h"
    return f"/{door}/{hearing.id}?seat={seated.seat}"


def landing(seated: Seated) -> str:
    """Where a summons leads: to the room; after the close, for who is asked to sign, to the signing page."""
    hearing = seated.courtroom.hearing
    if hearing.closed_at and signing.signs(hearing, hearing.seats[seated.seat]):
        return f"/h/{hearing.id}/sign?seat={seated.seat}"
    return room_path(seated)


def _see_other(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})


def _same_day(one: int, other: int) -> bool:
    """The same calendar day in Beijing (UTC+8, no daylight saving)."""
    return (one // 1_000_000 + 28_800) // 86_400 == (other // 1_000_000 + 28_800) // 86_400
