"""The opening checklist: what blocks 开庭 until it is met or waived with a written reason (COURT.md 3; OLR 4, 7).

Items are named ``item`` or ``item:seat``; a waiver of ``item`` covers every seat, one of ``item:seat`` only that seat.
What the process itself answers for (emblem present, recorder ready, disk space) is checked there and not repeated here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from courtroom.hearing import roles, rooms
from courtroom.hearing.model import Hearing, Role, Seat

BENCH_COMPLETE: Final = "bench_complete"
IDENTITY: Final = "identity"
CONSENT: Final = "consent"
ITEMS: Final = (BENCH_COMPLETE, IDENTITY, CONSENT)


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the list; ``seat`` '' when it is about the whole court."""

    item: str
    seat: str
    met: bool
    waived: bool

    @property
    def key(self) -> str:
        return f"{self.item}:{self.seat}" if self.seat else self.item

    @property
    def holds(self) -> bool:
        return self.met or self.waived


def needs_identity(hearing: Hearing, seat: Seat) -> bool:
    """Whether ``seat`` may only come in after document and face were compared at this sitting (OLR 7)."""
    return hearing.policy.checkin in ("full", "clerk") and seat.role not in roles.STAFF


def needs_consent(hearing: Hearing, seat: Seat) -> bool:
    """Whether ``seat`` may only come in after it agreed to this sitting online (OLR 4)."""
    return hearing.policy.checkin == "full" and seat.role in roles.CONSENTING


def bench_complete(hearing: Hearing) -> bool:
    """A presiding judge, and every seat of the bench and clerk's table that was ordered, is connected and in court."""
    staff = [seat for seat in hearing.seats.values() if seat.role in roles.STAFF and not seat.removed]
    return any(seat.role is Role.PRESIDING_JUDGE for seat in staff) and all(
        seat.connected and rooms.in_courtroom(seat) for seat in staff if seat.plan.required
    )


def items(hearing: Hearing) -> tuple[Item, ...]:
    """The list as it stands now, in the order it is read out."""

    def line(item: str, seat: str, met: bool) -> Item:
        return Item(item, seat, met, item in hearing.waived or f"{item}:{seat}" in hearing.waived)

    admitted = [seat for seat in hearing.seats.values() if seat.admitted]
    return (
        line(BENCH_COMPLETE, "", bench_complete(hearing)),
        *(line(IDENTITY, seat.id, seat.identity_verified) for seat in admitted if needs_identity(hearing, seat)),
        *(line(CONSENT, seat.id, seat.consented) for seat in admitted if needs_consent(hearing, seat)),
    )


def missing(hearing: Hearing) -> tuple[str, ...]:
    """Keys of the items that are neither met nor waived."""
    return tuple(line.key for line in items(hearing) if not line.holds)
