"""After the seal: the parties sign the integrity value, or their refusal or absence is written down.

Rules (COURT.md 7; RecP art. 4 and 9)
* The parties and their counsel sign; the bench and the clerk do not. Witnesses, experts and who is linked to them do
  not either: they were in court for their part alone, and what lay outside it stays closed to them (OLR 26).
* What is signed is the sheet: roots, duration and gaps, named by the SHA-256 of its canonical JSON. A signature under
  another sheet than the one that was sealed is refused.
* What a seat answered only ever moves up: absent → refused → signed. A signature is final.
* Signatures come after the sealed head and change nothing in the sealed bag: they live in the ledger beyond it.
* A drawn signature is SVG path data of bounded size, moves and lines in whole numbers; its digest stands beside it.
* The explanation of a defect (技术说明, RecP art. 4) is signed by the presiding judge, under the digest of its text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing import phases, roles, rooms, values
from courtroom.hearing.ledger import canonical
from courtroom.hearing.model import Hearing, Role, Seat, Signature
from courtroom.hearing.refusals import refusal

Events = tuple[e.Event, ...]

SIGNING: Final = roles.PARTIES | {Role.COUNSEL}
RANK: Final[Mapping[str, int]] = {"": 0, "absent": 1, "refused": 2, "signed": 3}
CANVAS: Final = (1000, 300)
"""Width and height of the sheet a signature is drawn on; coordinates are whole numbers on it."""
MIN_POINTS: Final = 12

_STROKE: Final = re.compile(r"(?:M[0-9]{1,4} [0-9]{1,4}(?:L[0-9]{1,4} [0-9]{1,4})+)+")
_POINT: Final = re.compile(r"([0-9]{1,4}) ([0-9]{1,4})")


def sheet_of(hearing_id: str, seal: Mapping[str, Any]) -> dict[str, Any]:
    """What is shown and signed, out of a sealed manifest's ``seal``: integers and strings only."""
    return {
        "hearing": hearing_id,
        "root_sha256": str(seal.get("root_sha256", "")),
        "root_sm3": str(seal.get("root_sm3", "")),
        "started_at": int(seal.get("started_at", 0)),
        "ended_at": int(seal.get("ended_at", 0)),
        "duration_us": int(seal.get("duration_us", 0)),
        "gaps": [
            {"from_at": int(gap["from_at"]), "to_at": int(gap["to_at"]), "reason": str(gap["reason"]),
             "fault": is_fault(gap)}
            for gap in seal.get("gaps", [])
        ],
    }  # fmt: skip


def is_fault(gap: Mapping[str, Any]) -> bool:
    """Whether a gap of a recording log is a defect and no lawful interruption."""
    kind = gap.get("kind", "fault" if gap.get("reason") == phases.FAULT else "lawful")
    return str(kind) == "fault"


def digest_of(sheet: Mapping[str, Any]) -> str:
    """SHA-256 (FIPS 180-4) of the sheet's canonical JSON."""
    return hashlib.sha256(canonical(dict(sheet))).hexdigest()


def seal_detail(hearing_id: str, seal: Mapping[str, Any]) -> dict[str, str | int]:
    """What the ledger notes of a seal, so that a signature can be held against it."""
    sheet = sheet_of(hearing_id, seal)
    return {
        "root": sheet["root_sha256"],
        "sm3": sheet["root_sm3"],
        "sheet": digest_of(sheet),
        "faults": sum(gap["fault"] for gap in sheet["gaps"]),
    }


# --- guards -------------------------------------------------------------------------------------------------------


def signs(hearing: Hearing, seat: Seat) -> bool:
    """Whether this seat is asked to sign at all."""
    return seat.role in SIGNING and not rooms.must_be_isolated(hearing, seat)


def answer_of(hearing: Hearing, seat: str) -> Signature | None:
    """What the seat answered last."""
    return next((one for one in reversed(hearing.signatures) if one.seat == seat), None)


def _may_answer(hearing: Hearing, seat: Seat, outcome: str) -> None:
    if hearing.seal is None:
        raise refusal("not_sealed")
    if not signs(hearing, seat):
        raise refusal("not_allowed")
    last = answer_of(hearing, seat.id)
    if last is not None and RANK[last.outcome] >= RANK[outcome]:
        raise refusal("already_so")


def may_sign(hearing: Hearing, actor: Seat, _target: Seat, _at: int) -> None:
    _may_answer(hearing, actor, "signed")


def may_refuse(hearing: Hearing, actor: Seat, _target: Seat, _at: int) -> None:
    _may_answer(hearing, actor, "refused")


def may_note(hearing: Hearing, _actor: Seat, target: Seat, _at: int) -> None:
    _may_answer(hearing, target, "refused")


def may_explain(hearing: Hearing, _actor: Seat, _target: Seat, _at: int) -> None:
    if hearing.seal is None:
        raise refusal("not_sealed")
    if not needs_explanation(hearing):
        raise refusal("nothing_to_explain")
    if hearing.explanation:
        raise refusal("already_so")


def needs_explanation(hearing: Hearing) -> bool:
    """Whether the recording has a defect that the presiding judge has to answer for in writing (RecP art. 4)."""
    measured = hearing.seal is not None and hearing.seal.faults > 0
    return measured or any(gap.reason == phases.FAULT for gap in hearing.interruptions)


# --- what follows -------------------------------------------------------------------------------------------------


def follow(hearing: Hearing, command: c.Command, actor: Seat, target: Seat) -> Events:
    """The events of a command whose guard has let it through."""
    match command:
        case c.SignRecording(sheet=sheet, stroke=stroke):
            root = _sealed(hearing, sheet)
            drawn = stroke_digest(stroke)
            return (e.RecordingSigned(seat=actor.id, root=root, sheet=sheet, stroke=stroke, stroke_sha256=drawn),)
        case c.RefuseSignature(sheet=sheet, reason=reason):
            root = _sealed(hearing, sheet)
            values.text(reason, values.MAX_REASON, 1)
            return (_withheld(actor.id, "refused", reason, root, sheet, actor.id),)
        case c.NoteSignature(outcome=outcome, reason=reason):
            if outcome not in ("refused", "absent") or hearing.seal is None:
                raise refusal("bad_value", field="outcome")
            _may_answer(hearing, target, outcome)
            values.text(reason, values.MAX_REASON, 1)
            return (_withheld(target.id, outcome, reason, hearing.seal.root, hearing.seal.sheet, actor.id),)
        case c.SignExplanation(digest=digest, remark=remark, stroke=stroke):
            if not values.sha256(digest):
                raise refusal("bad_hash")
            drawn = stroke_digest(stroke)
            return (
                e.ExplanationSigned(seat=actor.id, digest=digest, remark=remark, stroke=stroke, stroke_sha256=drawn),
            )
    raise refusal("unknown_command")


def _withheld(seat: str, outcome: str, reason: str, root: str, sheet: str, by: str) -> e.SignatureWithheld:
    return e.SignatureWithheld(seat=seat, outcome=outcome, reason=reason, root=root, sheet=sheet, recorded_by=by)


def _sealed(hearing: Hearing, sheet: str) -> str:
    """The root that was sealed, if ``sheet`` is the sheet of it."""
    if hearing.seal is None:
        raise refusal("not_sealed")
    if not values.sha256(sheet) or sheet != hearing.seal.sheet:
        raise refusal("not_what_was_sealed")
    return hearing.seal.root


def stroke_digest(stroke: str) -> str:
    """SHA-256 of a drawn signature, '' for none (who cannot draw confirms by typing the name: RecP art. 9 lets other
    ways stand); ``bad_stroke`` for anything that is not a drawing on the canvas.
    """
    if not stroke:
        return ""
    points = _POINT.findall(stroke)
    inside = all(int(x) <= CANVAS[0] and int(y) <= CANVAS[1] for x, y in points)
    if _STROKE.fullmatch(stroke) is None or len(set(points)) < MIN_POINTS or not inside:
        raise refusal("bad_stroke")
    return hashlib.sha256(stroke.encode()).hexdigest()


# --- what is shown ------------------------------------------------------------------------------------------------


def title_of(hearing: Hearing, seat: Seat) -> str:
    """``roles.title`` of one seat of a hearing."""
    return roles.title(seat.role, seat.plan.side, [other.role for other in hearing.seats.values()])


def register(hearing: Hearing, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """One line per seat that is asked to sign, in the order of the roster, with what it answered last."""
    asked = sorted((s for s in hearing.seats.values() if signs(hearing, s)), key=lambda s: roles.ORDER[s.role])
    lines = []
    for seat in asked:
        last = answer_of(hearing, seat.id)
        lines.append({
            "seat": seat.id,
            "role": seat.role.value,
            "side": seat.plan.side.value,
            "title": title_of(hearing, seat),
            "name": names.get(seat.id, ""),
            "outcome": "" if last is None else last.outcome,
            "reason": "" if last is None else last.reason,
            "recorded_by": "" if last is None else last.by,
            "at": 0 if last is None else last.at,
            "seq": 0 if last is None else last.seq,
            "stroke": "" if last is None else last.stroke,
        })  # fmt: skip
    return lines
