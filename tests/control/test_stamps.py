"""An archive that was sealed while the time-stamp authority was away is stamped at the next start, once."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from courtroom.control.archive import ArchiveJobs
from recorder.verify import Anchors, verify
from tests.recorder.archives import SECOND, write_tiny
from tests.recorder.tsa import Authority, make_authority, serving


class Closed:
    id = "h-stage"


async def states(folder: Path, authority: Authority) -> list[str]:
    tsa = (authority.url, authority.folder / "root.pem")
    jobs = ArchiveJobs(folder / "archives", folder / "captures", folder / "key.pem", None, tsa)
    closed: Any = Closed()
    try:
        return [state.state async for state in jobs.make(closed)]
    finally:
        jobs.close()


def test_a_sealed_archive_gets_the_stamp_it_lacks(tmp_path: Path) -> None:
    made = write_tiny(tmp_path / "made", start=1_700_000_000 * SECOND)
    bag = tmp_path / "archives" / Closed.id
    shutil.copytree(made.bag, bag)
    with serving(make_authority(tmp_path / "tsa")) as authority:
        authority.instead.append(503)
        assert asyncio.run(states(tmp_path, authority)) == ["sealed"]
        assert not (bag / "timestamp.tsr").exists()
        for _ in range(2):
            assert asyncio.run(states(tmp_path, authority)) == ["sealed"]
        assert authority.asked == 2
        report = verify(bag, anchors=Anchors(authorities=(authority.root,)))
    assert report.ok, [check.text_en for check in report.checks if not check.ok]
    assert "timestamp_later" in {check.name for check in report.checks}


def test_a_court_without_an_authority_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = tmp_path / "archives" / Closed.id
    shutil.copytree(write_tiny(tmp_path / "made").bag, bag)
    closed: Any = Closed()

    async def make() -> list[str]:
        jobs = ArchiveJobs(tmp_path / "archives", tmp_path / "captures", tmp_path / "key.pem", None)
        monkeypatch.setattr(asyncio, "create_subprocess_exec", None)
        return [state.state async for state in jobs.make(closed)]

    assert asyncio.run(make()) == ["sealed"]
    assert not (bag / "timestamp.tsr").exists()
