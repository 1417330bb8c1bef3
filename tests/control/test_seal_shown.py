"""What control reads of a sealed archive: the few lines that are shown, and nothing that would hurt it."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from courtroom.control.archive import ArchiveJobs
from courtroom.errors import Refused


def jobs_with(tmp_path: Path, manifest: bytes, log: bytes = b"[]") -> ArchiveJobs:
    data = tmp_path / "h-1" / "data"
    data.mkdir(parents=True)
    (data / "manifest.json").write_bytes(manifest)
    (data / "recording-log.json").write_bytes(log)
    (tmp_path / "h-1" / "tagmanifest-sha256.txt").write_bytes(b"")
    return ArchiveJobs(tmp_path, tmp_path, tmp_path / "key", None)


async def test_the_seal_and_the_parts_of_the_programme_are_shown(tmp_path: Path) -> None:
    parts = [{"kind": "live", "frames": 25}]
    manifest = {"seal": {"duration_us": 7}, "programme": {"fps": 25, "parts": parts, "seconds": ["00"]}, "files": []}
    found = await jobs_with(tmp_path, json.dumps(manifest).encode(), b'[{"at":1}]').sealed("h-1")
    assert found is not None
    assert found.state == "sealed"
    shown = {"fps": 25, "parts": parts}
    assert found.seal == {"duration_us": 7, "recording_log": [{"at": 1}], "programme": shown}


async def test_an_archive_of_an_earlier_program_has_no_parts(tmp_path: Path) -> None:
    found = await jobs_with(tmp_path, b'{"seal":{}}').sealed("h-1")
    assert found is not None
    assert found.seal["programme"] == {"fps": 0, "parts": []}


@pytest.mark.parametrize(
    "manifest",
    [b"", b"{", b"[]", b"\xff", b'{"seal":[]}', b'{"programme":[]}', b'{"programme":{"parts":{}}}', b"[" * 100_000],
)
async def test_a_damaged_manifest_is_refused(tmp_path: Path, manifest: bytes) -> None:
    with pytest.raises(Refused, match="archive_damaged"):
        await jobs_with(tmp_path, manifest).sealed("h-1")


async def test_a_long_hearing_costs_no_more_to_show(tmp_path: Path) -> None:
    seconds = [{"second": number, "sha256": "0" * 64} for number in range(5 * 3600)]
    manifest = json.dumps({"seal": {"duration_us": 7}, "programme": {"fps": 25, "seconds": seconds}}).encode()
    jobs = jobs_with(tmp_path, manifest)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        assert await jobs.sealed("h-1") is not None
        most = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert most < len(manifest) + 200_000, "the text itself, and no objects made of it"
