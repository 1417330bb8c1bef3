"""One embedded database file: one writer connection, a few readers, no call that blocks the event loop.

Rules
* Journal WAL and ``synchronous=FULL``: when ``write`` returns, the transaction survives SIGKILL and power loss
  (sqlite.org/pragma.html#pragma_synchronous). Readers never wait for the writer.
* Writes are serialised, begin with ``BEGIN IMMEDIATE``, and run to their end even when the asker is cancelled: a
  caller that goes away must not leave half a transaction or a connection in an unknown state.
* A failing store is ``Unavailable("store_failed")`` and nothing was written. A broken UNIQUE is ``Conflict``, for
  adapters.
* aiosqlite runs each connection in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from courtroom.errors import Unavailable
from courtroom.store.tables import migrate

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

BUSY_TIMEOUT_MS: Final = 5000
READERS: Final = 4
CACHE_KB: Final = 128
"""Of each connection. The default of 2 MB fills up over hours of writing like a leak, and the kernel caches as well."""
READ_WAIT_S: Final = 10.0


class Conflict(Exception):
    """A UNIQUE, CHECK or FOREIGN KEY of the database refused the transaction."""


def _engine(url: str, busy_ms: int, *, begin: str, size: int, read_only: bool) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=size, max_overflow=0, pool_timeout=READ_WAIT_S)

    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun by us, not guessed by the driver
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={busy_ms:d}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",  # an erased name is overwritten, not only unlinked
            "trusted_schema=OFF",
            f"cache_size=-{CACHE_KB:d}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    def begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "begin", begun)
    return engine


class Database:
    """``await Database.open(url)``, then ``write`` and ``read``; ``close`` waits for what is under way."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine) -> None:
        self._writer = writer
        self._reader = reader
        self._turn = asyncio.Lock()
        self._under_way: set[asyncio.Task[Any]] = set()

    @classmethod
    async def open(cls, url: str, busy_ms: int = BUSY_TIMEOUT_MS) -> Database:
        """``sqlite+aiosqlite:///PATH``, migrated; ``busy_ms``: how long another process may hold the write lock."""
        database = cls(
            _engine(url, busy_ms, begin="BEGIN IMMEDIATE", size=1, read_only=False),
            _engine(url, busy_ms, begin="BEGIN", size=READERS, read_only=True),
        )

        async def schema(connection: AsyncConnection) -> None:
            await connection.run_sync(migrate)

        try:
            await database.write(schema)
            await database._open_readers()
        except LookupError as error:
            await database.close()
            raise Unavailable("store_newer") from error
        except BaseException:
            await database.close()
            raise
        return database

    async def _open_readers(self) -> None:
        """All at once: one that is opened as soon as two are needed looks like a leak of descriptors in a long run."""
        try:
            async with contextlib.AsyncExitStack() as held:
                for _ in range(READERS):
                    await held.enter_async_context(self._reader.connect())
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("store_failed") from error

    async def write(self, work: Work[T]) -> T:
        """Runs ``work`` in the one write transaction; committed and on disk when this returns."""
        task = asyncio.ensure_future(self._write(work))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _write(self, work: Work[T]) -> T:
        async with self._turn:
            try:
                async with self._writer.begin() as connection:
                    return await work(connection)
            except IntegrityError as error:
                raise Conflict from error
            except (SQLAlchemyError, OSError) as error:
                raise Unavailable("store_failed") from error

    async def read(self, work: Work[T]) -> T:
        """Runs ``work`` on a snapshot; it cannot write."""
        try:
            async with self._reader.connect() as connection:
                return await work(connection)
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("store_failed") from error

    async def writable(self) -> bool:
        """Whether a write transaction can be had now."""

        async def nothing(_: AsyncConnection) -> None:
            return

        try:
            await self.write(nothing)
        except Unavailable:
            return False
        return True

    async def close(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self._writer.dispose()
        await self._reader.dispose()
