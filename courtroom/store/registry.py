"""Persons, tokens, sessions and device checks in a SQL database: the port ``Registry`` over ``Database``.

Rules: names, codes and device checks are sealed by the vault and bound to their row; tokens come in and are looked
up as SHA-256 only; ``erase`` overwrites what is about a person and leaves the seat's id, which is all the ledger knows.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from courtroom.errors import Unavailable
from courtroom.store.database import Conflict
from courtroom.store.personal import PersonalTables
from courtroom.store.ports import SeatKey, SeatRecord
from courtroom.store.tables import device_checks, seats, sessions, staff_sessions


class SqlRegistry(PersonalTables):
    """See ``store.ports.Registry``."""

    async def add_seats(self, records: Sequence[SeatRecord]) -> None:
        rows = [
            {
                "hearing": one.hearing,
                "seat": one.seat,
                "token_hash": one.token_hash,
                "name": self._vault.seal(one.name, "seats", one.hearing, one.seat, "name"),
                "code": self._vault.seal(one.code, "seats", one.hearing, one.seat, "code"),
            }
            for one in records
        ]

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(seats.insert(), rows)

        if not rows:
            return
        try:
            await self._database.write(work)
        except Conflict as error:
            raise Unavailable("store_failed") from error

    async def seats(self, hearing: str) -> list[SeatRecord]:
        async def work(connection: AsyncConnection) -> Sequence[sa.Row[str, str, bytes | None, bytes | None]]:
            query = sa.select(seats.c.seat, seats.c.token_hash, seats.c.name, seats.c.code)
            return (await connection.execute(query.where(seats.c.hearing == hearing).order_by(seats.c.n))).all()

        return [
            SeatRecord(
                hearing, seat, self._open(name, hearing, seat, "name"), token, self._open(code, hearing, seat, "code")
            )
            for seat, token, name, code in await self._database.read(work)
        ]

    def _open(self, sealed: bytes | None, hearing: str, seat: str, field: str) -> str:
        return "" if sealed is None else self._vault.open(sealed, "seats", hearing, seat, field)

    async def seat_by_token(self, token_hash: str) -> SeatKey | None:
        async def work(connection: AsyncConnection) -> SeatKey | None:
            query = sa.select(seats.c.hearing, seats.c.seat).where(seats.c.token_hash == token_hash)
            row = (await connection.execute(query)).first()
            return None if row is None else SeatKey(row[0], row[1])

        return await self._database.read(work)

    async def erase(self, hearing: str) -> None:
        async def work(connection: AsyncConnection) -> None:
            await connection.execute(seats.update().where(seats.c.hearing == hearing).values(name=None, code=None))
            await connection.execute(device_checks.delete().where(device_checks.c.hearing == hearing))
            await self.erase_personal(connection, hearing)

        await self._database.write(work)

    async def add_session(self, session_hash: str, hearing: str, seat: str, expires_at: int) -> None:
        async def work(connection: AsyncConnection) -> None:
            await connection.execute(sessions.delete().where(sessions.c.hearing == hearing, sessions.c.seat == seat))
            row = {"session_hash": session_hash, "hearing": hearing, "seat": seat, "expires_at": expires_at}
            await connection.execute(sessions.insert().values(**row))

        try:
            await self._database.write(work)
        except Conflict as error:
            raise Unavailable("store_failed") from error

    async def session(self, session_hash: str, now: int) -> SeatKey | None:
        async def work(connection: AsyncConnection) -> SeatKey | None:
            query = sa.select(sessions.c.hearing, sessions.c.seat)
            query = query.where(sessions.c.session_hash == session_hash, sessions.c.expires_at > now)
            row = (await connection.execute(query)).first()
            return None if row is None else SeatKey(row[0], row[1])

        return await self._database.read(work)

    async def add_staff_session(self, session_hash: str, expires_at: int, now: int) -> None:
        async def work(connection: AsyncConnection) -> None:
            await connection.execute(staff_sessions.delete().where(staff_sessions.c.expires_at <= now))
            await connection.execute(staff_sessions.insert().values(session_hash=session_hash, expires_at=expires_at))

        try:
            await self._database.write(work)
        except Conflict as error:
            raise Unavailable("store_failed") from error

    async def staff_session(self, session_hash: str, now: int) -> bool:
        async def work(connection: AsyncConnection) -> bool:
            here = sa.and_(staff_sessions.c.session_hash == session_hash, staff_sessions.c.expires_at > now)
            return (await connection.execute(sa.select(staff_sessions.c.session_hash).where(here))).first() is not None

        return await self._database.read(work)

    async def add_check(self, hearing: str, seat: str, at: int, result: str) -> None:
        sealed = self._vault.seal(result, "device_checks", hearing, seat, str(at))

        async def work(connection: AsyncConnection) -> None:
            row = {"hearing": hearing, "seat": seat, "at": at, "result": sealed}
            await connection.execute(device_checks.insert().values(**row))

        await self._database.write(work)

    async def checks(self, hearing: str, seat: str) -> list[tuple[int, str]]:
        async def work(connection: AsyncConnection) -> Sequence[sa.Row[int, bytes]]:
            query = sa.select(device_checks.c.at, device_checks.c.result)
            query = query.where(device_checks.c.hearing == hearing, device_checks.c.seat == seat)
            return (await connection.execute(query.order_by(device_checks.c.n))).all()

        rows = await self._database.read(work)
        return [(at, self._vault.open(result, "device_checks", hearing, seat, str(at))) for at, result in rows]

    async def writable(self) -> bool:
        return await self._database.writable()
