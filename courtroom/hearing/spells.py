"""What events make of a presence timeline: spells begin, end, and learn why.

Rules
* A timeline begins with check-in and ends with the hearing; spells touch without gap or overlap, equal neighbours are
  one spell, every spell names the entry (``seq``) that began it.
* A loss while away with leave is a fact in that spell and begins no other.
* A cause that is attributed later changes what the spell says and stands beside every attribution before it.
* Whoever is expected in person and not here is not absent, and no procedure on absence runs on it.

Reference: COURT.md 6; Online Litigation Rules (2021) art. 25.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from courtroom.hearing import deliveries, presence
from courtroom.hearing import events as e
from courtroom.hearing.evidence import at_rest
from courtroom.hearing.model import Attribution, Cause, Presence, RoomKind, Seat, Spell
from courtroom.hearing.presence import Row

PRESENCE_IN: Final = {
    RoomKind.WAITING: Presence.WAITING,
    RoomKind.COURTROOM: Presence.PRESENT,
    RoomKind.WITNESS_ROOM: Presence.WAITING,  # at the court, not in it: present begins at the call
    RoomKind.DELIBERATION: Presence.PRESENT,
}


def begun(
    seat: Seat, state: Presence, at: int, seq: int, cause: Cause | None = None, evidence: Sequence[Row] = ()
) -> Seat:
    """Begins a spell, unless the one that lasts is in just that state already."""
    last = seat.timeline[-1] if seat.timeline else None
    if last is not None and last.until == 0 and (last.state, last.cause) == (state, cause) and not evidence:
        return seat
    first = (Attribution(cause, at, seq),) if cause is not None else ()
    spell = Spell(state, at, 0, cause, evidence, seq, first)
    return replace(seat, timeline=(*ended(seat.timeline, at), spell))


def ended(timeline: tuple[Spell, ...], at: int) -> tuple[Spell, ...]:
    """Ends the running spell; one without length and without a cause has said nothing and goes."""
    if not timeline or timeline[-1].until:
        return timeline
    last = timeline[-1]
    if last.since == at and last.cause is None:
        return timeline[:-1]
    return (*timeline[:-1], replace(last, until=at, evidence=at_rest(last.evidence)))


def connected(seat: Seat, connection: str, at: int, seq: int) -> Seat:
    """A connection of the seat is up: whatever it was missing for is over."""
    seat = deliveries.ended(seat, at)
    seat = replace(seat, connected=True, connection=connection, excused_until=0)
    state = _here(seat)
    return seat if state is None else begun(seat, state, at, seq)


def lost(seat: Seat, event: e.SeatDisconnected, at: int, seq: int) -> Seat:
    cause = Cause(event.cause)
    seat = replace(seat, connected=False, connection="")
    if seat.excused_until > at and seat.timeline:
        last = seat.timeline[-1]
        known = (*last.attributions, Attribution(cause, at, seq))
        away = replace(last, cause=cause, evidence=_cited(event.evidence, seq), attributions=known)
        return replace(seat, timeline=(*seat.timeline[:-1], away))
    return begun(seat, _gone(cause), at, seq, cause, _cited(event.evidence, seq))


def attributed(seat: Seat, event: e.CauseAttributed, at: int, seq: int) -> Seat:
    cause, evidence, began = Cause(event.cause), event.evidence, event.spell
    for index in range(len(seat.timeline) - 1, -1, -1):
        spell = seat.timeline[index]
        if spell.cause is None or spell.state is Presence.REMOVED or (began and spell.seq != began):
            continue
        state = spell.state if spell.state is Presence.EXCUSED else _gone(cause)
        rows = presence.weighed((*spell.evidence, *_cited(evidence, seq)), cause)
        known = (*spell.attributions, Attribution(cause, at, seq))
        said = at_rest(rows) if spell.until else rows
        changed = replace(spell, state=state, cause=cause, evidence=said, attributions=known)
        return replace(seat, timeline=(*seat.timeline[:index], changed, *seat.timeline[index + 1 :]))
    return seat


def excused(seat: Seat, until: int, at: int, seq: int) -> Seat:
    """A permission to leave begins, here or from afar; what was known of the absence stays known."""
    last = seat.timeline[-1] if seat.timeline else Spell(Presence.ABSENT, at)
    away = replace(deliveries.ended(seat, at), excused_until=until)
    if seat.connected:
        return begun(away, Presence.EXCUSED, at, seq)
    return begun(away, Presence.EXCUSED, at, seq, last.cause, last.evidence)


def lapsed(seat: Seat, seq: int) -> Seat:
    """The permission has run out: what the seat is without it, from that moment on."""
    without = replace(seat, excused_until=0)
    if not seat.timeline:
        return without
    last = seat.timeline[-1]
    at = max(seat.excused_until, last.since)
    if seat.connected:
        return begun(without, _here(seat) or Presence.WAITING, at, seq)
    cause = last.cause or Cause.UNKNOWN
    return begun(without, _gone(cause), at, seq, cause, last.evidence)


def expected(seat: Seat, at: int, seq: int) -> Seat:
    """Online or in person, as the seat's file now says."""
    state = presence.state(seat)
    if seat.offline and not seat.connected:
        seat = deliveries.ended(seat, at)
    if not seat.timeline or seat.timeline[-1].until:
        return seat
    if seat.offline and state is Presence.ABSENT:
        return begun(seat, Presence.OFFLINE_SEAT, at, seq)
    if not seat.offline and state is Presence.OFFLINE_SEAT:
        return begun(seat, Presence.ABSENT, at, seq)
    return seat


def _here(seat: Seat) -> Presence | None:
    """What a seat's room and connection make of it; ``None`` when it is in no room."""
    if seat.room is None:
        return None
    return PRESENCE_IN[seat.room.kind] if seat.connected else Presence.INTERRUPTED


def _gone(cause: Cause) -> Presence:
    return Presence.LEFT if cause is Cause.LEFT_DELIBERATELY else Presence.INTERRUPTED


def _cited(evidence: tuple[Row, ...], seq: int) -> tuple[Row, ...]:
    """Each row with the entry that holds it."""
    return tuple({**row, "seq": seq} for row in evidence)
