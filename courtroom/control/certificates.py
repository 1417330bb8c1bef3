"""The isolation certificate at a dismissal: what reached the seat in its testimony and outside of it, since the last.

Rules (COURT.md 5, OLR art. 26)
* Made of the worker's own counters as soon as it has said that the courtroom's transport is closed and has counted
  once more after that; without that word it is made after ``WAIT_S`` all the same and says that it is not ``complete``.
* A ledger line (``capture_noted``, ``isolation``) for each isolated seat that was dismissed. What a certificate has
  counted the next one does not count again. The sealed certificate, computed from the sealed journal, alone is
  authoritative: what this one counts lives in memory. One over a stretch in which a worker or this process was lost
  is not ``complete``, unless that was before the opening.
* Only transports of seats that may be isolated are kept here; bounded by ``MAX_STAYS`` and ``MAX_EDGES``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final

from courtroom.channel.messages import EdgeCounter, TransportChanged
from courtroom.hearing.commands import ObserveCapture
from courtroom.hearing.events import Event, SeatMoved
from courtroom.hearing.isolation import SHARED, Edge, Isolated, Stay, Tally, Testimonies, tally
from courtroom.hearing.ledger import Entry

WAIT_S: Final = 10.0
MAX_STAYS: Final = 5000
MAX_EDGES: Final = 50_000

Count = tuple[int, int, int]


class Certificates:
    """``note`` hands the certificate to the hearing's actor, ``ledger`` gives the entries so far, ``isolated`` the
    seats that must be."""

    def __init__(
        self,
        note: Callable[[ObserveCapture], None],
        ledger: Callable[[], AsyncIterator[Entry]],
        isolated: Callable[[], frozenset[str]],
    ) -> None:
        self._note = note
        self._ledger = ledger
        self._isolated = isolated
        self._stays: dict[str, Stay] = {}
        self._edges: dict[Edge, Count] = {}
        self._told: dict[Edge, int] = {}  # packets that a certificate has counted
        self._since: dict[str, int] = {}  # seat → up to when it is certified
        self._lost_at = 0  # when somebody who counted was lost: a worker, or the process before this one
        self._heard_at = 0
        self._counted = asyncio.Event()

    # --- what the worker says ---------------------------------------------------------------------

    def belongs(self, transport: str, seat: str, room: str) -> None:
        """A transport was made for a seat in a room (as ``hearing.access`` names it)."""
        self._stays[transport] = Stay(seat, room)
        while len(self._stays) > MAX_STAYS:
            self._forget(next(iter(self._stays)))
            self._lost_at = self._heard_at

    def changed(self, change: TransportChanged) -> None:
        stay = self._stays.get(change.transport)
        if stay is None:
            return
        if change.state == "connected":
            stay.up_at = stay.up_at or change.at
        elif change.state == "closed":
            stay.down_at = change.at

    def counted(self, at: int, edges: Iterable[EdgeCounter]) -> None:
        """A second of a worker; edges toward seats that nobody isolates are nothing to certify."""
        isolated = self._isolated()
        for edge in edges:
            stay = self._stays.get(edge.receiver)
            key = (edge.receiver, edge.source, edge.kind)
            if stay is not None and stay.seat in isolated and (key in self._edges or len(self._edges) < MAX_EDGES):
                self._edges[key] = (edge.packets, edge.first_at, edge.last_at)
        self._heard_at = at
        self._forget_over(isolated)
        self._counted.set()

    def worker_lost(self) -> None:
        """What it did after its last word nobody counted."""
        for stay in self._stays.values():
            stay.down_at = stay.down_at or self._heard_at
        self._lost_at = self._heard_at

    def recovered(self, at: int) -> None:
        """Another process counted before this one began, at ``at``."""
        self._lost_at = at

    # --- the certificate --------------------------------------------------------------------------

    @staticmethod
    def dismissed(events: Iterable[Event]) -> tuple[str, ...]:
        """The seats that these events send out of the courtroom."""
        return tuple(event.seat for event in events if isinstance(event, SeatMoved) and event.why == "dismissed")

    async def issue(self, seats: Sequence[str]) -> None:
        """One certificate for each of these seats that must be isolated."""
        settled = await self._settled(seats)
        found = Testimonies()
        async for entry in self._ledger():
            found.add(entry)
        staff, opened = found.staff, found.opened_at
        for who in found.isolated():
            if who.seat in seats:
                complete = settled and self._lost_at <= max(opened, self._since.get(who.seat, 0))
                self._note(ObserveCapture(what="isolation", detail=self._certificate(who, staff, complete=complete)))

    async def _settled(self, seats: Sequence[str]) -> bool:
        try:
            async with asyncio.timeout(WAIT_S):
                while not all(map(self._over, seats)):
                    self._counted.clear()
                    await self._counted.wait()
        except TimeoutError:
            return False
        return True

    def _over(self, seat: str) -> bool:
        """Whether the seat's transports of shared rooms are closed and were counted to the end."""
        stays = [stay for stay in self._stays.values() if stay.seat == seat and stay.room in SHARED]
        return all(stay.down_at and self._heard_at > stay.down_at for stay in stays)

    def _certificate(self, who: Isolated, staff: frozenset[str], *, complete: bool) -> dict[str, str | int]:
        fresh = {
            key: (packets - self._told.get(key, 0), first, last)
            for key, (packets, first, last) in self._edges.items()
            if packets > self._told.get(key, 0)
        }
        made = tally(who, self._stays, fresh, staff)
        begin, end = who.inside[-1] if who.inside else (0, 0)
        detail: dict[str, str | int] = {
            "seat": who.seat, "from_at": begin, "to_at": end, "since": self._since.get(who.seat, 0),
            **_counts(made), "complete": int(complete),
            "holds": int(complete and not made.outside and not made.transports),
        }  # fmt: skip
        self._certified(who.seat, end)
        return detail

    def _certified(self, seat: str, until: int) -> None:
        self._since[seat] = until
        mine = {name for name, stay in self._stays.items() if stay.seat == seat}
        self._told.update({key: count[0] for key, count in self._edges.items() if key[0] in mine})
        for name in [name for name in mine if self._stays[name].down_at]:
            self._forget(name)

    def _forget_over(self, isolated: frozenset[str]) -> None:
        """Transports that are gone: of seats nobody isolates at once, once no edge to an isolated seat names them."""
        named = {source for _, source, _ in self._edges}
        over = [
            name
            for name, stay in self._stays.items()
            if stay.down_at and stay.seat not in isolated and name not in named and stay.down_at < self._heard_at
        ]
        for name in over:
            self._forget(name)

    def _forget(self, transport: str) -> None:
        del self._stays[transport]
        for key in [key for key in self._edges if key[0] == transport]:
            del self._edges[key]
            self._told.pop(key, None)


def _counts(made: Tally) -> dict[str, str | int]:
    return {
        "packets_in_testimony": made.inside, "packets_outside": made.outside, "packets_from_staff": made.from_staff,
        "transports_outside": made.transports,
    }  # fmt: skip
