"""Which transport belongs to which seat: the one that counts, and the one that is on its way.

Rules
* A seat has at most one of each; a transport that has connected takes the place of the one before it, so that a
  reconnect replaces and never duplicates (COURT.md 11, invariant 3).
* What is handed out to be closed is no longer in here: nothing can be routed to it while it closes.

Pure: no worker, no clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from courtroom.control.routing import Stay


class Stays:
    """``current`` and ``pending`` by seat."""

    __slots__ = ("current", "pending")

    def __init__(self) -> None:
        self.current: dict[str, Stay] = {}
        self.pending: dict[str, Stay] = {}

    def __bool__(self) -> bool:
        return bool(self.current or self.pending)

    def seat_of(self, transport: str) -> str | None:
        for stays in (self.current, self.pending):
            for seat, stay in stays.items():
                if stay.transport == transport:
                    return seat
        return None

    def is_current(self, transport: str) -> bool:
        return any(stay.transport == transport for stay in self.current.values())

    def owns(self, seat: str, transport: str) -> bool:
        return any((stay := stays.get(seat)) and stay.transport == transport for stays in (self.pending, self.current))

    def by_transport(self) -> dict[str, str]:
        """Seats by the transports that count."""
        return {stay.transport: seat for seat, stay in self.current.items()}

    def connected(self, transport: str) -> Stay | None:
        """The stay that was waiting for this; it is on its way no more, and counts when the caller puts it there."""
        for seat, stay in self.pending.items():
            if stay.transport == transport:
                return self.pending.pop(seat)
        return None

    def gone(self, transport: str) -> str | None:
        """The transport is closed already; the seat whose current one it was."""
        self.connected(transport)
        for seat, stay in self.current.items():
            if stay.transport == transport:
                del self.current[seat]
                return seat
        return None

    def leaving(self, seat: str) -> Iterator[Stay]:
        """Everything a seat has, one by one, to be closed."""
        for stays in (self.pending, self.current):
            if stay := stays.pop(seat, None):
                yield stay

    def all_leaving(self) -> Iterator[Stay]:
        for seat in {*self.current, *self.pending}:
            yield from self.leaving(seat)

    def misplaced(self, rooms: Mapping[str, str | None]) -> Iterator[Stay]:
        """What stands in another room than its seat is in now, one by one, to be closed."""
        for seat in {*self.current, *self.pending}:
            for stays in (self.pending, self.current):
                if (stay := stays.get(seat)) and rooms.get(seat) != stay.key:
                    del stays[seat]
                    yield stay

    def clear(self) -> None:
        self.current.clear()
        self.pending.clear()
