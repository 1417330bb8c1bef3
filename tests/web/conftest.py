"""One browser and one pretended court for a whole module; each test finds it as if nothing had been said yet."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.web.harness import House, house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rooms() -> AsyncIterator[House]:
    async with house() as it:
        yield it


@pytest.fixture
def court_house(rooms: House) -> House:
    rooms.court.commands.clear()
    rooms.court.ids.clear()
    rooms.court.hang_up_on.clear()
    rooms.court.posts.clear()
    rooms.court.refuse.clear()
    return rooms
