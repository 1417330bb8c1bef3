"""Fixtures: a running server over the fake docket, an HTTP client, a hearing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.server.court import Room, Running, body, serving, settings


@dataclass
class Made:
    """A hearing as the answer to its creation told of it."""

    running: Running
    id: str
    seats: dict[str, dict[str, Any]]  # by role

    @property
    def room(self) -> Room:
        return self.running.court.rooms[self.id]

    def bearer(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.seats[role]['token']}"}


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(settings(tmp_path)) as up:
        yield up


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def make(running: Running, http: aiohttp.ClientSession, **changes: Any) -> Made:
    async with http.post(f"{running.url}/api/v1/hearings", json=body(**changes), headers=running.staff) as answer:
        assert answer.status == 201, await answer.text()
        made = await answer.json()
    return Made(running, made["id"], {one["role"]: one for one in made["seats"]})


@pytest.fixture
async def made(running: Running, http: aiohttp.ClientSession) -> Made:
    return await make(running, http)
