"""One open take in the writer's loop: what is written, synced, sealed and told about it.

Rules
* A write that is refused is tried again until it stands (``insist``); control is told when a trouble begins and when it
  is over (``recorder.trouble``), also while the disk hangs.
* A seal that fails is tried again every second, and once more before ``close`` returns: what has no final name is in
  no ledger.
* What the disk failed to sync is not trusted with more: the take goes over to a new segment.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar

from courtroom.channel.messages import CaptureDefect, CaptureMended, CaptureProgress, FromWriter, SegmentSealed
from recorder.disk import Disk
from recorder.segment import Sealed, seal_leftover
from recorder.take import Take
from recorder.trouble import LOW_BYTES, SLOW_US, Troubles, code_of

RETRY_S: Final = 0.5
RENEW_US: Final = 10_000_000

T = TypeVar("T")


class OpenTake:
    """``send`` tells control, ``clock`` gives µs of the court clock."""

    def __init__(self, take: Take, disk: Disk, send: Callable[[FromWriter], None], clock: Callable[[], int]) -> None:
        self.take = take
        self.over = False  # closed, or the process ends: nothing is tried again
        self._disk = disk
        self._send = send
        self._clock = clock
        self._troubles = Troubles()
        self._tasks: set[asyncio.Task[None]] = set()
        self._synced = 0
        self._failed: set[int] = set()  # segments whose seal failed
        self._renewed_at = 0

    # --- telling ---

    def saw(self, code: str) -> None:
        now = self._clock()
        if self._troubles.seen(code, now):
            self._send(CaptureDefect(self.take.name, code, now))

    def _worked(self) -> None:
        now = self._clock()
        for code in self._troubles.worked(now):
            self._send(CaptureMended(self.take.name, code, now))

    def _tell(self, sealed: Sealed) -> None:
        self._send(
            SegmentSealed(
                take=self.take.name,
                segment=sealed.segment,
                sha256=sealed.sha256,
                start_at=sealed.start_at,
                end_at=sealed.end_at,
                bytes=sealed.bytes,
                torn=sealed.torn,
            )
        )

    # --- writing ---

    async def insist(self, act: Callable[[], T]) -> T | None:
        """Carry out a write, trying as long as it takes; ``None`` when the take is over first."""
        while not self.over:
            try:
                return await self._disk.write(act)
            except OSError as error:
                self.saw(code_of(error))
            finally:
                self._seal_finished()
            await asyncio.sleep(RETRY_S)
        return None

    async def tick(self) -> None:
        try:
            await self._disk.write(self.take.tick)
        except OSError as error:
            self.saw(code_of(error))
        self._seal_finished()

    async def sync(self) -> None:
        """Once a second: what is certainly on disk, and how much room is left."""
        file, earlier, began = self.take.current, self.take.finished_bytes, self._clock()
        try:
            size = await self._disk.sync(file.sync) if file is not None else 0
            free = await self._disk.write(self.take.look_after_reserve)
        except OSError as error:
            self.saw(code_of(error))
            self._renew()
            return
        if self._clock() - began > SLOW_US:
            self.saw("disk_slow")
        if free < LOW_BYTES or self.take.reserve.broken:
            self.saw("disk_low")
        await self._seal_failed()
        if file is None:
            return
        self._worked()
        self._synced = max(self._synced, earlier + size)
        self._send(CaptureProgress(self.take.name, self._synced, began, free))

    def _renew(self) -> None:
        now = self._clock()
        if now - self._renewed_at >= RENEW_US:
            self._renewed_at = now
            self.take.renew()

    # --- seals ---

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _seal_finished(self) -> None:
        for file in self.take.finished():
            self._later(self._seal(file.number, file.seal))
        for number in self.take.gave_up():
            self.saw("io_error")
            self._later(self._seal_leftover(number))

    async def _seal(self, number: int, seal: Callable[[], Sealed]) -> None:
        try:
            sealed = await self._disk.sync(seal)
        except OSError as error:
            self._failed.add(number)
            self.saw(code_of(error))
        else:
            self._failed.discard(number)
            self._tell(sealed)

    async def _seal_failed(self) -> None:
        for number in sorted(self._failed):
            await self._seal_leftover(number)

    async def _seal_leftover(self, number: int) -> None:
        await self._seal(number, lambda: seal_leftover(self.take.directory, number))

    def tell_earlier(self) -> None:
        """What earlier processes left is sealed now; what they had sealed is told again, since a writer that dies
        between the seal and the message has told nobody."""
        self._later(self._tell_earlier(self.take.number))

    async def _tell_earlier(self, before: int) -> None:
        for number in await self._disk.sync(lambda: self.take.earlier(before)):
            await self._seal_leftover(number)

    async def close(self) -> None:
        """Finish and seal everything; ``OSError`` while something has no final name: call again."""
        self.over = True
        try:
            await self._disk.write(self.take.close)
        finally:
            self._seal_finished()
            while self._tasks:
                await asyncio.wait(self._tasks)
        for number in await self._disk.sync(self.take.unsealed):
            await self._seal_leftover(number)
        if self._failed:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
