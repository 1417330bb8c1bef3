"""A ledger is read and sent in pieces; whoever gets half of one cannot take it for the whole."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from courtroom.errors import Unavailable
from courtroom.hearing.commands import ObserveJournal
from courtroom.hearing.ledger import from_line, to_line, verify_chain
from courtroom.server.jsonl import LINES_AT_ONCE
from tests.server.conftest import Made


async def test_a_long_ledger_comes_whole_and_in_order(made: Made, http: aiohttp.ClientSession) -> None:
    ids = {role: one["id"] for role, one in made.seats.items()}
    while len(made.room.entries) < 3 * LINES_AT_ONCE + 7:
        detail: dict[str, str | int] = {"ms": len(made.room.entries)}
        await made.room.submit(ObserveJournal(seat=ids["plaintiff"], what="stepped", detail=detail))
    url = f"{made.running.url}/api/v1/hearings/{made.id}/ledger"
    async with http.get(url, headers=made.running.staff) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/jsonl; charset=utf-8"
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert "Content-Security-Policy" in answer.headers
        lines = (await answer.text()).splitlines()
    entries = [from_line(line) for line in lines]
    assert entries == made.room.entries
    assert verify_chain(entries) is None
    assert f'"hash":"{entries[-1].hash}"' in answer.headers["Courtroom-Head"]


@pytest.mark.parametrize("after", [0, LINES_AT_ONCE - 1, 2 * LINES_AT_ONCE + 1])
async def test_a_store_that_fails_on_the_way_is_no_short_ledger(
    made: Made, http: aiohttp.ClientSession, after: int
) -> None:
    line = to_line(made.room.entries[0])

    async def lines() -> AsyncIterator[str]:
        for _ in range(after):
            yield line
        raise Unavailable("store_failed")

    made.room.lines = lines  # type: ignore[method-assign]
    url = f"{made.running.url}/api/v1/hearings/{made.id}/ledger"
    if after < LINES_AT_ONCE:
        async with http.get(url, headers=made.running.staff) as answer:
            assert answer.status == 503
            assert (await answer.json())["code"] == "store_failed"
        return
    async with http.get(url, headers=made.running.staff) as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
