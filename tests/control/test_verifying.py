"""The court verifies an archive against its ledger as it is now: what was ordered since the seal is told."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from courtroom.control.archive import ArchiveJobs
from courtroom.hearing.events import ArchiveNoted
from courtroom.hearing.ledger import Entry, entry_for, to_line
from recorder.ledgerfile import read_ledger
from tests.recorder.archives import SECOND, Tiny, write_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return write_tiny(tmp_path_factory.mktemp("verifying"))


async def lines(entries: list[Entry]) -> AsyncIterator[str]:
    for entry in entries:
        yield to_line(entry).rstrip("\n")


def verified(tiny: Tiny, entries: list[Entry]) -> dict[str, dict[str, Any]]:
    jobs = ArchiveJobs(tiny.folder / "archives", tiny.folder / "captures", tiny.folder / "key.pem", None)

    async def run() -> dict[str, Any]:
        return await jobs.verify(tiny.bag, lines(entries))

    try:
        report = asyncio.run(run())
    finally:
        jobs.close()
    assert report["ok"] is all(check["ok"] for check in report["checks"])
    return {check["name"]: check for check in report["checks"]}


def since(entries: list[Entry], detail: dict[str, str | int]) -> list[Entry]:
    last = entries[-1]
    event = ArchiveNoted(what="retention", detail=detail)
    return [*entries, entry_for(last.hearing, last.seq + 1, last.at + SECOND, "system", event, last.hash)]


def test_a_period_set_after_the_seal_is_told_beside_the_sealed_one(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    entries = read_ledger(tiny.bag / "data/ledger.jsonl")
    found = verified(tiny, since(entries, {"period": "long", "by": "staff"}))
    assert found["later_ledger"]["ok"]
    assert found["retention_changed"]["values"]["period"] == "long"
    assert found["retention_changed"]["values"]["seq"] == entries[-1].seq + 1
    assert "封存时：尚未划定" in found["retention_changed"]["text_zh"]
    assert list(tmp_path.iterdir()) == [], "nothing of the ledger is left lying about"
