"""Holds and periods over HTTP: who may order them, that each is a ledger line, and that nothing follows from them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from courtroom.config import load
from courtroom.hearing.holds import PERIODS, YEAR_US, holds_of, retention_of
from courtroom.hearing.ledger import replay
from courtroom.server.limits import Limits
from tests.server.conftest import Made, make
from tests.server.court import serving, settings
from tests.server.test_archive_signing import HTML, sealed

WEB = load({}, {}).web
WHY = "再审审查期间保全"


def url(made: Made, rest: str = "holds") -> str:
    return f"{made.running.url}/api/v1/hearings/{made.id}/archive/{rest}"


async def post(
    made: Made, http: aiohttp.ClientSession, body: Any, by: dict[str, str] | None = None, rest: str = "holds"
) -> tuple[int, Any]:
    async with http.post(url(made, rest), json=body, headers=by or made.running.staff) as answer:
        return answer.status, await answer.json()


async def test_a_hold_is_a_ledger_line_and_is_shown_until_it_is_lifted(made: Made, http: aiohttp.ClientSession) -> None:
    status, told = await post(made, http, {"reason": WHY, "until": 5}, made.bearer("clerk"))
    assert status == 201
    (hold,) = told["holds"]
    assert (hold["by"], hold["reason"], hold["until"], hold["lifted_at"]) == (made.seats["clerk"]["id"], WHY, 5, 0)
    entry = made.room.entries[hold["seq"] - 1]
    assert (entry.type, entry.body["what"]) == ("archive_noted", "hold")
    status, told = await post(made, http, {"reason": "审查终结", "lift": hold["id"]}, made.bearer("presiding_judge"))
    assert status == 201
    assert told["holds"][0]["lifted_at"] > 0
    async with http.get(url(made), headers=made.running.staff) as answer:
        assert await answer.json() == told
    assert holds_of(made.room.entries)[0].lifted_at == told["holds"][0]["lifted_at"]


@pytest.mark.parametrize("role", ["plaintiff", "defendant", "witness"])
async def test_parties_and_witnesses_do_not_find_them(made: Made, http: aiohttp.ClientSession, role: str) -> None:
    before = len(made.room.entries)
    for rest, body in (("holds", {"reason": "x"}), ("retention", {"period": "long"})):
        status, _ = await post(made, http, body, made.bearer(role), rest)
        assert status == 404
    async with http.get(url(made), headers=made.bearer(role)) as answer:
        assert answer.status == 404
    assert len(made.room.entries) == before


async def test_the_clerk_does_not_lift_and_nobody_lifts_what_is_not_there(
    made: Made, http: aiohttp.ClientSession
) -> None:
    _, told = await post(made, http, {"reason": WHY})
    name = told["holds"][0]["id"]
    assert (await post(made, http, {"reason": "x", "lift": name}, made.bearer("clerk")))[0] == 409
    assert (await post(made, http, {"reason": "x", "lift": "hold-none"}))[0] == 404
    assert (await post(made, http, {"reason": "x", "lift": name}))[0] == 201
    assert (await post(made, http, {"reason": "x", "lift": name}))[0] == 404


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "x" * 5000}, {"reason": "x", "until": -1}, {"reason": 5}, {"why": "x"}, []]
)
async def test_what_is_no_order_is_refused(made: Made, http: aiohttp.ClientSession, body: Any) -> None:
    assert (await post(made, http, body))[0] in (400, 422)


async def test_a_period_is_data_with_its_source_and_until_then_it_is_for_ever(
    made: Made, http: aiohttp.ClientSession
) -> None:
    async with http.get(url(made), headers=made.running.staff) as answer:
        told = (await answer.json())["retention"]
    assert (told["period"], told["years"], told["seq"]) == ("permanent", 0, 0)
    for period, years in PERIODS.items():
        status, told = await post(made, http, {"period": period}, rest="retention")
        assert (status, told["retention"]["years"]) == (201, years)
        assert told["retention"]["source"]
    assert (await post(made, http, {"period": "none"}, rest="retention"))[0] in (400, 422)
    assert retention_of(made.room.entries, 0)["until"] == PERIODS["short"] * YEAR_US


@pytest.fixture
async def real(tmp_path: Path, http: aiohttp.ClientSession) -> AsyncIterator[Made]:
    """A hearing behind the pages that people see."""
    async with serving(replace(settings(tmp_path), web=WEB), Limits()) as running:
        yield await make(running, http)


async def page_of(made: Made, http: aiohttp.ClientSession, path: str, headers: dict[str, str] | None = None) -> str:
    async with http.get(f"{made.running.url}{path}", headers={**(headers or made.running.staff), **HTML}) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.text()


async def test_a_hold_stands_on_the_page_and_marks_the_list_until_it_is_lifted(
    real: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    made = real
    await sealed(made, tmp_path)
    assert "data-held" not in await page_of(made, http, "/archive")
    _, told = await post(made, http, {"reason": f"<b>{WHY}</b>"}, made.bearer("clerk"))
    name = told["holds"][0]["id"]
    await post(made, http, {"reason": "到期的", "until": 5}, made.bearer("clerk"))
    assert 'data-held="1"' in await page_of(made, http, "/archive"), "one is in force, the other has run out"
    shown = await page_of(made, http, f"/archive/{made.id}")
    assert f'data-hold="{name}" data-state="in_force"' in shown
    assert 'data-state="over"' in shown
    assert f"&lt;b&gt;{WHY}&lt;/b&gt;" in shown
    assert made.room.names[made.seats["clerk"]["id"]] in shown.split('id="keeping"')[1].split("</section>")[0]
    assert 'data-action="lift"' in shown
    await post(made, http, {"reason": "审查终结", "lift": name}, made.bearer("presiding_judge"))
    assert "data-held" not in await page_of(made, http, "/archive")
    shown = await page_of(made, http, f"/archive/{made.id}")
    assert f'data-hold="{name}" data-state="lifted"' in shown
    assert "审查终结" in shown
    assert replay(made.room.entries).held == made.room.hearing.held, "and after a restart as well"


async def test_the_clerk_is_shown_no_way_to_lift(real: Made, http: aiohttp.ClientSession, tmp_path: Path) -> None:
    made = real
    await sealed(made, tmp_path)
    await post(made, http, {"reason": WHY})
    for role, may in (("clerk", False), ("presiding_judge", True)):
        shown = await page_of(made, http, f"/archive/{made.id}", made.bearer(role))
        assert ('data-action="lift"' in shown) is may
