"""What a person states about having been away (OLR 25), and the proof it hands in.

Reference: COURT.md 6; web/PROTOCOL.md section 9.

Rules
* A statement names its proof by SHA-256. That the court holds the file is an entry of its own, ``attachment_received``,
  made when the file is on disk: it may come before the statement or after it, and replay needs no file.
* A file belongs to the seat that handed it in: the same bytes from two seats are two files, from one seat one file.
* ``KINDS`` is told by the first bytes, never by the name; a name is a person's word and is kept as such.
* Bounded for each seat and each hearing, and taken after the hearing too: who was cut off to its end has no other time
  to say why. Nothing is taken from who was removed.
* Every reading is an entry, ``attachment_read``. It is about the record and not about the seat, so that an isolated
  person cannot tell from its own view that somebody looked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing import roles, values
from courtroom.hearing.deliveries import notice_of
from courtroom.hearing.model import Attachment, Hearing, Reason, Seat, Statement
from courtroom.hearing.refusals import refusal

Events = tuple[e.Event, ...]

MAX_STATEMENTS: Final = 20
MAX_NAMED: Final = 64 * 1024 * 1024
"""Of a file that is named only; the person keeps it."""
MAX_ATTACHMENT: Final = 10 * 1024 * 1024
MAX_ATTACHMENTS: Final = 20
MAX_HELD: Final = 256 * 1024 * 1024
"""Bytes that the court holds of one hearing."""
KINDS: Final = frozenset({"pdf", "png", "jpeg", "text", "mp4", "m4a"})


# --- guards ---------------------------------------------------------------------------------------------------------


def may_reply(_hearing: Hearing, actor: Seat, _target: Seat, _at: int) -> None:
    if len(actor.statements) >= MAX_STATEMENTS:
        raise refusal("too_many_replies", limit=MAX_STATEMENTS)


def may_attach(hearing: Hearing, seat: Seat, size: int, waiting: int = 0) -> None:
    """Whether ``size`` bytes would be taken of ``seat`` now; ``waiting`` bytes are on their way already."""
    if seat.removed:
        raise refusal("removed_by_court")
    if seat.role not in roles.MAY["reply"]:
        raise refusal("not_allowed")
    if not 0 < size <= MAX_ATTACHMENT:
        raise refusal("attachment_too_large", limit=MAX_ATTACHMENT // (1024 * 1024))
    if len(seat.attachments) >= MAX_ATTACHMENTS or held(hearing) + waiting + size > MAX_HELD:
        raise refusal("too_many_attachments", limit=MAX_ATTACHMENTS)


def held(hearing: Hearing) -> int:
    """Bytes of attachments that are on the record of this hearing."""
    return sum(one.size for seat in hearing.seats.values() for one in seat.attachments)


def attachment_of(seat: Seat, sha256: str) -> Attachment | None:
    return next((one for one in seat.attachments if one.sha256 == sha256), None)


# --- what follows ---------------------------------------------------------------------------------------------------


def replied(command: c.Reply, actor: Seat) -> Events:
    if command.reason not in {one.value for one in Reason}:
        raise refusal("bad_reason")
    if command.notice:
        notice_of(actor, command.notice)
    file = (bool(command.attachment), bool(command.name.strip()), command.size > 0)
    if len(set(file)) != 1 or command.size > MAX_NAMED or command.size < 0:
        raise refusal("bad_attachment")
    if command.attachment and not values.sha256(command.attachment):
        raise refusal("bad_hash")
    known = attachment_of(actor, command.attachment)
    if known is not None and known.size != command.size:
        raise refusal("bad_attachment")
    return (
        e.ReplyGiven(
            seat=actor.id, notice=command.notice, reason=command.reason, text=command.text,
            attachment=command.attachment, name=command.name, size=command.size,
        ),
    )  # fmt: skip


def observed(hearing: Hearing, command: c.ObserveAttachment | c.ObserveAttachmentRead) -> Events:
    seat = hearing.seats.get(command.seat)
    if seat is None:
        raise refusal("unknown_seat")
    if not values.sha256(command.sha256):
        raise refusal("bad_hash")
    known = attachment_of(seat, command.sha256)
    match command:
        case c.ObserveAttachmentRead(reader=reader):
            if known is None:
                raise refusal("bad_attachment")
            return (e.AttachmentRead(owner=seat.id, sha256=command.sha256, reader=reader),)
        case c.ObserveAttachment(size=size, kind=kind):
            if known is not None:
                return ()
            if kind not in KINDS:
                raise refusal("bad_kind")
            may_attach(hearing, seat, size)
            return (e.AttachmentReceived(seat=seat.id, sha256=command.sha256, size=size, kind=kind),)


# --- from one state to the next -------------------------------------------------------------------------------------


def evolved(seat: Seat, event: e.ReplyGiven | e.AttachmentReceived, at: int, seq: int) -> Seat:
    match event:
        case e.ReplyGiven():
            said = Statement(
                seq, at, Reason(event.reason), event.text, event.notice, event.attachment, event.name, event.size
            )
            return _linked(replace(seat, statements=(*seat.statements, said)))
        case e.AttachmentReceived():
            kept = Attachment(event.sha256, event.size, event.kind, at, seq)
            return _linked(replace(seat, attachments=(*seat.attachments, kept)))


def _linked(seat: Seat) -> Seat:
    """Every statement knows the entry by which the court holds its file."""
    kept = {one.sha256: one for one in seat.attachments}
    said = tuple(
        replace(one, held=found.seq, kind=found.kind)
        if (found := kept.get(one.attachment)) is not None and not one.held
        else one
        for one in seat.statements
    )
    return replace(seat, statements=said)
