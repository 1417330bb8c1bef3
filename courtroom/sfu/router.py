"""One room: members, what they send, and who gets it. The engine's front; give it packets and time, drain what it made.

Rules
* ``set_routes`` takes the whole set. When it returns, every place of a route left out has let go of its source, so no
  packet of it can be made any more. There is no other way by which a packet reaches a member.
* A route counts once both ends are there: the receiver's transport is up and the source sends. Until then it is kept.
* Nothing here knows sockets or clocks: ``now`` is µs of the court clock and never runs backwards. Outgoing RTP stands
  in the ``outbox`` of each member that ``take`` names, outgoing RTCP in ``rtcp`` as (member, bytes), what control
  should know in ``events``.
* Bounds: ``MAX_MEMBERS``, ``MAX_PLACES`` a member, ``MAX_STREAMS`` SSRCs a member; what is over is refused or dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from courtroom.errors import BadPacket, Refused
from courtroom.sfu import kinds, layers, red, reports, selection, upkeep
from courtroom.sfu import packet as wire
from courtroom.sfu.consumer import Place
from courtroom.sfu.downlink import UNLIMITED
from courtroom.sfu.forwarding import Turn
from courtroom.sfu.kinds import BY_PAYLOAD_TYPE, BY_RETRANSMISSION, Kind
from courtroom.sfu.member import Counters, Declared, Member, PlaceSsrcs
from courtroom.sfu.packet import Rtp
from courtroom.sfu.producer import LIVE_US, Layer, Producer
from courtroom.sfu.receiver import Receiver
from courtroom.sfu.recording import Recording
from courtroom.sfu.routes import CaptureRoute, Route
from courtroom.sfu.stats import Edge
from courtroom.sfu.takes import Spool

__all__ = [
    "CaptureRoute", "Counters", "Declared", "Event", "Member", "PlaceSsrcs", "ProducerChanged", "Route", "Router",
    "SpeakingChanged",
]  # fmt: skip

MAX_MEMBERS: Final = 64
MAX_PLACES: Final = 16
MAX_STREAMS: Final = 32
FIRST_REPORT_US: Final = 200_000
JUDGE_US: Final = 200_000
TICK_US: Final = 20_000
SELECT_US: Final = 600_000  # for receivers without a budget: nothing changes for them but layers that vanish
_OPUS_FRAMES: Final = frozenset((120, 240, 480, 960, 1920, 2880))  # ticks of 48 kHz: 2.5 to 60 ms


@dataclass(frozen=True, slots=True)
class ProducerChanged:
    member: str
    kind: Kind
    live: bool
    codec: str


@dataclass(frozen=True, slots=True)
class SpeakingChanged:
    members: tuple[str, ...]


Event = ProducerChanged | SpeakingChanged


class Router:
    def __init__(self, name: str, spool: Spool, random: Callable[[int], bytes], counters: Counters) -> None:
        self.name = name
        self.members: dict[str, Member] = {}
        self._turn = Turn()
        self.rtcp: list[tuple[Receiver, bytes]] = []
        self.events: list[Event] = []
        self.revision = -1
        self._routes: frozenset[Route] = frozenset()
        self._by_source: dict[tuple[str, Kind], list[Route]] = {}
        self._edges: dict[tuple[str, str, str], Edge] = {}
        self._journalled: dict[tuple[str, str, str], int] = {}
        self._recording = Recording(spool)
        self._random = random
        self._counters = counters
        self._judged_at = 0
        self._connected = 0  # so far, for taking turns
        self._speaking: tuple[str, ...] = ()

    # --- members ---

    def add(
        self, name: str, tag: object, publish: Sequence[Kind], mids: dict[Kind, str], ssrcs: Sequence[PlaceSsrcs]
    ) -> Member:
        if len(self.members) >= MAX_MEMBERS:
            raise Refused("room_full")
        if name in self.members:
            raise Refused("transport_exists")
        if len(ssrcs) > MAX_PLACES:
            raise Refused("too_many_places")
        member = Member(name, tag, {mids[kind].encode(): kind for kind in publish})
        for number, own in enumerate(ssrcs):
            seed = self._random(8)
            # the upper half stays free: a wrap among the first packets would leave the two ends with different SRTP
            # roll-over counts when just then one is lost (RFC 3711 3.3.1)
            sequence, timestamp = int.from_bytes(seed[:2], "big") & 0x7FFF, int.from_bytes(seed[2:6], "big")
            member.audio.append(Place(member, number, "audio", own.audio, 0, sequence, timestamp))
            member.video.append(Place(member, number, "video", own.video, own.retransmission, sequence, timestamp))
        self.members[name] = member
        return member

    def remove(self, name: str, now: int) -> list[Edge]:
        """The member is gone with everything it sent and got; its edges for the last journal."""
        member = self.members.pop(name)
        for place in member.places():
            place.detach()
        for producer in member.producers.values():
            for layer in producer.layers.values():
                for output in layer.places + layer.waiting:
                    output.detach()
            self._recording.end(producer)
            self._live(producer, False)
        gone = [key for key in self._edges if name in (key[0], key[1])]
        edges = [self._edges.pop(key) for key in gone]
        for key in gone:
            self._journalled.pop(key, None)
        self._tell_speaking(now)
        return [edge for edge in edges if edge.packets]

    def connect(self, member: Member, now: int) -> None:
        """The transport is up: from now on its places may get packets."""
        member.connected = True
        member.report_at = now + FIRST_REPORT_US
        self._connected += 1
        member.judge_at = now + self._connected * TICK_US % JUDGE_US
        for route in self._routes:
            if route.receiver == member.name:
                self._attach(route)
        selection.select(member, now)

    # --- routes ---

    def set_routes(self, revision: int, routes: Sequence[Route], captures: Sequence[CaptureRoute], now: int) -> None:
        if revision < self.revision:
            raise Refused("stale_revision")
        taken: set[tuple[str, int, str]] = set()
        edges: set[tuple[str, str, Kind]] = (
            set()
        )  # a picture stands in one place of a receiver, its tile where it likes
        for route in routes:
            slot = (route.receiver, route.place, route.kind.media)
            edge = (route.receiver, route.source, route.kind)
            if slot in taken or edge in edges or not 0 <= route.place < MAX_PLACES or route.receiver == route.source:
                raise Refused("bad_routes")
            taken.add(slot)
            edges.add(edge)
        wanted = frozenset(routes)
        for route in self._routes - wanted:
            self._detach(route)
        added = wanted - self._routes
        self._routes, self.revision = wanted, revision
        self._by_source = {}
        for route in wanted:
            self._by_source.setdefault((route.source, route.kind), []).append(route)
        self._attach_all(added, now)
        self._recording.set(captures, self._producer, now)

    def _producer(self, name: str, kind: Kind) -> Producer | None:
        member = self.members.get(name)
        return member.producers.get(kind) if member is not None else None

    def _detach(self, route: Route) -> None:
        member = self.members.get(route.receiver)
        places = (member.audio if route.kind.media == "audio" else member.video) if member is not None else []
        if route.place < len(places):
            places[route.place].detach()

    def _attach_all(self, routes: Iterable[Route], now: int) -> None:
        attached = {member.name: member for route in routes if (member := self._attach(route)) is not None}
        for member in attached.values():
            selection.select(member, now)

    def _attach(self, route: Route) -> Member | None:
        """The receiver, if both ends are there."""
        member = self.members.get(route.receiver)
        producer = self._producer(route.source, route.kind)
        if member is None or producer is None or not member.connected or route.place >= len(member.audio):
            return None
        place = member.place(route.place, route.kind)
        if place.source is not producer:
            place.detach()
            key = (route.receiver, route.source, route.kind.value)
            edge = self._edges.get(key)
            if edge is None:
                edge = self._edges[key] = Edge(*key)
            place.attach(producer, edge)
        return member

    def prefer(self, member: Member, number: int, width: int, now: int) -> None:
        """The width of one place's tile in CSS pixels; 0 stops its picture."""
        if number < len(member.video):
            member.video[number].width = width
            selection.select(member, now)

    # --- packets in ---

    def receive_rtp(self, member: Member, data: bytes, now: int) -> None:
        """One decrypted RTP packet of ``member``; ``BadPacket`` when it is none."""
        packet = wire.parse(data)
        earlier: list[tuple[int, bytes]] = []
        if packet.payload_type == kinds.RED:
            packet, earlier = red.unpack(packet)
        number = wire.extension(packet, kinds.TRANSPORT_CC)
        if number is not None and len(number) == 2:
            member.arrivals.note(int.from_bytes(number, "big"), now)
        layer = member.streams.get(packet.ssrc)
        if layer is None:
            layer = member.repairs.get(packet.ssrc)
            if layer is None:
                layer = self._learn(member, packet, now)
            if packet.ssrc != layer.ssrc:
                if packet.payload_type != layer.codec.retransmission:  # of the codec before, or of none
                    raise BadPacket("unknown_payload_type")
                original = wire.unwrap_retransmission(packet, layer.ssrc, layer.codec.payload_type)
                if original is not None:
                    self._receive(member, layer, original, now, repeated=True)
                return
        if earlier:
            self._recover(member, layer, packet, earlier, now)
        self._receive(member, layer, packet, now, repeated=False)

    def _recover(self, member: Member, layer: Layer, packet: Rtp, earlier: list[tuple[int, bytes]], now: int) -> None:
        """What a RED packet repeats and we never got."""
        for steps, (age, block) in zip(range(len(earlier), 0, -1), earlier, strict=True):
            sequence = (packet.sequence - steps) & 0xFFFF
            if age % steps == 0 and age // steps in _OPUS_FRAMES and layer.misses(sequence):
                timestamp = (packet.timestamp - age) & 0xFFFFFFFF
                head = wire.HEADER.pack(0x80, kinds.OPUS.payload_type, sequence, timestamp, layer.ssrc)
                self._receive(member, layer, wire.parse(head + block), now, repeated=True)

    def _receive(self, member: Member, layer: Layer, packet: Rtp, now: int, *, repeated: bool) -> None:
        if packet.payload_type != layer.codec.payload_type:
            layer = self._change_codec(member, layer, packet, now)
        producer = layer.producer
        if not producer.live and not repeated:
            # before the packet is passed on: a key frame that ends a pause reaches those who wait for one
            layer.wake(now)
            self._live(producer, True)
            self._attach_all(self._by_source.get((producer.member, producer.kind), ()), now)
            self._recording.appeared(producer, now)
        if not layer.receive(packet, now, repeated=repeated):
            self._counters.drop("duplicate")
            return
        if layer.media == "audio":
            level = wire.extension(packet, kinds.AUDIO_LEVEL)
            if level:
                producer.voice.heard(level[0] & 0x7F, now)
        if layer.since == now and len(producer.layers) > 1:
            self._select_all(producer, now)
        packet.data = b""  # what the ring keeps for repeats is the tail; both would be twice the memory

    def _learn(self, member: Member, packet: Rtp, now: int) -> Layer:
        """Which layer an unknown SSRC is: by MID and RID, else by what the answer declared (RFC 8843 9.2)."""
        if len(member.streams) + len(member.repairs) >= MAX_STREAMS:
            raise BadPacket("too_many_streams")
        mid = wire.extension(packet, kinds.MID)
        declared = member.declared.get(packet.ssrc)
        kind = member.mids.get(mid) if mid is not None else declared.kind if declared is not None else None
        if kind is None:
            raise BadPacket("unknown_ssrc")
        repair = BY_RETRANSMISSION.get(packet.payload_type)
        codec = repair or BY_PAYLOAD_TYPE.get(packet.payload_type)
        if codec is None or codec.media != kind.media:
            raise BadPacket("unknown_payload_type")
        rid = wire.extension(packet, kinds.REPAIRED_RID if repair else kinds.RID)
        name = rid.decode("ascii", "replace") if rid is not None and kind is Kind.CAMERA else ""
        if name not in ("", *layers.ORDER):
            raise BadPacket("unknown_layer")
        producer = member.producers.get(kind)
        if repair is not None:
            layer = producer.layers.get(name) if producer is not None else None
            if layer is None:
                raise BadPacket("repair_before_media")
            member.repairs.pop(layer.retransmission, None)
            layer.retransmission = packet.ssrc
            member.repairs[packet.ssrc] = layer
            return layer
        if producer is None:
            producer = member.producers[kind] = Producer(member.name, kind, member.source, self._turn)
        old = producer.layers.get(name)
        if old is not None:
            member.streams.pop(old.ssrc, None)
            member.repairs.pop(old.retransmission, None)
        layer = producer.add(name, packet.ssrc, codec, now)
        layer.retransmission = 0
        member.streams[packet.ssrc] = layer
        # before its first packet is passed on, so that an encoder's first key frame reaches those who wait for it
        self._attach_all(self._by_source.get((member.name, kind), ()), now)
        self._recording.appeared(producer, now)
        return layer

    def _change_codec(self, member: Member, layer: Layer, packet: Rtp, now: int) -> Layer:
        codec = BY_PAYLOAD_TYPE.get(packet.payload_type)
        if codec is None or codec.media != layer.media:
            raise BadPacket("unknown_payload_type")
        repair = layer.retransmission
        changed = layer.producer.add(layer.rid, layer.ssrc, codec, now)
        member.streams[layer.ssrc] = changed
        if repair:
            member.repairs[repair] = changed
        return changed

    def receive_rtcp(self, member: Member, data: bytes, now: int) -> None:
        """One decrypted RTCP datagram of ``member``; ``BadPacket`` when it is none."""
        reports.receive(self, member, data, now)

    # --- time ---

    def tick(self, now: int) -> None:
        """Everything that time makes due; call every 20 ms or so."""
        for member in self.members.values():
            if not member.connected:
                continue
            upkeep.tick(self, member, now)
            if now >= member.judge_at:
                member.judge_at = now + JUDGE_US
                self._judge(member, now)
        if now - self._judged_at >= JUDGE_US:
            self._judged_at = now
            self._tell_speaking(now)
        self._recording.tick(now)

    def take(self) -> list[Receiver]:
        """Who has something in its outbox, once all that came is passed on; the caller empties them."""
        return self._turn.take()

    def put(self, member: Receiver, packets: Sequence[bytes]) -> None:
        """RTP for one member, after what already waits for it."""
        if packets and not member.outbox:
            self._turn.full.append(member)
        member.outbox += packets

    def tell(self, member: Receiver, report: bytes) -> None:
        """RTCP for one member."""
        self.rtcp.append((member, report))

    def drop(self, why: str) -> None:
        self._counters.drop(why)

    def revive(self, member: Member) -> None:
        """The member is back after a silence: what it sends and what it gets begins with a key frame."""
        upkeep.revive(member)

    def _judge(self, member: Member, now: int) -> None:
        """What is looked at a few times a second; each member has its own moment, so that no tick is a long one."""
        for producer in member.producers.values():
            producer.voice.tick(now)
            live = bool(producer.live_layers(now, LIVE_US))
            if producer.live and not live:
                self._live(producer, False)
            for layer in producer.layers.values():
                layer.measure(now)
            alive = producer.live_layers(now, layers.ALIVE_US)
            if alive != producer.alive:
                producer.alive = alive
                self._select_all(producer, now)
        member.downlink.tick(now)
        upkeep.protect_sound(member, now)
        if member.downlink.budget < UNLIMITED or now - member.selected_at >= SELECT_US:
            selection.select(member, now)

    def _select_all(self, producer: Producer, now: int) -> None:
        for route in self._by_source.get((producer.member, producer.kind), ()):
            member = self.members.get(route.receiver)
            if member is not None and member.connected:
                selection.select(member, now)

    def _live(self, producer: Producer, live: bool) -> None:
        if producer.live != live:
            producer.live = live
            codec = next((layer.codec.name for layer in producer.layers.values()), "")
            self.events.append(ProducerChanged(producer.member, producer.kind, live, codec))

    def _tell_speaking(self, _now: int) -> None:
        voices = [
            (producer.voice.level, name)
            for name, member in self.members.items()
            if (producer := member.producers.get(Kind.MICROPHONE)) is not None and producer.voice.speaking
        ]
        speaking = tuple(name for _, name in sorted(voices))
        if speaking != self._speaking:
            self._speaking = speaking
            self.events.append(SpeakingChanged(speaking))

    def journal(self) -> list[Edge]:
        """Edges that were crossed since the last call, with totals since the receiver's transport was opened."""
        changed: list[Edge] = []
        for key, edge in self._edges.items():
            if edge.packets != self._journalled.get(key, 0):
                self._journalled[key] = edge.packets
                changed.append(edge)
        return changed
