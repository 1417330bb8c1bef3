"""A hearing as it is conducted: arrival, admission, isolation, phases, absence."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from courtroom import catalogue
from courtroom.errors import Refused
from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing import guards, notices, phases, roles
from courtroom.hearing.access import RECORDER, Edge, media_room
from courtroom.hearing.decide import CODES
from courtroom.hearing.founding import found
from courtroom.hearing.model import Cause, Kind, Phase, Policy, Presence, Role, SeatPlan
from tests.hearing.house import (
    CASE,
    CLERK,
    DEFENDANT,
    GUARDIAN,
    INTERPRETER,
    JUDGE,
    LI,
    NAMES,
    PLAINTIFF,
    PLANS,
    WANG,
    House,
)


def session(phase: str = "investigation") -> House:
    return House().in_session(phase)


# --- arriving and being admitted --------------------------------------------------------------------


def test_the_first_arrival_begins_check_in_and_every_timeline() -> None:
    house = House()
    assert house.hearing.phase.value == "scheduled"
    house.arrive(PLAINTIFF)
    assert house.hearing.phase.value == "check_in"
    assert house.room(PLAINTIFF) == "waiting"
    assert house.seat(PLAINTIFF).timeline[-1].state is Presence.WAITING
    assert house.seat(DEFENDANT).timeline[-1].state is Presence.ABSENT


def test_bench_and_clerk_need_nobodys_admission() -> None:
    house = House()
    house.arrive(JUDGE, CLERK, DEFENDANT)
    assert [house.room(id_) for id_ in (JUDGE, CLERK, DEFENDANT)] == ["courtroom", "courtroom", "waiting"]


def test_admission_is_per_seat_and_isolates_who_must_be_isolated() -> None:
    house = House()
    house.arrive(CLERK, PLAINTIFF, DEFENDANT, WANG, GUARDIAN, INTERPRETER)
    house.admit(PLAINTIFF, WANG, GUARDIAN, INTERPRETER)
    assert house.room(PLAINTIFF) == "courtroom"
    assert house.room(DEFENDANT) == "waiting"
    for id_ in (WANG, GUARDIAN, INTERPRETER):
        room = house.seat(id_).room
        assert room is not None
        assert (room.kind, room.owner) == ("witness_room", WANG)
    assert house.refused(c.Admit(actor=CLERK, seat=PLAINTIFF)) == "already_there"


def test_check_in_asks_for_identity_and_consent_by_policy() -> None:
    house = House(Policy())
    house.arrive(CLERK, PLAINTIFF)
    assert house.refused(c.Admit(actor=CLERK, seat=PLAINTIFF)) == "identity_not_verified"
    house.do(c.VerifyIdentity(actor=CLERK, seat=PLAINTIFF))
    assert house.refused(c.Admit(actor=CLERK, seat=PLAINTIFF)) == "consent_missing"
    house.do(c.Consent(actor=PLAINTIFF, agreed=True, notice_hash="ab" * 32))
    assert house.refused(c.Admit(actor=CLERK, seat=PLAINTIFF)) == ""
    clerk_only = House(Policy("clerk", "enforce"))
    clerk_only.arrive(CLERK, PLAINTIFF)
    clerk_only.do(c.VerifyIdentity(actor=CLERK, seat=PLAINTIFF))
    assert clerk_only.refused(c.Admit(actor=CLERK, seat=PLAINTIFF)) == ""


def test_an_interrupted_seat_comes_back_to_its_place_and_one_that_left_to_the_waiting_room() -> None:
    house = session()
    house.lose(PLAINTIFF, "media_silent")
    assert (house.room(PLAINTIFF), house.seat(PLAINTIFF).connected) == ("courtroom", False)
    house.arrive(PLAINTIFF)
    assert house.room(PLAINTIFF) == "courtroom"
    house.do(c.Leave(actor=PLAINTIFF))
    assert house.seat(PLAINTIFF).timeline[-1].cause is Cause.LEFT_DELIBERATELY
    assert house.room(PLAINTIFF) == ""
    house.arrive(PLAINTIFF)
    assert house.room(PLAINTIFF) == "waiting"


def test_a_second_login_replaces_and_is_recorded() -> None:
    house = session()
    old = house.seat(PLAINTIFF).connection
    gone, connected = house.do(c.ObserveArrival(seat=PLAINTIFF, connection="new"))
    assert isinstance(gone, e.SeatDisconnected)
    assert (gone.connection, gone.cause) == (old, "replaced_by_second_login")
    assert connected == e.SeatConnected(seat=PLAINTIFF, connection="new", replaced=old)
    assert house.do(c.ObserveArrival(seat=PLAINTIFF, connection="new")) == ()
    assert house.do(c.ObserveLoss(seat=PLAINTIFF, connection=old)) == ()


def test_the_same_page_that_comes_back_is_no_second_login() -> None:
    house = session()
    old = house.seat(PLAINTIFF).connection
    (connected,) = house.do(c.ObserveArrival(seat=PLAINTIFF, connection="new", resumed=True))
    assert connected == e.SeatConnected(seat=PLAINTIFF, connection="new", replaced=old)
    assert house.do(c.ObserveLoss(seat=PLAINTIFF, connection=old)) == (), "the old socket's end is nobody's absence"


def test_the_removed_stay_outside() -> None:
    house = session()
    house.do(c.Remove(actor=JUDGE, seat=DEFENDANT, reason="扰乱法庭秩序"))
    assert house.room(DEFENDANT) == ""
    assert house.seat(DEFENDANT).timeline[-1].state is Presence.REMOVED
    assert house.refused(c.ObserveArrival(seat=DEFENDANT, connection="x")) == "removed_by_court"
    assert house.refused(c.RaiseHand(actor=DEFENDANT)) == "removed_by_court"
    assert house.refused(c.Remove(actor=JUDGE, seat=JUDGE)) == "cannot_remove_presiding"
    assert house.view(DEFENDANT)["notices"][0]["code"] == "removed"


# --- isolation --------------------------------------------------------------------------------------


def test_witness_is_called_with_those_linked_and_goes_back_with_them() -> None:
    house = session()
    house.do(c.Call(actor=JUDGE, seat=WANG))
    assert {house.room(id_) for id_ in (WANG, GUARDIAN, INTERPRETER)} == {"courtroom"}
    assert Edge(JUDGE, WANG, Kind.MICROPHONE) in house.edges()
    assert house.view(WANG)["isolated"] is False
    house.do(c.Dismiss(actor=CLERK, seat=WANG))
    assert {house.room(id_) for id_ in (WANG, GUARDIAN, INTERPRETER)} == {"witness_room"}
    assert not [edge for edge in house.edges() if WANG in edge[:2]]
    assert media_room(house.hearing, WANG) is None


@pytest.mark.parametrize("how", ["leave", "remove"])
def test_nobody_linked_stays_in_court_without_the_witness(how: str) -> None:
    house = session()
    house.do(c.Call(actor=JUDGE, seat=WANG))
    house.do(c.Leave(actor=WANG) if how == "leave" else c.Remove(actor=JUDGE, seat=WANG))
    assert {house.room(GUARDIAN), house.room(INTERPRETER)} == {"witness_room"}


def test_witnesses_are_heard_one_by_one_unless_confronted() -> None:
    house = session()
    house.do(c.Call(actor=JUDGE, seat=WANG))
    assert house.refused(c.Call(actor=JUDGE, seat=LI)) == "other_witness_in_court"
    assert house.refused(c.Call(actor=JUDGE, seat="seat-expert")) == ""
    assert house.refused(c.Call(actor=JUDGE, seat=LI, confront=True)) == ""


def test_a_witness_in_court_knows_who_is_in_court_and_nobody_else() -> None:
    house = session()
    house.do(c.Call(actor=JUDGE, seat=WANG))
    known = {row["seat"] for row in house.view(WANG)["roster"]}
    assert known == {plan.id for plan in PLANS} - {LI, "seat-expert", "seat-observer"}
    assert not {WANG, LI} & {row["seat"] for row in session().view(PLAINTIFF)["roster"]}


def test_what_happens_in_court_does_not_change_one_byte_of_an_isolated_view() -> None:
    house = session()
    before = {**house.view(LI), "clock": None}
    house.do(c.Call(actor=JUDGE, seat=WANG))
    house.lose(PLAINTIFF, "media_silent")
    house.do(c.MakeRequest(actor=DEFENDANT, kind="urgent"))
    house.do(c.GiveFloor(actor=JUDGE, seat=DEFENDANT))
    house.do(c.Present(actor=DEFENDANT, exhibit="e-1"))
    house.do(c.SetPhase(actor=JUDGE, phase="debate"))
    house.do(c.Recess(actor=JUDGE))
    assert {**house.view(LI), "clock": None} == before


def test_refusals_tell_the_isolated_nothing_about_others() -> None:
    house = session()
    for known, unknown in ((PLAINTIFF, "seat-nobody"), (WANG, "seat-nobody")):
        for kind in (c.Admit, c.Call, c.Mute, c.Prompt, c.Warn, c.Remove, c.LowerHand, c.GiveFloor):
            codes = {house.refused(kind(actor=LI, seat=seat)) for seat in (known, unknown)}
            assert codes == {"not_allowed"}
    for command in (c.Present(actor=LI, exhibit="e"), c.RaiseHand(actor=LI), c.StopPresenting(actor=LI)):
        assert house.refused(command) == "not_in_court"


# --- phases and recording ---------------------------------------------------------------------------


@pytest.mark.parametrize("start", sorted(phases.SESSION))
@pytest.mark.parametrize("goal", sorted(Phase))
def test_transition_table(start: Phase, goal: Phase) -> None:
    house = session("open")
    house.hearing = dataclasses.replace(house.hearing, phase=start)
    code = house.refused(c.SetPhase(actor=JUDGE, phase=goal.value))
    if goal in phases.TRANSITIONS[start]:
        assert (code, house.hearing.phase) == ("", goal)
    else:
        assert code == ("already_so" if goal is start else "phase_not_reachable")


def test_no_phase_is_set_into_opening_closing_or_recess() -> None:
    reachable = frozenset().union(*phases.TRANSITIONS.values())
    assert set(phases.TRANSITIONS) == set(Phase)
    assert not reachable & {
        Phase.SCHEDULED,
        Phase.CHECK_IN,
        Phase.OPEN,
        Phase.RECESS,
        Phase.CLOSED,
        Phase.MOVED_OFFLINE,
    }


def test_opening_needs_the_checklist() -> None:
    house = House(Policy("none", "enforce"))
    house.arrive(JUDGE)
    with pytest.raises(Refused) as refusal:
        house.do(c.OpenHearing(actor=JUDGE))
    assert (refusal.value.code, refusal.value.detail["item"]) == ("checklist_not_met", "bench_complete")
    assert house.view(JUDGE)["may"]["open_hearing"] is False
    house.do(c.WaiveCheck(actor=JUDGE, item="bench_complete", reason="书记员线下记录"))
    phase, recording = house.do(c.OpenHearing(actor=JUDGE))
    assert phase == e.PhaseChanged(phase="open", previous="check_in")
    assert isinstance(recording, e.RecordingStarted)
    lax = House(Policy("none", "record"))
    lax.arrive(JUDGE)
    assert lax.do(c.OpenHearing(actor=JUDGE))[0] == e.ChecklistRecorded(missing=("bench_complete",))


def test_recess_stops_recording_and_sound_and_returns_to_its_phase() -> None:
    house = session("debate")
    assert Edge(JUDGE, RECORDER, Kind.CAMERA) in house.edges()
    assert house.do(c.Recess(actor=JUDGE, reason="午间"))[1:] == (e.RecordingInterrupted(reason="recess"),)
    assert house.edges() == frozenset()
    assert house.view(PLAINTIFF)["recording"]["state"] == "interrupted"
    assert house.refused(c.SetPhase(actor=JUDGE, phase="investigation")) == "resume_first"
    house.do(c.Resume(actor=JUDGE))
    assert house.hearing.phase is Phase.DEBATE
    assert house.view(PLAINTIFF)["recording"]["state"] == "on"


def test_judge_gone_cuts_microphones_and_keeps_recording() -> None:
    house = session()
    assert house.do(c.ObserveJudgeGone()) == ()
    house.lose(JUDGE, "media_silent")
    house.do(c.ObserveJudgeGone())
    assert house.hearing.phase.value == "technical_hold"
    assert {edge.kind for edge in house.edges()} == {Kind.CAMERA}
    assert phases.recording_on(house.hearing)
    house.arrive(JUDGE)
    house.do(c.Resume(actor=JUDGE))
    assert house.hearing.phase.value == "investigation"


@pytest.mark.parametrize("phase", ["mediation", "deliberation"])
def test_a_hold_keeps_what_the_phase_under_it_interrupts(phase: str) -> None:
    house = session()
    house.do(c.SetPhase(actor=JUDGE, phase=phase))
    if phase == "mediation":
        assert phases.recording_on(house.hearing), "mediation alone interrupts nothing"
        house.interrupt("mediation")
    assert not phases.recording_on(house.hearing)
    house.do(c.SetPhase(actor=JUDGE, phase="technical_hold"))
    assert not phases.recording_on(house.hearing)
    parties = {edge for edge in house.edges() if PLAINTIFF in edge[:2]}
    assert bool(parties) is (phase == "mediation")
    house.do(c.Resume(actor=JUDGE))
    assert not phases.recording_on(house.hearing)


def test_the_floor_is_given_in_court_only() -> None:
    house = session()
    assert house.refused(c.GiveFloor(actor=JUDGE, seat=LI)) == "not_in_court"
    house.do(c.GiveFloor(actor=JUDGE, seat=PLAINTIFF))
    assert house.do(c.GiveFloor(actor=JUDGE, seat="")) == (e.FloorGiven(seat=""),)
    assert house.refused(c.GiveFloor(actor=JUDGE, seat="")) == "already_so"


def test_deliberation_is_for_the_bench_alone_and_never_recorded() -> None:
    house = session()
    house.do(c.SetPhase(actor=JUDGE, phase="deliberation"))
    assert {house.room(id_) for id_ in (JUDGE, "seat-assessor")} == {"deliberation"}
    assert {id_ for edge in house.edges() for id_ in edge[:2]} == {JUDGE, "seat-assessor"}
    house.do(c.SetPhase(actor=JUDGE, phase="pronouncement"))
    assert house.room(JUDGE) == "courtroom"
    assert phases.recording_on(house.hearing)


@pytest.mark.parametrize(
    ("command", "phase"),
    [(c.CloseHearing(actor=JUDGE), "closed"), (c.MoveOffline(actor=JUDGE, reason="断网"), "moved_offline")],
)
def test_the_end_ends_everything(command: c.Command, phase: str) -> None:
    house = session()
    events = house.do(command)
    assert isinstance(events[0], e.RecordingEnded)
    assert events[-1] == e.PhaseChanged(phase=phase, previous="investigation", reason=getattr(command, "reason", ""))
    assert house.edges() == frozenset()
    assert {seat.room for seat in house.hearing.seats.values()} == {None}
    assert all(spell.until for seat in house.hearing.seats.values() for spell in seat.timeline)
    assert house.refused(c.ObserveArrival(seat=PLAINTIFF, connection="x")) == "hearing_closed"
    assert house.refused(c.ObserveArchive(what="sealed", detail={"root": "ab"})) == ""
    assert [row["seat"] for row in house.view(JUDGE)["attendance"]]
    assert house.view(PLAINTIFF)["attendance"] == []


# --- the floor, requests, the stage -----------------------------------------------------------------


def test_only_the_court_lifts_a_mute() -> None:
    house = session()
    house.do(c.Mute(actor=CLERK, seat=PLAINTIFF))
    assert not [edge for edge in house.edges() if edge.source == PLAINTIFF and edge.kind is Kind.MICROPHONE]
    assert house.refused(c.Unmute(actor=PLAINTIFF, seat=PLAINTIFF)) == "not_allowed"
    house.lose(PLAINTIFF)
    house.arrive(PLAINTIFF)
    assert house.seat(PLAINTIFF).muted == {Kind.MICROPHONE}
    house.do(c.Unmute(actor=CLERK, seat=PLAINTIFF))
    assert house.refused(c.Mute(actor=CLERK, seat=JUDGE)) == "cannot_mute_presiding"


def test_parties_present_with_leave_of_the_court() -> None:
    house = session()
    assert house.refused(c.Present(actor=PLAINTIFF)) == "floor_required"
    (made,) = house.do(c.MakeRequest(actor=PLAINTIFF, kind="evidence"))
    assert isinstance(made, e.RequestMade)
    house.do(c.AnswerRequest(actor=CLERK, request=made.id, granted=True))
    house.do(c.Present(actor=PLAINTIFF))
    assert Edge(PLAINTIFF, DEFENDANT, Kind.SCREEN) in house.edges()
    house.do(c.GiveFloor(actor=JUDGE, seat=DEFENDANT))
    assert house.refused(c.Present(actor=DEFENDANT)) == "stage_taken"
    house.do(c.StopPresenting(actor=JUDGE))
    assert Kind.SCREEN not in {edge.kind for edge in house.edges()}
    house.do(c.Call(actor=JUDGE, seat=WANG))
    house.do(c.GiveFloor(actor=JUDGE, seat=WANG))
    assert house.refused(c.Present(actor=WANG)) == "exhibit_required"


def test_requests_are_bounded_in_kind_length_and_number() -> None:
    house = session()
    assert house.refused(c.MakeRequest(actor=LI, kind="evidence")) == "bad_kind"
    assert house.refused(c.MakeRequest(actor=PLAINTIFF, kind="speak", text="字" * 501)) == "text_too_long"
    for _ in range(guards.MAX_OPEN_REQUESTS):
        house.do(c.MakeRequest(actor=PLAINTIFF, kind="speak", text="字" * 500))
    assert house.refused(c.MakeRequest(actor=PLAINTIFF, kind="speak")) == "too_many_requests"
    assert house.refused(c.MakeRequest(actor=LI, kind="urgent")) == ""
    assert house.view(JUDGE)["notices"][0]["values"] == {"name": NAMES[LI]}
    assert [request["kind"] for request in house.view(LI)["requests"]] == ["urgent"]


# --- absence ----------------------------------------------------------------------------------------


def test_prompt_warning_ruling_in_order_and_none_skipped() -> None:
    house = session()
    assert house.refused(c.Prompt(actor=JUDGE, seat=DEFENDANT)) == "not_absent"
    house.lose(DEFENDANT, "media_silent")
    assert house.refused(c.Rule(actor=JUDGE, seat=DEFENDANT, finding="认定")) == "warning_required"
    assert house.refused(c.Warn(actor=JUDGE, seat=DEFENDANT)) == "prompt_required"
    assert house.do(c.Prompt(actor=CLERK, seat=DEFENDANT)) == (e.Prompted(seat=DEFENDANT),)
    assert house.refused(c.Warn(actor=JUDGE, seat=DEFENDANT)) == "prompt_not_delivered"
    assert "not_delivered" in {notice["code"] for notice in house.view(JUDGE)["notices"]}
    house.do(c.Prompt(actor=CLERK, seat=DEFENDANT, note="电话 14:03 本人接听"))
    house.wait(179)
    assert house.refused(c.Warn(actor=JUDGE, seat=DEFENDANT, note="电话")) == "too_early"
    house.wait(2)
    assert house.refused(c.Warn(actor=CLERK, seat=DEFENDANT, note="电话")) == "not_allowed"
    house.do(c.Warn(actor=JUDGE, seat=DEFENDANT, note="电话"))
    assert house.refused(c.Rule(actor=JUDGE, seat=DEFENDANT, finding=" ")) == "text_missing"
    house.do(c.Rule(actor=JUDGE, seat=DEFENDANT, finding="依法认定"))


def test_coming_back_ends_the_absence() -> None:
    house = session()
    house.lose(DEFENDANT, "media_silent")
    house.do(c.Prompt(actor=JUDGE, seat=DEFENDANT, note="电话"))
    house.wait(181)
    house.do(c.Warn(actor=JUDGE, seat=DEFENDANT, note="电话"))
    house.arrive(DEFENDANT)
    house.lose(DEFENDANT, "media_silent")
    assert house.refused(c.Rule(actor=JUDGE, seat=DEFENDANT, finding="认定")) == "warning_required"
    assert len(house.seat(DEFENDANT).prompts) == 1


def test_who_left_the_picture_is_prompted_on_the_own_page() -> None:
    house = session()
    house.do(c.SetDevices(actor=DEFENDANT, microphone="on", camera="off"))
    assert house.do(c.Prompt(actor=JUDGE, seat=DEFENDANT)) == (e.Prompted(seat=DEFENDANT),)
    assert [notice["code"] for notice in house.view(DEFENDANT)["notices"]] == ["prompted"]
    house.do(c.SetDevices(actor=DEFENDANT, microphone="on", camera="on"))
    assert house.view(DEFENDANT)["notices"] == []


def last_spell(house: House, id_: str) -> dict[str, Any]:
    rows = {row["seat"]: row for row in house.view(JUDGE)["attendance"]}
    spell: dict[str, Any] = rows[id_]["timeline"][-1]
    return spell


def test_leave_of_the_court_runs_out_by_the_clock() -> None:
    house = session()
    house.do(c.Excuse(actor=JUDGE, seat=DEFENDANT, until=house.now + 300_000_000))
    house.lose(DEFENDANT, "page_hide", "socket_closed_clean")
    assert house.refused(c.Prompt(actor=JUDGE, seat=DEFENDANT)) == "not_absent"
    assert last_spell(house, DEFENDANT)["state"] == "excused"
    until = house.seat(DEFENDANT).excused_until
    house.wait(301)
    last = last_spell(house, DEFENDANT)
    assert (last["state"], last["since"], last["cause"]) == ("interrupted", until, "closed_page")
    assert house.refused(c.Prompt(actor=JUDGE, seat=DEFENDANT)) == ""


def test_later_evidence_leads_to_a_new_attribution_beside_the_old_one() -> None:
    house = session()
    house.lose(DEFENDANT)
    assert house.seat(DEFENDANT).timeline[-1].cause is Cause.UNKNOWN
    evidence: tuple[dict[str, str | int], ...] = ({"fact": "worker_died", "at": house.now, "clock": "court"},)
    house.do(c.ObserveEvidence(seat=DEFENDANT, evidence=evidence))
    assert house.seat(DEFENDANT).timeline[-1].cause is Cause.PLATFORM_FAILURE
    assert [entry.type for entry in house.entries[-2:]] == ["seat_disconnected", "cause_attributed"]


def test_many_dropping_together_are_not_charged_to_the_last_of_them() -> None:
    house = session()
    for id_ in list(house.hearing.seats):
        if house.seat(id_).connected:
            house.lose(id_, "media_silent")
    assert house.seat("seat-expert").timeline[-1].cause is Cause.PLATFORM_FAILURE


# --- tables, texts, founding ------------------------------------------------------------------------


def test_tables_cover_every_command_and_texts_every_code() -> None:
    assert set(roles.MAY) == set(guards.GUARDS) == set(c.COMMANDS)
    for code in CODES:
        assert catalogue.known(f"refused.{code}")
    for code in notices.CODES:
        assert catalogue.known(f"notice.{code}")


@pytest.mark.parametrize("name", sorted(c.COMMANDS))
def test_nobody_outside_the_role_table_may(name: str) -> None:
    house = session()
    for id_, seat in house.hearing.seats.items():
        if seat.role not in roles.MAY[name]:
            assert house.view(id_)["may"][name] is False


@pytest.mark.parametrize(
    ("plans", "code"),
    [
        ((), "bad_seats"),
        ((SeatPlan("a", Role.JUDGE), SeatPlan("a", Role.CLERK)), "bad_seats"),
        ((SeatPlan("system", Role.JUDGE),), "bad_seats"),
        ((SeatPlan("../x", Role.JUDGE),), "bad_seats"),
        ((SeatPlan("a", Role.GUARDIAN, linked_to="b"),), "bad_link"),
        ((SeatPlan("a", Role.GUARDIAN, linked_to="a"),), "bad_link"),
        ((SeatPlan("a", Role.GUARDIAN, linked_to="b"), SeatPlan("b", Role.GUARDIAN, linked_to="a")), "bad_link"),
        ((SeatPlan("a", Role.PRESIDING_JUDGE), SeatPlan("b", Role.PRESIDING_JUDGE)), "two_presiding_judges"),
        (tuple(SeatPlan(f"s{n}", Role.CLERK) for n in range(129)), "too_many_seats"),
    ],
)
def test_a_hearing_that_cannot_be_is_not_drawn_up(plans: tuple[SeatPlan, ...], code: str) -> None:
    with pytest.raises(Refused) as refusal:
        found(CASE, Policy(), 1, plans)
    assert refusal.value.code == code
