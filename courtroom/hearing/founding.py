"""Drawing up a hearing: the one act that has no hearing to ask yet.

Rules: 1 to 128 seats with ids of their own; at most one presiding judge (without one it can be prepared, but never
opened); ``linked_to`` names another seat of the same hearing and never leads back to itself; texts are bounded; a
claim is said of a party that it can be about.
"""

from __future__ import annotations

from typing import Final

from courtroom.hearing import values
from courtroom.hearing.commands import COURT_SYSTEM
from courtroom.hearing.events import HearingCreated
from courtroom.hearing.model import Case, Claim, Policy, Role, SeatPlan, ServiceFact, Side
from courtroom.hearing.refusals import refusal
from courtroom.hearing.service import CLAIMS_OF

MAX_SEATS: Final = 128
MAX_CASE_TEXT: Final = 200
MAX_WARN_AFTER_S: Final = 24 * 3600
RESERVED: Final = frozenset({COURT_SYSTEM, "recorder", "staff"})

CHECKIN: Final = ("full", "clerk", "none")
CHECKLIST: Final = ("enforce", "record")


def found(case: Case, policy: Policy, scheduled_at: int, seats: tuple[SeatPlan, ...]) -> HearingCreated:
    """The first event of a ledger; ``Refused`` with ``bad_case bad_policy bad_time bad_seats bad_link …``."""
    _case(case)
    if policy.checkin not in CHECKIN or policy.checklist not in CHECKLIST:
        raise refusal("bad_policy")
    if type(policy.warn_after_s) is not int or not 0 <= policy.warn_after_s <= MAX_WARN_AFTER_S:
        raise refusal("bad_policy")
    if type(scheduled_at) is not int or not 0 <= scheduled_at <= values.MAX_INT:
        raise refusal("bad_time")
    _seats(seats)
    return HearingCreated(case=case, policy=policy, scheduled_at=scheduled_at, seats=seats)


def _case(case: Case) -> None:
    for name in ("number", "court", "cause", "procedure"):
        if not values.plain_text(getattr(case, name), MAX_CASE_TEXT):
            raise refusal("bad_case", field=name)
    if not case.number.strip() or not case.court.strip() or type(case.public) is not bool:
        raise refusal("bad_case", field="number")


def _seats(seats: tuple[SeatPlan, ...]) -> None:
    if not seats:
        raise refusal("bad_seats")
    if len(seats) > MAX_SEATS:
        raise refusal("too_many_seats", limit=MAX_SEATS)
    by_id = {plan.id: plan for plan in seats if type(plan.id) is str}
    if len(by_id) != len(seats) or RESERVED & by_id.keys() or not all(map(values.identifier, by_id)):
        raise refusal("bad_seats")
    for plan in seats:
        if type(plan.role) is not Role or type(plan.side) is not Side or type(plan.required) is not bool:
            raise refusal("bad_seats")
        if len({one.fact for one in plan.claims}) != len(plan.claims) or not all(
            type(one) is Claim and type(one.holds) is bool and one.fact in CLAIMS_OF.get(plan.role, ())
            for one in plan.claims
        ):
            raise refusal("bad_seats")
        if len(set(plan.service)) != len(plan.service) or any(type(one) is not ServiceFact for one in plan.service):
            raise refusal("bad_seats")
        _link(plan, by_id)
    if sum(plan.role is Role.PRESIDING_JUDGE for plan in seats) > 1:
        raise refusal("two_presiding_judges")


def _link(plan: SeatPlan, by_id: dict[str, SeatPlan]) -> None:
    here, steps = plan, 0
    while here.linked_to != "":
        following = by_id.get(here.linked_to) if type(here.linked_to) is str else None
        steps += 1
        if following is None or following.id == plan.id or steps > len(by_id):
            raise refusal("bad_link", seat=plan.id)
        here = following
