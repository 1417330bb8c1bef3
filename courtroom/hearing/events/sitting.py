"""The sitting as a whole: how it was created, its phases, its opening checks.

COURT.md 3; Online Litigation Rules art. 21.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from courtroom.hearing.events.event import Event
from courtroom.hearing.model import Case, Policy, SeatPlan


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
