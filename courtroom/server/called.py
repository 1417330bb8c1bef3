"""Notices seen from outside: the page that a letter's link leads to, and the reports of those who carry letters.

Rules
* ``GET /n/<token>`` proves nothing (mail scanners fetch links): only the button, a POST, is reading. It is recorded
  once and leads to the join page, which asks for the one-time code where the hearing asks for one.
* The link opens the join page of its one seat for some hours, after the button was pressed; it is never a bearer token.
* The page names the court and nothing of the case. An unknown and an expired link look the same: 404.
* Reports are signed like the letters to the gateway (``Courtroom-Signature``) and fresh; without a shared secret there
  is no such endpoint (404). They can only say what became of a letter.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web

from courtroom.control.api import Courtroom, Docket
from courtroom.control.notify import dsn, signature
from courtroom.control.notify.letter import letter_key
from courtroom.errors import Refused
from courtroom.hearing.commands import ObserveDelivery
from courtroom.hearing.model import Channel, Notice, Step
from courtroom.server.auth import court_now
from courtroom.server.limits import Limits
from courtroom.server.logs import log
from courtroom.server.middleware import body_of
from courtroom.server.pages import Pages
from courtroom.server.problems import not_found
from courtroom.server.schemas import Body, decode
from courtroom.store.ports import NoticeLink, Registry
from courtroom.store.secrets import token_hash

MAX_TOKEN: Final = 256
REPORT: Final = 4096


class ReportBody(Body, frozen=True):
    """What became of a letter; ``detail`` is a receipt or an error of the gateway."""

    state: Literal["sent", "delivered", "read", "failed"]
    detail: Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[ -~]*$")] = ""


class Called:
    def __init__(self, docket: Docket, registry: Registry, pages: Pages, secret: str, limits: Limits) -> None:
        self._docket = docket
        self._registry = registry
        self._pages = pages
        self._secret = secret
        self._limits = limits

    def add_to(self, app: web.Application) -> None:
        app.add_routes(
            [
                web.get("/n/{token}", self.show),
                web.post("/n/{token}", self.read),
                web.post("/api/v1/notices/{notice}/report", self.report),
                web.post("/api/v1/notices/dsn", self.dsn),
            ]
        )

    # --- the reader -------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.Response:
        link, courtroom, notice = await self._find(request)
        over = bool(courtroom.hearing.closed_at)
        step = notice.step.value if notice is not None else Step.PROMPT.value
        return self._pages.draw(
            request, "called.html", court=courtroom.hearing.case.court, step=step, over=over, read=bool(link.read_at)
        )

    async def read(self, request: web.Request) -> web.Response:
        link, courtroom, notice = await self._find(request)
        token = request.match_info["token"]
        if await self._registry.read_notice(token_hash(token), court_now()) and notice is not None:
            for channel in _by_letter(notice):
                await self._note(courtroom, link.seat, notice.seq, channel, "read", "link")
        return web.Response(status=303, headers={"Location": f"/j/{token}"})

    async def _find(self, request: web.Request) -> tuple[NoticeLink, Courtroom, Notice | None]:
        token = request.match_info["token"]
        known = len(token) <= MAX_TOKEN
        link = await self._registry.notice_link(token_hash(token), court_now()) if known else None
        courtroom = await self._docket.open(link.hearing) if link is not None else None
        if link is None or courtroom is None or link.seat not in courtroom.hearing.seats:
            raise not_found()
        return link, courtroom, _notice(courtroom, link.seat, int(link.notice))

    # --- the carriers -----------------------------------------------------------------------------

    async def report(self, request: web.Request) -> web.Response:
        content = await self._signed(request, REPORT)
        body = decode(content, ReportBody)
        key = letter_key(request.match_info["notice"])
        if key is None:
            raise not_found()
        await self._reported(key, "webhook", body.state, body.detail or "report")
        return web.Response(status=204)

    async def dsn(self, request: web.Request) -> web.Response:
        """A delivery status notification, as the mail server's hook hands it on (``message/rfc822``)."""
        content = await self._signed(request, dsn.MAX_BYTES)
        key, state, detail = dsn.report_of(content)
        await self._reported(key, "email", state, detail)
        return web.Response(status=204)

    async def _signed(self, request: web.Request, limit: int) -> bytes:
        if not self._secret:
            raise not_found()
        content = await body_of(request, min(limit, self._limits.json), self._limits.body_s)
        header = request.headers.get(signature.HEADER, "")
        if not signature.holds(self._secret, header, content, court_now() // 1_000_000):
            raise Refused("signature_wrong")
        return content

    async def _reported(self, key: tuple[str, str, int], channel: str, state: str, detail: str) -> None:
        hearing, seat, seq = key
        courtroom = await self._docket.open(hearing)
        if courtroom is None or _notice(courtroom, seat, seq) is None:
            raise not_found()
        await self._note(courtroom, seat, seq, channel, state, detail)

    async def _note(self, courtroom: Courtroom, seat: str, seq: int, channel: str, state: str, detail: str) -> None:
        command = ObserveDelivery(seat=seat, notice=seq, channel=channel, state=state, detail=detail)
        try:
            await courtroom.submit(command)
        except Refused as error:  # the hearing is over, or this notice has taken all it takes
            log.info("delivery refused", code=error.code)


def _notice(courtroom: Courtroom, seat: str, seq: int) -> Notice | None:
    state = courtroom.hearing.seats.get(seat)
    return next((one for one in state.notices if one.seq == seq), None) if state is not None else None


def _by_letter(notice: Notice) -> list[str]:
    """The ways by which the link can have come: those that a letter left by; e-mail when nothing is known yet."""
    ways = (Channel.EMAIL, Channel.WEBHOOK)
    used: list[Any] = [way for way in ways if any(one.channel is way for one in notice.deliveries)]
    return [way.value for way in used] or [Channel.EMAIL.value]
