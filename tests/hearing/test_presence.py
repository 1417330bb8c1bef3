from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courtroom.hearing import ledger, presence
from courtroom.hearing.model import Cause
from tests.hearing.house import CLERK, DEFENDANT, JUDGE, PLAINTIFF, House

known = st.sampled_from(sorted(presence.FACTS))
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("fact"), inner, max_size=4),
    max_leaves=10,
)


def rows(*facts: str) -> tuple[presence.Row, ...]:
    return tuple({"fact": fact, "at": 1, "clock": "court"} for fact in facts)


@given(st.lists(known | st.text(), max_size=12), st.integers(0, 20), st.integers(0, 20))
def test_without_a_voluntary_act_nobody_left_deliberately(facts: list[str], together: int, connected: int) -> None:
    cause = presence.attribute(rows(*facts), presence.Context(together, connected))
    if not presence.VOLUNTARY & set(facts):
        assert cause is not Cause.LEFT_DELIBERATELY


@given(st.lists(known, max_size=8))
def test_our_own_fault_comes_first(facts: list[str]) -> None:
    for ours in ("worker_died", "control_restarted"):
        assert presence.attribute(rows(*facts, ours)) is Cause.PLATFORM_FAILURE


@given(st.lists(known, max_size=8), st.randoms())
def test_the_order_of_evidence_does_not_matter(facts: list[str], random: object) -> None:
    shuffled = list(facts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert presence.attribute(rows(*facts)) is presence.attribute(rows(*shuffled))


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ((), Cause.UNKNOWN),
        (("leave_click",), Cause.LEFT_DELIBERATELY),
        (("hung_up", "media_silent"), Cause.LEFT_DELIBERATELY),
        (("second_login", "socket_closed_clean"), Cause.REPLACED_BY_SECOND_LOGIN),
        (("media_silent", "host_overloaded"), Cause.PLATFORM_FAILURE),
        (("leave_click", "host_overloaded"), Cause.LEFT_DELIBERATELY),
        (("page_hide", "socket_closed_clean"), Cause.CLOSED_PAGE),
        (("page_hide", "media_silent"), Cause.UNKNOWN),
        (("page_hide", "socket_dropped"), Cause.CLOSED_PAGE),
        (("socket_closed_clean",), Cause.UNKNOWN),
        (("media_silent",), Cause.NETWORK_LOST),
        (("socket_dropped", "high_loss"), Cause.NETWORK_DEGRADED),
        (("media_silent", "high_loss", "client_offline"), Cause.NETWORK_LOST),
        (("high_loss", "client_offline", "worker_died"), Cause.PLATFORM_FAILURE),
        (("heartbeat_silent", "battery_low"), Cause.POWER_SUSPECTED),
        (("camera_lost",), Cause.DEVICE_FAILURE),
        (("media_silent", "peers_dropped_together"), Cause.PLATFORM_FAILURE),
    ],
)
def test_attribution_table(facts: tuple[str, ...], cause: Cause) -> None:
    assert presence.attribute(rows(*facts)) is cause


@given(st.lists(anything, max_size=80))
def test_whatever_is_offered_as_evidence_fits_the_ledger(offered: list[object]) -> None:
    kept = presence.clean(offered, 7)
    assert len(kept) <= presence.MAX_ROWS
    ledger.canonical([dict(row) for row in kept])
    assert not offered or kept


@given(st.lists(known, min_size=1, max_size=6))
def test_rows_weigh_for_or_against_the_cause(facts: list[str]) -> None:
    cause = presence.attribute(rows(*facts))
    weighed = presence.weighed(rows(*facts), cause)
    assert all(row["weighs"] in ("for", "against") for row in weighed)
    if cause is not Cause.UNKNOWN:
        assert "for" in {row["weighs"] for row in weighed}
    assert "weighs" not in presence.weighed(({"fact": "new_fact", "weighs": "for"},), cause)[0]


def three_in_court() -> House:
    house = House()
    house.arrive(JUDGE, CLERK, PLAINTIFF, DEFENDANT)
    house.admit(PLAINTIFF, DEFENDANT)
    return house


def causes(house: House, *ids: str) -> list[Cause | None]:
    return [house.seat(id_).timeline[-1].cause for id_ in ids]


def test_who_fell_first_is_told_not_to_have_been_alone() -> None:
    house = three_in_court()
    house.lose(PLAINTIFF, "media_silent")
    house.wait(1)
    house.lose(DEFENDANT, "media_silent")
    assert causes(house, PLAINTIFF, DEFENDANT) == [Cause.NETWORK_LOST, Cause.NETWORK_LOST]
    house.wait(1)
    house.lose(CLERK, "media_silent")
    assert causes(house, PLAINTIFF, DEFENDANT, CLERK) == [Cause.PLATFORM_FAILURE] * 3
    first = next(entry for entry in house.entries if entry.type == "seat_disconnected")
    assert first.body["cause"] == "network_lost", "what was said at once stays in the ledger"


def test_one_network_is_no_fault_of_ours_and_long_ago_is_another_matter() -> None:
    house = three_in_court()
    house.lose(PLAINTIFF, "media_silent")
    house.wait(4)
    house.lose(DEFENDANT, "media_silent")
    house.lose(CLERK, "media_silent")
    assert causes(house, PLAINTIFF, DEFENDANT) == [Cause.NETWORK_LOST, Cause.NETWORK_LOST]
    house = three_in_court()
    for id_ in (PLAINTIFF, DEFENDANT):
        house.lose(id_, "media_silent")
    house.lose(CLERK, "media_silent", "same_network")
    assert causes(house, PLAINTIFF, DEFENDANT, CLERK) == [Cause.NETWORK_LOST] * 3


def test_who_left_on_purpose_left_on_purpose_whoever_falls_after() -> None:
    house = three_in_court()
    house.lose(PLAINTIFF, "leave_click")
    house.lose(DEFENDANT, "media_silent")
    house.lose(CLERK, "media_silent")
    assert causes(house, PLAINTIFF) == [Cause.LEFT_DELIBERATELY]


def test_a_page_that_was_loaded_anew_while_away_was_not_closed() -> None:
    told_later = {"fact": "page_hide", "at": 1, "clock": "client", "court_at": 1}
    assert presence.attribute((*rows("media_silent", "socket_dropped"), told_later)) is Cause.UNKNOWN
