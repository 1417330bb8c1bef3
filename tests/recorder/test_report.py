"""The verifier's report as a judge reads it: names, grounds and times in words, codes in the JSON only."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from courtroom.catalogue import LANGUAGES, bundle, text
from courtroom.hearing import events as e
from courtroom.hearing.interruptions import CONFIRM_WITHIN_US
from courtroom.hearing.ledger import Entry, entry_for
from recorder.findings import Report, check, spans_text
from recorder.ledgerfile import read_ledger
from recorder.report import show
from recorder.verify import Anchors, verify
from recorder.wording import MAX_WORDS, ground, length, plain, size, stretch
from tests.recorder.archives import SECOND, Tiny, write_tiny
from tests.recorder.stage import START
from tests.recorder.test_recording_law import resealed

CODES = re.compile(r"\bs-[a-z0-9]+\b|not_public|\bsystem\b|_[a-z]")
APART = ("about", "at", "chain", "column", "file", "ground", "hint", "legend", "period", "root", "span", "span_comma",
         "span_more", "two_people", "verdict", "who", "why")  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return write_tiny(tmp_path_factory.mktemp("report"))


def printed(report: Report, lang: str) -> str:
    out = io.StringIO()
    show(report, lang, Console(file=out, width=400))  # type: ignore[arg-type]
    return out.getvalue()


def later(bag: Path, *told: tuple[str, dict[str, str | int]]) -> Anchors:
    """The ledger of the archive with more of it, as the court keeps it afterwards."""
    entries: list[Entry] = read_ledger(bag / "data/ledger.jsonl")
    for what, detail in told:
        last, event = entries[-1], e.ArchiveNoted(what=what, detail=detail)
        entries.append(entry_for(last.hearing, last.seq + 1, last.at + SECOND, "system", event, last.hash))
    return Anchors(ledger=tuple(entries))


def test_an_interruption_is_told_with_both_people_its_ground_and_its_time(tiny: Tiny, tmp_path: Path) -> None:
    at, until, two = START + SECOND, START + SECOND + CONFIRM_WITHIN_US, "s-plaintiff"
    bag = resealed(tiny, tmp_path / "one", [
        (at, e.InterruptionProposed(id="i-1", ground="not_public", proposer=two, until=until), two),
        (at, e.InterruptionConfirmed(id="i-1", ground="not_public", proposer=two, confirmer="s-judge"), "s-judge"),
        (at, e.RecordingInterrupted(reason="not_public"), "s-judge"),
        (at + 320_000, e.RecordingResumed(), "s-judge"),
    ])  # fmt: skip
    report = verify(bag)
    (gap,) = [one for one in report.checks if one.name == "gap_lawful"]
    names = json.loads((bag / "data/people.json").read_bytes())
    assert "不公开举证质证" in gap.text_zh
    assert "2026年11月24日 09:42:0" in gap.text_zh
    assert "24 November 2026 09:42:0" in gap.text_en
    assert f"提出人原告 {names[two]}，确认人独任审判员 {names['s-judge']}" in gap.text_zh
    assert f"Proposed by Plaintiff {names[two]}, confirmed by Sole judge {names['s-judge']}" in gap.text_en
    values = gap.as_dict()["values"]
    assert (values["reason"], values["by"], values["length"]) == ("not_public", "s-judge", "0.3")
    for lang in LANGUAGES:
        assert CODES.findall(printed(report, lang)) == []


def test_a_damaged_list_of_names_is_not_believed(tiny: Tiny, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    shutil.copytree(tiny.bag, bag)
    people = bag / "data/people.json"
    names = json.loads(people.read_bytes())
    people.write_text(json.dumps(dict.fromkeys(names, "冒名者")), encoding="utf-8")
    assert "冒名者" not in printed(verify(bag), "zh")


def test_the_period_is_the_one_in_force_beside_the_one_that_was_sealed(tiny: Tiny) -> None:
    def period(*told: tuple[str, dict[str, str | int]]) -> tuple[str, str, str]:
        report = verify(tiny.bag, anchors=later(tiny.bag, *told))
        assert report.ok
        (found,) = [one for one in report.checks if one.name.startswith("retention")]
        return found.name, found.text_zh, found.text_en

    name, zh, _ = period()
    assert name == "retention_unset"
    assert "按永久保管" in zh
    orders: list[tuple[str, dict[str, str | int]]] = [
        ("retention", {"period": one, "by": "staff"}) for one in ("short", "long")
    ]
    name, zh, en = period(*orders)
    assert name == "retention_changed"
    assert "长期（60年）" in zh
    assert "封存时：尚未划定" in zh
    assert "long (60 years)" in en
    assert "When it was sealed: not set" in en


def test_a_later_ledger_that_does_not_follow_is_not_believed(tiny: Tiny) -> None:
    anchors = later(tiny.bag, ("retention", {"period": "long", "by": "staff"}))
    report = verify(tiny.bag, anchors=Anchors(ledger=(*anchors.ledger[:-2], anchors.ledger[-1])))
    found = {one.name: one.level for one in report.checks if one.name.startswith(("later", "retention"))}
    assert found == {"later_ledger_wrong": "fail", "retention_unset": "note"}


def test_a_hold_says_until_when_by_whom_and_why(tiny: Tiny) -> None:
    until = START + 86_400 * SECOND
    told: dict[str, str | int] = {"id": "hold-1", "by": "staff", "reason": "再审\x1b[31m审查", "until": until}
    (hold,) = [one for one in verify(tiny.bag, anchors=later(tiny.bag, ("hold", told))).checks if "hold" in one.name]
    assert hold.name == "hold_until"
    assert "法院工作人员" in hold.text_zh
    assert "2026年11月25日" in hold.text_zh
    assert "\x1b" not in hold.text_zh
    assert "25 November 2026" in hold.text_en
    assert hold.as_dict()["values"]["by"] == "staff"


def test_the_verdict_does_not_claim_whose_seal_it_is_when_nobody_asked(tiny: Tiny) -> None:
    key = json.loads((tiny.bag / "data/signature.json").read_bytes())["key"]
    open_, anchored = verify(tiny.bag), verify(tiny.bag, key=key)
    assert text("verify.verdict.unanchored", "en") in printed(open_, "en")
    assert text("verify.verdict.ok", "en") + "\n" in printed(anchored, "en")
    assert "--trust" in printed(open_, "zh")
    assert "--trust" not in printed(anchored, "zh")


def test_where_there_is_no_archive_the_report_says_what_is_there(tmp_path: Path) -> None:
    assert text("verify.why.nothing", "en") in printed(verify(tmp_path / "nowhere"), "en")
    assert text("verify.why.not_a_bag", "zh") in printed(verify(tmp_path), "zh")


def test_every_finding_says_what_it_is_about() -> None:
    for lang in LANGUAGES:
        texts = bundle(lang)
        found = {key.removeprefix("verify.") for key in texts if key.startswith("verify.")}
        findings = {name for name in found if name.split(".")[0] not in APART}
        assert findings == {key.removeprefix("page.verify.") for key in texts if key.startswith("page.verify.")}


def test_days_are_said_once_and_a_stretch_over_midnight_says_both() -> None:
    noon = 1_795_492_800  # 24 November 2026, 12:00 in Beijing
    assert spans_text([noon, noon + 5, noon + 6], "en") == "24 November 2026 12:00:00, 12:00:05 to 12:00:06"
    midnight = noon + 12 * 3600
    assert spans_text([midnight - 1, midnight]) == "2026年11月24日 23:59:59 至 2026年11月25日 00:00:00"
    assert spans_text([noon, midnight]) == "2026年11月24日 12:00:00，2026年11月25日 00:00:00"
    assert spans_text(range(noon, noon + 40, 2), "en").endswith(", and 12 more stretches")
    assert stretch(noon * SECOND, (noon + 9) * SECOND, "zh", "2026年11月24日") == "12:00:00 至 12:00:09"


def test_lengths_and_sizes_are_told_as_people_do() -> None:
    told = [length(us).text("en") for us in (0, 6_250_000, 59_990_000, 60_000_000, 3_723_000_000)]
    assert told == ["0.0 s", "6.2 s", "59.9 s", "1 min 0 s", "1 h 2 min 3 s"]
    sizes = [size(count) for count in (0, 999, 1_414_776, 99_960_000, 3_000_000_000_000)]
    assert sizes == ["0 B", "999 B", "1.4 MB", "100 MB", "3.0 TB"]


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40), st.integers(0, 1 << 53))
def test_no_code_out_of_an_archive_reaches_a_sentence(code: str, us: int) -> None:
    said = ground(code)
    assert said.code == code
    assert said.text("en") in bundle("en").values()
    found = check("gap_lawful", True, code, reason=said, by=code, seq=1, length=length(us))
    assert all(found.text(lang).isprintable() for lang in LANGUAGES)
    assert len(plain(code * 100)) <= MAX_WORDS + 1
