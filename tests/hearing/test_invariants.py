"""The invariants of COURT.md 11 after any sequence of commands, from anybody, in any state."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from courtroom.errors import Refused
from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing import ledger
from courtroom.hearing.access import RECORDER, edges, may_know
from courtroom.hearing.decide import decide
from courtroom.hearing.evolve import settle
from courtroom.hearing.guards import TARGETED, allowed
from courtroom.hearing.model import Cause, Hearing, Interruption, Kind, Phase, Policy, Presence, Role, RoomKind
from courtroom.hearing.refusals import CODES
from tests.hearing.house import CASE, ISOLATED, JUDGE, NAMES, PLANS, SHEET, STROKE, WANG, House

SEATS = [plan.id for plan in PLANS]
ACTORS = [*SEATS, JUDGE, JUDGE, "seat-clerk", "seat-nobody", "system", ""]
LINKED_TO_WANG = ("seat-guardian", "seat-interpreter")
IN_SESSION = {
    Phase.OPEN, Phase.INVESTIGATION, Phase.DEBATE, Phase.FINAL_STATEMENTS, Phase.MEDIATION, Phase.DELIBERATION,
    Phase.PRONOUNCEMENT, Phase.RECESS, Phase.TECHNICAL_HOLD,
}  # fmt: skip

hostile = st.sampled_from(["", "\ud800", "\x00", "x" * 5000, "seat-nobody", "closed", "../..", "{name}", "🙂", "a:b"])
seats = st.sampled_from(SEATS)
words = st.one_of(
    seats,
    st.sampled_from([phase.value for phase in Phase]),
    st.sampled_from(
        ["microphone", "camera", "screen", "on", "off", "lost", "speak", "evidence", "urgent", "help", "break"]
    ),
    st.sampled_from(["identity", "consent", "bench_complete", "理由", "id-3", "id-20"]),
    hostile,
)
facts = st.sampled_from(
    [
        "media_silent",
        "page_hide",
        "socket_closed_clean",
        "worker_died",
        "high_loss",
        "removed",
        "leave_click",
        "new_fact",
        "",
    ]
)
rows = st.lists(st.fixed_dictionaries({"fact": facts, "at": st.integers(0, 2**60)}), max_size=3).map(tuple)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "str": words,
    "bool": st.booleans(),
    "int": st.integers(-(2**60), 2**60),
    "tuple[dict[str, str | int], ...]": rows,
    "dict[str, str | int]": st.dictionaries(words, words | st.integers(-(2**60), 2**60), max_size=3),
}
NAMED: dict[str, st.SearchStrategy[Any]] = {
    "seat": seats | seats | seats | words,
    "kind": st.sampled_from(["microphone", "camera", "screen", "speak", "evidence", "urgent", "help"]) | words,
    "phase": st.sampled_from([phase.value for phase in Phase]) | words,
    "reason": st.just("理由") | words,
    "finding": st.just("认定") | words,
    "note": st.just("") | st.just("电话告知") | words,
    "notice": st.integers(0, 60),
    "who": st.sampled_from(["self", "family", "nobody"]) | words,
    "channel": st.sampled_from(["page", "email", "phone"]) | words,
    "state": st.sampled_from(["sent", "delivered", "read", "failed"]) | words,
    "fact": st.sampled_from(["offline_agreed", "link_delivered"]) | words,
    "microphone": st.sampled_from(["on", "off", "lost"]) | words,
    "camera": st.sampled_from(["on", "off", "lost"]) | words,
    "request": st.integers(1, 60).map(lambda number: f"id-{number}") | words,
    "item": st.sampled_from(["identity", "consent", "bench_complete"]) | words,
    "notice_hash": st.just("ab" * 32) | words,
    "ground": st.sampled_from(["not_public", "mediation", "recess", "fault"]) | words,
    "proposal": st.integers(1, 60).map(lambda number: f"id-{number}") | words,
    "sheet": st.just(SHEET) | words,
    "stroke": st.just(STROKE) | words,
    "digest": st.just("ab" * 32) | words,
    "outcome": st.sampled_from(["absent", "refused", "signed"]) | words,
}


def any_of(kind: type[c.Command], actor: st.SearchStrategy[str]) -> st.SearchStrategy[c.Command]:
    parts = {part.name: NAMED.get(part.name, FIELDS[str(part.type)]) for part in dataclasses.fields(kind)}
    return st.builds(kind, **{**parts, "actor": actor})


any_command = st.sampled_from(sorted(c.COMMANDS.values(), key=lambda kind: kind.__name__)).flatmap(
    lambda kind: any_of(kind, st.sampled_from(ACTORS))
)
any_observation = st.sampled_from(c.OBSERVATIONS).flatmap(
    lambda kind: any_of(kind, st.just("system") | st.just("system") | st.sampled_from(ACTORS))
)


class Sitting(RuleBasedStateMachine):
    """Real steps to get somewhere, hostile ones from everywhere, and the invariants after each."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.connected: dict[str, str] = {}
        self.checked = 0

    @initialize(
        policy=st.sampled_from([Policy("none", "enforce"), Policy("none", "record"), Policy()]), begun=st.booleans()
    )
    def begin(self, policy: Policy, begun: bool) -> None:
        self.house = House(policy)
        if begun:
            self.house.arrive(*SEATS)
            for id_ in SEATS:
                self._try(c.VerifyIdentity(actor=JUDGE, seat=id_))
                self._try(c.Consent(actor=id_, agreed=True, notice_hash=""))
                self._try(c.Admit(actor=JUDGE, seat=id_))
            self._try(c.OpenHearing(actor=JUDGE))

    def _try(self, command: c.Command) -> None:
        """Nothing but ``Refused`` with a registered code may come out, and a refusal changes nothing."""
        before = self.house.hearing
        code = self.house.refused(command)
        if code:
            assert code in CODES
            assert self.house.hearing is before

    @rule(command=any_command)
    def anybody_asks_anything(self, command: c.Command) -> None:
        self._try(command)

    @rule(command=any_observation)
    def anything_is_observed(self, command: c.Command) -> None:
        self._try(command)

    @rule(seat=seats)
    def somebody_arrives(self, seat: str) -> None:
        self._try(c.ObserveArrival(seat=seat, connection=self.house.new_id()))

    @rule(seat=seats, evidence=rows)
    def somebody_is_lost(self, seat: str, evidence: tuple[dict[str, str | int], ...]) -> None:
        self._try(c.ObserveLoss(seat=seat, connection=self.house.seat(seat).connection, evidence=evidence))

    @rule(seat=seats, kind=st.sampled_from([c.Admit, c.Call, c.Dismiss, c.Prompt, c.Warn]))
    def the_judge_conducts(self, seat: str, kind: type[c.Admit]) -> None:
        self._try(kind(actor=JUDGE, seat=seat))

    @rule(seat=seats)
    def the_judge_proceeds_against_an_absence(self, seat: str) -> None:
        self._try(c.Prompt(actor=JUDGE, seat=seat, note="电话"))
        self.house.wait(181)
        self._try(c.Warn(actor=JUDGE, seat=seat, note="电话"))

    @rule(seat=seats, minutes=st.integers(1, 5))
    def the_judge_lets_somebody_go(self, seat: str, minutes: int) -> None:
        self._try(c.Excuse(actor=JUDGE, seat=seat, until=self.house.now + minutes * 60_000_000))

    @rule(phase=st.sampled_from(list(Phase)))
    def the_judge_moves_on(self, phase: Phase) -> None:
        self._try(c.SetPhase(actor=JUDGE, phase=phase.value))

    @rule(kind=st.sampled_from([c.OpenHearing, c.Recess, c.Resume]))
    def the_judge_opens_and_pauses(self, kind: type[c.Recess]) -> None:
        self._try(kind(actor=JUDGE))

    @rule(ground=st.sampled_from(["not_public", "mediation"]), second=seats)
    def two_people_interrupt_the_recording(self, ground: str, second: str) -> None:
        self._try(c.ProposeInterruption(actor="seat-clerk", ground=ground))
        if self.house.hearing.proposal is not None:
            self._try(c.ConfirmInterruption(actor=second, proposal=self.house.hearing.proposal.id))

    @rule(signs=seats, really=st.integers(0, 9))
    def the_hearing_ends_and_is_sealed(self, signs: str, really: int) -> None:
        if really != 7:
            return  # seldom: after the end there is little left to try
        self._try(c.CloseHearing(actor=JUDGE))
        self._try(c.ObserveArchive(what="sealed", detail={"root": "ab" * 32, "sheet": SHEET, "faults": 0}))
        self._try(c.SignRecording(actor=signs, sheet=SHEET, stroke=STROKE))

    @rule(seconds=st.sampled_from([1, 30, 61, 400]))
    def time_passes(self, seconds: int) -> None:
        self.house.wait(seconds)

    # --- the invariants -----------------------------------------------------------------------

    @invariant()
    def media_stays_where_the_rule_lets_it(self) -> None:
        hearing = self.house.hearing
        found = edges(hearing)
        for source, receiver, kind in found:
            sender = hearing.seats[source]
            assert sender.room is not None
            assert sender.room.kind in (RoomKind.COURTROOM, RoomKind.DELIBERATION)
            assert sender.role is not Role.OBSERVER
            assert kind not in sender.muted
            assert kind in (Kind.MICROPHONE, Kind.CAMERA) or hearing.presenting == source
            if receiver == RECORDER:
                assert sender.room.kind is RoomKind.COURTROOM
                continue
            assert receiver != source
            assert hearing.seats[receiver].room == sender.room
            assert hearing.seats[receiver].role is not Role.OBSERVER
            assert may_know(hearing, receiver, source)
        if hearing.phase in (Phase.RECESS, Phase.CLOSED, Phase.MOVED_OFFLINE, Phase.SCHEDULED):
            assert not found
        if hearing.phase is Phase.TECHNICAL_HOLD:
            assert not [edge for edge in found if edge.kind in (Kind.MICROPHONE, Kind.SCREEN_SOUND)]

    @invariant()
    def rooms_hold_who_belongs_there(self) -> None:
        hearing = self.house.hearing
        wang = hearing.seats[WANG]
        for seat in hearing.seats.values():
            if seat.room is None:
                continue
            assert not seat.removed
            match seat.room.kind:
                case RoomKind.WAITING:
                    assert seat.room.owner == seat.id
                case RoomKind.WITNESS_ROOM:
                    assert seat.id in ISOLATED
                    assert seat.room.owner == (WANG if seat.id in LINKED_TO_WANG else seat.id)
                case RoomKind.DELIBERATION:
                    assert seat.role in (Role.PRESIDING_JUDGE, Role.ASSESSOR)
                case RoomKind.COURTROOM:
                    assert seat.role is not Role.OBSERVER
                    if seat.id in LINKED_TO_WANG:
                        assert wang.room == seat.room

    @invariant()
    def the_isolated_see_nothing(self) -> None:
        for id_ in ISOLATED:
            if self.house.room(id_) != "courtroom":
                see_nothing(self.house, id_)

    @invariant()
    def recording_is_on_iff_in_session_and_not_interrupted(self) -> None:
        hearing = self.house.hearing
        phase = hearing.resumes_to if hearing.phase is Phase.TECHNICAL_HOLD else hearing.phase
        in_force = phase in (Phase.RECESS, Phase.DELIBERATION) or by_two_people(self.house)
        assert bool(hearing.take) is (hearing.phase in IN_SESSION)
        assert (told_by_the_ledger(self.house) == "on") is (hearing.phase in IN_SESSION and not in_force)
        if told_by_the_ledger(self.house) != "on":
            assert not [edge for edge in edges(hearing) if edge.receiver == RECORDER]

    @invariant()
    def one_connection_a_seat(self) -> None:
        for entry in self.house.entries[self.checked :]:
            match ledger.event_of(entry):
                case e.SeatConnected(seat=seat, connection=connection, replaced=replaced):
                    assert self.connected.get(seat, replaced) == replaced, "a reconnect replaces, never duplicates"
                    assert connection != replaced
                    self.connected[seat] = connection
                case e.SeatDisconnected(seat=seat, connection=connection):
                    assert self.connected.pop(seat, "") == connection
                case e.SeatMoved(seat=seat, why="removed" | "closed"):
                    self.connected.pop(seat, None)
        self.checked = len(self.house.entries)
        for id_, state in self.house.hearing.seats.items():
            assert (state.connection if state.connected else None) == self.connected.get(id_)

    @invariant()
    def timelines_have_no_gap_and_no_overlap(self) -> None:
        for seat in self.house.hearing.seats.values():
            for spell, following in zip(seat.timeline, seat.timeline[1:], strict=False):
                assert spell.since <= spell.until == following.since
                assert spell.state is not following.state or spell.cause is not following.cause or following.evidence
            if seat.timeline and self.house.hearing.phase not in (Phase.CLOSED, Phase.MOVED_OFFLINE):
                assert seat.timeline[-1].until == 0
            for spell in seat.timeline:
                assert (spell.cause is not None) or spell.state not in (
                    Presence.INTERRUPTED,
                    Presence.LEFT,
                    Presence.REMOVED,
                )
                if spell.cause is Cause.LEFT_DELIBERATELY:
                    assert any(row["fact"] in ("leave_click", "hung_up") for row in spell.evidence)

    @invariant()
    def taking_a_permission_never_adds_an_edge(self) -> None:
        before = edges(self.house.hearing)
        for poorer in fewer_permissions(self.house.hearing):
            assert edges(poorer) <= before

    def teardown(self) -> None:
        entries = self.house.entries
        assert ledger.verify_chain(entries) is None
        assert ledger.replay(ledger.from_line(ledger.to_line(entry)) for entry in entries) == self.house.hearing
        buttons_tell_the_truth(self.house)


def see_nothing(house: House, id_: str) -> None:
    """No field of the whole view names another seat, a name, the case or a cause; and no media reaches it."""
    shown = house.view(id_)
    text = json.dumps(shown, ensure_ascii=False)
    for other in SEATS:
        if other != id_:
            assert other not in text
            assert NAMES[other] not in text
    for secret in (CASE.number, CASE.cause, CASE.procedure, house.hearing.take or "no-take"):
        assert secret not in text
    assert shown["isolated"] is True
    assert (shown["phase"], shown["roster"], shown["speaking"], shown["presenting"]) == (None, [], [], None)
    assert (shown["checklist"], shown["attendance"], shown["may_seat"]) == ([], [], {})
    assert shown["case"] == {"court": CASE.court}
    assert shown["recording"]["state"] == "off"
    assert shown["room"] in ("waiting", "witness_room", None)
    assert shown["media"] is None or (shown["room"] == "waiting" and shown["media"]["places"] == 0)
    assert {request["seat"] for request in shown["requests"]} <= {id_}
    assert not [edge for edge in edges(house.hearing) if id_ in (edge.receiver, edge.source)]


def by_two_people(house: House) -> bool:
    """Whether an interruption that two people made is in force, from the ledger alone (see test_interruptions)."""
    rests = False
    for entry in house.entries:
        match ledger.event_of(entry):
            case e.InterruptionConfirmed():
                rests = True
            case e.RecordingResumed() | e.RecordingEnded() | e.RecordingInterrupted(reason="recess"):
                rests = False
            case _:
                pass
    return rests


def told_by_the_ledger(house: House) -> str:
    state = "off"
    for entry in house.entries:
        match entry.type:
            case "recording_started" | "recording_resumed":
                assert state in ("off", "interrupted")
                state = "on"
            case "recording_interrupted":
                assert state in ("on", "interrupted")
                state = "interrupted"
            case "recording_ended":
                assert state in ("on", "interrupted")
                state = "off"
    return state


def fewer_permissions(hearing: Hearing) -> list[Hearing]:
    """The same hearing with one thing less allowed."""
    less = [
        dataclasses.replace(hearing, presenting=""),
        dataclasses.replace(hearing, phase=Phase.RECESS),
        dataclasses.replace(hearing, phase=Phase.CLOSED),
        dataclasses.replace(hearing, interruptions=(*hearing.interruptions, Interruption("recess", hearing.at))),
        dataclasses.replace(hearing, take=""),
    ]
    if hearing.phase in (Phase.OPEN, Phase.INVESTIGATION, Phase.DEBATE):
        less.append(dataclasses.replace(hearing, phase=Phase.TECHNICAL_HOLD, resumes_to=hearing.phase))
    for seat in hearing.seats.values():
        for poorer in (
            dataclasses.replace(seat, room=None),
            dataclasses.replace(seat, removed=True),
            dataclasses.replace(seat, muted=seat.muted | {Kind.MICROPHONE}),
            dataclasses.replace(seat, muted=frozenset(Kind)),
            dataclasses.replace(seat, plan=dataclasses.replace(seat.plan, role=Role.OBSERVER)),
        ):
            less.append(dataclasses.replace(hearing, seats={**hearing.seats, seat.id: poorer}))
    return less


def buttons_tell_the_truth(house: House) -> None:
    """``may`` and ``may_seat`` say yes exactly when ``decide`` accepts some well-made command."""
    settled = settle(house.hearing, house.now)
    for actor in SEATS:
        shown = house.view(actor)
        for name, kind in c.COMMANDS.items():
            accepted = {target: accepts(house, kind, actor, target) for target in SEATS}
            if name in TARGETED:
                nobody = name == "give_floor" and accepts(house, kind, actor, "")
                assert shown["may"][name] is (any(accepted.values()) or nobody), (actor, name)
                for target, yes in accepted.items():
                    assert allowed(settled, name, actor, house.now, target) is yes, (actor, name, target)
                    if shown["may_seat"]:
                        assert (name in shown["may_seat"].get(target, [])) is yes
            else:
                assert shown["may"][name] is any(accepted.values()), (actor, name)


def accepts(house: House, kind: type[c.Command], actor: str, target: str) -> bool:
    """Whether any of the well-made commands of ``kind`` would be accepted now."""
    open_requests = [request.id for request in house.hearing.requests if request.granted is None]
    choices: dict[str, list[Any]] = {
        "who": ["self"], "called_at": [house.now], "said": ["已告知"], "fact": ["link_delivered"],
        "holds": [True, False],
        "notice": [0, *(one.seq for seat in house.hearing.seats.values() for one in seat.notices)], "read": [True],
        "attachment": [""], "name": [""], "size": [0], "draft": [""], "draft_seq": [0],
        "seat": [target], "reason": ["other"], "finding": ["认定"], "note": [""], "confront": [False],
        "agreed": [True], "granted": [True, False], "notice_hash": [""], "until": [house.now + 1000],
        "item": ["identity", "bench_complete"],
        "request": open_requests, "exhibit": ["e-1", "e-2"], "text": [""],
        "microphone": ["on", "off"], "camera": ["on"],
        "phase": [phase.value for phase in Phase],
        "kind": ["microphone", "camera", "screen", "speak"],
        "ground": ["not_public", "mediation"],
        "proposal": [house.hearing.proposal.id if house.hearing.proposal else ""],
        "sheet": [house.hearing.seal.sheet if house.hearing.seal else ""],
        "outcome": ["absent", "refused"], "remark": [""], "stroke": [STROKE], "digest": ["ab" * 32],
    }  # fmt: skip
    made: list[dict[str, Any]] = [{}]
    for part in dataclasses.fields(kind):
        if part.name != "actor":
            made = [{**one, part.name: value} for one in made for value in choices[part.name]]
    for one in made:
        try:
            decide(house.hearing, kind(actor=actor, **one), house.now, lambda: "id-x")
        except Refused:
            continue
        return True
    return False


TestSitting = Sitting.TestCase
TestSitting.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
