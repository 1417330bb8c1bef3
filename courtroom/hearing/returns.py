"""Coming back: late arrival 迟延到庭, return, return from leave; none of it is an absence.

Reference: COURT.md 6. Rule: what is noted follows from the timeline as it was before; who was never missing leaves no
note.
"""

from __future__ import annotations

from typing import Final

from courtroom.hearing import events as e
from courtroom.hearing import phases, roles
from courtroom.hearing.deliveries import current
from courtroom.hearing.model import Hearing, Presence, Role, Seat

Events = tuple[e.Event, ...]

_LATE: Final = roles.PARTIES | {Role.COUNSEL}


def returned(hearing: Hearing, seat: Seat, at: int) -> Events:
    """What is on record when ``seat``, as it was before, is connected again."""
    if seat.connected or not seat.timeline or hearing.phase in phases.OVER:
        return ()
    last = seat.timeline[-1]
    before = seat.timeline[-2].state if len(seat.timeline) > 1 else None
    if last.state is Presence.EXCUSED:
        return (e.ReturnNoted(seat=seat.id, how="from_leave" if seat.excused_until > at else "late_from_leave",
                              since=last.since),)  # fmt: skip
    if before is Presence.EXCUSED and last.state in (Presence.INTERRUPTED, Presence.LEFT):
        return (e.ReturnNoted(seat=seat.id, how="late_from_leave", since=last.since),)
    never = all(spell.state in (Presence.ABSENT, Presence.OFFLINE_SEAT) for spell in seat.timeline)
    if never and hearing.opened_at and seat.role in _LATE:
        return (e.ReturnNoted(seat=seat.id, how="late_arrival", since=max(hearing.opened_at, last.since)),)
    if current(seat):
        return (e.ReturnNoted(seat=seat.id, how="return", since=last.since),)
    return ()


def back_in_picture(seat: Seat) -> Events:
    """The camera is on again while a procedure runs on somebody who had left the picture."""
    if not seat.connected or not current(seat):
        return ()
    since = min(one.at for one in current(seat))
    return (e.ReturnNoted(seat=seat.id, how="in_picture", since=since),)
