"""A seat in the courtroom: in which room it is, who has verified it, whether it is heard, what it asks for and shows.

COURT.md 2, 4, 5 and 9; Online Litigation Rules art. 4, 7, 26.
"""

from __future__ import annotations

from dataclasses import dataclass

from courtroom.hearing.events.event import Event


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
class PresentingChanged(Event):
    """``seat`` '' = the stage is free again."""

    seat: str
    exhibit: str
