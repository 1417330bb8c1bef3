"""What follows from a command: events, or ``Refused`` with a code; nothing else and nothing in between.

Rules
* Pure: the hearing, the command, the court's clock (µs) and a source of fresh ids come in as values.
* Observations are believed from ``system`` only, commands from a seat of this hearing only.
* Order: are the values what they claim to be · authority · the target · the guard (``guards``) · what follows.
* A command without effect is refused (``already_there``, ``already_so``); such an observation gives no events.
* ``CODES`` (``refusals``) is every code that can come out of here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from courtroom.hearing import (
    checklist,
    guards,
    interruptions,
    phases,
    procedure,
    returns,
    roles,
    rooms,
    seating,
    signing,
    sitting,
    values,
)
from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing.evolve import MUTES, settle
from courtroom.hearing.model import Device, Hearing, Phase, Seat
from courtroom.hearing.refusals import CODES, refusal
from courtroom.hearing.seating import Events

__all__ = ["CODES", "decide"]

Ids = Callable[[], str]

CAPTURE_FACTS: Final = frozenset(
    {"sealed", "defect", "gap", "resumed", "alarm", "mended", "copied", "copy_failed", "isolation"}
)
JOURNAL_FACTS: Final = frozenset({"kept", "restarted", "rewritten", "missing", "stepped"})
ARCHIVE_FACTS: Final = frozenset(
    {
        "composed",
        "sealed",
        "failed",
        "read",
        "copied",
        "copy_issued",
        "copy_made",
        "copy_read",
        "hold",
        "hold_lifted",
        "retention",
    }
)


def decide(hearing: Hearing, command: c.Command, at: int, ids: Ids) -> Events:
    """The events of ``command`` at ``at``; ``ids`` gives a fresh id at each call."""
    values.well_formed(command)
    hearing = settle(hearing, at)
    if isinstance(command, c.OBSERVATIONS):
        if command.actor != c.COURT_SYSTEM:
            raise refusal("not_allowed")
        return _observed(hearing, command, at)
    name = c.wire_name(type(command))
    if name not in guards.GUARDS:
        raise refusal("unknown_command")
    actor = hearing.seats.get(command.actor)
    if actor is None:
        raise refusal("not_a_seat")
    guards.authorize(hearing, name, actor)
    target = _target(hearing, command, actor)
    if isinstance(command, c.Call) and command.confront:
        guards.confront(hearing, actor, target, at)
    elif isinstance(command, c.GiveFloor) and not command.seat:
        guards.take_floor(hearing)
    else:
        guards.check(hearing, name, actor, target, at)
    return _commanded(hearing, command, actor, target, at, ids)


def _target(hearing: Hearing, command: c.Command, actor: Seat) -> Seat:
    """The seat a command is about; its own when it names none."""
    wanted = getattr(command, "seat", "")
    if not wanted and isinstance(command, c.LowerHand | c.GiveFloor):
        return actor
    if c.wire_name(type(command)) not in guards.TARGETED:
        return actor
    if isinstance(command, c.LowerHand) and wanted != actor.id and actor.role not in roles.LOWER_OTHERS:
        raise refusal("not_allowed")
    return seating.seat_of(hearing, wanted)


def _observed(hearing: Hearing, command: c.Command, at: int) -> Events:
    match command:
        case c.ObserveArrival():
            return seating.arrive(hearing, command, at)
        case c.ObserveLoss():
            return seating.lose(hearing, command, at)
        case c.ObserveEvidence():
            return seating.learn(hearing, command, at)
        case c.ObserveJournal(what=what) if what in JOURNAL_FACTS:
            seat = seating.seat_of(hearing, command.seat)
            return (e.JournalNoted(seat=seat.id, what=what, detail=values.detail(command.detail)),)
        case c.ObserveJudgeGone():
            judge = rooms.presiding_judge(hearing)
            if hearing.phase not in phases.SESSION or judge is None or judge.connected:
                return ()
            return sitting.shift(hearing, Phase.TECHNICAL_HOLD, "judge_connection_lost")
        case c.ObserveLapse():
            return interruptions.lapse(hearing, at)
        case c.ObserveCapture(what=what) if what in CAPTURE_FACTS:
            return (e.CaptureNoted(what=what, detail=values.detail(command.detail)),)
        case c.ObserveArchive(what=what) if what in ARCHIVE_FACTS:
            return (e.ArchiveNoted(what=what, detail=values.detail(command.detail)),)
    found = procedure.observed(hearing, command)
    if found is not None:
        return found
    raise refusal("bad_value", field="what")


def _commanded(hearing: Hearing, command: c.Command, actor: Seat, target: Seat, at: int, ids: Ids) -> Events:
    match command:
        case c.OpenHearing():
            return sitting.open_hearing(hearing, ids)
        case c.CloseHearing():
            return sitting.end(hearing, Phase.CLOSED)
        case c.MoveOffline(reason=reason):
            return sitting.end(hearing, Phase.MOVED_OFFLINE, values.text(reason, values.MAX_REASON, 1))
        case c.SetPhase(phase=phase, reason=reason):
            return sitting.set_phase(hearing, phase, reason)
        case c.Recess(reason=reason):
            return sitting.shift(hearing, Phase.RECESS, reason)
        case c.Resume():
            return sitting.resume(hearing)
        case c.WaiveCheck():
            return _waive(hearing, command)
        case c.Admit():
            return seating.admit(hearing, target)
        case c.Call():
            return seating.call(hearing, target)
        case c.Dismiss():
            return seating.dismiss(hearing, target)
        case c.Remove(reason=reason):
            return seating.remove(hearing, target, reason)
        case c.Leave():
            return seating.leave(hearing, actor, at)
        case c.VerifyIdentity():
            return (e.IdentityVerified(seat=target.id),)
        case c.GiveFloor():
            return (e.FloorGiven(seat=command.seat),)
        case c.Mute(kind=kind) | c.Unmute(kind=kind):
            return _mute(target, kind, on=isinstance(command, c.Mute))
        case c.ProposeInterruption() | c.ConfirmInterruption() | c.DeclineInterruption() | c.ResumeRecording():
            return interruptions.follow(hearing, command, actor, at, ids)
        case c.SignRecording() | c.RefuseSignature() | c.NoteSignature() | c.SignExplanation():
            return signing.follow(hearing, command, actor, target)
    found = procedure.follow(hearing, command, actor, target, at, ids)
    return _by_anybody(hearing, command, actor, target, at, ids) if found is None else found


def _by_anybody(hearing: Hearing, command: c.Command, actor: Seat, target: Seat, at: int, ids: Ids) -> Events:
    match command:
        case c.RaiseHand():
            return (e.HandRaised(seat=actor.id),)
        case c.LowerHand():
            return (e.HandLowered(seat=target.id),)
        case c.MakeRequest(kind=kind, text=text):
            if kind not in roles.request_kinds(actor.role, rooms.must_be_isolated(hearing, actor)):
                raise refusal("bad_kind")
            return (e.RequestMade(id=ids(), seat=actor.id, kind=kind, text=text),)
        case c.AnswerRequest():
            return _answer(hearing, command, actor, at)
        case c.Present(exhibit=exhibit):
            if rooms.must_be_isolated(hearing, actor) and not exhibit:
                raise refusal("exhibit_required")
            if (hearing.presenting, hearing.exhibit) == (actor.id, exhibit):
                raise refusal("already_so")
            return (e.PresentingChanged(seat=actor.id, exhibit=exhibit),)
        case c.StopPresenting():
            return (e.PresentingChanged(seat="", exhibit=""),)
        case c.Consent(agreed=agreed, notice_hash=notice):
            if notice and not values.sha256(notice):
                raise refusal("bad_hash")
            return (e.ConsentGiven(seat=actor.id, agreed=agreed, notice_hash=notice),)
        case c.SetDevices():
            return _devices(command, actor)
    raise refusal("unknown_command")


def _waive(hearing: Hearing, command: c.WaiveCheck) -> Events:
    item, _, seat = command.item.partition(":")
    if item not in checklist.ITEMS or (seat and seat not in hearing.seats) or (":" in command.item and not seat):
        raise refusal("unknown_item")
    values.text(command.reason, values.MAX_REASON, 1)
    if command.item in hearing.waived:
        raise refusal("already_so")
    return (e.CheckWaived(item=command.item, reason=command.reason),)


def _mute(target: Seat, kind: str, *, on: bool) -> Events:
    if kind not in MUTES:
        raise refusal("bad_kind")
    if (MUTES[kind] <= target.muted) is on:
        raise refusal("already_so")
    return (e.SeatMuted(seat=target.id, kind=kind),) if on else (e.SeatUnmuted(seat=target.id, kind=kind),)


def _answer(hearing: Hearing, command: c.AnswerRequest, actor: Seat, at: int) -> Events:
    for request in hearing.requests:
        if request.id == command.request:
            if request.granted is not None:
                raise refusal("already_answered")
            leave = procedure.answered_leave(hearing, actor, request.id, at) if command.granted else ()
            return (e.RequestAnswered(id=request.id, granted=command.granted, reason=command.reason), *leave)
    raise refusal("unknown_request")


def _devices(command: c.SetDevices, actor: Seat) -> Events:
    known = {device.value for device in Device}
    if command.microphone not in known or command.camera not in known:
        raise refusal("bad_device")
    if (command.microphone, command.camera) == (actor.microphone.value, actor.camera.value):
        return ()  # a browser reports again after each reconnect: the same news is no news
    changed = e.DevicesChanged(seat=actor.id, microphone=command.microphone, camera=command.camera)
    return (changed, *(returns.back_in_picture(actor) if command.camera == Device.ON.value else ()))
