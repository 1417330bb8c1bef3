"""How a prompt or a warning reaches a person, and what proves that it did.

Reference: COURT.md 6.

Rules
* Delivered is what a channel proves: the person's page has shown it, a notifier has a receipt, or the clerk notes a
  call that the person or counsel answered. A receipt that is later taken back (a bounce) proves nothing.
* Repeated news is no news: what comes late or twice makes no entry.
* A procedure that has ended leaves its notices as they were, marked with the moment it ended.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing import values
from courtroom.hearing.model import Answerer, Channel, Delivery, DeliveryState, Hearing, Notice, Seat, Step
from courtroom.hearing.refusals import refusal

Events = tuple[e.Event, ...]

MAX_DELIVERIES: Final = 24

REACHED: Final = frozenset({Answerer.SELF, Answerer.COUNSEL})
"""Who has to have answered for a call to be a delivery."""
_CALL: Final = {Answerer.NOBODY: DeliveryState.FAILED, **dict.fromkeys(REACHED, DeliveryState.DELIVERED)}


# --- looking --------------------------------------------------------------------------------------------------------


def current(seat: Seat, step: Step | None = None) -> tuple[Notice, ...]:
    """Notices of the absence that lasts."""
    return tuple(one for one in seat.notices if not one.ended_at and step in (None, one.step))


def notice_of(seat: Seat, seq: int) -> Notice:
    for one in seat.notices:
        if one.seq == seq:
            return one
    raise refusal("unknown_notice")


# --- guards ---------------------------------------------------------------------------------------------------------


def may_note_phone(_hearing: Hearing, _actor: Seat, target: Seat, _at: int) -> None:
    if not any(len(one.deliveries) < MAX_DELIVERIES for one in target.notices):
        raise refusal("unknown_notice")


def may_acknowledge(_hearing: Hearing, actor: Seat, _target: Seat, _at: int) -> None:
    if not any(_new(one, Channel.PAGE, DeliveryState.READ) for one in actor.notices):
        raise refusal("unknown_notice")


# --- what follows ---------------------------------------------------------------------------------------------------


def called(hearing: Hearing, target: Seat, note: str, at: int) -> Events:
    """The call that was made with the notice; the notice is the entry just before."""
    if not note.strip():
        return ()
    who = Answerer.SELF.value
    return (e.PhoneNoted(seat=target.id, notice=hearing.seq + 1, who=who, called_at=at, said=note),)


def phoned(command: c.PhoneNote, target: Seat, at: int) -> Events:
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


def acknowledged(actor: Seat, notice: int, *, read: bool) -> Events:
    return _delivery(actor, notice, Channel.PAGE, DeliveryState.READ if read else DeliveryState.DELIVERED, "")


def observed(hearing: Hearing, command: c.ObserveDelivery) -> Events:
    """What a notifier knows."""
    seat = hearing.seats.get(command.seat)
    if seat is None:
        raise refusal("unknown_seat")
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


# --- from one state to the next -------------------------------------------------------------------------------------


def ended(seat: Seat, at: int) -> Seat:
    """The seat with its procedure at an end."""
    if not current(seat):
        return seat
    return replace(seat, notices=tuple(one if one.ended_at else replace(one, ended_at=at) for one in seat.notices))


def evolved(seat: Seat, event: e.DeliveryNoted | e.PhoneNoted, at: int, seq: int) -> Seat:
    match event:
        case e.DeliveryNoted():
            made = Delivery(Channel(event.channel), DeliveryState(event.state), at, seq, event.detail)
        case e.PhoneNoted():
            state = _CALL.get(Answerer(event.who), DeliveryState.SENT)
            made = Delivery(Channel.PHONE, state, at, seq, event.who)
    changed = (
        replace(one, deliveries=(*one.deliveries, made)) if one.seq == event.notice else one for one in seat.notices
    )
    return replace(seat, notices=tuple(changed))
