"""The verifier knows the law of interruptions: what nobody alone may do shows in an archive, at its ledger entry."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from courtroom.catalogue import text
from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing.interruptions import CONFIRM_WITHIN_US
from courtroom.hearing.ledger import Entry, event_of, to_line
from recorder.bag import pack
from recorder.ledgerfile import read_ledger
from recorder.recordinglaw import KINDS, SLOW_US, Breach, examine, heard
from recorder.timeline import Gap
from recorder.verify import Report, verify
from tests.hearing.house import CLERK, JUDGE
from tests.hearing.test_interruptions import ASSESSOR, proposed, session
from tests.recorder.archives import Tiny, write_tiny
from tests.recorder.stage import SECOND, START, Script


class Ledger(Script):
    """A hearing in session, with what somebody wrote into it."""

    def __init__(self) -> None:
        super().__init__()
        self.open()
        self.second = 0

    def line(self, event: e.Event, actor: str = "s-judge", wait_s: float = 1) -> int:
        self.second += 1
        at = self.entries[-1].at + int(wait_s * SECOND)
        self.say(at, event, actor)
        return len(self.entries)

    def proposed(self, by: str = "s-clerk", ground: str = "not_public", actor: str = "") -> None:
        until = self.entries[-1].at + SECOND + CONFIRM_WITHIN_US
        self.line(e.InterruptionProposed(id="i-1", ground=ground, proposer=by, until=until), actor or by)

    def confirmed(
        self, by: str = "s-judge", proposer: str = "s-clerk", ground: str = "not_public", actor: str = "",
        wait_s: float = 1,
    ) -> int:  # fmt: skip
        event = e.InterruptionConfirmed(id="i-1", ground=ground, proposer=proposer, confirmer=by)
        seq = self.line(event, actor or by, wait_s)
        self.line(e.RecordingInterrupted(reason=ground), actor or by, 0)
        return seq

    def resumed(self) -> None:
        self.line(e.RecordingResumed())

    def phase(self, phase: str, previous: str, actor: str = "s-judge") -> int:
        return self.line(e.PhaseChanged(phase=phase, previous=previous), actor)

    def over(self) -> list[tuple[str, int]]:
        """What the law says of it all, once it is closed."""
        self.close(self.entries[-1].at + SECOND)
        return [(one.kind, one.seq) for one in examine(self.entries).breaches]


# --- what the court core does is lawful ---------------------------------------------------------------------------


def test_every_lawful_way_is_counted_and_none_is_blamed() -> None:
    house = session()
    house.interrupt("not_public")
    house.do(c.SetPhase(actor=JUDGE, phase="technical_hold"))
    house.do(c.Resume(actor=JUDGE))
    house.do(c.Recess(actor=JUDGE))
    house.do(c.Resume(actor=JUDGE))
    house.do(c.SetPhase(actor=JUDGE, phase="mediation"))
    house.do(c.ConfirmInterruption(actor=ASSESSOR, proposal=proposed(house, JUDGE, "mediation")))
    house.do(c.SetPhase(actor=JUDGE, phase="deliberation"))
    house.lose(JUDGE)
    house.do(c.ObserveJudgeGone())
    house.arrive(JUDGE)
    house.do(c.Resume(actor=JUDGE))
    house.do(c.SetPhase(actor=JUDGE, phase="pronouncement"))
    house.do(c.CloseHearing(actor=JUDGE))
    found = examine(house.entries)
    assert (found.breaches, found.confirmed, found.by_phase) == ((), 2, 2)


def test_a_proposal_that_lapsed_or_was_taken_back_breaks_nothing() -> None:
    house = session()
    proposed(house)
    house.wait(CONFIRM_WITHIN_US / SECOND)
    house.do(c.ObserveLapse())
    house.do(c.DeclineInterruption(actor=CLERK, proposal=proposed(house)))
    proposed(house)
    house.do(c.CloseHearing(actor=JUDGE))
    assert examine(house.entries).breaches == ()


# --- what somebody wrote in ---------------------------------------------------------------------------------------


def test_one_person_is_not_two() -> None:
    ledger = Ledger()
    ledger.proposed("s-clerk")
    seq = ledger.confirmed("s-clerk")
    ledger.resumed()
    assert ledger.over() == [("one_person", seq)]


@pytest.mark.parametrize(
    ("confirmer", "proposer", "kind"),
    [
        ("s-judge", "s-clerk", "one_person"),
        ("s-clerk", "s-clerk", "one_person"),
        ("s-clerk", "s-plaintiff", "no_proposal"),
    ],
)
def test_a_confirmation_that_names_another_proposer_than_there_was_is_found(
    confirmer: str, proposer: str, kind: str
) -> None:
    ledger = Ledger()
    ledger.proposed("s-judge")
    seq = ledger.confirmed(confirmer, proposer=proposer)
    ledger.resumed()
    assert ledger.over() == [(kind, seq)]


@pytest.mark.parametrize("second", ["s-plaintiff", "s-judge ", "s-Judge", "s-nobody", ""])
def test_two_names_of_one_seat_and_people_who_may_not_are_found(second: str) -> None:
    ledger = Ledger()
    ledger.proposed("s-clerk")
    seq = ledger.confirmed(second)
    ledger.resumed()
    assert ledger.over() == [("not_of_court", seq)]


def test_an_entry_by_another_than_it_names_is_found() -> None:
    ledger = Ledger()
    ledger.proposed("s-clerk", actor="s-judge")
    first = len(ledger.entries)
    seq = ledger.confirmed("s-judge", actor="s-clerk")
    ledger.resumed()
    assert ledger.over() == [("not_of_court", first), ("not_of_court", seq), ("no_order", seq + 1)]


def test_somebody_who_had_left_the_courtroom_confirms_nothing() -> None:
    ledger = Ledger()
    ledger.proposed("s-clerk")
    ledger.line(e.SeatMoved(seat="s-judge", room="", owner="", why="left"))
    seq = ledger.confirmed("s-judge")
    ledger.resumed()
    assert ledger.over() == [("not_of_court", seq)]


@pytest.mark.parametrize(("wait_s", "kind"), [(119, None), (120, "late"), (3600, "late")])
def test_a_lapsed_proposal_is_not_confirmed(wait_s: float, kind: str | None) -> None:
    ledger = Ledger()
    ledger.proposed("s-clerk")
    seq = ledger.confirmed(wait_s=wait_s)
    ledger.resumed()
    assert ledger.over() == ([(kind, seq)] if kind else [])


def test_a_proposal_that_nobody_ended_is_found_at_the_next_phase_and_the_next_proposal() -> None:
    ledger = Ledger()
    ledger.proposed("s-clerk")
    ledger.proposed("s-judge")
    again = len(ledger.entries)
    assert ledger.over() == [("left_open", again), ("left_open", len(ledger.entries))]


def test_a_proposal_with_a_longer_time_than_the_rules_give_is_found() -> None:
    ledger = Ledger()
    until = ledger.entries[-1].at + 3600 * SECOND
    seq = ledger.line(e.InterruptionProposed(id="i-1", ground="not_public", proposer="s-clerk", until=until), "s-clerk")
    ledger.confirmed()
    ledger.resumed()
    assert ledger.over() == [("late", seq)]


@pytest.mark.parametrize("ground", ["mediation", "recess", "fault"])
def test_a_ground_that_there_was_not_is_found(ground: str) -> None:
    ledger = Ledger()
    ledger.proposed("s-clerk", ground)
    ledger.confirmed(ground=ground)
    ledger.resumed()
    kinds = {kind for kind, _ in ledger.over()}
    assert "no_ground" in kinds


@pytest.mark.parametrize("reason", ["recess", "not_public", "mediation"])
def test_an_interruption_by_nobody_is_found(reason: str) -> None:
    ledger = Ledger()
    seq = ledger.line(e.RecordingInterrupted(reason=reason))
    ledger.resumed()
    assert ("no_order", seq) in ledger.over()


def test_a_recess_by_the_clerk_is_found() -> None:
    ledger = Ledger()
    ledger.phase("recess", "open", "s-clerk")
    seq = ledger.line(e.RecordingInterrupted(reason="recess"), "s-clerk", 0)
    ledger.phase("open", "recess")
    ledger.line(e.RecordingResumed(), wait_s=0)
    assert ledger.over() == [("not_of_court", seq)]


@pytest.mark.parametrize(("rests", "goes_on"), [(False, True), (True, False), (False, False)])
def test_a_recess_has_its_gap_and_the_gap_ends_with_it(rests: bool, goes_on: bool) -> None:
    ledger = Ledger()
    recess = ledger.phase("recess", "open")
    if rests:
        ledger.line(e.RecordingInterrupted(reason="recess"), wait_s=0)
    ledger.line(e.HandRaised(seat="s-plaintiff"), "s-plaintiff")
    back = ledger.phase("open", "recess")
    if goes_on:
        ledger.line(e.RecordingResumed(), wait_s=0)
    ledger.line(e.HandLowered(seat="s-plaintiff"), "s-plaintiff")
    expected = [] if rests else [("no_gap", recess)]
    assert ledger.over() == expected + ([("not_resumed", back)] if rests and not goes_on else [])


def test_going_on_in_the_middle_of_a_recess_is_found() -> None:
    ledger = Ledger()
    ledger.phase("recess", "open")
    ledger.line(e.RecordingInterrupted(reason="recess"), wait_s=0)
    ledger.resumed()
    seq = len(ledger.entries)
    ledger.phase("open", "recess")
    assert ledger.over() == [("no_gap", seq)]


def test_a_recording_that_one_line_ends_or_begins_is_found() -> None:
    ledger = Ledger()
    ended = ledger.line(e.RecordingEnded(take="t-stage"))
    ledger.phase("investigation", "open")
    begun = ledger.line(e.RecordingStarted(take="t-other"))
    assert ledger.over() == [("no_order", ended), ("no_order", begun)]


def test_a_hearing_that_was_opened_unrecorded_is_found() -> None:
    ledger = Ledger()
    kept = [event_of(entry) for entry in ledger.entries if entry.type != "recording_started"]
    other = Script()
    for event in kept[1:]:
        other.say(START, event, "s-judge")
    opened = len(other.entries)
    other.say(START, e.HandRaised(seat="s-clerk"), "s-clerk")
    assert Breach("not_started", opened, START) in examine(other.entries).breaches


# --- in the archive -----------------------------------------------------------------------------------------------


def resealed(made: Tiny, folder: Path, lines: list[tuple[int, e.Event, str]]) -> Path:
    """The archive of the same court with these lines in its ledger, everything right for them: chain, head, seal."""
    script = Script()
    script.entries, old = [], read_ledger(made.folder / "ledger.jsonl")
    script.seats = ()
    for at, event, actor in sorted(
        [(entry.at, event_of(entry), entry.actor) for entry in old] + lines, key=when(lines)
    ):
        script.say(at, event, actor)
    folder.mkdir()
    script.save(folder / "ledger.jsonl")
    (folder / "head.json").write_text(to_line(script.head(made.key)), encoding="utf-8")
    contents = replace(made.contents(), ledger=folder / "ledger.jsonl", head=folder / "head.json")
    pack(contents, folder / "bag", folder / "making")
    return folder / "bag"


def when(lines: list[tuple[int, e.Event, str]]):  # type: ignore[no-untyped-def]
    order = {id(line): place for place, line in enumerate(lines)}
    return lambda line: (line[0], order.get(id(line), -1))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return write_tiny(tmp_path_factory.mktemp("law"))


def law(report: Report) -> dict[str, tuple[str, int]]:
    return {
        one.name: (one.level, int(dict(one.values).get("seq", 0)))
        for one in report.checks
        if one.name.startswith("law")
    }


def seq_of(bag: Path, kind: type[e.Event]) -> int:
    found: list[Entry] = [entry for entry in read_ledger(bag / "data/ledger.jsonl") if type(event_of(entry)) is kind]
    return found[0].seq


def test_a_lawful_archive_says_so(tiny: Tiny) -> None:
    assert law(verify(tiny.bag)) == {"law": ("ok", 0)}


def test_a_forged_line_with_one_person_is_a_finding_with_its_entry(tiny: Tiny, tmp_path: Path) -> None:
    """The forger has the court's own key: chain, head and seal are right, the law is not."""
    at = START + SECOND
    until = at + CONFIRM_WITHIN_US
    confirmed = e.InterruptionConfirmed(id="i-1", ground="not_public", proposer="s-judge", confirmer="s-judge")
    bag = resealed(tiny, tmp_path / "one", [
        (at, e.InterruptionProposed(id="i-1", ground="not_public", proposer="s-judge", until=until), "s-judge"),
        (at, confirmed, "s-judge"),
        (at, e.RecordingInterrupted(reason="not_public"), "s-judge"),
        (at + 320_000, e.RecordingResumed(), "s-judge"),
    ])  # fmt: skip
    report = verify(bag)
    seq = seq_of(bag, e.InterruptionConfirmed)
    assert [one.name for one in report.checks if not one.ok] == ["law_one_person"]
    assert law(report) == {"law_one_person": ("fail", seq)}
    told = next(one for one in report.checks if one.name == "law_one_person")
    assert str(seq) in told.text_zh
    assert str(seq) in told.text_en
    assert told.second == at // SECOND
    shutil.rmtree(bag)


def test_a_recess_that_was_carried_out_late_is_noted(tiny: Tiny, tmp_path: Path) -> None:
    at = START + SECOND // 2
    bag = resealed(tiny, tmp_path / "late", [
        (at, e.PhaseChanged(phase="recess", previous="open"), "s-judge"),
        (at, e.RecordingInterrupted(reason="recess"), "s-judge"),
        (START + 3 * SECOND - 1, e.PhaseChanged(phase="open", previous="recess"), "s-judge"),
        (START + 3 * SECOND - 1, e.RecordingResumed(), "s-judge"),
    ])  # fmt: skip
    report = verify(bag)
    assert law(report) == {"law": ("ok", 0), "law_slow": ("note", seq_of(bag, e.RecordingInterrupted))}


def test_media_in_an_interruption_is_late_at_first_and_then_against_the_law() -> None:
    gap = Gap(START, START + 60 * SECOND, "lawful", "recess", "s-judge", 7)
    fault = replace(gap, kind="fault")

    def at(*seconds: float) -> list[tuple[int, bool]]:
        packets = np.array([START + int(one * SECOND) for one in seconds], dtype=np.int64)
        return [(one.after_us, one.late) for one in heard([gap, fault], packets)]

    assert at(-1, 0.1, 0.9, 60.1) == []
    assert at(0.5, 3) == [(3 * SECOND, True)]
    assert at(3, SLOW_US / SECOND + 1) == [(SLOW_US + SECOND, False)]


def test_every_finding_has_its_words() -> None:
    for name in [*KINDS, "recorded", "slow"]:
        for lang in ("zh", "en"):
            said = text(f"verify.law_{name}", lang, seq=7, reason="recess", length="1.0")  # type: ignore[arg-type]
            assert "7" in said
            assert said != f"verify.law_{name}"
