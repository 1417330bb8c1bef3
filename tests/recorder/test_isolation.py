"""Isolation certificates: they hold when nothing crossed, say it when something did, and cannot be written by hand."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from courtroom.hearing import events as e
from courtroom.sfu.capture import Note
from recorder import isolation
from recorder.isolation import LEAVING_US, Isolated, certificates, isolated_seats, journal_of
from recorder.ledgerfile import read_ledger
from recorder.verify import Report, verify
from tests.recorder.archives import TINY, Journalled, Tiny, write_tiny
from tests.recorder.cast import WITNESS
from tests.recorder.forgery import remake
from tests.recorder.stage import SECOND, START

HOUR = replace(TINY, seconds=90)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return write_tiny(tmp_path_factory.mktemp("tiny"))


def found(report: Report) -> dict[str, str]:
    return {check.name: check.level for check in report.checks if check.name.startswith("isolation")}


def made(notes: list[Note], recorded: list[int] | None = None) -> dict[str, Any]:
    """The witness's certificate over a journal, called at a third and dismissed at two thirds of ``HOUR``."""
    who = Isolated(WITNESS.id, WITNESS.id, "witness", ((HOUR.called, HOUR.dismissed),))
    packets = {WITNESS.id: np.array(recorded or [], dtype=np.int64)}
    whole = certificates([who], frozenset({"s-judge"}), notes, packets, (HOUR.start, HOUR.end))
    return {**whole["certificates"][0], "journal": whole["journal"]}


def line(n: int, prev: str, stays: list[Any], edges: list[Any], at: int = START) -> Note:
    return Note(at, {"kind": "edges", "n": n, "prev": prev, "at": at, "stays": stays, "edges": edges})


def witness_up(room: str = "courtroom", up: int = HOUR.called + 1, down: int = HOUR.dismissed) -> list[Any]:
    return [["t-w", WITNESS.id, room, up, down], ["t-j", "s-judge", room, START, 0], ["t-p", "s-p", room, START, 0]]


def test_the_ledger_alone_says_who_is_isolated_and_when(tiny: Tiny) -> None:
    (who,) = isolated_seats(read_ledger(tiny.folder / "ledger.jsonl"))
    assert (who.seat, who.owner, who.role) == (WITNESS.id, WITNESS.id, "witness")
    assert who.inside == ((tiny.hour.called, tiny.hour.dismissed),)


def test_a_certificate_that_holds_is_verified_from_the_bag_alone(tiny: Tiny) -> None:
    report = verify(tiny.bag)
    assert found(report) == {"isolation": "ok"}
    stored = json.loads((tiny.bag / "data/isolation.json").read_bytes())
    (one,) = stored["certificates"]
    assert one["holds"]
    assert one["packets_in_testimony"] > 0
    assert (one["packets_outside"], one["recorded_outside"], one["transports_outside"]) == (0, 0, 0)


def test_a_leak_before_the_call_breaks_the_certificate(tmp_path: Path) -> None:
    leaky = write_tiny(tmp_path / "leaky", leak=lambda at: True)
    report = verify(leaky.bag)
    assert found(report) == {"isolation_broken": "fail"}
    assert not report.ok
    (one,) = json.loads((leaky.bag / "data/isolation.json").read_bytes())["certificates"]
    assert one["packets_outside"] > 0
    assert one["transports_outside"] == 1
    assert set(one["sources_outside"]) == {"s-judge", "s-plaintiff"}


def test_a_certificate_written_by_hand_disagrees_even_under_the_right_signature(tmp_path: Path, tiny: Tiny) -> None:
    leaky = write_tiny(tmp_path / "leaky", leak=lambda at: True)
    shutil.copy(tiny.bag / "data/isolation.json", leaky.bag / "data/isolation.json")
    remake(leaky.bag, leaky.key)
    report = verify(leaky.bag)
    assert found(report) == {"isolation_wrong": "fail"}
    assert {check.name for check in report.checks if not check.ok} == {"isolation_wrong"}


def test_a_certificate_cannot_be_left_out(tmp_path: Path) -> None:
    made = write_tiny(tmp_path / "made")
    (made.bag / "data/isolation.json").unlink()
    remove: Any = lambda manifest: manifest["files"].pop("isolation.json", None)  # noqa: E731
    path = made.bag / "data/manifest.json"
    manifest = json.loads(path.read_bytes())
    remove(manifest)
    path.write_text(json.dumps(manifest))
    remake(made.bag, made.key)
    assert ("missing", "isolation.json") in {(c.name, c.file) for c in verify(made.bag).checks if not c.ok}


@pytest.mark.parametrize(
    ("first", "last", "outside"),
    [
        (HOUR.called, HOUR.dismissed, 0),
        (HOUR.called + 1, HOUR.dismissed + LEAVING_US, 0),
        (HOUR.called - 1, HOUR.dismissed, 7),
        (HOUR.called, HOUR.dismissed + LEAVING_US + 1, 7),
        (START, START + 5, 7),
    ],
)
def test_one_packet_beyond_the_ledgers_interval_is_outside(first: int, last: int, outside: int) -> None:
    one = made([line(1, "0" * 64, witness_up(), [["t-w", "t-j", "camera", 7, first, last]])])
    assert one["packets_outside"] == outside
    assert one["holds"] is (outside == 0)


def test_a_transport_of_the_courtroom_that_was_up_too_early_breaks_it_without_a_packet() -> None:
    assert made([line(1, "0" * 64, witness_up(up=HOUR.called - 1), [])])["holds"] is False
    assert made([line(1, "0" * 64, witness_up(up=0, down=0), [])])["holds"], "asked for and never connected"


def test_staff_in_the_witnesss_own_room_is_counted_apart_and_nobody_else_may_be_there() -> None:
    room = f"witness_room/{WITNESS.id}"
    talk = [["t-w", "t-j", "microphone", 5, START, START + 9]]
    one = made([line(1, "0" * 64, witness_up(room), talk)])
    assert (one["packets_from_staff"], one["packets_outside"], one["holds"]) == (5, 0, True)
    party = [["t-w", "t-p", "microphone", 5, START, START + 9]]
    assert made([line(1, "0" * 64, witness_up(room), party)])["packets_outside"] == 5


def test_packets_recorded_of_a_witness_outside_the_testimony_break_it() -> None:
    notes = [line(1, "0" * 64, witness_up(), [])]
    assert made(notes, [HOUR.called, HOUR.dismissed])["holds"]
    one = made(notes, [HOUR.called - 1, HOUR.called, HOUR.end])
    assert (one["recorded_outside"], one["holds"]) == (2, False)


def test_a_journal_that_names_no_seat_for_a_receiver_proves_nothing() -> None:
    one = made([line(1, "0" * 64, [], [["t-w", "t-j", "camera", 7, START, START]])])
    assert (one["journal"]["unknown"], one["holds"]) == (1, False)


def test_without_a_journal_nothing_is_certified() -> None:
    assert made([])["holds"] is False


def test_lines_lost_or_exchanged_are_counted_and_later_totals_still_tell() -> None:
    notes = Journalled(HOUR).lines()
    whole = made(notes)
    assert (whole["journal"]["broken"], whole["journal"]["runs"], whole["journal"]["unjournalled"]) == (0, 1, [])
    assert whole["packets_in_testimony"] > 0
    thinned = made(notes[:3] + notes[4:])
    assert thinned["journal"]["broken"] == 1
    assert thinned["packets_in_testimony"] == whole["packets_in_testimony"]
    changed = [replace(note, body={**note.body, "at": 5}) if n == 2 else note for n, note in enumerate(notes)]
    assert made(changed)["journal"]["broken"] == 1
    assert made([notes[1], notes[0], *notes[2:]])["journal"]["broken"] >= 1


def test_a_stretch_without_lines_is_named() -> None:
    early = [note for note in Journalled(replace(HOUR, seconds=400)).lines() if note.at < START + 100 * SECOND]
    who = Isolated(WITNESS.id, WITNESS.id, "witness", ())
    told = certificates([who], frozenset(), early, {}, (START, START + 400 * SECOND))["journal"]["unjournalled"]
    assert len(told) == 1
    assert START + 80 * SECOND < told[0][0] < START + 101 * SECOND
    assert told[0][1] == START + 400 * SECOND


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"n": "x", "prev": 7, "stays": {}, "edges": 5},
        {"n": 1, "stays": [[1, 2], "x", None, [[], [], [], [], []]], "edges": [["a"], [1, 2, 3, 4, 5, 6], None]},
        {"n": 2**70, "prev": None, "stays": [], "edges": []},
        {"n": 1.5},
        {"x": "\ud800"},
    ],
)
def test_a_hostile_journal_is_counted_and_not_believed(body: dict[str, object]) -> None:
    journal = journal_of([Note(START, {"kind": "edges", **body})])
    assert journal.broken >= 1
    assert not journal.edges


def test_linked_persons_are_isolated_with_their_witness(tiny: Tiny) -> None:
    from courtroom.hearing.model import Role, SeatPlan
    from tests.recorder.archives import _At
    from tests.recorder.cast import CAST

    helper = SeatPlan("s-interpreter", Role.INTERPRETER, linked_to=WITNESS.id)
    script = _At(START, (*CAST[:2], WITNESS, helper))
    script.say(START, e.PhaseChanged(phase="check_in", previous="scheduled"))
    assert {one.seat: one.owner for one in isolated_seats(script.entries)} == {
        WITNESS.id: WITNESS.id, helper.id: WITNESS.id,
    }  # fmt: skip
    assert isolation.staff_of(script.entries) == {"s-judge"}
