"""The contract suite against every adapter, and what only the SQLite one promises."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from courtroom.errors import Unavailable
from courtroom.store.database import READERS, Database
from courtroom.store.keys import SigningKey
from courtroom.store.ledgers import SqlLedgers
from courtroom.store.memory import MemoryLedgers, MemoryRegistry
from courtroom.store.registry import SqlRegistry
from courtroom.store.secrets import Vault
from tests.store.ledgers_contract import LedgersContract, RegistryContract, chain, seat


def url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path / 'court.sqlite3'}"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(url(tmp_path))
    yield opened
    await opened.close()


class TestSqliteLedgers(LedgersContract):
    @pytest.fixture
    def ledgers(self, database: Database) -> SqlLedgers:
        return SqlLedgers(database)


class TestMemoryLedgers(LedgersContract):
    @pytest.fixture
    def ledgers(self) -> MemoryLedgers:
        return MemoryLedgers()


class TestSqliteRegistry(RegistryContract):
    @pytest.fixture
    def registry(self, database: Database, tmp_path: Path) -> SqlRegistry:
        return SqlRegistry(database, Vault.load(tmp_path / "vault.key"))


class TestMemoryRegistry(RegistryContract):
    @pytest.fixture
    def registry(self) -> MemoryRegistry:
        return MemoryRegistry()


async def test_the_fence_holds_between_two_processes_worth_of_connections(tmp_path: Path) -> None:
    one, two = await Database.open(url(tmp_path)), await Database.open(url(tmp_path))
    try:
        stale = await SqlLedgers(one).claim("h-1")
        fresh = await SqlLedgers(two).claim("h-1")
        with pytest.raises(Unavailable) as refused:
            await SqlLedgers(one).append("h-1", chain("h-1", 1), stale)
        assert refused.value.code == "not_owner"
        await SqlLedgers(two).append("h-1", chain("h-1", 1), fresh)
        assert len(await SqlLedgers(one).entries("h-1")) == 1
    finally:
        await one.close()
        await two.close()


async def test_readers_are_there_from_the_start(database: Database, tmp_path: Path) -> None:
    """However many read at once later on: as many descriptors as at the beginning."""
    together = asyncio.Barrier(READERS)

    async def look(connection: AsyncConnection) -> int:
        await connection.exec_driver_sql("SELECT 1")
        await together.wait()
        return await asyncio.to_thread(descriptors, tmp_path)

    before = await asyncio.to_thread(descriptors, tmp_path)
    assert await asyncio.gather(*(database.read(look) for _ in range(READERS))) == [before] * READERS


def descriptors(folder: Path) -> int:
    """Open ones of this process for files in ``folder``."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += link.readlink().is_relative_to(folder)
    return count


async def test_the_database_itself_refuses_to_change_or_lose_a_line(database: Database, tmp_path: Path) -> None:
    ledgers = SqlLedgers(database)
    await ledgers.append("h-1", chain("h-1", 2), await ledgers.claim("h-1"))
    raw = sqlite3.connect(tmp_path / "court.sqlite3")
    try:
        for statement in (
            "UPDATE ledger_entries SET line = '{}'",
            "DELETE FROM ledger_entries WHERE seq = 2",
            "INSERT INTO ledger_entries SELECT hearing, seq, hash, line FROM ledger_entries",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                raw.execute(statement)
            raw.rollback()
    finally:
        raw.close()
    assert await ledgers.entries("h-1") == chain("h-1", 2)


async def test_wal_and_full_sync_are_in_force(database: Database) -> None:
    async def pragmas(connection):  # type: ignore[no-untyped-def]
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "secure_delete")
        return [(await connection.exec_driver_sql(f"PRAGMA {name}")).scalar() for name in names]

    assert await database.write(pragmas) == ["wal", 2, 1, 5000, 1]


async def test_no_name_code_or_check_lies_readable_on_disk(tmp_path: Path) -> None:
    database = await Database.open(url(tmp_path))
    registry = SqlRegistry(database, await asyncio.to_thread(Vault.load, tmp_path / "vault.key"))
    record = seat(424242)
    await registry.add_seats([record])
    await registry.add_check("h-1", record.seat, 7, '{"udp":"certainly-reachable"}')
    await database.close()
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert any(record.seat.encode() in content for content in files), "the seat id is what may be read"
    for secret in (record.name.encode(), b'"424242"', b"certainly-reachable"):
        assert not any(secret in content for content in files)


async def test_another_key_file_opens_nothing(database: Database, tmp_path: Path) -> None:
    await SqlRegistry(database, await asyncio.to_thread(Vault.load, tmp_path / "one.key")).add_seats([seat(1)])
    with pytest.raises(Unavailable) as refused:
        await SqlRegistry(database, await asyncio.to_thread(Vault.load, tmp_path / "two.key")).seats("h-1")
    assert refused.value.code == "vault_closed"


async def test_a_sealed_name_moved_to_another_seat_does_not_open(database: Database, tmp_path: Path) -> None:
    registry = SqlRegistry(database, await asyncio.to_thread(Vault.load, tmp_path / "vault.key"))
    await registry.add_seats([seat(1), seat(2)])
    raw = sqlite3.connect(tmp_path / "court.sqlite3")
    raw.execute("UPDATE seats SET name = (SELECT name FROM seats WHERE seat = 's-1') WHERE seat = 's-2'")
    raw.commit()
    raw.close()
    with pytest.raises(Unavailable):
        await registry.seats("h-1")


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    await (await Database.open(url(tmp_path))).close()
    raw = sqlite3.connect(tmp_path / "court.sqlite3")
    raw.execute("UPDATE schema_version SET version = version + 1")
    raw.commit()
    raw.close()
    with pytest.raises(Unavailable) as refused:
        await Database.open(url(tmp_path))
    assert refused.value.code == "store_newer"


async def test_a_second_start_finds_what_the_first_left(tmp_path: Path) -> None:
    first = await Database.open(url(tmp_path))
    ledgers = SqlLedgers(first)
    await ledgers.append("h-1", chain("h-1", 3), await ledgers.claim("h-1"))
    await first.close()
    second = await Database.open(url(tmp_path))
    assert await SqlLedgers(second).entries("h-1") == chain("h-1", 3)
    assert await SqlLedgers(second).claim("h-1") == 2
    await second.close()


async def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    database = await Database.open(url(tmp_path), busy_ms=50)
    blocker = sqlite3.connect(tmp_path / "court.sqlite3", isolation_level=None)
    try:
        assert await database.writable()
        blocker.execute("BEGIN IMMEDIATE")
        assert not await database.writable()
        with pytest.raises(Unavailable) as refused:
            await SqlLedgers(database).claim("h-1")
        assert refused.value.code == "store_failed"
        assert await SqlLedgers(database).entries("h-1") == []
        blocker.execute("ROLLBACK")
        assert await database.writable()
    finally:
        blocker.close()
        await database.close()


def test_the_signing_key_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    key = SigningKey.load(tmp_path / "keys" / "court.pem")
    again = SigningKey.load(tmp_path / "keys" / "court.pem")
    assert key.hex == again.hex
    assert len(bytes.fromhex(key.hex)) == 32
    assert key.sign(b"head") == again.sign(b"head")
    assert stat.S_IMODE((tmp_path / "keys" / "court.pem").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["court.pem"]


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    SigningKey.load(tmp_path / "court.pem")
    (tmp_path / "court.pem").chmod(0o644)
    with pytest.raises(Unavailable) as refused:
        SigningKey.load(tmp_path / "court.pem")
    assert refused.value.code == "secret_file_open"


def test_a_key_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "court.pem").touch(mode=0o600)
    (tmp_path / "vault.key").touch(mode=0o600)
    with pytest.raises(Unavailable, match="signing_key"):
        SigningKey.load(tmp_path / "court.pem")
    with pytest.raises(Unavailable, match="vault_key"):
        Vault.load(tmp_path / "vault.key")


def test_a_key_is_not_written_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_bytes(b"mine")
    os.symlink(target, tmp_path / "court.pem")
    with pytest.raises(OSError, match=r"symbolic links|loop"):
        SigningKey.load(tmp_path / "court.pem")
    assert target.read_bytes() == b"mine"
