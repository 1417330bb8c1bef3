"""Ledgers in a SQL database: the port ``Ledgers`` over ``Database``.

Rules
* An append is one transaction: a conditional UPDATE of the hearing's chain row ("if the fence is still mine and the
  chain still ends where I think it ends") and the INSERTs. If the condition fails, the reason is read and nothing is
  written.
* UNIQUE(hearing, seq) stands behind that, and behind it two triggers that refuse to change a line.
* What is kept is the canonical line itself, read back by the guarded parser of ``hearing.ledger``.
* Long answers are read ``PAGE`` rows at a time: nobody holds a transaction open or a whole ledger in memory for them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from courtroom.errors import Unavailable
from courtroom.hearing.ledger import FIRST, Entry, SignedHead, from_line, head_from_line, to_line
from courtroom.store.database import Conflict, Database
from courtroom.store.ports import Shelved
from courtroom.store.tables import chains, heads, ledger_entries, shelf

MAX_APPEND: Final = 10_000
PAGE: Final = 200


class SqlLedgers:
    """See ``store.ports.Ledgers``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, hearing: str) -> int:
        async def work(connection: AsyncConnection) -> int:
            mine = chains.c.hearing == hearing
            raised = await connection.execute(chains.update().where(mine).values(fence=chains.c.fence + 1))
            if raised.rowcount == 0:
                await connection.execute(chains.insert().values(hearing=hearing, fence=1, seq=0, tip=FIRST))
            return int((await connection.execute(sa.select(chains.c.fence).where(mine))).scalar_one())

        try:
            return await self._database.write(work)
        except Conflict:  # two first claims at once: the other one has made the row
            return await self._database.write(work)

    async def append(self, hearing: str, entries: Sequence[Entry], fence: int) -> None:
        if not entries:
            return
        _contiguous(hearing, entries)

        async def work(connection: AsyncConnection) -> None:
            mine = chains.c.hearing == hearing
            moved = await connection.execute(
                chains.update()
                .where(mine, chains.c.fence == fence)
                .where(chains.c.seq == entries[0].seq - 1, chains.c.tip == entries[0].prev)
                .values(seq=entries[-1].seq, tip=entries[-1].hash)
            )
            if moved.rowcount != 1:
                held = (await connection.execute(sa.select(chains.c.fence).where(mine))).scalar()
                raise Unavailable("store_failed" if held == fence else "not_owner")
            await connection.execute(
                ledger_entries.insert(),
                [{"hearing": hearing, "seq": one.seq, "hash": one.hash, "line": to_line(one)} for one in entries],
            )

        try:
            await self._database.write(work)
        except Conflict as error:
            raise Unavailable("store_failed") from error

    async def entries(self, hearing: str, after: int = 0) -> list[Entry]:
        mine = sa.and_(ledger_entries.c.hearing == hearing, ledger_entries.c.seq > after)
        return [from_line(line) for line in await self._column(_lines(mine))]

    async def lines(self, hearing: str) -> AsyncIterator[str]:
        after = 0
        while True:
            mine = sa.and_(ledger_entries.c.hearing == hearing, ledger_entries.c.seq > after)
            page = await self._column(_lines(mine).limit(PAGE))
            for line in page:
                yield line
            if len(page) < PAGE:
                return
            after += PAGE  # a chain has no gaps

    async def entries_of(self, hearing: str, types: Sequence[str]) -> list[Entry]:
        # a canonical line ends with its type: what else looks like that is read, and left out below
        alike = sa.or_(*(ledger_entries.c.line.like(f'%,"type":"{name}","v":%') for name in types))
        lines = await self._column(_lines(sa.and_(ledger_entries.c.hearing == hearing, alike)))
        return [entry for line in lines if (entry := from_line(line)).type in types]

    async def hearings(self) -> list[str]:
        return await self._column(sa.select(chains.c.hearing).where(chains.c.seq > 0).order_by(chains.c.n))

    async def _column(self, query: sa.Select[str]) -> list[str]:
        async def work(connection: AsyncConnection) -> list[str]:
            return list((await connection.execute(query)).scalars())

        return await self._database.read(work)

    # --- the shelf --------------------------------------------------------------------------------

    async def shelve(self, shelved: Shelved, fence: int) -> bool:
        async def work(connection: AsyncConnection) -> bool:
            mine = sa.and_(chains.c.hearing == shelved.hearing, chains.c.fence == fence, chains.c.seq == shelved.seq)
            # an UPDATE, not a SELECT: the row stays as it is until this transaction is over
            if (await connection.execute(chains.update().where(mine).values(fence=fence))).rowcount != 1:
                return False
            await connection.execute(shelf.delete().where(shelf.c.hearing == shelved.hearing))
            await connection.execute(shelf.insert().values(**{name: getattr(shelved, name) for name in _SHELVED}))
            return True

        try:
            return await self._database.write(work)
        except Conflict as error:
            raise Unavailable("store_failed") from error

    async def shelved(self) -> AsyncIterator[Shelved]:
        after = 0

        async def work(connection: AsyncConnection) -> Sequence[sa.Row[*tuple[object, ...]]]:
            query = sa.select(chains.c.n, *(shelf.c[name] for name in _SHELVED)).join_from(chains, shelf)
            here = sa.and_(chains.c.n > after, shelf.c.seq == chains.c.seq)
            return (await connection.execute(query.where(here).order_by(chains.c.n).limit(PAGE))).all()

        while True:
            page = await self._database.read(work)
            for row in page:
                yield Shelved(**{name: row._mapping[name] for name in _SHELVED})
            if len(page) < PAGE:
                return
            after = page[-1]._mapping["n"]

    async def unshelved(self) -> list[str]:
        query = sa.select(chains.c.hearing).join_from(chains, shelf, isouter=True)
        wanted = sa.and_(chains.c.seq > 0, sa.or_(shelf.c.seq.is_(None), shelf.c.seq != chains.c.seq))
        return await self._column(query.where(wanted).order_by(chains.c.n))

    # --- heads ------------------------------------------------------------------------------------

    async def save_head(self, head: SignedHead) -> None:
        async def work(connection: AsyncConnection) -> None:
            mine = heads.c.hearing == head.hearing
            row = {"seq": head.seq, "line": to_line(head)}
            # an older head never takes the place of a newer one: it would hide a truncation
            changed = await connection.execute(heads.update().where(mine, heads.c.seq <= head.seq).values(**row))
            if changed.rowcount == 0 and (await connection.execute(sa.select(heads.c.seq).where(mine))).first() is None:
                await connection.execute(heads.insert().values(hearing=head.hearing, **row))

        try:
            await self._database.write(work)
        except Conflict as error:  # a head of a hearing that has no chain
            raise Unavailable("store_failed") from error

    async def head(self, hearing: str) -> SignedHead | None:
        async def work(connection: AsyncConnection) -> str | None:
            query = sa.select(heads.c.line).where(heads.c.hearing == hearing)
            line: str | None = (await connection.execute(query)).scalar()
            return line

        line = await self._database.read(work)
        return None if line is None else head_from_line(line)


_SHELVED: Final = ("hearing", "seq", "sealed", "stamped", "copied", "brief")


def _lines(where: sa.ColumnElement[bool]) -> sa.Select[str]:
    return sa.select(ledger_entries.c.line).where(where).order_by(ledger_entries.c.seq)


def _contiguous(hearing: str, entries: Sequence[Entry]) -> None:
    """An append that is not a piece of one chain is refused before it reaches the database."""
    if len(entries) > MAX_APPEND or entries[0].seq < 1:
        raise Unavailable("store_failed")
    for place, one in enumerate(entries):
        if one.hearing != hearing or (
            place and (one.seq, one.prev) != (entries[place - 1].seq + 1, entries[place - 1].hash)
        ):
            raise Unavailable("store_failed")
