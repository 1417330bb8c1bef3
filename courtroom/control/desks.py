"""Which hearings are open in this process: opened once when somebody asks, put back when nobody has for a while.

Rules
* However many ask at once, a hearing is opened once; all of them get the same object.
* A hearing goes back only when it is idle, nobody has asked for it for ``QUIET_S``, and the store has been told that
  nothing is owed to it; somebody who comes in between keeps it open. A hearing that is not idle is never put back.
* Above ``MANY`` that came from the shelf, those go early that nobody has asked for in ``SHORT_S``: longer than a
  request waits for its body. At ``MOST`` the next one hears ``court_busy``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Generic, Protocol, TypeVar

import structlog

from courtroom.errors import BadMessage, CourtroomError, Unavailable
from courtroom.hearing.model import Hearing

QUIET_S: Final = 120.0
SHORT_S: Final = 20.0
TIDY_S: Final = 5.0
MANY: Final = 64
MOST: Final = 256

log = structlog.get_logger()


class Shelvable(Protocol):
    """A hearing as this needs it."""

    @property
    def id(self) -> str: ...

    @property
    def hearing(self) -> Hearing: ...

    def idle(self) -> bool: ...

    async def shelve(self) -> bool: ...

    async def end_media(self) -> None: ...

    async def close(self) -> None: ...


T = TypeVar("T", bound=Shelvable)


class Desks(Generic[T]):
    """``take`` brings a hearing from the store, or says ``None`` when there is none of that name; ``cleared`` is told
    when some were put back."""

    def __init__(
        self,
        take: Callable[[str], Awaitable[T | None]],
        now: Callable[[], float],
        cleared: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._take = take
        self._now = now
        self._cleared = cleared
        self._open: dict[str, T] = {}
        self._asked_at: dict[str, float] = {}
        self._kept_at: dict[str, int] = {}  # those whose ledger stands where the store was told so
        self._coming: dict[str, asyncio.Task[T | None]] = {}
        self._turn = asyncio.Lock()
        self._sweep: asyncio.Task[None] | None = None
        self.shelved = 0
        """How many lie on the shelf."""

    def start(self) -> None:
        self._sweep = asyncio.create_task(self._tidy_now_and_then(), name="desks")

    async def close(self) -> None:
        tasks = [task for task in (self._sweep, *self._coming.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for room in self:
            await room.close()

    # --- looking ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._open.values()))

    def get(self, hearing: str) -> T | None:
        """If it is open now."""
        return self._open.get(hearing)

    # --- opening ----------------------------------------------------------------------------------

    def put(self, room: T) -> None:
        """A new hearing, or one of those that this process begins with."""
        self._open[room.id] = room
        self._asked_at[room.id] = self._now()

    async def open(self, hearing: str) -> T | None:
        """From the shelf if need be; ``None`` for what is no hearing. ``Unavailable``."""
        room = self._open.get(hearing)
        if room is not None:
            self._asked_at[hearing] = self._now()
            return room
        coming = self._coming.get(hearing)
        if coming is None:
            if len(self._kept_at) + len(self._coming) >= MOST:
                raise Unavailable("court_busy")
            coming = self._coming[hearing] = asyncio.create_task(self._bring(hearing), name=f"open-{hearing}")
            coming.add_done_callback(lambda task: self._arrived(hearing, task))
        return await asyncio.shield(coming)

    async def _bring(self, hearing: str) -> T | None:
        try:
            room = await self._take(hearing)
        except BadMessage as error:  # its ledger, not the asker's message
            log.error("ledger_damaged", hearing=hearing, code=error.code)
            raise Unavailable("store_failed") from error
        if room is not None:
            self.put(room)
            self._kept_at[hearing] = room.hearing.seq
            self.shelved -= 1
        return room

    def _arrived(self, hearing: str, task: asyncio.Task[T | None]) -> None:
        self._coming.pop(hearing, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("hearing_not_opened", hearing=hearing, fault=type(error).__name__)

    # --- putting back -----------------------------------------------------------------------------

    async def _tidy_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            try:
                await self.tidy()
            except Exception:
                log.exception("desks_bug")

    async def tidy(self, quiet_s: float = QUIET_S) -> None:
        """Puts back what has been quiet for so long; those first that nobody has asked for longest."""
        async with self._turn:
            if await self._tidied(quiet_s) and self._cleared is not None:
                await self._cleared()

    async def _tidied(self, quiet_s: float) -> int:
        """How many were put back."""
        count = 0
        for hearing, asked_at in sorted(self._asked_at.items(), key=lambda item: item[1]):
            patience = min(quiet_s, SHORT_S) if len(self._kept_at) > MANY and hearing in self._kept_at else quiet_s
            room = self._open[hearing]
            if self._now() - asked_at < patience or not room.idle():
                continue
            try:
                count += await self._put_back(room, asked_at)
            except (CourtroomError, OSError) as error:  # it stays open; the store may be better the next time
                log.warning("not_shelved", hearing=hearing, fault=getattr(error, "code", type(error).__name__))
        return count

    async def _put_back(self, room: T, asked_at: float) -> bool:
        seq = room.hearing.seq
        await room.end_media()
        if self._kept_at.get(room.id) != seq and not await room.shelve():
            self._asked_at[room.id] = self._now()  # something is owed yet: not to be looked at every few seconds
            return False
        if self._asked_at[room.id] != asked_at or room.hearing.seq != seq or not room.idle():
            return False  # what the store was told is true as long as the ledger stands there
        del self._open[room.id], self._asked_at[room.id]
        self._kept_at.pop(room.id, None)
        self.shelved += 1
        await room.close()
        return True
