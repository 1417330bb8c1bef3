"""The index of who spoke: computed once by the recorder, kept beside the bag, honest while it is not there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from courtroom.control import speakers
from courtroom.control.speakers import SpeakerIndex


async def settled(index: SpeakerIndex, bag: Path) -> dict[str, object]:
    async with asyncio.timeout(60):
        while (said := await index.of(bag))["state"] == "working":
            await asyncio.sleep(0.05)
    return said


async def test_nothing_sealed_nothing_said(tmp_path: Path) -> None:
    assert await SpeakerIndex(tmp_path).of(None) == {"state": "none", "speakers": []}


async def test_a_bag_that_cannot_be_read_is_a_failure_and_no_endless_try(tmp_path: Path) -> None:
    index = SpeakerIndex(tmp_path)
    assert (await index.of(tmp_path / "h-1"))["state"] == "working"
    assert await settled(index, tmp_path / "h-1") == {"state": "failed", "speakers": []}
    assert (await index.of(tmp_path / "h-1"))["state"] == "failed"


async def test_what_was_computed_is_kept_beside_the_bag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [{"seat": "s-1", "spans": [[1, 2]]}]
    (tmp_path / "h-1.speakers.json").write_text(json.dumps({"speakers": found}))
    index = SpeakerIndex(tmp_path)
    assert await index.of(tmp_path / "h-1") == {"state": "ready", "speakers": found}
    (tmp_path / "h-1.speakers.json").write_text("{not json")
    assert (await settled(index, tmp_path / "h-1"))["state"] == "failed", "a torn file is computed again"
    monkeypatch.setattr(speakers, "MAX_BYTES", 3)
    (tmp_path / "h-2.speakers.json").write_text(json.dumps({"speakers": found}))
    assert (await index.of(tmp_path / "h-2"))["state"] == "working"
    index.close()
