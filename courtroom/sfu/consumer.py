"""A place: one audio or one video stream to one receiver, with fixed SSRCs and changing sources.

Rules
* A place is fed by at most one layer at a time (``layer``) and waits for at most one (``waits_for``); while it waits it
  keeps what it has, so a layer change shows no hole. ``detach`` ends both at once, before anything else can be sent.
* Every packet is counted on the edge it crosses (receiver, source, kind).
* Repeats: at most one per packet and ``REPEAT_US``, at most ``MAX_REPEATS`` a second, and no more than ``MAX_LOOKED``
  numbers looked up for them. Pictures are repeated as RTX,
  sound octet by octet as it was sent: it has no stream for repeats, and another text under the same number would be
  the same nonce twice (RFC 7714 8.1).
* To a receiver that loses packets sound carries its last one or two packets again (or, where RED is not understood,
  they are sent again), as far as they came from this source and through this place: nothing from before the route.

RFC 4585 (NACK), RFC 4588 (RTX), RFC 2198 (RED), RFC 3550 6.4.1 (SR).
"""

from __future__ import annotations

from typing import Final

from courtroom.sfu import red, rtcp
from courtroom.sfu.cache import KEPT
from courtroom.sfu.kinds import RED, RETRANSMISSION_OF
from courtroom.sfu.munger import BLOCK, NUMBER, PLAIN_HEAD, Munger, number_of
from courtroom.sfu.packet import Rtp
from courtroom.sfu.producer import Layer, Producer
from courtroom.sfu.receiver import Receiver
from courtroom.sfu.sequence import unwrap
from courtroom.sfu.stats import Edge

REPEAT_US: Final = 30_000
MAX_REPEATS: Final = 400
MAX_LOOKED: Final = 2_000
PADDING: Final = 255


class Place(Munger):
    __slots__ = (
        "_looked", "_octets_before", "_packets_before", "_repeated", "_repeats", "_repeats_since", "edge",
        "fraction", "jitter", "kept", "layer", "media", "member", "number", "outbox", "paced", "redundancy",
        "report_due", "retransmission", "rtx_sequence", "sent", "shut_at", "source", "ticket", "waits_for",
        "width",
    )  # fmt: skip

    def __init__(
        self, member: Receiver, number: int, media: str, ssrc: int, retransmission: int, sequence: int, timestamp: int
    ) -> None:
        super().__init__(ssrc, sequence, timestamp)
        self.member = member
        self.outbox = member.outbox
        self.sent = member.downlink.sent
        self.number = number
        self.media = media
        self.retransmission = retransmission
        self.rtx_sequence = sequence
        self.layer: Layer | None = None
        self.waits_for: Layer | None = None
        self.source: Producer | None = None
        self.edge = Edge(member.name, "", "")
        self.width = 1280
        self._packets_before = self._octets_before = 0
        self.fraction = 0
        self.jitter = 0
        self.report_due = False
        self.shut_at = -(1 << 62)  # when its picture had to stop for want of room
        self.paced = False  # its packets go through the member's pacer
        self.ticket = 0  # another one for each layer that fed this place
        self.redundancy = 0  # earlier packets in each packet of sound
        self.kept: list[tuple[int, bytes]] = [(-1, b"")] * (KEPT if media == "audio" else 0)
        self._repeated: dict[int, int] = {}
        self._repeats = self._looked = 0
        self._repeats_since = 0

    # --- where it gets its packets from ---

    def attach(self, source: Producer, edge: Edge) -> None:
        packets, octets = self.packets, self.octets
        self.source = source
        self.edge = edge
        self._packets_before, self._octets_before = packets - edge.packets, octets - edge.octets

    def detach(self) -> None:
        """From here on no packet of the source can leave through this place."""
        self.stop()
        self.source = None

    def stop(self) -> None:
        """No picture for now; the source stays known."""
        self._stop_waiting()
        self._let_go()

    def _let_go(self) -> None:
        layer = self.layer
        if layer is not None:
            layer.forward()  # what came for us before
            layer.places.remove(self)
            self.leave_layer()

    def wait_for(self, layer: Layer) -> None:
        """Go over to ``layer`` at its next key frame (with sound: its next packet)."""
        if self.waits_for is layer:
            return
        self._stop_waiting()
        if self.layer is layer:
            return
        self.waits_for = layer
        layer.waiting.append(self)
        if layer.media == "video":
            layer.demand.wish()

    def _stop_waiting(self) -> None:
        if self.waits_for is not None:
            self.waits_for.waiting.remove(self)
            self.waits_for = None

    def leave_layer(self) -> None:
        """The layer has let go of this place."""
        self.ticket += 1
        if self.layer is not None:
            newest = self.layer.newest
            self.leave(newest, self.layer.moment(newest, self.layer.last_at) if newest is not None else 0)
            self.layer = None
        self._repeated.clear()
        if self.kept:
            self.kept = [(-1, b"")] * KEPT

    def enter_layer(self, layer: Layer, first: Rtp, now: int) -> None:
        """Called by the layer whose key frame ``first`` begins."""
        self._let_go()
        self.layer, self.waits_for = layer, None
        self.join(first, layer.moment(first, now), layer.codec.clock_rate)
        self.report_due = True
        self.edge.first_at = self.edge.first_at or now

    # --- what goes out ---

    def send(self, packet: Rtp, when: int, now: int) -> bytes:
        """One packet of the source as this place sends it, noted and counted."""
        if self.redundancy and self.member.understands_red and packet.index - self.redundancy >= self.start:
            data = self._redundant(packet, when, now)
        else:
            data = self.write(packet, when, self.sent.note(len(packet.tail) + 24, now))
        if self.kept:
            self.kept[packet.index % KEPT] = (packet.index, data)
        self.count(len(data), now)
        return data

    def put(self, data: bytes, full: list[Receiver]) -> None:
        """Into the receiver's outbox; who has something in it stands in ``full``."""
        if not self.outbox:
            full.append(self.member)
        self.outbox.append(data)

    def again(self, index: int, now: int) -> list[bytes]:
        """Earlier packets once more, as they were, for receivers that cannot take them apart."""
        if self.member.understands_red:
            return []
        kept = [self.kept[before % KEPT] for before in range(index - self.redundancy, index)]
        packets = [
            data
            for (known, data), before in zip(kept, range(index - self.redundancy, index), strict=True)
            if known == before
        ]
        for data in packets:
            self.count(len(data), now)
        return packets

    def _redundant(self, packet: Rtp, when: int, now: int) -> bytes:
        assert self.layer is not None
        earlier: list[tuple[int, bytes]] = []
        for index in range(packet.index - self.redundancy, packet.index):
            before = self.layer.ring.get(index)
            if before is not None:
                earlier.append(((packet.timestamp - before.timestamp) & 0xFFFFFFFF, before.tail))
        payload = red.join(packet.tail, earlier)
        number = self.sent.note(len(payload) + 24, now)
        head = PLAIN_HEAD.pack(
            0x90,
            (packet.marker_type & 0x80) | RED,
            (packet.index + self.index_offset) & 0xFFFF,
            (packet.timestamp + self.timestamp_offset) & 0xFFFFFFFF,
            self.ssrc,
            BLOCK,
            when,
            NUMBER | (number & 0xFFFF) << 8,
        )
        return head + payload

    def padding(self, when: int, now: int) -> bytes:
        """A packet of nothing on the stream of repeats, to try what the line carries (RFC 3550 5.1, RFC 4588 4)."""
        self.rtx_sequence = (self.rtx_sequence + 1) & 0xFFFF
        number = self.sent.note(24 + PADDING, now)
        word = NUMBER | (number & 0xFFFF) << 8
        layer = self.layer or self.waits_for
        kind = RETRANSMISSION_OF.get(layer.codec.payload_type if layer is not None else 0, 97)
        timestamp = self._last_timestamp & 0xFFFFFFFF
        head = PLAIN_HEAD.pack(0xB0, kind, self.rtx_sequence, timestamp, self.retransmission, BLOCK, when, word)
        return head + bytes(PADDING - 1) + bytes((PADDING,))

    def count(self, size: int, now: int) -> None:
        edge = self.edge
        edge.packets += 1
        edge.octets += size
        edge.last_at = now

    @property
    def packets(self) -> int:
        """Sent through this place since it exists, whatever the source."""
        return self._packets_before + self.edge.packets

    @property
    def octets(self) -> int:
        return self._octets_before + self.edge.octets

    def sender_report(self, now: int) -> bytes | None:
        """Where this place's clock stands: the layer's clock, carried on to ``now``."""
        layer = self.layer
        if layer is None or layer.clock is None:
            return None
        clock = layer.clock
        ticks = (now - clock.at) * layer.codec.clock_rate // 1_000_000
        timestamp = clock.timestamp + self.timestamp_offset + ticks
        ntp = rtcp.to_ntp(now)
        self.member.round_trip.sent(ntp, now)
        self.report_due = False
        return rtcp.sender_report(self.ssrc, ntp, timestamp, self.packets, self.octets)

    def repeats(self, lost: tuple[int, ...], now: int, when: int) -> list[bytes]:
        """What the receiver misses once more; what is not ours to send, or was sent just now, is left out."""
        layer = self.layer
        if layer is None or layer.newest is None:
            return []
        if now - self._repeats_since >= 1_000_000:
            self._repeats_since, self._repeats, self._looked = now, 0, 0
            self._repeated = {index: at for index, at in self._repeated.items() if now - at < REPEAT_US}
        newest = layer.newest.index + self.index_offset
        packets: list[bytes] = []
        lost = lost[: max(0, MAX_LOOKED - self._looked)]
        self._looked += len(lost)
        for sequence in lost:
            index = unwrap(sequence, newest) - self.index_offset
            if index < self.start or now - self._repeated.get(index, -REPEAT_US) < REPEAT_US:
                continue
            if self._repeats >= MAX_REPEATS:
                break
            data = self._again(layer, index, now, when)
            if data:
                self._repeats += 1
                self._repeated[index] = now
                self.count(len(data), now)
                packets.append(data)
            elif layer.ring.get(index) is None and index not in layer.gaps and index < layer.newest.index:
                layer.lost_for_good(index)
        return packets

    def _again(self, layer: Layer, index: int, now: int, when: int) -> bytes:
        if self.kept:
            known, data = self.kept[index % KEPT]
            if known != index:
                return b""
            self.sent.again(number_of(data))
            return data
        packet, kind = layer.ring.get(index), layer.codec.retransmission
        if packet is None or not kind:
            return b""
        self.rtx_sequence = (self.rtx_sequence + 1) & 0xFFFF
        number = self.sent.note(len(packet.tail) + 31, now)
        return self.repeat(packet, self.retransmission, kind, self.rtx_sequence, when, number)
