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
    """A later attribution of the seat's last interruption, with the new evidence; the earlier entry stays."""

    seat: str
    cause: str
    evidence: tuple[dict[str, str | int], ...]


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
    """``delivered``: shown on the seat's own page, or out of band with a written ``note`` of how."""

    seat: str
    delivered: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    seat: str
    delivered: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excused(Event):
    seat: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled(Event):
    seat: str
    finding: str


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
class RecordingResumed(Event):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingEnded(Event):
    take: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureNoted(Event):
    """``what``: sealed (segment, sha256, start_at, end_at, bytes) | defect | gap (from_at, to_at, reason) | resumed."""

    what: str
    detail: dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveNoted(Event):
    what: str
    detail: dict[str, str | int]


_ALL: Final[tuple[type[Event], ...]] = (
    HearingCreated, PhaseChanged, CheckWaived, ChecklistRecorded, IdentityVerified, ConsentGiven, SeatMoved,
    SeatConnected, SeatDisconnected, CauseAttributed, SeatMuted, SeatUnmuted, FloorGiven, HandRaised, HandLowered,
    RequestMade, RequestAnswered, DevicesChanged, Prompted, Warned, Excused, Ruled, PresentingChanged,
    RecordingStarted, RecordingInterrupted, RecordingResumed, RecordingEnded, CaptureNoted, ArchiveNoted,
)  # fmt: skip


def wire_name(event: type[Event]) -> str:
    """``SeatMoved`` → ``seat_moved``."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", event.__name__).lower()


EVENTS: Final[dict[str, type[Event]]] = {wire_name(event): event for event in _ALL}
