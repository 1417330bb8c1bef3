"""No media worker can take a hearing: what a client is told over HTTP, and that nobody is harmed by it.

A whole court (``bootstrap.court``) with its real processes; only what counts as a full worker is changed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from courtroom import config
from courtroom.bootstrap import Court, court
from courtroom.control import placement
from courtroom.control.docket import CourtDocket
from tests.control.test_courtroom import Page
from tests.server.court import STAFF_TOKEN, body
from tests.worker.client import Client

STAFF = {"Authorization": f"Bearer {STAFF_TOKEN}"}
WISH = {"places": 2, "publish": ["microphone"]}


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Court]:
    settings = config.load({"data": str(tmp_path), "port": 0, "media_port": 0, "workers": 1}, {})
    changed = replace(settings, allow_unchecked=True, staff_token=STAFF_TOKEN)
    async with court(changed) as one:
        yield one


class Asked:
    """One client of the court: its hearings and what it was told of them."""

    def __init__(self, running: Court, http: aiohttp.ClientSession) -> None:
        self.running = running
        self._http = http

    async def hearing(self) -> tuple[str, dict[str, str]]:
        """A new one with everybody before the door: its id and the tokens by role."""
        async with self._http.post(f"{self.running.url}/api/v1/hearings", json=body(), headers=STAFF) as answer:
            assert answer.status == 201, await answer.text()
            made = await answer.json()
        room = self.running.docket.find(made["id"])
        assert room is not None
        for seat in made["seats"]:
            await room.attach(seat["id"], Page(seat["id"], "page"))
        return made["id"], {seat["role"]: seat["token"] for seat in made["seats"]}

    async def media(self, hearing: str, token: str, lang: str = "en") -> tuple[aiohttp.ClientResponse, str]:
        url = f"{self.running.url}/api/v1/hearings/{hearing}/media"
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": lang}
        async with self._http.post(url, json=WISH, headers=headers) as answer:
            return answer, await answer.text()

    async def ledger(self, hearing: str) -> str:
        async with self._http.get(f"{self.running.url}/api/v1/hearings/{hearing}/ledger", headers=STAFF) as answer:
            assert answer.status == 200
            return await answer.text()

    async def connects(self, answer: aiohttp.ClientResponse, token: str, offer: str) -> None:
        """From the offer to keys, as a browser would."""
        client = Client(offer)
        try:
            url = self.running.url + answer.headers["Location"]
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
            async with self._http.put(url, data=client.answer(), headers=headers) as put:
                assert put.status == 204, await put.text()
            await client.check()
            await client.handshake()
        finally:
            client.close()


@pytest.fixture
async def asked(running: Court, http: aiohttp.ClientSession) -> Asked:
    return Asked(running, http)


def _problem(answer: aiohttp.ClientResponse, text: str) -> dict[str, Any]:
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Retry-After"] == "1"

    said: dict[str, Any] = json.loads(text)
    assert (answer.status, said["status"]) == (503, 503)
    return said


async def test_full_workers_refuse_a_new_hearing_and_take_it_later(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    docket = asked.running.docket
    assert isinstance(docket, CourtDocket)
    (worker,) = docket._pool.workers
    early, first = await asked.hearing()
    answer, offer = await asked.media(early, first["clerk"])
    assert answer.status == 201
    await asked.connects(answer, first["clerk"], offer)

    with monkeypatch.context() as busy:
        busy.setattr(placement, "FULL_CPU", 0)  # from here on every second that the worker tells of is one too many
        for _ in range(placement.FULL_AFTER):
            worker.gauge.report(0, 0)
        late, second = await asked.hearing()
        before = await asked.ledger(late)
        for lang, word in (("en", "fully loaded"), ("zh", "满负荷")):
            answer, text = await asked.media(late, second["clerk"], lang)
            said = _problem(answer, text)
            assert said["code"] == "media_overloaded"
            assert word in said["detail"]
        assert await asked.ledger(late) == before, "a refusal is nothing that happened in the hearing"
        answer, offer = await asked.media(early, first["presiding_judge"])
        assert answer.status == 201, "who sits already goes on, and others may join it"
        await asked.connects(answer, first["presiding_judge"], offer)
        assert docket.metrics()["courtroom_workers_full"] == 1

    for _ in range(placement.CALM_AFTER):
        worker.gauge.report(0, 0)
    answer, offer = await asked.media(late, second["clerk"])
    assert answer.status == 201, offer
    await asked.connects(answer, second["clerk"], offer)


async def test_no_worker_at_all_is_said_as_such_until_one_is_up(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    docket = asked.running.docket
    assert isinstance(docket, CourtDocket)
    (worker,) = docket._pool.workers
    hearing, tokens = await asked.hearing()
    with monkeypatch.context() as broken:
        broken.setattr(worker._supervisor, "_argv", ("false",))  # what is started instead ends at once
        worker.kill()
        async with asyncio.timeout(60):
            while worker.up:
                await asyncio.sleep(0.01)
        answer, text = await asked.media(hearing, tokens["clerk"])
        assert _problem(answer, text)["code"] == "media_unavailable"
    async with asyncio.timeout(60):
        while not worker.up:
            await asyncio.sleep(0.05)
    answer, offer = await asked.media(hearing, tokens["clerk"])
    assert answer.status == 201, offer
    await asked.connects(answer, tokens["clerk"], offer)
