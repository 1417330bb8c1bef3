"""Children are told, answer, die and are started again: with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from courtroom.channel.messages import VERSION, FromWorker, OpenRoom, WelcomeWorker, WorkerReady
from courtroom.control import child as child_module
from courtroom.control.supervisor import Supervisor
from courtroom.errors import Unavailable

ECHO = (sys.executable, str(Path(__file__).parent / "echo.py"))


class Watched:
    def __init__(self) -> None:
        self.ups: list[int] = []
        self.downs = 0
        self.changed = asyncio.Event()
        self.supervisor: Supervisor[FromWorker] = Supervisor(
            "echo", ECHO, FromWorker, lambda: WelcomeWorker(VERSION, 0, 0, []), WorkerReady,
            on_message=lambda _message: None, on_up=self._up, on_down=self._down,
        )  # fmt: skip

    def _up(self, ready: object) -> None:
        assert isinstance(ready, WorkerReady)
        self.ups.append(ready.pid)
        self.changed.set()

    def _down(self) -> None:
        self.downs += 1

    async def again(self) -> None:
        async with asyncio.timeout(30):
            await self.changed.wait()


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    one = Watched()
    await one.supervisor.start()
    yield one
    await one.supervisor.stop()


async def test_a_question_gets_its_reply(watched: Watched) -> None:
    reply = await watched.supervisor.child.ask(lambda number: OpenRoom(number, "court"))
    assert reply.code == ""
    refused = await watched.supervisor.child.ask(lambda number: OpenRoom(number, "refuse"))
    assert refused.code == "too_many_rooms"


@pytest.mark.parametrize("word", ["die", "garbage"])
async def test_death_fails_the_question_and_a_fresh_child_comes_up(watched: Watched, word: str) -> None:
    watched.changed.clear()
    with pytest.raises(Unavailable):
        await watched.supervisor.child.ask(lambda number: OpenRoom(number, word))
    await watched.again()
    assert watched.downs == 1
    assert len(set(watched.ups)) == 2
    assert (await watched.supervisor.child.ask(lambda number: OpenRoom(number, "court"))).code == ""


async def test_sigkill_is_an_event_and_not_an_exception(watched: Watched) -> None:
    watched.changed.clear()
    os.kill(watched.supervisor.pid, signal.SIGKILL)
    await watched.again()
    assert watched.downs == 1


async def test_a_slow_child_that_speaks_is_waited_for_and_a_silent_one_is_not(watched: Watched) -> None:
    pid = watched.supervisor.pid
    ask = watched.supervisor.child.ask
    assert (await ask(lambda number: OpenRoom(number, "slow"), 0.4, while_heard=True)).code == ""
    assert watched.supervisor.pid == pid
    with pytest.raises(Unavailable):
        await ask(lambda number: OpenRoom(number, "silence"), 0.4, while_heard=True)


async def test_a_silent_child_is_killed_and_the_asker_told(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "REPLY_TIMEOUT", 0.3)
    watched.changed.clear()
    with pytest.raises(Unavailable):
        await watched.supervisor.child.ask(lambda number: OpenRoom(number, "silence"))
    await watched.again()
    assert len(set(watched.ups)) == 2


async def test_stopping_ends_the_child_by_end_of_stream() -> None:
    one = Watched()
    await one.supervisor.start()
    pid = one.supervisor.pid
    await one.supervisor.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(Unavailable):
        _ = one.supervisor.child
