"""The composition root: the only place that chooses adapters, and runs a court until it is told to stop.

Rules
* One process owns a data directory (an advisory lock that dies with the process); everything in it is for its owner
  only.
* Start: secrets, store, docket (which recovers every hearing), pages, then the one ready line. Stop: the same
  backwards.
* Ctrl-C and SIGTERM end it in order; a second one ends it at once.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from aiohttp import web

from courtroom.config import Settings
from courtroom.control import heap
from courtroom.control.api import Docket
from courtroom.control.docket import open_docket
from courtroom.errors import Unavailable
from courtroom.hearing.keyring import CourtKey
from courtroom.hearing.ledger import to_line
from courtroom.server import logs
from courtroom.server.app import make_app
from courtroom.server.demo import DemoSeat, demo_hearing
from courtroom.store import keys
from courtroom.store.database import Database
from courtroom.store.ledgers import SqlLedgers
from courtroom.store.ports import Ledgers, Registry
from courtroom.store.registry import SqlRegistry
from courtroom.store.secrets import Vault, staff_token

SHUTDOWN_S: Final = 3.0
KEEPALIVE_S: Final = 30.0
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Court:
    """A court that answers at ``url``."""

    docket: Docket
    registry: Registry
    url: str
    media: Sequence[str]
    staff_token: str


@contextmanager
def _owned(data: Path) -> Any:
    """The data directory, for this process alone."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable("data_in_use", {"path": str(data)}) from error
        yield
    finally:
        os.close(handle)


def _database_url(settings: Settings) -> str:
    return settings.database_url or f"sqlite+aiosqlite:///{settings.data / 'court.sqlite3'}"


@asynccontextmanager
async def store(settings: Settings) -> AsyncIterator[tuple[Ledgers, Registry]]:
    """The store that the settings name."""
    vault = await asyncio.to_thread(Vault.load, settings.data / "vault.key")
    database = await Database.open(_database_url(settings))
    try:
        yield SqlLedgers(database), SqlRegistry(database, vault)
    finally:
        await database.close()


@asynccontextmanager
async def court(settings: Settings) -> AsyncIterator[Court]:
    """A running court; everything is answered inside the block and nothing is left after it."""
    key_file = settings.data / keys.KEY
    key = await asyncio.to_thread(keys.open_keys, settings.data)
    token = await asyncio.to_thread(staff_token, settings.data / "staff.token", settings.staff_token)
    async with store(settings) as (ledgers, registry):
        docket = await open_docket(ledgers, registry, key.sign, key.hex, key_file, settings)
        try:
            app = make_app(docket, registry, settings, token)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S, keepalive_timeout=KEEPALIVE_S)
            await runner.setup()
            try:
                site = web.TCPSite(runner, settings.host, settings.port)
                await site.start()
                url = settings.url or _url(settings, runner)
                docket.reachable_at(url)
                yield Court(docket, registry, url, docket.media(), token)
            finally:
                await runner.cleanup()
        finally:
            await docket.close()


def _url(settings: Settings, runner: web.AppRunner) -> str:
    """Where a browser on this machine, or on its network, finds the pages."""
    port = int(runner.addresses[0][1])
    host = settings.host
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared with, not bound to
        host = settings.public_addresses[0]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Stop:
    """Ctrl-C and SIGTERM: they cancel a start, or end ``wait``; the second one has its ordinary effect."""

    def __init__(self, starting: asyncio.Task[Any]) -> None:
        self._starting: asyncio.Task[Any] | None = starting
        self._asked = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            self._loop.add_signal_handler(number, self._ask)

    def _ask(self) -> None:
        self._asked.set()
        for number in STOP_SIGNALS:
            self._loop.remove_signal_handler(number)
        if self._starting is not None:
            self._starting.cancel()

    async def wait(self) -> None:
        self._starting = None
        await self._asked.wait()


async def _run(settings: Settings, say: Say, demo: bool) -> None:
    main = asyncio.current_task()
    assert main is not None
    stop = _Stop(main)
    async with court(settings) as running:
        if demo:
            seats = await demo_hearing(running.docket, settings.data / "demo.json")
            _say_demo(running, seats, say)
        heap.settle()
        say(json.dumps({"event": "ready", "url": running.url, "media": list(running.media)}))
        await stop.wait()


def _say_demo(running: Court, seats: Sequence[DemoSeat], say: Say) -> None:
    for one in seats:
        say(f"{one.role:<16} {one.name}\t{running.url}/j/{one.token}")
    say(f"{'staff token':<16} {running.staff_token}")


def run(settings: Settings, demo: bool = False, out: IO[str] | None = None) -> None:
    """Serves until told to stop. Raises ``CourtroomError`` when the court cannot start."""
    stream = sys.stdout if out is None else out

    def say(line: str) -> None:
        stream.write(line + "\n")
        stream.flush()

    logs.configure()
    os.umask(0o077)  # the store, the captures and the archives are the court's alone; children inherit this
    with _owned(settings.data), suppress(asyncio.CancelledError):
        asyncio.run(_run(settings, say, demo))


async def _export(settings: Settings, hearing: str, to: Path) -> int:
    async with store(settings) as (ledgers, _):
        entries = await ledgers.entries(hearing)
        head = await ledgers.head(hearing)
    if not entries:
        raise Unavailable("not_found")
    lines = "".join(to_line(entry) + "\n" for entry in entries)
    await asyncio.to_thread(_write_export, to, lines, to_line(head) if head is not None else "")
    return len(entries)


def _write_export(to: Path, lines: str, head: str) -> None:
    to.mkdir(parents=True, exist_ok=True)
    (to / "ledger.jsonl").write_text(lines, encoding="utf-8")
    if head:
        (to / "head.json").write_text(head + "\n", encoding="utf-8")


def keyring(settings: Settings) -> tuple[CourtKey, ...]:
    """Every signing key this court ever had; () before its first start."""
    return keys.read_ring(settings.data)


def rotate_keys(settings: Settings) -> CourtKey:
    """A new signing key, endorsed by the present one. ``Unavailable("data_in_use")`` while a court is running."""
    with _owned(settings.data):
        return keys.rotate(settings.data, time.time_ns() // 1000)


def export(settings: Settings, hearing: str, to: Path) -> int:
    """Writes ``ledger.jsonl`` and ``head.json`` of a hearing to the directory ``to``; how many entries.

    Reads beside a running court: SQLite's readers do not disturb the writer.
    """
    return asyncio.run(_export(settings, hearing, to))
