"""The procedure on an absence: prompt 提示, warning 警告, ruling; leave.

Reference: COURT.md 6; Online Litigation Rules (2021) art. 25.

Rules
* Steps are taken in order and none is skipped: a warning only ``Policy.warn_after_s`` after a prompt was delivered,
  a ruling only after a warning was delivered, both in the absence that lasts. What delivers is in ``deliveries``.
* Coming back (``returns``), getting leave or being expected in person (``service``) ends the procedure; a later absence
  begins it anew.
* Nobody is prompted while the hearing rests: in a recess nobody is absent.
* Whoever is expected in person is never absent online.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from courtroom.hearing import commands as c
from courtroom.hearing import deliveries, phases, presence, roles, service, speech, statements, values
from courtroom.hearing import events as e
from courtroom.hearing.deliveries import current
from courtroom.hearing.model import Hearing, Notice, Phase, Presence, Seat, Step
from courtroom.hearing.refusals import refusal

Events = tuple[e.Event, ...]

MAX_NOTICES: Final = 64
MAX_OPEN_REQUESTS: Final = 20
MAX_REQUESTS: Final = 100
MAX_LEAVE_US: Final = 24 * 3600 * 1_000_000


def warn_from(hearing: Hearing, seat: Seat) -> int:
    """The moment from which a warning may follow; 0 while no prompt was delivered."""
    return seat.prompted_at + hearing.policy.warn_after_s * 1_000_000 if seat.prompted_at else 0


# --- guards: who may now (asked by ``guards``) ------------------------------------------------------------------------


def may_prompt(hearing: Hearing, actor: Seat, target: Seat, _at: int) -> None:
    _missing(hearing, actor, target)
    if len(target.notices) >= MAX_NOTICES:
        raise refusal("too_many_notices", limit=MAX_NOTICES)


def may_warn(hearing: Hearing, actor: Seat, target: Seat, at: int) -> None:
    may_prompt(hearing, actor, target, at)
    if not current(target, Step.PROMPT):
        raise refusal("prompt_required", seat=target.id)
    if not target.prompted_at:
        raise refusal("prompt_not_delivered", seat=target.id)
    left = warn_from(hearing, target) - at
    if left > 0:
        raise refusal("too_early", seat=target.id, seconds=-(-left // 1_000_000))


def may_rule(hearing: Hearing, actor: Seat, target: Seat, _at: int) -> None:
    _missing(hearing, actor, target)
    if not current(target, Step.WARNING):
        raise refusal("warning_required", seat=target.id)
    if not target.warned_at:
        raise refusal("warning_not_delivered", seat=target.id)


def _missing(hearing: Hearing, actor: Seat, target: Seat) -> None:
    if target.id == actor.id or not target.timeline or hearing.phase is Phase.SCHEDULED:
        raise refusal("not_absent", seat=target.id)
    if target.offline and not target.connected:
        raise refusal("offline_seat", seat=target.id)
    if not presence.is_missing(target):
        raise refusal("not_absent", seat=target.id)
    if hearing.phase in phases.PAUSED:
        raise refusal("resume_first")


def may_excuse(_hearing: Hearing, _actor: Seat, target: Seat, _at: int) -> None:
    if target.removed or target.room is None or presence.state(target) is Presence.LEFT:
        raise refusal("not_connected", seat=target.id)


def may_ask_leave(hearing: Hearing, actor: Seat, _target: Seat, at: int) -> None:
    own = [one for one in hearing.requests if one.seat == actor.id]
    if actor.excused_until > at or any(one.kind == "leave" and one.until and one.granted is None for one in own):
        raise refusal("already_so")
    if len(own) >= MAX_REQUESTS or sum(one.granted is None for one in own) >= MAX_OPEN_REQUESTS:
        raise refusal("too_many_requests")


# --- what follows from a command --------------------------------------------------------------------------------------


def follow(
    hearing: Hearing, command: c.Command, actor: Seat, target: Seat, at: int, ids: Callable[[], str]
) -> Events | None:
    """The events of a command of this module; ``None`` for every other command."""
    match command:
        case c.Prompt(note=note):
            return (e.Prompted(seat=target.id), *deliveries.called(hearing, target, note, at))
        case c.Warn(note=note):
            return (e.Warned(seat=target.id), *deliveries.called(hearing, target, note, at))
        case c.Rule():
            return _ruled(command, target)
        case c.Excuse(until=until):
            if not at < until <= at + MAX_LEAVE_US:
                raise refusal("bad_time")
            return (*_granted_leave(hearing, target), e.Excused(seat=target.id, until=until))
        case c.PhoneNote():
            return deliveries.phoned(command, target, at)
        case c.RecordService():
            return service.recorded(command, target)
        case c.AcknowledgeNotice(notice=notice, read=read):
            return deliveries.acknowledged(actor, notice, read=read)
        case c.Reply():
            return statements.replied(command, actor)
        case c.AskLeave(reason=reason, until=until):
            values.text(reason, values.MAX_REQUEST, 1)
            if not at < until <= at + MAX_LEAVE_US:
                raise refusal("bad_time")
            return (e.LeaveAsked(id=ids(), seat=actor.id, reason=reason, until=until),)
    return None


def _ruled(command: c.Rule, target: Seat) -> Events:
    finding = values.text(command.finding, values.MAX_FINDING, 1)
    if command.draft and not values.sha256(command.draft):
        raise refusal("bad_hash")
    if bool(command.draft) is not bool(command.draft_seq) or command.draft_seq < 0:
        raise refusal("bad_value", field="draft_seq")
    return (e.Ruled(seat=target.id, finding=finding, draft=command.draft, draft_seq=command.draft_seq),)


def _granted_leave(hearing: Hearing, target: Seat) -> Events:
    asked = (one for one in hearing.requests if one.seat == target.id and one.kind == "leave" and one.granted is None)
    return tuple(e.RequestAnswered(id=one.id, granted=True, reason="") for one in asked)


def answered_leave(hearing: Hearing, actor: Seat, request: str, at: int) -> Events:
    """What granting a request for leave brings: the leave itself, which only the presiding judge gives."""
    for one in hearing.requests:
        if one.id != request or one.kind != "leave" or not one.until:
            continue
        target = hearing.seats.get(one.seat)
        if actor.role not in roles.MAY["excuse"]:
            raise refusal("not_allowed")
        if target is None or one.until <= at:
            raise refusal("bad_time")
        may_excuse(hearing, actor, target, at)
        return (e.Excused(seat=target.id, until=one.until),)
    return ()


# --- what our own processes observe -----------------------------------------------------------------------------------


def observed(hearing: Hearing, command: c.Command) -> Events | None:
    """The events of an observation about an absence; ``None`` for every other one. Repeated news is no news."""
    match command:
        case c.ObserveDelivery():
            return deliveries.observed(hearing, command)
        case c.ObserveAttachment() | c.ObserveAttachmentRead():
            return statements.observed(hearing, command)
        case c.ObserveSelfTest() if hearing.phase in phases.OVER:
            return ()
        case c.ObserveSelfTest(seat=id_, passed=passed):
            if id_ not in hearing.seats:
                raise refusal("unknown_seat")
            return (e.SelfTestNoted(seat=id_, passed=passed),)
        case c.ObserveSpeech():
            return speech.observed(hearing, command)
    return None


# --- from one state to the next (used by ``evolve``) ------------------------------------------------------------------


def evolved(seat: Seat, event: e.Event, at: int, seq: int) -> Seat:
    """The seat after an event about an absence; itself after every other one."""
    match event:
        case e.Prompted():
            return replace(seat, notices=(*seat.notices, Notice(seq, Step.PROMPT, at)))
        case e.Warned():
            return replace(seat, notices=(*seat.notices, Notice(seq, Step.WARNING, at)))
        case e.DeliveryNoted() | e.PhoneNoted():
            return deliveries.evolved(seat, event, at, seq)
        case e.ReplyGiven() | e.AttachmentReceived():
            return statements.evolved(seat, event, at, seq)
        case e.ReturnNoted():
            return deliveries.ended(seat, at)
        case e.ServiceRecorded() | e.SelfTestNoted():
            return service.evolved(seat, event, at, seq)
    return seat
