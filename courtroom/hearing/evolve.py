"""From one state of the hearing to the next: total, pure, and the only maker of ``Hearing``.

Rules
* Total over what ``decide`` makes: nothing is refused here. Events about a seat that does not exist change nothing but
  ``seq`` and ``at``. Words outside the closed sets of ``model`` can only come from a forged ledger and raise
  ``ValueError``, which ``ledger.apply`` answers for.
* Who leaves the courtroom gives back the floor, the stage and a raised hand in the same step.
* A presence timeline begins with check-in and ends with the hearing; spells touch without gap or overlap, equal
  neighbours are one spell, every spell names the entry (``seq``) that began it.
* A permission to leave (准许暂离) runs out by the clock alone: ``settle`` is applied before each event and each look.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from courtroom.hearing import deliveries, phases, presence, procedure, service
from courtroom.hearing import events as e
from courtroom.hearing.model import (
    Attribution,
    Cause,
    Device,
    Hearing,
    Interruption,
    Kind,
    OnFile,
    Phase,
    Presence,
    Proposal,
    Request,
    Room,
    RoomKind,
    Seal,
    Seat,
    SeatPlan,
    ServiceFact,
    Signature,
    Spell,
)

Row = dict[str, str | int]

_PRESENCE_IN: Final = {
    RoomKind.WAITING: Presence.WAITING,
    RoomKind.COURTROOM: Presence.PRESENT,
    RoomKind.WITNESS_ROOM: Presence.WAITING,  # at the court, not in it: present begins at the call
    RoomKind.DELIBERATION: Presence.PRESENT,
}

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
            hearing = _with(hearing, _lapse(seat, seq or hearing.seq))
    return hearing


def _lapse(seat: Seat, seq: int) -> Seat:
    """The permission has run out: what the seat is without it, from that moment on."""
    lapsed = replace(seat, excused_until=0)
    if not seat.timeline:
        return lapsed
    last = seat.timeline[-1]
    ended = max(seat.excused_until, last.since)
    if seat.connected:
        return _spell(lapsed, _state_here(seat) or Presence.WAITING, ended, seq)
    cause = last.cause or Cause.UNKNOWN
    return _spell(lapsed, _state_gone(cause), ended, seq, cause, last.evidence)


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
        case e.RecordingStarted():
            return replace(hearing, take=event.take)
        case e.RecordingInterrupted():
            return _interrupted(hearing, event, at)
        case e.RecordingResumed():
            return replace(hearing, interruptions=_close_gaps(hearing.interruptions, at, fault=False))
        case e.RecordingEnded():
            ended = _close_gaps(_close_gaps(hearing.interruptions, at, fault=False), at, fault=True)
            return replace(hearing, take="", interruptions=ended)
        case e.CaptureNoted():
            return _capture(hearing, event, at)
        case e.ArchiveNoted(what="hold" | "hold_lifted"):
            return replace(hearing, held=_held(hearing.held, event))
        case e.ArchiveNoted(what="sealed") if hearing.seal is None:
            return replace(hearing, seal=_seal(event, at, seq))
        case e.ChecklistRecorded() | e.ArchiveNoted() | e.Ruled() | e.JournalNoted() | e.SpeechNoted():
            return hearing  # the ledger is where these live
        case e.SeatMoved():
            return _moved(hearing, event, at, seq)
        case e.InterruptionProposed() | e.InterruptionConfirmed() | e.InterruptionDropped():
            return _two_people(hearing, event, at)
        case e.RecordingSigned() | e.SignatureWithheld() | e.ExplanationSigned():
            return _signed(hearing, event, at, seq)
    seat = hearing.seats.get(getattr(event, "seat", ""))
    return hearing if seat is None else _with(hearing, _seat(seat, event, at, seq))


def _seat(seat: Seat, event: e.Event, at: int, seq: int) -> Seat:
    """Events that change one seat and nothing else."""
    match event:
        case e.SeatConnected():
            seat = deliveries.ended(seat, at)
            seat = replace(seat, connected=True, connection=event.connection, excused_until=0)
            state = _state_here(seat)
            return seat if state is None else _spell(seat, state, at, seq)
        case e.SeatDisconnected():
            return _lost(replace(seat, connected=False, connection=""), event, at, seq)
        case e.CauseAttributed():
            return _attributed(seat, event, at, seq)
        case e.IdentityVerified():
            return replace(seat, identity_verified=True)
        case e.ConsentGiven():
            return _expected(replace(seat, consented=event.agreed, refused_online=not event.agreed), at, seq)
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
            return _expected(procedure.evolved(seat, event, at, seq), at, seq)
        case e.Excused():
            last = seat.timeline[-1] if seat.timeline else Spell(Presence.ABSENT, at)
            excused = replace(deliveries.ended(seat, at), excused_until=event.until)
            if seat.connected:
                return _spell(excused, Presence.EXCUSED, at, seq)
            return _spell(excused, Presence.EXCUSED, at, seq, last.cause, last.evidence)
    return procedure.evolved(seat, event, at, seq)


def _answered(hearing: Hearing, event: e.RequestAnswered, at: int, seq: int) -> Hearing:
    answered = tuple(replace(r, granted=event.granted) if r.id == event.id else r for r in hearing.requests)
    for one in answered:
        seat = hearing.seats.get(one.seat)
        if one.id == event.id and one.kind == "offline" and event.granted and seat is not None:
            seat = service.filed(seat, ServiceFact.OFFLINE_AGREED, True, at, seq)
            hearing = _with(hearing, _expected(seat, at, seq))
    return replace(hearing, requests=answered)


def _expected(seat: Seat, at: int, seq: int) -> Seat:
    """Online or in person: whoever is expected in person and not here is not absent, and no procedure runs on it."""
    state = presence.state(seat)
    if seat.offline and not seat.connected:
        seat = deliveries.ended(seat, at)
    if not seat.timeline or seat.timeline[-1].until:
        return seat
    if seat.offline and state is Presence.ABSENT:
        return _spell(seat, Presence.OFFLINE_SEAT, at, seq)
    if not seat.offline and state is Presence.OFFLINE_SEAT:
        return _spell(seat, Presence.ABSENT, at, seq)
    return seat


# --- phases and recording -----------------------------------------------------------------------------------------


def _phase(hearing: Hearing, event: e.PhaseChanged, at: int, seq: int) -> Hearing:
    phase = Phase(event.phase)
    changed = replace(
        hearing, phase=phase, resumes_to=phases.resumes_to(hearing, phase), phase_reason=event.reason, phase_since=at
    )  # fmt: skip
    if phase is Phase.CHECK_IN:
        begun = {
            id_: _spell(seat, Presence.OFFLINE_SEAT if seat.offline else Presence.ABSENT, at, seq)
            for id_, seat in changed.seats.items()
        }
        return replace(changed, seats=begun)
    if phase is Phase.OPEN and not changed.opened_at:
        return replace(changed, opened_at=at)
    if phase in phases.OVER:
        ended = {id_: replace(seat, timeline=_end(seat.timeline, at)) for id_, seat in changed.seats.items()}
        return replace(changed, seats=ended, closed_at=at, presenting="", exhibit="")
    return changed


def _close_gaps(gaps: tuple[Interruption, ...], at: int, *, fault: bool) -> tuple[Interruption, ...]:
    return tuple(
        replace(gap, until=at) if gap.until == 0 and (gap.reason == phases.FAULT) is fault else gap for gap in gaps
    )


def _two_people(
    hearing: Hearing, event: e.InterruptionProposed | e.InterruptionConfirmed | e.InterruptionDropped, at: int
) -> Hearing:
    """A proposal comes and goes; confirmed, the interruption begins and ``RecordingInterrupted`` finds it begun."""
    match event:
        case e.InterruptionProposed():
            return replace(hearing, proposal=Proposal(event.id, event.ground, event.proposer, at, event.until))
        case e.InterruptionConfirmed():
            begun = Interruption(event.ground, at, by=(event.proposer, event.confirmer))
            gaps = _close_gaps(hearing.interruptions, at, fault=False)
            return replace(hearing, proposal=None, interruptions=(*gaps, begun))
        case e.InterruptionDropped():
            return replace(hearing, proposal=None)


def _interrupted(hearing: Hearing, event: e.RecordingInterrupted, at: int) -> Hearing:
    if any(gap.until == 0 and gap.reason == event.reason for gap in hearing.interruptions):
        return hearing
    gaps = _close_gaps(hearing.interruptions, at, fault=False)
    return replace(hearing, interruptions=(*gaps, Interruption(event.reason, at)))


def _held(held: tuple[tuple[str, int], ...], event: e.ArchiveNoted) -> tuple[tuple[str, int], ...]:
    """The holds that were ordered and not lifted; who and why is read from the ledger (``holds``)."""
    name, until = str(event.detail.get("id", "")), event.detail.get("until", 0)
    others = tuple(one for one in held if one[0] != name)
    return (*others, (name, until if isinstance(until, int) else 0)) if event.what == "hold" else others


def _seal(event: e.ArchiveNoted, at: int, seq: int) -> Seal:
    """Of a seal from before sheets were noted only the root is known; nothing can be signed under it."""
    root, sheet, faults = (event.detail.get(name) for name in ("root", "sheet", "faults"))
    return Seal(str(root or ""), str(sheet or ""), faults if isinstance(faults, int) else 0, at, seq)


def _signed(
    hearing: Hearing, event: e.RecordingSigned | e.SignatureWithheld | e.ExplanationSigned, at: int, seq: int
) -> Hearing:
    match event:
        case e.RecordingSigned():
            answer = Signature(event.seat, "signed", event.seat, at, seq, stroke=event.stroke)
        case e.SignatureWithheld():
            answer = Signature(event.seat, event.outcome, event.recorded_by, at, seq, event.reason)
        case e.ExplanationSigned():
            return replace(hearing, explanation=event.digest)
    return replace(hearing, signatures=(*hearing.signatures, answer))


def _capture(hearing: Hearing, event: e.CaptureNoted, at: int) -> Hearing:
    gaps = hearing.interruptions
    match event.what:
        case "defect" if not any(gap.reason == phases.FAULT and gap.until == 0 for gap in gaps):
            return replace(hearing, interruptions=(*gaps, Interruption(phases.FAULT, at)))
        case "resumed":
            return replace(hearing, interruptions=_close_gaps(gaps, at, fault=True))
        case "gap":
            since, until = event.detail.get("from_at"), event.detail.get("to_at")
            if isinstance(since, int) and isinstance(until, int) and 0 < since <= until:
                return replace(hearing, interruptions=(*gaps, Interruption(phases.FAULT, since, until)))
    return hearing


# --- rooms and presence -------------------------------------------------------------------------------------------


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
            seat = _spell(seat, Presence.REMOVED, at, seq, Cause.REMOVED_BY_COURT)
        case "left":
            seat = replace(seat, excused_until=0)
        case "closed":
            seat = replace(seat, connected=False, connection="", excused_until=0, timeline=_end(seat.timeline, at))
        case _ if seat.connected and room is not None and not seat.excused_until:
            seat = _spell(seat, _PRESENCE_IN[room.kind], at, seq)
    return _with(hearing, seat)


def _state_here(seat: Seat) -> Presence | None:
    """What a seat's room and connection make of it; ``None`` when it is in no room."""
    if seat.room is None:
        return None
    return _PRESENCE_IN[seat.room.kind] if seat.connected else Presence.INTERRUPTED


def _lost(seat: Seat, event: e.SeatDisconnected, at: int, seq: int) -> Seat:
    cause = Cause(event.cause)
    if seat.excused_until > at and seat.timeline:
        last = seat.timeline[-1]  # away with leave: the loss is a fact in that spell and begins no other
        known = (*last.attributions, Attribution(cause, at, seq))
        lost = replace(last, cause=cause, evidence=_cited(event.evidence, seq), attributions=known)
        return replace(seat, timeline=(*seat.timeline[:-1], lost))
    return _spell(seat, _state_gone(cause), at, seq, cause, _cited(event.evidence, seq))


def _cited(evidence: tuple[Row, ...], seq: int) -> tuple[Row, ...]:
    """Each row with the entry that holds it."""
    return tuple({**row, "seq": seq} for row in evidence)


def _state_gone(cause: Cause) -> Presence:
    return Presence.LEFT if cause is Cause.LEFT_DELIBERATELY else Presence.INTERRUPTED


def _attributed(seat: Seat, event: e.CauseAttributed, at: int, seq: int) -> Seat:
    cause, evidence, began = Cause(event.cause), event.evidence, event.spell
    for index in range(len(seat.timeline) - 1, -1, -1):
        spell = seat.timeline[index]
        if spell.cause is None or spell.state is Presence.REMOVED or (began and spell.seq != began):
            continue
        state = spell.state if spell.state is Presence.EXCUSED else _state_gone(cause)
        rows = presence.weighed((*spell.evidence, *_cited(evidence, seq)), cause)
        known = (*spell.attributions, Attribution(cause, at, seq))
        changed = replace(spell, state=state, cause=cause, evidence=rows, attributions=known)
        return replace(seat, timeline=(*seat.timeline[:index], changed, *seat.timeline[index + 1 :]))
    return seat


def _spell(
    seat: Seat,
    state: Presence,
    at: int,
    seq: int,
    cause: Cause | None = None,
    evidence: tuple[dict[str, str | int], ...] = (),
) -> Seat:
    """Begins a spell, unless the seat is in just that state already or its timeline has not begun."""
    last = seat.timeline[-1] if seat.timeline else None
    if last is not None and last.until == 0 and (last.state, last.cause) == (state, cause) and not evidence:
        return seat
    first = (Attribution(cause, at, seq),) if cause is not None else ()
    begun = Spell(state, at, 0, cause, evidence, seq, first)
    return replace(seat, timeline=(*_end(seat.timeline, at), begun))


def _end(timeline: tuple[Spell, ...], at: int) -> tuple[Spell, ...]:
    """Ends the running spell; one without length and without a cause has said nothing and goes."""
    if not timeline or timeline[-1].until:
        return timeline
    last = timeline[-1]
    if last.since == at and last.cause is None:
        return timeline[:-1]
    return (*timeline[:-1], replace(last, until=at))


def _with(hearing: Hearing, seat: Seat) -> Hearing:
    return replace(hearing, seats={**hearing.seats, seat.id: seat})
