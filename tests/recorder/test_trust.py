"""Archives across rotations of the court's key: old ones go on to verify, against any anchor the court ever gave."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from courtroom.__main__ import main
from courtroom.hearing.keyring import CourtKey, to_value
from courtroom.hearing.ledger import SignedHead, head_bytes, to_line
from courtroom.store.keys import KEY, open_keys, read_ring, rotate
from recorder.bag import pack
from recorder.ledgerfile import read_ledger
from recorder.verify import Anchors, Report, verify
from tests.recorder.archives import Tiny, write_tiny
from tests.recorder.stage import SECOND, START

ROTATED = START + 1000 * SECOND


def sealed_by(data: Path, folder: Path, start: int) -> Tiny:
    """An archive sealed with the present key of the court in ``data``."""
    made = write_tiny(folder, start=start)
    shutil.rmtree(made.bag)
    shutil.copy(data / KEY, folder / "key.pem")
    shutil.copy(data / "keys.json", folder / "keys.json")
    last, key = read_ledger(folder / "ledger.jsonl")[-1], open_keys(data)
    signature = key.sign(head_bytes(last.hearing, last.seq, last.hash, last.at)).hex()
    head = SignedHead(last.hearing, last.seq, last.hash, last.at, signature, key.hex)
    (folder / "head.json").write_text(to_line(head), encoding="utf-8")
    pack(made.contents(), made.bag, folder / "making")
    return made


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One archive before and one after a rotation, and the trust files of both times."""
    folder = tmp_path_factory.mktemp("court")
    data = folder / "data"
    open_keys(data)
    before = sealed_by(data, folder / "before", START)
    first = read_ring(data)
    rotate(data, ROTATED)
    after = sealed_by(data, folder / "after", ROTATED + SECOND)
    return {"before": before, "after": after, "first": first, "all": read_ring(data), "data": data}


def trust(keys: tuple[CourtKey, ...]) -> Anchors:
    return Anchors(trust=to_value(keys))


def words(report: Report) -> dict[str, str]:
    return {check.name: check.level for check in report.checks if check.name.startswith(("trust", "key_"))}


def test_archives_of_both_keys_verify_against_the_whole_keyring(court: dict[str, Any]) -> None:
    for name in ("before", "after"):
        report = verify(court[name].bag, anchors=trust(court["all"]))
        assert report.ok, [check.text_en for check in report.checks if not check.ok]
        assert words(report) == {"trust": "ok"}


def test_an_anchor_from_before_the_rotation_reaches_the_new_key_through_its_endorsement(court: dict[str, Any]) -> None:
    assert words(verify(court["after"].bag, anchors=trust(court["first"]))) == {"trust": "ok"}


def test_an_anchor_that_knows_only_the_new_key_does_not_vouch_for_the_old_one(court: dict[str, Any]) -> None:
    newest = CourtKey(court["all"][1].key, court["all"][1].since)
    assert words(verify(court["before"].bag, anchors=trust((newest,)))) == {"key_untrusted": "fail"}


def test_a_retired_key_cannot_seal_what_comes_later(court: dict[str, Any], tmp_path: Path) -> None:
    """Somebody kept the old private key: what it seals after the rotation is not the court's."""
    made = write_tiny(tmp_path / "late", start=ROTATED + SECOND)
    shutil.rmtree(made.bag)
    for name in ("key.pem", "keys.json", "head.json"):
        shutil.copy(court["before"].folder / name, made.folder / name)
    pack(made.contents(), made.bag, made.folder / "making")
    assert words(verify(made.bag, anchors=trust(court["all"]))) == {"key_not_in_force": "fail"}


def test_a_forged_endorsement_in_the_archive_convinces_nobody(tmp_path: Path, court: dict[str, Any]) -> None:
    made = write_tiny(tmp_path / "forged")
    mine = json.loads((made.folder / "keys.json").read_text())["keys"][0]["key"]
    court_key = court["first"][0].key
    ring = (court["first"][0], CourtKey(mine, 5, court_key, "ab" * 64))
    (made.folder / "keys.json").write_text(json.dumps(to_value(ring)))
    shutil.rmtree(made.bag)
    pack(made.contents(), made.bag, made.folder / "making")
    assert words(verify(made.bag, anchors=trust(court["first"]))) == {"key_untrusted": "fail"}


def test_the_commands_list_and_rotate(tmp_path: Path) -> None:
    def keys(*more: str) -> Result:
        return CliRunner().invoke(main, ["keys", *more, "--data", str(tmp_path / "data")])

    open_keys(tmp_path / "data")
    assert keys("rotate").exit_code == 0
    listed = json.loads(keys("list", "--json").output)
    assert [one["key"] for one in listed["keys"]] == [one.key for one in read_ring(tmp_path / "data")]
    assert len(keys("list").output.splitlines()) == 2
