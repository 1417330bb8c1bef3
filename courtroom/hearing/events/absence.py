"""The procedure on an absence: notices and their delivery, statements and files, leave, service, findings.

A notice is named by the ledger number of its entry; that it was delivered is an entry of its own.
COURT.md 6; Online Litigation Rules art. 25.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from courtroom.hearing.events.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompted(Event):
    """The entry's number is the notice's id; that it was delivered is an entry of its own."""

    V: ClassVar[int] = 2

    seat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    V: ClassVar[int] = 2

    seat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryNoted(Event):
    """A step of a notice on its way to the person, as a channel proves it."""

    seat: str
    notice: int
    channel: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneNoted(Event):
    """A call of the court about a notice: who answered, when, what was said."""

    seat: str
    notice: int
    who: str
    called_at: int
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyGiven(Event):
    seat: str
    notice: int
    reason: str
    text: str
    attachment: str
    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentReceived(Event):
    """The court holds a file of the seat: its SHA-256 is computed by us, ``kind`` as in ``statements.KINDS``."""

    seat: str
    sha256: str
    size: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRead(Event):
    """Somebody (a seat, or ``staff``) was given the file that ``owner`` handed in."""

    owner: str
    sha256: str
    reader: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveAsked(Event):
    """A request of kind ``leave`` with the moment until which leave is asked."""

    id: str
    seat: str
    reason: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnNoted(Event):
    """A person who was missing is here: ``how`` is ``late_arrival | return | from_leave | late_from_leave |
    in_picture``; ``since`` is when it began to be missing. Ends the procedure of that absence.
    """

    seat: str
    how: str
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecorded(Event):
    seat: str
    fact: str
    holds: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Excused(Event):
    seat: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled(Event):
    """``draft``: SHA-256 of the draft that lay before the judge, made from the ledger up to ``draft_seq``."""

    V: ClassVar[int] = 2

    seat: str
    finding: str
    draft: str
    draft_seq: int
