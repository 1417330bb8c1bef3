"""An acknowledged entry survives SIGKILL of the process that wrote it."""

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
