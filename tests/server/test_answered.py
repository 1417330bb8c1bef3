"""What was answered of late is kept as long as somebody may ask again, and no longer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from courtroom.errors import Refused
from courtroom.server.answered import KEEP_S, KEPT, Answered


class Work:
    """Counts what it carries out; answers when it is let."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.free = asyncio.Event()
        self.free.set()

    async def __call__(self, message: object) -> dict[str, Any]:
        await self.free.wait()
        self.done.append(message)
        return {"ok": True, "seq": len(self.done)}


async def test_without_an_id_every_message_is_its_own() -> None:
    answered, work = Answered(), Work()
    assert [(await answered.once("a", {"type": "x"}, work))["seq"] for _ in range(2)] == [1, 2]
    assert len(answered) == 0
    assert (await answered.once("a", "no mapping", work))["seq"] == 3


async def test_who_gave_up_waiting_is_answered_when_asking_again() -> None:
    answered, work = Answered(), Work()
    work.free.clear()
    first = asyncio.create_task(answered.once("a", {"type": "x", "id": "k"}, work))
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.create_task(answered.once("a", {"type": "x", "id": "k"}, work))
    await asyncio.sleep(0)
    work.free.set()
    assert (await second)["seq"] == 1
    assert work.done == [{"type": "x"}], "carried out once, without its id"


async def test_it_forgets_the_oldest_and_the_old() -> None:
    now = [0.0]
    answered, work = Answered(lambda: now[0]), Work()
    for number in range(KEPT + 1):
        await answered.once("a", {"type": "x", "id": f"k{number}"}, work)
    assert len(answered) == KEPT
    await answered.once("b", {"type": "x", "id": "k0"}, work)
    now[0] = KEEP_S - 1
    await answered.once("b", {"type": "x", "id": "late"}, work)
    answered.forget()
    assert len(answered) == KEPT + 2
    now[0] = KEEP_S
    answered.forget()
    assert len(answered) == 1
    now[0] = 2 * KEEP_S
    answered.forget()
    assert len(answered) == 0


@pytest.mark.parametrize("more", [{"payload": b"bytes"}, {"payload": {1, 2}}])
async def test_what_is_not_json_is_refused(more: dict[str, Any]) -> None:
    work = Work()
    with pytest.raises(Refused, match="bad_command"):
        await Answered().once("a", {"type": "x", "id": "k", **more}, work)
    assert not work.done
