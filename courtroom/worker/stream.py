"""One connection of ICE over TCP, with the face of a socket of datagrams: slots in, slots out.

Rules
* The packet path knows one kind of socket (``datagrams.Socket``); UDP pays nothing for this one. Frames are RFC 4571:
  two octets of length, then what UDP would carry; a length outside ``MIN_FRAME`` to ``SLOT`` ends the connection.
* Late media is worthless: what cannot leave within ``MAX_AGE_US`` or ``MAX_BACKLOG`` is dropped by whole frames and
  counted; a frame that has begun is finished. STUN and DTLS have ``RESERVE`` more. Nothing ever waits for a peer.
* An octet too many (``MAX_UNKNOWN``) from somebody who has not passed an authenticated check ends the connection.
* ``leave`` throws away what is queued; what the kernel holds ``LINGER_US`` later is cut off by a reset, and nothing
  reaches a witness who has gone (COURT.md 5).

RFC 4571 (framing), RFC 6544 (ICE-TCP).
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from courtroom.worker.datagrams import IN_SLOTS, SLOT, Counters

MAX_UNKNOWN: Final = 16 * 1024
MAX_BACKLOG: Final = 256 * 1024
MAX_AGE_US: Final = 200_000
RESERVE: Final = 64 * 1024
LINGER_US: Final = 200_000
MIN_FRAME: Final = 12  # an RTP header; the null packet of RFC 4571 says nothing either
RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close() is a reset
_CHUNK: Final = 32 * 1024
_GATHER: Final = 64


class Loop(Protocol):
    """What of the event loop is used here."""

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Any: ...

    def add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> Any: ...

    def remove_reader(self, fd: Any) -> Any: ...

    def add_writer(self, fd: Any, callback: Callable[..., object], *args: Any) -> Any: ...

    def remove_writer(self, fd: Any) -> Any: ...


class Owner(Protocol):
    """What all streams of a port share."""

    loop: Loop
    clock: Callable[[], int]
    counters: Counters
    incoming: memoryview
    outgoing: memoryview
    lengths: list[int]
    dirty: list[Stream]

    def gone(self, stream: Stream) -> None:
        """The stream has closed."""


class Stream:
    """One accepted connection. What ``receive`` found stands in memory shared by all streams until the next call."""

    def __init__(self, owner: Owner, sock: socket.socket, address: bytes, now: int) -> None:
        self.address = address
        self.counters = owner.counters
        self.known = False  # an address of some transport
        self.known_at = now
        self.closed = False
        self.leaving_at = 0
        self.incoming, self.outgoing = owner.incoming, owner.outgoing
        self.lengths = owner.lengths
        self.addresses = [address] * IN_SLOTS
        self._owner = owner
        self._sock = sock
        self._rest = b""
        self._octets = 0
        self._queue: deque[tuple[int, bool, bytes]] = deque()  # when, media, frame
        self._waiting = 0
        self._begun = 0  # octets of the first frame that have left already
        self._blocked = False
        self._dirty = False

    # --- in ---

    def receive(self) -> int:
        """How many frames now stand in ``incoming`` (slot i at ``i * SLOT``), 0 when there is no whole one."""
        if self.closed or self.leaving_at:
            return 0
        if not self.has_frame:
            try:
                data = self._sock.recv(_CHUNK)
            except (BlockingIOError, InterruptedError):
                return 0
            except OSError:
                data = b""
            self._octets += len(data)
            if not data or (not self.known and self._octets > MAX_UNKNOWN):
                self.close()
                return 0
            self._rest += data
        count = self._cut()
        self.counters.packets_in += count
        return count

    @property
    def has_frame(self) -> bool:
        """Whether a whole frame has been read and not been handed out yet."""
        rest = self._rest
        return len(rest) >= 2 and len(rest) >= 2 + (rest[0] << 8 | rest[1])

    def _cut(self) -> int:
        rest, at, count = self._rest, 0, 0
        while count < IN_SLOTS and at + 2 <= len(rest):
            length = rest[at] << 8 | rest[at + 1]
            if not MIN_FRAME <= length <= SLOT:
                self.close()
                return 0
            if at + 2 + length > len(rest):
                break
            self.incoming[count * SLOT : count * SLOT + length] = rest[at + 2 : at + 2 + length]
            self.lengths[count] = length
            at += 2 + length
            count += 1
        self._rest = rest[at:]
        return count

    # --- out ---

    def reserve(self, size: int) -> int:  # noqa: ARG002 - one arena for all, used at once
        return 0

    def commit(self, begin: int, end: int, segment: int, destination: int) -> None:  # noqa: ARG002 - we are it
        """Queue the media that stands in ``outgoing``, or drop it when the queue is too long or too old."""
        for at in range(begin, end, segment):
            self._media(bytes(self.outgoing[at : at + segment]))

    def _media(self, data: bytes) -> None:
        now, length = self._owner.clock(), len(data)
        if self._waiting + length > MAX_BACKLOG or (self._queue and now - self._queue[0][0] > MAX_AGE_US):
            self.flush()
            if self._waiting + length > MAX_BACKLOG or (self._queue and now - self._queue[0][0] > MAX_AGE_US):
                self.counters.unsent += 1
                return
        self._push(now, True, data)

    def send(self, data: bytes, address: bytes) -> None:  # noqa: ARG002
        """Queue one whole STUN message or DTLS datagram."""
        if self._waiting + len(data) > MAX_BACKLOG + RESERVE:
            self.counters.unsent += 1
            return
        self._push(self._owner.clock(), False, data)

    def _push(self, now: int, media: bool, data: bytes) -> None:
        if self.closed or self.leaving_at:
            return
        frame = len(data).to_bytes(2, "big") + data
        self._queue.append((now, media, frame))
        self._waiting += len(frame)
        if not self._dirty:
            self._dirty = True
            self._owner.dirty.append(self)

    @property
    def waiting(self) -> int:
        """Octets that the kernel has not taken yet."""
        return self._waiting

    def flush(self) -> None:
        self._dirty = False
        while self._queue and not self._blocked and not self.closed:
            parts: list[Any] = [self._queue[i][2] for i in range(min(len(self._queue), _GATHER))]
            parts[0] = memoryview(parts[0])[self._begun :]
            try:
                sent = self._sock.sendmsg(parts)
            except (BlockingIOError, InterruptedError):
                self._block(True)
                return
            except OSError:
                self.close()
                return
            self._sent(sent)

    def _sent(self, size: int) -> None:
        self._waiting -= size
        size += self._begun
        while self._queue and size >= len(self._queue[0][2]):
            size -= len(self._queue.popleft()[2])
            self.counters.packets_out += 1
        self._begun = size

    def _block(self, blocked: bool) -> None:
        if blocked != self._blocked:
            self._blocked = blocked
            if blocked:
                self._owner.loop.add_writer(self._sock, self._writable)
            else:
                self._owner.loop.remove_writer(self._sock)

    def _writable(self) -> None:
        self._block(False)
        self.flush()

    def discard(self) -> None:
        """Forget media that has not begun to leave: a route was taken away."""
        kept: deque[tuple[int, bool, bytes]] = deque()
        for number, one in enumerate(self._queue):
            if not one[1] or (number == 0 and self._begun):
                kept.append(one)
            else:
                self._waiting -= len(one[2])
                self.counters.unsent += 1
        self._queue = kept

    # --- the end ---

    def leave(self, now: int) -> None:
        """Its transport is closed and close_notify staged: say that nothing more comes, and soon be gone."""
        if self.closed or self.leaving_at:
            return
        self.discard()
        self.flush()
        if self._queue or self._blocked:
            self.close(reset=True)  # it takes nothing now, so what waits would come too late
            return
        self.leaving_at = now
        self._owner.loop.remove_reader(self._sock)
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()

    def close(self, *, reset: bool = False) -> None:
        if self.closed:
            return
        self.closed = True
        self._queue.clear()
        self._waiting = self._begun = 0
        self._rest = b""
        self._owner.loop.remove_reader(self._sock)
        self._owner.loop.remove_writer(self._sock)
        if reset:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._sock.close()
        self._owner.gone(self)
