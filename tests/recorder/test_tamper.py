"""Every small damage is found and put where it is; what is cut, exchanged, replaced or written anew as well."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from courtroom.hearing.keyring import CourtKey, to_value
from recorder.seal import public_hex
from recorder.verify import Anchors, Report, verify
from tests.recorder import tamper
from tests.recorder.archives import Tiny, write_tiny
from tests.recorder.forgery import relist, remake
from tests.recorder.tamper import blamed

EVERY = 37  # prime: over the years of a suite no better than over one file, but each file gets its share


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    made = write_tiny(tmp_path_factory.mktemp("tiny"))
    report = verify(made.bag)
    assert report.ok, [check.text_en for check in report.checks if not check.ok]
    return made


@pytest.fixture
def bag(tiny: Tiny, tmp_path: Path) -> Path:
    copy = tmp_path / "bag"
    shutil.copytree(tiny.bag, copy)
    return copy


def failed(report: Report) -> set[tuple[str, str]]:
    return {(check.name, check.file) for check in report.checks if not check.ok}


def test_a_flipped_byte_is_found_in_its_file_and_second(bag: Path) -> None:
    tally = tamper.flips(bag, EVERY)
    assert tally.missed == []
    assert tally.tried > 500
    assert tally.in_second > 100
    assert verify(bag).ok, "the archive is as it was"


def test_every_byte_of_the_short_files_is_found(bag: Path) -> None:
    for name in ("bagit.txt", "bag-info.txt", "data/people.json", "data/keys.json"):
        tally = tamper.flip_file(bag, name, range((bag / name).stat().st_size))
        assert tally.missed == []


def test_an_archive_cut_at_any_record_or_line_is_found(bag: Path) -> None:
    tally = tamper.cuts(bag, every=3)
    assert tally.missed == []
    assert tally.tried > 60


def test_segments_that_changed_places_are_both_named(bag: Path) -> None:
    one, two = bag / "data/capture/seg-00001.cap", bag / "data/capture/seg-00002.cap"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    relist(bag)
    remake(bag)
    wrong = failed(verify(bag))
    for file in ("capture/seg-00001.cap", "capture/seg-00002.cap"):
        assert {("segment_not_as_in_ledger", file), ("segment_header", file)} <= wrong
    assert any(name == "signature_wrong" for name, _ in wrong)


def test_a_segment_of_another_hearing_in_its_place_is_found(bag: Path, tmp_path: Path) -> None:
    other = write_tiny(tmp_path / "other", leak=lambda at: True)  # another journal, so other bytes
    shutil.copy(other.bag / "data/capture/seg-00001.cap", bag / "data/capture/seg-00001.cap")
    assert blamed(verify(bag)) == {"capture/seg-00001.cap"}
    remake(bag)
    assert ("segment_not_as_in_ledger", "capture/seg-00001.cap") in failed(verify(bag))


def test_a_segment_taken_away_is_missing_with_its_seconds(bag: Path) -> None:
    (bag / "data/capture/seg-00002.cap").unlink()
    report = verify(bag)
    (gone,) = [check for check in report.checks if check.name == "missing"]
    assert gone.file == "capture/seg-00002.cap"
    assert report.as_dict()["seconds"]["missing"] == list(gone.seconds)
    assert len(gone.seconds) >= 1


@pytest.mark.parametrize("how", ["swapped", "dropped", "doubled", "reversed"])
def test_ledger_lines_out_of_order_are_found(bag: Path, how: str) -> None:
    path = bag / "data/ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines = {
        "swapped": [*lines[:5], lines[6], lines[5], *lines[7:]],
        "dropped": [*lines[:5], *lines[6:]],
        "doubled": [*lines[:6], *lines[5:]],
        "reversed": lines[::-1],
    }[how]
    path.write_bytes(b"".join(lines))
    remake(bag)
    report = verify(bag)
    assert ("ledger_chain", "ledger.jsonl") in failed(report)
    where = next(dict(check.values)["line"] for check in report.checks if check.name == "ledger_chain")
    assert where == {"swapped": 6, "dropped": 6, "doubled": 7, "reversed": 1}[how]


@pytest.mark.parametrize(
    ("edit", "finding"),
    [
        (lambda m: m["segments"].reverse(), "merkle_wrong"),
        (lambda m: m["segments"].pop(), "merkle_wrong"),
        (lambda m: m["files"].pop("people.json", None), "extra"),
        (lambda m: m["programme"].update(frames=1), "programme_wrong"),
        (lambda m: m["ledger"].update(entries=3), "ledger_cut"),
        (lambda m: m["seal"].update(root_sm3="0" * 64), "merkle_wrong"),
    ],
)
def test_a_changed_manifest_is_found_even_if_every_list_agrees(tiny: Tiny, bag: Path, edit: Any, finding: str) -> None:
    """Without the key the signature tells; with it (a court's own mistake) the parts still disagree."""
    remake(bag, None, edit)
    assert any(name == "signature_wrong" for name, _ in failed(verify(bag)))
    remake(bag, tiny.key, edit)
    assert finding in {name for name, _ in failed(verify(bag))}


def trust_of(*keys: Ed25519PrivateKey) -> Anchors:
    return Anchors(trust=to_value([CourtKey(public_hex(key.public_key()), 0) for key in keys]))


def test_an_archive_written_wholly_anew_is_found_against_the_courts_keys(tiny: Tiny, tmp_path: Path) -> None:
    """Other media, another ledger, a new chain, new heads, a new seal, all in order, with a key of one's own."""
    forged = write_tiny(tmp_path / "forged", leak=lambda at: False)
    report = verify(forged.bag)
    assert report.ok, "it is a perfect archive, of somebody"
    (said,) = [check for check in report.checks if check.name == "trust_none"]
    assert said.level == "note"
    assert "不能证明封存者是法院" in said.text_zh
    assert verify(tiny.bag, anchors=trust_of(tiny.key)).ok
    assert ("key_untrusted", "signature.json") in failed(verify(forged.bag, anchors=trust_of(tiny.key)))
    assert ("signature_other_key", "signature.json") in failed(verify(forged.bag, public_hex(tiny.key.public_key())))


def test_a_stolen_name_of_a_key_is_no_key(tiny: Tiny, bag: Path) -> None:
    """The court's public key in manifest and signature, and a signature by somebody else."""
    mine = Ed25519PrivateKey.generate()
    court = public_hex(tiny.key.public_key())
    (bag / "data/people.json").write_text('{"s-judge":"x"}')
    remake(bag, mine, lambda manifest: manifest["seal"].update(signature_key=court))
    path = bag / "data/signature.json"
    path.write_bytes(path.read_bytes().replace(public_hex(mine.public_key()).encode(), court.encode()))
    relist(bag)
    assert any(name == "signature_wrong" for name, _ in failed(verify(bag, anchors=trust_of(tiny.key))))


def test_a_trust_file_that_is_none_is_said(tiny: Tiny) -> None:
    for nonsense in ({}, [], {"version": 1, "keys": []}, {"version": 1, "keys": [{"key": "x"}]}, "x", 7):
        assert "trust_unreadable" in {name for name, _ in failed(verify(tiny.bag, anchors=Anchors(trust=nonsense)))}


def test_the_report_says_what_is_changed_missing_and_lawfully_absent(bag: Path) -> None:
    seconds = verify(bag).as_dict()["seconds"]
    assert seconds == {"changed": [], "missing": [], "lawfully_absent": [], "absent": []}
    segment = bag / "data/capture/seg-00002.cap"
    data = bytearray(segment.read_bytes())
    data[-40] ^= 1
    segment.write_bytes(data)
    report = verify(bag)
    spans = json.loads((bag / "data/manifest.json").read_bytes())["segments"][1]["seconds"]
    assert report.as_dict()["seconds"]["changed"] == [spans[-1][0]]


@pytest.mark.parametrize("name", ["keys.json", "isolation.json", "heads.json", "recording-log.json"])
def test_nonsense_under_the_right_signature_never_breaks_the_verifier(tiny: Tiny, bag: Path, name: str) -> None:
    path = bag / "data" / name
    whole = json.loads(path.read_bytes())
    first = whole[0] if isinstance(whole, list) else whole
    odds = [None, -1, 2**70, "", "../../etc/passwd", [], {}, True, 1.5, [None], {"a": 1}, "\ud800"]
    for key in first:
        for odd in random.Random(key).sample(odds, 2):
            changed = {**first, key: odd}
            path.write_text(json.dumps([changed] if isinstance(whole, list) else changed))
            remake(bag, tiny.key)
            report = verify(bag, anchors=trust_of(tiny.key))
            json.dumps(report.as_dict())
            assert name == "keys.json" or not report.ok, f"{key}: {odd!r}"
