"""The recording and its archive: takes, lawful interruptions, what the writer found, seal and signatures.

COURT.md 7; Provisions on Recording of Hearings (2017) art. 3, 4, 9.
"""

from __future__ import annotations

from dataclasses import dataclass

from courtroom.hearing.events.event import Event


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
