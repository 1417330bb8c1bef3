"""From edges to routes: what ``hearing.access`` allows, said in transports and places.

Rules
* Nothing is decided here: an edge without transports becomes no route, and no route is made without an edge.
* ``narrowed`` only takes away from what is forwarded; ``wanted`` is the whole of what should be. A seat's places stay
  as they are as long as they can (``places``).

Pure: no worker, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from courtroom.channel.messages import CaptureRoute, Route
from courtroom.control.places import STAGE, Places, slot
from courtroom.hearing.access import RECORDER, Edge

Forwarded = tuple[tuple[Route, ...], tuple[CaptureRoute, ...]]


@dataclass(slots=True)
class Stay:
    """One transport of one seat in one room."""

    seat: str
    transport: str
    key: str  # the room as hearing.access names it
    places: Places


@dataclass(slots=True)
class Applied:
    """What the worker was last told about one room."""

    revision: int = 0
    routes: tuple[Route, ...] = ()
    captures: tuple[CaptureRoute, ...] = ()

    @property
    def forwarded(self) -> Forwarded:
        return self.routes, self.captures


@dataclass(frozen=True, slots=True)
class Desired:
    """What access allows now: edges, each seat's room key, and the take that edges to the recorder are written to."""

    edges: frozenset[Edge]
    rooms: Mapping[str, str | None]
    take: str
    order: Sequence[str] = field(default_factory=tuple)  # seats in order of importance for places


def narrowed(applied: Applied, desired: Desired, seats: Mapping[str, str]) -> Forwarded:
    """What of ``applied`` is still allowed; ``seats`` by the transports that count."""
    allowed = {(edge.source, edge.receiver, str(edge.kind)) for edge in desired.edges}
    routes = tuple(
        route for route in applied.routes
        if (seats.get(route.source), seats.get(route.receiver), route.kind) in allowed
    )  # fmt: skip
    captures = tuple(
        capture for capture in applied.captures
        if capture.take == desired.take and (seats.get(capture.source), RECORDER, capture.kind) in allowed
    )  # fmt: skip
    return routes, captures


def wanted(members: Mapping[str, Stay], desired: Desired) -> Forwarded:
    """Everything that is allowed between ``members``, the seats that are in one room, and from them to the recorder."""
    edges = [edge for edge in desired.edges if edge.source in members]
    captures = tuple(
        CaptureRoute(desired.take, members[edge.source].transport, str(edge.kind), edge.source)
        for edge in sorted(edges, key=_by_name)
        if edge.receiver == RECORDER and desired.take
    )
    routes: list[Route] = []
    for seat in sorted(members):
        routes += _routes_to(members[seat], members, edges, desired.order)
    return tuple(routes), captures


def _routes_to(stay: Stay, members: Mapping[str, Stay], edges: Sequence[Edge], order: Sequence[str]) -> list[Route]:
    sources = [edge for edge in edges if edge.receiver == stay.seat]
    rank = {seat: number for number, seat in enumerate(order)}
    # A shared screen comes first: it is what everybody is asked to look at.
    sources.sort(key=lambda edge: (slot(edge.kind) != STAGE, rank.get(edge.source, len(rank)), str(edge.kind)))
    taken = stay.places.assign([(edge.source, slot(edge.kind)) for edge in sources])
    return [
        Route(stay.transport, place, members[edge.source].transport, str(edge.kind))
        for edge in sources
        if (place := taken.get((edge.source, slot(edge.kind)))) is not None
    ]


def _by_name(edge: Edge) -> tuple[str, str, str]:
    return edge.source, edge.receiver, str(edge.kind)
