"""One room: members, what they send, and who gets it. The engine's front; give it packets and time, drain what it made.

Rules
* ``set_routes`` takes the whole set. When it returns, every place of a route left out has let go of its source, so no
  packet of it can be made any more. There is no other way by which a packet reaches a member.
* A route counts once both ends are there: the receiver's transport is up and the source sends. Until then it is kept.
* Nothing here knows sockets or clocks: ``now`` is µs of the court clock and never runs backwards. Outgoing RTP stands
  in the ``outbox`` of each member that ``full`` names, outgoing RTCP in ``rtcp`` as (member, bytes), what control
  should know in ``events``.
* Bounds: ``MAX_MEMBERS``, ``MAX_PLACES`` a member, ``MAX_STREAMS`` SSRCs a member; what is over is refused or dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from courtroom.errors import BadPacket, Refused
from courtroom.sfu import kinds, layers, red, rtcp, selection
from courtroom.sfu import packet as wire
from courtroom.sfu.consumer import Place
from courtroom.sfu.downlink import BURST, UNLIMITED
from courtroom.sfu.kinds import BY_PAYLOAD_TYPE, BY_RETRANSMISSION, Kind
from courtroom.sfu.member import Counters, Declared, Member, PlaceSsrcs
from courtroom.sfu.munger import send_time
from courtroom.sfu.packet import Rtp
from courtroom.sfu.producer import LIVE_US, Layer, Producer
from courtroom.sfu.recording import Recording
from courtroom.sfu.stats import Edge
from courtroom.sfu.takes import Spool

__all__ = [
    "CaptureRoute", "Counters", "Declared", "Event", "Member", "PlaceSsrcs", "ProducerChanged", "Route", "Router",
    "SpeakingChanged",
]  # fmt: skip

MAX_MEMBERS: Final = 64
MAX_PLACES: Final = 16
MAX_STREAMS: Final = 32
REPORT_US: Final = 1_000_000
FIRST_REPORT_US: Final = 200_000
JUDGE_US: Final = 200_000
SELECT_US: Final = 600_000  # for receivers without a budget: nothing changes for them but layers that vanish
_OWN_SSRC: Final = 1  # sender of our RTCP
_OPUS_FRAMES: Final = frozenset((120, 240, 480, 960, 1920, 2880))  # ticks of 48 kHz: 2.5 to 60 ms
PASS_ON_US: Final = 100_000  # between two sender reports of one layer that are passed on
PAD_US: Final = 100_000  # more than that is not made up for
MAX_PADDING: Final = 100  # packets at once
REDUNDANT_FROM: Final = 10  # permille of loss
REDUNDANT_TWICE: Final = 50
CALM_US: Final = 10_000_000
ROOMY: Final = 500_000  # bit/s: a budget below has no room for saying things twice


@dataclass(frozen=True, slots=True)
class Route:
    receiver: str
    place: int
    source: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class CaptureRoute:
    take: str
    source: str
    kind: Kind
    label: str


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
        self.full: list[Member] = []  # whose outbox is not empty
        self.rtcp: list[tuple[Member, bytes]] = []
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
                for place in layer.places + layer.waiting:
                    place.detach()
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
            packet, earlier = _unpack(packet)
        number = wire.extension(packet, kinds.TRANSPORT_CC)
        if number is not None and len(number) == 2:
            member.arrivals.note(int.from_bytes(number, "big"), now)
        layer = member.streams.get(packet.ssrc)
        if layer is None:
            layer = member.repairs.get(packet.ssrc)
            if layer is None:
                layer = self._learn(member, packet, now)
            if packet.ssrc != layer.ssrc:
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
        if not layer.receive(packet, now, send_time(now), self.full, repeated=repeated):
            self._counters.drop("duplicate")
            return
        producer = layer.producer
        if layer.media == "audio":
            level = wire.extension(packet, kinds.AUDIO_LEVEL)
            if level:
                producer.voice.heard(level[0] & 0x7F, now)
        if not producer.live:
            self._live(producer, True)
            self._attach_all(self._by_source.get((producer.member, producer.kind), ()), now)
            self._recording.appeared(producer, now)
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
            producer = member.producers[kind] = Producer(member.name, kind, member.source)
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
        for report in rtcp.parse(data):
            match report:
                case rtcp.SenderReport(ssrc, ntp, timestamp):
                    layer = member.streams.get(ssrc)
                    if layer is not None:
                        fresh = now - layer.reported_at >= PASS_ON_US
                        layer.report(ntp, rtcp.from_ntp(ntp), timestamp, now)
                        for place in layer.places if fresh else ():
                            self._send_report(place, now)
                    self._heard(member, report.blocks, now)
                case rtcp.ReceiverReport(_, blocks):
                    self._heard(member, blocks, now)
                case rtcp.Nack(media, lost):
                    self._repeat(self._own(member, media), lost, now)
                case rtcp.Pli(media):
                    self._wish(self._own(member, media))
                case rtcp.Fir(ssrcs):
                    for media in ssrcs[:MAX_PLACES]:
                        self._wish(self._own(member, media))
                case rtcp.Arrivals():
                    member.downlink.arrived(report, now)
                    if member.downlink.hard:
                        selection.select(member, now)
                case rtcp.Remb(bitrate):
                    member.downlink.remb(bitrate, member.sending, now)
                case rtcp.Bye():
                    pass  # silence and DTLS say it better

    @staticmethod
    def _own(member: Member, ssrc: int) -> Place | None:
        for place in member.places():
            if place.ssrc == ssrc:
                return place
        return None

    def _repeat(self, place: Place | None, lost: tuple[int, ...], now: int) -> None:
        if place is not None:
            self._put(place.member, place.repeats(lost, now, send_time(now)))

    def _put(self, member: Member, packets: Sequence[bytes]) -> None:
        if packets and not member.outbox:
            self.full.append(member)
        member.outbox += packets

    @staticmethod
    def _wish(place: Place | None) -> None:
        if place is not None and place.layer is not None and place.media == "video":
            place.layer.demand.wish()

    @staticmethod
    def _heard(member: Member, blocks: tuple[rtcp.Block, ...], now: int) -> None:
        for block in blocks:
            member.round_trip.heard(block, now)
            for place in member.places():
                if place.ssrc == block.ssrc:
                    place.fraction, place.jitter = block.fraction, block.jitter
        video = [place.fraction for place in member.video if place.layer is not None]
        if video:
            member.downlink.reported(max(video), member.sending, now)

    # --- time ---

    def tick(self, now: int) -> None:
        """Everything that time makes due; call every 20 ms or so."""
        for member in self.members.values():
            if not member.connected:
                continue
            self._ask(member, now)
            for place in member.places():
                if place.report_due:
                    self._send_report(place, now)
            if member.pacer:
                self._release(member, now)
            if now >= member.report_at:
                self._report(member, now)
            if member.downlink.trying:
                self._pad(member, now)
            elif member.downlink.burst_due(now):
                self._padding(member, BURST, now)
        if now - self._judged_at >= JUDGE_US:
            self._judged_at = now
            self._judge(now)
        self._recording.tick(now)

    def revive(self, member: Member) -> None:
        """The member is back after a silence: what it sends and what it gets begins with a key frame."""
        for layer in member.streams.values():
            if layer.media == "video" and layer.places:
                layer.demand.wish()
        for place in member.video:
            if place.layer is not None:
                place.layer.demand.wish()

    def _ask(self, member: Member, now: int) -> None:
        media = 0
        for layer in member.streams.values():
            media = layer.ssrc
            lost = layer.gaps.due(now, member.round_trip.us)
            if lost:
                self.rtcp.append((member, rtcp.nack(_OWN_SSRC, layer.ssrc, [index & 0xFFFF for index in lost])))
            if layer.demand.due(now):
                self.rtcp.append((member, rtcp.pli(_OWN_SSRC, layer.ssrc)))
        for message in member.arrivals.feedback(_OWN_SSRC, media, now):
            self.rtcp.append((member, message))

    def _send_report(self, place: Place, now: int) -> None:
        report = place.sender_report(now)
        if report is not None:
            self.rtcp.append((place.member, report))

    def _report(self, member: Member, now: int) -> None:
        member.report_at = now + REPORT_US
        blocks = [layer.reception.block(layer.ssrc, now) for layer in member.streams.values()]
        if blocks:
            self.rtcp.append((member, rtcp.receiver_report(_OWN_SSRC, blocks)))
        octets = sum(place.octets for place in member.places())
        member.sending, member.sent_octets = (octets - member.sent_octets) * 8, octets

    def _release(self, member: Member, now: int) -> None:
        if member.pacer.overfull:
            self._counters.drop("paced_out")
            member.pacer.clear()
            for place in member.video:
                place.stop()  # what was thrown away is missing: on with a key frame
            selection.select(member, now)
        self._put(member, member.pacer.release(send_time(now), now, sound=member.sound))

    def _pad(self, member: Member, now: int) -> None:
        """Fill the budget that is being tried: what media did not use since the last time."""
        line = member.downlink
        line.tick(now)
        passed, member.padded_at = now - member.padded_at, now
        used = line.sent.octets(member.padded_number)
        free = min(line.budget, line.wanted * 6 // 5) * passed // 8_000_000 - used
        if 0 < passed <= PAD_US:
            self._padding(member, free // 323, now)
        member.padded_number = line.sent.next

    def _padding(self, member: Member, count: int, now: int) -> None:
        when = send_time(now)
        if member.video:
            self._put(member, [member.video[0].padding(when, now) for _ in range(min(count, MAX_PADDING))])

    def _protect_sound(self, member: Member, now: int) -> None:
        """How often each packet of sound is sent again, by what the line loses; taken back slowly."""
        line = member.downlink
        level = 0 if line.loss < REDUNDANT_FROM else 1 if line.loss < REDUNDANT_TWICE else 2
        if line.full or line.budget < ROOMY:
            # what is lost now is lost because too much is sent
            member.redundancy, member.lossy_at = 0, now
        elif level >= member.redundancy:
            member.redundancy, member.lossy_at = level, now
        elif now - member.lossy_at >= CALM_US:
            member.redundancy, member.lossy_at = member.redundancy - 1, now
        for place in member.audio:
            place.redundancy = member.redundancy

    def _judge(self, now: int) -> None:
        for member in self.members.values():
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
            if member.connected:
                member.downlink.tick(now)
                self._protect_sound(member, now)
                if member.downlink.budget < UNLIMITED or now - member.selected_at >= SELECT_US:
                    selection.select(member, now)
        self._tell_speaking(now)

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


def _unpack(packet: Rtp) -> tuple[Rtp, list[tuple[int, bytes]]]:
    """The Opus packet in a RED one, under the same header, and what it repeats."""
    payload, earlier = red.split(packet.data[packet.payload : packet.end])
    first = packet.data[0] & ~0x20
    second = (packet.marker_type & 0x80) | kinds.OPUS.payload_type
    head = wire.HEADER.pack(first, second, packet.sequence, packet.timestamp, packet.ssrc)
    return wire.parse(head + packet.data[12 : packet.payload] + payload), earlier
