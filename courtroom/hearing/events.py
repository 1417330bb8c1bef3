"""What has happened in a hearing: the only thing that is stored, hashed and believed.

One frozen class per event; ``V`` is its version on disk; wire name = class name in snake_case. Bodies hold ids,
integers, booleans, strings and lists or objects of these; never a float (canonical JSON, see ``ledger``), never a
person's name. ``actor`` (seat id or ``system``), ``seq`` and ``at`` stand in the ledger entry around the event.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from courtroom.hearing.model import Case, Policy, SeatPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    V: ClassVar[int] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingCreated(Event):
    V: ClassVar[int] = 3

    case: Case
    policy: Policy
    scheduled_at: int
    seats: tuple[SeatPlan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseChanged(Event):
    """Every move between phases, recess and technical hold included."""

    phase: str
    previous: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckWaived(Event):
    item: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistRecorded(Event):
    """Opened under policy ``record`` with items that were not met."""

    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityVerified(Event):
    seat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentGiven(Event):
    seat: str
    agreed: bool
    notice_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatMoved(Event):
    """A seat enters a room (``room`` '' = leaves every room). ``why``: arrived admitted called dismissed removed
    left closed deliberation.
    """

    seat: str
    room: str
    owner: str
    why: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatConnected(Event):
    seat: str
    connection: str
    replaced: str = ""  # the connection that this one took the place of


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatDisconnected(Event):
    seat: str
    connection: str
    cause: str
    evidence: tuple[dict[str, str | int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseAttributed(Event):
    """A later attribution of an interruption, with the new evidence; the earlier entry stays. ``spell``: ledger entry
    that began the interruption, 0 = the seat's last one."""

    V: ClassVar[int] = 2

    seat: str
    cause: str
    evidence: tuple[dict[str, str | int], ...]
    spell: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalNoted(Event):
    """The journal of a seat's own browser: entries kept under their last hash, or what is wrong with their chain."""

    seat: str
    what: str
    detail: dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatMuted(Event):
    seat: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatUnmuted(Event):
    seat: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorGiven(Event):
    seat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandRaised(Event):
    seat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandLowered(Event):
    seat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMade(Event):
    id: str
    seat: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswered(Event):
    id: str
    granted: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesChanged(Event):
    seat: str
    microphone: str
    camera: str


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
class SelfTestNoted(Event):
    seat: str
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechNoted(Event):
    """Who was heard in the courtroom in ``[since, until)``; rows ``{"seat", "from", "to"}``."""

    since: int
    until: int
    spans: tuple[dict[str, str | int], ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentingChanged(Event):
    """``seat`` '' = the stage is free again."""

    seat: str
    exhibit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStarted(Event):
    take: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingInterrupted(Event):
    """A lawful interruption begins (RecP 4)."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionProposed(Event):
    """``until``: µs; a second person has that long to confirm."""

    id: str
    ground: str
    proposer: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionConfirmed(Event):
    """``RecordingInterrupted`` follows in the same step."""

    id: str
    ground: str
    proposer: str
    confirmer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionDropped(Event):
    """``why``: lapsed | overtaken (another phase, or the close) | declined | withdrawn."""

    id: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingResumed(Event):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingEnded(Event):
    take: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureNoted(Event):
    """``what``: sealed (segment, sha256, start_at, end_at, bytes) | defect (code, at) | gap (from_at, to_at, reason) |
    resumed (the last defect is over: code, at) | alarm (nothing is lost yet: code, at) | mended (code, at) | copied
    (segment, sha256, place) | copy_failed (code, place) | isolation (seat, from_at, to_at of its testimony, since,
    packets_in_testimony, packets_outside, packets_from_staff, transports_outside, complete, holds).
    """

    what: str
    detail: dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveNoted(Event):
    what: str
    detail: dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSigned(Event):
    """A party has signed: ``root`` and ``sheet`` say what, ``stroke`` is SVG path data and its digest stands by it."""

    seat: str
    root: str
    sheet: str
    stroke: str
    stroke_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureWithheld(Event):
    """``outcome``: refused | absent; ``recorded_by`` the seat itself, or the clerk."""

    seat: str
    outcome: str
    reason: str
    root: str
    sheet: str
    recorded_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationSigned(Event):
    """The presiding judge has signed the explanation of a defect (技术说明, RecP 4)."""

    seat: str
    digest: str
    remark: str
    stroke: str
    stroke_sha256: str


_ALL: Final[tuple[type[Event], ...]] = (
    DeliveryNoted, PhoneNoted, ReplyGiven, LeaveAsked, ReturnNoted, ServiceRecorded, SelfTestNoted, SpeechNoted,
    HearingCreated, PhaseChanged, CheckWaived, ChecklistRecorded, IdentityVerified, ConsentGiven, SeatMoved,
    SeatConnected, SeatDisconnected, CauseAttributed, SeatMuted, SeatUnmuted, FloorGiven, HandRaised, HandLowered,
    RequestMade, RequestAnswered, DevicesChanged, Prompted, Warned, Excused, Ruled, PresentingChanged,
    RecordingStarted, RecordingInterrupted, RecordingResumed, RecordingEnded, CaptureNoted, ArchiveNoted,
    InterruptionProposed, InterruptionConfirmed, InterruptionDropped, RecordingSigned, SignatureWithheld,
    ExplanationSigned, JournalNoted, AttachmentReceived, AttachmentRead,
)  # fmt: skip


def wire_name(event: type[Event]) -> str:
    """``SeatMoved`` → ``seat_moved``."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", event.__name__).lower()


EVENTS: Final[dict[str, type[Event]]] = {wire_name(event): event for event in _ALL}
