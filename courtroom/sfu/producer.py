"""What one member sends of one kind: its layers, and everything that has to be known about each.

Rules
* A layer is one SSRC of media (and its RTX stream, unwrapped before it comes here). ``receive`` drops duplicates, keeps
  the packet for repeats, notes gaps, and hands it to those that get this layer: places and captures.
* Who gets the layer is decided by the router; places that wait for a key frame are moved in here when one comes.
* What comes in one wake-up is passed on together (``forwarding``): at its end, or before a place leaves.
* Each has a clock (``clocks``): its sender's, as soon as that has reported, so that lips stay in step with words.

RFC 3550 6.4.1, RFC 4588, RFC 8853.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from courtroom.sfu import forwarding
from courtroom.sfu import packet as rtp
from courtroom.sfu.cache import Ring
from courtroom.sfu.clocks import ClockMap, Source
from courtroom.sfu.forwarding import Fed, Turn
from courtroom.sfu.keyframes import Demand
from courtroom.sfu.kinds import Codec, Kind
from courtroom.sfu.layers import size_of
from courtroom.sfu.nack import Gaps
from courtroom.sfu.packet import Rtp
from courtroom.sfu.sent import HEADERS
from courtroom.sfu.sequence import Unwrapper, unwrap
from courtroom.sfu.speaking import Voice
from courtroom.sfu.stats import Reception

RING: Final = {"audio": 128, "video": 512}  # four seconds of a large layer
LIVE_US: Final = 2_000_000
PLAYABLE: Final = 20  # packets of sound that are worth asking for after an outage: 400 ms
OVERHEAD: Final = HEADERS + 24  # what a packet costs a line beside its payload
MAX_JUMP: Final = 3000  # a larger jump in sequence is a sender that began anew
OUTAGE_US: Final = 800_000  # what got lost in a longer one is not asked for again


class Tap(Protocol):
    """A capture of one layer."""

    def packet(self, layer: Layer, packet: Rtp, now: int) -> None: ...

    def report(self, layer: Layer, ntp: int, timestamp: int, now: int) -> None: ...


class Output(Fed, Protocol):
    """A place that a layer feeds, or that waits for its next key frame, as far as a layer has to know it."""

    layer: Layer | None
    waits_for: Layer | None

    def wait_for(self, layer: Layer) -> None: ...

    def enter_layer(self, layer: Layer, first: Rtp, now: int) -> None: ...

    def leave_layer(self) -> None: ...

    def detach(self) -> None: ...

    def sender_report(self, now: int) -> bytes | None: ...


class Layer:
    """One incoming media SSRC."""

    __slots__ = (
        "_came", "_key_index", "_key_timestamp", "_octets", "_rated_at", "_turn", "_unwrap", "clock", "codec", "demand",
        "gaps", "last_at", "media", "newest", "places", "producer", "rate", "reception", "reported_at",
        "retransmission", "rid", "ring", "since", "slept", "ssrc", "taps", "waiting",
    )  # fmt: skip

    def __init__(self, producer: Producer, rid: str, ssrc: int, codec: Codec, now: int) -> None:
        self.producer = producer
        self.rid = rid
        self.ssrc = ssrc
        self.codec = codec
        self.media = codec.media
        self.retransmission = 0
        self.ring = Ring(RING[codec.media])
        self.gaps = Gaps(codec.media)
        self.reception = Reception(codec.clock_rate)
        self.demand = Demand()
        self.clock: ClockMap | None = None
        self.newest: Rtp | None = None
        self.last_at = self.since = now  # of the last packet; when packets began to come without a pause
        self.slept = 0  # how long the pause was that the next packet ends
        self.places: list[Output] = []
        self.waiting: list[Output] = []
        self.taps: list[Tap] = []
        self._unwrap = Unwrapper()
        self._turn = producer.turn
        self._came: list[Rtp] = []  # in this wake-up, not yet passed on
        self.rate = 0  # bit/s with headers, over about a second, key frames left out
        self._key_timestamp = self._key_index = -1
        self._octets = 0
        self._rated_at = now
        self.reported_at = -(1 << 62)

    def receive(self, packet: Rtp, now: int, *, repeated: bool) -> bool:
        """One packet of this SSRC; False for a duplicate or one that is far too late."""
        before = self._unwrap.highest
        packet.index = index = self._unwrap(packet.sequence)
        if before >= 0 and abs(index - before) > MAX_JUMP:
            self._begin_anew(packet)
            before, index = -1, packet.index
        if not self.ring.put(packet):
            return False
        if before >= 0:
            if index > before + 1:
                self._skipped(before + 1, index, now)
            elif index < before:
                self.gaps.arrived(index)
        rtp.look(packet, self.codec)
        if packet.keyframe:
            self._key_timestamp, self._key_index = packet.timestamp, index
        if packet.timestamp != self._key_timestamp:
            self._octets += packet.end - packet.payload + OVERHEAD
        if not repeated:
            self.reception.packet(index, packet.timestamp, now)
        if now - self.last_at > LIVE_US:
            self.since = now
        self.last_at, self.slept = now, 0
        if index > before:
            self._advance(packet, now)
        if self.places:
            if not self._came:
                self._turn.due.append(self)
            self._came.append(packet)
        for tap in self.taps:
            tap.packet(self, packet, now)
        return True

    def wake(self, now: int) -> None:
        """Packets come again after a pause; call before the first of them is received."""
        self.slept = now - self.last_at
        self.last_at = self.since = now

    def _skipped(self, first: int, end: int, now: int) -> None:
        """Numbers were jumped over. After an outage a picture cannot be mended from what its sender still has, and the
        line that has just come back is better used for a key frame than for what is over."""
        outage = max(now - self.last_at, self.slept) >= OUTAGE_US
        if outage and self.media == "video":
            self.gaps.give_up(end - first)
            self.demand.wish()
        elif outage:
            playable = max(first, end - PLAYABLE)
            self.gaps.give_up(playable - first)
            self.gaps.skipped(playable, end, now)
        elif not self.gaps.skipped(first, end, now) and self.media == "video":
            self.demand.wish()

    def lost_for_good(self, index: int) -> None:
        """Nobody has this packet any more; a picture that lacks it needs a key frame, unless one has come since."""
        if self.media == "video" and index > self._key_index and (self.places or self.taps):
            self.demand.wish()

    def misses(self, sequence: int) -> bool:
        """Whether the packet of this number has not come yet and would still be taken."""
        highest = self._unwrap.highest
        if highest < 0:
            return False
        index = unwrap(sequence, highest)
        return index > highest - RING[self.media] and self.ring.get(index) is None

    def _begin_anew(self, packet: Rtp) -> None:
        """The sender restarted its count: everything that was numbered before is gone."""
        self.release(self)
        self.ring.clear()
        self.gaps = Gaps(self.media)
        self.reception = Reception(self.codec.clock_rate)
        self.newest = None
        self._key_index = -1
        self._unwrap = Unwrapper()
        packet.index = self._unwrap(packet.sequence)
        if self.waiting:
            self.demand.wish()

    def _advance(self, packet: Rtp, now: int) -> None:
        newest, self.newest = self.newest, packet
        clock = self.clock
        if clock is None or not clock.reported:
            rate = self.codec.clock_rate
            # the smallest delay seen: a packet that was late must not move the clock
            at = now if clock is None or newest is None else min(now, clock.court_time(packet.timestamp, rate))
            self.clock = ClockMap(at, packet.timestamp, reported=False)
        if packet.keyframe:
            self.producer.offer(self)
        if self.waiting and (packet.keyframe or self.media == "audio"):
            self._admit(packet, now)
        elif packet.keyframe and self.demand.wanted:
            self.demand.came(waiting=False)

    def release(self, successor: Layer) -> None:
        """Let go of every place; those that wait for nothing else wait for ``successor``."""
        self.forward()
        for place in self.places:
            place.leave_layer()
            if place.waits_for is None:
                place.waits_for = successor
                successor.waiting.append(place)
        self.places = []

    def _admit(self, packet: Rtp, now: int) -> None:
        waiting, self.waiting = self.waiting, []
        for place in waiting:
            place.enter_layer(self, packet, now)
            self.places.append(place)
        self.demand.came(waiting=False)

    def forward(self) -> None:
        """Pass on what has come since the last time: in each wake-up once, and before a place lets go of this layer."""
        packets, self._came = self._came, []
        if packets:
            forwarding.forward(packets, self.places, self.last_at, self._turn.full)

    def moment(self, packet: Rtp, arrived: int) -> int:
        """When a packet was captured, on the court clock; ``arrived`` is the answer while there is no better one."""
        return (
            self.clock.moment(packet.timestamp, arrived, self.codec.clock_rate) if self.clock is not None else arrived
        )

    def report(self, ntp: int, ntp_us: int, timestamp: int, now: int) -> None:
        """The sender's own word on its clock."""
        self.reported_at = now
        self.reception.sender_report(ntp, now)
        self.producer.source.report(ntp_us, now)
        offset = self.producer.source.offset
        assert offset is not None
        self.clock = ClockMap(ntp_us + offset, timestamp, reported=True)
        for tap in self.taps:
            tap.report(self, ntp, timestamp, now)

    def measure(self, now: int) -> None:
        """Take the rate of the last while; call a few times a second."""
        passed = now - self._rated_at
        if passed >= 200_000:
            rate = self._octets * 8 * 1_000_000 // passed
            self.rate = rate if not self.rate else (self.rate * 3 + rate) // 4
            self._octets, self._rated_at = 0, now

    def alive(self, now: int, within: int) -> bool:
        return now - self.last_at < within


@dataclass(slots=True)
class Producer:
    """One kind of one member."""

    member: str
    kind: Kind
    source: Source
    turn: Turn
    layers: dict[str, Layer] = field(default_factory=dict)
    live: bool = False
    alive: list[str] = field(default_factory=list)  # layers, when last looked at
    voice: Voice = field(default_factory=Voice)

    def add(self, rid: str, ssrc: int, codec: Codec, now: int) -> Layer:
        """A new SSRC for this layer; whoever had the old one waits for the new one."""
        layer = Layer(self, rid, ssrc, codec, now)
        old = self.layers.get(rid)
        if old is not None:
            layer.retransmission = old.retransmission
            layer.waiting, old.waiting = old.waiting, []
            for place in layer.waiting:
                place.waits_for = layer
            old.release(layer)
            layer.taps, old.taps = old.taps, []
            if layer.waiting:
                layer.demand.wish()
        self.layers[rid] = layer
        return layer

    def offer(self, layer: Layer) -> None:
        """A key frame of ``layer`` is here: a place that shows nothing yet and waits for a larger layer takes it. The
        large one may have been switched off by its sender since, and a small picture now beats a large one later."""
        for larger in self.layers.values():
            if size_of(larger.rid) > size_of(layer.rid):
                for place in list(larger.waiting):
                    if place.layer is None and layer.codec.payload_type in place.member.receives:
                        place.wait_for(layer)
                        place.member.selected_at = 0  # the large one is to be asked for again soon

    def live_layers(self, now: int, within: int) -> list[str]:
        return [rid for rid, layer in self.layers.items() if layer.alive(now, within)]
