"""A media worker in a process of its own, and clients that are closed with the test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.worker.client import Client, Control, start


@pytest.fixture
async def control() -> AsyncIterator[Control]:
    async with start() as control:
        yield control


@pytest.fixture
async def clients() -> AsyncIterator[list[Client]]:
    clients: list[Client] = []
    yield clients
    for client in clients:
        client.close()
