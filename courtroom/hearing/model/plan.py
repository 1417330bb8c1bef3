"""How a hearing was ordered: the case, how strictly it is held, who is expected, and what is on file about each.

* ``SeatPlan`` and ``Case`` are of the moment of creation; what becomes known later stands beside them (``OnFile``).
* Whether a person was reached and how, and what it claims, decides what the law says of its absence; nothing is
  assumed that nobody has put on file.

COURT.md 1 and 6; Online Litigation Rules art. 4, 25; Civil Procedure Law art. 146 to 148.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from courtroom.hearing.model.court import Role, Side


class ServiceFact(StrEnum):
    """What the court has on file about reaching a person, before or beside the sitting."""

    SUMMONS_SERVED = "summons_served"  # 传票
    ANNOUNCEMENT_SERVED = "announcement_served"  # 公告
    LINK_DELIVERED = "link_delivered"
    OFFLINE_OPTION_OFFERED = "offline_option_offered"
    OFFLINE_AGREED = "offline_agreed"  # attends in person
    SELF_TEST_PASSED = "self_test_passed"


class ClaimFact(StrEnum):
    """What the law on absence makes a difference by, about one party; unknown until somebody says it."""

    COUNTERCLAIM = "counterclaim"  # 反诉, against this plaintiff
    WITHDRAWAL_REFUSED = "withdrawal_refused"  # 裁定不准许撤诉
    INDEPENDENT_CLAIM = "independent_claim"  # 有独立请求权


OFFLINE_FACTS = frozenset({ServiceFact.ANNOUNCEMENT_SERVED, ServiceFact.OFFLINE_AGREED})
"""Whoever is in one of these is expected in person, and never absent online."""


@dataclass(frozen=True, slots=True)
class Case:
    number: str
    court: str
    cause: str
    procedure: str
    public: bool


LEAST_WARN_AFTER_S = 60
"""Below this a warning hardly follows its prompt: only where a court runs unchecked (tests, demonstrations)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How strictly check-in and the opening checklist bind; anything but the default is marked everywhere."""

    checkin: str = "full"  # full | clerk | none
    checklist: str = "enforce"  # enforce | record
    warn_after_s: int = 180  # least time between a delivered prompt and the warning after it (COURT.md 6)

    @property
    def unchecked(self) -> bool:
        return self.checkin == "none" or self.checklist == "record" or self.warn_after_s < LEAST_WARN_AFTER_S


@dataclass(frozen=True, slots=True)
class Claim:
    """One fact about a claim as it was known when the hearing was created."""

    fact: ClaimFact
    holds: bool


@dataclass(frozen=True, slots=True)
class SeatPlan:
    """A seat as it was ordered when the hearing was created."""

    id: str
    role: Role
    side: Side = Side.NONE
    linked_to: str = ""
    required: bool = True
    service: tuple[ServiceFact, ...] = ()  # on file when the hearing was created
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class OnFile:
    """The newest word on one fact; ``seq`` is the entry that says it."""

    fact: ServiceFact | ClaimFact
    holds: bool
    at: int
    seq: int
