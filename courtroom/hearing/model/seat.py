"""A seat: a place in a hearing with a role, and all that is known of whoever occupies it.

* All permissions hang on the seat; a person never stands in the ledger.
* One live connection at most (COURT.md 11, invariant 3); ``room`` says which media reach it.

COURT.md 1, 2 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass

from courtroom.hearing.model.court import Device, Kind, Role, Room
from courtroom.hearing.model.papers import Attachment, Notice, Statement, Step
from courtroom.hearing.model.plan import OFFLINE_FACTS, OnFile, SeatPlan
from courtroom.hearing.model.spell import Spell


@dataclass(frozen=True, slots=True)
class Seat:
    plan: SeatPlan
    room: Room | None = None  # None: has not arrived, left, or was removed
    connected: bool = False
    connection: str = ""  # id of the one live connection (invariant 3)
    admitted: bool = False
    removed: bool = False
    identity_verified: bool = False
    consented: bool = False
    microphone: Device = Device.NONE
    camera: Device = Device.NONE
    muted: frozenset[Kind] = frozenset()
    floor: bool = False
    hand_raised_at: int = 0
    excused_until: int = 0
    refused_online: bool = False  # the person's own last word on a sitting online (OLR 4) was no
    notices: tuple[Notice, ...] = ()  # every prompt and warning of this hearing, delivered or not
    statements: tuple[Statement, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    on_file: tuple[OnFile, ...] = ()
    timeline: tuple[Spell, ...] = ()
    seq: int = 0  # the last ledger entry about this seat: all that an isolated seat may know of the ledger

    @property
    def id(self) -> str:
        return self.plan.id

    @property
    def role(self) -> Role:
        return self.plan.role

    @property
    def offline(self) -> bool:
        """Expected in person: such a seat is never absent online."""
        return self.refused_online or any(one.holds and one.fact in OFFLINE_FACTS for one in self.on_file)

    @property
    def prompted_at(self) -> int:
        """When a prompt of the absence that lasts was first delivered; 0 when none was."""
        return self._delivered(Step.PROMPT)

    @property
    def warned_at(self) -> int:
        return self._delivered(Step.WARNING)

    def _delivered(self, step: Step) -> int:
        current = (one for one in self.notices if one.step is step and not one.ended_at)
        return min((one.delivered_at for one in current if one.delivered_at), default=0)

    @property
    def prompts(self) -> tuple[int, ...]:
        return tuple(one.at for one in self.notices if one.step is Step.PROMPT)

    @property
    def warnings(self) -> tuple[int, ...]:
        return tuple(one.at for one in self.notices if one.step is Step.WARNING)
