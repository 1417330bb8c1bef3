"""ICE over TCP: the same media port for networks that block UDP; who may connect, and for how long.

Rules
* The packet path sees a connection as one more socket (``stream``).
* An address here is the raw ``sockaddr`` and one octet (IPPROTO_TCP): never equal to one of UDP, and still its own key.
* Who has not passed an authenticated check within ``UNKNOWN_US`` is cut off; once its address belongs to no transport
  any more, a connection ends as well.
* Bounds: ``MAX_STREAMS``, ``MAX_PER_HOST``, and of those not yet known ``MAX_STRANGERS``, ``MAX_STRANGERS_PER_HOST``;
  a new stranger takes the place of the oldest one, a known connection is never given up for a stranger.
* The kernel's own queue is kept short (TCP_NOTSENT_LOWAT): what waits there cannot be taken back.

RFC 6544 (ICE-TCP, we are passive).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from typing import Final

from courtroom.worker.datagrams import IN_SLOTS, RUN, SLOT, Counters, pack_address
from courtroom.worker.limits import host_of
from courtroom.worker.stream import LINGER_US, RESET, Loop, Stream

MAX_STREAMS: Final = 512
MAX_PER_HOST: Final = 128
MAX_STRANGERS: Final = 128
MAX_STRANGERS_PER_HOST: Final = 16
UNKNOWN_US: Final = 5_000_000
SECOND_US: Final = 1_000_000
_ACCEPTS: Final = 16  # a wake-up: those who are in the court come first
_NOT_SENT: Final = 16 * 1024
_SEND_BUFFER: Final = 512 * 1024
_ALONE_S: Final = 30
_TCP: Final = bytes((socket.IPPROTO_TCP,))
_TCP_NOTSENT_LOWAT: Final = 25  # linux/tcp.h; the socket module of Python 3.11 has no name for it
_FULL: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Streams:
    """All connections of one worker. ``readable(stream)`` and ``ended(stream)`` are the port's."""

    def __init__(
        self,
        loop: Loop,
        clock: Callable[[], int],
        drop: Callable[[str], None],
        readable: Callable[[Stream], None],
        ended: Callable[[Stream], None],
    ) -> None:
        self.loop = loop
        self.clock = clock
        self.counters = Counters()
        self.incoming_memory = bytearray(IN_SLOTS * SLOT)
        self.outgoing_memory = bytearray(RUN * SLOT)
        self.incoming, self.outgoing = memoryview(self.incoming_memory), memoryview(self.outgoing_memory)
        self.lengths = [0] * IN_SLOTS
        self.dirty: list[Stream] = []
        self._drop = drop
        self._readable = readable
        self._ended = ended
        self._listeners: list[socket.socket] = []
        self._streams: dict[bytes, Stream] = {}
        self._strangers: dict[Stream, None] = {}  # oldest first
        self._leaving: list[Stream] = []
        self._hosts: dict[bytes, int] = {}
        self._looked_at = 0
        self._paused = False

    def __len__(self) -> int:
        return len(self._streams)

    def listen(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._listeners.append(sock)
        self.loop.add_reader(sock, self._acceptable, sock)

    def _acceptable(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, name = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                self._drop("tcp_full")
                if error.errno in _FULL:
                    self._pause()
                return
            self._take(sock, pack_address(name) + _TCP)

    def _pause(self) -> None:
        """No file descriptor is left: the loop must not spin on those who wait at the door."""
        if self._strangers:
            next(iter(self._strangers)).close(reset=True)
            return
        self._paused = True
        for listener in self._listeners:
            self.loop.remove_reader(listener)

    def _take(self, sock: socket.socket, address: bytes) -> None:
        host = host_of(address)
        strangers = sum(host_of(one.address) == host for one in self._strangers)
        if strangers >= MAX_STRANGERS_PER_HOST or self._hosts.get(host, 0) >= MAX_PER_HOST:
            self._refuse(sock)
            return
        if len(self._strangers) >= MAX_STRANGERS or (len(self._streams) >= MAX_STREAMS and self._strangers):
            next(iter(self._strangers)).close(reset=True)
            self._drop("tcp_stranger")
        if len(self._streams) >= MAX_STREAMS:
            self._refuse(sock)
            return
        _prepare(sock)
        stream = Stream(self, sock, address, self.clock())
        self._streams[address] = stream
        self._strangers[stream] = None
        self._hosts[host] = self._hosts.get(host, 0) + 1
        self.loop.add_reader(sock, self._turn, stream)

    def _turn(self, stream: Stream) -> None:
        """Others come in between when one has sent more frames than are handled at once."""
        self._readable(stream)
        if stream.has_frame:
            self.loop.call_soon(self._turn, stream)

    def _refuse(self, sock: socket.socket) -> None:
        self._drop("tcp_refused")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sock.close()

    def admit(self, stream: Stream) -> None:
        """A check has passed on it."""
        stream.known = True
        self._strangers.pop(stream, None)

    def find(self, address: bytes) -> Stream | None:
        return self._streams.get(address)

    def leave(self, stream: Stream, now: int) -> None:
        stream.leave(now)
        if not stream.closed:
            self._leaving.append(stream)

    def gone(self, stream: Stream) -> None:
        """Called by the stream as it closes."""
        del self._streams[stream.address]
        self._strangers.pop(stream, None)
        host = host_of(stream.address)
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]
        self._ended(stream)

    def flush(self) -> None:
        dirty, self.dirty = self.dirty, []
        for stream in dirty:
            stream.flush()

    def tick(self, now: int, belongs: Callable[[bytes], bool]) -> None:
        """Every 20 ms; ``belongs`` says whether an address is one of some transport."""
        if self._leaving:
            for stream in [one for one in self._leaving if one.closed or now - one.leaving_at >= LINGER_US]:
                self._leaving.remove(stream)
                stream.close(reset=True)
        if now - self._looked_at < SECOND_US:
            return
        self._looked_at = now
        if self._paused:
            self._paused = False
            for listener in self._listeners:
                self.loop.add_reader(listener, self._acceptable, listener)
        for stream in list(self._streams.values()):
            if belongs(stream.address):
                stream.known_at = now
            elif now - stream.known_at >= UNKNOWN_US:
                self._drop("tcp_stranger")
                stream.close(reset=True)

    def close(self) -> None:
        for listener in self._listeners:
            self.loop.remove_reader(listener)
            listener.close()
        for stream in list(self._streams.values()):
            stream.close()


def _prepare(sock: socket.socket) -> None:
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _NOT_SENT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _ALONE_S * 1000)


def listeners(datagrams: Sequence[socket.socket]) -> list[socket.socket]:
    """One listening socket for each UDP socket, on the same address and port; ``OSError`` if one is taken."""
    found: list[socket.socket] = []
    try:
        for other in datagrams:
            sock = socket.socket(other.family, socket.SOCK_STREAM)
            found.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a worker that died comes back at once
            if other.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(other.getsockname())
            sock.listen(MAX_STRANGERS)
    except OSError:
        for sock in found:
            sock.close()
        raise
    return found
