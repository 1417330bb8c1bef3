"""Run by ``test_durability``: continues ledgers and shelves them in turn, says what is durable, until it is killed."""

from __future__ import annotations

import asyncio
import sys

from courtroom.store.database import Database
from courtroom.store.ledgers import SqlLedgers
from courtroom.store.ports import Shelved
from tests.store.ledgers_contract import chain


async def main(url: str) -> None:
    ledgers = SqlLedgers(await Database.open(url))
    for number in range(100_000):
        hearing = f"h-{number}"
        fence = await ledgers.claim(hearing)
        first = chain(hearing, 2)
        await ledgers.append(hearing, first, fence)
        assert await ledgers.shelve(Shelved(hearing, 2, sealed=True, stamped=True, copied=True, brief="{}"), fence)
        sys.stdout.write(f"shelved {hearing}\n")
        if number % 2:
            await ledgers.append(hearing, chain(hearing, 1, after=first[-1]), fence)
            sys.stdout.write(f"on {hearing}\n")
        sys.stdout.flush()


asyncio.run(main(sys.argv[1]))
