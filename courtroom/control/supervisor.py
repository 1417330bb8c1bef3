"""Keeps one child process running: start, welcome, wait for its end, start again.

Death is an event, not an exception: whoever depends on the child is told by ``on_up`` and ``on_down`` and sends its
desired state again. Restarts back off from 0.1 s to 5 s; a child that lived for ``SETTLED`` seconds starts fresh.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

import msgspec
import structlog

from courtroom.control.child import Child
from courtroom.errors import Unavailable

FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 5.0
SETTLED: Final = 10.0
READY_TIMEOUT: Final = 30.0

M = TypeVar("M", bound=msgspec.Struct)
log = structlog.get_logger()


class Supervisor(Generic[M]):
    """``ready`` is the type of the child's first message; the rest goes to ``on_message``."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        union: object,
        welcome: Callable[[], msgspec.Struct],
        ready: type[msgspec.Struct],
        *,
        on_message: Callable[[M], None],
        on_up: Callable[[msgspec.Struct], None],
        on_down: Callable[[], None],
    ) -> None:
        self.name = name
        self._argv = argv
        self._union = union
        self._welcome = welcome
        self._ready = ready
        self._on_message = on_message
        self._on_up = on_up
        self._on_down = on_down
        self._child: Child[M] | None = None
        self._up = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        return self._up.is_set()

    @property
    def pid(self) -> int:
        return self._child.pid if self._child else 0

    async def start(self) -> None:
        """Returns when the child is ready for the first time; ``Unavailable`` if it does not come up."""
        self._task = asyncio.create_task(self._keep(), name=f"{self.name}-supervisor")
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                await self._up.wait()
        except TimeoutError as error:
            raise Unavailable("process_down", {"process": self.name}) from error

    async def stop(self) -> None:
        self._stopping = True
        if self._child is not None:
            await self._child.stop()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def child(self) -> Child[M]:
        """The running child, or ``Unavailable`` between two lives."""
        if self._child is None or not self.up:
            raise Unavailable("process_down", {"process": self.name})
        return self._child

    async def _keep(self) -> None:
        delay = FIRST_DELAY
        loop = asyncio.get_running_loop()
        while not self._stopping:
            born = loop.time()
            self._child = await Child.start(self.name, self._argv, self._union, self._first_or_next)
            self._child.send(self._welcome())
            code = await self._child.ended()
            was_up = self.up
            self._up.clear()
            self._child = None
            if self._stopping:
                return
            log.error("child_died", child=self.name, exit_code=code)
            if was_up:
                self._on_down()
            delay = FIRST_DELAY if loop.time() - born > SETTLED else min(delay * 2, LONGEST_DELAY)
            await asyncio.sleep(delay)

    def _first_or_next(self, message: M) -> None:
        if self.up:
            self._on_message(message)
        elif isinstance(message, self._ready):
            self._up.set()
            log.info("child_up", child=self.name, pid=self.pid)
            self._on_up(message)
