"""What the court has on file about a party: how it was reached, how it attends, and which claims there are.

Reference: COURT.md 6; Civil Procedure Law (as amended 2023) art. 146 and 148; SPC Interpretation on it art. 236, 240.

Rules
* What is not on file is unknown, which is not the same as "no": a fact is put down with ``holds`` true or false.
* The newest word counts; the earlier one stays in the ledger. A device that passed once has passed before.
* A claim is about the parties the law ties it to: a counterclaim and a withdrawal that was refused about a plaintiff,
  an independent claim about a third party. Of anybody else it is refused as a fact that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing.model import ClaimFact, Hearing, OnFile, Role, Seat, ServiceFact
from courtroom.hearing.refusals import refusal

Events = tuple[e.Event, ...]
Fact = ServiceFact | ClaimFact

CLAIMS_OF: Final[Mapping[Role, frozenset[ClaimFact]]] = {
    Role.PLAINTIFF: frozenset({ClaimFact.COUNTERCLAIM, ClaimFact.WITHDRAWAL_REFUSED}),
    Role.THIRD_PARTY: frozenset({ClaimFact.INDEPENDENT_CLAIM}),
}
"""Which claims can be on file about whom."""


def claims(seat: Seat) -> dict[ClaimFact, bool]:
    """What is known; a claim that does not stand here is unknown."""
    return {one.fact: one.holds for one in seat.on_file if isinstance(one.fact, ClaimFact)}


def may_record(_hearing: Hearing, actor: Seat, target: Seat, _at: int) -> None:
    if actor.id == target.id:
        raise refusal("not_allowed")


def fact_of(name: str, role: Role) -> Fact:
    if name in {one.value for one in ServiceFact}:
        return ServiceFact(name)
    for one in CLAIMS_OF.get(role, frozenset()):
        if one.value == name:
            return one
    raise refusal("bad_fact")


def recorded(command: c.RecordService, target: Seat) -> Events:
    fact = fact_of(command.fact, target.role)
    known = next((one for one in target.on_file if one.fact == fact), None)
    if known is not None and known.holds is command.holds:
        raise refusal("already_so")
    return (e.ServiceRecorded(seat=target.id, fact=command.fact, holds=command.holds, note=command.note),)


def evolved(seat: Seat, event: e.ServiceRecorded | e.SelfTestNoted, at: int, seq: int) -> Seat:
    match event:
        case e.ServiceRecorded():
            return filed(seat, fact_from(event.fact), event.holds, at, seq)
        case e.SelfTestNoted():
            return filed(seat, ServiceFact.SELF_TEST_PASSED, event.passed, at, seq)


def fact_from(name: str) -> Fact:
    """The fact of a ledger entry; ``ValueError`` for a word outside both sets."""
    return ClaimFact(name) if name in {one.value for one in ClaimFact} else ServiceFact(name)


def filed(seat: Seat, fact: Fact, holds: bool, at: int, seq: int) -> Seat:
    """The seat with the newest word on ``fact``."""
    known = {one.fact: one for one in seat.on_file}
    if fact is ServiceFact.SELF_TEST_PASSED and fact in known and known[fact].holds and not holds:
        return seat
    others = (one for one in seat.on_file if one.fact is not fact)
    return replace(seat, on_file=in_order((*others, OnFile(fact, holds, at, seq))))


def in_order(rows: Iterable[OnFile]) -> tuple[OnFile, ...]:
    return tuple(sorted(rows, key=lambda one: one.fact.value))
