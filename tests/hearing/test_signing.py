"""After the seal: who signs the integrity value, and what cannot be signed (COURT.md 7, RecP 4 and 9)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courtroom.errors import Refused
from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing import ledger, signing
from courtroom.hearing.model import Policy
from tests.hearing.house import CLERK, DEFENDANT, JUDGE, PLAINTIFF, SHEET, STROKE, WANG, House

SEAL: dict[str, Any] = {
    "root_sha256": "a1" * 32, "root_sm3": "b2" * 32, "duration_us": 60_000_000, "started_at": 5, "ended_at": 60_000_005,
    "signature_key": "c3" * 32,
    "gaps": [
        {"from_at": 10, "to_at": 20, "reason": "recess", "kind": "lawful", "by": "s-1", "seq": 4},
        {"from_at": 30, "to_at": 35, "reason": "writer", "kind": "fault", "by": "system", "seq": 0},
    ],
}  # fmt: skip


def sealed(faults: int = 0) -> House:
    house = House(Policy("none", "record")).in_session()
    house.do(c.CloseHearing(actor=JUDGE))
    house.do(c.ObserveArchive(what="sealed", detail={"root": "a1" * 32, "sheet": SHEET, "faults": faults}))
    return house


def test_a_party_signs_what_was_sealed_and_once() -> None:
    house = sealed()
    (signed,) = house.do(c.SignRecording(actor=PLAINTIFF, sheet=SHEET, stroke=STROKE))
    assert isinstance(signed, e.RecordingSigned)
    assert (signed.seat, signed.root, signed.sheet, signed.stroke) == (PLAINTIFF, "a1" * 32, SHEET, STROKE)
    assert signed.stroke_sha256 == signing.stroke_digest(STROKE)
    assert house.refused(c.SignRecording(actor=PLAINTIFF, sheet=SHEET, stroke=STROKE)) == "already_so"
    assert house.refused(c.RefuseSignature(actor=PLAINTIFF, sheet=SHEET, reason="不同意")) == "already_so"
    rows = {row["seat"]: row for row in signing.register(house.hearing, {PLAINTIFF: "某某"})}
    assert list(rows) == [PLAINTIFF, DEFENDANT, "seat-counsel"]
    assert (rows[PLAINTIFF]["outcome"], rows[PLAINTIFF]["name"]) == ("signed", "某某")
    assert rows[DEFENDANT]["outcome"] == ""
    assert ledger.replay(house.entries) == house.hearing


def test_nothing_is_signed_before_the_seal() -> None:
    house = House(Policy("none", "record")).in_session()
    ask = c.SignRecording(actor=PLAINTIFF, sheet=SHEET, stroke=STROKE)
    assert house.refused(ask) == "not_sealed"
    house.do(c.CloseHearing(actor=JUDGE))
    assert house.refused(ask) == "not_sealed"
    assert house.view(PLAINTIFF)["may"]["sign_recording"] is False
    house.do(c.ObserveArchive(what="sealed", detail={"root": "a1" * 32, "sheet": SHEET, "faults": 0}))
    assert house.view(PLAINTIFF)["may"]["sign_recording"] is True


def test_another_sheet_than_the_sealed_one_is_refused() -> None:
    house = sealed()
    for sheet in ("00" * 32, "", SHEET.upper()):
        assert house.refused(c.SignRecording(actor=PLAINTIFF, sheet=sheet, stroke=STROKE)) == "not_what_was_sealed"
        assert house.refused(c.RefuseSignature(actor=PLAINTIFF, sheet=sheet, reason="无")) == "not_what_was_sealed"


def test_an_old_seal_without_a_sheet_cannot_be_signed() -> None:
    house = House(Policy("none", "record")).in_session()
    house.do(c.CloseHearing(actor=JUDGE))
    house.do(c.ObserveArchive(what="sealed", detail={"root": "a1" * 32}))
    assert house.refused(c.SignRecording(actor=PLAINTIFF, sheet="", stroke=STROKE)) == "not_what_was_sealed"


@pytest.mark.parametrize("actor", [JUDGE, CLERK, WANG, "seat-guardian", "seat-expert", "seat-observer"])
def test_who_is_no_party_does_not_sign(actor: str) -> None:
    house = sealed()
    assert house.refused(c.SignRecording(actor=actor, sheet=SHEET, stroke=STROKE)) == "not_allowed"
    assert house.refused(c.RefuseSignature(actor=actor, sheet=SHEET, reason="无")) == "not_allowed"
    assert actor not in {row["seat"] for row in signing.register(house.hearing, {})}


def test_refusal_needs_words_and_a_later_signature_is_welcome() -> None:
    house = sealed()
    assert house.refused(c.RefuseSignature(actor=DEFENDANT, sheet=SHEET, reason="  ")) == "text_missing"
    house.do(c.RefuseSignature(actor=DEFENDANT, sheet=SHEET, reason="对时长有异议"))
    assert house.refused(c.RefuseSignature(actor=DEFENDANT, sheet=SHEET, reason="再次")) == "already_so"
    house.do(c.SignRecording(actor=DEFENDANT, sheet=SHEET, stroke=STROKE))
    assert [one.outcome for one in house.hearing.signatures] == ["refused", "signed"]


def test_the_clerk_puts_down_absence_and_refusal_for_somebody_and_nothing_else() -> None:
    house = sealed()

    def note(seat: str, outcome: str, actor: str = CLERK) -> c.NoteSignature:
        return c.NoteSignature(actor=actor, seat=seat, outcome=outcome, reason="电话无人接听")

    assert house.refused(note(DEFENDANT, "signed")) == "bad_value"
    assert house.refused(note(WANG, "absent")) == "not_allowed"
    assert house.refused(note(DEFENDANT, "absent", JUDGE)) == "not_allowed"
    assert house.refused(note(DEFENDANT, "absent", PLAINTIFF)) == "not_allowed"
    house.do(note(DEFENDANT, "absent"))
    assert house.refused(note(DEFENDANT, "absent")) == "already_so"
    row = next(row for row in signing.register(house.hearing, {}) if row["seat"] == DEFENDANT)
    assert (row["outcome"], row["recorded_by"], row["reason"]) == ("absent", CLERK, "电话无人接听")
    house.do(note(DEFENDANT, "refused"))
    house.do(c.SignRecording(actor=DEFENDANT, sheet=SHEET, stroke=STROKE))


def test_a_party_that_was_removed_from_the_hearing_is_still_asked() -> None:
    house = House(Policy("none", "record")).in_session()
    house.do(c.Remove(actor=JUDGE, seat=DEFENDANT, reason="扰乱秩序"))
    house.do(c.CloseHearing(actor=JUDGE))
    house.do(c.ObserveArchive(what="sealed", detail={"root": "a1" * 32, "sheet": SHEET, "faults": 0}))
    house.do(c.SignRecording(actor=DEFENDANT, sheet=SHEET, stroke=STROKE))


def test_only_a_defect_is_explained_by_the_presiding_judge_and_once() -> None:
    ask = c.SignExplanation(actor=JUDGE, digest="d4" * 32, stroke=STROKE, remark="备份完整")
    assert sealed().refused(ask) == "nothing_to_explain"
    house = sealed(faults=1)
    assert house.refused(c.SignExplanation(actor=CLERK, digest="d4" * 32, stroke=STROKE)) == "not_allowed"
    assert house.refused(c.SignExplanation(actor=JUDGE, digest="d4", stroke=STROKE)) == "bad_hash"
    house.do(ask)
    assert house.hearing.explanation == "d4" * 32
    assert house.refused(ask) == "already_so"


@pytest.mark.parametrize(
    "stroke",
    [
        "M1 1", "M1 1L2 2", "m1 1l2 2", STROKE + "Z", STROKE + " ", "M1 1" + "L1 1" * 400, "<svg/>",
        STROKE.replace("M10 200", "M1001 2"), STROKE.replace("200", "٢٠٠"), STROKE + "L-1 2", STROKE + "L1.5 2",
        STROKE.replace("M10 200", "M10 301"),
    ],
)  # fmt: skip
def test_what_is_no_drawing_is_no_signature(stroke: str) -> None:
    assert sealed().refused(c.SignRecording(actor=PLAINTIFF, sheet=SHEET, stroke=stroke)) in ("bad_stroke", "bad_text")


def test_who_cannot_draw_confirms_by_the_typed_name() -> None:
    house = sealed()
    (signed,) = house.do(c.SignRecording(actor=PLAINTIFF, sheet=SHEET, stroke=""))
    assert isinstance(signed, e.RecordingSigned)
    assert (signed.stroke, signed.stroke_sha256) == ("", "")
    assert signing.register(house.hearing, {})[0]["outcome"] == "signed"


def test_a_drawing_has_a_bound() -> None:
    long = STROKE + "L5 5" * 2100
    assert sealed().refused(c.SignRecording(actor=PLAINTIFF, sheet=SHEET, stroke=long)) == "text_too_long"


@given(st.text(min_size=1, max_size=60) | st.from_regex(r"[ML0-9 ]{1,80}", fullmatch=True))
def test_no_text_breaks_the_reader_of_drawings(text: str) -> None:
    with pytest.raises(Refused, match="bad_stroke"):
        signing.stroke_digest(text)


def test_the_sheet_names_roots_duration_and_gaps_and_its_digest_follows_each() -> None:
    sheet = signing.sheet_of("h-1", SEAL)
    assert [gap["fault"] for gap in sheet["gaps"]] == [False, True]
    assert signing.seal_detail("h-1", SEAL) == {
        "root": "a1" * 32, "sm3": "b2" * 32, "sheet": signing.digest_of(sheet), "faults": 1,
    }  # fmt: skip
    changed = [
        {**SEAL, "root_sha256": "00" * 32}, {**SEAL, "root_sm3": "00" * 32}, {**SEAL, "duration_us": 1},
        {**SEAL, "gaps": SEAL["gaps"][:1]}, {**SEAL, "gaps": [{**SEAL["gaps"][0], "to_at": 21}, SEAL["gaps"][1]]},
    ]  # fmt: skip
    digests = {signing.digest_of(signing.sheet_of("h-1", seal)) for seal in (SEAL, *changed)}
    assert len(digests) == 6
    assert signing.digest_of(signing.sheet_of("h-2", SEAL)) not in digests
