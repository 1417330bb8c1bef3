"""Files handed in as proof: sealed on disk, whole or not there, opened in their own place only."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from courtroom.errors import Unavailable
from courtroom.store.attachments import PIECE, AttachmentFiles

KEY = bytes(range(32))
TEXT = "停电通知：2026年11月22日上午停电。" * 30_000
CONTENT = TEXT.encode()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(files: AttachmentFiles, content: bytes = CONTENT, seat: str = "s-1", step: int = 50_000) -> str:
    draft = files.begin("h-1", seat, digest(content), KEY)
    for at in range(0, len(content), step):
        draft.write(content[at : at + step])
    made = draft.finish()
    draft.keep()
    draft.drop()
    return made


def stored(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file())


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_what_was_put_in_comes_out(tmp_path: Path, size: int) -> None:
    files, content = AttachmentFiles(tmp_path), (CONTENT * 2)[:size]
    assert put(files, content) == digest(content)
    assert files.read("h-1", "s-1", digest(content), KEY) == content


def test_nothing_readable_lies_on_the_disk(tmp_path: Path) -> None:
    files = AttachmentFiles(tmp_path)
    draft = files.begin("h-1", "s-1", digest(CONTENT), KEY)
    draft.write(CONTENT)
    for when in ("draft", "whole"):
        (one,) = stored(tmp_path)
        assert "停电".encode() not in one.read_bytes(), when
        assert one.stat().st_mode & 0o077 == 0
        if when == "draft":
            draft.finish()
            draft.keep()


def test_a_draft_that_is_dropped_leaves_nothing(tmp_path: Path) -> None:
    files = AttachmentFiles(tmp_path)
    draft = files.begin("h-1", "s-1", digest(CONTENT), KEY)
    draft.write(CONTENT)
    draft.drop()
    assert stored(tmp_path) == []


@pytest.mark.parametrize(("seat", "key"), [("s-2", KEY), ("s-1", bytes(32))])
def test_another_place_or_key_does_not_open_it(tmp_path: Path, seat: str, key: bytes) -> None:
    files, sha256 = AttachmentFiles(tmp_path), digest(CONTENT)
    put(files)
    (one,) = stored(tmp_path)
    moved = tmp_path / "h-1" / seat / one.name
    moved.parent.mkdir(exist_ok=True)
    moved.write_bytes(one.read_bytes())
    with pytest.raises(Unavailable, match="attachment_damaged"):
        files.read("h-1", seat, sha256, key)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 2**20), cut=st.booleans(), bit=st.integers(0, 7))
def test_no_changed_or_shortened_file_is_taken_for_whole(tmp_path: Path, at: int, cut: bool, bit: int) -> None:
    files, content = AttachmentFiles(tmp_path), CONTENT[: 2 * PIECE]
    put(files, content)
    (one,) = stored(tmp_path)
    sealed = bytearray(one.read_bytes())
    at %= len(sealed)
    if cut:
        del sealed[at:]
    else:
        sealed[at] ^= 1 << bit
    one.write_bytes(bytes(sealed))
    with pytest.raises(Unavailable, match="attachment_damaged"):
        files.read("h-1", "s-1", digest(content), KEY)


def test_a_file_cut_between_two_pieces_is_not_whole(tmp_path: Path) -> None:
    files, content = AttachmentFiles(tmp_path), CONTENT[: 2 * PIECE]
    put(files, content)
    (one,) = stored(tmp_path)
    sealed = one.read_bytes()
    first = 4 + int.from_bytes(sealed[:4], "big")
    one.write_bytes(sealed[:first])
    with pytest.raises(Unavailable, match="attachment_damaged"):
        files.read("h-1", "s-1", digest(content), KEY)


def test_what_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="attachment_missing"):
        AttachmentFiles(tmp_path).read("h-1", "s-1", "ab" * 32, KEY)


@pytest.mark.parametrize("name", ["..", "a/b", "", "x" * 65, "s\x00"])
def test_no_name_leads_out_of_the_directory(tmp_path: Path, name: str) -> None:
    files = AttachmentFiles(tmp_path)
    for place in ((name, "s-1", "ab" * 32), ("h-1", name, "ab" * 32), ("h-1", "s-1", name)):
        for work in (lambda p=place: files.begin(*p, KEY), lambda p=place: files.read(*p, KEY)):
            with pytest.raises(ValueError, match="not a place"):
                work()
    assert stored(tmp_path) == []


def test_a_process_that_is_killed_leaves_whole_files_and_drafts_only(tmp_path: Path) -> None:
    """SIGKILL in the middle of whatever it is doing: what has its name opens, and the rest is swept away."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.store.attach_until_killed", str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert child.stdout is not None
    said = [child.stdout.readline().decode().strip() for _ in range(5)]
    child.kill()
    said += child.stdout.read().decode().split()
    child.stdout.close()
    child.wait(10)
    files = AttachmentFiles(tmp_path)
    whole = {one.name.removesuffix(".sealed") for one in stored(tmp_path) if one.suffix == ".sealed"}
    assert set(said) <= whole, "what was acknowledged is there"
    for sha256 in whole:
        assert digest(files.read("h-1", "s-1", sha256, KEY)) == sha256
    files.sweep()
    assert {one.name.removesuffix(".sealed") for one in stored(tmp_path)} == whole


def test_sweeping_takes_drafts_and_leaves_files(tmp_path: Path) -> None:
    files = AttachmentFiles(tmp_path)
    put(files)
    draft = files.begin("h-1", "s-2", "cd" * 32, KEY)
    draft.write(CONTENT)
    assert files.sweep() == 1
    draft.drop()
    assert [one.name for one in stored(tmp_path)] == [f"{digest(CONTENT)}.sealed"]
