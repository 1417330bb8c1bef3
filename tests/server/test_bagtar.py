"""The archive as a tar: any tool unpacks it, it is always the same, and a part of it is a part of it."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import aiohttp
import pytest

from courtroom.control.api import Archive
from courtroom.errors import Unavailable
from courtroom.server import bagtar
from tests.server.conftest import Made


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    folder = tmp_path / "h-1"
    (folder / "data" / "capture").mkdir(parents=True)
    (folder / "bagit.txt").write_text("BagIt-Version: 1.0\n")
    (folder / "data" / "empty").write_bytes(b"")
    (folder / "data" / "programme.mp4").write_bytes(os.urandom(700_000))
    (folder / "data" / "capture" / "seg-00001.cap").write_bytes(os.urandom(512))
    (folder / "data" / "elsewhere").symlink_to("/etc/hostname")
    return folder


def whole(bag: Path) -> bytes:
    listed = bagtar.members(bag)
    return b"".join(bagtar.pieces(listed, 0, bagtar.length(listed)))


@pytest.fixture
def packed(bag: Path) -> bytes:
    return whole(bag)


@pytest.fixture
def cut(bag: Path) -> list[bagtar.Member]:
    """The bag as it was before its film became shorter."""
    listed = bagtar.members(bag)
    os.truncate(bag / "data" / "programme.mp4", 5)
    return listed


def test_it_unpacks_to_what_was_there_and_follows_no_link(bag: Path, tmp_path: Path) -> None:
    made = whole(bag)
    assert len(made) == bagtar.length(bagtar.members(bag))
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        assert tar.getnames() == [
            "h-1/bagit.txt", "h-1/data/capture/seg-00001.cap", "h-1/data/empty", "h-1/data/programme.mp4",
        ]  # fmt: skip
        assert {(one.mtime, one.uid, one.uname) for one in tar.getmembers()} == {(0, 0, "")}
        tar.extractall(tmp_path / "out", filter="data")
    for path in ("bagit.txt", "data/empty", "data/programme.mp4", "data/capture/seg-00001.cap"):
        assert (tmp_path / "out" / "h-1" / path).read_bytes() == (bag / path).read_bytes()


def test_every_part_of_it_is_that_part(bag: Path) -> None:
    listed, made = bagtar.members(bag), whole(bag)
    edges = {0, 1, len(made) - 1, len(made)}
    at = 0
    for one in listed:
        edges |= {at, at + 1, at + 511, at + len(one.head), at + len(one.head) + one.size, at + one.length - 1}
        at += one.length
    edges |= {at, at + 700, 300_000}
    for begin in sorted(edges):
        for end in sorted(edge for edge in edges if edge > begin):
            assert b"".join(bagtar.pieces(listed, begin, end)) == made[begin:end], (begin, end)


def test_a_file_that_became_shorter_is_an_error_and_an_empty_folder_no_archive(
    cut: list[bagtar.Member], tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="archive_unreadable"):
        list(bagtar.pieces(cut, 0, bagtar.length(cut)))
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nothing"):
        with pytest.raises(Unavailable, match="archive_unreadable"):
            bagtar.members(folder)


async def test_the_desk_exports_and_goes_on_where_it_broke_off(
    made: Made, http: aiohttp.ClientSession, bag: Path, packed: bytes
) -> None:
    url = f"{made.running.url}/api/v1/hearings/{made.id}/archive/bag"
    made.room.archive = Archive("sealed", 100, None, bag, {})
    judge = made.bearer("presiding_judge")
    async with http.get(url, headers=judge) as answer:
        assert (answer.status, answer.content_type) == (200, "application/x-tar")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="h-1.tar"'
        assert await answer.read() == packed
    async with http.get(url, headers=judge | {"Range": "bytes=300000-"}) as answer:
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes 300000-{len(packed) - 1}/{len(packed)}"
        assert await answer.read() == packed[300_000:]
    for odd in ("bytes=99999999-", "bytes=5-2", "parts=1-2"):
        async with http.get(url, headers=judge | {"Range": odd}) as answer:
            assert (answer.status, await answer.read()) == (200, packed), odd
    assert made.room.readers == [made.seats["presiding_judge"]["id"]], "one reading, one ledger line"


async def test_a_damaged_archive_is_never_handed_out_as_whole(
    made: Made, http: aiohttp.ClientSession, bag: Path, cut: list[bagtar.Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    made.room.archive = Archive("sealed", 100, None, bag, {})
    monkeypatch.setattr(bagtar, "members", lambda _: cut)
    url = f"{made.running.url}/api/v1/hearings/{made.id}/archive/bag"
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.get(url, headers=made.running.staff) as answer:
            await answer.read()
