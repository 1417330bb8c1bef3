"""Copies of a sealed recording with their recipients' marks: ordered, made one at a time, handed out, all on record.

Rules (COURT.md 7)
* A copy is in the ledger before anything is made, and every download before a byte leaves: id, recipient's seat,
  purpose and who asked; never a name. The ledger is the only list: after a restart what it holds and the disk does not
  is made again, to the same marks.
* One job at a time, in a process of its own, niced below everything; its crash touches no hearing.
* The key of the marks is a secret file of the court, made on first use; the label with the recipient's name goes to the
  job in a file of the court's own directory, never on a command line. Nothing here deletes a copy.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from courtroom.catalogue import known, text
from courtroom.control.api import Archive, Copy
from courtroom.errors import Refused, Unavailable
from courtroom.hearing import access, signing
from courtroom.hearing.commands import Command, ObserveArchive
from courtroom.hearing.ledger import Entry
from courtroom.hearing.model import Hearing
from courtroom.store.files import load_or_create

ATTEMPTS: Final = 2
MAX_WAITING: Final = 64
MAX_COPIES: Final = 1000  # of one hearing
STALL_S: Final = 600.0  # a job that says nothing for so long is ended
MAX_LINE: Final = 1 << 16
KEY_BYTES: Final = 32
MAX_LABEL_NAME: Final = 40

log = structlog.get_logger()


class Room(Protocol):
    """What copies need of their hearing."""

    @property
    def id(self) -> str: ...

    @property
    def hearing(self) -> Hearing: ...

    @property
    def names(self) -> Mapping[str, str]: ...

    @property
    def archive(self) -> Archive: ...

    async def submit(self, command: Command) -> int: ...

    async def entries_of(self, *types: str) -> list[Entry]: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """What the job says: percent and seconds left, at last the digest of the file."""

    percent: int
    eta_s: int | None = None
    sha256: str = ""


class CopyJobs:
    """Runs ``recorder copy`` for every hearing of this process. ``programme`` gives the picture inside a bag."""

    def __init__(
        self, directory: Path, key: Path, font: Path | None, programme: Callable[[Path], Path], lang: str = "zh"
    ) -> None:
        self._directory = directory
        self._key = key
        self._font = font
        self._programme = programme
        self.lang = lang
        self.one_at_a_time = asyncio.Semaphore(1)
        self.waiting = 0
        self._running: set[asyncio.subprocess.Process] = set()

    def file(self, hearing: str, copy: str) -> Path:
        return self._directory / hearing / f"{copy}.mp4"

    async def make(self, hearing: str, copy: str, bag: Path, label: str) -> AsyncGenerator[Progress]:
        """The job's progress; the last one has the digest if all went well."""
        out = self.file(hearing, copy)
        order = out.with_suffix(".label")
        await asyncio.to_thread(_prepare, self._key, order, label)
        font = ["--font", str(self._font)] if self._font else []
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "recorder", "copy", "--programme", str(self._programme(bag)), "--out", str(out),
            "--mark-key", str(self._key), "--copy", copy, "--label", str(order), *font, "--progress", "json",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, limit=MAX_LINE, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        self._running.add(process)
        try:
            while line := await asyncio.wait_for(process.stdout.readline(), STALL_S):
                if (said := _progress(line)) is not None:
                    yield said
            await asyncio.wait_for(process.wait(), STALL_S)
        finally:
            self._running.discard(process)
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
        await asyncio.to_thread(order.unlink, missing_ok=True)

    def close(self) -> None:
        """Jobs are done again after a restart: at the end of the process they are simply ended."""
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()


class Copies:
    """The copies of one hearing."""

    def __init__(
        self, room: Room, jobs: CopyJobs, now: Callable[[], int], ids: Callable[[], str] = lambda: secrets.token_hex(8)
    ) -> None:
        self._room = room
        self._jobs = jobs
        self._now = now
        self._ids = ids
        self._copies: dict[str, Copy] = {}
        self._issued_at: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._known = False
        self._turn = asyncio.Lock()

    async def resume(self) -> None:
        """What the ledger holds, and the jobs that are still to be done; called when the archive is sealed."""
        async with self._turn:
            if self._known:
                return
            for entry in await self._room.entries_of("archive_noted"):
                self._remember(str(entry.body["what"]), entry.body["detail"], entry.at)
            self._known = True
            for copy in list(self._copies.values()):
                there = await asyncio.to_thread(self._jobs.file(self._room.id, copy.id).is_file)
                if copy.state != "ready" or not there:
                    self._start(replace(copy, state="queued", percent=0, made_at=None))

    def _remember(self, what: str, detail: Mapping[str, Any], at: int) -> None:
        copy = str(detail.get("copy", ""))
        if what == "copy_issued":
            self._copies[copy] = Copy(copy, str(detail["recipient"]), str(detail["purpose"]))
            self._issued_at[copy] = at
        elif what == "copy_made" and copy in self._copies:
            self._copies[copy] = replace(self._copies[copy], state="ready", percent=100, made_at=at)

    def listed(self) -> Sequence[Copy]:
        """Every copy, the oldest first; who may see which is ``access.may_see_copy``."""
        return list(self._copies.values())

    @property
    def idle(self) -> bool:
        """Whether every copy that was ordered is made."""
        return not self._tasks and all(copy.state == "ready" for copy in self._copies.values())

    def get(self, copy: str) -> Copy | None:
        return self._copies.get(copy)

    async def issue(self, recipient: str, purpose: str, by: str) -> Copy:
        """Orders a copy. The same order while it is being made is the same copy. ``Refused``: ``no_archive``,
        ``copy_recipient``, ``too_many_copies``."""
        if self._room.archive.state != "sealed" or self._room.archive.bag is None:
            raise Refused("no_archive")
        if not access.may_have_copy(self._room.hearing, recipient):
            raise Refused("copy_recipient")
        await self.resume()
        async with self._turn:
            for copy in self._copies.values():
                if (copy.recipient, copy.purpose) == (recipient, purpose) and copy.state in ("queued", "making"):
                    return copy
            if self._jobs.waiting >= MAX_WAITING or len(self._copies) >= MAX_COPIES:
                raise Refused("too_many_copies")
            copy = Copy(self._ids(), recipient, purpose)
            detail: dict[str, str | int] = {"copy": copy.id, "recipient": recipient, "purpose": purpose, "by": by}
            self._issued_at[copy.id] = self._now()
            await self._room.submit(ObserveArchive(what="copy_issued", detail=detail))
            self._start(copy)
            return self._copies[copy.id]

    async def read(self, copy: str, reader: str) -> Path:
        """The file, after the download is in the ledger (invariant 10)."""
        found = self._copies.get(copy)
        if found is None:
            raise Refused("not_found")
        if found.state != "ready":
            raise Refused("copy_not_ready")
        detail: dict[str, str | int] = {"copy": copy, "recipient": found.recipient, "reader": reader, "what": "copy"}
        await self._room.submit(ObserveArchive(what="copy_read", detail=detail))
        return self._jobs.file(self._room.id, copy)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- making -----------------------------------------------------------------------------------

    def _start(self, copy: Copy) -> None:
        self._copies[copy.id] = copy
        self._jobs.waiting += 1
        task = asyncio.create_task(self._make(copy.id), name=f"copy-{copy.id}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._jobs.waiting -= 1
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("copy_bug", hearing=self._room.id, copy=task.get_name(), exc_info=error)
            self._change(task.get_name().removeprefix("copy-"), state="failed", eta_s=None)

    async def _make(self, copy: str) -> None:
        async with self._jobs.one_at_a_time:
            for attempt in range(ATTEMPTS):
                self._change(copy, state="making", percent=0)
                try:
                    digest = await self._attempt(copy)
                except (OSError, Unavailable) as error:
                    log.error("copy_failed", hearing=self._room.id, copy=copy, error=type(error).__name__)
                    digest = ""
                if digest:
                    await self._finished(copy, digest)
                    return
                log.error("copy_attempt_failed", hearing=self._room.id, copy=copy, attempt=attempt)
        self._change(copy, state="failed", eta_s=None)

    async def _attempt(self, copy: str) -> str:
        bag = self._room.archive.bag
        if bag is None:
            return ""
        digest = ""
        async with contextlib.aclosing(self._jobs.make(self._room.id, copy, bag, self._label(copy))) as said:
            async for progress in said:
                digest = progress.sha256
                self._change(copy, percent=min(99, progress.percent), eta_s=progress.eta_s)
        return digest

    async def _finished(self, copy: str, digest: str) -> None:
        await self._room.submit(ObserveArchive(what="copy_made", detail={"copy": copy, "sha256": digest}))
        self._change(copy, state="ready", percent=100, eta_s=None, made_at=self._now())

    def _change(self, copy: str, **fields: Any) -> None:
        if copy in self._copies:
            self._copies[copy] = replace(self._copies[copy], **fields)

    def _label(self, copy: str) -> str:
        """What the visible mark says: whose copy, since when, and its number."""
        from datetime import UTC, datetime, timedelta, timezone

        seat = self._room.hearing.seats[self._copies[copy].recipient]
        issued = datetime.fromtimestamp(self._issued_at[copy] // 1_000_000, UTC)
        words = issued.astimezone(timezone(timedelta(hours=8))).strftime("%Y-%m-%d %H:%M")
        lang: Any = self._jobs.lang
        name = " ".join(self._room.names.get(seat.id, seat.id).split())[:MAX_LABEL_NAME]
        role = _called(signing.title_of(self._room.hearing, seat), lang)
        return text("copy.label", lang, role=role, name=name, time=words, id=copy)


def _called(title: str, lang: Any) -> str:
    """As short as there is a word for: it stands in the picture."""
    short = f"role.{title}.short"
    return text(short if known(short) else f"role.{title}", lang)


def _prepare(key: Path, order: Path, label: str) -> None:
    load_or_create(key, lambda: secrets.token_bytes(KEY_BYTES))
    order.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    order.touch(mode=0o600)
    order.write_text(label, encoding="utf-8")


def _progress(line: bytes) -> Progress | None:
    try:
        said = json.loads(line)
        match said.get("event"):
            case "progress":
                eta = said.get("eta_s")
                return Progress(max(0, min(99, int(said["percent"]))), int(eta) if eta is not None else None)
            case "copied":
                return Progress(100, None, str(said["sha256"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return None
