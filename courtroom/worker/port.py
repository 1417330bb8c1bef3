"""The media port: datagrams in, told apart by their first octet; who sent them, and which way leads back there.

Rules
* First octet (RFC 7983): 0–3 STUN, 20–63 DTLS, 128–191 RTP and RTCP; the rest is dropped. RTCP by RFC 5761 section 4.
* DTLS and SRTP only from an address that passed an authenticated check. The one exception is ``hold``.
* What is limited is the unknown: a check that names one of our user fragments always passes, however many datagrams
  somebody sends in the name of its host.
* What a member sends has a budget too (``limits.Budget``; ``transport``: SSRCs, checks, records), so that the flood of
  one is no delay for another.
* Everything dropped is counted by reason. Nothing a datagram contains can raise out of here.
* One wake-up: read all, forward all, one flush (``outgoing``). Over UDP nothing is queued afterwards: a route that was
  taken away and a transport that was closed are quiet at once; what TCP queues is thrown away then (``discard``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from courtroom.errors import BadPacket
from courtroom.sfu.router import Counters, Router
from courtroom.worker import consent, srtp, stun
from courtroom.worker.datagrams import IN_SLOTS, SLOT, Destination, Socket
from courtroom.worker.hold import Held
from courtroom.worker.ice import Agent
from courtroom.worker.limits import PACKET, RTCP_WEIGHT, Strangers
from courtroom.worker.outgoing import Carrier, Outgoing
from courtroom.worker.stream import Loop, Stream
from courtroom.worker.tcp import Streams
from courtroom.worker.transport import QUIET_US, Lost, Transport

MAX_BATCHES: Final = 4
PROVE_US: Final = 5_000_000


class Port:
    """All sockets of one worker and the transports behind them."""

    def __init__(
        self,
        clock: Callable[[], int],
        random: Callable[[int], bytes],
        counters: Counters,
        came_up: Callable[[Transport], None],
        came_back: Callable[[Transport], None],
        lost: Callable[[Transport, Lost], None],
    ) -> None:
        self.agent: Agent[Transport] = Agent(self._in_use)
        self.out = Outgoing(counters)
        self.sockets = self.out.sockets
        self.streams: Streams | None = None
        self._in: dict[Carrier, list[Any]] = {}
        self._shared: list[Any] = []  # pointers to the slots that all streams share
        self._clock = clock
        self._random = random
        self._counters = counters
        self._came_up = came_up
        self._came_back = came_back
        self._lost = lost
        self._strangers = Strangers()
        self._held = Held(random)

    def add(self, socket: Socket) -> None:
        self._in[socket] = srtp.pointers(socket.incoming_memory, SLOT)
        self.out.add(socket)

    def listen(self, loop: Loop) -> Streams:
        """The TCP side of this port."""
        self.streams = Streams(loop, self._clock, self._counters.drop, self._stream_readable, self._stream_ended)
        self._shared = srtp.pointers(self.streams.incoming_memory, SLOT)
        self.out.listen(self.streams)
        return self.streams

    # --- in ---

    def readable(self, socket: Carrier) -> None:
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
            if count < IN_SLOTS:
                break  # that was all; asking once more would be a system call for nothing
        self.flush()

    def _stream_readable(self, stream: Stream) -> None:
        if stream not in self._in:
            self._in[stream] = self._shared
            self.out.connect(stream)
        self.readable(stream)

    def _stream_ended(self, stream: Stream) -> None:
        self._in.pop(stream, None)
        self.out.disconnect(stream)
        peer = self.agent.forget(stream.address)
        if peer is not None:
            peer.owner.socket = peer.owner.destination = peer.owner.proving = None

    def _one(self, socket: Carrier, slot: int, now: int, touched: dict[Router, None]) -> None:
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
        self, socket: Carrier, slot: int, length: int, address: bytes, now: int, touched: dict[Router, None]
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
        if transport.proving is not None and address == peer.path:
            self._take_path(transport, socket, address)
        data = bytes(socket.incoming[start : start + size])
        source = data[4:8] if is_rtcp else data[8:12]
        if source not in transport.ssrcs and not transport.takes(source):
            self._counters.drop("too_many_ssrcs")
            return
        budget = transport.budget
        cost = (size << RTCP_WEIGHT if is_rtcp else size) + PACKET
        budget.left -= cost
        if budget.left < 0 and not budget.earns(cost, now):
            self._counters.drop("flood")
            return
        touched[transport.router] = None
        if is_rtcp:
            transport.router.receive_rtcp(transport.member, data, now)
        else:
            transport.router.receive_rtp(transport.member, data, now)

    def _stun(self, socket: Carrier, data: bytes, address: bytes, now: int) -> None:
        if address not in self.agent.by_address and not self._may_ask(data, address, now):
            self._counters.drop("rate_limited")
            return
        known = self.agent.by_address.get(address)
        if known is not None and not known.owner.checks.allow(now):
            self._counters.drop("stun_rate")
            return
        if stun.is_answer(data):
            self._answered(stun.parse_answer(data), address, now)
            return
        if isinstance(socket, Stream) and (socket.closed or socket.leaving_at):
            return
        checked = self.agent.check(data, address)
        if checked is None:
            self._counters.drop("unknown_ufrag")
            return
        transport = checked.peer.owner
        if isinstance(socket, Stream) and self.streams is not None:
            self.streams.admit(socket)
        if checked.displaced is not None and not checked.displaced.path:
            self.flush()
            displaced = checked.displaced.owner
            displaced.socket = displaced.destination = displaced.proving = None
        if checked.moved:
            self._move(transport, socket, address, now)
        self._heard(transport, now)
        socket.send(checked.answer, address)
        transport.last_out_at = now
        hello = self._held.take(address, now)
        if hello is not None and address in self.agent.by_address:
            self._dtls(socket, hello, address, now)

    def _move(self, transport: Transport, socket: Carrier, address: bytes, now: int) -> None:
        """A check wants us to send to ``address``. Its sender knows the password, but not that it is there: a member
        could have us flood a third party by forging its source. What is up moves when that address has answered."""
        if not transport.up:
            self._take_path(transport, socket, address)
        elif transport.destination is not None and transport.destination.address == address:
            transport.socket, transport.proving = socket, None
            self._came_up(transport)
        else:
            transport.proving, transport.prove_by = socket, now + PROVE_US
            self._question(transport, socket, now)

    def _still_proving(self, transport: Transport, now: int) -> bool:
        if transport.proving is None or now < transport.prove_by:
            return transport.proving is not None
        transport.proving = None  # the next check begins it again
        if transport.peer is not None:
            transport.peer.path = transport.destination.address if transport.destination is not None else b""
        return False

    def _take_path(self, transport: Transport, socket: Carrier, address: bytes) -> None:
        self.flush()  # what is staged points at the destination that goes
        transport.socket, transport.destination, transport.proving = socket, Destination(address), None
        transport.member.downlink.moved()
        if transport.up:
            self._came_up(transport)

    def _may_ask(self, data: bytes, address: bytes, now: int) -> bool:
        return self._strangers.allow(address, now) or self.agent.knows(stun.names(data))

    def _answered(self, answer: stun.BindingAnswer, address: bytes, now: int) -> None:
        peer = self.agent.by_address.get(address)
        if peer is None or not peer.owner.consent.answers(answer.transaction, address, now):
            self._counters.drop("stun_not_asked")
            return
        if not peer.answered(answer):
            raise BadPacket("stun_not_authentic")
        transport = peer.owner
        if transport.proving is not None and address == peer.path:
            self._take_path(transport, transport.proving, address)
        self._heard(transport, now)

    def _heard(self, transport: Transport, now: int) -> None:
        if transport.proving is None:
            transport.consent.heard()
        if transport.heard(now):
            self._came_back(transport)

    def _in_use(self, holder: Transport, address: bytes) -> bool:
        """Who is up and was heard just now keeps its address, whoever else claims to be there."""
        peer = holder.peer
        return holder.up and peer is not None and peer.path == address and self._clock() - holder.last_in_at < QUIET_US

    def _dtls(self, socket: Carrier, data: bytes, address: bytes, now: int) -> None:
        peer = self.agent.by_address.get(address)
        if peer is None:
            self._hold(data, address, now)
            return
        transport = peer.owner
        if not transport.records.allow(now):
            self._counters.drop("dtls_rate")
            return
        was_up = transport.up
        lost = transport.datagram(data)
        for datagram in transport.dtls.take():
            socket.send(datagram, address)
            transport.last_out_at = now
        if lost is not None:
            self._lost(transport, lost)
        elif transport.up and not was_up:
            transport.heard(now)
            if peer.path == address:
                self._came_up(transport)
            else:  # it shook hands from one address and wants its media at another
                transport.proving, transport.prove_by, transport.destination = transport.socket, now + PROVE_US, None

    def _hold(self, data: bytes, address: bytes, now: int) -> None:
        if data[0] != 22 or not self._strangers.allow(address, now) or not self._held.put(address, data, now):
            self._counters.drop("dtls_stranger")

    # --- out ---

    def drain(self, router: Router, now: int) -> None:
        """Protect and stage everything the router has made."""
        self.out.drain(router, now)

    def flush(self) -> None:
        self.out.flush()

    def discard(self, transports: Iterable[Transport]) -> None:
        """Throw away media that is queued for these: their routes have changed."""
        for transport in transports:
            if isinstance(transport.socket, Stream):
                transport.socket.discard()

    def tick(self, transports: Iterable[Transport], now: int) -> None:
        """Every 20 ms: DTLS flights that are due, questions to the silent, and strangers whose time is over."""
        self.handshakes(transports)
        for transport in transports:
            if not transport.up:
                continue
            if self._still_proving(transport, now):
                if transport.proving is not None and transport.consent.may(now):
                    self._question(transport, transport.proving, now)
            elif transport.consent.due(now, transport.last_in_at, told=transport.silent):
                self._ask(transport, now)
        self._held.expire(now)
        if self.streams is not None:
            self.streams.tick(now, self.agent.by_address.__contains__)
        self.flush()

    def _ask(self, transport: Transport, now: int) -> None:
        peer, socket = transport.peer, transport.socket
        if peer is None or socket is None or not peer.path:
            return
        if now - transport.last_in_at >= consent.EXPIRES_US:
            peer.path = b""
            transport.socket = transport.destination = transport.proving = None
            return
        self._question(transport, socket, now)

    def _question(self, transport: Transport, socket: Carrier, now: int) -> None:
        peer = transport.peer
        transaction = self._random(12)
        question = peer.question(transaction) if peer is not None else None
        if peer is not None and question is not None:
            transport.consent.asked(transaction, peer.path, now)
            socket.send(question, peer.path)
            transport.last_out_at = now

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
        now = self._clock()
        if socket is not None and peer.path:
            for datagram in transport.dtls.take():
                socket.send(datagram, peer.path)
                transport.last_out_at = now
        self.flush()
        addresses = list(peer.addresses)
        self.agent.remove(peer)
        transport.socket = transport.destination = transport.proving = None
        transport.inbound = transport.outbound = None
        transport.up = False
        if self.streams is not None:
            for address in addresses:
                stream = self.streams.find(address)
                if stream is not None:
                    self.streams.leave(stream, now)

    def close(self) -> None:
        for socket in self.sockets:
            socket.close()
        if self.streams is not None:
            self.streams.close()
