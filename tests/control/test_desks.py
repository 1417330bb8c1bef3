"""Which hearings are open: once for everybody, as long as somebody needs them, and no more than can be afforded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from courtroom.control import desks
from courtroom.control.desks import MANY, MOST, QUIET_S, SHORT_S, Desks
from courtroom.errors import BadMessage, Unavailable
from courtroom.hearing.model import Hearing
from tests.hearing.house import House

HEARING = House().hearing


class Room:
    """A hearing that is as idle as it is told to be."""

    def __init__(self, id: str, hearing: Hearing = HEARING) -> None:
        self.id = id
        self.hearing = hearing
        self.resting = True
        self.owed = False
        self.closed = False
        self.shelved = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def idle(self) -> bool:
        return self.resting

    async def shelve(self) -> bool:
        await asyncio.sleep(0)
        self.shelved += 1
        self.meanwhile()
        return not self.owed

    async def end_media(self) -> None: ...

    async def close(self) -> None:
        self.closed = True


class Shelf:
    """A store full of hearings and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.taken: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.cleared = 0
        self.desks: Desks[Room] = Desks(self.take, lambda: self.now, self.clear)
        self.fault: Exception | None = None

    async def take(self, hearing: str) -> Room | None:
        self.taken.append(hearing)
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return Room(hearing) if hearing.startswith("h") else None

    async def clear(self) -> None:
        self.cleared += 1

    async def room(self, hearing: str) -> Room:
        found = await self.desks.open(hearing)
        assert found is not None
        return found


@pytest.fixture
async def shelf() -> Shelf:
    return Shelf()


async def test_ten_who_ask_at_once_get_the_same_hearing_opened_once(shelf: Shelf) -> None:
    shelf.gate.clear()
    asking = [asyncio.create_task(shelf.desks.open("h-1")) for _ in range(10)]
    await asyncio.sleep(0)
    asking[3].cancel()  # one of them goes away: the others still get it
    shelf.gate.set()
    rooms = await asyncio.gather(*(task for task in asking if task is not asking[3]))
    assert shelf.taken == ["h-1"]
    assert {id(room) for room in rooms} == {id(shelf.desks.get("h-1"))}


async def test_what_is_no_hearing_is_none_and_leaves_nothing(shelf: Shelf) -> None:
    assert await shelf.desks.open("x") is None
    assert await shelf.desks.open("x") is None
    assert (len(shelf.desks), shelf.desks._coming) == (0, {})


async def test_a_store_that_fails_is_asked_again_by_the_next_one(shelf: Shelf) -> None:
    shelf.fault = Unavailable("store_failed")
    with pytest.raises(Unavailable, match="store_failed"):
        await shelf.desks.open("h-1")
    shelf.fault = BadMessage("ledger_line")  # damaged: not the asker's fault
    with pytest.raises(Unavailable, match="store_failed"):
        await shelf.desks.open("h-1")
    shelf.fault = None
    await shelf.room("h-1")
    assert shelf.taken == ["h-1"] * 3


async def test_it_goes_back_after_a_quiet_time_and_comes_again_as_another_object(shelf: Shelf) -> None:
    room = await shelf.room("h-1")
    shelf.now = QUIET_S - 1
    await shelf.desks.tidy()
    assert shelf.desks.get("h-1") is room
    await shelf.room("h-1")  # asked for again
    shelf.now = QUIET_S + 1
    await shelf.desks.tidy()
    assert shelf.desks.get("h-1") is room
    shelf.now = 2 * QUIET_S
    await shelf.desks.tidy()
    assert room.closed
    assert shelf.desks.get("h-1") is None
    assert room.shelved == 0, "nothing was said in it: the store knows"
    assert await shelf.room("h-1") is not room


async def test_what_is_not_idle_or_owed_something_stays(shelf: Shelf) -> None:
    busy, owing, done = Room("h-1"), Room("h-2"), Room("h-3")
    busy.resting, owing.owed = False, True
    for room in (busy, owing, done):
        shelf.desks.put(room)
    shelf.now = QUIET_S
    await shelf.desks.tidy()
    assert [room.id for room in shelf.desks] == ["h-1", "h-2"]
    assert (busy.shelved, owing.shelved, done.shelved, shelf.desks.shelved) == (0, 1, 1, 1)
    shelf.now += desks.TIDY_S
    await shelf.desks.tidy()
    assert owing.shelved == 1, "it is not asked every few seconds"


@pytest.mark.parametrize("what", ["asked", "at work", "written"])
async def test_whoever_comes_while_it_is_put_back_keeps_it_open(shelf: Shelf, what: str) -> None:
    room = Room("h-1")
    shelf.desks.put(room)
    coming: list[asyncio.Task[Room | None]] = []

    def meanwhile() -> None:
        if what == "asked":
            coming.append(asyncio.create_task(shelf.desks.open("h-1")))
            shelf.desks._asked_at["h-1"] = shelf.now + 1
        elif what == "at work":
            room.resting = False
        else:
            house = House()
            house.arrive("seat-clerk")
            room.hearing = house.hearing

    room.meanwhile = meanwhile
    shelf.now = QUIET_S
    await shelf.desks.tidy()
    assert shelf.desks.get("h-1") is room
    assert not room.closed
    assert all([await task is room for task in coming])


async def test_a_store_that_cannot_be_told_keeps_it_open(shelf: Shelf) -> None:
    room = Room("h-1")

    def fail() -> None:
        raise Unavailable("store_failed")

    room.meanwhile = fail
    shelf.desks.put(room)
    shelf.now = QUIET_S
    await shelf.desks.tidy()
    assert shelf.desks.get("h-1") is room


async def test_many_from_the_shelf_go_sooner_and_the_longest_unused_first(shelf: Shelf) -> None:
    for number in range(MANY + 3):
        shelf.now = number / 1000
        await shelf.room(f"h-{number}")
    new = Room("h-new")  # was never on the shelf: it is not in a hurry
    shelf.desks.put(new)
    shelf.now = SHORT_S + 0.5
    await shelf.desks.tidy()
    assert len(shelf.desks) == MANY + 1
    assert shelf.desks.get("h-2") is None
    assert shelf.desks.get("h-3") is not None
    assert shelf.desks.get("h-new") is new


async def test_there_is_an_end_to_how_many_are_open(shelf: Shelf) -> None:
    for number in range(MOST):
        await shelf.room(f"h-{number}")
    with pytest.raises(Unavailable, match="court_busy"):
        await shelf.desks.open("h-one-more")
    assert await shelf.desks.open("h-0") is not None, "those that are open still answer"
    shelf.now = SHORT_S
    await shelf.desks.tidy()
    assert await shelf.desks.open("h-one-more") is not None


async def test_memory_is_given_back_when_hearings_left_and_only_then(shelf: Shelf) -> None:
    await shelf.room("h-1")
    busy, _ = await shelf.room("h-2"), await shelf.room("h-3")
    busy.resting = False
    await shelf.desks.tidy()
    assert shelf.cleared == 0
    shelf.now += QUIET_S
    await shelf.desks.tidy()
    await shelf.desks.tidy()
    assert (shelf.cleared, shelf.desks.shelved, len(shelf.desks)) == (1, -1, 1)
