"""Who may do what: COURT.md section 4 as a table, and the groups of roles that other rules speak of.

Rules: whatever is not in the table nobody may do. The table says which role may ever ask; *when* is in ``guards``.
Isolated roles: Online Litigation Rules art. 26.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from courtroom.hearing.model import Role, Side

_PRESIDING: Final = frozenset({Role.PRESIDING_JUDGE})
BENCH: Final = _PRESIDING | {Role.JUDGE, Role.ASSESSOR}
STAFF: Final = BENCH | {Role.CLERK}
PARTIES: Final = frozenset({Role.PLAINTIFF, Role.DEFENDANT, Role.THIRD_PARTY, Role.PROSECUTOR, Role.ACCUSED})
ISOLATED: Final = frozenset({Role.WITNESS, Role.EXPERT, Role.INSPECTOR, Role.SPECIALIST})
HELPERS: Final = frozenset({Role.INTERPRETER, Role.GUARDIAN})
CONSENTING: Final = PARTIES | {Role.COUNSEL} | ISOLATED
"""Whose consent to an online sitting must be on file before admission (OLR 4); others may give it too."""

_DESK: Final = frozenset({Role.PRESIDING_JUDGE, Role.CLERK})
_HEARD: Final = STAFF | PARTIES | {Role.COUNSEL} | ISOLATED | HELPERS
_EVERYBODY: Final = frozenset(Role)

MAY: Final[Mapping[str, frozenset[Role]]] = {
    "open_hearing": _PRESIDING,
    "close_hearing": _PRESIDING,
    "set_phase": _PRESIDING,
    "recess": _PRESIDING,
    "resume": _PRESIDING,
    "move_offline": _PRESIDING,
    "waive_check": _PRESIDING,
    "verify_identity": STAFF,
    "admit": _DESK,
    "call": _DESK,
    "dismiss": _DESK,
    "remove": _PRESIDING,
    "mute": _DESK,
    "unmute": _DESK,
    "give_floor": _DESK,
    "prompt": _DESK,
    "warn": _PRESIDING,
    "excuse": _PRESIDING,
    "rule": _PRESIDING,
    "answer_request": _DESK,
    "raise_hand": _HEARD - _PRESIDING,
    "lower_hand": _HEARD,
    "request": _HEARD - _PRESIDING,
    "present": _HEARD,
    "stop_presenting": _HEARD,
    "leave": _EVERYBODY,
    "consent": _HEARD - STAFF,
    "set_devices": _HEARD,
    "phone_note": _DESK,
    "record_service": _DESK,
    "acknowledge_notice": _HEARD - _PRESIDING,
    "reply": _HEARD - _PRESIDING,
    "ask_leave": _HEARD - _PRESIDING,
    "propose_interruption": _DESK,
    "confirm_interruption": STAFF,
    "decline_interruption": STAFF,
    "resume_recording": STAFF,
    "sign_recording": PARTIES | {Role.COUNSEL},
    "refuse_signature": PARTIES | {Role.COUNSEL},
    "note_signature": frozenset({Role.CLERK}),
    "sign_explanation": _PRESIDING,
}

LOWER_OTHERS: Final = STAFF
STOP_OTHERS: Final = _DESK
PRESENT_FREELY: Final = STAFF

_COMMON: Final = frozenset({"speak", "break", "leave", "help", "urgent"})
_FULL: Final = _COMMON | {"evidence", "objection", "recusal", "late", "offline"}


def request_kinds(role: Role, isolated: bool) -> frozenset[str]:
    """Which kinds of request a seat may make; empty for those who may make none."""
    if role not in MAY["request"]:
        return frozenset()
    return _COMMON if isolated else _FULL


def title(role: Role, side: Side, sitting: Collection[Role]) -> str:
    """What a seat is called, as the text ``role.<title>``; ``sitting``: the role of every seat of the hearing.

    A judge alone is 独任审判员; counsel of the accused is 辩护人; counsel is called by its side.
    """
    if role is Role.PRESIDING_JUDGE and sum(one in BENCH for one in sitting) == 1:
        return "sole_judge"
    if role is Role.COUNSEL and side is not Side.NONE:
        criminal = Role.PROSECUTOR in sitting or Role.ACCUSED in sitting
        return "defender" if criminal and side is Side.DEFENDANT else f"counsel.{side.value}"
    return role.value


ORDER: Final[Mapping[Role, int]] = {role: place for place, role in enumerate(Role)}
"""The fixed order of a roster: the bench first, then as ``Role`` is written down."""
