"""Who gets what: a route into a place of a member, and a route into a take."""

from __future__ import annotations

from dataclasses import dataclass

from courtroom.sfu.kinds import Kind


@dataclass(frozen=True, slots=True)
class Route:
    receiver: str
    place: int
    source: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class CaptureRoute:
    take: str
    source: str
    kind: Kind
    label: str
