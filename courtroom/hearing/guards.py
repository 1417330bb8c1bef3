"""When a command is allowed: one guard per command, asked by ``decide`` before it acts and by ``view`` for its buttons.

Rules
* ``check`` asks in this order: is the hearing over · was the asker removed · the role table · is the asker where it
  is done · the guard. Authority comes before anything about the target, so a refusal tells an outsider nothing.
* A guard speaks of asker, target and state only; values (texts, kinds, hashes) are judged in ``decide``.
* What has no effect is refused (``already_there`` for rooms, ``already_so`` for the rest), never silently accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from courtroom.errors import Refused
from courtroom.hearing import (
    checklist,
    deliveries,
    interruptions,
    phases,
    procedure,
    roles,
    rooms,
    service,
    signing,
    statements,
)
from courtroom.hearing.model import Hearing, Kind, Phase, Role, RoomKind, Seat
from courtroom.hearing.refusals import refusal

MAX_OPEN_REQUESTS: Final = procedure.MAX_OPEN_REQUESTS
MAX_REQUESTS: Final = procedure.MAX_REQUESTS

AFTERWARDS: Final = frozenset({"sign_recording", "refuse_signature", "note_signature", "sign_explanation"})
"""Done when the hearing is over, and only then; also by a seat that was removed from it."""

ALSO_AFTERWARDS: Final = frozenset({"reply"})
"""Done during the hearing and after it: who was cut off to its end must still be able to say why (OLR 25)."""

ANYWHERE: Final = frozenset({"consent", "set_devices", "acknowledge_notice", "reply"}) | AFTERWARDS
"""Done also by a seat that is in no room: the join page asks for consent before the waiting room."""

TARGETED: Final = frozenset({
    "verify_identity", "admit", "call", "dismiss", "remove", "mute", "unmute", "give_floor", "prompt", "warn", "excuse",
    "phone_note", "record_service", "rule", "lower_hand", "note_signature",
})  # fmt: skip
"""Commands about another seat, named in their field ``seat``."""

Guard = Callable[[Hearing, Seat, Seat, int], None]


# --- the sitting --------------------------------------------------------------------------------------------------


def _open_hearing(hearing: Hearing, _actor: Seat, _target: Seat, _at: int) -> None:
    if hearing.phase not in phases.BEFORE:
        raise refusal("already_open")
    missing = checklist.missing(hearing)
    if missing and hearing.policy.checklist == "enforce":
        raise refusal("checklist_not_met", item=missing[0], missing=len(missing))


def _before(hearing: Hearing, _actor: Seat, _target: Seat, _at: int) -> None:
    if hearing.phase not in phases.BEFORE:
        raise refusal("already_open")


def _live(hearing: Hearing, _actor: Seat, _target: Seat, _at: int) -> None:
    if hearing.phase not in phases.LIVE:
        raise refusal("not_in_session")


def _set_phase(hearing: Hearing, actor: Seat, target: Seat, at: int) -> None:
    _live(hearing, actor, target, at)
    if hearing.phase in phases.PAUSED:
        raise refusal("resume_first")


def _recess(hearing: Hearing, actor: Seat, target: Seat, at: int) -> None:
    _live(hearing, actor, target, at)
    if hearing.phase is Phase.RECESS:
        raise refusal("already_so")


def _resume(hearing: Hearing, _actor: Seat, _target: Seat, _at: int) -> None:
    if hearing.phase not in phases.PAUSED:
        raise refusal("nothing_to_resume")


# --- seats and rooms ----------------------------------------------------------------------------------------------


def _verify_identity(_hearing: Hearing, _actor: Seat, target: Seat, _at: int) -> None:
    if target.removed:
        raise refusal("removed_by_court", seat=target.id)
    if target.identity_verified:
        raise refusal("already_so")
    if not target.connected:
        raise refusal("not_connected", seat=target.id)


def _checked_in(hearing: Hearing, target: Seat) -> None:
    """What admission asks of a person (OLR 4 and 7), by the policy of the hearing."""
    if checklist.needs_identity(hearing, target) and not target.identity_verified:
        raise refusal("identity_not_verified", seat=target.id)
    if checklist.needs_consent(hearing, target) and not target.consented:
        raise refusal("consent_missing", seat=target.id)


def _admit(hearing: Hearing, _actor: Seat, target: Seat, _at: int) -> None:
    if target.removed:
        raise refusal("removed_by_court", seat=target.id)
    if target.room is not None and target.room.kind is not RoomKind.WAITING:
        raise refusal("already_there", seat=target.id)
    if target.role is Role.OBSERVER:
        raise refusal("gallery_not_open")
    if target.room is None or not target.connected:
        raise refusal("not_connected", seat=target.id)
    _checked_in(hearing, target)


def _led(hearing: Hearing, target: Seat) -> None:
    lead = rooms.principal(hearing, target)
    if lead is None:
        raise refusal("not_isolated", seat=target.id)
    if lead.id != target.id:
        raise refusal("linked_moves_with_principal", seat=target.id)


def confront(hearing: Hearing, _actor: Seat, target: Seat, _at: int) -> None:
    """What a call asks, whoever else is in court (对质)."""
    if target.removed:
        raise refusal("removed_by_court", seat=target.id)
    _led(hearing, target)
    if rooms.in_courtroom(target):
        raise refusal("already_there", seat=target.id)
    if hearing.phase not in phases.HEARD:
        raise refusal("not_in_session")
    if target.room is None or not target.connected:
        raise refusal("not_connected", seat=target.id)
    _checked_in(hearing, target)


def _call(hearing: Hearing, actor: Seat, target: Seat, at: int) -> None:
    """Witnesses are heard one by one: while one is examined the others are not in court."""
    confront(hearing, actor, target, at)
    others = (seat for seat in hearing.seats.values() if seat.role is Role.WITNESS and seat.id != target.id)
    if target.role is Role.WITNESS and any(rooms.in_courtroom(seat) for seat in others):
        raise refusal("other_witness_in_court")


def _dismiss(hearing: Hearing, _actor: Seat, target: Seat, _at: int) -> None:
    _led(hearing, target)
    if not rooms.in_courtroom(target):
        raise refusal("not_in_court", seat=target.id)


def _remove(_hearing: Hearing, _actor: Seat, target: Seat, _at: int) -> None:
    if target.role is Role.PRESIDING_JUDGE:
        raise refusal("cannot_remove_presiding")
    if target.removed:
        raise refusal("already_so")


def _mute(_hearing: Hearing, actor: Seat, target: Seat, _at: int) -> None:
    if target.role is Role.PRESIDING_JUDGE and actor.role is not Role.PRESIDING_JUDGE:
        raise refusal("cannot_mute_presiding")
    if target.room is None:
        raise refusal("not_connected", seat=target.id)
    if {Kind.MICROPHONE, Kind.CAMERA, Kind.SCREEN} <= target.muted:
        raise refusal("already_so")


def _unmute(_hearing: Hearing, _actor: Seat, target: Seat, _at: int) -> None:
    if not target.muted:
        raise refusal("already_so")


def _give_floor(hearing: Hearing, actor: Seat, target: Seat, at: int) -> None:
    _live(hearing, actor, target, at)
    if not rooms.in_courtroom(target):
        raise refusal("not_in_court", seat=target.id)
    if target.floor:
        raise refusal("already_so")


def take_floor(hearing: Hearing) -> None:
    """``give_floor`` with nobody's name."""
    if not any(seat.floor for seat in hearing.seats.values()):
        raise refusal("already_so")


# --- requests -----------------------------------------------------------------------------------------------------


def _answer_request(hearing: Hearing, _actor: Seat, _target: Seat, _at: int) -> None:
    if all(request.granted is not None for request in hearing.requests):
        raise refusal("unknown_request")


# --- everybody ----------------------------------------------------------------------------------------------------


def _raise_hand(_hearing: Hearing, actor: Seat, _target: Seat, _at: int) -> None:
    if not rooms.in_court(actor):
        raise refusal("not_in_court", seat=actor.id)
    if actor.hand_raised_at:
        raise refusal("already_so")


def _lower_hand(_hearing: Hearing, actor: Seat, target: Seat, _at: int) -> None:
    if target.id != actor.id and actor.role not in roles.LOWER_OTHERS:
        raise refusal("not_allowed")
    if not target.hand_raised_at:
        raise refusal("already_so")


def _request(hearing: Hearing, actor: Seat, _target: Seat, _at: int) -> None:
    own = [request for request in hearing.requests if request.seat == actor.id]
    if len(own) >= MAX_REQUESTS or sum(request.granted is None for request in own) >= MAX_OPEN_REQUESTS:
        raise refusal("too_many_requests")


def _present(hearing: Hearing, actor: Seat, _target: Seat, _at: int) -> None:
    if not rooms.in_courtroom(actor):
        raise refusal("not_in_court", seat=actor.id)
    if hearing.phase not in phases.SESSION:
        raise refusal("not_in_session")
    if hearing.presenting not in ("", actor.id) and actor.role not in roles.STOP_OTHERS:
        raise refusal("stage_taken")
    if actor.role not in roles.PRESENT_FREELY and not actor.floor and not _evidence_granted(hearing, actor):
        raise refusal("floor_required")


def _evidence_granted(hearing: Hearing, actor: Seat) -> bool:
    return any(r.seat == actor.id and r.kind == "evidence" and r.granted for r in hearing.requests)


def _stop_presenting(hearing: Hearing, actor: Seat, _target: Seat, _at: int) -> None:
    if not rooms.in_court(actor):
        raise refusal("not_in_court", seat=actor.id)
    if not hearing.presenting:
        raise refusal("already_so")
    if hearing.presenting != actor.id and actor.role not in roles.STOP_OTHERS:
        raise refusal("not_allowed")


def _free(_hearing: Hearing, _actor: Seat, _target: Seat, _at: int) -> None:
    """Nothing beyond the role table and being here."""


GUARDS: Final[Mapping[str, Guard]] = {
    "open_hearing": _open_hearing,
    "close_hearing": _live,
    "set_phase": _set_phase,
    "recess": _recess,
    "resume": _resume,
    "move_offline": _free,
    "waive_check": _before,
    "verify_identity": _verify_identity,
    "admit": _admit,
    "call": _call,
    "dismiss": _dismiss,
    "remove": _remove,
    "mute": _mute,
    "unmute": _unmute,
    "give_floor": _give_floor,
    "prompt": procedure.may_prompt,
    "warn": procedure.may_warn,
    "excuse": procedure.may_excuse,
    "rule": procedure.may_rule,
    "phone_note": deliveries.may_note_phone,
    "record_service": service.may_record,
    "acknowledge_notice": deliveries.may_acknowledge,
    "reply": statements.may_reply,
    "ask_leave": procedure.may_ask_leave,
    "answer_request": _answer_request,
    "raise_hand": _raise_hand,
    "lower_hand": _lower_hand,
    "request": _request,
    "present": _present,
    "stop_presenting": _stop_presenting,
    "leave": _free,
    "consent": _free,
    "set_devices": _free,
    "propose_interruption": interruptions.may_propose,
    "confirm_interruption": interruptions.may_confirm,
    "decline_interruption": interruptions.may_decline,
    "resume_recording": interruptions.may_resume,
    "sign_recording": signing.may_sign,
    "refuse_signature": signing.may_refuse,
    "note_signature": signing.may_note,
    "sign_explanation": signing.may_explain,
}


def authorize(hearing: Hearing, name: str, actor: Seat) -> None:
    """Everything that is asked before the target is looked at."""
    if hearing.phase in phases.OVER and name not in AFTERWARDS | ALSO_AFTERWARDS:
        raise refusal("hearing_closed")
    if hearing.phase not in phases.OVER and name in AFTERWARDS:
        raise refusal("not_sealed")
    if actor.removed and name not in AFTERWARDS:
        raise refusal("removed_by_court")
    if actor.role not in roles.MAY.get(name, frozenset()):
        raise refusal("not_allowed")
    if actor.room is None and name not in ANYWHERE:
        raise refusal("not_here")


def check(hearing: Hearing, name: str, actor: Seat, target: Seat | None, at: int) -> None:
    """Raises ``Refused`` unless ``actor`` may do ``name`` (to ``target``, where the command has one) now."""
    authorize(hearing, name, actor)
    GUARDS[name](hearing, actor, actor if target is None else target, at)


def allowed(hearing: Hearing, name: str, actor: str, at: int, target: str = "") -> bool:
    """Whether the command would get past its guard: for one ``target``, or with '' for anybody at all. ``hearing`` as
    ``evolve.settle`` has it at ``at``: what time alone changes is part of the answer.
    """
    seat = hearing.seats.get(actor)
    if seat is None:
        return False
    if target or name not in TARGETED:
        return _passes(hearing, name, seat, hearing.seats.get(target) if target else seat, at)
    try:
        authorize(hearing, name, seat)
    except Refused:
        return False
    if name == "give_floor" and any(other.floor for other in hearing.seats.values()):
        return True
    return any(_passes(hearing, name, seat, other, at) for other in hearing.seats.values())


def _passes(hearing: Hearing, name: str, actor: Seat, target: Seat | None, at: int) -> bool:
    if target is None:
        return False
    try:
        check(hearing, name, actor, target, at)
    except Refused:
        return False
    return True
