"""The worker's end of the channel to control: messages in, messages out, end of stream.

Rules: one inherited stream socket, non-blocking. What cannot be written is kept up to ``MAX_BACKLOG``; a control that
reads nothing for so long is gone for us as well. Garbage from control ends the worker: it is a bug, not a hearing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from courtroom.channel import framing
from courtroom.channel import messages as m

MAX_BACKLOG: Final = 32 << 20
_CHUNK: Final = 256 * 1024


class Link:
    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        got: Callable[[m.ToWorker], None],
        ended: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._loop = loop
        self._got = got
        self._ended = ended
        self._decoder: framing.Decoder[m.Message] = framing.Decoder(m.ToWorker)
        self._backlog = bytearray()
        self._open = True
        loop.add_reader(sock, self._readable)

    @property
    def backlog(self) -> int:
        return len(self._backlog)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self._ended()
            return
        for message in self._decoder.feed(data):
            if not self._open:
                return
            self._got(message)  # type: ignore[arg-type]  # the decoder was built for this union

    def send(self, message: m.FromWorker) -> None:
        if not self._open:
            return
        waiting = bool(self._backlog)
        self._backlog += framing.encode(message)
        if len(self._backlog) > MAX_BACKLOG:
            self.close()
            self._ended()
        elif not waiting:
            self._writable()

    def _writable(self) -> None:
        try:
            sent = self._sock.send(self._backlog)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.close()
            self._ended()
            return
        del self._backlog[:sent]
        if self._backlog:
            self._loop.add_writer(self._sock, self._writable)
        else:
            self._loop.remove_writer(self._sock)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()
