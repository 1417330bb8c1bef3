"""The media port: datagrams in, told apart by their first octet, and packets out, protected where they stand.

Rules
* First octet (RFC 7983): 0–3 STUN, 20–63 DTLS, 128–191 RTP and RTCP; the rest is dropped. RTCP by RFC 5761 section 4.
* DTLS and SRTP only from an address that passed an authenticated check. The one exception: the first ClientHello of an
  address is held for ``HOLD_US``, because dropping it costs the client a second; at most ``MAX_HELD`` are.
* Everything dropped is counted by reason. Nothing a datagram contains can raise out of here.
* One wake-up: read all, forward all, one flush. Nothing is queued afterwards, so a route that was taken away and a
  transport that was closed are quiet at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from courtroom.errors import BadPacket
from courtroom.sfu.consumer import Place
from courtroom.sfu.router import Counters, Router
from courtroom.worker import srtp
from courtroom.worker.datagrams import SLOT, Destination, Socket
from courtroom.worker.ice import Agent
from courtroom.worker.limits import Strangers
from courtroom.worker.transport import Lost, Transport

MAX_BATCHES: Final = 4
MAX_OUT: Final = SLOT - srtp.TRAILER
HOLD_US: Final = 2_000_000
MAX_HELD: Final = 64


class Port:
    """All sockets of one worker and the transports behind them."""

    def __init__(
        self,
        clock: Callable[[], int],
        counters: Counters,
        came_up: Callable[[Transport], None],
        came_back: Callable[[Transport], None],
        lost: Callable[[Transport, Lost], None],
    ) -> None:
        self.agent: Agent[Transport] = Agent()
        self.sockets: list[Socket] = []
        self._in: dict[Socket, list[Any]] = {}
        self._pointers: dict[Socket, list[Any]] = {}
        self._clock = clock
        self._counters = counters
        self._came_up = came_up
        self._came_back = came_back
        self._lost = lost
        self._strangers = Strangers()
        self._held: dict[bytes, tuple[int, bytes]] = {}

    def add(self, socket: Socket) -> None:
        self.sockets.append(socket)
        self._in[socket] = srtp.pointers(socket.incoming_memory, SLOT)
        self._pointers[socket] = srtp.pointers(socket.outgoing_memory, SLOT)

    # --- in ---

    def readable(self, socket: Socket) -> None:
        """The loop says that there is something to read."""
        touched: dict[Router, None] = {}
        for _ in range(MAX_BATCHES):
            count = socket.receive()
            if not count:
                break
            now = self._clock()
            for slot in range(count):
                self._one(socket, slot, now, touched)
            for router in touched:
                self.drain(router, now)
            touched.clear()
        self.flush()

    def _one(self, socket: Socket, slot: int, now: int, touched: dict[Router, None]) -> None:
        length = socket.lengths[slot]
        if length < 12:
            self._counters.drop("runt")
            return
        start = slot * SLOT
        first = socket.incoming[start]
        address = socket.addresses[slot]
        try:
            if 128 <= first <= 191:
                self._media(socket, slot, length, address, now, touched)
            elif first <= 3:
                self._stun(socket, bytes(socket.incoming[start : start + length]), address, now)
            elif 20 <= first <= 63:
                self._dtls(socket, bytes(socket.incoming[start : start + length]), address, now)
            else:
                self._counters.drop("unknown_datagram")
        except BadPacket as error:
            self._counters.drop(error.code)

    def _media(
        self, socket: Socket, slot: int, length: int, address: bytes, now: int, touched: dict[Router, None]
    ) -> None:
        peer = self.agent.by_address.get(address)
        if peer is None:
            self._counters.drop("stranger")
            return
        transport = peer.owner
        cipher = transport.inbound
        if cipher is None:
            self._counters.drop("before_dtls")
            return
        start = slot * SLOT
        pointer = self._in[socket][slot]
        is_rtcp = 192 <= socket.incoming[start + 1] <= 223
        size = cipher.unprotect_rtcp(pointer, length) if is_rtcp else cipher.unprotect(pointer, length)
        if size < 0:
            self._counters.drop("srtp")
            return
        if transport.heard(now):
            self._came_back(transport)
        data = bytes(socket.incoming[start : start + size])
        touched[transport.router] = None
        if is_rtcp:
            transport.router.receive_rtcp(transport.member, data, now)
        else:
            transport.last_media_at = now
            transport.router.receive_rtp(transport.member, data, now)

    def _stun(self, socket: Socket, data: bytes, address: bytes, now: int) -> None:
        if address not in self.agent.by_address and not self._strangers.allow(address, now):
            self._counters.drop("rate_limited")
            return
        checked = self.agent.check(data, address)
        if checked is None:
            self._counters.drop("unknown_ufrag")
            return
        transport = checked.peer.owner
        if checked.displaced is not None:
            self.flush()
            checked.displaced.owner.destination = None
        if checked.moved:
            self.flush()  # what is staged points at the destination that goes
            transport.socket, transport.destination = socket, Destination(address)
        if transport.heard(now):
            self._came_back(transport)
        socket.send(checked.answer, address)
        transport.last_out_at = now
        held = self._held.pop(address, None)
        if held is not None and now - held[0] < HOLD_US and address in self.agent.by_address:
            self._dtls(socket, held[1], address, now)
        elif transport.up and checked.moved:
            self._came_up(transport)

    def _dtls(self, socket: Socket, data: bytes, address: bytes, now: int) -> None:
        peer = self.agent.by_address.get(address)
        if peer is None:
            self._hold(data, address, now)
            return
        transport = peer.owner
        was_up = transport.up
        lost = transport.datagram(data)
        for datagram in transport.dtls.take():
            socket.send(datagram, address)
            transport.last_out_at = now
        if lost is not None:
            self._lost(transport, lost)
        elif transport.up and not was_up:
            transport.heard(now)
            self._came_up(transport)

    def _hold(self, data: bytes, address: bytes, now: int) -> None:
        if address in self._held or not self._strangers.allow(address, now) or data[0] != 22:
            self._counters.drop("dtls_stranger")
            return
        if len(self._held) >= MAX_HELD:
            del self._held[next(iter(self._held))]
        self._held[address] = (now, data)

    # --- out ---

    def drain(self, router: Router, now: int) -> None:
        """Protect and stage everything the router has made."""
        if router.rtp:
            packets, router.rtp = router.rtp, []
            self._drain_rtp(packets, now)
        if router.rtcp:
            reports, router.rtcp = router.rtcp, []
            for member, data in reports:
                self._send_rtcp(member.tag, data, now)

    def _drain_rtp(self, packets: list[tuple[Place, bytes]], now: int) -> None:
        """The hot loop: one turn per packet and receiver."""
        protect, cell = srtp.protect_rtp, srtp.length_cell
        pointers = self._pointers
        for place, data in packets:
            transport: Transport = place.member.tag
            cipher, socket, destination = transport.outbound, transport.socket, transport.destination
            length = len(data)
            if cipher is None or socket is None or destination is None or length > MAX_OUT:
                self._counters.drop("no_path")
                continue
            slot = socket.slot()
            at = slot * SLOT
            socket.outgoing[at : at + length] = data
            cell[0] = length
            if protect(cipher.context, pointers[socket][slot], cell):
                self._counters.drop("srtp_out")
                continue
            transport.last_out_at = now
            socket.stage(length + cipher.overhead, destination.pointer)

    def _send_rtcp(self, transport: Transport, data: bytes, now: int) -> None:
        cipher, socket, destination = transport.outbound, transport.socket, transport.destination
        if cipher is None or socket is None or destination is None or len(data) > MAX_OUT:
            self._counters.drop("no_path")
            return
        slot = socket.slot()
        at = slot * SLOT
        socket.outgoing[at : at + len(data)] = data
        size = cipher.protect_rtcp(self._pointers[socket][slot], len(data))
        if size < 0:
            self._counters.drop("srtp_out")
            return
        transport.last_out_at = now
        socket.stage(size, destination.pointer)

    def flush(self) -> None:
        for socket in self.sockets:
            socket.flush()

    def handshakes(self, transports: Iterable[Transport]) -> None:
        """Retransmit DTLS flights that are due."""
        for transport in transports:
            if transport.up or transport.peer is None or not transport.peer.path or transport.socket is None:
                continue
            transport.dtls.tick()
            for datagram in transport.dtls.take():
                transport.socket.send(datagram, transport.peer.path)

    def say_goodbye(self, transport: Transport) -> None:
        """close_notify, then forget: afterwards no datagram in finds this transport, and none goes out."""
        transport.dtls.close()
        peer, socket = transport.peer, transport.socket
        if peer is None:
            return
        if socket is not None and peer.path:
            for datagram in transport.dtls.take():
                socket.send(datagram, peer.path)
                transport.last_out_at = self._clock()
        self.flush()
        self.agent.remove(peer)
        transport.destination = None
        transport.inbound = transport.outbound = None
        transport.up = False

    def close(self) -> None:
        for socket in self.sockets:
            socket.close()
