"""Evidence at rest is the evidence, in less room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from courtroom.hearing import commands as c
from courtroom.hearing import presence
from courtroom.hearing.evidence import AtRest, at_rest
from courtroom.hearing.ledger import replay
from courtroom.hearing.model import Cause
from tests.hearing.house import JUDGE, PLAINTIFF, House

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.lists(st.dictionaries(WORDS, st.integers(-(2**53), 2**53) | WORDS, max_size=8), max_size=20)


@given(ROWS)
def test_what_comes_out_is_what_went_in(rows: list[presence.Row]) -> None:
    given_ = tuple(rows)
    rested = at_rest(given_)
    assert rested == given_
    assert given_ == rested
    assert (len(rested), tuple(rested), bool(rested)) == (len(given_), given_, bool(given_))
    assert at_rest(rested) == rested
    if given_:
        assert (rested[0], rested[-1], rested[:2]) == (given_[0], given_[-1], given_[:2])
        assert rested != given_[1:]


def test_an_interruption_that_is_over_rests_and_still_learns_its_cause() -> None:
    house = House().in_session()
    house.lose(PLAINTIFF, "socket_closed_clean")
    began = house.seat(PLAINTIFF).timeline[-1].seq
    lasting = house.seat(PLAINTIFF).timeline[-1]
    assert not isinstance(lasting.evidence, AtRest)
    house.wait(5)
    house.arrive(PLAINTIFF)
    gap = presence.gap_of(house.seat(PLAINTIFF), began)
    assert gap is not None
    assert isinstance(gap.evidence, AtRest)
    assert gap.evidence == lasting.evidence

    late: presence.Row = {"fact": "page_hide", "at": house.now, "clock": "client"}
    house.do(c.ObserveEvidence(seat=PLAINTIFF, evidence=(late,), spell=began))
    gap = presence.gap_of(house.seat(PLAINTIFF), began)
    assert gap is not None
    assert isinstance(gap.evidence, AtRest)
    assert gap.cause is Cause.CLOSED_PAGE
    assert [row["fact"] for row in gap.evidence] == ["socket_closed_clean", "page_hide"]
    assert all(row["weighs"] == "for" for row in gap.evidence)
    shown = next(row for row in house.view(JUDGE)["attendance"] if row["seat"] == PLAINTIFF)
    spell = next(row for row in shown["timeline"] if row["seq"] == began)
    assert [row["fact"] for row in spell["evidence"]] == ["socket_closed_clean", "page_hide"]
    assert replay(house.entries) == house.hearing
