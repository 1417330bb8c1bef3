"""One child process at the other end of a socketpair, spoken to in ``channel`` messages.

Rules
* Children are exec'd, never forked, on one inherited end; closing ours is how they are told to end (they see EOF).
* They get their own session, so a Ctrl-C in the terminal reaches control alone and control ends them in order.
* Every question (``ask``) is answered by exactly one ``Reply`` or fails: ``Unavailable`` when the child dies or is
  silent for ``REPLY_TIMEOUT`` seconds; a child that does not answer is killed, since what it does is then unknown
  (fail closed).
* A child whose inbox is not read (more than ``MAX_BACKLOG`` bytes waiting) is killed for the same reason.
* ``on_message`` is called in order, in the loop, for everything that is not a reply. It must not block.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

import msgspec
import structlog

from courtroom.channel.framing import Decoder, encode
from courtroom.channel.messages import Reply
from courtroom.errors import BadMessage, Unavailable

REPLY_TIMEOUT: Final = 10.0
END_TIMEOUT: Final = 15.0
MAX_BACKLOG: Final = 32 * 1024 * 1024

M = TypeVar("M", bound=msgspec.Struct)
log = structlog.get_logger()


class Child(Generic[M]):
    """A running child; made by ``start``."""

    def __init__(
        self,
        name: str,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        decoder: Decoder[M],
        on_message: Callable[[M], None],
    ) -> None:
        self.name = name
        self._process = process
        self._reader = reader
        self._writer = writer
        self._decoder = decoder
        self._on_message = on_message
        self._questions: dict[int, asyncio.Future[Reply]] = {}
        self._heard_at = 0.0
        self._next = 0
        self._task = asyncio.create_task(self._read(), name=f"{name}-reader")

    @classmethod
    async def start(cls, name: str, argv: Sequence[str], union: object, on_message: Callable[[M], None]) -> Child[M]:
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, "--fd", str(theirs.fileno()), pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(name, process, reader, writer, Decoder(union), on_message)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: msgspec.Struct) -> None:
        """One-way message; a child that is gone is noticed by ``ended``, not here."""
        if self._writer.is_closing():
            return
        self._writer.write(encode(message))
        if self._writer.transport.get_write_buffer_size() > MAX_BACKLOG:
            log.error("child_not_reading", child=self.name, pid=self.pid)
            self.kill()

    async def ask(
        self,
        question: Callable[[int], msgspec.Struct],
        patience_s: float | None = None,
        *,
        while_heard: bool = False,
    ) -> Reply:
        """Send ``question(number)`` and wait for its reply. The reply's ``code`` is the caller's business.

        ``while_heard``: a child that says anything at all is waited for; ``patience_s`` counts its silence.
        """
        self._next += 1
        number = self._next
        patience = REPLY_TIMEOUT if patience_s is None else patience_s
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self._task.done():
            raise Unavailable("process_down")
        self._questions[number] = future
        try:
            self.send(question(number))
            while True:
                try:
                    async with asyncio.timeout(patience):
                        return await asyncio.shield(future)
                except TimeoutError:
                    if not while_heard or asyncio.get_running_loop().time() - self._heard_at >= patience:
                        raise
        except TimeoutError as error:
            log.error("child_not_answering", child=self.name, pid=self.pid)
            self.kill()
            raise Unavailable("process_down") from error
        finally:
            self._questions.pop(number, None)

    async def ended(self) -> int:
        """Waits for the end of the process; its exit code."""
        await asyncio.wait({self._task})
        self._writer.close()
        try:
            async with asyncio.timeout(END_TIMEOUT):
                return await self._process.wait()
        except TimeoutError:
            self.kill()
            return await self._process.wait()

    async def stop(self) -> None:
        """Ends the child in order: it sees EOF, finishes what it holds and exits."""
        self._writer.close()
        await self.ended()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(1 << 18):
                self._heard_at = asyncio.get_running_loop().time()
                for message in self._decoder.feed(data):
                    if isinstance(message, Reply):
                        self._answer(message)
                    else:
                        self._on_message(message)
        except BadMessage as error:
            log.error("child_spoke_garbage", child=self.name, pid=self.pid, code=error.code)
            self.kill()
        except ConnectionError:
            pass  # the same as end of stream
        finally:
            for future in self._questions.values():
                if not future.done():
                    future.set_exception(Unavailable("process_down"))

    def _answer(self, reply: Reply) -> None:
        future = self._questions.get(reply.request)
        if future is not None and not future.done():
            future.set_result(reply)
