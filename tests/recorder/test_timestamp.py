"""Time-stamps by a real authority on loopback: asked for at the seal or later, checked offline against its root."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bagit
import pytest

from courtroom.errors import BadMessage, Unavailable
from recorder import timestamp
from recorder.bag import stamp
from recorder.verify import Anchors, Report, verify
from tests.recorder.archives import Tiny, write_tiny
from tests.recorder.forgery import relist
from tests.recorder.tsa import Authority, make_authority, serving

HOUR_US = 3_600_000_000
DAYS_US = 24 * HOUR_US


def now() -> int:
    return time.time_ns() // 1000


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with serving(make_authority(tmp_path_factory.mktemp("tsa") / "one")) as running:
        yield running


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return write_tiny(tmp_path_factory.mktemp("tiny"), start=now() - HOUR_US)


@pytest.fixture(scope="module")
def stamped(tiny: Tiny, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("stamped") / "bag"
    shutil.copytree(tiny.bag, copy)
    stamp(copy, authority.url, authority.root)
    return copy


@pytest.fixture
def bag(stamped: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "bag"
    shutil.copytree(stamped, copy)
    return copy


def findings(report: Report) -> dict[str, str]:
    return {check.name: check.level for check in report.checks if check.name.startswith("timestamp")}


def known(authority: Authority) -> Anchors:
    return Anchors(authorities=(authority.root,))


def test_a_stamp_holds_against_its_root_and_says_when_it_has_none(stamped: Path, authority: Authority) -> None:
    report = verify(stamped, anchors=known(authority))
    assert report.ok, [check.text_en for check in report.checks if not check.ok]
    assert findings(report) == {"timestamp": "ok"}
    alone = verify(stamped)
    assert alone.ok
    assert findings(alone) == {"timestamp": "ok", "timestamp_unanchored": "note"}
    assert bagit.Bag(str(stamped)).validate()


def test_an_archive_without_a_stamp_says_so(tiny: Tiny) -> None:
    report = verify(tiny.bag)
    assert report.ok
    assert findings(report) == {"timestamp_none": "note"}


def test_stamping_twice_changes_nothing_and_asks_nobody(bag: Path, authority: Authority) -> None:
    before, asked = {path: path.read_bytes() for path in bag.rglob("*") if path.is_file()}, authority.asked
    stamp(bag, authority.url, authority.root)
    assert {path: path.read_bytes() for path in bag.rglob("*") if path.is_file()} == before
    assert authority.asked == asked


def test_a_stamp_that_a_crash_left_unlisted_is_listed_by_the_next_try(
    bag: Path, tiny: Tiny, authority: Authority
) -> None:
    shutil.copy(tiny.bag / "tagmanifest-sha256.txt", bag / "tagmanifest-sha256.txt")
    assert ("extra", timestamp.TOKEN) in {(check.name, check.file) for check in verify(bag).checks if not check.ok}
    stamp(bag, authority.url, authority.root)
    assert verify(bag, anchors=known(authority)).ok


@pytest.mark.parametrize("answer", [503, b"", b"\x30\x03\x02\x01\x00", b"x" * 300_000])
def test_an_authority_that_does_not_answer_leaves_the_archive_as_it_is(
    tiny: Tiny, tmp_path: Path, authority: Authority, answer: bytes | int
) -> None:
    bag = tmp_path / "bag"
    shutil.copytree(tiny.bag, bag)
    authority.instead.append(answer)
    with pytest.raises((Unavailable, BadMessage)):
        stamp(bag, authority.url, authority.root)
    assert verify(bag).ok
    assert findings(verify(bag)) == {"timestamp_none": "note"}
    stamp(bag, authority.url, authority.root)
    assert findings(verify(bag, anchors=known(authority))) == {"timestamp": "ok"}


def test_nobody_at_the_address_is_unavailable(tiny: Tiny, tmp_path: Path, authority: Authority) -> None:
    bag = tmp_path / "bag"
    shutil.copytree(tiny.bag, bag)
    for url in ("http://127.0.0.1:1/", "ftp://127.0.0.1/", "nonsense", "http://"):
        with pytest.raises(Unavailable):
            stamp(bag, url, authority.root)
    assert not list(tmp_path.glob("bag.stamping/*"))


def test_a_token_replayed_from_another_request_is_refused(tiny: Tiny, tmp_path: Path, authority: Authority) -> None:
    """Right content, right authority, another nonce: an old answer is not an answer."""
    content = (tiny.bag / "data/signature.json").read_bytes()
    authority.instead.append(timestamp.ask(authority.url, content, authority.root))
    with pytest.raises(BadMessage) as refused:
        timestamp.ask(authority.url, content, authority.root)
    assert refused.value.detail["why"] == "chain"


def test_a_stamp_of_another_archive_is_no_stamp(bag: Path, authority: Authority) -> None:
    (bag / timestamp.TOKEN).write_bytes(timestamp.ask(authority.url, b"something else", authority.root))
    relist(bag)
    report = verify(bag, anchors=known(authority))
    assert findings(report) == {"timestamp_imprint": "fail"}


def test_only_the_named_root_counts(bag: Path, authority: Authority, tmp_path: Path) -> None:
    other = make_authority(tmp_path / "other")
    assert findings(verify(bag, anchors=known(other))) == {"timestamp_chain": "fail"}
    assert verify(bag, anchors=Anchors(authorities=(other.root, authority.root))).ok
    assert findings(verify(bag, anchors=Anchors(authorities=(b"nonsense",)))) == {"timestamp_form": "fail"}


def test_a_signer_that_may_not_stamp_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    with serving(make_authority(tmp_path / "web", "web")) as wrong, pytest.raises((BadMessage, Unavailable)):
        timestamp.ask(wrong.url, b"content", wrong.root)


@pytest.mark.parametrize(("ago", "finding"), [(-HOUR_US, "timestamp_early"), (3 * DAYS_US, "timestamp_later")])
def test_the_time_of_a_stamp_is_held_against_the_ledger(
    tmp_path: Path, authority: Authority, ago: int, finding: str
) -> None:
    """A hearing of the future cannot have been stamped today; one of last week was stamped late."""
    made = write_tiny(tmp_path / "tiny", start=now() - ago)
    stamp(made.bag, authority.url, authority.root)
    report = verify(made.bag, anchors=known(authority))
    assert findings(report) == {finding: "fail" if finding == "timestamp_early" else "note"}
    assert report.ok == (finding == "timestamp_later")


def test_flipped_bytes_of_a_stamp_are_found_in_it(bag: Path, authority: Authority) -> None:
    for name in (timestamp.TOKEN, timestamp.AUTHORITY):
        whole = (bag / name).read_bytes()
        for at in random.Random(name).sample(range(len(whole)), 60):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << at % 8
            (bag / name).write_bytes(damaged)
            report = verify(bag, anchors=known(authority))
            assert name in {check.file for check in report.checks if not check.ok}, f"byte {at} of {name}"
        (bag / name).write_bytes(whole)


def test_the_command_stamps_and_verifies(tiny: Tiny, tmp_path: Path, authority: Authority) -> None:
    bag = tmp_path / "bag"
    shutil.copytree(tiny.bag, bag)
    root = tmp_path / "root.pem"
    root.write_bytes(authority.root)
    run = [sys.executable, "-m", "recorder"]
    made = subprocess.run(
        [*run, "stamp", str(bag), "--tsa-url", authority.url, "--tsa-ca", str(root)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert json.loads(made.stdout)["event"] == "stamped"
    seen = subprocess.run(
        [*run, "verify", str(bag), "--json", "--tsa-ca", str(root), "--trust", str(tiny.folder / "keys.json")],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    levels = {check["name"]: check["level"] for check in json.loads(seen.stdout)["checks"]}
    assert levels["timestamp"] == "ok"
    assert levels["trust"] == "ok"
    assert "trust_none" not in levels
