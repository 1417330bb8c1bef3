"""A full disk and a failing disk in the middle of a real hearing: it goes on, the bench is told, the archive explains.

The full disk is a small tmpfs of its own, the failing one libfiu (Debian: fiu-utils), which lets the real writer
process's ``write(2)`` fail with EIO while it is ordered to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from courtroom.control import capture as capture_module
from courtroom.control import workers as workers_module
from courtroom.hearing import commands as c
from courtroom.hearing import explanations
from courtroom.hearing.model import Role
from tests.recorder.sitting import Sitting, account, court, until

SHORT_MEMORY_S = 2
WORKER = f"import courtroom.sfu.takes as t; t.MAX_AGE_US = {SHORT_MEMORY_S}_000_000; import runpy; " + (
    "runpy.run_module('courtroom.worker', run_name='__main__', alter_sys=True)"
)
MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A court's data directory whose captures have 24 MiB to themselves."""
    data = tmp_path / "data"
    captures = data / "captures"
    captures.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(captures)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted by root only")
    yield data
    subprocess.run(["umount", "-l", str(captures)], check=True)


def fill(path: Path) -> None:
    """Takes whatever is free, as a stranger's program does."""
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        for size in (MIB, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


def last_lamp(sitting: Sitting) -> str:
    return sitting.lamps()[-1][1]


async def told(sitting: Sitting, what: str, code: str) -> Any:
    return [entry for entry in await sitting.notes(what) if entry.body["detail"]["code"] == code]


async def until_told(sitting: Sitting, what: str, code: str) -> None:
    async with asyncio.timeout(60):
        while not await told(sitting, what, code):
            await asyncio.sleep(0.05)


async def goes_on(sitting: Sitting) -> None:
    """People still speak, and the judge's orders are obeyed."""
    said = {seat: len(voice.said) for seat, voice in sitting.voices.items()}
    await sitting.room.submit(c.SetPhase(actor=sitting.seats[Role.PRESIDING_JUDGE], phase="investigation"))
    await until(lambda: all(len(voice.said) > said[seat] + 20 for seat, voice in sitting.voices.items()))


async def explained(sitting: Sitting) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The archive verifies and accounts for every second; its log, the verifier's report and the draft."""
    bag = await sitting.sealed()
    report = await sitting.room.verify_archive()
    assert [check for check in report["checks"] if not check["ok"]] == []
    found, log = await account(sitting, bag)
    assert found.unaccounted == []
    assert found.hidden_us <= 200_000
    draft = explanations.draft(sitting.room.id, sitting.room.archive.seal, await sitting.room.ledger())
    return log, report, draft


class Stranger:
    """Takes every free byte of a disk for as long as it is let."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._enough = asyncio.Event()
        self._filling = asyncio.create_task(self._fill())

    async def _fill(self) -> None:
        while not self._enough.is_set():
            await asyncio.to_thread(fill, self._path)
            await asyncio.sleep(0.05)

    async def leave(self) -> None:
        self._enough.set()
        await self._filling
        await asyncio.to_thread(self._path.unlink)


async def test_a_full_disk_is_told_before_and_during_and_explained_after(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice: first what is not taken is held until there is room; then the writer is killed too, and what the worker
    can no longer send again is a gap."""
    monkeypatch.setattr(capture_module, "RESERVE_BYTES", 4 * MIB)
    monkeypatch.setattr(workers_module, "ARGV", (sys.executable, "-c", WORKER))
    async with court(small_disk) as house:
        sitting = await house.hearing()
        await sitting.open(house.tone)
        writer = house.pid("writer")
        stranger = Stranger(small_disk / "captures" / "somebody-elses")
        await until_told(sitting, "defect", "disk_full")
        await until(lambda: last_lamp(sitting) == "fault" and "disk_full" in sitting.notices())
        await goes_on(sitting)
        await stranger.leave()
        await until_told(sitting, "resumed", "disk_full")
        await until(lambda: last_lamp(sitting) == "on")
        assert house.pid("writer") == writer, "the same process all along"
        (low,), (first,) = await told(sitting, "alarm", "disk_low"), await told(sitting, "defect", "disk_full")
        assert low.seq < first.seq, "the alarm comes before anything is refused"

        full_at = sitting.now()
        stranger = Stranger(small_disk / "captures" / "somebody-elses")
        await until(lambda: last_lamp(sitting) == "fault")
        await asyncio.sleep(SHORT_MEMORY_S + 3)
        os.kill(writer, signal.SIGKILL)
        await stranger.leave()
        await until_told(sitting, "resumed", "writer_restarted")
        await until(lambda: last_lamp(sitting) == "on")
        await sitting.close()
        log, report, draft = await explained(sitting)
    (gap,) = log["gaps"]
    assert (gap["kind"], gap["reason"], gap["by"]) == ("fault", "writer", "system")
    assert gap["from_at"] > full_at - 1_000_000, "nothing is missing from the first time"
    assert gap["length_us"] > 1_000_000
    assert [line["code"] for line in draft["reports"]] == ["disk_full", "disk_full", "writer_restarted"]
    assert [line["from_at"] for line in draft["missing"]] == [gap["from_at"]]
    (said,) = [check for check in report["checks"] if check["name"] == "log"]
    assert "1" in said["text_en"], said


def fiu(folder: Path) -> tuple[str, ...]:
    return ("fiu-run", "-x", "-f", str(folder / "fiu"))


@pytest.mark.skipif(shutil.which("fiu-run") is None, reason="libfiu is not installed (Debian: fiu-utils)")
async def test_a_failing_disk_goes_on_in_a_new_file_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_module, "ARGV", (*fiu(tmp_path), *capture_module.ARGV))
    async with court(tmp_path) as house:

        async def order(words: str) -> None:
            command = ["fiu-ctrl", "-f", str(tmp_path / "fiu"), "-c", words, str(house.pid("writer"))]
            process = await asyncio.create_subprocess_exec(*command)
            assert await asyncio.wait_for(process.wait(), 30) == 0

        sitting = await house.hearing()
        await sitting.open(house.tone)
        writer = house.pid("writer")
        await order("enable name=posix/io/rw/write,failinfo=5")  # EIO
        await until_told(sitting, "defect", "io_error")
        await until(lambda: last_lamp(sitting) == "fault")
        await goes_on(sitting)
        await order("disable name=posix/io/rw/write")
        await until_told(sitting, "resumed", "io_error")
        await until(lambda: last_lamp(sitting) == "on")
        await sitting.close()
        log, _report, draft = await explained(sitting)
        assert house.pid("writer") == writer, "the same process all along"
        sealed = [entry.body["detail"] for entry in await sitting.notes("sealed")]
    assert [line["torn"] for line in sealed][:1] == [1], "the file that failed is kept as it is"
    assert len(sealed) >= 2
    assert log["gaps"] == [], "what was not taken was kept by the worker and written later"
    assert [line["code"] for line in draft["reports"]] == ["io_error"]
