"""Prompts on one's own page: shown in a visible page is told once, a press says that it was read."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

from tests.web.fixture import NOW, load
from tests.web.harness import house, until


def prompted(read: int = 0) -> dict[str, Any]:
    notice = {
        "id": f"prompted-s-pl-{NOW}", "level": "warn", "code": "prompted", "values": {"notice": 41, "read": read},
        "at": NOW,
    }  # fmt: skip
    return {**copy.deepcopy(load("party")), "notices": [notice]}


async def test_a_prompt_is_acknowledged_when_shown_and_when_read() -> None:
    async with house() as rooms, rooms.open("party") as screen:
        await screen.hall("room")

        def told() -> list[tuple[int, bool]]:
            sent = [one for one in rooms.court.commands if one["type"] == "acknowledge_notice"]
            return [(one["notice"], one["read"]) for one in sent]

        async def becomes(expected: list[tuple[int, bool]]) -> None:
            async with asyncio.timeout(30):
                while told() != expected:
                    await asyncio.sleep(0.05)

        assert told() == []
        await rooms.court.push(prompted())
        await becomes([(41, False)])
        await rooms.court.push({**prompted(), "seq": 43})  # another view says nothing new
        await screen.page.click("[data-action=notice_read][data-number='41']")
        await becomes([(41, False), (41, True)])
        await rooms.court.push({**prompted(read=1), "seq": 44})
        await until(screen.page, "document.querySelector('[data-action=notice_read]') === null")
        assert screen.complaints == []
