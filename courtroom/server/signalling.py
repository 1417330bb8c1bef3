"""Signalling over Socket.IO: commands in, views and signals out (web/PROTOCOL.md section 4).

Rules
* Newest view wins: a socket has at most one view waiting here and one in its queue; a slow reader misses old ones and
  never makes anybody wait. Signals are few and bounded; the oldest go first.
* The actor of a command is the seat that signed in. Every command is answered ``{ok, seq}`` or ``{ok: false, code,
  message}``; one that is sent again with its id is answered again and not carried out again (``answered``).
* How a connection ended goes to the court as a fact, never as a judgement: ``socket_closed_clean`` (the page said
  good-bye), ``heartbeat_silent`` (nothing came for two ping times), ``socket_dropped`` (the rest),
  ``closed_by_server``.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import web
from socketio.exceptions import ConnectionRefusedError as Rejected

from courtroom.catalogue import Language
from courtroom.errors import BadMessage, CourtroomError, Refused, Unavailable
from courtroom.hearing.presence import CLOSED_BY_SERVER, HEARTBEAT_SILENT, SOCKET_CLOSED_CLEAN, SOCKET_DROPPED
from courtroom.server.answered import Answered
from courtroom.server.auth import Doors, Seated, court_now
from courtroom.server.commands import ClientFact, MediaPreferences, parse
from courtroom.server.health import Meters
from courtroom.server.limits import Buckets, Limits
from courtroom.server.logs import log
from courtroom.server.middleware import ADDRESS
from courtroom.server.networks import Networks
from courtroom.server.problems import language, language_of, not_found, sentence
from courtroom.server.sockets import CLEAN_CODES, CLOSE_CODE, EVENT, NAMESPACE, SILENT, CourtSocketServer

MAX_SIGNALS: Final = 16
GOODBYE_S: Final = 2.0
REAP_S: Final = 2.0
MAX_PAGE: Final = 64
MAX_TURNS: Final = 1000


class SocketSession:
    """One signalling connection of a seat; what ``control.api.Session`` asks for."""

    def __init__(
        self, sockets: CourtSocketServer, sid: str, seated: Seated, lang: Language, meters: Meters, page: str = "",
        network: str = "",
    ) -> None:  # fmt: skip
        self._sockets = sockets
        self._sid = sid
        self._id = f"c-{secrets.token_hex(8)}"
        self._page = page
        self._network = network
        self.seated = seated
        self.lang = lang
        self._meters = meters
        self._wake = asyncio.Event()
        self._view: dict[str, Any] | None = None
        self._signals: deque[dict[str, Any]] = deque(maxlen=MAX_SIGNALS)
        self.closing = ""
        self._gone = asyncio.Event()
        self.waiting = 0  # commands not answered yet
        self.task: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        return self._id

    @property
    def page(self) -> str:
        return self._page

    @property
    def network(self) -> str:
        return self._network

    def push_view(self, view: dict[str, Any]) -> None:
        self._meters.views.labels("pushed" if self._view is None else "replaced").inc()
        self._view = view
        self._wake.set()

    def push_signal(self, signal: dict[str, Any]) -> None:
        self._signals.append(signal)
        self._wake.set()

    def close(self, reason: str) -> None:
        if not self.closing:
            self.closing = reason
            self._gone.set()
            self._wake.set()

    async def hand_over(self) -> None:
        """Carries what was pushed to the socket until it is closed; one task a session."""
        for _ in range(MAX_TURNS):
            if self._sockets.manager.is_connected(self._sid, NAMESPACE):
                break
            await asyncio.sleep(0)  # the acceptance itself is on its way to the client
        while not self.closing:
            await self._wake.wait()
            self._wake.clear()
            while self._signals:
                await self._emit("signal", self._signals.popleft())
            if self._view is not None and not self.closing:
                await self._drained()
                view, self._view = self._view, None
                await self._emit("view", view)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._emit("signal", {"kind": self.closing})
                await self._drained()
        await self._sockets.disconnect(self._sid, namespace=NAMESPACE)

    async def _emit(self, event: str, data: dict[str, Any] | None) -> None:
        if data is not None:
            await self._sockets.emit(event, data, to=self._sid, namespace=NAMESPACE)

    async def _drained(self) -> None:
        """Until the socket has taken everything it was handed; a dead one is closed by its ping."""
        engine = self._sockets.engine_of(self._sid)
        if engine is None:
            return
        drained = asyncio.ensure_future(engine.queue.join())
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({drained, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            drained.cancel()
            gone.cancel()


class Signalling:
    """The namespace ``/hearing`` of one application."""

    def __init__(self, doors: Doors, limits: Limits, meters: Meters) -> None:
        self._doors = doors
        self._limits = limits
        self._meters = meters
        self._rate = Buckets(limits.socket)
        self._sessions: dict[str, SocketSession] = {}
        self._networks = Networks()
        self._answered = Answered()
        self._seen: dict[str, float] = {}  # engine sockets that nobody sits on yet
        self.sockets = CourtSocketServer(limits.message, limits.ping_s)
        self.sockets.on("connect", self._connect, namespace=NAMESPACE)
        self.sockets.on(EVENT, self._command, namespace=NAMESPACE)
        self.sockets.on("disconnect", self._disconnect, namespace=NAMESPACE)

    def add_to(self, app: web.Application) -> None:
        self.sockets.attach(app)
        app.cleanup_ctx.append(self._reaping)
        app.on_shutdown.append(self._shut)

    # --- coming -----------------------------------------------------------------------------------

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: object) -> None:
        given = auth if isinstance(auth, Mapping) else {}
        request: web.Request = environ["aiohttp.request"]
        lang = language_of(given.get("lang"), language(request))
        try:
            if len(self._sessions) >= self._limits.sockets:
                raise Unavailable("court_full")
            seated = await self._who(request, given)
            page = given.get("page")
            page = page if isinstance(page, str) and len(page) <= MAX_PAGE else ""
            network = self._networks.name(request.get(ADDRESS, ""))
            session = SocketSession(self.sockets, sid, seated, lang, self._meters, page, network)
            await seated.courtroom.attach(seated.seat, session)
            await self._still_there(sid, session)
        except CourtroomError as error:
            message = sentence(error, lang)
            raise Rejected(message, {"code": error.code, "message": message}) from None
        except Exception as error:
            log.error("bug", route="socket connect", fault=error)
            raise Rejected("internal_error", {"code": "internal_error"}) from None
        self._sessions[sid] = session
        self._meters.sockets.set(len(self._sessions))
        session.task = asyncio.create_task(session.hand_over())
        session.task.add_done_callback(_noted)

    async def _who(self, request: web.Request, given: Mapping[str, Any]) -> Seated:
        token, code = given.get("token"), given.get("code")
        if isinstance(token, str):
            return await self._doors.by_token_and_code(token, code if isinstance(code, str) else None)
        return await self._doors.by_cookie(given.get("seat"), request.cookies)

    async def _still_there(self, sid: str, session: SocketSession) -> None:
        """The library tells nobody about a connection that ends while it is being accepted."""
        engine = self.sockets.engine_of(sid)
        if engine is None or engine.closed or engine.closing:
            row: dict[str, str | int] = {"fact": SOCKET_DROPPED, "at": court_now(), "clock": "court"}
            await session.seated.courtroom.detach(session.seated.seat, session, [row])
            raise Unavailable("gone")

    # --- commands ---------------------------------------------------------------------------------

    async def _command(self, sid: str, message: object = None) -> dict[str, Any]:
        session = self._sessions.get(sid)
        if session is None or session.closing:
            return self._refusal(not_found(), "zh" if session is None else session.lang, "")
        kind = message.get("type") if isinstance(message, Mapping) else None
        if not self._rate.take(sid) or session.waiting >= self._limits.waiting_commands:
            return self._refusal(Refused("too_fast"), session.lang, kind)
        session.waiting += 1
        try:
            seat = f"{session.seated.courtroom.hearing.id}/{session.seated.seat}"
            return await self._answered.once(seat, message, lambda plain: self._answer(session, plain, kind))
        except CourtroomError as error:
            return self._refusal(error, session.lang, kind)
        finally:
            session.waiting -= 1

    async def _answer(self, session: SocketSession, message: object, kind: object) -> dict[str, Any]:
        try:
            seq = await self._carry_out(session, message)
        except BadMessage as error:
            session.close("bad_message")
            return self._refusal(error, session.lang, kind)
        except CourtroomError as error:
            return self._refusal(error, session.lang, kind)
        except Exception as error:
            log.error("bug", route="socket command", fault=error)
            return self._refusal(CourtroomError("internal_error"), session.lang, kind)
        self._meters.command(str(kind), "done")
        return {"ok": True, "seq": seq}

    async def _carry_out(self, session: SocketSession, message: object) -> int:
        courtroom, seat = session.seated.courtroom, session.seated.seat
        match parse(message, seat):
            case MediaPreferences() as preferences:
                courtroom.set_preferences(seat, [msgspec.structs.asdict(one) for one in preferences.places])
                return courtroom.hearing.seq
            case ClientFact(kind=kind, at=at):
                row: dict[str, str | int] = {"fact": kind, "at": at, "clock": "client", "received_at": court_now()}
                await courtroom.note_evidence(seat, [row])
                return courtroom.hearing.seq
            case command:
                return await courtroom.submit(command)

    def _refusal(self, error: CourtroomError, lang: Language, kind: object) -> dict[str, Any]:
        # an unknown type is the client's word: it never becomes a label
        label = str(kind) if error.code not in ("unknown_command", "bad_command", "too_fast", "not_found") else "other"
        self._meters.command(label, error.code)
        return {"ok": False, "code": error.code, "message": sentence(error, lang)}

    # --- going ------------------------------------------------------------------------------------

    async def _disconnect(self, sid: str, reason: str) -> None:
        session = self._sessions.pop(sid, None)
        self._meters.sockets.set(len(self._sessions))
        if session is None:
            return
        engine = self.sockets.engine_of(sid)
        code = engine.session.get(CLOSE_CODE) if engine is not None else None
        fact = session.closing or ending(reason, code)
        row: dict[str, str | int] = {"fact": _FACT_OF_CLOSING.get(fact, fact), "at": court_now(), "clock": "court"}
        if isinstance(code, int):
            row["close_code"] = code  # RFC 6455 7.4, as it came
        if session.task is not None and session.task is not asyncio.current_task():
            session.task.cancel()
        try:
            await session.seated.courtroom.detach(session.seated.seat, session, [row])
        except CourtroomError as error:
            log.warning("detach", code=error.code)

    async def _shut(self, _: web.Application) -> None:
        tasks = [session.task for session in self._sessions.values() if session.task is not None]
        for session in list(self._sessions.values()):
            session.close("closing")
        if tasks:
            await asyncio.wait(tasks, timeout=GOODBYE_S)
        for engine in list(self.sockets.eio.sockets):
            await self._end(engine)
        await self.sockets.shutdown()

    # --- sockets that never say who they are ------------------------------------------------------

    async def _reaping(self, _: web.Application) -> Any:
        task = asyncio.create_task(self._reap())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(min(REAP_S, self._limits.unseated_s))
            self._answered.forget()
            now, seated = time.monotonic(), self.sockets.seated()
            unseated = [one for one in self.sockets.eio.sockets if one not in seated]
            self._seen = {one: self._seen.get(one, now) for one in unseated}
            for one in unseated:
                if now - self._seen[one] > self._limits.unseated_s:
                    await self._end(one)

    async def _end(self, engine: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):  # the library waits for the queue of a peer that may be dead
                await self.sockets.eio.disconnect(engine)


_FACT_OF_CLOSING: Final = {
    "replaced": "second_login",
    "removed": "removed",
    "closing": CLOSED_BY_SERVER,
    "bad_message": CLOSED_BY_SERVER,
}


def ending(reason: str, close_code: int | None) -> str:
    """The fact behind the library's reason and the WebSocket's close code."""
    match reason:
        case "client disconnect":
            return SOCKET_CLOSED_CLEAN
        case "ping timeout":
            return HEARTBEAT_SILENT
        case "server disconnect":
            return CLOSED_BY_SERVER
        case _ if close_code == SILENT:
            return HEARTBEAT_SILENT
        case _ if close_code in CLEAN_CODES:
            return SOCKET_CLOSED_CLEAN
        case _:
            return SOCKET_DROPPED


def _noted(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("bug", route="socket hand-over", fault=error)
