"""What a room has made, on its way out: protected where it stands, and all of one wake-up sent at once.

Rules
* Packets for one receiver stand side by side in the memory that the socket sends from; those of one size, and a shorter
  one after them, leave as one message (``datagrams``). What has no path, or is too long, is dropped and counted.
* Nothing is kept here between two calls of ``flush``.

RFC 3711, RFC 7714 (SRTP).
"""

from __future__ import annotations

from typing import Any, Final

from courtroom.sfu.router import Counters, Router
from courtroom.worker import srtp
from courtroom.worker.datagrams import RUN, SLOT, Socket
from courtroom.worker.stream import Stream
from courtroom.worker.tcp import Streams
from courtroom.worker.transport import Transport

MAX_OUT: Final = SLOT - srtp.TRAILER

Carrier = Socket | Stream


class Outgoing:
    """The sending side of one port."""

    def __init__(self, counters: Counters) -> None:
        self.sockets: list[Socket] = []
        self._streams: Streams | None = None
        self._arenas: dict[Carrier, Any] = {}  # pointers to the memory each sends from
        self._shared: Any = None  # all streams share theirs
        self._counters = counters

    def add(self, socket: Socket) -> None:
        self.sockets.append(socket)
        self._arenas[socket] = srtp.pointer(socket.outgoing_memory)

    def listen(self, streams: Streams) -> None:
        self._streams = streams
        self._shared = srtp.pointer(streams.outgoing_memory)

    def connect(self, stream: Stream) -> None:
        self._arenas[stream] = self._shared

    def disconnect(self, stream: Stream) -> None:
        self._arenas.pop(stream, None)

    def drain(self, router: Router, now: int) -> None:
        """Protect and stage everything the router has made."""
        for member in router.take():
            if member.tag is not None:
                self._drain_rtp(member.tag, member.outbox, now)
            member.outbox.clear()
        if router.rtcp:
            reports, router.rtcp = router.rtcp, []
            for member, data in reports:
                if member.tag is not None:
                    self._send_rtcp(member.tag, data, now)

    def _drain_rtp(self, transport: Transport, packets: list[bytes], now: int) -> None:
        """The hot loop: everything of one wake-up for one receiver, side by side in memory, so that packets of one size
        can leave as one message (UDP_SEGMENT)."""
        cipher, socket, destination = transport.outbound, transport.socket, transport.destination
        if cipher is None or socket is None or destination is None:
            self._counters.drop("no_path", len(packets))
            return
        transport.last_out_at = now
        protect, cell, context, overhead = srtp.protect_rtp, srtp.length_cell, cipher.context, cipher.overhead
        arena, base = socket.outgoing, self._arenas[socket]
        for first in range(0, len(packets), RUN):
            at = begun = socket.reserve(RUN * SLOT)
            segment = 0
            for data in packets[first : first + RUN]:
                length = len(data)
                if length > MAX_OUT:
                    self._counters.drop("too_long")
                    continue
                arena[at : at + length] = data
                cell[0] = length
                if protect(context, base + at, cell):
                    self._counters.drop("srtp_out")
                    continue
                length += overhead
                if at == begun:
                    segment = length
                elif length > segment:
                    socket.commit(begun, at, segment, destination.pointer)
                    begun, segment = at, length
                at += length
                if length < segment:  # only the last one of a message may be shorter
                    socket.commit(begun, at, segment, destination.pointer)
                    begun = at
            if at > begun:
                socket.commit(begun, at, segment, destination.pointer)

    def _send_rtcp(self, transport: Transport, data: bytes, now: int) -> None:
        cipher, socket, destination = transport.outbound, transport.socket, transport.destination
        if cipher is None or socket is None or destination is None or len(data) > MAX_OUT:
            self._counters.drop("no_path")
            return
        at = socket.reserve(SLOT)
        socket.outgoing[at : at + len(data)] = data
        size = cipher.protect_rtcp(self._arenas[socket] + at, len(data))
        if size < 0:
            self._counters.drop("srtp_out")
            return
        transport.last_out_at = now
        socket.commit(at, at + size, size, destination.pointer)

    def flush(self) -> None:
        for socket in self.sockets:
            socket.flush()
        if self._streams is not None and self._streams.dirty:
            self._streams.flush()
