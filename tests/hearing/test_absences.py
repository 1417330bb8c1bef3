"""Invariants 4 and 5 of COURT.md 11, after any sequence of commands.

The oracle reads nothing but the ledger's bodies, and counts deliveries its own way: no warning without a delivered
prompt of the same absence and its interval, no ruling without a delivered warning, no draft above its preconditions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from courtroom.documents.law import rule_table
from courtroom.hearing import commands as c
from courtroom.hearing import drafts
from courtroom.hearing.ledger import Entry
from courtroom.hearing.model import Policy, ServiceFact
from courtroom.hearing.preconditions import CODES
from tests.hearing.house import CLERK, DEFENDANT, JUDGE, PLAINTIFF, PLANS, House

SUBJECTS = (PLAINTIFF, DEFENDANT, "seat-counsel")
INTERVAL_S = 30
TABLE = rule_table()
subjects = st.sampled_from(SUBJECTS)
facts = st.lists(
    st.sampled_from(
        ["media_silent", "page_hide", "socket_closed_clean", "leave_click", "worker_died", "high_loss", "battery_low"]
    ),
    max_size=3,
    unique=True,
)


class Oracle:
    """What one seat's ledger lines alone say; knows nothing of ``Seat``."""

    def __init__(self) -> None:
        self.prompts: dict[int, dict[str, int]] = {}  # of the absence that lasts: notice → channel → delivered at
        self.warnings: dict[int, dict[str, int]] = {}
        self.read: set[tuple[int, str]] = set()

    def over(self) -> None:
        self.prompts, self.warnings = {}, {}

    def proof(self, notice: int, channel: str, state: str, at: int) -> None:
        for known in (self.prompts, self.warnings):
            if notice not in known:
                continue
            if state in ("delivered", "read"):
                known[notice].setdefault(channel, at)
            if state == "read":
                self.read.add((notice, channel))
            if state == "failed" and (notice, channel) not in self.read:
                known[notice].pop(channel, None)

    @staticmethod
    def first(known: dict[int, dict[str, int]]) -> int:
        return min((at for ways in known.values() for at in ways.values()), default=0)


class Absences(RuleBasedStateMachine):
    """The court proceeds against absences, the persons come and go, messages arrive late, twice or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.oracle = {seat: Oracle() for seat in SUBJECTS}
        self.read_to = 0
        self.rulings = 0

    @initialize(begun=st.booleans(), prepared=st.booleans())
    def begin(self, begun: bool, prepared: bool) -> None:
        on_file = (ServiceFact.SUMMONS_SERVED, ServiceFact.OFFLINE_OPTION_OFFERED, ServiceFact.SELF_TEST_PASSED)
        plans = tuple(replace(plan, service=on_file) if prepared and plan.id in SUBJECTS else plan for plan in PLANS)
        self.house = House(Policy("none", "enforce", INTERVAL_S), plans)
        if begun:
            self.house.in_session()
        else:
            self.house.arrive(JUDGE, CLERK)
        if prepared:
            for seat in SUBJECTS:
                self._try(c.Consent(actor=seat, agreed=True))

    def _try(self, command: c.Command) -> None:
        self.house.refused(command)

    def _notices(self, seat: str) -> list[int]:
        return [one.seq for one in self.house.seat(seat).notices]

    @rule(seat=subjects, kind=st.sampled_from([c.Prompt, c.Warn]), note=st.sampled_from(["", "", "电话"]))
    def a_step(self, seat: str, kind: type[c.Prompt], note: str) -> None:
        self._try(kind(actor=JUDGE, seat=seat, note=note))

    @rule(seat=subjects)
    def a_ruling(self, seat: str) -> None:
        self._try(c.Rule(actor=JUDGE, seat=seat, finding="认定"))

    @rule(
        seat=subjects,
        last=st.integers(1, 3),
        channel=st.sampled_from(["page", "email", "webhook"]),
        state=st.sampled_from(["sent", "delivered", "delivered", "read", "failed"]),
    )
    def a_receipt(self, seat: str, last: int, channel: str, state: str) -> None:
        for notice in self._notices(seat)[-last:][:1]:
            self._try(c.ObserveDelivery(seat=seat, notice=notice, channel=channel, state=state))

    @rule(seat=subjects, read=st.booleans())
    def the_page_answers(self, seat: str, read: bool) -> None:
        for notice in self._notices(seat)[-1:]:
            self._try(c.AcknowledgeNotice(actor=seat, notice=notice, read=read))

    @rule(seat=subjects, who=st.sampled_from(["self", "family", "counsel", "other", "nobody"]))
    def the_clerk_calls(self, seat: str, who: str) -> None:
        for notice in self._notices(seat)[-1:]:
            self._try(
                c.PhoneNote(actor=CLERK, seat=seat, notice=notice, who=who, called_at=self.house.now, said="已告知")
            )

    @rule(seat=subjects, rows=facts)
    def cut_off(self, seat: str, rows: list[str]) -> None:
        self.house.refused(
            c.ObserveLoss(
                seat=seat,
                connection=self.house.seat(seat).connection,
                evidence=tuple({"fact": fact, "at": self.house.now, "clock": "court"} for fact in rows),
            )
        )

    @rule(seat=subjects, rows=facts)
    def later_evidence(self, seat: str, rows: list[str]) -> None:
        evidence: tuple[dict[str, str | int], ...] = tuple(
            {"fact": fact, "at": self.house.now, "clock": "client"} for fact in rows
        )
        self._try(c.ObserveEvidence(seat=seat, evidence=evidence))

    @rule(seat=subjects)
    def comes_back(self, seat: str) -> None:
        self._try(c.ObserveArrival(seat=seat, connection=self.house.new_id()))
        self._try(c.Admit(actor=JUDGE, seat=seat))

    @rule(seat=subjects, state=st.sampled_from(["on", "off"]))
    def the_camera(self, seat: str, state: str) -> None:
        self._try(c.SetDevices(actor=seat, microphone="on", camera=state))

    @rule(seat=subjects)
    def leaves(self, seat: str) -> None:
        self._try(c.Leave(actor=seat))

    @rule(seat=subjects, seconds=st.integers(1, 100))
    def asks_and_gets_leave(self, seat: str, seconds: int) -> None:
        until = self.house.now + seconds * 1_000_000
        self._try(c.AskLeave(actor=seat, reason="事由", until=until))
        self._try(c.Excuse(actor=JUDGE, seat=seat, until=until))

    @rule(seat=subjects, fact=st.sampled_from([one.value for one in ServiceFact]), holds=st.booleans())
    def the_file_says(self, seat: str, fact: str, holds: bool) -> None:
        self._try(c.RecordService(actor=CLERK, seat=seat, fact=fact, holds=holds))

    @rule(seat=subjects, agreed=st.booleans())
    def consents(self, seat: str, agreed: bool) -> None:
        self._try(c.Consent(actor=seat, agreed=agreed))

    @rule(seat=subjects)
    def wants_to_come_in_person(self, seat: str) -> None:
        self._try(c.MakeRequest(actor=seat, kind="offline", text=""))

    @rule(granted=st.booleans())
    def the_judge_answers(self, granted: bool) -> None:
        for request in self.house.hearing.requests[-1:]:
            self._try(c.AnswerRequest(actor=JUDGE, request=request.id, granted=granted))

    @rule(seat=subjects)
    def replies(self, seat: str) -> None:
        self._try(c.Reply(actor=seat, reason="network_fault", text="断网"))

    @rule(kind=st.sampled_from([c.OpenHearing, c.Recess, c.Resume]))
    def the_sitting(self, kind: type[c.Recess]) -> None:
        self._try(kind(actor=JUDGE))

    @rule(seconds=st.sampled_from([1, 29, 30, 31, 120]))
    def time_passes(self, seconds: int) -> None:
        self.house.wait(seconds)

    @rule(seat=subjects, seconds=st.sampled_from([0, INTERVAL_S - 1, INTERVAL_S, INTERVAL_S]))
    def by_the_book_or_too_early(self, seat: str, seconds: int) -> None:
        """So that warnings and rulings do come to pass in most runs, or nearly."""
        if self.house.seat(seat).connected:
            self.cut_off(seat, ["page_hide", "socket_closed_clean"])
        self._try(c.Prompt(actor=CLERK, seat=seat, note="电话"))
        self.house.wait(seconds)
        self._try(c.Warn(actor=JUDGE, seat=seat, note="电话"))
        self._try(c.Rule(actor=JUDGE, seat=seat, finding="认定"))

    # --- the oracle ---------------------------------------------------------------------------------

    @invariant()
    def no_step_is_skipped(self) -> None:
        for entry in self.house.entries[self.read_to :]:
            oracle = self.oracle.get(entry.body.get("seat", ""))
            if oracle is not None:
                self._follow(oracle, entry)
        self.read_to = len(self.house.entries)

    def _follow(self, oracle: Oracle, entry: Entry) -> None:
        body: dict[str, Any] = entry.body
        match entry.type:
            case "prompted":
                oracle.prompts[entry.seq] = {}
            case "warned":
                first = oracle.first(oracle.prompts)
                assert first, "a warning only after a delivered prompt of this absence"
                assert entry.at - first >= INTERVAL_S * 1_000_000, "and its interval"
                oracle.warnings[entry.seq] = {}
            case "ruled":
                assert oracle.first(oracle.warnings), "a ruling only after a delivered warning of this absence"
                self.rulings += 1
            case "delivery_noted":
                oracle.proof(body["notice"], body["channel"], body["state"], entry.at)
            case "phone_noted":
                state = {"self": "delivered", "counsel": "delivered", "nobody": "failed"}.get(body["who"], "sent")
                oracle.proof(body["notice"], "phone", state, entry.at)
            case "seat_connected" | "excused" | "return_noted":
                oracle.over()

    @invariant()
    def no_draft_claims_more_than_its_preconditions(self) -> None:
        if self.read_to % 7:  # a draft replays the ledger: often enough, not after every step
            return
        for seat in SUBJECTS:
            claims_no_more(self.house, seat)

    def teardown(self) -> None:
        for seat in SUBJECTS:
            claims_no_more(self.house, seat)


def claims_no_more(house: House, seat: str) -> None:
    made = drafts.made(house.hearing, house.entries, seat, TABLE)
    assert tuple(one.code for one in made.preconditions) == CODES
    missing = tuple(one.code for one in made.preconditions if not one.ok)
    assert made.first_line.missing == missing
    assert made.complete is (made.first_line.code == "complete")
    if missing:
        assert made.first_line.code != "complete"
        assert [(one.provision, one.neutral) for one in made.proposals] == [("", True)]
    for one in made.preconditions:
        assert all(1 <= ref <= len(house.entries) for ref in one.refs)
    if house.seat(seat).offline and not house.seat(seat).connected:
        assert made.first_line.code == "offline_seat"


TestAbsences = Absences.TestCase
TestAbsences.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
