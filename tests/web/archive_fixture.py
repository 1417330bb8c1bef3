"""Archived sittings and signing pages for the pages' tests, in the shapes that ``server.archive_rows`` makes."""

from __future__ import annotations

import math
from typing import Any

from aiohttp import web

from courtroom.hearing import roles
from courtroom.hearing.model import Role, Side

M = 60_000_000
ENDS = (5, 72, 82, 91, 116, 125, 136, 143)
NAMES = ("open", "investigation", "recess", "investigation", "debate", "mediation", "deliberation", "pronouncement")
SEATS = (
    ("s-pj", "presiding_judge", "none", "顾明远"),
    ("s-j2", "judge", "none", "陆静"),
    ("s-as", "assessor", "none", "方志平"),
    ("s-cl", "clerk", "none", "苏雨桐"),
    ("s-pl", "plaintiff", "plaintiff", "林晓芸"),
    ("s-df", "defendant", "defendant", "何建国"),
    ("s-tp", "third_party", "third", "丁文博"),
    ("s-c1", "counsel", "plaintiff", "周衡"),
    ("s-c2", "counsel", "defendant", "沈若川"),
    ("s-w1", "witness", "none", "秦大海"),
)
NEVER_CAME = ("s-0c5d4da279", "counsel", "defendant", "孟晓岚")
SIGNING = ("plaintiff", "defendant", "third_party", "counsel")
STROKE = "".join(
    f"{'L' if n % 40 else 'M'}{30 + n * 6} {round(150 + 70 * math.sin(n / 5) * math.cos(n / 17))}" for n in range(150)
)


def _person(seat: tuple[str, str, str, str]) -> dict[str, Any]:
    title = roles.title(Role(seat[1]), Side(seat[2]), [Role(other[1]) for other in SEATS])
    return {"seat": seat[0], "role": seat[1], "side": seat[2], "title": title, "name": seat[3]}


def _presence(opened: int) -> list[dict[str, Any]]:
    def spell(state: str, start: int, end: int, cause: str | None = None) -> dict[str, Any]:
        return {"state": state, "since": opened + start * M, "until": opened + end * M, "cause": cause}

    shapes = {
        "s-tp": [spell("present", -8, 23), spell("interrupted", 23, 44, "network_lost"), spell("present", 44, 143)],
        "s-df": [spell("present", -6, 50), spell("interrupted", 50, 53, "platform_failure"), spell("present", 53, 143)],
        "s-w1": [spell("waiting", -10, 31), spell("present", 31, 58), spell("waiting", 58, 143)],
        "s-pl": [spell("present", -9, 95), spell("excused", 95, 101), spell("present", 101, 143)],
    }
    return [
        {
            **_person(seat),
            "required": seat[0] != "s-w1",
            "spells": shapes.get(seat[0], [spell("present", -9, 143)]),
            "prompts": [opened + 26 * M] if seat[0] == "s-tp" else [],
            "warnings": [opened + 30 * M] if seat[0] == "s-tp" else [],
        }
        for seat in SEATS
    ]


def speakers(opened: int) -> dict[str, Any]:
    """Everybody has spoken, some more than others; nobody in the recess and the mediation."""
    found = []
    for number, seat in enumerate(SEATS):
        spans = []
        for turn in range(4 + number % 4):
            at = (number * 7 + turn * 19) % 140
            if not (72 <= at < 82 or 116 <= at < 136) and (seat[0] != "s-w1" or 31 <= at < 57):
                spans.append([opened + at * M, opened + at * M + (30 + 50 * (turn % 3)) * 1_000_000])
        found.append({"seat": seat[0], "spans": sorted(spans)})
    return {"state": "ready", "speakers": found}


def sheet(opened: int) -> dict[str, Any]:
    return {
        "hearing": "h-123", "root_sha256": "9f2a61c477e0b1d8" * 4, "root_sm3": "3be70d92a8f166c5" * 4,
        "started_at": opened, "ended_at": opened + 143 * M, "duration_us": 125 * M,
        "gaps": [{key: gap[key] for key in ("from_at", "to_at", "reason", "fault")} for gap in gaps(opened)],
    }  # fmt: skip


def gaps(opened: int, *, fault: bool = False) -> list[dict[str, Any]]:
    def gap(start: float, end: float, reason: str, by: list[str], broken: bool = False) -> dict[str, Any]:
        return {
            "from_at": round(opened + start * M), "to_at": round(opened + end * M), "reason": reason, "fault": broken,
            "by": by,
        }  # fmt: skip

    found = [gap(72, 82, "recess", ["顾明远"]), gap(116, 125, "mediation", ["苏雨桐", "顾明远"])]
    return [*found, gap(101, 101.6, "writer", [], broken=True)] if fault else found


def _signatures(opened: int) -> list[dict[str, Any]]:
    answers = {
        "s-pl": ("signed", "", 160, STROKE), "s-c1": ("signed", "", 161, ""),
        "s-df": ("refused", "对录制时长有异议。", 170, ""), "s-tp": ("absent", "三次电话均无人接听。", 171, ""),
    }  # fmt: skip
    rows = []
    for seat in SEATS:
        if seat[1] in SIGNING:
            outcome, reason, seq, stroke = answers.get(seat[0], ("", "", 0, ""))
            at = opened + (150 + seq % 10) * M if outcome else 0
            rows.append({
                **_person(seat), "outcome": outcome, "reason": reason, "recorded_by": "", "at": at, "seq": seq,
                "noted_by": "苏雨桐" if outcome == "absent" else "",
                "stroke": stroke,
            })  # fmt: skip
    return rows


def _explanation(opened: int) -> dict[str, Any]:
    return {
        "missing": [{"from_at": opened + 101 * M, "to_at": opened + 101 * M + 36_000_000, "length_us": 36_000_000,
                     "reason": "writer", "words": "录制写入程序中断"}],
        "missing_us": 36_000_000,
        "reports": [{"seq": 96, "at": opened + 101 * M, "code": "writer_restarted",
                     "words": "录制写入程序退出，已自动重启"}],
        "take": "x-4a1c9d20b7f3e6c8d5a0f192", "digest": "d4" * 32, "signed": False, "signed_at": 0, "remark": "",
        "stroke": "", "may_sign": True, "signer": "presiding_judge",
    }  # fmt: skip


def _keeping(opened: int, *, held: bool) -> dict[str, Any]:
    def hold(seq: int, by: dict[str, Any], reason: str, state: str, **more: Any) -> dict[str, Any]:
        nobody = {"seat": "", "role": "", "side": "", "title": "", "name": ""}
        return {
            "id": f"hold-{seq}", "by": by, "reason": reason, "since": opened + (150 + seq) * M, "until": 0, "seq": seq,
            "state": state, "lifted_at": 0, "lifted_by": nobody, "lifted_why": "", **more,
        }  # fmt: skip

    staff = {"seat": "staff", "role": "", "side": "", "title": "", "name": ""}
    listed = [
        hold(212, _person(SEATS[3]), "再审审查期间保全", "in_force", until=opened + 500_000 * M),
        hold(205, staff, "当事人申请复核录制情况", "lifted", lifted_at=opened + 400 * M, lifted_by=_person(SEATS[0]),
             lifted_why="复核完毕"),
    ]  # fmt: skip
    return {
        "retention": {
            "period": "long" if held else "permanent", "years": 60 if held else 0,
            "until": opened + 60 * 525_949 * M if held else 0, "seq": 201 if held else 0,
            "source": "《关于人民法院诉讼档案保管期限的规定》第三条",
        },
        "periods": ["permanent", "long", "short"], "holds": listed if held else [], "in_force": int(held),
        "may_lift": True,
    }  # fmt: skip


def sitting(base: dict[str, Any], case: dict[str, Any], opened: int, kind: str = "sealed") -> dict[str, Any]:
    """Context of ``archive_hearing.html``; ``kind``: sealed | defect | composing."""
    sealed = kind != "composing"
    state, seal_state = (
        ("sealed", "intact" if kind == "sealed" else "unexplained") if sealed else ("composing", "pending")
    )
    listed = gaps(opened, fault=kind == "defect")
    starts = (0, *ENDS[:-1])
    api = "/fixture/h-123"
    return {
        **base, "case": case, "opened_at": opened, "closed_at": opened + 143 * M,
        "archive": {
            "state": state, "seal_state": seal_state, "progress": 42, "eta_s": 80, "duration_us": 143 * M,
            "gaps": listed, "video_url": "/fixture/programme.mp4" if sealed else "",
            "bag_url": "/fixture/bag" if sealed else "",
            "seal": {"sha256": "9f2a61c477e0b1d8" * 4, "sm3": "3be70d92a8f166c5" * 4, "key": "ed25519:4a1c9d"},
        },
        "head": {"seq": 12408, "hash": "c4f0" * 16},
        "signatures": _signatures(opened) if sealed else [], "may_note": sealed,
        "recipients": [_person(seat) for seat in SEATS if seat[1] in SIGNING],
        "explanation": _explanation(opened) if kind == "defect" else None,
        "keeping": _keeping(opened, held=kind != "composing"),
        "second_copy": {"place": "灾备中心", "at": opened + 152 * M} if kind == "sealed" else None,
        "isolation": [
            {"seat": "s-w1", "role": "witness", "side": "plaintiff", "title": "witness", "name": "何文远", "seq": 141,
             "from_at": opened + 61 * M, "to_at": opened + 74 * M, "inside": 48211, "outside": 0, "state": "held"},
            {"seat": "s-w2", "role": "witness", "side": "defendant", "title": "witness", "name": "孟晓岚", "seq": 166,
             "from_at": opened + 80 * M, "to_at": opened + 88 * M, "inside": 3102, "outside": 0, "state": "incomplete"},
        ] if sealed else [],
        "accesses": [
            {"seq": 195, "at": opened + 210 * M, "what": "attachment_read", "reader": "s-cl", **_person(SEATS[3]),
             "of": _person(SEATS[4])},
            {"seq": 190, "at": opened + 200 * M, "what": "copy_issued", "reader": "s-c1", **_person(SEATS[7]),
             "of": None},
            {"seq": 180, "at": opened + 180 * M, "what": "read", "reader": "staff", "role": "", "side": "", "title": "",
             "name": "", "of": None},
            {"seq": 175, "at": opened + 170 * M, "what": "read", "reader": "s-cl", **_person(SEATS[3]), "of": None},
        ] if sealed else [],
        "page": {
            "lang": base["lang"], "hearing": "h-123", "seat": "s-cl", "state": state, "opened_at": opened,
            "from_at": opened, "to_at": opened + 143 * M, "duration_us": 143 * M, "digest": "d4" * 32,
            "parts": [{"kind": "live", "court_at": opened, "at_us": 0, "length_us": 143 * M}] if sealed else [],
            "phases": [{"phase": name, "from_at": opened + a * M, "to_at": opened + b * M}
                       for name, a, b in zip(NAMES, starts, ENDS, strict=True)],
            "gaps": listed, "presence": _presence(opened),
            "people": [_person(seat) for seat in (*SEATS, NEVER_CAME)],
            "video_url": "/fixture/programme.mp4" if sealed else "", "verify_url": "/fixture/verify",
            "status_url": "/fixture/archive", "speakers_url": f"{api}/speakers" if sealed else "",
            "copies_url": f"{api}/copies" if sealed else "", "fairness_url": f"{api}/fairness" if sealed else "",
            "signatures_url": f"{api}/signatures",
            "holds_url": f"{api}/archive/holds", "retention_url": f"{api}/archive/retention",
            "explanation_url": f"{api}/explanation",
        },
    }  # fmt: skip


def listing(base: dict[str, Any], case: dict[str, Any], opened: int) -> dict[str, Any]:
    """Context of ``archive.html``: one of every state of a seal."""

    def row(number: int, state: str, seal: str, **more: Any) -> dict[str, Any]:
        return {
            "id": f"h-{number}", "case": {**case, "number": f"（2026）示范0101民初{number}号"}, "opened_at": opened,
            "closed_at": opened + 143 * M, "gaps": 2, "duration_us": 143 * M, "state": state, "seal": seal,
            "progress": 0, "held": 0, "signed": 0, "answered": 0, "asked": 4, **more,
        }  # fmt: skip

    rows = [
        row(123, "sealed", "intact", signed=3, held=1), row(131, "sealed", "unexplained", gaps=3),
        row(118, "sealed", "explained", signed=4, gaps=1), row(9, "composing", "pending", progress=42, gaps=0),
        row(27, "failed", "failed", gaps=0),
    ]  # fmt: skip
    seals = ("intact", "explained", "unexplained", "pending", "failed")
    return {**base, "hearings": rows, "all": len(rows), "query": "", "seal": "", "seals": seals}


def signing(base: dict[str, Any], case: dict[str, Any], opened: int, outcome: str = "") -> dict[str, Any]:
    """Context of ``sign.html``; ``outcome`` '' | signed | refused | waiting."""
    waiting = outcome == "waiting"
    answer = "" if waiting else outcome
    person = {
        **_person(SEATS[4]), "outcome": answer, "reason": "对录制时长有异议。" if answer == "refused" else "",
        "recorded_by": "", "at": opened + 150 * M if answer else 0, "seq": 160 if answer else 0,
        "stroke": STROKE if answer == "signed" else "",
    }  # fmt: skip
    return {
        **base, "case": case, "closed": True, "person": person, "sheet": None if waiting else sheet(opened),
        "page": {"lang": base["lang"], "hearing": "h-123", "seat": "s-pl",
                 "state": "composing" if waiting else "sealed",
                 "digest": "" if waiting else "e7" * 32, "outcome": answer,
                 "signatures_url": "/fixture/h-123/signatures"},
    }  # fmt: skip


def add_to(app: web.Application, opened: int, copies: list[dict[str, Any]]) -> None:
    """The answers of the archive's API that the pages ask for by themselves."""

    async def spoke(_: web.Request) -> web.Response:
        return web.json_response(speakers(opened))

    async def made(_: web.Request) -> web.Response:
        return web.json_response(copies)

    async def fair(_: web.Request) -> web.Response:
        return web.json_response(missed(opened))

    app.router.add_get("/fixture/h-123/speakers", spoke)
    app.router.add_get("/fixture/h-123/fairness", fair)
    app.router.add_get("/fixture/h-123/copies", made)


def missed(opened: int) -> dict[str, Any]:
    """The third party missed 21 minutes; the defendant spoke in the second of them."""
    span = {
        "from": opened + 30 * M, "to": opened + 51 * M, "us": 21 * M, "seq": 88, "cause": "network_lost", "ours": False,
        "recording_us": 30 * M, "film_us": 30 * M, "url": "/archive/h-123#t=1800",
        "speakers": [{"seat": "s-df", "us": 95_000_000, "from": opened + 31 * M, "film_us": 31 * M}],
    }  # fmt: skip
    rest = {**span, "from": opened + 73 * M, "to": opened + 74 * M, "seq": 91, "recording_us": None, "film_us": None,
            "url": None, "speakers": []}  # fmt: skip
    rows: list[dict[str, Any]] = [
        {"seat": "s-tp", "missed_us": 22 * M, "spoke_us": 212_000_000, "missed": [span, rest]},
        {"seat": "s-pl", "missed_us": 0, "spoke_us": 900_000_000, "missed": []},
        {
            "seat": NEVER_CAME[0],
            "missed_us": 400_000,
            "spoke_us": 0,
            "missed": [{**rest, "to": rest["from"] + 400_000, "seq": 92}],
        },
    ]
    return {"parties": rows}


def copies(opened: int) -> list[dict[str, Any]]:
    return [
        {"id": "c-1", "recipient": "s-c1", "purpose": "上诉准备", "state": "ready", "percent": 100, "eta_s": None,
         "made_at": opened + 200 * M},
        {"id": "c-2", "recipient": "s-df", "purpose": "核对笔录", "state": "making", "percent": 37, "eta_s": 95,
         "made_at": None},
    ]  # fmt: skip
