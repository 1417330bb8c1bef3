"""What each party missed, and who spoke meanwhile, from the ledger alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from courtroom.hearing import commands as c
from courtroom.hearing import fairness
from tests.hearing.house import CLERK, DEFENDANT, JUDGE, PLAINTIFF, SECOND, House


def party(report: dict[str, Any], seat: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in report["parties"] if one["seat"] == seat)
    return found


def spoke(house: House, *spans: tuple[str, int, int]) -> None:
    """Spans in seconds before now."""
    rows: tuple[dict[str, str | int], ...] = tuple(
        {"seat": seat, "from": house.now - begun * SECOND, "to": house.now - ended * SECOND}
        for seat, begun, ended in spans
    )
    house.do(c.ObserveSpeech(since=house.now - 600 * SECOND, until=house.now, spans=rows))


def test_what_was_missed_who_spoke_meanwhile_and_where_it_is_in_the_recording() -> None:
    house = House().in_session("debate")
    house.wait(100)
    house.lose(DEFENDANT, "media_silent")
    gone_at = house.now
    house.wait(30)
    house.arrive(DEFENDANT)
    back_at = house.now
    spoke(house, (PLAINTIFF, 20, 5), (DEFENDANT, 3, 1), (JUDGE, 40, 25))
    report = fairness.report(house.entries)
    row = party(report, DEFENDANT)
    assert (row["missed_us"], row["missed_by_cause"]) == (back_at - gone_at, {"network_lost": back_at - gone_at})
    (missed,) = row["missed"]
    assert (missed["from"], missed["to"], missed["phase"], missed["ours"]) == (gone_at, back_at, "debate", False)
    assert missed["recording_us"] == gone_at - report["recording"]["started_at"]
    heard = {one["seat"]: one["us"] for one in missed["speakers"]}
    assert heard == {PLAINTIFF: 15 * SECOND, JUDGE: back_at - 25 * SECOND - gone_at}
    assert missed["speakers"][0]["recording_us"] > missed["recording_us"] - 1
    assert (party(report, PLAINTIFF)["missed_us"], party(report, PLAINTIFF)["spoke_us"]) == (0, 15 * SECOND)
    assert row["spoke_us"] == 2 * SECOND


def test_nobody_misses_a_recess_or_what_was_before_the_opening() -> None:
    house = House()
    house.arrive(JUDGE, CLERK, PLAINTIFF)
    house.admit(PLAINTIFF)
    house.wait(300)
    house.do(c.OpenHearing(actor=JUDGE))
    opened = house.now
    house.wait(20)
    house.do(c.Recess(actor=JUDGE))
    rested = house.now
    house.wait(900)
    house.do(c.Resume(actor=JUDGE))
    resumed = house.now
    house.wait(10)
    house.do(c.CloseHearing(actor=JUDGE))
    report = fairness.report(house.entries)
    assert report["open_us"] == (rested - opened) + (house.now - resumed)
    assert party(report, DEFENDANT)["missed_us"] == report["open_us"]
    assert [one["state"] for one in party(report, DEFENDANT)["missed"]] == ["absent", "absent"]
    assert report["recording"]["ended_at"] == house.now


def test_our_own_faults_are_counted_apart_and_those_in_person_not_at_all() -> None:
    house = House().in_session()
    house.lose(DEFENDANT, "worker_died")
    house.lose(PLAINTIFF, "page_hide")
    house.wait(10)
    house.do(c.CloseHearing(actor=JUDGE))
    report = fairness.report(house.entries)
    row = party(report, DEFENDANT)
    assert row["missed_ours_us"] == row["missed_us"] > 0
    assert party(report, PLAINTIFF)["missed_ours_us"] == 0
    house = House()
    house.do(c.ObserveArrival(seat=JUDGE, connection="a"))
    house.do(c.RecordService(actor=JUDGE, seat=DEFENDANT, fact="offline_agreed"))
    house.arrive(CLERK)
    house.do(c.OpenHearing(actor=JUDGE))
    house.wait(10)
    row = party(fairness.report(house.entries), DEFENDANT)
    assert (row["offline"], row["missed_us"]) == (True, 0)


def test_without_speech_on_record_nothing_is_claimed() -> None:
    house = House().in_session()
    house.wait(5)
    report = fairness.report(house.entries)
    assert report["speech_noted"] is False
    assert {one["spoke_us"] for one in report["parties"]} == {0}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["lose", "back", "recess", "resume", "wait", "excuse"]), max_size=20))
def test_missed_time_is_within_the_open_time_and_never_negative(steps: list[str]) -> None:
    house = House().in_session()
    for step in steps:
        house.wait(7)
        match step:
            case "lose" if house.seat(DEFENDANT).connected:
                house.lose(DEFENDANT, "media_silent")
            case "back":
                house.refused(c.ObserveArrival(seat=DEFENDANT, connection=house.new_id()))
            case "recess":
                house.refused(c.Recess(actor=JUDGE))
            case "resume":
                house.refused(c.Resume(actor=JUDGE))
            case "excuse":
                house.refused(c.Excuse(actor=JUDGE, seat=DEFENDANT, until=house.now + 10 * SECOND))
    report = fairness.report(house.entries)
    for row in report["parties"]:
        assert 0 <= row["missed_us"] <= report["open_us"]
        assert row["missed_us"] == sum(one["us"] for one in row["missed"]) == sum(row["missed_by_cause"].values())
        ends = [(one["from"], one["to"]) for one in row["missed"]]
        assert all(to <= following for (_, to), (following, _) in pairwise(ends))


def test_while_the_recording_lawfully_rested_there_is_nowhere_to_jump() -> None:
    house = House().in_session()
    house.do(c.ProposeInterruption(actor=JUDGE, ground="not_public"))
    assert house.hearing.proposal is not None
    house.do(c.ConfirmInterruption(actor=CLERK, proposal=house.hearing.proposal.id))
    house.wait(1)
    house.lose(DEFENDANT, "media_silent")
    house.wait(5)
    (missed,) = party(fairness.report(house.entries, house.now), DEFENDANT)["missed"]
    assert missed["recording_us"] is None


def test_where_the_film_shows_it_follows_from_its_parts_and_not_from_a_subtraction() -> None:
    house = House().in_session("debate")
    house.wait(100)
    house.lose(DEFENDANT, "media_silent")
    gone_at = house.now
    house.wait(30)
    house.arrive(DEFENDANT)
    spoke(house, (PLAINTIFF, 20, 5))
    report = fairness.report(house.entries)
    started = report["recording"]["started_at"]
    # a recess of 60 s is a plate of 3 s: what came 90 s after the beginning is shown at 33 s
    parts: list[dict[str, int | str]] = [
        {"kind": "live", "court_at": started, "at_us": 0, "length_us": 20 * SECOND},
        {"kind": "plate", "court_at": started + 20 * SECOND, "at_us": 20 * SECOND, "length_us": 3 * SECOND},
        {"kind": "live", "court_at": started + 80 * SECOND, "at_us": 23 * SECOND, "length_us": 900 * SECOND},
    ]
    told = fairness.in_film(report, parts, "/archive/h-test?seat=seat-judge")
    (missed,) = party(told, DEFENDANT)["missed"]
    film = 23 * SECOND + gone_at - started - 80 * SECOND
    assert (missed["film_us"], missed["url"]) == (film, f"/archive/h-test?seat=seat-judge#t={film // SECOND}")
    assert missed["speakers"][0]["film_us"] > film
    assert party(report, DEFENDANT)["missed"][0].keys().isdisjoint({"film_us", "url"}), "the report itself is as it was"


def test_without_a_film_or_where_the_recording_rested_there_is_no_link() -> None:
    house = House().in_session("debate")
    house.lose(DEFENDANT, "media_silent")
    house.wait(30)
    house.interrupt("not_public")
    house.arrive(DEFENDANT)
    house.lose(DEFENDANT, "media_silent")
    house.wait(30)
    house.arrive(DEFENDANT)
    report = fairness.report(house.entries)
    started = report["recording"]["started_at"]
    for parts in ([], [{"kind": "live", "court_at": started, "at_us": 0, "length_us": 900 * SECOND}]):
        rows = party(fairness.in_film(report, parts, "/archive/h"), DEFENDANT)["missed"]
        for row in rows:
            shown = bool(parts) and row["recording_us"] is not None
            assert (row["film_us"] is not None, row["url"] is not None) == (shown, shown)
        assert any(row["recording_us"] is None for row in rows)
