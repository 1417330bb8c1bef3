"""From a closed hearing to its archive: one job at a time, in a process of its own, niced below everything.

Rules: the job is idempotent and is started again after a restart until the bag is there; its progress is a line of JSON
on stdout; its crash touches no hearing and shows as ``failed``. The bag's own manifest is the only source of what is
shown as seal. Nothing here deletes: a failed attempt's folder is left to the job itself, which resumes it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import structlog

from courtroom.control.api import Archive
from courtroom.control.copies import CopyJobs
from courtroom.control.speakers import SpeakerIndex
from courtroom.errors import Refused, Unavailable
from courtroom.hearing.ledger import Entry, SignedHead
from courtroom.hearing.model import Hearing

ATTEMPTS: Final = 3
SETTLE_PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""A writer that died is back long before the last of these; a full disk may need a person."""
VERIFY_TIMEOUT_S: Final = 600.0
MAX_LINE: Final = 1 << 20
LINES_AT_ONCE: Final = 500

log = structlog.get_logger()


class _Programme(msgspec.Struct):
    fps: float | int = 0
    parts: list[Any] = msgspec.field(default_factory=list)


class _Manifest(msgspec.Struct):
    """What is shown of it. The rest is a line for every second and every segment of the hearing: it is passed over and
    never becomes objects."""

    seal: dict[str, Any] = msgspec.field(default_factory=dict)
    programme: _Programme = msgspec.field(default_factory=_Programme)


_MANIFEST: Final = msgspec.json.Decoder(_Manifest)


class Closed(Protocol):
    """What the job needs of a hearing that is over."""

    @property
    def id(self) -> str: ...

    @property
    def hearing(self) -> Hearing: ...

    @property
    def names(self) -> Any: ...

    def lines(self) -> AsyncIterator[str]: ...

    async def entries_of(self, *types: str) -> list[Entry]: ...

    async def head(self) -> SignedHead: ...

    async def settle_recording(self, take: str) -> None: ...


class ArchiveJobs:
    """Runs ``recorder archive`` and ``recorder verify`` for the hearings of this process."""

    def __init__(
        self, directory: Path, captures: Path, key: Path, font: Path | None, tsa: tuple[str, Path] | None = None,
        size: str = "720p",
    ) -> None:  # fmt: skip
        self._directory = directory
        self._captures = captures
        self._key = key
        self._font = font
        self._size = size
        self._keys = key.with_name("keys.json")
        self._tsa = tsa
        self._one_at_a_time = asyncio.Semaphore(1)
        self._running: set[asyncio.subprocess.Process] = set()
        self.speakers = SpeakerIndex(directory)
        self.copies = CopyJobs(directory.parent / "copies", directory.parent / "mark.key", font, self.programme)

    def bag(self, hearing: str) -> Path:
        return self._directory / hearing

    def programme(self, bag: Path) -> Path:
        return bag / "data" / "programme.mp4"

    @property
    def stamps(self) -> bool:
        """Whether seals get a time-stamp here."""
        return self._tsa is not None

    async def stamped(self, hearing: str) -> bool:
        return await asyncio.to_thread((self.bag(hearing) / "timestamp.tsr").exists)

    async def sealed(self, hearing: str) -> Archive | None:
        """The archive that lies in its place, if it does."""
        bag = self.bag(hearing)
        there = await asyncio.to_thread(_is_sealed, bag)
        return _sealed(bag, await asyncio.to_thread(_seal, bag)) if there else None

    def missing(self, hearings: Sequence[str]) -> list[str]:
        """Those of ``hearings`` whose archive is not there (looks at the disk: not in the event loop)."""
        return [hearing for hearing in hearings if not _is_sealed(self.bag(hearing))]

    async def make(self, closed: Closed) -> AsyncIterator[Archive]:
        """Every state the archive goes through; the last one is ``sealed``, ``failed`` or ``none``."""
        bag = self.bag(closed.id)
        if await asyncio.to_thread(_is_sealed, bag):
            await self._stamp(bag)
            yield _sealed(bag, await asyncio.to_thread(_seal, bag))
            return
        take = await self._take_of(closed)
        if not take:
            yield Archive("none")
            return
        yield Archive("queued")
        async with self._one_at_a_time:
            if not await self._settled(closed, take):
                yield Archive("failed")
                return
            for attempt in range(ATTEMPTS):
                async for state in self._attempt(closed, take, bag):
                    yield state
                if await asyncio.to_thread(_is_sealed, bag):
                    yield _sealed(bag, await asyncio.to_thread(_seal, bag))
                    return
                log.error("archive_attempt_failed", hearing=closed.id, attempt=attempt)
            yield Archive("failed")

    async def _settled(self, closed: Closed, take: str) -> bool:
        """Whether everything captured is sealed and in the ledger: nothing is archived before."""
        for pause in SETTLE_PAUSES_S:
            try:
                await closed.settle_recording(take)
            except (Refused, Unavailable) as error:
                log.error("recording_not_settled", hearing=closed.id, code=error.code)
                await asyncio.sleep(pause)
            else:
                return True
        return False

    async def verify(self, bag: Path, lines: AsyncIterator[str]) -> dict[str, Any]:
        """The offline verifier's own report, run as anybody would run it; ``lines``: the ledger as it is now.

        What was ordered since the seal (a period, a hold) stands only there, and it must go on from the sealed one.
        """
        folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="ledger-")
        try:
            later = Path(folder.name) / "ledger.jsonl"
            await write_lines(later, lines)
            return await self._verified(bag, later)
        finally:
            await asyncio.to_thread(folder.cleanup)

    async def _verified(self, bag: Path, later: Path) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "recorder", "verify", str(bag), "--json", "--ledger", str(later),
            *await asyncio.to_thread(self._trust),
            stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(VERIFY_TIMEOUT_S):
                out, _ = await process.communicate()
        except TimeoutError as error:
            process.kill()
            raise Unavailable("verify_failed") from error
        try:
            report = json.loads(out)
        except ValueError as error:
            raise Unavailable("verify_failed") from error
        if not isinstance(report, dict):
            raise Unavailable("verify_failed")
        return report

    def _trust(self) -> list[str]:
        """Our own keys are known here: an archive that was made anew with another key does not pass."""
        authority = ["--tsa-ca", str(self._tsa[1])] if self._tsa else []
        return ["--trust", str(self._keys), *authority] if self._keys.exists() else authority

    async def _stamp(self, bag: Path) -> None:
        """An archive that was sealed while the authority was away gets its time-stamp now, or at the next start."""
        if self._tsa is None or await asyncio.to_thread((bag / "timestamp.tsr").exists):
            return
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "recorder", "stamp", str(bag), "--tsa-url", self._tsa[0], "--tsa-ca",
            str(self._tsa[1]), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self._running.add(process)
        try:
            if await process.wait():
                log.warning("archive_unstamped", hearing=bag.name)
        finally:
            self._running.discard(process)

    def close(self) -> None:
        """Jobs are resumable: at the end of the process they are simply ended."""
        self.speakers.close()
        self.copies.close()
        for process in self._running:
            process.terminate()

    def _seal(self) -> list[str]:
        """What a seal is made with besides the key."""
        keys = ["--keys", str(self._keys)] if self._keys.exists() else []
        return [*keys, "--tsa-url", self._tsa[0], "--tsa-ca", str(self._tsa[1])] if self._tsa else keys

    async def _take_of(self, closed: Closed) -> str:
        begun = await closed.entries_of("recording_started")
        return str(begun[0].body["take"]) if begun else ""

    async def _attempt(self, closed: Closed, take: str, bag: Path) -> AsyncIterator[Archive]:
        work = self._directory / f"{closed.id}.work"
        head = await closed.head()
        await asyncio.to_thread(_prepare, work, head, dict(closed.names))
        await write_lines(work / "ledger.jsonl", closed.lines())
        font = ["--font", str(self._font)] if self._font else []
        seal = await asyncio.to_thread(self._seal)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "recorder", "archive", "--capture", str(self._captures / take),
            "--ledger", str(work / "ledger.jsonl"), "--head", str(work / "head.json"),
            "--people", str(work / "people.json"), "--key", str(self._key), "--out", str(bag), *font, *seal,
            "--size", self._size, "--progress", "json", stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, limit=MAX_LINE, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        self._running.add(process)
        yield Archive("composing")
        try:
            while line := await process.stdout.readline():
                if (state := _progress(line)) is not None:
                    yield state
            await process.wait()
        finally:
            self._running.discard(process)
            if process.returncode is None:
                process.terminate()


def _progress(line: bytes) -> Archive | None:
    try:
        said = json.loads(line)
        if said.get("event") != "progress":
            return None
        eta = said.get("eta_s")
        stage = "sealing" if said.get("stage") == "seal" else "composing"
        return Archive(stage, max(0, min(99, int(said["percent"]))), int(eta) if eta is not None else None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


async def write_lines(file: Path, lines: AsyncIterator[str]) -> None:
    """A ledger into a file, some hundred lines at a time."""
    await asyncio.to_thread(file.write_bytes, b"")
    waiting: list[str] = []

    def write() -> None:
        with file.open("a", encoding="utf-8") as out:
            out.writelines(waiting)

    async for line in lines:
        waiting.append(line + "\n")
        if len(waiting) >= LINES_AT_ONCE:
            await asyncio.to_thread(write)
            waiting.clear()
    await asyncio.to_thread(write)


def _prepare(work: Path, head: SignedHead, names: dict[str, str]) -> None:
    work.mkdir(parents=True, exist_ok=True)
    fields = {name: getattr(head, name) for name in ("hearing", "seq", "hash", "at", "signature", "key")}
    (work / "head.json").write_text(json.dumps(fields), encoding="utf-8")
    (work / "people.json").write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")


def _sealed(bag: Path, seal: dict[str, Any]) -> Archive:
    return Archive("sealed", 100, None, bag, seal)


def _is_sealed(bag: Path) -> bool:
    return (bag / "tagmanifest-sha256.txt").is_file()


def _seal(bag: Path) -> dict[str, Any]:
    try:
        manifest = _MANIFEST.decode((bag / "data" / "manifest.json").read_bytes())
        log_of = json.loads((bag / "data" / "recording-log.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise Refused("archive_damaged") from error
    shown = {"fps": manifest.programme.fps, "parts": manifest.programme.parts}
    return {**manifest.seal, "recording_log": log_of, "programme": shown}
