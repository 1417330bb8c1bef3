"""What has happened in a hearing: the only thing that is stored, hashed and believed.

One frozen class per event; ``V`` is its version on disk; wire name = class name in snake_case. Bodies hold ids,
integers, booleans, strings and lists or objects of these; never a float (canonical JSON, see ``ledger``), never a
person's name. ``actor`` (seat id or ``system``), ``seq`` and ``at`` stand in the ledger entry around the event.

The classes stand by subject in the modules beside this one; here alone a name in the ledger becomes a class.
"""

from __future__ import annotations

from typing import Final

from courtroom.hearing.events.absence import (
    AttachmentRead,
    AttachmentReceived,
    DeliveryNoted,
    Excused,
    LeaveAsked,
    PhoneNoted,
    Prompted,
    ReplyGiven,
    ReturnNoted,
    Ruled,
    ServiceRecorded,
    Warned,
)
from courtroom.hearing.events.event import Event
from courtroom.hearing.events.presence import (
    CauseAttributed,
    DevicesChanged,
    JournalNoted,
    SeatConnected,
    SeatDisconnected,
    SelfTestNoted,
    SpeechNoted,
)
from courtroom.hearing.events.recording import (
    ArchiveNoted,
    CaptureNoted,
    ExplanationSigned,
    InterruptionConfirmed,
    InterruptionDropped,
    InterruptionProposed,
    RecordingEnded,
    RecordingInterrupted,
    RecordingResumed,
    RecordingSigned,
    RecordingStarted,
    SignatureWithheld,
)
from courtroom.hearing.events.seats import (
    ConsentGiven,
    FloorGiven,
    HandLowered,
    HandRaised,
    IdentityVerified,
    PresentingChanged,
    RequestAnswered,
    RequestMade,
    SeatMoved,
    SeatMuted,
    SeatUnmuted,
)
from courtroom.hearing.events.sitting import ChecklistRecorded, CheckWaived, HearingCreated, PhaseChanged
from courtroom.hearing.wire import snake_case

__all__ = [
    "EVENTS", "ArchiveNoted", "AttachmentRead", "AttachmentReceived", "CaptureNoted", "CauseAttributed",
    "CheckWaived", "ChecklistRecorded", "ConsentGiven", "DeliveryNoted", "DevicesChanged", "Event", "Excused",
    "ExplanationSigned", "FloorGiven", "HandLowered", "HandRaised", "HearingCreated", "IdentityVerified",
    "InterruptionConfirmed", "InterruptionDropped", "InterruptionProposed", "JournalNoted", "LeaveAsked",
    "PhaseChanged", "PhoneNoted", "PresentingChanged", "Prompted", "RecordingEnded", "RecordingInterrupted",
    "RecordingResumed", "RecordingSigned", "RecordingStarted", "ReplyGiven", "RequestAnswered", "RequestMade",
    "ReturnNoted", "Ruled", "SeatConnected", "SeatDisconnected", "SeatMoved", "SeatMuted", "SeatUnmuted",
    "SelfTestNoted", "ServiceRecorded", "SignatureWithheld", "SpeechNoted", "Warned", "wire_name",
]  # fmt: skip

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
    return snake_case(event)


EVENTS: Final[dict[str, type[Event]]] = {wire_name(event): event for event in _ALL}
