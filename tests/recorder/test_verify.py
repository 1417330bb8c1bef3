"""The verifier against every kind of damage: it is found, named, and in the media put into its second."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import bagit
import pytest

from recorder.report import show
from recorder.seal import HEAD, merkle_root, programme_spans, segment_spans, sign
from recorder.verify import Report, spans_text, verify
from tests.recorder.conftest import LENGTH, Stage, run_archive
from tests.recorder.stage import SECOND, START

FILES = (
    "data/programme.mp4", "data/ledger.jsonl", "data/heads.json", "data/people.json", "data/recording-log.json",
    "data/manifest.json", "data/signature.json", "data/capture/seg-00001.cap", "data/capture/seg-00002.cap",
    "bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt",
)  # fmt: skip


def found(report: Report, file: str) -> list[str]:
    return [check.name for check in report.checks if not check.ok and check.file == file]


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << (at % 8)
    path.write_bytes(data)


def test_what_was_sealed_holds(staged: Stage) -> None:
    report = verify(staged.bag)
    assert report.ok, [check.text_en for check in report.checks if not check.ok]
    assert {check.name for check in report.checks} >= {
        "signature", "bag", "files", "merkle", "ledger", "head", "segments_in_ledger", "segments", "log", "programme",
    }  # fmt: skip
    assert report.seal["duration_us"] == LENGTH * SECOND


def test_the_bag_is_a_bag_for_others_too(staged: Stage) -> None:
    bag = bagit.Bag(str(staged.bag))
    assert bag.validate()
    assert bag.info["External-Identifier"] == "h-stage"


def test_verifying_writes_nothing(staged: Stage, tmp_path: Path) -> None:
    bag = staged.copy(tmp_path / "bag")
    for folder, folders, files in os.walk(bag, topdown=False):
        for name in [*files, *folders]:
            (Path(folder) / name).chmod(0o555)
    before = {path: path.stat().st_mtime_ns for path in bag.rglob("*")}
    assert verify(bag).ok
    assert {path: path.stat().st_mtime_ns for path in bag.rglob("*")} == before


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_anywhere_is_found_and_named(staged: Stage, tmp_path: Path, name: str) -> None:
    bag = staged.copy(tmp_path / "bag")
    size = (bag / name).stat().st_size
    seeded = random.Random(name)
    short = name.removeprefix("data/")
    for _ in range(3):
        at = seeded.randrange(size)
        shutil.copy(staged.bag / name, bag / name)
        flip(bag / name, at)
        report = verify(bag)
        assert not report.ok, f"byte {at} of {name}"
        named = {check.file for check in report.checks if not check.ok}
        if name.startswith(("bagit", "bag-info", "tagmanifest", "manifest-")):
            assert named, f"byte {at} of {name}"  # a list that is damaged accuses what it lists, or itself
        else:
            assert short in named, f"byte {at} of {name}: {named}"


@pytest.mark.parametrize("name", ["programme.mp4", "capture/seg-00001.cap", "capture/seg-00002.cap"])
def test_damage_in_media_is_put_into_its_second(staged: Stage, tmp_path: Path, name: str) -> None:
    bag = staged.copy(tmp_path / "bag")
    manifest = json.loads((bag / "data/manifest.json").read_text())
    media = [*manifest["segments"], manifest["programme"]]
    spans = next(part["seconds"] for part in media if part["file"] == name)
    assert spans[0][1] == 0
    assert spans[-1][2] == (bag / "data" / name).stat().st_size
    assert all(before[2] == after[1] for before, after in pairwise(spans)), "every byte has its second"
    seeded = random.Random(name)
    for second, start, end, _ in seeded.sample(spans, 4):
        shutil.copy(staged.bag / "data" / name, bag / "data" / name)
        flip(bag / "data" / name, seeded.randrange(start, end))
        changed = next(check for check in verify(bag).checks if check.name == "changed" and check.file == name)
        assert changed.seconds == (() if second == HEAD else (second,))
        if second != HEAD:
            assert START // SECOND <= second <= START // SECOND + LENGTH
            assert spans_text([second]).endswith(f"09:42:{second - START // SECOND:02d}")


def test_seconds_of_the_programme_are_those_it_shows(staged: Stage) -> None:
    from recorder.index import read_capture
    from recorder.ledgerfile import read_ledger
    from recorder.timeline import recording_of

    recording = recording_of(read_ledger(staged.folder / "ledger.jsonl"), read_capture(staged.folder / "capture"))
    seconds = [span[0] for span in programme_spans(staged.programme, recording) if span[0] != HEAD]
    assert sorted(set(seconds)) == [START // SECOND + n for n in range(LENGTH)]
    first = segment_spans(staged.folder / "capture" / "seg-00001.cap")
    assert [span[0] for span in first] == [START // SECOND + n for n in range(5)]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(staged: Stage, tmp_path: Path, name: str) -> None:
    bag = staged.copy(tmp_path / "bag")
    (bag / name).unlink()
    report = verify(bag)
    assert not report.ok
    told = [check for check in report.checks if check.name == "missing" and check.file == name.removeprefix("data/")]
    assert told or (name == "data/signature.json" and found(report, "signature.json"))
    if name.endswith(".cap"):
        assert len(told[0].seconds) >= 5


def test_extra_truncated_and_lengthened_files_are_named(staged: Stage, tmp_path: Path) -> None:
    bag = staged.copy(tmp_path / "bag")
    (bag / "data/capture/seg-00009.cap").write_bytes(b"x")
    (bag / "data/note.txt").write_text("x")
    segment = bag / "data/capture/seg-00002.cap"
    segment.write_bytes(segment.read_bytes()[:-9000])
    with (bag / "data/programme.mp4").open("ab") as file:
        file.write(b"more")
    report = verify(bag)
    assert "extra" in found(report, "note.txt")
    assert {"extra", "segment_not_in_ledger", "segment_header"} <= set(found(report, "capture/seg-00009.cap"))
    cut = next(check for check in report.checks if check.name == "changed_size" and check.file.endswith("00002.cap"))
    assert cut.seconds
    assert cut.seconds[-1] >= START // SECOND + LENGTH - 1
    assert "changed_size" in found(report, "programme.mp4")


def test_exchanged_segments_are_found_even_if_every_list_is_made_anew(staged: Stage, tmp_path: Path) -> None:
    """An attacker with our software and a key of their own: the ledger and its signed head still tell."""
    work = tmp_path / "work"
    shutil.copytree(staged.folder, work)
    first, second = work / "capture/seg-00001.cap", work / "capture/seg-00002.cap"
    swapped = first.read_bytes(), second.read_bytes()
    first.write_bytes(swapped[1])
    second.write_bytes(swapped[0])
    shutil.rmtree(work / "bag")
    assert run_archive(work).returncode == 0
    report = verify(work / "bag")
    for name in ("capture/seg-00001.cap", "capture/seg-00002.cap"):
        assert {"segment_not_as_in_ledger", "segment_header"} <= set(found(report, name))


def test_another_key_is_seen_when_the_key_is_known(staged: Stage, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from recorder.seal import public_hex

    right = public_hex(staged.key.public_key())
    assert verify(staged.bag, right).ok
    assert found(verify(staged.bag, "ab" * 32), "signature.json") == ["signature_other_key"]
    bag = staged.copy(tmp_path / "bag")
    forged = sign((bag / "data/manifest.json").read_bytes(), Ed25519PrivateKey.generate())
    (bag / "data/signature.json").write_bytes(forged)
    assert "signature_other_key" in found(verify(bag), "manifest.json")


def test_a_shortened_ledger_is_found(staged: Stage, tmp_path: Path) -> None:
    bag = staged.copy(tmp_path / "bag")
    ledger = bag / "data/ledger.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(lines[:-1]))
    report = verify(bag)
    assert "ledger_cut" in found(report, "ledger.jsonl")
    assert "head_not_in_ledger" in found(report, "heads.json")


def test_hostile_bags_give_findings_and_never_leave_the_folder(staged: Stage, tmp_path: Path) -> None:
    bag = staged.copy(tmp_path / "bag")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (bag / "data/people.json").unlink()
    (bag / "data/people.json").symlink_to(secret)
    (bag / "data/loop").symlink_to(bag)
    os.mkfifo(bag / "data/pipe")
    with (bag / "manifest-sha256.txt").open("a") as file:
        file.write(f"{'0' * 64}  data/../../secret\n{'0' * 64}  /etc/passwd\nnonsense\n")
    report = verify(bag)
    assert {"data/people.json", "data/loop", "data/pipe"} <= {c.file for c in report.checks if c.name == "unsafe_entry"}
    assert len(found(report, "manifest-sha256.txt")) >= 3
    assert "missing" in found(report, "people.json")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 100_000,
        b"{}",
        b'{"version":1}',
        b"\xff\xfe",
        b"[1.5]",
        b'{"version":1,"files":{"../x":{}}}',
        b"null",
    ],
)
@pytest.mark.parametrize(
    "name", ["manifest.json", "signature.json", "heads.json", "ledger.jsonl", "recording-log.json"]
)
def test_nonsense_in_place_of_a_file_is_a_finding(staged: Stage, tmp_path: Path, name: str, content: bytes) -> None:
    bag = tmp_path / "bag"
    shutil.copytree(staged.bag, bag, copy_function=os.link)
    (bag / "data" / name).unlink()
    (bag / "data" / name).write_bytes(content)
    report = verify(bag)
    assert not report.ok
    assert report.exit_code == 1
    assert found(report, name)


def test_a_hostile_manifest_signed_by_its_own_author_never_breaks_the_verifier(staged: Stage, tmp_path: Path) -> None:
    bag = staged.copy(tmp_path / "bag")
    original = json.loads((bag / "data/manifest.json").read_text())
    seeded = random.Random(7)
    odd = [None, -1, 2**70, "", "../../etc/passwd", [], {}, True, "0" * 64, [[0, 0, 1 << 61, "0" * 32]], "\ud800"]
    for _ in range(60):
        manifest = json.loads(json.dumps(original))
        place = manifest
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = seeded.choice(keys)
            if isinstance(place[key], dict | list) and place[key] and seeded.random() < 0.8:
                place = place[key]
                continue
            place[key] = seeded.choice(odd)
            break
        data = json.dumps(manifest).encode()
        (bag / "data/manifest.json").write_bytes(data)
        (bag / "data/signature.json").write_bytes(sign(data, staged.key))
        report = verify(bag)
        assert not report.ok
        json.dumps(report.as_dict())


def test_what_is_no_archive_is_said_and_exits_with_two(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing", Path(__file__)):
        report = verify(path)
        assert report.exit_code == 2
        assert "校验" in report.checks[0].text_zh


def test_the_command_speaks_json_and_two_languages(staged: Stage, tmp_path: Path) -> None:
    run = [sys.executable, "-m", "recorder", "verify", str(staged.bag)]
    good = subprocess.run([*run, "--json"], capture_output=True, text=True, check=True, timeout=60)
    report = json.loads(good.stdout)
    assert report["ok"]
    assert {"name", "ok", "file", "second", "text"} <= report["checks"][0].keys()
    assert "校验通过" in subprocess.run(run, capture_output=True, text=True, check=True, timeout=60).stdout
    bag = staged.copy(tmp_path / "bag")
    flip(bag / "data/programme.mp4", 200_000)
    bad = subprocess.run([*run[:-1], str(bag), "--lang", "en"], capture_output=True, text=True, check=False, timeout=60)
    assert bad.returncode == 1
    assert "Not verified" in bad.stdout


def test_the_report_for_people_names_file_and_time(staged: Stage, tmp_path: Path) -> None:
    import io

    from rich.console import Console

    bag = staged.copy(tmp_path / "bag")
    flip(bag / "data/capture/seg-00001.cap", 60_000)
    out = io.StringIO()
    show(verify(bag), "zh", Console(file=out, width=200))
    assert "capture/seg-00001.cap" in out.getvalue()
    assert "法庭时间 2026年11月24日 09:42:0" in out.getvalue()


def test_merkle_root_is_rfc_6962() -> None:
    import hashlib

    def h(data: bytes) -> bytes:
        return hashlib.sha256(data).digest()

    a, b, c = b"a", b"b", b"c"
    left = h(b"\x01" + h(b"\x00a") + h(b"\x00b"))
    assert merkle_root([a, b, c]) == h(b"\x01" + left + h(b"\x00c")).hex()
    assert merkle_root([a]) == h(b"\x00a").hex()
    assert merkle_root([a, b, c]) != merkle_root([b, a, c])
