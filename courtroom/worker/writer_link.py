"""The worker's end of the stream to the capture writer: batches out, answers in, and never a wait.

Rules
* Connects by itself and again every ``RETRY_S``; what was not answered is sent again (``courtroom.sfu.takes.Spool``).
* At most ``MAX_WRITE`` bytes a wake-up, so a long backlog does not hold up the media.

Format of batches and answers: courtroom/sfu/capture.py.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

from courtroom.sfu.takes import Spool

RETRY_S: Final = 0.2
MAX_WRITE: Final = 1 << 20
_ANSWER: Final = struct.Struct(">Q")


class WriterLink:
    def __init__(self, path: str, spool: Spool, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._spool = spool
        self._loop = loop
        self._sock: socket.socket | None = None
        self._out = memoryview(b"")
        self._in = bytearray()
        self._writing = False
        self._retry: asyncio.TimerHandle | None = None
        self._connect()

    @property
    def connected(self) -> bool:
        return self._sock is not None

    def _connect(self) -> None:
        self._retry = None
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(self._path)  # a unix socket connects at once or not at all
        except OSError:
            sock.close()
            self._retry = self._loop.call_later(RETRY_S, self._connect)
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self._sock = sock
        self._in.clear()
        self._out = memoryview(b"")
        self._spool.reconnected()
        self._loop.add_reader(sock, self._readable)
        self.push()

    def push(self) -> None:
        """Write what there is, as far as the socket takes it."""
        if self._sock is None:
            return
        budget = MAX_WRITE
        try:
            while budget > 0:
                if not self._out:
                    batch = self._spool.next()
                    if batch is None:
                        break
                    self._out = memoryview(batch)
                sent = self._sock.send(self._out[:budget])
                self._out = self._out[sent:]
                budget -= sent
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._lose()
            return
        if bool(self._out) != self._writing:
            self._writing = bool(self._out)
            if self._writing:
                self._loop.add_writer(self._sock, self.push)
            else:
                self._loop.remove_writer(self._sock)

    def _readable(self) -> None:
        assert self._sock is not None
        try:
            data = self._sock.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._lose()
            return
        self._in += data
        whole = len(self._in) - len(self._in) % _ANSWER.size
        for (number,) in _ANSWER.iter_unpack(bytes(self._in[:whole])):
            self._spool.answered(number)
        del self._in[:whole]

    def _lose(self) -> None:
        self.close()
        self._retry = self._loop.call_later(RETRY_S, self._connect)

    def close(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()
            self._sock = None
            self._writing = False
