"""What was acknowledged survives SIGKILL of the process that wrote it; what is on the shelf is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from courtroom.hearing.ledger import FIRST
from courtroom.store.database import Database
from courtroom.store.ledgers import SqlLedgers

ROUNDS = 3
ACKNOWLEDGED = 40


async def test_every_acknowledged_entry_is_there_after_sigkill(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'court.sqlite3'}"
    seen = 0
    for _ in range(ROUNDS):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.store.append_until_killed", url],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
        )
        assert child.stdout is not None
        for _ in range(ACKNOWLEDGED):
            seen = int(child.stdout.readline())
        child.kill()  # in the middle of whatever it is doing
        rest = child.stdout.read().split()
        seen = int(rest[-1]) if rest else seen
        child.stdout.close()
        child.wait(10)

        database = await Database.open(url)
        entries = await SqlLedgers(database).entries("h-1")
        await database.close()
        assert len(entries) >= seen
        prev = FIRST
        for place, entry in enumerate(entries, start=1):
            assert (entry.seq, entry.prev) == (place, prev)
            prev = entry.hash
    assert seen >= ROUNDS * ACKNOWLEDGED


async def test_sigkill_hides_no_hearing_that_went_on(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'court.sqlite3'}"
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.store.shelve_until_killed", url],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert child.stdout is not None
    said = [child.stdout.readline().decode().split() for _ in range(ACKNOWLEDGED)]
    child.kill()
    said += [line.split() for line in child.stdout.read().decode().splitlines()]
    child.stdout.close()
    child.wait(10)

    database = await Database.open(url)
    ledgers = SqlLedgers(database)
    on_shelf = {one.hearing: one.seq async for one in ledgers.shelved()}
    open_ones = set(await ledgers.unshelved())
    lengths = {hearing: len(await ledgers.entries(hearing)) for hearing in await ledgers.hearings()}
    await database.close()
    went_on = {words[1] for words in said if words[0] == "on"}
    rested = {words[1] for words in said if words[0] == "shelved" and int(words[1][2:]) % 2 == 0}
    assert rested
    assert went_on
    assert went_on <= open_ones
    assert rested <= on_shelf.keys()
    assert all(lengths[hearing] == seq for hearing, seq in on_shelf.items())
    assert open_ones.isdisjoint(on_shelf)
    assert open_ones | on_shelf.keys() == lengths.keys()
