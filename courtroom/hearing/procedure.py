"""The procedure on an absence: prompt 提示, warning 警告, ruling; who was reached how; leave; return.

Reference: COURT.md 6; Online Litigation Rules (2021) art. 25.

Rules
* Steps are taken in order and none is skipped: a warning only ``Policy.warn_after_s`` after a prompt was delivered,
  a ruling only after a warning was delivered, both in the absence that lasts.
* Delivered is what a channel proves: the person's page has shown it, a notifier has a receipt, or the clerk notes a
  call that the person or counsel answered. A receipt that is later taken back (a bounce) proves nothing.
* Coming back, getting leave or being expected in person ends the procedure; a later absence begins it anew.
* Nobody is prompted while the hearing rests: in a recess nobody is absent.
* Whoever is expected in person is never absent online.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing import phases, presence, roles, values
from courtroom.hearing.model import (
    Answerer,
    Channel,
    Delivery,
    DeliveryState,
    Hearing,
    Notice,
    OnFile,
    Phase,
    Presence,
    Reason,
    Role,
    Seat,
    ServiceFact,
    Statement,
    Step,
)
from courtroom.hearing.refusals import refusal

Events = tuple[e.Event, ...]

MAX_NOTICES: Final = 64
MAX_DELIVERIES: Final = 24
MAX_STATEMENTS: Final = 20
MAX_OPEN_REQUESTS: Final = 20
MAX_REQUESTS: Final = 100
MAX_ATTACHMENT: Final = 64 * 1024 * 1024
MAX_SPANS: Final = 256
MAX_LEAVE_US: Final = 24 * 3600 * 1_000_000

REACHED: Final = frozenset({Answerer.SELF, Answerer.COUNSEL})
"""Who has to have answered for a call to be a delivery."""
_CALL: Final = {Answerer.NOBODY: DeliveryState.FAILED, **dict.fromkeys(REACHED, DeliveryState.DELIVERED)}
_LATE: Final = roles.PARTIES | {Role.COUNSEL}

_FOLLOWED: Final = (
    c.Prompt, c.Warn, c.Rule, c.Excuse, c.PhoneNote, c.RecordService, c.AcknowledgeNotice, c.Reply, c.AskLeave,
)  # fmt: skip


# --- looking --------------------------------------------------------------------------------------------------------


def current(seat: Seat, step: Step | None = None) -> tuple[Notice, ...]:
    """Notices of the absence that lasts."""
    return tuple(one for one in seat.notices if not one.ended_at and step in (None, one.step))


def notice_of(seat: Seat, seq: int) -> Notice:
    for one in seat.notices:
        if one.seq == seq:
            return one
    raise refusal("unknown_notice")


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


def may_note_phone(_hearing: Hearing, _actor: Seat, target: Seat, _at: int) -> None:
    if not any(len(one.deliveries) < MAX_DELIVERIES for one in target.notices):
        raise refusal("unknown_notice")


def may_record_service(_hearing: Hearing, actor: Seat, target: Seat, _at: int) -> None:
    if actor.id == target.id:
        raise refusal("not_allowed")


def may_acknowledge(_hearing: Hearing, actor: Seat, _target: Seat, _at: int) -> None:
    if not any(_new(one, Channel.PAGE, DeliveryState.READ) for one in actor.notices):
        raise refusal("unknown_notice")


def may_reply(_hearing: Hearing, actor: Seat, _target: Seat, _at: int) -> None:
    if len(actor.statements) >= MAX_STATEMENTS:
        raise refusal("too_many_replies", limit=MAX_STATEMENTS)


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
            return (e.Prompted(seat=target.id), *_called(hearing, target, note, at))
        case c.Warn(note=note):
            return (e.Warned(seat=target.id), *_called(hearing, target, note, at))
        case c.Rule():
            return _ruled(hearing, command, target)
        case c.Excuse(until=until):
            if not at < until <= at + MAX_LEAVE_US:
                raise refusal("bad_time")
            return (*_granted_leave(hearing, target), e.Excused(seat=target.id, until=until))
        case c.PhoneNote():
            return _phoned(command, target, at)
        case c.RecordService():
            return _service(command, target)
        case c.AcknowledgeNotice(notice=notice, read=read):
            state = DeliveryState.READ if read else DeliveryState.DELIVERED
            return _delivery(actor, notice, Channel.PAGE, state, "")
        case c.Reply():
            return _reply(command, actor)
        case c.AskLeave(reason=reason, until=until):
            values.text(reason, values.MAX_REQUEST, 1)
            if not at < until <= at + MAX_LEAVE_US:
                raise refusal("bad_time")
            return (e.LeaveAsked(id=ids(), seat=actor.id, reason=reason, until=until),)
    return None


def _called(hearing: Hearing, target: Seat, note: str, at: int) -> Events:
    """The call that was made with the notice; the notice is the entry just before."""
    if not note.strip():
        return ()
    who = Answerer.SELF.value
    return (e.PhoneNoted(seat=target.id, notice=hearing.seq + 1, who=who, called_at=at, said=note),)


def _ruled(_hearing: Hearing, command: c.Rule, target: Seat) -> Events:
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


def _phoned(command: c.PhoneNote, target: Seat, at: int) -> Events:
    notice = notice_of(target, command.notice)
    if command.who not in {one.value for one in Answerer}:
        raise refusal("bad_value", field="who")
    if not notice.at <= command.called_at <= at:
        raise refusal("bad_time")
    values.text(command.said, values.MAX_REQUEST, 1)
    if len(notice.deliveries) >= MAX_DELIVERIES:
        raise refusal("too_many_notices", limit=MAX_DELIVERIES)
    return (
        e.PhoneNoted(
            seat=target.id, notice=notice.seq, who=command.who, called_at=command.called_at, said=command.said
        ),
    )


def _service(command: c.RecordService, target: Seat) -> Events:
    if command.fact not in {one.value for one in ServiceFact}:
        raise refusal("bad_fact")
    known = next((one for one in target.on_file if one.fact == command.fact), None)
    if known is not None and known.holds is command.holds:
        raise refusal("already_so")
    return (e.ServiceRecorded(seat=target.id, fact=command.fact, holds=command.holds, note=command.note),)


def _reply(command: c.Reply, actor: Seat) -> Events:
    if command.reason not in {one.value for one in Reason}:
        raise refusal("bad_reason")
    if command.notice:
        notice_of(actor, command.notice)
    file = (bool(command.attachment), bool(command.name.strip()), command.size > 0)
    if len(set(file)) != 1 or command.size > MAX_ATTACHMENT or command.size < 0:
        raise refusal("bad_attachment")
    if command.attachment and not values.sha256(command.attachment):
        raise refusal("bad_hash")
    return (
        e.ReplyGiven(
            seat=actor.id, notice=command.notice, reason=command.reason, text=command.text,
            attachment=command.attachment, name=command.name, size=command.size,
        ),
    )  # fmt: skip


# --- what our own processes observe -----------------------------------------------------------------------------------


def observed(hearing: Hearing, command: c.Command) -> Events | None:
    """The events of an observation of this module; ``None`` for every other one. Repeated news is no news."""
    match command:
        case c.ObserveDelivery():
            return _observed_delivery(hearing, command)
        case c.ObserveSelfTest() if hearing.phase in phases.OVER:
            return ()
        case c.ObserveSelfTest(seat=id_, passed=passed):
            return (e.SelfTestNoted(seat=_seat(hearing, id_).id, passed=passed),)
        case c.ObserveSpeech():
            return _speech(hearing, command)
    return None


def _seat(hearing: Hearing, id_: str) -> Seat:
    seat = hearing.seats.get(id_)
    if seat is None:
        raise refusal("unknown_seat")
    return seat


def _observed_delivery(hearing: Hearing, command: c.ObserveDelivery) -> Events:
    seat = _seat(hearing, command.seat)
    try:
        channel, state = Channel(command.channel), DeliveryState(command.state)
    except ValueError as error:
        raise refusal("bad_channel") from error
    return _delivery(seat, command.notice, channel, state, command.detail)


def _delivery(seat: Seat, notice: int, channel: Channel, state: DeliveryState, detail: str) -> Events:
    if not _new(notice_of(seat, notice), channel, state):
        return ()
    return (
        e.DeliveryNoted(seat=seat.id, notice=notice, channel=channel.value, state=state.value, detail=detail),
    )  # fmt: skip


def _new(notice: Notice, channel: Channel, state: DeliveryState) -> bool:
    """Whether this says something about the notice that is not known; what comes late or twice does not."""
    known = [one.state for one in notice.deliveries if one.channel is channel]
    if len(notice.deliveries) >= MAX_DELIVERIES or DeliveryState.READ in known:
        return False
    if state is DeliveryState.SENT:
        return DeliveryState.DELIVERED not in known and known[-1:] != [DeliveryState.SENT]
    return known[-1:] != [state]


def _speech(hearing: Hearing, command: c.ObserveSpeech) -> Events:
    if not 0 < command.since < command.until:
        raise refusal("bad_time")
    kept: list[dict[str, str | int]] = []
    for row in command.spans[:MAX_SPANS]:
        seat, since, until = row.get("seat"), row.get("from"), row.get("to")
        if seat not in hearing.seats or type(since) is not int or type(until) is not int:
            raise refusal("bad_value", field="spans")
        if not command.since <= since < until <= command.until:
            raise refusal("bad_time")
        kept.append({"seat": str(seat), "from": since, "to": until})
    return (e.SpeechNoted(since=command.since, until=command.until, spans=tuple(kept)),) if kept else ()


# --- coming back ------------------------------------------------------------------------------------------------------


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


# --- from one state to the next (used by ``evolve``) ------------------------------------------------------------------


def ended(seat: Seat, at: int) -> Seat:
    """The seat with its procedure at an end."""
    if not current(seat):
        return seat
    return replace(seat, notices=tuple(one if one.ended_at else replace(one, ended_at=at) for one in seat.notices))


def evolved(seat: Seat, event: e.Event, at: int, seq: int) -> Seat:
    """The seat after an event of this module; itself after every other one."""
    match event:
        case e.Prompted():
            return replace(seat, notices=(*seat.notices, Notice(seq, Step.PROMPT, at)))
        case e.Warned():
            return replace(seat, notices=(*seat.notices, Notice(seq, Step.WARNING, at)))
        case e.DeliveryNoted():
            made = Delivery(Channel(event.channel), DeliveryState(event.state), at, seq, event.detail)
            return _with_delivery(seat, event.notice, made)
        case e.PhoneNoted():
            state = _CALL.get(Answerer(event.who), DeliveryState.SENT)
            return _with_delivery(seat, event.notice, Delivery(Channel.PHONE, state, at, seq, event.who))
        case e.ReplyGiven():
            said = Statement(
                seq, at, Reason(event.reason), event.text, event.notice, event.attachment, event.name, event.size
            )
            return replace(seat, statements=(*seat.statements, said))
        case e.ReturnNoted():
            return ended(seat, at)
        case e.ServiceRecorded():
            return filed(seat, ServiceFact(event.fact), event.holds, at, seq)
        case e.SelfTestNoted():
            return filed(seat, ServiceFact.SELF_TEST_PASSED, event.passed, at, seq)
    return seat


def _with_delivery(seat: Seat, notice: int, made: Delivery) -> Seat:
    changed = (
        replace(one, deliveries=(*one.deliveries, made)) if one.seq == notice else one for one in seat.notices
    )  # fmt: skip
    return replace(seat, notices=tuple(changed))


def filed(seat: Seat, fact: ServiceFact, holds: bool, at: int, seq: int) -> Seat:
    """The newest word on ``fact``; the earlier one stays in the ledger. A device that passed once has passed before."""
    known = {one.fact: one for one in seat.on_file}
    if fact is ServiceFact.SELF_TEST_PASSED and fact in known and known[fact].holds and not holds:
        return seat
    return replace(seat, on_file=_sorted((*(one for one in seat.on_file if one.fact is not fact),
                                          OnFile(fact, holds, at, seq))))  # fmt: skip


def _sorted(rows: Iterable[OnFile]) -> tuple[OnFile, ...]:
    return tuple(sorted(rows, key=lambda one: one.fact.value))
