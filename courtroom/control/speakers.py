"""Who spoke when in a sealed archive: computed once, in a process of its own, kept beside the bag and never in it.

Rules: asked for, it begins; until it is there the answer says so. One at a time, niced by the job itself, bounded in
time. The file is derived from the sealed bag alone and can be thrown away: it is computed again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import structlog

TIMEOUT_S: Final = 3600.0
MAX_BYTES: Final = 32 << 20
MAX_KEPT: Final = 200
ABSENT: Final[dict[str, Any]] = {"state": "none", "speakers": []}

log = structlog.get_logger()


class SpeakerIndex:
    """``of(bag)`` → ``{"state": none | working | ready | failed, "speakers": [{"seat", "spans"}]}``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._one_at_a_time = asyncio.Semaphore(1)
        self._jobs: dict[str, asyncio.Task[bool]] = {}

    async def of(self, bag: Path | None) -> dict[str, Any]:
        if bag is None:
            return ABSENT
        file = self._directory / f"{bag.name}.speakers.json"
        found = await asyncio.to_thread(_read, file)
        if found is not None:
            return {"state": "ready", "speakers": found}
        job = self._jobs.get(bag.name)
        if job is None:
            self._forget()
            self._jobs[bag.name] = asyncio.create_task(self._make(bag, file), name=f"speakers-{bag.name}")
        failed = job is not None and job.done() and (job.cancelled() or not job.result())
        return {"state": "failed" if failed else "working", "speakers": []}

    def close(self) -> None:
        for job in self._jobs.values():
            job.cancel()

    def _forget(self) -> None:
        for name in [name for name, job in self._jobs.items() if job.done()][: max(0, len(self._jobs) - MAX_KEPT)]:
            del self._jobs[name]

    async def _make(self, bag: Path, file: Path) -> bool:
        async with self._one_at_a_time:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "recorder", "speakers", str(bag), stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    out, _ = await process.communicate()
            except TimeoutError:
                log.error("speakers_too_slow", bag=bag.name)
                return False
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
        if process.returncode != 0 or len(out) > MAX_BYTES:
            log.error("speakers_failed", bag=bag.name, status=process.returncode)
            return False
        await asyncio.to_thread(_write, file, out)
        return True


def _read(file: Path) -> list[dict[str, Any]] | None:
    try:
        if file.stat().st_size > MAX_BYTES:
            return None
        found = json.loads(file.read_bytes())["speakers"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, list) else None


def _write(file: Path, content: bytes) -> None:
    made = file.with_name(file.name + ".part")
    made.write_bytes(content)
    os.replace(made, file)
