"""The browser's own journal, in a real Chromium on a real court: written down, verified, weighed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import async_playwright

from courtroom.hearing.clientjournal import Note, first_hash, holding
from tests.e2e.court import Court, Issued, until
from tests.e2e.devices import JUDGE, PLAINTIFF
from tests.e2e.people import AtBrowser, at_browsers

STOPPED_S = 8.0
"""More than the page may be late before it says that it slept."""


async def kept(court: Court, made: Issued, seat: str) -> list[dict[str, Any]]:
    """What the court has of a seat's journal."""
    status, body = await court.call("GET", f"/api/v1/hearings/{made.id}/journal/{seat}")
    assert status == 200, body
    return [json.loads(line) for line in body.decode().splitlines()]


async def interruptions(court: Court, made: Issued, seat: str) -> list[dict[str, Any]]:
    return [spell for spell in await court.timeline(made.id, seat) if spell["state"] == "interrupted"]


def with_fact(court: Court, made: Issued, seat: str, fact: str) -> Callable[[], Awaitable[dict[str, Any] | None]]:
    """The interruption that has this fact among its evidence."""

    async def look() -> dict[str, Any] | None:
        spells = await interruptions(court, made, seat)
        return next((one for one in spells if any(row["fact"] == fact for row in one["evidence"])), None)

    return look


def processes(parent: int) -> list[int]:
    """A process and everything below it."""
    found = [parent]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def browsers() -> set[int]:
    """Chromium processes started by this process."""
    mine = processes(os.getpid())
    return {pid for pid in mine if b"--type=" in _line(pid) or b"chromium" in _line(pid)}


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.e2e
async def test_the_browsers_journal_explains_interruptions(tmp_path: Path) -> None:
    """Offline, asleep, crashed, then a journal that somebody changed."""
    async with (
        Court(tmp_path / "data") as court,
        async_playwright() as playwright,
        at_browsers(playwright, [PLAINTIFF], tmp_path) as sitting,
    ):
        made = await court.create([JUDGE, PLAINTIFF])
        seat, one = made.seat(PLAINTIFF), sitting["plaintiff"]
        await one.join(made.seats["plaintiff"]["join_url"])
        await one.when("() => window.__courtroom.journal.acked > 0")

        await _offline(court, made, seat, one)
        await _asleep(court, made, seat, one)
        await _crashed(court, made, seat, one)
        await _changed(court, made, seat, one)


async def _offline(court: Court, made: Issued, seat: str, one: AtBrowser) -> None:
    await one.context.set_offline(True)
    await one.when("() => document.body.dataset.socket === 'down'")
    await until(lambda: interruptions(court, made, seat))
    await one.context.set_offline(False)
    spell = await until(with_fact(court, made, seat, "client_offline"))
    row = next(row for row in spell["evidence"] if row["fact"] == "client_offline")
    assert row["clock"] == "client"
    assert row["error_us"] < 5_000_000
    assert abs(row["court_at"] - row["at"]) <= row["error_us"] + 1_000_000  # one machine, one clock
    assert spell["cause"] == "network_lost"


async def _asleep(court: Court, made: Issued, seat: str, one: AtBrowser) -> None:
    before = len(await interruptions(court, made, seat))
    stopped = browsers()
    assert stopped
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def lost() -> bool:
            return len(await interruptions(court, made, seat)) > before and loop.time() - began > STOPPED_S

        await until(lost)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    spell = await until(with_fact(court, made, seat, "client_slept"))
    assert spell["cause"] == "power_suspected"


async def _crashed(court: Court, made: Issued, seat: str, one: AtBrowser) -> None:
    """The page dies without a word and is loaded again."""
    address = one.page.url
    with pytest.raises(PlaywrightError):
        await one.page.goto("chrome://crash")
    one.page = await one.context.new_page()
    await one.page.goto(address)
    spell = await until(with_fact(court, made, seat, "page_crashed"))
    assert spell["cause"] == "device_failure"


async def _changed(court: Court, made: Issued, seat: str, one: AtBrowser) -> None:
    """Every chain that came holds; one that is changed before it is handed over is noted as rewritten."""
    lines = await kept(court, made, seat)
    for chain in {line["chain"] for line in lines}:
        notes = [
            Note(line["n"], line["at"], line["up"], line["kind"], line["detail"], line["hash"])
            for line in lines
            if line["chain"] == chain
        ]
        assert holding(0, first_hash(chain, made.id, seat), notes) == len(notes) > 0
    assert await noted(court, made) == {"kept"}
    await one.page.route("**/journal", lambda route: route.abort())
    await one.page.evaluate("dispatchEvent(new Event('offline'))")
    await until(lambda: one.page.evaluate(CHANGE))
    await one.page.unroute("**/journal")
    await one.page.reload()

    async def found() -> bool:
        return "rewritten" in await noted(court, made)

    await until(found)


async def noted(court: Court, made: Issued) -> set[str]:
    return {line["body"]["what"] for line in await court.ledger(made.id) if line["type"] == "journal_noted"}


CHANGE = """() => new Promise((resolve, reject) => {
    const asked = indexedDB.open('courtroom-journal', 1);
    asked.onerror = () => reject(asked.error);
    asked.onsuccess = () => {
        const chain = window.__courtroom.journal.chain;
        const change = asked.result.transaction('entries', 'readwrite');
        let changed = false;
        change.oncomplete = () => { asked.result.close(); resolve(changed); };
        change.objectStore('entries').openCursor(null, 'prev').onsuccess = ({ target }) => {
            const cursor = target.result;
            if (!cursor || changed) return;
            const entry = cursor.value;
            if (entry.chain === chain && entry.kind === 'offline') {
                changed = true;
                cursor.update({ ...entry, at: entry.at - 60000 });
            } else cursor.continue();
        };
    };
})"""
"""Sets the newest entry of the living chain back by a minute, as somebody with the browser's tools could."""
