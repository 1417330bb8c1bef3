"""Prompt, warning, ruling; who was reached how; leave and return (COURT.md 6)."""

from __future__ import annotations

from typing import Any

import pytest

from courtroom.errors import BadMessage, Refused
from courtroom.hearing import commands as c
from courtroom.hearing import deliveries, ledger, statements
from courtroom.hearing import events as e
from courtroom.hearing.founding import found
from courtroom.hearing.model import Claim, ClaimFact, Policy, Presence, Role, SeatPlan, ServiceFact, Side
from tests.hearing.house import CASE, CLERK, DEFENDANT, JUDGE, PLAINTIFF, PLANS, SECOND, START, WANG, House


def cut_off(*facts: str) -> House:
    house = House().in_session()
    house.lose(DEFENDANT, *(facts or ("page_hide", "socket_closed_clean")))
    return house


def prompted(house: House, note: str = "") -> int:
    house.do(c.Prompt(actor=CLERK, seat=DEFENDANT, note=note))
    return house.seat(DEFENDANT).notices[-1].seq


def deliver(house: House, notice: int, state: str, channel: str = "email") -> tuple[e.Event, ...]:
    return house.do(c.ObserveDelivery(seat=DEFENDANT, notice=notice, channel=channel, state=state, detail="m-1"))


def events_of(house: House, kind: str) -> list[dict[str, Any]]:
    return [entry.body for entry in house.entries if entry.type == kind]


def attended(house: House) -> dict[str, Any]:
    rows: dict[str, dict[str, Any]] = {row["seat"]: row for row in house.view(JUDGE)["attendance"]}
    return rows[DEFENDANT]


# --- delivery -----------------------------------------------------------------------------------------


def test_the_interval_runs_from_the_delivery_and_not_from_the_prompt() -> None:
    house = cut_off()
    notice = prompted(house)
    house.wait(600)
    assert house.refused(c.Warn(actor=JUDGE, seat=DEFENDANT)) == "prompt_not_delivered"
    deliver(house, notice, "sent")
    assert house.refused(c.Warn(actor=JUDGE, seat=DEFENDANT)) == "prompt_not_delivered"
    deliver(house, notice, "delivered")
    house.wait(179)
    assert house.refused(c.Warn(actor=JUDGE, seat=DEFENDANT)) == "too_early"
    house.wait(1)
    house.do(c.Warn(actor=JUDGE, seat=DEFENDANT))


def test_a_bounce_takes_the_proof_back_unless_it_was_read() -> None:
    house = cut_off()
    notice = prompted(house)
    deliver(house, notice, "delivered")
    deliver(house, notice, "failed")
    assert house.seat(DEFENDANT).prompted_at == 0
    deliver(house, notice, "delivered", "webhook")
    assert house.seat(DEFENDANT).prompted_at == house.now
    deliver(house, notice, "read")
    deliver(house, notice, "failed")
    assert house.seat(DEFENDANT).notices[-1].read_at
    assert house.seat(DEFENDANT).prompted_at > 0


def test_news_that_comes_twice_or_too_late_is_no_entry() -> None:
    house = cut_off()
    notice = prompted(house)
    assert deliver(house, notice, "sent")
    assert deliver(house, notice, "sent") == ()
    assert deliver(house, notice, "delivered")
    assert deliver(house, notice, "sent") == ()
    assert deliver(house, notice, "read")
    assert deliver(house, notice, "delivered") == ()
    assert deliver(house, notice, "failed") == ()


def test_deliveries_of_one_notice_are_bounded() -> None:
    house = cut_off()
    notice = prompted(house)
    for _ in range(40):
        deliver(house, notice, "failed")
        deliver(house, notice, "sent")
    assert len(house.seat(DEFENDANT).notices[-1].deliveries) == deliveries.MAX_DELIVERIES
    assert house.refused(
        c.PhoneNote(actor=CLERK, seat=DEFENDANT, notice=notice, who="self", called_at=house.now, said="已告知")
    ) in ("unknown_notice", "too_many_notices")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (c.ObserveDelivery(seat=DEFENDANT, notice=9999, channel="email", state="sent"), "unknown_notice"),
        (c.ObserveDelivery(seat=DEFENDANT, notice=-1, channel="email", state="sent"), "unknown_notice"),
        (c.ObserveDelivery(seat=DEFENDANT, notice=1, channel="pigeon", state="sent"), "bad_channel"),
        (c.ObserveDelivery(seat=DEFENDANT, notice=1, channel="email", state="lost"), "bad_channel"),
        (c.ObserveDelivery(seat="seat-nobody", notice=1, channel="email", state="sent"), "unknown_seat"),
        (c.ObserveDelivery(actor=CLERK, seat=DEFENDANT, notice=1, channel="email", state="sent"), "not_allowed"),
        (c.AcknowledgeNotice(actor=PLAINTIFF, notice=1), "unknown_notice"),
        (c.PhoneNote(actor=PLAINTIFF, seat=DEFENDANT, notice=1, who="self", called_at=1, said="x"), "not_allowed"),
    ],
)
def test_what_names_no_notice_or_no_way_is_refused(command: c.Command, code: str) -> None:
    house = cut_off()
    prompted(house)
    assert house.refused(command) == code


def test_the_own_page_proves_that_it_was_shown_and_then_read() -> None:
    house = House().in_session()
    house.do(c.SetDevices(actor=DEFENDANT, microphone="on", camera="off"))
    notice = prompted(house)
    shown = house.view(DEFENDANT)["notices"][0]
    assert (shown["code"], shown["values"]) == ("prompted", {"notice": notice, "read": 0})
    house.do(c.AcknowledgeNotice(actor=DEFENDANT, notice=notice))
    assert house.seat(DEFENDANT).notices[-1].delivered_at == house.now
    house.do(c.AcknowledgeNotice(actor=DEFENDANT, notice=notice, read=True))
    assert house.view(DEFENDANT)["notices"][0]["values"] == {"notice": notice, "read": 1}
    assert house.refused(c.AcknowledgeNotice(actor=PLAINTIFF, notice=notice)) == "unknown_notice"


@pytest.mark.parametrize(
    ("who", "delivered"), [("self", True), ("counsel", True), ("family", False), ("other", False), ("nobody", False)]
)
def test_a_call_delivers_only_to_the_person_or_counsel(who: str, delivered: bool) -> None:
    house = cut_off()
    notice = prompted(house)
    house.wait(30)
    house.do(
        c.PhoneNote(actor=CLERK, seat=DEFENDANT, notice=notice, who=who, called_at=house.now - 5 * SECOND, said="告知")
    )
    assert bool(house.seat(DEFENDANT).prompted_at) is delivered
    body = events_of(house, "phone_noted")[0]
    assert (body["who"], body["said"], body["called_at"]) == (who, "告知", house.now - 5 * SECOND - 1)


def test_a_call_before_the_notice_or_in_the_future_is_none_about_it() -> None:
    house = cut_off()
    notice = prompted(house)
    for at in (house.seat(DEFENDANT).notices[-1].at - 1, house.now + 60 * SECOND):
        command = c.PhoneNote(actor=CLERK, seat=DEFENDANT, notice=notice, who="self", called_at=at, said="告知")
        assert house.refused(command) == "bad_time"


# --- who is not absent ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fact", [ServiceFact.ANNOUNCEMENT_SERVED, ServiceFact.OFFLINE_AGREED])
def test_whoever_is_expected_in_person_is_never_absent_online(fact: ServiceFact) -> None:
    plans = tuple(
        SeatPlan(plan.id, plan.role, plan.side, plan.linked_to, plan.required, (fact,))
        if plan.id == DEFENDANT
        else plan
        for plan in PLANS
    )
    house = House(plans=plans)
    house.arrive(JUDGE, CLERK, PLAINTIFF)
    house.admit(PLAINTIFF)
    house.do(c.OpenHearing(actor=JUDGE))
    assert {spell.state for spell in house.seat(DEFENDANT).timeline} == {Presence.OFFLINE_SEAT}
    assert house.refused(c.Prompt(actor=JUDGE, seat=DEFENDANT)) == "offline_seat"
    assert house.refused(c.Rule(actor=JUDGE, seat=DEFENDANT, finding="认定")) == "offline_seat"


def test_an_absence_ends_when_the_person_is_expected_in_person() -> None:
    house = House()
    house.arrive(JUDGE, CLERK)
    notice = prompted(house, note="电话")
    house.do(c.RecordService(actor=CLERK, seat=DEFENDANT, fact="offline_agreed", note="笔录"))
    assert [spell.state for spell in house.seat(DEFENDANT).timeline][-1] is Presence.OFFLINE_SEAT
    assert deliveries.notice_of(house.seat(DEFENDANT), notice).ended_at
    house.do(c.RecordService(actor=CLERK, seat=DEFENDANT, fact="offline_agreed", holds=False))
    assert house.seat(DEFENDANT).timeline[-1].state is Presence.ABSENT
    assert house.refused(c.Warn(actor=JUDGE, seat=DEFENDANT)) == "prompt_required"


def test_saying_no_to_a_sitting_online_leads_to_in_person_and_not_to_absence() -> None:
    house = House().in_session()
    house.do(c.Consent(actor=DEFENDANT, agreed=False))
    house.lose(DEFENDANT, "media_silent")
    assert house.refused(c.Prompt(actor=JUDGE, seat=DEFENDANT)) == "offline_seat"


def test_a_granted_request_to_move_offline_counts_as_agreed() -> None:
    house = House().in_session()
    house.do(c.MakeRequest(actor=DEFENDANT, kind="offline", text="网络条件不足"))
    house.do(c.AnswerRequest(actor=JUDGE, request=house.hearing.requests[-1].id, granted=True))
    assert house.seat(DEFENDANT).offline


def test_nobody_is_prompted_in_a_recess() -> None:
    house = cut_off()
    house.do(c.Recess(actor=JUDGE))
    assert house.refused(c.Prompt(actor=JUDGE, seat=DEFENDANT)) == "resume_first"
    house.do(c.Resume(actor=JUDGE))
    prompted(house)


# --- leave ------------------------------------------------------------------------------------------------


def test_leave_is_asked_and_given_and_ends_with_coming_back() -> None:
    house = House().in_session()
    until = house.now + 300 * SECOND
    house.do(c.AskLeave(actor=DEFENDANT, reason="接电话", until=until))
    assert attended(house)["leave"]["asked"][0]["until"] == until
    assert house.refused(c.AskLeave(actor=DEFENDANT, reason="再次", until=until)) == "already_so"
    request = house.hearing.requests[-1].id
    assert house.refused(c.AnswerRequest(actor=CLERK, request=request, granted=True)) == "not_allowed"
    house.do(c.AnswerRequest(actor=JUDGE, request=request, granted=True))
    assert house.seat(DEFENDANT).excused_until == until
    house.lose(DEFENDANT, "page_hide", "socket_closed_clean")
    house.wait(100)
    house.arrive(DEFENDANT)
    assert events_of(house, "return_noted")[-1]["how"] == "from_leave"
    assert house.seat(DEFENDANT).excused_until == 0


def test_leave_that_ran_out_is_told_and_a_late_return_noted() -> None:
    house = House().in_session()
    house.do(c.AskLeave(actor=DEFENDANT, reason="接电话", until=house.now + 60 * SECOND))
    house.do(c.Excuse(actor=JUDGE, seat=DEFENDANT, until=house.now + 60 * SECOND))
    assert house.hearing.requests[-1].granted is True
    house.lose(DEFENDANT, "page_hide", "socket_closed_clean")
    house.wait(61)
    assert "leave_over" in {notice["code"] for notice in house.view(JUDGE)["notices"]}
    prompted(house, note="电话")
    house.arrive(DEFENDANT)
    assert events_of(house, "return_noted")[-1]["how"] == "late_from_leave"


# --- coming back ---------------------------------------------------------------------------------------------


def test_late_arrival_is_recorded_and_a_later_absence_starts_anew() -> None:
    house = House()
    house.arrive(JUDGE, CLERK, PLAINTIFF, "seat-counsel")
    house.admit(PLAINTIFF, "seat-counsel")
    house.do(c.OpenHearing(actor=JUDGE))
    prompted(house, note="电话")
    house.wait(181)
    house.do(c.Warn(actor=JUDGE, seat=DEFENDANT, note="电话"))
    house.arrive(DEFENDANT)
    noted = events_of(house, "return_noted")
    assert [(body["seat"], body["how"], body["since"]) for body in noted] == [
        (DEFENDANT, "late_arrival", house.hearing.opened_at)
    ]
    house.lose(DEFENDANT, "media_silent")
    assert house.refused(c.Warn(actor=JUDGE, seat=DEFENDANT)) == "prompt_required"
    assert house.refused(c.Rule(actor=JUDGE, seat=DEFENDANT, finding="认定")) == "warning_required"
    assert len(house.seat(DEFENDANT).notices) == 2


def test_back_in_the_picture_is_recorded_too() -> None:
    house = House().in_session()
    house.do(c.SetDevices(actor=DEFENDANT, microphone="on", camera="off"))
    prompted(house)
    house.do(c.SetDevices(actor=DEFENDANT, microphone="on", camera="on"))
    assert events_of(house, "return_noted")[-1]["how"] == "in_picture"


def test_a_witness_who_comes_when_called_is_not_late() -> None:
    house = House()
    house.arrive(JUDGE, CLERK)
    house.do(c.OpenHearing(actor=JUDGE))
    house.arrive(WANG)
    assert events_of(house, "return_noted") == []


# --- the person's own words ----------------------------------------------------------------------------------


def test_a_reply_with_a_file_stands_in_the_ledger() -> None:
    house = cut_off()
    notice = prompted(house)
    house.do(
        c.Reply(
            actor=DEFENDANT,
            reason="power_cut",
            text="停电",
            notice=notice,
            attachment="ab" * 32,
            name="证明.jpg",
            size=9,
        )
    )
    said = attended(house)["statements"][0]
    assert (said["reason"], said["text"], said["notice"]) == ("power_cut", "停电", notice)
    assert said["attachment"] == {"sha256": "ab" * 32, "name": "证明.jpg", "size": 9, "held": 0, "kind": ""}


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"reason": "bored"}, "bad_reason"),
        ({"reason": "other", "notice": 3}, "unknown_notice"),
        ({"reason": "other", "attachment": "ab" * 32}, "bad_attachment"),
        ({"reason": "other", "attachment": "zz", "name": "a", "size": 1}, "bad_hash"),
        ({"reason": "other", "attachment": "ab" * 32, "name": "a", "size": 2**40}, "bad_attachment"),
        ({"reason": "other", "text": "字" * 501}, "text_too_long"),
    ],
)
def test_replies_that_are_none_are_refused(values: dict[str, Any], code: str) -> None:
    assert cut_off().refused(c.Reply(actor=DEFENDANT, **values)) == code


def test_replies_are_bounded() -> None:
    house = cut_off()
    for _ in range(statements.MAX_STATEMENTS):
        house.do(c.Reply(actor=DEFENDANT, reason="other"))
    assert house.refused(c.Reply(actor=DEFENDANT, reason="other")) == "too_many_replies"


# --- ruling, policy, older ledgers ------------------------------------------------------------------------------


def test_a_ruling_names_a_draft_by_digest_and_entry_or_neither() -> None:
    house = cut_off()
    prompted(house, note="电话")
    house.wait(181)
    house.do(c.Warn(actor=JUDGE, seat=DEFENDANT))
    assert house.refused(c.Rule(actor=JUDGE, seat=DEFENDANT, finding="认定")) == "warning_not_delivered"
    deliver(house, house.seat(DEFENDANT).notices[-1].seq, "delivered")
    assert house.refused(c.Rule(actor=JUDGE, seat=DEFENDANT, finding="认定", draft="xy", draft_seq=1)) == "bad_hash"
    assert house.refused(c.Rule(actor=JUDGE, seat=DEFENDANT, finding="认定", draft="ab" * 32)) == "bad_value"
    house.do(c.Rule(actor=JUDGE, seat=DEFENDANT, finding="认定", draft="ab" * 32, draft_seq=7))
    assert events_of(house, "ruled")[-1] == {"seat": DEFENDANT, "finding": "认定", "draft": "ab" * 32, "draft_seq": 7}


@pytest.mark.parametrize("seconds", [0, 5, 600])
def test_the_interval_is_the_hearings_own(seconds: int) -> None:
    house = House(Policy("none", "enforce", seconds)).in_session()
    house.lose(DEFENDANT, "media_silent")
    prompted(house, note="电话")
    if seconds:
        house.wait(seconds - 1)
        assert house.refused(c.Warn(actor=JUDGE, seat=DEFENDANT)) == "too_early"
        house.wait(1)
    house.do(c.Warn(actor=JUDGE, seat=DEFENDANT))
    assert Policy(warn_after_s=seconds).unchecked is (seconds < 60)


@pytest.mark.parametrize("seconds", [-1, 90_000, True])
def test_an_interval_out_of_bounds_founds_no_hearing(seconds: int) -> None:
    with pytest.raises(Refused, match="bad_policy"):
        found(CASE, Policy("none", "enforce", seconds), START, PLANS)


def test_an_older_ledger_is_read_and_its_guess_of_delivery_is_not_believed() -> None:
    created = found(CASE, Policy(), START, (SeatPlan("s", Role.DEFENDANT, Side.DEFENDANT),))
    entry = ledger.entry_for("h", 1, START, "system", created, ledger.FIRST)
    old = {key: value for key, value in entry.body.items() if key not in ("policy", "seats")}
    old["policy"] = {"checkin": "none", "checklist": "enforce"}
    dropped = ("service", "claims")
    old["seats"] = [{key: value for key, value in seat.items() if key not in dropped} for seat in entry.body["seats"]]
    first = event_of(entry, "hearing_created", 1, old)
    assert isinstance(first, e.HearingCreated)
    assert (first.policy.warn_after_s, first.seats[0].service) == (60, ())
    assert event_of(entry, "prompted", 1, {"seat": "s", "delivered": True, "note": ""}) == e.Prompted(seat="s")
    assert event_of(entry, "ruled", 1, {"seat": "s", "finding": "x"}) == e.Ruled(
        seat="s", finding="x", draft="", draft_seq=0
    )
    for kind in ("hearing_created", "prompted"):
        with pytest.raises(BadMessage):
            event_of(entry, kind, 1, {"note": 1})


def test_a_ledger_from_before_claims_knows_of_none() -> None:
    plan = SeatPlan("s", Role.PLAINTIFF, Side.PLAINTIFF, claims=(Claim(ClaimFact.COUNTERCLAIM, True),))
    entry = ledger.entry_for("h", 1, START, "system", found(CASE, Policy(), START, (plan,)), ledger.FIRST)
    assert entry.v == 3
    seats = [{key: value for key, value in seat.items() if key != "claims"} for seat in entry.body["seats"]]
    older = event_of(entry, "hearing_created", 2, {**entry.body, "seats": seats})
    assert isinstance(older, e.HearingCreated)
    assert older.seats[0].claims == ()


def event_of(entry: ledger.Entry, kind: str, version: int, body: dict[str, Any]) -> e.Event:
    from dataclasses import replace

    return ledger.event_of(replace(entry, type=kind, v=version, body=body))


def test_speech_is_believed_from_the_court_alone_and_only_in_order() -> None:
    house = House().in_session()
    spans: tuple[dict[str, str | int], ...] = ({"seat": DEFENDANT, "from": 10, "to": 20},)
    assert house.refused(c.ObserveSpeech(actor=CLERK, since=1, until=30, spans=spans)) == "not_allowed"
    assert house.refused(c.ObserveSpeech(since=15, until=30, spans=spans)) == "bad_time"
    assert (
        house.refused(c.ObserveSpeech(since=1, until=30, spans=({"seat": "nobody", "from": 2, "to": 3},)))
        == "bad_value"
    )
    assert len(house.do(c.ObserveSpeech(since=1, until=30, spans=spans))) == 1
