"""Arriving, being admitted, called, dismissed, removed, leaving and being lost: who comes into which room.

Rules are in ``rooms`` (who belongs where) and ``guards`` (when). Here they become events:
* the first arrival of anybody begins check-in; the bench and the clerk come straight into court;
* an interrupted seat comes back to where it was; one that left comes back to the waiting room;
* one live connection per seat: a second login ends the first, and both are in the ledger (invariant 3);
* principal and linked seats move together, also when the principal leaves or is removed;
* the presiding judge leaving in session halts the hearing (technical hold) in the same step.
What our own processes observe is idempotent: a stale or repeated observation gives no event.
"""

from __future__ import annotations

from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing import phases, presence, returns, rooms
from courtroom.hearing.model import COURTROOM, Cause, Hearing, Phase, Role, Room, Seat
from courtroom.hearing.refusals import refusal

Events = tuple[e.Event, ...]


def seat_of(hearing: Hearing, id_: str) -> Seat:
    seat = hearing.seats.get(id_)
    if seat is None:
        raise refusal("unknown_seat")
    return seat


def moved(seat: Seat, room: Room | None, why: str, reason: str = "") -> e.SeatMoved:
    kind, owner = ("", "") if room is None else (room.kind.value, room.owner)
    return e.SeatMoved(seat=seat.id, room=kind, owner=owner, why=why, reason=reason)


def phase_event(hearing: Hearing, phase: Phase, reason: str = "") -> e.PhaseChanged:
    return e.PhaseChanged(phase=phase.value, previous=hearing.phase.value, reason=reason)


def arrive(hearing: Hearing, command: c.ObserveArrival, at: int) -> Events:
    seat = seat_of(hearing, command.seat)
    if hearing.phase in phases.OVER:
        raise refusal("hearing_closed")
    if seat.removed:
        raise refusal("removed_by_court")
    if not command.connection:
        raise refusal("bad_value", field="connection")
    if seat.connected and seat.connection == command.connection:
        return ()
    made: list[e.Event] = []
    if hearing.phase is Phase.SCHEDULED:
        made.append(phase_event(hearing, Phase.CHECK_IN))
    if seat.connected and not command.resumed:
        made.append(_gone(seat, Cause.REPLACED_BY_SECOND_LOGIN, presence.SECOND_LOGIN, at))
    made.append(e.SeatConnected(seat=seat.id, connection=command.connection, replaced=seat.connection))
    made += returns.returned(hearing, seat, at)
    if seat.room is None:
        made.append(moved(seat, rooms.arrival_room(hearing, seat), "arrived"))
    return tuple(made)


def lose(hearing: Hearing, command: c.ObserveLoss, at: int) -> Events:
    seat = seat_of(hearing, command.seat)
    if not seat.connected or seat.connection != command.connection or hearing.phase in phases.OVER:
        return ()
    rows = presence.clean(command.evidence, at)
    context = presence.context_of(hearing, seat, at)
    if context.points_at_us:
        together: presence.Row = {"fact": presence.PEERS_DROPPED_TOGETHER, "at": at, "clock": "court"}
        rows = (*rows, {**together, "seats": context.together})
    cause = presence.attribute(rows, context)
    evidence = presence.weighed(rows, cause)
    gone = e.SeatDisconnected(seat=seat.id, connection=seat.connection, cause=cause.value, evidence=evidence)
    ours = context.points_at_us and cause is Cause.PLATFORM_FAILURE
    fell = _not_alone(hearing, seat, at) if ours else ()
    return (gone, *fell, *(_depart(hearing, seat, at) if cause is Cause.LEFT_DELIBERATELY else ()))


def _not_alone(hearing: Hearing, seat: Seat, at: int) -> Events:
    """Who fell first could not be known not to be alone: what points at us now did so then."""
    row: presence.Row = {"fact": presence.PEERS_DROPPED_TOGETHER, "at": at, "clock": "court"}
    made: list[e.Event] = []
    for other in presence.fell_with(hearing, seat, at):
        spell = other.timeline[-1]
        cause = presence.attribute((*spell.evidence, row))
        if cause is not spell.cause and len(spell.evidence) < presence.MAX_ROWS:
            evidence = presence.weighed((row,), cause)
            made.append(e.CauseAttributed(seat=other.id, cause=cause.value, evidence=evidence, spell=spell.seq))
    return tuple(made)


def learn(hearing: Hearing, command: c.ObserveEvidence, at: int) -> Events:
    """Later evidence about an interruption; nothing when there was none or its page is full."""
    seat = seat_of(hearing, command.seat)
    gap = presence.gap_of(seat, command.spell)
    rows = presence.clean(command.evidence, at)
    if gap is None or not rows or len(gap.evidence) + len(rows) > presence.MAX_ROWS:
        return ()
    cause = presence.attribute((*gap.evidence, *rows))
    evidence = presence.weighed(rows, cause)
    return (e.CauseAttributed(seat=seat.id, cause=cause.value, evidence=evidence, spell=command.spell),)


def leave(hearing: Hearing, seat: Seat, at: int) -> Events:
    gone = _gone(seat, Cause.LEFT_DELIBERATELY, presence.LEAVE_CLICK, at)
    return (gone, *_depart(hearing, seat, at))


def admit(hearing: Hearing, seat: Seat) -> Events:
    return (moved(seat, rooms.admission_room(hearing, seat), "admitted"),)


def call(hearing: Hearing, seat: Seat) -> Events:
    room = rooms.witness_room(hearing, seat)
    group = (seat, *(other for other in rooms.followers(hearing, seat) if other.room == room))
    return tuple(moved(member, COURTROOM, "called") for member in group)


def dismiss(hearing: Hearing, seat: Seat) -> Events:
    back = moved(seat, rooms.witness_room(hearing, seat), "dismissed")
    return (back, *_followers_out(hearing, seat))


def remove(hearing: Hearing, seat: Seat, reason: str) -> Events:
    return (moved(seat, None, "removed", reason), *_followers_out(hearing, seat))


def everybody_out(hearing: Hearing) -> Events:
    return tuple(moved(seat, None, "closed") for seat in hearing.seats.values() if seat.room is not None)


def _gone(seat: Seat, cause: Cause, fact: str, at: int) -> e.SeatDisconnected:
    rows = presence.weighed(({"fact": fact, "at": at, "clock": "court"},), cause)
    return e.SeatDisconnected(seat=seat.id, connection=seat.connection, cause=cause.value, evidence=rows)


def _depart(hearing: Hearing, seat: Seat, at: int) -> Events:
    """What follows a leaving on purpose; with leave of the court (准许暂离) the place is kept."""
    if seat.excused_until > at:
        return ()
    out = (moved(seat, None, "left"), *_followers_out(hearing, seat))
    if seat.role is Role.PRESIDING_JUDGE and hearing.phase in phases.SESSION:
        return (*out, phase_event(hearing, Phase.TECHNICAL_HOLD, "judge_left"))
    return out


def _followers_out(hearing: Hearing, seat: Seat) -> Events:
    """Nobody stays in court whose isolation comes from a seat that is not there any more."""
    room = rooms.witness_room(hearing, seat)
    here = (other for other in rooms.followers(hearing, seat) if rooms.in_courtroom(other))
    return tuple(moved(other, room, "dismissed") for other in here)
