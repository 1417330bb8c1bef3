"""Drafts: every precondition has its own entry, a missing one silences the law (COURT.md 6)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from courtroom.documents.law import FILE, rule_table
from courtroom.errors import BadMessage, Refused
from courtroom.hearing import commands as c
from courtroom.hearing import drafts, ledger, rules
from courtroom.hearing.model import Case, Claim, ClaimFact, Policy, Role, SeatPlan, ServiceFact, Side
from courtroom.hearing.preconditions import CODES
from tests.hearing.house import CASE, CLERK, DEFENDANT, JUDGE, PLAINTIFF, PLANS, SECOND, House

TABLE = rule_table()
ON_FILE = (ServiceFact.SUMMONS_SERVED, ServiceFact.OFFLINE_OPTION_OFFERED, ServiceFact.SELF_TEST_PASSED)


def prepared(case: Case = CASE) -> House:
    """Everybody in session, everything on file for the defendant and the plaintiff."""
    plans = tuple(replace(plan, service=ON_FILE) if plan.id in (DEFENDANT, PLAINTIFF) else plan for plan in PLANS)
    house = House(Policy("none", "enforce"), plans)
    if case is not CASE:
        house.entries.clear()
        from courtroom.hearing.founding import found

        house.hearing = house._write(None, found(case, Policy("none", "enforce"), house.now, plans), "system")
    house.in_session()
    for seat in (DEFENDANT, PLAINTIFF):
        house.do(c.Consent(actor=seat, agreed=True))
    house.wait(60)
    return house


def gone(house: House, seat: str = DEFENDANT, *facts: str) -> House:
    house.lose(seat, *(facts or ("page_hide", "socket_closed_clean")))
    return house


def warned(house: House, seat: str = DEFENDANT) -> House:
    house.do(c.Prompt(actor=CLERK, seat=seat, note="电话"))
    house.wait(181)
    house.do(c.Warn(actor=JUDGE, seat=seat, note="电话"))
    return house


def draft(house: House, seat: str = DEFENDANT) -> drafts.Draft:
    return drafts.draft(house.entries, seat, TABLE)


def line(made: drafts.Draft, code: str) -> tuple[bool, tuple[int, ...]]:
    found = next(one for one in made.preconditions if one.code == code)
    return found.ok, found.refs


def test_with_everything_on_record_the_law_is_offered_and_may_stays_may() -> None:
    house = warned(gone(prepared()))
    made = draft(house)
    assert (made.first_line.code, made.first_line.missing, made.situation) == ("complete", (), "left")
    assert [one.provision for one in made.proposals] == ["cpl-147-default"]
    found = TABLE.find("cpl-147-default")
    assert found is not None
    assert (found.modality, "可以缺席判决" in found.text.zh, "may be rendered" in found.text.en) == ("may", True, True)
    types = {entry.seq: entry.type for entry in house.entries}
    assert {types[ref] for ref in line(made, "warning_delivered")[1]} == {"warned", "phone_noted"}
    assert types[line(made, "online_consented")[1][0]] == "consent_given"
    assert types[line(made, "summons_served")[1][0]] == "hearing_created"
    assert types[line(made, "not_platform")[1][0]] == "seat_disconnected"


Spoil = Callable[[House], object]
SPOILED: dict[str, Spoil] = {
    "summons_served": lambda house: house.do(
        c.RecordService(actor=CLERK, seat=DEFENDANT, fact="summons_served", holds=False)
    ),
    "offline_option": lambda house: house.do(
        c.RecordService(actor=CLERK, seat=DEFENDANT, fact="offline_option_offered", holds=False)
    ),
    "no_offline_request": lambda house: house.do(c.MakeRequest(actor=DEFENDANT, kind="offline", text="")),
}


@pytest.mark.parametrize("code", sorted(SPOILED))
def test_one_missing_precondition_is_said_first_and_silences_the_law(code: str) -> None:
    house = prepared()
    SPOILED[code](house)
    made = draft(warned(gone(house)))
    assert (made.first_line.code, made.first_line.missing) == ("missing", (code,))
    assert made.proposals == (drafts.Proposal("", True),)


@pytest.mark.parametrize("facts", [("worker_died",), ("host_overloaded", "media_silent"), ("control_restarted",)])
def test_our_own_fault_is_never_charged(facts: tuple[str, ...]) -> None:
    made = draft(warned(gone(prepared(), DEFENDANT, *facts)))
    assert "not_platform" in made.first_line.missing
    assert made.proposals[0].neutral


@pytest.mark.parametrize("facts", [("media_silent",), ("media_silent", "high_loss"), ("camera_lost",)])
def test_a_cause_that_the_rules_excuse_silences_the_law(facts: tuple[str, ...]) -> None:
    made = draft(warned(gone(prepared(), DEFENDANT, *facts)))
    assert made.first_line.missing == ("no_excusing_cause",)


def test_trouble_of_ours_in_the_same_seconds_for_somebody_else_counts() -> None:
    house = prepared()
    house.lose("seat-counsel", "worker_died")
    house.wait(1)
    made = draft(warned(gone(house)))
    assert made.first_line.missing == ("not_platform",)


def test_later_evidence_changes_the_draft_and_the_earlier_attribution_stays() -> None:
    house = warned(gone(prepared()))
    before = draft(house)
    house.do(
        c.ObserveEvidence(seat=DEFENDANT, evidence=({"fact": "control_restarted", "at": house.now, "clock": "court"},))
    )
    after = draft(house)
    assert (before.first_line.code, after.first_line.code) == ("complete", "missing")
    causes = [one["cause"] for one in after.timeline[-1]["attributions"]]
    assert causes == ["closed_page", "platform_failure"]
    weighs = {row["fact"]: row["weighs"] for row in after.timeline[-1]["evidence"]}
    assert weighs == {"page_hide": "against", "socket_closed_clean": "against", "control_restarted": "for"}


def test_who_never_came_has_not_appeared() -> None:
    plans = tuple(replace(plan, service=(*ON_FILE, ServiceFact.LINK_DELIVERED)) for plan in PLANS)
    house = House(plans=plans)
    house.arrive(JUDGE, CLERK, PLAINTIFF)
    house.admit(PLAINTIFF)
    house.do(c.Consent(actor=DEFENDANT, agreed=True))
    house.do(c.OpenHearing(actor=JUDGE))
    house.wait(600)
    made = draft(warned(house))
    assert (made.situation, made.first_line.code) == ("not_appeared", "complete")


def test_a_return_and_an_offline_seat_are_no_absence() -> None:
    house = warned(gone(prepared()))
    house.arrive(DEFENDANT)
    made = draft(house)
    assert (made.first_line.code, made.proposals[0].neutral) == ("returned", True)
    assert [one.body["how"] for one in made.returns] == ["return"]
    house.lose(DEFENDANT, "page_hide", "socket_closed_clean")
    house.do(c.RecordService(actor=CLERK, seat=DEFENDANT, fact="announcement_served"))
    assert draft(house).first_line.code == "offline_seat"
    assert draft(house, PLAINTIFF).first_line.code == "not_absent"


def test_out_of_the_picture_is_not_out_of_court() -> None:
    house = prepared()
    house.do(c.SetDevices(actor=DEFENDANT, microphone="on", camera="off"))
    made = draft(warned(house))
    assert (made.situation, made.proposals[0].neutral) == ("out_of_picture", True)


@pytest.mark.parametrize("procedure", ["criminal fast-track", "刑事速裁程序"])
def test_a_procedure_the_table_excludes_gets_no_provision(procedure: str) -> None:
    made = draft(warned(gone(prepared(replace(CASE, procedure=procedure)))))
    assert (made.first_line.code, made.proposals[0].neutral) == ("complete", True)


def offered(made: drafts.Draft) -> list[tuple[str, str]]:
    return [(one.provision, one.condition) for one in made.proposals]


def test_a_condition_that_nobody_has_said_anything_about_comes_as_unknown() -> None:
    made = draft(warned(gone(prepared(), PLAINTIFF), PLAINTIFF), PLAINTIFF)
    assert offered(made) == [("cpl-146-withdrawal", ""), ("cpl-146-counterclaim", "unknown")]


def test_what_the_clerk_says_of_a_claim_decides_what_is_offered_and_is_cited() -> None:
    house = warned(gone(prepared(), PLAINTIFF), PLAINTIFF)
    house.do(c.RecordService(actor=CLERK, seat=PLAINTIFF, fact="counterclaim", holds=False, note="卷宗"))
    assert offered(draft(house, PLAINTIFF)) == [("cpl-146-withdrawal", "")]
    house.do(c.RecordService(actor=CLERK, seat=PLAINTIFF, fact="counterclaim", holds=True, note="反诉状"))
    met = draft(house, PLAINTIFF).proposals[1]
    assert (met.provision, met.condition, met.refs) == ("cpl-146-counterclaim", "met", (len(house.entries),))
    assert house.refused(c.RecordService(actor=CLERK, seat=PLAINTIFF, fact="counterclaim")) == "already_so"


@pytest.mark.parametrize(
    ("seat", "fact"),
    [(DEFENDANT, "counterclaim"), (PLAINTIFF, "independent_claim"), (CLERK, "counterclaim"), (DEFENDANT, "x")],
)
def test_a_claim_is_said_of_a_party_that_it_can_be_about(seat: str, fact: str) -> None:
    house = prepared()
    assert house.refused(c.RecordService(actor=JUDGE, seat=seat, fact=fact, note="卷宗")) == "bad_fact"


THIRD = SeatPlan("seat-third", Role.THIRD_PARTY, Side.THIRD, service=ON_FILE)


@pytest.mark.parametrize(
    ("holds", "expected"),
    [
        (True, [("cpli-236-withdrawal", "met")]),
        (False, [("cpli-240-continues", "met")]),
        (None, [("cpli-236-withdrawal", "unknown"), ("cpli-240-continues", "unknown")]),
    ],
)
def test_a_third_partys_claim_is_said_when_the_hearing_is_convened(
    holds: bool | None, expected: list[tuple[str, str]]
) -> None:
    claims = () if holds is None else (Claim(ClaimFact.INDEPENDENT_CLAIM, holds),)
    house = House(Policy("none", "enforce"), (*PLANS, replace(THIRD, claims=claims))).in_session()
    house.do(c.Consent(actor=THIRD.id, agreed=True))
    made = draft(warned(gone(house, THIRD.id), THIRD.id), THIRD.id)
    assert (made.first_line.code, offered(made)) == ("complete", expected)
    assert all(one.refs == ((1,) if holds is not None else ()) for one in made.proposals)
    line_of = ledger.from_line(ledger.to_line(house.entries[0]))
    assert ledger.event_of(line_of) == ledger.event_of(house.entries[0])


@pytest.mark.parametrize(
    "plan",
    [
        replace(THIRD, claims=(Claim(ClaimFact.COUNTERCLAIM, True),)),
        replace(THIRD, claims=(Claim(ClaimFact.INDEPENDENT_CLAIM, True), Claim(ClaimFact.INDEPENDENT_CLAIM, False))),
        replace(THIRD, role=Role.WITNESS, claims=(Claim(ClaimFact.INDEPENDENT_CLAIM, True),)),
    ],
)
def test_no_hearing_is_founded_on_a_claim_that_cannot_be(plan: SeatPlan) -> None:
    with pytest.raises(Refused, match="bad_seats"):
        House(plans=(*PLANS, plan))


@given(
    st.sampled_from(Role),
    st.sampled_from(["not_appeared", "left", "out_of_picture", "none"]),
    st.dictionaries(st.sampled_from(ClaimFact), st.booleans()),
)
def test_a_provision_whose_condition_is_known_to_be_false_is_never_offered(
    role: Role, situation: str, claims: dict[ClaimFact, bool]
) -> None:
    at = 1_800_000_000 * SECOND
    found = rules.applicable(TABLE, role, situation, "ordinary", at, claims)
    for one in found:
        if not one.provision.condition:
            assert one.condition == ""
            continue
        fact, wanted = rules.CONDITIONS[one.provision.condition]
        assert claims.get(fact, wanted) is wanted
        assert (one.condition == "unknown") is (fact not in claims)
    silent = {one.provision.id for one in rules.applicable(TABLE, role, situation, "ordinary", at, {})}
    left_out = silent - {one.provision.id for one in found}
    for id_ in left_out:  # nothing is lost but what is known to be false
        provision = TABLE.find(id_)
        assert provision is not None
        fact, wanted = rules.CONDITIONS[provision.condition]
        assert claims[fact] is not wanted


def test_the_same_prefix_gives_the_same_digest_and_any_change_another() -> None:
    house = warned(gone(prepared()))
    length = len(house.entries)
    made = draft(house)
    house.do(c.Reply(actor=DEFENDANT, reason="other", text="说明"))
    again = drafts.draft(house.entries[:length], DEFENDANT, TABLE)
    assert drafts.digest(again) == drafts.digest(made)
    assert drafts.digest(draft(house)) != drafts.digest(made)
    ledger.canonical(drafts.plain(made))
    with pytest.raises(Refused):
        drafts.draft(house.entries, "seat-nobody", TABLE)


def test_the_state_at_hand_gives_the_same_draft_as_the_ledger() -> None:
    house = warned(gone(prepared()))
    assert drafts.made(house.hearing, house.entries, DEFENDANT, TABLE) == draft(house)


# --- the rule table -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "situation", "day", "found"),
    [
        (Role.PLAINTIFF, "not_appeared", "2026-01-01", 3),
        (Role.PLAINTIFF, "left", "2026-01-01", 2),
        (Role.DEFENDANT, "left", "2026-01-01", 1),
        (Role.DEFENDANT, "left", "2023-12-31", 0),
        (Role.THIRD_PARTY, "left", "2026-01-01", 2),
        (Role.ACCUSED, "left", "2026-01-01", 0),
        (Role.WITNESS, "left", "2026-01-01", 0),
        (Role.DEFENDANT, "out_of_picture", "2026-01-01", 0),
    ],
)
def test_the_table_by_role_situation_and_day(role: Role, situation: str, day: str, found: int) -> None:
    from datetime import UTC, datetime

    at = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * SECOND
    assert len(rules.applicable(TABLE, role, situation, "ordinary", at, {})) == found


def test_the_day_is_the_courts_and_the_last_one_counts() -> None:
    assert rules.court_day(1_704_038_399_999_999) == "2023-12-31"  # one µs before midnight in UTC+8
    assert rules.court_day(1_704_038_400_000_000) == "2024-01-01"
    old = replace(TABLE.provisions[0], valid_until="2026-01-01")
    table = replace(TABLE, provisions=(old,))
    for at, expected in ((1_767_196_800_000_000 - 1, 1), (1_767_196_800_000_000 + 86_400_000_000, 0)):
        assert len(rules.applicable(table, Role.PLAINTIFF, "left", "ordinary", at, {})) == expected


def test_every_provision_says_may_or_states_and_names_its_article() -> None:
    for one in TABLE.provisions:
        assert "条" in one.cite.zh
        assert "art." in one.cite.en
        assert ("可以" in one.text.zh) is (one.modality == "may")
        assert ("may" in one.text.en) is (one.modality == "may")
        for forbidden in ("视为", "应当"):
            assert forbidden not in one.text.zh


def content() -> dict[str, Any]:
    from importlib import resources

    value: dict[str, Any] = json.loads((resources.files("courtroom.documents") / "rules" / FILE).read_bytes())
    return value


@pytest.mark.parametrize(
    "change",
    [
        {"version": 3}, {"provisions": []}, {"provisions": [{}]}, {"more": 1}, {"excluded_procedures": [1]},
        {"version": "../x"},
    ],
)  # fmt: skip
def test_a_table_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadMessage, match="rule_table"):
        rules.parse(json.dumps({**content(), **change}).encode())


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_only_our_own_error_comes_out_of_a_hostile_table(offered: bytes | str) -> None:
    with pytest.raises(BadMessage):
        rules.parse(offered.encode(errors="surrogatepass") if isinstance(offered, str) else offered)


@pytest.mark.parametrize(
    ("field", "value"),
    [("roles", ["king"]), ("situations", ["left", "sleepy"]), ("valid_from", "2024-13-01"), ("modality", "must"),
     ("condition", "x"), ("text", {"zh": "x"}), ("id", "A b")],
)  # fmt: skip
def test_a_provision_that_is_none_is_refused(field: str, value: object) -> None:
    table = content()
    table["provisions"][0][field] = value
    with pytest.raises(BadMessage, match="rule_table"):
        rules.parse(json.dumps(table).encode())


def test_all_codes_are_drafted() -> None:
    assert tuple(one.code for one in draft(prepared()).preconditions) == CODES
