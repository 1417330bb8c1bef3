"""Who belongs where: isolation and the groups that move together (COURT.md 2 and 5, OLR 26).

Rules
* An isolated seat is one of an isolated role, or one linked (over any number of links) to such a seat: its *principal*.
* Principal and linked seats share one witness room, owned by the principal, and enter and leave the courtroom together;
  without its principal in court, no linked seat is in court.
* The bench and the clerk need nobody's admission: they arrive in the courtroom (in the deliberation room when the bench
  is deliberating). Everybody else arrives alone in a waiting room.
"""

from __future__ import annotations

from typing import Final

from courtroom.hearing.model import COURTROOM, DELIBERATION, Hearing, Phase, Role, Room, RoomKind, Seat
from courtroom.hearing.roles import BENCH, ISOLATED, STAFF

COURT: Final = frozenset({RoomKind.COURTROOM, RoomKind.DELIBERATION})


def principal(hearing: Hearing, seat: Seat) -> Seat | None:
    """The isolated seat that this seat's isolation comes from (maybe itself); ``None`` if it is not isolated."""
    seen: set[str] = set()
    here: Seat | None = seat
    while here is not None and here.id not in seen:
        if here.role in ISOLATED:
            return here
        if here.role in STAFF:
            return None
        seen.add(here.id)
        here = hearing.seats.get(here.plan.linked_to)
    return None


def must_be_isolated(hearing: Hearing, seat: Seat) -> bool:
    return principal(hearing, seat) is not None


def in_courtroom(seat: Seat) -> bool:
    return seat.room == COURTROOM


def in_court(seat: Seat) -> bool:
    """In the courtroom, or with the bench in deliberation."""
    return seat.room is not None and seat.room.kind in COURT


def cut_off(hearing: Hearing, seat: Seat) -> bool:
    """Isolated here and now: may know nothing of the hearing."""
    return must_be_isolated(hearing, seat) and not in_courtroom(seat)


def followers(hearing: Hearing, seat: Seat) -> tuple[Seat, ...]:
    """Seats whose principal is ``seat``, without itself."""
    return tuple(
        other
        for other in hearing.seats.values()
        if other.id != seat.id and (lead := principal(hearing, other)) is not None and lead.id == seat.id
    )


def witness_room(hearing: Hearing, seat: Seat) -> Room:
    """The witness room of an isolated seat."""
    lead = principal(hearing, seat)
    return Room(RoomKind.WITNESS_ROOM, seat.id if lead is None else lead.id)


def arrival_room(hearing: Hearing, seat: Seat) -> Room:
    """Where a seat that is nowhere comes in."""
    if seat.role not in STAFF:
        return Room(RoomKind.WAITING, seat.id)
    deliberating = Phase.DELIBERATION in (hearing.phase, hearing.resumes_to)
    return DELIBERATION if deliberating and seat.role in BENCH else COURTROOM


def admission_room(hearing: Hearing, seat: Seat) -> Room:
    """Where ``Admit`` leads: the courtroom, or for the isolated the place where their principal is (or would be)."""
    lead = principal(hearing, seat)
    if lead is None or (lead.id != seat.id and in_courtroom(lead)):
        return COURTROOM
    return witness_room(hearing, seat)


def presiding_judge(hearing: Hearing) -> Seat | None:
    for seat in hearing.seats.values():
        if seat.role is Role.PRESIDING_JUDGE:
            return seat
    return None
