"""From one state of the hearing to the next: total, pure, and the only maker of ``Hearing``.

Rules
* Total over what ``decide`` makes: nothing is refused here. Events about a seat that does not exist change nothing but
  ``seq`` and ``at``. Words outside the closed sets of ``model`` can only come from a forged ledger and raise
  ``ValueError``, which ``ledger.apply`` answers for.
* One dispatch by subject: the recording (``record``), the sitting and its rooms (here), one seat (its timeline in
  ``spells``, the procedure on an absence in ``procedure``).
* Who leaves the courtroom gives back the floor, the stage and a raised hand in the same step.
* A permission to leave (准许暂离) runs out by the clock alone: ``settle`` is applied before each event and each look.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from courtroom.hearing import deliveries, phases, procedure, record, service, spells
from courtroom.hearing import events as e
from courtroom.hearing.model import (
    Cause,
    Device,
    Hearing,
    Kind,
    OnFile,
    Phase,
    Presence,
    Request,
    Room,
    RoomKind,
    Seat,
    SeatPlan,
    ServiceFact,
)

MUTES: Final = {
    "microphone": frozenset({Kind.MICROPHONE}),
    "camera": frozenset({Kind.CAMERA}),
    "screen": frozenset({Kind.SCREEN, Kind.SCREEN_SOUND}),
}
"""What a mute of one kind stops: a screen is muted together with its sound."""


def evolve(hearing: Hearing | None, event: e.Event, at: int, seq: int, hearing_id: str = "") -> Hearing:
    """The hearing after ``event``. ``HearingCreated`` starts a new one under ``hearing_id`` (the ledger's own name)."""
    match event:
        case e.HearingCreated():
            if not hearing_id:
                raise ValueError("a hearing is created under its id")
            seats = {plan.id: _planned(plan, at, seq) for plan in event.seats}
            return Hearing(
                hearing_id, event.case, event.policy, event.scheduled_at, seats, phase_since=at, seq=seq, at=at
            )  # fmt: skip
    if hearing is None:
        raise ValueError("a hearing begins with its creation")
    now = max(at, hearing.at)  # a clock that was set back does not turn a timeline around
    return _marked(replace(_step(settle(hearing, now, seq), event, now, seq), seq=seq, at=now), event)


def _planned(plan: SeatPlan, at: int, seq: int) -> Seat:
    known = [OnFile(fact, True, at, seq) for fact in plan.service]
    known += [OnFile(one.fact, one.holds, at, seq) for one in plan.claims]
    return Seat(plan, on_file=service.in_order(known))


def _marked(hearing: Hearing, event: e.Event) -> Hearing:
    """Notes at the seat an event is about that it was about it."""
    about: str = getattr(event, "seat", "")
    if isinstance(event, e.RequestAnswered):
        about = next((request.seat for request in hearing.requests if request.id == event.id), "")
    seat = hearing.seats.get(about)
    return hearing if seat is None else _with(hearing, replace(seat, seq=hearing.seq))


def settle(hearing: Hearing, at: int, seq: int = 0) -> Hearing:
    """The hearing as the clock alone has changed it: permissions to leave that have run out."""
    for seat in hearing.seats.values():
        if 0 < seat.excused_until <= at:
            hearing = _with(hearing, spells.lapsed(seat, seq or hearing.seq))
    return hearing


def _step(hearing: Hearing, event: e.Event, at: int, seq: int) -> Hearing:
    match event:
        case e.PhaseChanged():
            return _phase(hearing, event, at, seq)
        case e.CheckWaived():
            return replace(hearing, waived=hearing.waived | {event.item})
        case e.RequestMade():
            made = Request(event.id, event.seat, event.kind, event.text, at, seq=seq)
            return replace(hearing, requests=(*hearing.requests, made))
        case e.LeaveAsked():
            asked = Request(event.id, event.seat, "leave", event.reason, at, until=event.until, seq=seq)
            return replace(hearing, requests=(*hearing.requests, asked))
        case e.RequestAnswered():
            return _answered(hearing, event, at, seq)
        case e.PresentingChanged():
            return replace(hearing, presenting=event.seat, exhibit=event.exhibit)
        case e.FloorGiven():
            seats = {id_: replace(seat, floor=id_ == event.seat) for id_, seat in hearing.seats.items()}
            return replace(hearing, seats=seats)
        case e.ChecklistRecorded() | e.Ruled() | e.JournalNoted() | e.SpeechNoted():
            return hearing  # the ledger is where these live
        case e.SeatMoved():
            return _moved(hearing, event, at, seq)
    recorded = record.evolved(hearing, event, at, seq)
    if recorded is not None:
        return recorded
    seat = hearing.seats.get(getattr(event, "seat", ""))
    return hearing if seat is None else _with(hearing, _seat(seat, event, at, seq))


def _seat(seat: Seat, event: e.Event, at: int, seq: int) -> Seat:
    """Events that change one seat and nothing else."""
    match event:
        case e.SeatConnected():
            return spells.connected(seat, event.connection, at, seq)
        case e.SeatDisconnected():
            return spells.lost(seat, event, at, seq)
        case e.CauseAttributed():
            return spells.attributed(seat, event, at, seq)
        case e.IdentityVerified():
            return replace(seat, identity_verified=True)
        case e.ConsentGiven():
            return spells.expected(replace(seat, consented=event.agreed, refused_online=not event.agreed), at, seq)
        case e.SeatMuted():
            return replace(seat, muted=seat.muted | MUTES.get(event.kind, frozenset()))
        case e.SeatUnmuted():
            return replace(seat, muted=seat.muted - MUTES.get(event.kind, frozenset()))
        case e.HandRaised():
            return replace(seat, hand_raised_at=at)
        case e.HandLowered():
            return replace(seat, hand_raised_at=0)
        case e.DevicesChanged():
            camera = Device(event.camera)
            seat = replace(seat, microphone=Device(event.microphone), camera=camera)
            back = camera is Device.ON and seat.connected
            return deliveries.ended(seat, at) if back else seat
        case e.ServiceRecorded() | e.SelfTestNoted():
            return spells.expected(procedure.evolved(seat, event, at, seq), at, seq)
        case e.Excused():
            return spells.excused(seat, event.until, at, seq)
    return procedure.evolved(seat, event, at, seq)


def _answered(hearing: Hearing, event: e.RequestAnswered, at: int, seq: int) -> Hearing:
    answered = tuple(replace(r, granted=event.granted) if r.id == event.id else r for r in hearing.requests)
    for one in answered:
        seat = hearing.seats.get(one.seat)
        if one.id == event.id and one.kind == "offline" and event.granted and seat is not None:
            seat = service.filed(seat, ServiceFact.OFFLINE_AGREED, True, at, seq)
            hearing = _with(hearing, spells.expected(seat, at, seq))
    return replace(hearing, requests=answered)


def _phase(hearing: Hearing, event: e.PhaseChanged, at: int, seq: int) -> Hearing:
    phase = Phase(event.phase)
    changed = replace(
        hearing, phase=phase, resumes_to=phases.resumes_to(hearing, phase), phase_reason=event.reason, phase_since=at
    )  # fmt: skip
    if phase is Phase.CHECK_IN:
        begun = {
            id_: spells.begun(seat, Presence.OFFLINE_SEAT if seat.offline else Presence.ABSENT, at, seq)
            for id_, seat in changed.seats.items()
        }
        return replace(changed, seats=begun)
    if phase is Phase.OPEN and not changed.opened_at:
        return replace(changed, opened_at=at)
    if phase in phases.OVER:
        ended = {id_: replace(seat, timeline=spells.ended(seat.timeline, at)) for id_, seat in changed.seats.items()}
        return replace(changed, seats=ended, closed_at=at, presenting="", exhibit="")
    return changed


def _moved(hearing: Hearing, event: e.SeatMoved, at: int, seq: int) -> Hearing:
    seat = hearing.seats.get(event.seat)
    if seat is None:
        return hearing
    room = Room(RoomKind(event.room), event.owner) if event.room else None
    in_court = room is not None and room.kind in (RoomKind.COURTROOM, RoomKind.DELIBERATION)
    seat = replace(seat, room=room, admitted=room is not None and room.kind is not RoomKind.WAITING)
    if not in_court:
        seat = replace(seat, floor=False, hand_raised_at=0)
        if hearing.presenting == seat.id:
            hearing = replace(hearing, presenting="", exhibit="")
    match event.why:
        case "removed":
            seat = replace(seat, removed=True, connected=False, connection="", excused_until=0)
            seat = spells.begun(seat, Presence.REMOVED, at, seq, Cause.REMOVED_BY_COURT)
        case "left":
            seat = replace(seat, excused_until=0)
        case "closed":
            timeline = spells.ended(seat.timeline, at)
            seat = replace(seat, connected=False, connection="", excused_until=0, timeline=timeline)
        case _ if seat.connected and room is not None and not seat.excused_until:
            seat = spells.begun(seat, spells.PRESENCE_IN[room.kind], at, seq)
    return _with(hearing, seat)


def _with(hearing: Hearing, seat: Seat) -> Hearing:
    return replace(hearing, seats={**hearing.seats, seat.id: seat})
