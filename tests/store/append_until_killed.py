"""Child of ``test_durability``: appends for ever and prints each sequence number once it was acknowledged."""

from __future__ import annotations

import asyncio
import sys

from courtroom.store.database import Database
from courtroom.store.ledgers import SqlLedgers
from tests.store.ledgers_contract import chain


async def main(url: str) -> None:
    ledgers = SqlLedgers(await Database.open(url))
    fence = await ledgers.claim("h-1")
    last = (await ledgers.entries("h-1"))[-1:]
    while True:
        fresh = chain("h-1", 1, after=last[-1] if last else None)
        await ledgers.append("h-1", fresh, fence)
        last = fresh
        print(fresh[0].seq, flush=True)


asyncio.run(main(sys.argv[1]))
