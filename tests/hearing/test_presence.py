from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courtroom.hearing import ledger, presence
from courtroom.hearing.model import Cause

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
        (("socket_closed_clean",), Cause.UNKNOWN),
        (("media_silent",), Cause.NETWORK_LOST),
        (("socket_dropped", "high_loss"), Cause.NETWORK_DEGRADED),
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
