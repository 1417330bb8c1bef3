"""The job itself: what control orders is what ``recorder copy`` makes, also after it was killed half-way."""

from __future__ import annotations

import asyncio
import hashlib
import stat
from pathlib import Path

import pytest

from courtroom.control.api import Archive
from courtroom.control.copies import Copies, CopyJobs
from courtroom.hearing import events as e
from courtroom.hearing.commands import Command, ObserveArchive
from courtroom.hearing.ledger import Entry, replay
from tests.bench.sitting import film
from tests.recorder.stage import PEOPLE, START, Script


class Room:
    """A closed hearing: the ledger of the recorder's tests, and what is noted after it."""

    def __init__(self, bag: Path) -> None:
        self._script = Script().open().close(START + 9)
        self.hearing = replay(self._script.entries)
        self.id = self.hearing.id
        self.names = PEOPLE
        self.archive = Archive("sealed", 100, None, bag)

    async def submit(self, command: Command) -> int:
        assert isinstance(command, ObserveArchive)
        self._script.say(START + 20, e.ArchiveNoted(what=command.what, detail=command.detail))
        return len(self._script.entries)

    async def entries_of(self, *types: str) -> list[Entry]:
        return [entry for entry in self._script.entries if entry.type in types]

    def noted(self) -> list[str]:
        return [str(entry.body["what"]) for entry in self._script.entries if entry.type == "archive_noted"]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bag")
    film(folder / "programme.mp4", 3, people=4)
    return folder


def jobs(folder: Path) -> CopyJobs:
    return CopyJobs(folder / "copies", folder / "mark.key", None, lambda found: found / "programme.mp4")


async def settled(copies: Copies) -> None:
    for task in list(copies._tasks):
        await task


async def test_a_copy_is_made_by_a_process_and_its_name_stays_out_of_sight(bag: Path, tmp_path: Path) -> None:
    room, work = Room(bag), jobs(tmp_path)
    copies = Copies(room, work, lambda: START)
    made = await copies.issue("s-plaintiff", "appeal", "staff")
    await settled(copies)
    found = copies.get(made.id)
    assert found is not None
    assert (found.state, found.percent) == ("ready", 100)
    path = await copies.read(made.id, "s-plaintiff")
    digest = await asyncio.to_thread(lambda: hashlib.sha256(path.read_bytes()).hexdigest())
    entries = {str(entry.body["what"]): entry.body for entry in await room.entries_of("archive_noted")}
    assert entries["copy_made"]["detail"]["sha256"] == digest  # type: ignore[index]
    assert room.noted() == ["copy_issued", "copy_made", "copy_read"]
    files = await asyncio.to_thread(lambda: sorted(one.name for one in path.parent.iterdir()))
    assert files == [f"{made.id}.mp4"], "no label and no torn file is left"
    mode = await asyncio.to_thread(lambda: stat.S_IMODE((tmp_path / "mark.key").stat().st_mode))
    assert mode == 0o600


async def test_a_job_cut_off_by_the_end_of_control_is_done_again(bag: Path, tmp_path: Path) -> None:
    room, work = Room(bag), jobs(tmp_path)
    copies = Copies(room, work, lambda: START)
    made = await copies.issue("s-defendant", "review", "s-clerk")
    async with asyncio.timeout(60):
        while not work._running:
            await asyncio.sleep(0.01)
    await copies.close()
    work.close()
    assert room.noted() == ["copy_issued"]
    again = Copies(room, jobs(tmp_path), lambda: START)
    await again.resume()
    await settled(again)
    assert [(copy.id, copy.state) for copy in again.listed()] == [(made.id, "ready")]
    assert room.noted() == ["copy_issued", "copy_made"]


async def test_a_programme_that_cannot_be_read_ends_as_failed(tmp_path: Path) -> None:
    await asyncio.to_thread((tmp_path / "programme.mp4").write_bytes, b"torn")
    room = Room(tmp_path)
    copies = Copies(room, jobs(tmp_path), lambda: START)
    made = await copies.issue("s-judge", "bench", "staff")
    await settled(copies)
    found = copies.get(made.id)
    assert found is not None
    assert found.state == "failed"
    assert room.noted() == ["copy_issued"]
