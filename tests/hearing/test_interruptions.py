"""Nobody alone, and nobody for another reason than the law's, interrupts the recording (RecP art. 3, COURT.md 7)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing import ledger
from courtroom.hearing.access import RECORDER
from courtroom.hearing.interruptions import CONFIRM_WITHIN_US
from courtroom.hearing.model import Policy
from courtroom.hearing.phases import FAULT, recording_on
from recorder.recordinglaw import examine
from tests.hearing.house import CASE, CLERK, JUDGE, PLAINTIFF, PLANS, WANG, House

ASSESSOR = "seat-assessor"
BENCH_AND_CLERK = {JUDGE, ASSESSOR, CLERK}
SEATS = [plan.id for plan in PLANS]


def session(phase: str = "investigation") -> House:
    return House(Policy("none", "record")).in_session(phase)


def proposed(house: House, actor: str = CLERK, ground: str = "not_public") -> str:
    house.do(c.ProposeInterruption(actor=actor, ground=ground))
    assert house.hearing.proposal is not None
    return house.hearing.proposal.id


def test_two_people_interrupt_and_the_recorder_gets_nothing_until_somebody_resumes() -> None:
    house = session()
    assert any(edge.receiver == RECORDER for edge in house.edges())
    id_ = proposed(house)
    assert recording_on(house.hearing), "a proposal interrupts nothing"
    events = house.do(c.ConfirmInterruption(actor=JUDGE, proposal=id_))
    assert events == (
        e.InterruptionConfirmed(id=id_, ground="not_public", proposer=CLERK, confirmer=JUDGE),
        e.RecordingInterrupted(reason="not_public"),
    )
    assert not any(edge.receiver == RECORDER for edge in house.edges())
    assert any(edge.receiver == PLAINTIFF for edge in house.edges()), "the hearing itself goes on"
    assert house.view(PLAINTIFF)["recording"] == {
        "state": "interrupted", "reason": "not_public", "since": house.hearing.interruptions[-1].since,
    }  # fmt: skip
    assert house.do(c.ResumeRecording(actor=CLERK)) == (e.RecordingResumed(),)
    assert any(edge.receiver == RECORDER for edge in house.edges())
    (gap,) = house.hearing.interruptions
    assert (gap.reason, gap.by, gap.until) == ("not_public", (CLERK, JUDGE), house.now)


def test_whoever_proposed_cannot_confirm() -> None:
    house = session()
    id_ = proposed(house, JUDGE)
    assert house.refused(c.ConfirmInterruption(actor=JUDGE, proposal=id_)) == "second_person_required"
    assert house.refused(c.ConfirmInterruption(actor=PLAINTIFF, proposal=id_)) == "not_allowed"
    house.do(c.ConfirmInterruption(actor=ASSESSOR, proposal=id_))
    assert not recording_on(house.hearing)


@pytest.mark.parametrize("actor", [PLAINTIFF, WANG, ASSESSOR])
def test_only_the_presiding_judge_and_the_clerk_propose(actor: str) -> None:
    assert session().refused(c.ProposeInterruption(actor=actor, ground="not_public")) == "not_allowed"


@pytest.mark.parametrize("ground", ["recess", "fault", "technical", "", "mediation"])
def test_no_other_reason_and_none_outside_its_phase(ground: str) -> None:
    assert session().refused(c.ProposeInterruption(actor=CLERK, ground=ground)) == "no_lawful_ground"


def test_a_closed_hearing_has_no_non_public_evidence_to_keep_apart() -> None:
    house = session()
    house.hearing = replace(house.hearing, case=replace(CASE, public=False))
    assert house.refused(c.ProposeInterruption(actor=CLERK, ground="not_public")) == "no_lawful_ground"


def test_mediation_alone_interrupts_nothing_and_its_interruption_ends_with_it() -> None:
    house = session("mediation")
    assert recording_on(house.hearing)
    house.interrupt("mediation")
    assert not recording_on(house.hearing)
    events = house.do(c.SetPhase(actor=JUDGE, phase="debate"))
    assert events[-1] == e.RecordingResumed()
    assert recording_on(house.hearing)


def test_a_proposal_lapses_and_says_so_once() -> None:
    house = session()
    id_ = proposed(house)
    assert house.do(c.ObserveLapse()) == ()
    house.wait(CONFIRM_WITHIN_US / 1_000_000)
    assert house.view(JUDGE)["interruption"]["proposal"] is None
    assert house.refused(c.ConfirmInterruption(actor=JUDGE, proposal=id_)) == "no_proposal"
    assert house.do(c.ObserveLapse()) == (e.InterruptionDropped(id=id_, why="lapsed"),)
    assert house.do(c.ObserveLapse()) == ()
    assert recording_on(house.hearing)


def test_a_lapsed_proposal_that_nobody_noted_is_noted_before_the_next() -> None:
    house = session()
    id_ = proposed(house)
    house.wait(CONFIRM_WITHIN_US / 1_000_000)
    first, _second = house.do(c.ProposeInterruption(actor=JUDGE, ground="not_public"))
    assert first == e.InterruptionDropped(id=id_, why="lapsed")


@pytest.mark.parametrize(("actor", "why"), [(CLERK, "withdrawn"), (ASSESSOR, "declined"), (JUDGE, "declined")])
def test_a_proposal_is_taken_back_or_declined(actor: str, why: str) -> None:
    house = session()
    id_ = proposed(house)
    assert house.refused(c.ProposeInterruption(actor=JUDGE, ground="not_public")) == "proposal_open"
    assert house.do(c.DeclineInterruption(actor=actor, proposal=id_)) == (e.InterruptionDropped(id=id_, why=why),)
    assert house.refused(c.ConfirmInterruption(actor=JUDGE, proposal=id_)) == "no_proposal"


@pytest.mark.parametrize(
    "then", [c.Recess(actor=JUDGE), c.SetPhase(actor=JUDGE, phase="debate"), c.CloseHearing(actor=JUDGE)]
)
def test_another_phase_overtakes_a_proposal(then: c.Command) -> None:
    house = session()
    id_ = proposed(house)
    assert house.do(then)[0] == e.InterruptionDropped(id=id_, why="overtaken")
    assert house.hearing.proposal is None


def test_a_recess_ends_the_interruption_and_recording_comes_back_after_it() -> None:
    house = session()
    house.interrupt("not_public")
    house.do(c.Recess(actor=JUDGE))
    house.do(c.Resume(actor=JUDGE))
    assert recording_on(house.hearing)
    assert [gap.reason for gap in house.hearing.interruptions] == ["not_public", "recess"]
    assert house.hearing.interruptions[0].until == house.hearing.interruptions[1].since


def test_a_hold_and_another_phase_of_the_evidence_keep_the_interruption() -> None:
    house = session()
    house.interrupt("not_public")
    house.do(c.SetPhase(actor=JUDGE, phase="technical_hold"))
    house.do(c.Resume(actor=JUDGE))
    house.do(c.SetPhase(actor=JUDGE, phase="debate"))
    assert not recording_on(house.hearing)
    house.do(c.SetPhase(actor=JUDGE, phase="pronouncement"))
    assert recording_on(house.hearing)


def test_either_of_the_two_resumes_and_a_third_does_not() -> None:
    house = session()
    id_ = proposed(house, CLERK)
    house.do(c.ConfirmInterruption(actor=JUDGE, proposal=id_))
    assert house.refused(c.ResumeRecording(actor=ASSESSOR)) == "not_allowed"
    assert house.refused(c.ResumeRecording(actor=PLAINTIFF)) == "not_allowed"
    house.do(c.ResumeRecording(actor=JUDGE))
    house = session()
    id_ = proposed(house, CLERK)
    house.do(c.ConfirmInterruption(actor=ASSESSOR, proposal=id_))
    house.do(c.ResumeRecording(actor=ASSESSOR))
    assert recording_on(house.hearing)


def test_the_desk_sees_who_waits_and_nobody_else_does() -> None:
    house = session()
    id_ = proposed(house)
    shown = house.view(JUDGE)["interruption"]
    assert shown["proposal"]["id"] == id_
    assert (shown["proposal"]["by"], shown["proposal"]["name"]) == (CLERK, "姓名CLERK")
    assert shown["proposal"]["until"] == house.now + CONFIRM_WITHIN_US
    assert house.view(PLAINTIFF)["interruption"] is None
    house.do(c.ConfirmInterruption(actor=JUDGE, proposal=id_))
    assert house.view(CLERK)["interruption"]["interrupted_by"] == ["姓名CLERK", "姓名JUDGE"]


class Interrupting(RuleBasedStateMachine):
    """Everything that could interrupt a recording, from everybody, in any order."""

    @initialize(public=st.booleans())
    def begin(self, public: bool) -> None:
        self.house = session()
        self.house.hearing = replace(self.house.hearing, case=replace(CASE, public=public))
        self.ids = ["id-1", ""]

    def _try(self, command: c.Command) -> None:
        self.house.refused(command)
        if self.house.hearing.proposal is not None:
            self.ids = [*self.ids[-3:], self.house.hearing.proposal.id]

    @rule(
        actor=st.sampled_from([*SEATS, JUDGE, CLERK, "seat-nobody", "system"]),
        ground=st.sampled_from(["not_public", "mediation", "not_public", "mediation", "recess", "fault", "休息"]),
    )
    def somebody_proposes(self, actor: str, ground: str) -> None:
        self._try(c.ProposeInterruption(actor=actor, ground=ground))

    @rule(actor=st.sampled_from([*SEATS, JUDGE, CLERK, ASSESSOR, "system"]), which=st.integers(0, 3))
    def somebody_confirms(self, actor: str, which: int) -> None:
        self._try(c.ConfirmInterruption(actor=actor, proposal=self.ids[-1 - which % len(self.ids)]))

    @rule(actor=st.sampled_from(SEATS), which=st.integers(0, 3))
    def somebody_declines(self, actor: str, which: int) -> None:
        self._try(c.DeclineInterruption(actor=actor, proposal=self.ids[-1 - which % len(self.ids)]))

    @rule(
        first=st.sampled_from([JUDGE, CLERK, JUDGE, CLERK, ASSESSOR]),
        second=st.sampled_from([JUDGE, CLERK, ASSESSOR, PLAINTIFF, WANG]),
        meanwhile=st.sampled_from(["", "wait", "phase", "recess", "mediation"]),
    )
    def one_proposes_and_another_confirms(self, first: str, second: str, meanwhile: str) -> None:
        """The lawful path, mostly, with what may come between; what must hold is in the invariants."""
        for seat in BENCH_AND_CLERK:
            self._try(c.ObserveArrival(seat=seat, connection=self.house.new_id()))
        for back in (
            c.Resume(actor=JUDGE),
            c.ResumeRecording(actor=JUDGE),
            c.DeclineInterruption(actor=JUDGE, proposal=self.ids[-1]),
        ):
            self._try(back)
        ground = "mediation" if self.house.hearing.phase.value == "mediation" else "not_public"
        self._try(c.ProposeInterruption(actor=first, ground=ground))
        match meanwhile:
            case "wait":
                self.house.wait(CONFIRM_WITHIN_US / 1_000_000)
            case "phase":
                self._try(c.SetPhase(actor=JUDGE, phase="debate"))
                self._try(c.SetPhase(actor=JUDGE, phase="investigation"))
            case "recess":
                self._try(c.Recess(actor=JUDGE))
                self._try(c.Resume(actor=JUDGE))
            case "mediation":
                self._try(c.SetPhase(actor=JUDGE, phase="mediation"))
            case _:
                pass
        self._try(c.ConfirmInterruption(actor=second, proposal=self.ids[-1]))

    @rule(actor=st.sampled_from(SEATS))
    def somebody_resumes(self, actor: str) -> None:
        self._try(c.ResumeRecording(actor=actor))

    @rule(
        phase=st.sampled_from(
            ["investigation", "debate", "mediation", "deliberation", "pronouncement", "technical_hold"]
        )
    )
    def the_judge_moves_on(self, phase: str) -> None:
        self._try(c.SetPhase(actor=JUDGE, phase=phase))

    @rule(kind=st.sampled_from([c.Recess, c.Resume]))
    def the_judge_pauses(self, kind: type[c.Recess]) -> None:
        self._try(kind(actor=JUDGE))

    @rule(seat=st.sampled_from([JUDGE, CLERK, ASSESSOR]))
    def somebody_goes_and_comes(self, seat: str) -> None:
        self._try(c.ObserveLoss(seat=seat, connection=self.house.seat(seat).connection))
        self._try(c.ObserveJudgeGone())
        self._try(c.ObserveArrival(seat=seat, connection=self.house.new_id()))

    @rule(seconds=st.sampled_from([1, 60, 121]))
    def time_passes(self, seconds: int) -> None:
        self.house.wait(seconds)
        self._try(c.ObserveLapse())

    @rule(what=st.sampled_from(["defect", "resumed", "gap"]))
    def the_recorder_reports(self, what: str) -> None:
        detail: dict[str, str | int] = {"from_at": self.house.now - 5, "to_at": self.house.now}
        self._try(c.ObserveCapture(what=what, detail=detail))

    @invariant()
    def every_interruption_is_a_recess_or_two_people_with_a_lawful_reason(self) -> None:
        entries = self.house.entries
        for place, entry in enumerate(entries):
            match ledger.event_of(entry):
                case e.RecordingInterrupted(reason="recess"):
                    phase = ledger.event_of(entries[place - 1])
                    assert isinstance(phase, e.PhaseChanged)
                    assert phase.phase in ("recess", "deliberation", "technical_hold")
                case e.RecordingInterrupted(reason=reason):
                    confirmed = ledger.event_of(entries[place - 1])
                    assert isinstance(confirmed, e.InterruptionConfirmed)
                    assert confirmed.ground == reason
                    self._two_people(place - 1, confirmed)

    def teardown(self) -> None:
        """The verifier, which asks the law anew of the whole ledger, finds nothing against any of it."""
        self.house.refused(c.CloseHearing(actor=JUDGE))
        assert examine(self.house.entries).breaches == ()

    def _two_people(self, place: int, confirmed: e.InterruptionConfirmed) -> None:
        entries = self.house.entries
        assert confirmed.ground in ("not_public", "mediation")
        assert entries[place].actor == confirmed.confirmer != confirmed.proposer
        assert {confirmed.proposer, confirmed.confirmer} <= BENCH_AND_CLERK
        (proposal,) = [
            (entry, event)
            for entry in entries[:place]
            if isinstance(event := ledger.event_of(entry), e.InterruptionProposed) and event.id == confirmed.id
        ]
        assert proposal[0].actor == proposal[1].proposer == confirmed.proposer
        assert proposal[0].actor in (JUDGE, CLERK)
        assert entries[place].at < proposal[1].until <= proposal[0].at + CONFIRM_WITHIN_US
        between = [ledger.event_of(entry) for entry in entries if proposal[0].seq < entry.seq < entries[place].seq]
        assert not any(isinstance(event, e.PhaseChanged | e.InterruptionDropped) for event in between)

    @invariant()
    def the_recorder_is_cut_off_exactly_while_an_interruption_is_in_force(self) -> None:
        hearing = self.house.hearing
        running = [gap for gap in hearing.interruptions if gap.until == 0 and gap.reason != FAULT]
        assert len(running) <= 1
        assert recording_on(hearing) is (bool(hearing.take) and not running)
        if running:
            assert not any(edge.receiver == RECORDER for edge in self.house.edges())
            under = hearing.resumes_to if hearing.phase.value == "technical_hold" else hearing.phase
            assert under is not None
            wanted = {"recess": {"recess", "deliberation"}, "mediation": {"mediation"}}.get(running[0].reason)
            assert under.value in (wanted or {"open", "investigation", "debate", "final_statements"})
            assert running[0].reason != "not_public" or hearing.case.public


TestInterrupting = Interrupting.TestCase
TestInterrupting.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
