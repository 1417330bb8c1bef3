"""The disk as the loop sees it: one thread that writes, one that syncs and seals, and how long they have been at it.

Rules
* The loop never touches the disk itself. What is ordered of a thread is carried out in order.
* A disk that hangs is noticed while it hangs (``busy_us``); what it was told comes back when it comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class _Lane:
    def __init__(self, name: str, clock: Callable[[], int]) -> None:
        self._pool = ThreadPoolExecutor(1, name)
        self._clock = clock
        self._began = 0

    async def do(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._timed, act)

    def _timed(self, act: Callable[[], T]) -> T:
        self._began = self._clock()
        try:
            return act()
        finally:
            self._began = 0

    def busy_us(self, now: int) -> int:
        began = self._began
        return now - began if began else 0

    def shutdown(self) -> None:
        self._pool.shutdown()


class Disk:
    """``clock`` gives µs of any clock, from any thread."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._write = _Lane("disk", clock)
        self._sync = _Lane("sync", clock)

    async def write(self, act: Callable[[], T]) -> T:
        """Whatever changes a take."""
        return await self._write.do(act)

    async def sync(self, act: Callable[[], T]) -> T:
        """fdatasync and seals: slow by nature, and beside the writing."""
        return await self._sync.do(act)

    def busy_us(self, now: int) -> int:
        """How long the act that takes longest has been going on."""
        return max(self._write.busy_us(now), self._sync.busy_us(now))

    def shutdown(self) -> None:
        self._write.shutdown()
        self._sync.shutdown()
