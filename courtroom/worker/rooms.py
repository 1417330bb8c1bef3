"""What control asks of a worker, done: rooms, transports, routes; and what happens to them, told.

Rules
* Every request is answered by exactly one ``Reply``; a refusal changes nothing.
* Transports belong to one room and never move. Closing takes the transport out of the router first, then says
  close_notify, then forgets the address: nothing can be sent to it afterwards.
* A take has ended when the last room that was ever captured into it is closed.
* Bounds: ``MAX_ROOMS``; members and places are bounded by the router.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from courtroom.channel import messages as m
from courtroom.errors import CourtroomError, Refused
from courtroom.sfu import router as sfu
from courtroom.sfu.kinds import Kind
from courtroom.sfu.router import Counters, Declared, Router
from courtroom.sfu.stats import Edge
from courtroom.sfu.takes import Spool
from courtroom.worker import ice, sdp
from courtroom.worker.dtls import Identity
from courtroom.worker.port import Port
from courtroom.worker.transport import CONNECT_US, Lost, Transport

MAX_ROOMS: Final = 256
MAX_WIDTH: Final = 16384

Request = (
    m.OpenRoom | m.CloseRoom | m.OpenTransport | m.AcceptAnswer | m.RestartTransport | m.CloseTransport | m.SetRoutes
)  # fmt: skip


class Rooms:
    def __init__(
        self,
        clock: Callable[[], int],
        random: Callable[[int], bytes],
        tell: Callable[[m.FromWorker], None],
        own: Identity,
        spool: Spool,
        addresses: tuple[str, ...],
    ) -> None:
        self.counters = Counters()
        self.port = Port(clock, random, self.counters, self._came_up, self._came_back, self._lost)
        self.media_port = 0
        self.transports: dict[str, Transport] = {}
        self._rooms: dict[str, Router] = {}
        self._takes: dict[str, set[str]] = {}  # what each room was ever captured into
        self._clock = clock
        self._random = random
        self._tell = tell
        self._own = own
        self._spool = spool
        self._addresses = addresses
        self._gone: list[Edge] = []

    # --- requests ---

    def answer(self, message: Request) -> m.Reply:
        """Do what is asked; the ``Reply`` is to be sent after what the port has staged."""
        try:
            text = self._do(message)
        except CourtroomError as error:
            return m.Reply(message.request, error.code)
        return m.Reply(message.request, sdp=text)

    def _do(self, message: Request) -> str:
        match message:
            case m.OpenRoom(_, room):
                if room in self._rooms:
                    raise Refused("room_exists")
                if len(self._rooms) >= MAX_ROOMS:
                    raise Refused("too_many_rooms")
                self._rooms[room] = Router(room, self._spool, self._random, self.counters)
            case m.CloseRoom(_, room):
                router = self._room(room)
                for name in list(router.members):
                    self.close(self._transport(name), "room_closed")
                router.set_routes(router.revision, [], [], self._clock())
                del self._rooms[room]
                self._end_takes(room)
            case m.OpenTransport():
                return self._open(message)
            case m.AcceptAnswer(_, name, text):
                self._accept(self._transport(name), text)
            case m.RestartTransport(_, name):
                return self._restart(self._transport(name))
            case m.CloseTransport(_, name):
                self.close(self._transport(name), "asked")
            case m.SetRoutes():
                self._set_routes(message)
        return ""

    def _end_takes(self, room: str) -> None:
        takes = self._takes.pop(room, set())
        for take in takes.difference(*self._takes.values()):
            self._spool.end(take, self._clock())

    def prefer(self, message: m.SetPreferences) -> None:
        """One-way: what does not fit is ignored."""
        transport = self.transports.get(message.transport)
        if transport is not None:
            for wish in message.places[: sfu.MAX_PLACES]:
                if wish.place >= 0:
                    width = max(0, min(wish.width, MAX_WIDTH))
                    transport.router.prefer(transport.member, wish.place, width, self._clock())

    def _room(self, name: str) -> Router:
        router = self._rooms.get(name)
        if router is None:
            raise Refused("no_such_room")
        return router

    def _transport(self, name: str) -> Transport:
        transport = self.transports.get(name)
        if transport is None:
            raise Refused("no_such_transport")
        return transport

    def _open(self, message: m.OpenTransport) -> str:
        router = self._room(message.room)
        if message.transport in self.transports:
            raise Refused("transport_exists")
        publish = _kinds(message.publish)
        if not 0 <= message.places <= sfu.MAX_PLACES:
            raise Refused("too_many_places")
        if not publish and not message.places:
            raise Refused("empty_transport")
        places = self._ssrcs(message.places)
        session = int.from_bytes(self._random(8), "big") >> 2
        offer = sdp.Offer(
            session, 1, ice.credentials(self._random), self._own.fingerprint, self._addresses, self.media_port, publish,
            tuple(sdp.PlaceIds(place.audio, place.video, place.retransmission) for place in places),
        )  # fmt: skip
        member = router.add(message.transport, None, publish, sdp.MIDS, places)
        transport = Transport(message.transport, router, member, offer, self._own, self._clock())
        member.tag = transport
        transport.peer = self.port.agent.add(transport, offer.credentials)
        self.transports[message.transport] = transport
        return sdp.write(offer)

    def _ssrcs(self, places: int) -> list[sfu.PlaceSsrcs]:
        """Three SSRCs a place, different from each other by their low octet."""
        base = int.from_bytes(self._random(3), "big") << 8
        return [sfu.PlaceSsrcs(base + 4 * i + 1, base + 4 * i + 2, base + 4 * i + 3) for i in range(places)]

    def _accept(self, transport: Transport, text: str) -> None:
        answer = sdp.read(text, transport.offer.mids)
        first = transport.answer is None
        if not first and transport.answer is not None and transport.answer.fingerprint != answer.fingerprint:
            raise Refused("bad_sdp")  # a restart keeps the certificate
        member = transport.member
        kinds = {mid: kind for kind, mid in sdp.MIDS.items()}
        member.declared = {}
        for section in answer.sections:
            kind = kinds.get(section.mid)
            if kind is None or not section.sends:
                continue
            repairs = {repair: media for media, repair in section.retransmissions.items()}
            for ssrc in section.ssrcs:
                member.declared[ssrc] = Declared(kind, repairs.get(ssrc, 0))
        receiving = [
            section.payload_types for section in answer.sections if section.mid not in kinds and section.receives
        ]
        member.receives = frozenset(number for types in receiving for number in types)
        was_up = transport.up
        lost = transport.accept(answer)
        if lost is not None:
            self._lost(transport, lost)
            raise Refused(lost.reason)
        if transport.up and not was_up:
            self._came_up(transport)

    def _restart(self, transport: Transport) -> str:
        own = ice.credentials(self._random)
        assert transport.peer is not None
        self.port.agent.restart(transport.peer, own)
        transport.offer = replace(transport.offer, version=transport.offer.version + 1, credentials=own)
        return sdp.write(transport.offer)

    def _set_routes(self, message: m.SetRoutes) -> None:
        router = self._room(message.room)
        routes = [sfu.Route(route.receiver, route.place, route.source, _kind(route.kind)) for route in message.routes]
        captures = [
            sfu.CaptureRoute(route.take, route.source, _kind(route.kind), route.label) for route in message.captures
        ]
        now = self._clock()
        router.set_routes(message.revision, routes, captures, now)
        if captures:
            self._takes.setdefault(message.room, set()).update(route.take for route in captures)
        self.port.discard(member.tag for member in router.members.values())
        self.pump(router, now)

    # --- what happens ---

    def _came_up(self, transport: Transport) -> None:
        """ICE and DTLS are up and the certificate is right (or the path moved: then there is nothing to tell)."""
        if transport.member.connected or transport.peer is None or not transport.peer.path:
            return
        now = self._clock()
        transport.last_in_at = now
        self._changed(transport, "connected", now)
        transport.router.connect(transport.member, now)
        self.pump(transport.router, now)

    def _came_back(self, transport: Transport) -> None:
        transport.router.revive(transport.member)
        self._changed(transport, "back", self._clock())

    def _lost(self, transport: Transport, lost: Lost) -> None:
        self.close(transport, lost.reason)

    def close(self, transport: Transport, reason: str) -> None:
        now = self._clock()
        del self.transports[transport.name]
        self._gone += transport.router.remove(transport.name, now)
        self.port.drain(transport.router, now)
        self.port.say_goodbye(transport)
        self._changed(transport, "closed", now, reason)
        self._events(transport.router, now)
        transport.member.dissolve()
        transport.peer = None

    def _changed(self, transport: Transport, state: str, now: int, reason: str = "") -> None:
        loss, rtt, jitter = transport.quality()
        self._tell(
            m.TransportChanged(
                transport.name, state, now, reason, transport.last_in_at, transport.last_out_at, loss, rtt, jitter
            )
        )

    def pump(self, router: Router, now: int) -> None:
        """Let the room do what is due and send it."""
        router.tick(now)
        self.port.drain(router, now)
        self._events(router, now)
        self.port.flush()

    def _events(self, router: Router, now: int) -> None:
        events, router.events = router.events, []
        for event in events:
            match event:
                case sfu.ProducerChanged(member, kind, live, codec):
                    self._tell(m.ProducerChanged(member, kind.value, live, codec, now))
                case sfu.SpeakingChanged(members):
                    self._tell(m.SpeakingChanged(router.name, list(members)))

    def tick(self) -> None:
        """Every 20 ms."""
        now = self._clock()
        for router in self._rooms.values():
            self.pump(router, now)
        self.port.tick(self.transports.values(), now)
        for transport in list(self.transports.values()):
            if transport.falls_silent(now):
                self._changed(transport, "silent", now)
            elif not transport.up and not transport.member.connected and now - transport.opened_at >= CONNECT_US:
                self.close(transport, "never_connected")

    def journal(self) -> list[m.EdgeCounter]:
        """Edges crossed since the last call, and for the last time those of transports that are gone."""
        edges, self._gone = self._gone, []
        for router in self._rooms.values():
            edges += router.journal()
        return [m.EdgeCounter(e.receiver, e.source, e.kind, e.packets, e.octets, e.first_at, e.last_at) for e in edges]

    def quality(self) -> list[m.TransportQuality]:
        up = (transport for transport in self.transports.values() if transport.up)
        return [m.TransportQuality(transport.name, *transport.quality()) for transport in up]

    def shut(self) -> None:
        """Say goodbye to everybody and close the sockets."""
        for transport in list(self.transports.values()):
            self.close(transport, "room_closed")
        self.port.close()


def _kind(name: str) -> Kind:
    try:
        return Kind(name)
    except ValueError as error:
        raise Refused("unknown_kind") from error


def _kinds(names: list[str]) -> tuple[Kind, ...]:
    """In the order of the m-lines; a screen brings its sound."""
    wanted = {_kind(name) for name in names}
    if Kind.SCREEN in wanted:
        wanted.add(Kind.SCREEN_SOUND)
    return tuple(kind for kind in Kind if kind in wanted)
