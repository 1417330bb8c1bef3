"""The one bounded inbox of a hearing: whatever touches it is done in turn, one thing at a time.

Rules: whoever asks is refused when too much waits; what our own processes report is never refused, since it may be part
of the record, and is bounded by their rates. An asker that goes away does not stop its work half-way. After ``close``
nothing is taken any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import structlog

from courtroom.errors import CourtroomError, Unavailable

SIZE: Final = 512

T = TypeVar("T")
log = structlog.get_logger()


class Inbox:
    """``run`` is the task that does the work; ``name`` is the hearing, for the log."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: asyncio.Queue[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any] | None]] = asyncio.Queue()
        self._at_work = False
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether something is being done or waits."""
        return self._at_work or not self._queue.empty()

    def close(self) -> None:
        self._closed = True

    def __len__(self) -> int:
        return self._queue.qsize()

    async def do(self, work: Callable[[], Awaitable[T]]) -> T:
        """Runs ``work`` in turn and returns what it returns; ``Unavailable("court_busy")``."""
        if self._closed or len(self) >= SIZE:
            raise Unavailable("court_busy")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((work, future))
        return await future

    def post(self, work: Callable[[], Awaitable[Any]]) -> None:
        """The same without an asker; its errors are logged."""
        if self._closed:
            log.warning("observation_too_late", hearing=self._name)
            return
        self._queue.put_nowait((work, None))

    async def run(self) -> None:
        while True:
            self._at_work = False
            work, future = await self._queue.get()
            self._at_work = True
            try:
                result = await work()
            except CourtroomError as error:
                if future is None:
                    log.info("observation_refused", hearing=self._name, code=error.code)
                elif not future.done():
                    future.set_exception(error)
            except Exception as error:
                log.exception("courtroom_bug", hearing=self._name)
                if future is not None and not future.done():
                    future.set_exception(error)
            else:
                if future is not None and not future.done():
                    future.set_result(result)
