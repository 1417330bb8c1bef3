"""``journal.js`` under Node against a real intake: the chain it writes is the chain the court verifies."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp

from courtroom.hearing.clientjournal import Note, first_hash, holding
from tests.server.conftest import make
from tests.server.court import serving, settings
from tests.web.fixture import WEB

SCRIPT = Path(__file__).parent / "journal.mjs"


async def test_the_court_follows_what_the_module_writes(tmp_path: Path) -> None:
    module = tmp_path / "journal.mjs"  # Node reads a module by its name
    module.write_text((WEB / "static/js/journal.js").read_text(encoding="utf-8"), encoding="utf-8")
    async with serving(settings(tmp_path)) as running, aiohttp.ClientSession() as http:
        made = await make(running, http)
        seat = made.seats["plaintiff"]
        process = await asyncio.create_subprocess_exec(
            "node", str(SCRIPT), str(module), running.url, made.id, seat["id"], seat["token"],
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(120):
            out, problems = await process.communicate()
        assert process.returncode == 0, problems.decode()[-2000:]
        said = json.loads(out)
        assert (said["all"], said["more"], said["state"]) == (True, True, "memory")
        assert said["first"]["acked"] == 4
        assert said["chain"]["acked"] == said["chain"]["n"] == 2104
        assert said["kept"] == 2000  # bounded there
        assert said["samples"] == 8
        uploads = await running.registry.journal(made.id, seat["id"])
        kept = [json.loads(line) for _, lines in uploads for line in lines.splitlines()]
        notes = [Note(one["n"], one["at"], one["up"], one["kind"], one["detail"], one["hash"]) for one in kept]
        assert [note.kind for note in notes[:4]] == ["begun", "offline", "battery", "track"]
        assert notes[2].detail == {"percent": 10, "charging": 0, "odd": "a_b_c_"}
        assert holding(0, first_hash(said["chain"]["chain"], made.id, seat["id"]), notes[:4]) == 4
        assert notes[4].n == 105  # what was let go of before it was uploaded is missing, by number
        assert holding(105, notes[4].hash, notes[5:]) == 1999
        (missing,) = [entry.body for entry in made.room.entries if entry.type == "journal_noted"]
        assert (missing["what"], missing["detail"]["count"]) == ("missing", 100)
