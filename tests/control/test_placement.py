"""Where a hearing goes: by load, and nowhere when nobody can take it without harm to those that run."""

from __future__ import annotations

import pytest

from courtroom.control import placement
from courtroom.control.placement import (
    CALM_AFTER,
    FULL_AFTER,
    FULL_CPU,
    FULL_LAG_US,
    NEWCOMER,
    SETTLES_US,
    Gauge,
    choose,
)
from courtroom.errors import Unavailable

NOW = 1_790_000_000_000_000


def told(*reports: tuple[int, int]) -> Gauge:
    gauge = Gauge()
    for cpu, lag in reports:
        gauge.report(cpu, lag)
    return gauge


def test_the_least_busy_worker_takes_the_next_hearing() -> None:
    busy, idle = told(*[(600, 1000)] * 20), told(*[(100, 1000)] * 20)
    assert choose([("busy", busy), ("idle", idle)], NOW, running=False) == "idle"
    assert busy.cpu == 600


def test_hearings_that_begin_together_are_spread_before_their_load_shows() -> None:
    workers = [(number, Gauge()) for number in range(3)]
    assert [choose(workers, NOW, running=False) for _ in range(6)] == [0, 1, 2, 0, 1, 2]
    assert workers[0][1].expected(NOW) == 2 * NEWCOMER
    assert workers[0][1].expected(NOW + SETTLES_US) == 0, "by then it is measured"


def test_full_is_told_after_some_seconds_and_taken_back_later() -> None:
    hot, between, calm = (FULL_CPU, 0), (FULL_CPU - 1, 0), (100, 0)
    assert not told(*[hot] * (FULL_AFTER - 1)).full, "one bad second proves nothing"
    assert not told(*[hot] * (FULL_AFTER - 1), between, hot).full
    assert told(*[hot] * FULL_AFTER).full
    assert told(*[(0, FULL_LAG_US)] * FULL_AFTER).full, "an idle loop that is late is as bad"
    assert told(*[hot] * FULL_AFTER, *[between] * 50).full, "hysteresis"
    assert told(*[hot] * FULL_AFTER, *[calm] * (CALM_AFTER - 1)).full
    assert not told(*[hot] * FULL_AFTER, *[calm] * CALM_AFTER).full


def test_new_hearings_are_refused_when_all_are_full_and_running_ones_are_not() -> None:
    full = [("one", told(*[(990, 0)] * 20)), ("two", told(*[(900, 0)] * 20))]
    with pytest.raises(Unavailable, match="media_overloaded"):
        choose(full, NOW, running=False)
    assert choose(full, NOW, running=True) == "two", "its worker died: the least loaded one, full or not"
    assert choose([*full, ("three", told(*[(800, 0)] * 20))], NOW, running=True) == "three"


def test_nobody_up_is_another_matter() -> None:
    with pytest.raises(Unavailable, match="media_unavailable"):
        choose([], NOW, running=True)


def test_what_is_remembered_of_newcomers_is_bounded() -> None:
    gauge = Gauge()
    for _ in range(10_000):
        gauge.took_in(NOW)
    assert gauge.expected(NOW) == placement.MAX_NEWCOMERS * NEWCOMER
