"""What else is kept about a person beside the ledger: contacts, links of notices, journals of browsers, keys of files.

Rules: contacts, journals and keys are sealed by the vault and bound to their row; links are kept as SHA-256 of their
token and run out; all of it goes with ``erase``, and with its key every attachment of a hearing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from courtroom.errors import Unavailable
from courtroom.store.database import Conflict, Database
from courtroom.store.ports import Contact, JournalTip, NoticeLink
from courtroom.store.secrets import Vault, new_key
from courtroom.store.tables import attachment_keys, contacts, journal_entries, journals, notice_links


class PersonalTables:
    """The part of ``store.ports.Registry`` that is about reaching people and about what their browsers say."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def erase_personal(self, connection: AsyncConnection, hearing: str) -> None:
        for table in (contacts, notice_links, journals, journal_entries, attachment_keys):
            await connection.execute(table.delete().where(table.c.hearing == hearing))

    # --- attachments ------------------------------------------------------------------------------

    async def attachment_key(self, hearing: str) -> bytes:
        async def read(connection: AsyncConnection) -> bytes | None:
            here = sa.select(attachment_keys.c.content).where(attachment_keys.c.hearing == hearing)
            return (await connection.execute(here)).scalar()

        fresh = self._vault.seal_bytes(new_key(), "attachment_keys", hearing)

        async def make(connection: AsyncConnection) -> bytes:
            known = await read(connection)
            if known is None:
                await connection.execute(attachment_keys.insert().values(hearing=hearing, content=fresh))
            return known or fresh

        sealed = await self._database.read(read)
        if sealed is None:
            try:
                sealed = await self._database.write(make)
            except Conflict:  # somebody else was first
                sealed = await self._database.read(read) or b""
        return self._vault.open_bytes(sealed, "attachment_keys", hearing)

    # --- contacts ---------------------------------------------------------------------------------

    async def add_contacts(self, hearing: str, given: Mapping[str, Contact]) -> None:
        rows = [
            {
                "hearing": hearing,
                "seat": seat,
                "content": self._vault.seal(
                    json.dumps({"email": one.email, "phone": one.phone}), "contacts", hearing, seat
                ),
            }
            for seat, one in given.items()
        ]

        async def work(connection: AsyncConnection) -> None:
            gone = sa.and_(contacts.c.hearing == hearing, contacts.c.seat.in_(list(given)))
            await connection.execute(contacts.delete().where(gone))
            await connection.execute(contacts.insert(), rows)

        if rows:
            await self._database.write(work)

    async def contact(self, hearing: str, seat: str) -> Contact:
        async def work(connection: AsyncConnection) -> bytes | None:
            here = sa.and_(contacts.c.hearing == hearing, contacts.c.seat == seat)
            return (await connection.execute(sa.select(contacts.c.content).where(here))).scalar()

        sealed = await self._database.read(work)
        if sealed is None:
            return Contact()
        return Contact(**json.loads(self._vault.open(sealed, "contacts", hearing, seat)))

    # --- links of notices -------------------------------------------------------------------------

    async def add_notice_link(self, token_hash: str, link: NoticeLink, expires_at: int) -> None:
        async def work(connection: AsyncConnection) -> None:
            row = {
                "token_hash": token_hash, "hearing": link.hearing, "seat": link.seat, "notice": link.notice,
                "expires_at": expires_at, "read_at": link.read_at,
            }  # fmt: skip
            await connection.execute(notice_links.insert().values(**row))

        try:
            await self._database.write(work)
        except Conflict as error:
            raise Unavailable("store_failed") from error

    async def notice_link(self, token_hash: str, now: int) -> NoticeLink | None:
        async def work(connection: AsyncConnection) -> NoticeLink | None:
            row = notice_links.c
            query = sa.select(row.hearing, row.seat, row.notice, row.read_at)
            found = (await connection.execute(query.where(row.token_hash == token_hash, row.expires_at > now))).first()
            return None if found is None else NoticeLink(found[0], found[1], found[2], found[3])

        return await self._database.read(work)

    async def read_notice(self, token_hash: str, now: int) -> bool:
        async def work(connection: AsyncConnection) -> int:
            row = notice_links.c
            unread = sa.and_(row.token_hash == token_hash, row.expires_at > now, row.read_at == 0)
            return (await connection.execute(notice_links.update().where(unread).values(read_at=now))).rowcount

        return await self._database.write(work) == 1

    # --- journals of browsers ---------------------------------------------------------------------

    async def add_journal(self, hearing: str, seat: str, tip: JournalTip, first: int, lines: str) -> None:
        sealed = self._vault.seal(lines, "journal_entries", hearing, seat, tip.chain, str(first)) if lines else b""
        key = {"hearing": hearing, "seat": seat, "chain": tip.chain}
        state = {"n": tip.n, "hash": tip.hash, "broken": tip.broken}

        async def work(connection: AsyncConnection) -> None:
            here = sa.and_(journals.c.hearing == hearing, journals.c.seat == seat, journals.c.chain == tip.chain)
            if not (await connection.execute(journals.update().where(here).values(**state))).rowcount:
                await connection.execute(journals.insert().values(**key, **state))
            if sealed:
                await connection.execute(journal_entries.insert().values(**key, first=first, content=sealed))

        await self._database.write(work)

    async def journal_tips(self, hearing: str, seat: str) -> list[JournalTip]:
        async def work(connection: AsyncConnection) -> Sequence[sa.Row[str, int, str, bool]]:
            row = journals.c
            query = sa.select(row.chain, row.n, row.hash, row.broken).where(row.hearing == hearing, row.seat == seat)
            return (await connection.execute(query.order_by(row.id))).all()

        return [JournalTip(*row) for row in await self._database.read(work)]

    async def journal(self, hearing: str, seat: str) -> list[tuple[str, str]]:
        async def work(connection: AsyncConnection) -> Sequence[sa.Row[str, int, bytes]]:
            row = journal_entries.c
            query = sa.select(row.chain, row.first, row.content).where(row.hearing == hearing, row.seat == seat)
            return (await connection.execute(query.order_by(row.id))).all()

        return [
            (chain, self._vault.open(sealed, "journal_entries", hearing, seat, chain, str(first)))
            for chain, first, sealed in await self._database.read(work)
        ]
