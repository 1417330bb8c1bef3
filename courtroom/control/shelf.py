"""What lists show of a hearing that is not open: a ``Brief``, written down when it is shelved, read for each list.

Rules
* A brief is the hearing without what only its own pages show: no timelines, no statements, no drawings. Seats by their
  ids: names stand where they can be erased, and are put beside it by whoever shows the list.
* A brief that this program cannot read is no brief: its hearing is opened from the ledger instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from courtroom.control.api import Archive
from courtroom.hearing.model import (
    Case,
    Hearing,
    Interruption,
    Phase,
    Policy,
    Role,
    Seal,
    Seat,
    SeatPlan,
    Side,
    Signature,
)  # fmt: skip
from courtroom.store.ports import Shelved

SHOWN: Final = ("duration_us", "gaps")
"""What lists show of a seal."""


@dataclass(frozen=True, slots=True)
class Brief:
    """``control.api.Listed`` of a hearing on the shelf; ``names`` is empty."""

    hearing: Hearing
    archive: Archive
    names: Mapping[str, str] = field(default_factory=dict)


class _Seat(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    role: Role
    side: Side = Side.NONE
    linked_to: str = ""
    required: bool = True
    connected: bool = False
    admitted: bool = False
    removed: bool = False


class _Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    case: Case
    policy: Policy
    scheduled_at: int
    seats: tuple[_Seat, ...]
    phase: Phase
    opened_at: int
    closed_at: int
    interruptions: tuple[Interruption, ...]
    seal: Seal | None
    signatures: tuple[Signature, ...]
    explanation: str
    held: tuple[tuple[str, int], ...]
    seq: int
    at: int
    state: str  # of the archive, like the next two
    progress: int
    shown: dict[str, object]


_OF_HEARING: Final = (
    "id", "case", "policy", "scheduled_at", "phase", "opened_at", "closed_at", "interruptions", "seal", "explanation",
    "held", "seq", "at",
)  # fmt: skip
_OF_PLAN: Final = ("id", "role", "side", "linked_to", "required")
_OF_SEAT: Final = ("connected", "admitted", "removed")
_DECODER: Final = msgspec.json.Decoder(_Kept)


def brief_of(hearing: Hearing, archive: Archive) -> str:
    seats = tuple(
        _Seat(**_fields(seat.plan, _OF_PLAN), **_fields(seat, _OF_SEAT)) for seat in hearing.seats.values()
    )  # fmt: skip
    kept = _Kept(
        **_fields(hearing, _OF_HEARING),
        seats=seats,
        signatures=tuple(replace(one, reason="", stroke="") for one in hearing.signatures),
        state=archive.state,
        progress=archive.progress,
        shown={name: archive.seal[name] for name in SHOWN if name in archive.seal},
    )
    return msgspec.json.encode(kept).decode()


def read_brief(shelved: Shelved) -> Brief | None:
    """``None`` when it was written by another program than this one, or is damaged."""
    try:
        kept = _DECODER.decode(shelved.brief)
    except msgspec.DecodeError:
        return None
    if (kept.id, kept.seq) != (shelved.hearing, shelved.seq):
        return None
    seats = {one.id: Seat(SeatPlan(**_fields(one, _OF_PLAN)), **_fields(one, _OF_SEAT)) for one in kept.seats}
    hearing = Hearing(**_fields(kept, _OF_HEARING), seats=seats, signatures=kept.signatures)
    return Brief(hearing, Archive(kept.state, kept.progress, seal=kept.shown))


def _fields(of: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(of, name) for name in names}
