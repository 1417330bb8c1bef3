"""What reached an isolated seat in its testimony and outside of it: the counting that every certificate rests on; pure.

Rules (COURT.md 5, OLR art. 26)
* The ledger says which seats must be isolated and when each stood in the courtroom: ``inside``. ``LEAVING_US`` after
  the moment of an order counts as leaving: the order is dated before it is carried out, and acknowledged after.
* A media worker counts packets by edge and says of each transport whose it was, in which room, and when it was up.
* Inside counts what a transport of a shared room forwarded within ``inside``. Staff who speak with the seat in its own
  room are counted apart. Everything else is outside.

The certificate given at a dismissal (``courtroom.control.certificates``) and the one that is sealed with the archive
(``recorder.isolation``, which alone is authoritative: it reads the sealed journal) count by this one function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from courtroom.hearing import phases, rooms
from courtroom.hearing.ledger import Entry, apply
from courtroom.hearing.model import Hearing
from courtroom.hearing.roles import STAFF

LEAVING_US: Final = 1_000_000
SHARED: Final = frozenset({"courtroom", "deliberation"})
FOREVER: Final = 1 << 53

Spans = list[tuple[int, int]]
Edge = tuple[str, str, str]
"""To which transport, from which, of which kind."""


@dataclass(slots=True)
class Stay:
    """A transport: whose, in which room, and when it was up (µs, 0 = not yet)."""

    seat: str
    room: str
    up_at: int = 0
    down_at: int = 0


@dataclass(frozen=True, slots=True)
class Isolated:
    """A seat that had to be isolated, ``owner`` its principal, and when it stood in the courtroom by the ledger."""

    seat: str
    owner: str
    role: str
    inside: tuple[tuple[int, int], ...]

    @property
    def left(self) -> Spans:
        """``inside`` with the time it takes to leave."""
        return [(begin, min(end + LEAVING_US, FOREVER)) for begin, end in self.inside]


@dataclass(slots=True)
class Tally:
    """Packets by where they belong; ``sources`` of those outside; ``transports`` of a shared room that were up
    outside."""

    inside: int = 0
    outside: int = 0
    from_staff: int = 0
    transports: int = 0
    sources: dict[str, int] = field(default_factory=dict)


class Testimonies:
    """Who must be isolated and when each was in the courtroom; given a ledger entry by entry, from its first."""

    def __init__(self) -> None:
        self.staff: frozenset[str] = frozenset()
        self.opened_at = 0
        self._hearing: Hearing | None = None
        self._begun: dict[str, int] = {}
        self._inside: dict[str, list[tuple[int, int]]] = {}

    def add(self, entry: Entry) -> None:
        if self._hearing is None:
            self.staff = staff_of([entry])
        if entry.body.get("phase") == "open":
            self.opened_at = self.opened_at or entry.at
        hearing = self._hearing = apply(self._hearing, entry)
        for seat in hearing.seats.values():
            here = rooms.in_courtroom(seat) and hearing.phase not in phases.OVER
            if here and seat.id not in self._begun:
                self._begun[seat.id] = entry.at
            elif not here and seat.id in self._begun:
                self._inside.setdefault(seat.id, []).append((self._begun.pop(seat.id), entry.at))

    def isolated(self) -> list[Isolated]:
        """As far as the ledger has been told; who is inside now is so for ever."""
        hearing = self._hearing
        if hearing is None:
            return []
        inside = {name: tuple(spans) for name, spans in self._inside.items()}
        for name, at in self._begun.items():
            inside[name] = (*inside.get(name, ()), (at, FOREVER))
        return [
            Isolated(seat.id, lead.id, seat.role.value, inside.get(seat.id, ()))
            for seat in hearing.seats.values()
            if (lead := rooms.principal(hearing, seat)) is not None
        ]


def isolated_seats(entries: Iterable[Entry]) -> list[Isolated]:
    found = Testimonies()
    for entry in entries:
        found.add(entry)
    return found.isolated()


def staff_of(entries: Sequence[Entry]) -> frozenset[str]:
    """Seats of the bench and the clerk."""
    first = entries[0].body.get("seats", []) if entries else []
    staff = {role.value for role in STAFF}
    return frozenset(str(seat["id"]) for seat in first if seat.get("role") in staff)


def tally(
    who: Isolated, stays: Mapping[str, Stay], edges: Mapping[Edge, tuple[int, int, int]], staff: frozenset[str]
) -> Tally:
    """``edges``: packets, first and last of them (µs) since the transport was opened."""
    made, left = Tally(), who.left
    for (to, source, _), (packets, first, last) in sorted(edges.items()):
        stay, other = stays.get(to), stays.get(source)
        if stay is None or stay.seat != who.seat:
            continue
        name = other.seat if other is not None else ""
        if within(first, last, left) and stay.room in SHARED:
            made.inside += packets
        elif stay.room not in SHARED and stay.room.endswith(f"/{who.owner}") and name in staff:
            made.from_staff += packets
        else:
            made.outside += packets
            made.sources[name] = made.sources.get(name, 0) + packets
    made.transports = sum(
        1
        for stay in stays.values()
        if stay.seat == who.seat
        and stay.room in SHARED
        and stay.up_at
        and not within(stay.up_at, stay.down_at or stay.up_at, left)
    )
    return made


def within(first: int, last: int, spans: Spans) -> bool:
    return any(begin <= first and last <= end for begin, end in spans)
