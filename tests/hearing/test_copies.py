"""Who may have, grant and see a recipient's copy: one rule, looked at for every pair of seats."""

from __future__ import annotations

from dataclasses import replace

from courtroom.hearing.access import may_grant_copy, may_have_copy, may_see_copy
from courtroom.hearing.model import Hearing
from tests.hearing.house import PLANS, House

DESK = {"seat-judge", "seat-assessor", "seat-clerk"}
LAWFUL = DESK | {"seat-plaintiff", "seat-counsel", "seat-defendant"}
EVERYBODY = [plan.id for plan in PLANS] + ["seat-nobody", ""]


def pairs(hearing: Hearing) -> set[tuple[str, str]]:
    return {(viewer, of) for viewer in EVERYBODY for of in EVERYBODY if may_see_copy(hearing, viewer, of)}


def test_copies_are_for_the_court_the_parties_and_their_counsel() -> None:
    hearing = House().hearing
    assert {seat for seat in EVERYBODY if may_have_copy(hearing, seat)} == LAWFUL
    assert {seat for seat in EVERYBODY if may_grant_copy(hearing, seat)} == DESK


def test_the_desk_sees_all_copies_and_the_others_their_own() -> None:
    hearing = House().hearing
    for viewer, of in pairs(hearing):
        assert viewer in DESK or (viewer == of and viewer in LAWFUL)
    assert ("seat-counsel", "seat-plaintiff") not in pairs(hearing), "not even of one's own side"


def test_whoever_is_removed_loses_copies_and_nobody_gains() -> None:
    hearing = House().hearing
    before = pairs(hearing)
    for seat in hearing.seats:
        gone = replace(hearing, seats={**hearing.seats, seat: replace(hearing.seats[seat], removed=True)})
        assert pairs(gone) < before or seat not in LAWFUL
        assert not any(viewer == seat for viewer, _ in pairs(gone))
        assert not may_have_copy(gone, seat)
