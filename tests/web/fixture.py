"""A small court for the pages alone: real templates, real static files, real Socket.IO, views from ``views/*.json``.

Rules: nothing of the product's server is used, so the pages are tested against the contract (web/PROTOCOL.md) and not
against one implementation; every answer carries the strict Content-Security-Policy; what a page sends is kept in
``Court`` for the test to read.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import socketio
from aiohttp import web

from courtroom.catalogue import LANGUAGES, bundle, text
from tests.web import archive_fixture as archived

WEB = Path(__file__).resolve().parents[2] / "web"
VIEWS = Path(__file__).parent / "views"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self' ws: wss:; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
NOW = 1795484538000000  # 2026-11-24 09:42:18 Beijing time
CASE = {
    "number": "（2026）示范0101民初123号",
    "court": "示范市示范区人民法院",
    "cause": "买卖合同纠纷",
    "procedure": "ordinary",
}


def load(name: str) -> dict[str, Any]:
    """A view as the server would push it."""
    view: dict[str, Any] = json.loads((VIEWS / f"{name}.json").read_text(encoding="utf-8"))
    return view


@dataclass
class Court:
    """What the pages did, and how the court answers."""

    commands: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)  # of ``commands``
    hang_up_on: list[str] = field(default_factory=list)  # types whose next answer is cut off
    posts: list[tuple[str, Any]] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    io: socketio.AsyncServer = field(
        default_factory=lambda: socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins=[])
    )
    clients: list[str] = field(default_factory=list)
    copies: list[dict[str, Any]] = field(default_factory=lambda: archived.copies(NOW - 39 * 60_000_000))

    async def push(self, view: dict[str, Any]) -> None:
        await self.io.emit("view", view, namespace="/hearing")

    async def signal(self, **fields: Any) -> None:
        await self.io.emit("signal", fields, namespace="/hearing")

    async def hang_up(self) -> None:
        for sid in list(self.clients):
            await self.io.disconnect(sid, namespace="/hearing")


def templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(WEB / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
    )


def _hearings() -> list[dict[str, Any]]:
    def row(number: int, cause: str, phase: str, minutes: int, **more: Any) -> dict[str, Any]:
        case = {**CASE, "number": f"（2026）示范0101民初{number}号", "cause": cause, "public": True}
        return {
            "id": f"h-{number}", "case": case, "scheduled_at": NOW + minutes * 60_000_000, "phase": phase, "seats": 9,
            "parties": "", "bench": "", "connected": 0, "required": 5, "alerts": [], "archive": "none", **more,
        }  # fmt: skip

    return [
        row(123, "买卖合同纠纷", "investigation", -42,
            parties="林晓芸　诉　示范市禾丰商贸有限公司", bench="审判长 顾明远",
            connected=8, alerts=[{"level": "warn", "text": "第三人丁文博连接中断15分38秒，已提示、已警告"}]),
        row(118, "物业服务合同纠纷", "check_in", -12, parties="示范市安和物业有限公司　诉　白立新", bench="独任 高文洁",
            connected=3, alerts=[{"level": "bad", "text": "被告白立新在候审室呼叫书记员，1分12秒前"}]),
        row(131, "民间借贷纠纷", "scheduled", 288, parties="郑秋岚　诉　马远帆", bench="独任 陆静"),
        row(27, "危险驾驶", "closed", -72, connected=0, alerts=[{"level": "good", "text": "已封存"}]),
    ]  # fmt: skip


def context(name: str, lang: str, large: bool, path: str) -> tuple[str, dict[str, Any]]:
    """Template and context of a page by its fixture name."""

    def t(key: str, **values: str | int) -> str:
        return text(key, "zh" if lang == "zh" else "en", **values)

    base: dict[str, Any] = {
        "lang": lang, "large": large, "path": path, "now": NOW, "court": CASE["court"], "t": t,
        "page": {"lang": lang, "large": large},
    }  # fmt: skip
    join = {
        "seat": {"role": "counsel", "name": "周衡", "side": "plaintiff", "title": "counsel.plaintiff"},
        "case": CASE, "isolated": False, "error": "",
        "needs_code": True, "notice_hash": "ab" * 32, "scheduled_at": NOW, "declined": False, "unchecked": False,
    }  # fmt: skip
    called = {"role": "witness", "name": "秦大海", "side": "none", "title": "witness"}
    witness = {**join, "seat": called, "isolated": True}
    opened = NOW - 39 * 60_000_000
    table: dict[str, tuple[str, dict[str, Any]]] = {
        "home": ("home.html", {**base, "error": "", "staff": False, "court": ""}),
        "home-error": ("home.html", {**base, "error": "page.home.wrong", "staff": False}),
        "join": ("join.html", {**base, **join}),
        "join-witness": ("join.html", {**base, **witness, "error": "page.join.code_wrong"}),
        "join-declined": ("join.html", {**base, **join, "declined": True}),
        "docket": ("docket.html", {**base, "hearings": _hearings(),
                                   "health": {"workers": True, "writer": True, "store": True, "disk": False}}),
        "archive": ("archive.html", archived.listing(base, CASE, opened)),
        "archive-hearing": ("archive_hearing.html", archived.sitting(base, CASE, opened)),
        "archive-defect": ("archive_hearing.html", archived.sitting(base, CASE, opened, "defect")),
        "archive-composing": ("archive_hearing.html", archived.sitting(base, CASE, opened, "composing")),
        "sign": ("sign.html", archived.signing(base, CASE, opened)),
        "sign-signed": ("sign.html", archived.signing(base, CASE, opened, "signed")),
        "sign-refused": ("sign.html", archived.signing(base, CASE, opened, "refused")),
        "sign-waiting": ("sign.html", archived.signing(base, CASE, opened, "waiting")),
        "error-404": ("error.html", {**base, "status": 404, "code": "not_found", "court": ""}),
    }  # fmt: skip
    if name in table:
        return table[name]
    view = load(name)
    page = {
        "hearing": view["hearing"], "seat": view["seat"]["id"], "lang": lang, "role": view["seat"]["role"],
        "isolated": view["isolated"], "large": large,
    }  # fmt: skip
    return "hearing.html", {**base, "page": page}


def make_app(court: Court) -> web.Application:
    env = templates()

    @web.middleware
    async def policy(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        if not response.prepared:
            response.headers["Content-Security-Policy"] = CSP
        return response

    async def show(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        lang = request.cookies.get("lang", "zh")
        template, values = context(name, lang, request.cookies.get("large") == "1", request.path_qs)
        if template == "hearing.html":
            values["page"]["seat"] = name  # the fixture's Socket.IO finds the view by this
        html = env.get_template(template).render(values)
        return web.Response(text=html, content_type="text/html")

    async def texts(request: web.Request) -> web.Response:
        return web.json_response(bundle("zh" if request.match_info["lang"] == "zh" else "en"))

    async def vendor(_: web.Request) -> web.FileResponse:
        return web.FileResponse(WEB / "node_modules/socket.io-client/dist/socket.io.esm.min.js")

    async def preference(request: web.Request) -> web.Response:
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(request.match_info["kind"], request.match_info["value"])
        return response

    async def keep(request: web.Request) -> web.Response:
        raw = await request.text()
        court.posts.append((request.path, json.loads(raw) if raw.startswith("{") else raw))
        if request.path.endswith("/verify"):
            checks = [
                {"name": "ledger", "ok": True, "level": "ok", "file": "", "second": None, "text": "庭审日志12408条",
                 "text_en": "12408 entries, one chain"},
                {"name": "gap_lawful", "ok": True, "level": "note", "file": "recording-log.json", "second": None,
                 "text": "依法未录制6.2秒，事由：不公开举证质证；提出人书记员 苏雨桐，确认人审判长 顾明远",
                 "text_en": "Lawfully not recorded for 6.2 s. Ground: Non-public evidence. Proposed by 苏雨桐"},
                {"name": "timestamp_none", "ok": True, "level": "note", "file": "", "second": None,
                 "text": "没有时间戳", "text_en": "There is no time-stamp"},
                {"name": "segment_crc", "ok": False, "level": "fail", "file": "capture/seg-00003.cap",
                 "second": NOW // 1_000_000 - 39 * 60 + 741, "text": "记录损坏", "text_en": "A record is damaged"},
            ]  # fmt: skip
            return web.json_response({"ok": False, "checks": checks})
        if request.path == "/api/v1/hearings":
            seat = {"id": "s-1", "role": "plaintiff", "name": "林晓芸", "token": "x", "code": "493021"}
            return web.json_response({"id": "h-1", "seats": [{**seat, "join_url": "http://c.example/j/x"}]}, status=201)
        return web.Response(status=204)

    app = web.Application(middlewares=[policy])
    court.io.attach(app)
    court.io.on("connect", _connect(court), namespace="/hearing")
    court.io.on("command", _command(court), namespace="/hearing")
    app.router.add_get("/p/{name}", show)
    app.router.add_get("/static/texts/{lang}.json", texts)
    app.router.add_get("/static/vendor/socket.io.esm.min.js", vendor)
    app.router.add_static("/static/", WEB / "static")
    archived.add_to(app, NOW - 39 * 60_000_000, court.copies)
    app.router.add_get("/{kind:lang|large}/{value}", preference)
    app.router.add_get("/api/v1/hearings/{hearing}/seats/{seat}/absence", _absence)
    app.router.add_get("/api/v1/hearings/{hearing}/fairness", _fairness)
    app.router.add_get("/api/v1/hearings/{hearing}/seats/{seat}/attachments", _held)
    app.router.add_put("/api/v1/hearings/{hearing}/attachments/{sha256}", _take(court))
    app.router.add_post("/{path:.*}", keep)
    app.router.add_put("/{path:.*}", keep)
    return app


async def _absence(_: web.Request) -> web.Response:
    """What ``courtroom.documents.absence.absence_json`` makes, as far as a page reads it."""
    good = ("online_seat", "summons_served", "online_consented", "link_delivered", "not_platform", "prompt_delivered")
    lines = [(code, True) for code in good] + [("no_excusing_cause", False), ("warning_delivered", False)]
    told: dict[str, Any] = {
        "digest": "cd" * 32, "seq": 41, "texts": {},
        "draft": {"first_line": {"code": "missing"}, "preconditions": [{"code": code} for code, _ in lines]},
    }  # fmt: skip
    for lang in LANGUAGES:
        rows = [
            {
                "ok": ok, "text": text(f"absence.pre.{code}", lang), "refs": f"#{number}",
                "word": text("absence.ok" if ok else "absence.not_ok", lang),
            }
            for number, (code, ok) in enumerate(lines, 2)
        ]  # fmt: skip
        lacking = ", ".join(text(f"absence.pre.{code}", lang) for code, ok in lines if not ok)
        told["texts"][lang] = {
            "first_line": text("absence.first.missing", lang, list=lacking), "preconditions": rows,
            "proposals": [{"cite": "", "text": text("absence.neutral", lang)}],
        }  # fmt: skip
    return web.json_response(told)


async def _held(_: web.Request) -> web.Response:
    one = {"sha256": "ab" * 32, "size": 182334, "kind": "jpeg", "at": NOW, "seq": 18, "state": "intact"}
    return web.json_response({"attachments": [one]})


def _take(court: Court) -> Any:
    async def take(request: web.Request) -> web.Response:
        content = await request.read()
        court.posts.append((request.path, content))
        if code := court.refuse.get("attachment"):
            return web.json_response({"code": code, "detail": text(f"error.{code}")}, status=415)
        told = {"sha256": request.match_info["sha256"], "size": len(content), "kind": "text", "at": NOW, "seq": 43}
        return web.json_response(told, status=201)

    return take


async def _fairness(_: web.Request) -> web.Response:
    span = {
        "from": NOW - 900_000_000, "to": NOW - 840_000_000, "seq": 9, "cause": "network_lost", "ours": False,
        "recording_us": 1_400_000_000, "film_us": 1_340_000_000, "url": "/archive/h-demo?seat=s-pj#t=1340",
        "speakers": [{"seat": "s-pl"}],
    }  # fmt: skip
    row = {"seat": "s-tp", "missed_us": 60_000_000, "spoke_us": 212_000_000, "missed": [span]}
    return web.json_response({"parties": [row]})


def _connect(court: Court) -> Any:
    async def connect(sid: str, _environ: dict[str, Any], auth: dict[str, Any]) -> None:
        court.clients.append(sid)
        await court.io.emit("view", load(auth["seat"]), to=sid, namespace="/hearing")
        court.arrived.set()

    return connect


def _command(court: Court) -> Any:
    async def command(_sid: str, message: dict[str, Any]) -> dict[str, Any]:
        court.ids.append(message.pop("id"))
        court.commands.append(message)
        if message["type"] in court.hang_up_on:
            court.hang_up_on.remove(message["type"])
            await court.hang_up()
        code = court.refuse.get(message["type"])
        return {"ok": False, "code": code, "message": "法庭现在不能准许。"} if code else {"ok": True, "seq": 42}

    return command
