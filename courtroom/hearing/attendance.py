"""One seat's attendance for the desk: the strip, the facts behind it, and what may follow next (COURT.md 6).

Rules
* For the bench and the clerk alone; whoever asks is the ``viewer``, and ``next`` speaks of what that seat may do.
* Nothing here moves with the clock by itself but ``ok``: moments are given as µs of the court clock, never as seconds
  left, so that an unchanged hearing gives an unchanged row.
* Bounded: the newest ``MAX_SPELLS`` spells, evidence of the newest ``MAX_GAPS`` gaps; the rest is in the ledger.
"""

from __future__ import annotations

from typing import Any, Final

from courtroom.errors import Refused
from courtroom.hearing import guards, presence, procedure
from courtroom.hearing.model import Hearing, Notice, Seat, Spell, Statement

MAX_SPELLS: Final = 200
MAX_GAPS: Final = 5
STEPS: Final = ("prompt", "warn", "rule", "excuse")

Row = dict[str, Any]


def row(hearing: Hearing, viewer: Seat, seat: Seat, at: int) -> Row:
    """The shape of web/PROTOCOL.md section 4, ``attendance``. ``hearing`` as ``evolve.settle`` has it at ``at``."""
    detailed = {id(spell) for spell in presence.gaps(seat)[-MAX_GAPS:]}
    return {
        "seat": seat.id,
        "required": seat.plan.required,
        "presence": presence.state(seat).value,
        "offline": seat.offline,
        "timeline": [spell_row(spell, detailed=id(spell) in detailed) for spell in seat.timeline[-MAX_SPELLS:]],
        "prompts": list(seat.prompts),
        "warnings": list(seat.warnings),
        "notices": [notice_row(one) for one in seat.notices],
        "statements": [statement_row(one) for one in seat.statements],
        "on_file": [{"fact": one.fact.value, "holds": one.holds, "at": one.at, "seq": one.seq} for one in seat.on_file],
        "leave": {"until": seat.excused_until, "asked": _asked(hearing, seat)},
        "next": {name: _next(hearing, viewer, seat, name, at) for name in STEPS},
    }


def spell_row(spell: Spell, *, detailed: bool) -> Row:
    """``evidence`` and ``attributions`` only where ``detailed``."""
    shown: Row = {
        "state": spell.state.value,
        "since": spell.since,
        "until": spell.until,
        "cause": None if spell.cause is None else spell.cause.value,
        "seq": spell.seq,
    }
    if detailed:
        shown["evidence"] = [dict(line) for line in spell.evidence]
        shown["attributions"] = [
            {"cause": one.cause.value, "at": one.at, "seq": one.seq} for one in spell.attributions
        ]  # fmt: skip
    return shown


def notice_row(notice: Notice) -> Row:
    return {
        "notice": notice.seq,
        "step": notice.step.value,
        "at": notice.at,
        "delivered_at": notice.delivered_at,
        "read_at": notice.read_at,
        "ended_at": notice.ended_at,
        "deliveries": [
            {
                "channel": one.channel.value, "state": one.state.value, "at": one.at, "seq": one.seq,
                "detail": one.detail,
            }
            for one in notice.deliveries
        ],
    }  # fmt: skip


def statement_row(said: Statement) -> Row:
    file: Row | None = None
    if said.attachment:
        file = {
            "sha256": said.attachment, "name": said.name, "size": said.size, "held": said.held, "kind": said.kind,
        }  # fmt: skip
    return {
        "seq": said.seq, "at": said.at, "reason": said.reason.value, "text": said.text, "notice": said.notice,
        "attachment": file,
    }  # fmt: skip


def _asked(hearing: Hearing, seat: Seat) -> list[Row]:
    return [
        {"request": one.id, "reason": one.text, "until": one.until, "at": one.at, "seq": one.seq}
        for one in hearing.requests
        if one.seat == seat.id and one.kind == "leave" and one.granted is None
    ]


def _next(hearing: Hearing, viewer: Seat, seat: Seat, name: str, at: int) -> Row:
    """Whether the viewer may take this step now; if not, the code of the refusal and the moment from which it may."""
    try:
        guards.check(hearing, name, viewer, seat, at)
    except Refused as refused:
        return {"ok": False, "why": refused.code, "from": _from(hearing, seat, refused.code)}
    return {"ok": True, "why": None, "from": 0}


def _from(hearing: Hearing, seat: Seat, code: str) -> int:
    return procedure.warn_from(hearing, seat) if code == "too_early" else 0
