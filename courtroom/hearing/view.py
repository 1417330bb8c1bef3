"""What one seat's screen may know, whole: the shape of web/PROTOCOL.md section 4.

Rules
* Nothing is in a view that ``access.may_know`` does not allow, in any field: no id, no name, no count, no cause.
* An isolated seat gets its own seat, the name of the court, its own requests and notices meant for it; nothing else.
  Whatever happens to others does not change one byte of its view, not even the ledger number (``Seat.seq``).
* ``may`` and ``may_seat`` come from the very guards that ``decide`` asks, so a button and an answer cannot disagree.
* Names come from outside (they are erasable) and are looked up only for seats that may be known.
* The media plane fills in what only it knows: routes, rooms, ICE servers, speaking, connection quality, archive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from courtroom.hearing import (
    access,
    attendance,
    checklist,
    guards,
    interruptions,
    notices,
    phases,
    presence,
    roles,
    rooms,
)
from courtroom.hearing.commands import COMMANDS
from courtroom.hearing.evolve import settle
from courtroom.hearing.model import Case, Hearing, Role, RoomKind, Seat, Spell
from courtroom.hearing.seating import seat_of

MAX_PLACES: Final = 12
MAX_REQUESTS: Final = 200

Row = dict[str, Any]


def view(hearing: Hearing, seat_id: str, names: Mapping[str, str], at: int) -> Row:
    """The view of ``seat_id`` at ``at`` (µs); ``Refused("unknown_seat")`` for a stranger."""
    hearing = settle(hearing, at)
    seat = seat_of(hearing, seat_id)
    outside = rooms.cut_off(hearing, seat) or seat.role is Role.OBSERVER
    inside = not outside and rooms.in_court(seat)
    desk = access.at_desk(hearing, seat)
    return {
        "seq": seat.seq if outside else hearing.seq,
        "hearing": hearing.id,
        "seat": _own(hearing, seat, names),
        "room": None if seat.room is None else seat.room.kind.value,
        "isolated": rooms.cut_off(hearing, seat),
        "phase": None if outside else hearing.phase.value,
        "case": {"court": hearing.case.court} if outside else _case(hearing.case),
        "scheduled_at": hearing.scheduled_at,
        "unchecked": hearing.policy.unchecked,
        "roster": _roster(hearing, seat, names),
        "speaking": [],
        "media": _media(hearing, seat),
        "may": {name: guards.allowed(hearing, name, seat.id, at) for name in COMMANDS},
        "may_seat": _may_seat(hearing, seat, at) if desk else {},
        "checklist": _checklist(hearing) if desk else [],
        "requests": _requests(hearing, seat, desk=desk),
        "presenting": _presenting(hearing, seat) if inside else None,
        "notices": notices.notices(hearing, seat, names, desk=desk),
        "recording": _recording(hearing) if inside or desk else {"state": "off", "reason": None, "since": 0},
        "interruption": interruptions.shown(hearing, names, at) if desk else None,
        "attendance": [attendance.row(hearing, seat, other, at) for other in _in_order(hearing)] if desk else [],
        "clock": {"court": at},
    }


def presence_report(hearing: Hearing, names: Mapping[str, str], at: int) -> Row:
    """For staff: every seat's timeline with causes and evidence, as it stands at ``at``."""
    hearing = settle(hearing, at)
    return {
        "hearing": hearing.id,
        "at": at,
        "seats": [
            {
                "seat": seat.id,
                "role": seat.role.value,
                "name": names.get(seat.id, ""),
                "required": seat.plan.required,
                "connected": seat.connected,
                "presence": presence.state(seat).value,
                "timeline": [attendance.spell_row(spell, detailed=True) for spell in seat.timeline],
                "offline": seat.offline,
                "prompts": list(seat.prompts),
                "warnings": list(seat.warnings),
                "notices": [attendance.notice_row(one) for one in seat.notices],
                "statements": [attendance.statement_row(one) for one in seat.statements],
            }
            for seat in _in_order(hearing)
        ],
    }


def _in_order(hearing: Hearing) -> list[Seat]:
    """By role, then as the seats were ordered."""
    return sorted(hearing.seats.values(), key=lambda seat: roles.ORDER[seat.role])


def _case(case: Case) -> Row:
    return {
        "number": case.number, "court": case.court, "cause": case.cause, "procedure": case.procedure,
        "public": case.public,
    }  # fmt: skip


def _link(hearing: Hearing, viewer: Seat, seat: Seat) -> str:
    """The seat this one is linked to, if the viewer may know of it."""
    linked = seat.plan.linked_to
    return linked if linked and access.may_know(hearing, viewer.id, linked) else ""


def _own(hearing: Hearing, seat: Seat, names: Mapping[str, str]) -> Row:
    return {
        "id": seat.id,
        "role": seat.role.value,
        "name": names.get(seat.id, ""),
        "side": seat.plan.side.value,
        "linked_to": _link(hearing, seat, seat),
    }


def _roster(hearing: Hearing, viewer: Seat, names: Mapping[str, str]) -> list[Row]:
    desk = access.at_desk(hearing, viewer)
    return [
        _person(hearing, viewer, seat, names, full=desk or seat.id == viewer.id)
        for seat in _in_order(hearing)
        if access.may_know(hearing, viewer.id, seat.id)
    ]


def _person(hearing: Hearing, viewer: Seat, seat: Seat, names: Mapping[str, str], *, full: bool) -> Row:
    """One nameplate. Causes and checks of other people are for the bench and the clerk alone."""
    spell = seat.timeline[-1] if seat.timeline else Spell(presence.state(seat), 0)
    cause = None if spell.cause is None else spell.cause.value
    ours = not seat.connected and cause == "platform_failure"
    return {
        "seat": seat.id,
        "role": seat.role.value,
        "name": names.get(seat.id, ""),
        "side": seat.plan.side.value,
        "linked_to": _link(hearing, viewer, seat),
        "room": None if seat.room is None else seat.room.kind.value,
        "presence": spell.state.value,
        "since": spell.since,
        "cause": cause if full else None,
        "connected": seat.connected,
        "connection": "good" if seat.connected else "platform" if ours else "lost",
        "microphone": seat.microphone.value,
        "camera": seat.camera.value,
        "muted": sorted(kind.value for kind in seat.muted if kind.value != "screen_sound"),
        "floor": seat.floor,
        "hand": seat.hand_raised_at,
        "excused_until": seat.excused_until,
        "required": seat.plan.required,
        "identity_verified": seat.identity_verified if full else None,
        "consented": seat.consented if full else None,
    }


def _media(hearing: Hearing, seat: Seat) -> Row | None:
    if seat.room is None or access.media_room(hearing, seat.id) is None:
        return None
    if seat.room.kind is RoomKind.WAITING:
        return {"publish": ["microphone", "camera"], "places": 0, "routes": []}
    others = sum(other.role is not Role.OBSERVER for other in hearing.seats.values())
    return {
        "publish": ["microphone", "camera", "screen"],
        "places": min(MAX_PLACES, others),  # the others, and one more for a screen
        "routes": [],
    }


def _may_seat(hearing: Hearing, actor: Seat, at: int) -> dict[str, list[str]]:
    """By seat, what this desk may do to it now."""
    mine = [name for name in COMMANDS if name in guards.TARGETED and actor.role in roles.MAY[name]]
    found = {
        target: [name for name in mine if guards.allowed(hearing, name, actor.id, at, target)]
        for target in hearing.seats
    }
    return {target: names for target, names in found.items() if names}


def _checklist(hearing: Hearing) -> list[Row]:
    if hearing.phase not in phases.BEFORE:
        return []
    return [
        {"item": line.item, "met": line.met, "waived": line.waived, "seat": line.seat or None}
        for line in checklist.items(hearing)
    ]


def _requests(hearing: Hearing, seat: Seat, *, desk: bool) -> list[Row]:
    """All open ones and the newest answered ones: of everybody for the desk, one's own otherwise."""
    mine = [request for request in hearing.requests if desk or request.seat == seat.id]
    answered = [request.id for request in mine if request.granted is not None]
    old = set(answered[:-MAX_REQUESTS])
    return [
        {
            "id": request.id, "seat": request.seat, "kind": request.kind, "text": request.text, "at": request.at,
            "granted": request.granted,
        }
        for request in mine
        if request.id not in old
    ]  # fmt: skip


def _presenting(hearing: Hearing, viewer: Seat) -> Row | None:
    if not hearing.presenting or not access.may_know(hearing, viewer.id, hearing.presenting):
        return None
    return {"seat": hearing.presenting, "exhibit": hearing.exhibit}


def _recording(hearing: Hearing) -> Row:
    """What the ledger says of the recording; whether bytes are on disk only the media plane knows."""
    running = [gap for gap in hearing.interruptions if gap.until == 0]
    if not hearing.take:
        return {"state": "off", "reason": None, "since": 0}
    for gap in sorted(running, key=lambda gap: gap.reason == phases.FAULT):
        state = "fault" if gap.reason == phases.FAULT else "interrupted"
        return {"state": state, "reason": gap.reason, "since": gap.since}
    ended = [gap.until for gap in hearing.interruptions]
    return {"state": "on", "reason": None, "since": max([hearing.opened_at, *ended])}
