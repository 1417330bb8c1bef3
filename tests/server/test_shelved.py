"""A finished hearing is let out of memory: whatever is asked of it afterwards is answered as if it had stayed.

A whole court with its real processes, store and server; only the recorder job is of paper.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import socketio

from courtroom import config
from courtroom.bootstrap import Court, court
from courtroom.control import archive
from courtroom.control.docket import CourtDocket
from courtroom.errors import Unavailable
from courtroom.hearing import commands as c
from courtroom.hearing.model import Phase
from courtroom.store.ledgers import SqlLedgers
from courtroom.store.ports import Shelved
from tests.control.test_courtroom import Page
from tests.server.court import STAFF_TOKEN, body

STAFF = {"Authorization": f"Bearer {STAFF_TOKEN}"}
PATIENCE_S = 60.0


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "recorder"
    paper = Path(__file__).with_name("paper_recorder.py")
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {paper} "$@"\n', encoding="utf-8")
    script.chmod(stat.S_IRWXU)
    monkeypatch.setattr(archive, "sys", SimpleNamespace(executable=str(script)))


@asynccontextmanager
async def running(data: Path, **changes: Any) -> AsyncIterator[Court]:
    settings = config.load({"data": str(data), "port": 0, "media_port": 0, "workers": 1}, {})
    async with court(replace(settings, allow_unchecked=True, staff_token=STAFF_TOKEN, **changes)) as up:
        yield up


async def until(good: Callable[[], Any] | Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = good()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.05)


@dataclass
class Sealed:
    """A hearing that was held and sealed, and a court in which to ask for it."""

    court: Court
    http: aiohttp.ClientSession
    id: str
    seats: dict[str, dict[str, str]]  # by role

    @property
    def docket(self) -> CourtDocket:
        assert isinstance(self.court.docket, CourtDocket)
        return self.court.docket

    async def put_back(self) -> None:
        async def gone() -> bool:
            await self.docket.tidy(0)
            return self.docket.find(self.id) is None

        await until(gone)

    async def ask(self, method: str, path: str, role: str = "", **more: Any) -> tuple[int, dict[str, str], bytes]:
        headers = STAFF if not role else {"Authorization": f"Bearer {self.seats[role]['token']}"}
        url = self.court.url + path.format(id=self.id, **{name: one["id"] for name, one in self.seats.items()})
        async with self.http.request(method, url, headers=headers, **more) as answer:
            return answer.status, dict(answer.headers), await answer.read()


async def sealed(up: Court, http: aiohttp.ClientSession) -> Sealed:
    async with http.post(f"{up.url}/api/v1/hearings", json=body(), headers=STAFF) as answer:
        assert answer.status == 201
        made = await answer.json()
    found = Sealed(up, http, made["id"], {one["role"]: one for one in made["seats"]})
    room = found.docket.find(found.id)
    assert room is not None
    ids = {role: one["id"] for role, one in found.seats.items()}
    pages = {seat: Page(f"c-{seat}", "") for seat in ids.values()}
    for seat, page in pages.items():
        await room.attach(seat, page)
    await room.submit(c.OpenHearing(actor=ids["presiding_judge"]))
    await room.detach(
        ids["plaintiff"], pages[ids["plaintiff"]], [{"fact": "socket_dropped", "at": 1, "clock": "court"}]
    )
    await room.submit(c.CloseHearing(actor=ids["presiding_judge"]))
    await until(lambda: room.hearing.seal is not None)
    for role, seat in ids.items():
        if role != "plaintiff":
            await room.detach(seat, pages[seat], [])
    return found


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


READ = (
    ("GET", "/api/v1/hearings", ""),
    ("GET", "/api/v1/hearings/{id}", ""),
    ("GET", "/api/v1/hearings/{id}/ledger", ""),
    ("GET", "/api/v1/hearings/{id}/presence", ""),
    ("GET", "/api/v1/hearings/{id}/archive", ""),
    ("GET", "/api/v1/hearings/{id}/archive", "clerk"),
    ("GET", "/api/v1/hearings/{id}/archive", "defendant"),  # 404, and the same one
    ("GET", "/api/v1/hearings/{id}/archive/holds", "presiding_judge"),
    ("GET", "/api/v1/hearings/{id}/accesses", ""),
    ("GET", "/api/v1/hearings/{id}/isolation", "clerk"),
    ("GET", "/api/v1/hearings/{id}/signatures", "plaintiff"),
    ("GET", "/api/v1/hearings/{id}/explanation", ""),
    ("GET", "/api/v1/hearings/{id}/fairness", ""),
    ("GET", "/api/v1/hearings/{id}/copies", ""),
    ("GET", "/api/v1/hearings/{id}/seats/{plaintiff}/absence", "clerk"),
    ("GET", "/api/v1/hearings/{id}/seats/{plaintiff}/attachments", ""),
    ("GET", "/api/v1/hearings/{id}/journal/{plaintiff}", ""),
    ("POST", "/api/v1/hearings/{id}/archive/verify", ""),
    ("GET", "/docket", ""),
    ("GET", "/archive", ""),
    ("GET", "/archive/{id}", ""),
    ("GET", "/j/TOKEN", "witness"),
)
NOW = re.compile(rb' data-court="[0-9]+"|<div class="band-clock">.*?</div>', re.S)
LISTS = frozenset({"/api/v1/hearings", "/docket", "/archive"})


async def test_every_question_is_answered_as_if_it_had_stayed(
    tmp_path: Path, paper: None, http: aiohttp.ClientSession
) -> None:
    async with running(tmp_path / "data") as up:
        one = await sealed(up, http)
        for method, place, role in READ:
            path = place.replace("TOKEN", one.seats["witness"]["token"])
            stayed = _timeless(await one.ask(method, path, role))
            await one.put_back()
            again = _timeless(await one.ask(method, path, role))
            assert again == stayed, path
            assert (one.docket.find(one.id) is None) == (path in LISTS), path
        gauges = one.docket.metrics()
        assert (gauges["courtroom_hearings"], gauges["courtroom_hearings_open"]) == (1, 1)
        assert (await one.ask("GET", "/api/v1/hearings/h-none/ledger"))[0] == 404


def _timeless(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str, Any]:
    """Without the moment at which it was asked."""
    status, headers, content = answer
    kind = headers["Content-Type"]
    if "html" in kind:
        content = NOW.sub(b"", content)
    if "json" not in kind or "jsonl" in kind:
        return status, kind + headers.get("Courtroom-Head", ""), content
    value = json.loads(content)
    if isinstance(value, dict):
        value.pop("at", None)
    return status, kind, value


async def test_it_comes_back_to_be_acted_on_and_keeps_what_was_done(
    tmp_path: Path, paper: None, http: aiohttp.ClientSession
) -> None:
    async with running(tmp_path / "data") as up:
        one = await sealed(up, http)
        await one.put_back()
        order = {"reason": "再审", "until": 0}
        asked = [one.ask("POST", "/api/v1/hearings/{id}/archive/holds", json=order) for _ in range(10)]
        assert {status for status, _, _ in await asyncio.gather(*asked)} == {201}, "ten first requests at once"
        await one.put_back()
        _, _, content = await one.ask("GET", "/api/v1/hearings/{id}/archive/holds")
        assert len(json.loads(content)["holds"]) == 10
        lines = (await one.ask("GET", "/api/v1/hearings/{id}/ledger"))[2].splitlines()
        assert [json.loads(line)["seq"] for line in lines] == list(range(1, len(lines) + 1))

        await one.put_back()
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(up.url, namespaces=["/hearing"], auth={"token": one.seats["clerk"]["token"]})
        await one.docket.tidy(0)
        assert one.docket.find(one.id) is not None, "somebody is here"
        await client.disconnect()
        await one.put_back()


async def test_a_restart_opens_only_what_something_is_owed_to(
    tmp_path: Path, paper: None, http: aiohttp.ClientSession
) -> None:
    data = tmp_path / "data"
    async with running(data) as up:
        first, second = await sealed(up, http), await sealed(up, http)
        async with http.post(f"{up.url}/api/v1/hearings", json=body(), headers=STAFF) as answer:
            waiting = (await answer.json())["id"]  # has not begun: it waits on the shelf
        await first.put_back()
        await second.put_back()
        seen = await first.ask("GET", "/archive")
    async with running(data) as up:
        docket = up.docket
        assert isinstance(docket, CourtDocket)
        assert [docket.find(hearing) for hearing in (first.id, second.id, waiting)] == [None] * 3
        assert docket.metrics()["courtroom_hearings"] == 3
        first.court = second.court = up
        assert _timeless(await first.ask("GET", "/archive")) == _timeless(seen)
        status, _, _ = await second.ask("POST", "/api/v1/hearings/{id}/archive/holds", json={"reason": "上诉"})
        assert status == 201  # its ledger went on: what the store was told of it holds no longer
    await asyncio.to_thread(shutil.rmtree, data / "archives" / first.id)  # and this one lost its archive
    await asyncio.to_thread((data / "archives" / second.id / "data" / "manifest.json").write_text, "torn")
    async with running(data) as up:
        docket = up.docket
        assert isinstance(docket, CourtDocket)
        assert docket.find(first.id) is not None
        assert docket.find(second.id) is not None
        assert docket.find(waiting) is None
        room = await docket.open(waiting)
        assert room is not None
        assert room.hearing.phase is Phase.SCHEDULED
        made_again = docket.find(first.id)
        await until(lambda: made_again is not None and made_again.archive.state == "sealed")


async def test_a_store_that_cannot_be_told_leaves_it_open_here_and_at_the_next_start(
    tmp_path: Path, paper: None, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, told = tmp_path / "data", list[str]()

    async def fails(_self: SqlLedgers, shelved: Shelved, _fence: int) -> bool:
        told.append(shelved.hearing)
        raise Unavailable("store_failed")

    async with running(data) as up:
        one = await sealed(up, http)
        with monkeypatch.context() as patch:
            patch.setattr(SqlLedgers, "shelve", fails)

            async def tried() -> bool:
                await one.docket.tidy(0)
                return bool(told)

            await until(tried)
            assert one.docket.find(one.id) is not None
            assert (await one.ask("GET", "/api/v1/hearings/{id}/archive"))[0] == 200
    async with running(data) as up:
        one.court = up
        assert one.docket.find(one.id) is not None
        await one.put_back()
    authority = {"tsa_url": "http://127.0.0.1:9/", "tsa_ca": data / "court.pem"}
    async with running(data, **authority) as up:  # from now on seals are stamped, and this one is not
        one.court = up
        room = one.docket.find(one.id)
        assert room is not None
        await until(room.idle)
        await one.docket.tidy(0)
        assert one.docket.find(one.id) is room
        await asyncio.to_thread((data / "archives" / one.id / "timestamp.tsr").write_bytes, b"stamp")
        await one.put_back()
    async with running(data, **authority) as up:
        one.court = up
        assert one.docket.find(one.id) is None


async def test_an_object_that_was_let_go_of_says_so_and_does_not_wait_for_ever(
    tmp_path: Path, paper: None, http: aiohttp.ClientSession
) -> None:
    async with running(tmp_path / "data") as up:
        one = await sealed(up, http)
        held = one.docket.find(one.id)
        assert held is not None
        await one.put_back()
        with pytest.raises(Unavailable, match="court_busy"):
            await held.submit(c.ObserveArchive(what="read", detail={"reader": "staff", "what": "programme"}))
