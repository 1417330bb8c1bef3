"""A place: one audio or one video stream to one receiver, with fixed SSRCs and changing sources.

Rules
* A place is fed by at most one layer at a time (``layer``) and waits for at most one (``waits_for``); while it waits it
  keeps what it has, so a layer change shows no hole. ``detach`` ends both at once, before anything else can be sent.
* Every packet is counted on the edge it crosses (receiver, source, kind).
* Repeats: at most one per packet and ``REPEAT_US``, at most ``MAX_REPEATS`` a second.

RFC 4585 (NACK), RFC 4588 (RTX), RFC 3550 6.4.1 (SR).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from courtroom.sfu import rtcp
from courtroom.sfu.munger import Munger
from courtroom.sfu.packet import Rtp
from courtroom.sfu.sequence import unwrap
from courtroom.sfu.stats import Edge

if TYPE_CHECKING:
    from courtroom.sfu.producer import Layer, Producer
    from courtroom.sfu.router import Member

REPEAT_US: Final = 30_000
MAX_REPEATS: Final = 400


class Place(Munger):
    __slots__ = (
        "_octets_before",
        "_packets_before",
        "_repeated",
        "_repeats",
        "_repeats_since",
        "edge",
        "fraction",
        "jitter",
        "layer",
        "media",
        "member",
        "number",
        "report_due",
        "retransmission",
        "rtx_sequence",
        "source",
        "waits_for",
        "width",
    )

    def __init__(
        self, member: Member, number: int, media: str, ssrc: int, retransmission: int, sequence: int, timestamp: int
    ) -> None:
        super().__init__(ssrc, sequence, timestamp)
        self.member = member
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
        self._repeated: dict[int, int] = {}
        self._repeats = 0
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
        if self.layer is not None:
            self.layer.places.remove(self)
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
        if self.layer is not None:
            self.leave(self.layer.newest, self.layer.last_at)
            self.layer = None
        self._repeated.clear()

    def enter_layer(self, layer: Layer, first: Rtp, now: int) -> None:
        """Called by the layer whose key frame ``first`` begins."""
        if self.layer is not None:
            self.layer.places.remove(self)
            self.leave_layer()
        self.layer, self.waits_for = layer, None
        self.join(first, now, layer.codec.clock_rate)
        self.report_due = True
        self.edge.first_at = self.edge.first_at or now

    # --- what goes out beside the packets ---

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
        """RTX packets for what the receiver misses; what is not ours to send, or was sent just now, is left out."""
        layer = self.layer
        if layer is None or layer.newest is None or not self.retransmission or not layer.codec.retransmission:
            return []
        if now - self._repeats_since >= 1_000_000:
            self._repeats_since, self._repeats = now, 0
            self._repeated = {index: at for index, at in self._repeated.items() if now - at < REPEAT_US}
        newest = layer.newest.index + self.index_offset
        packets: list[bytes] = []
        for sequence in lost:
            index = unwrap(sequence, newest) - self.index_offset
            packet = layer.ring.get(index) if index >= self.start else None
            if packet is None or now - self._repeated.get(index, -REPEAT_US) < REPEAT_US:
                continue
            if self._repeats >= MAX_REPEATS:
                break
            self._repeats += 1
            self._repeated[index] = now
            self.rtx_sequence = (self.rtx_sequence + 1) & 0xFFFF
            data = self.repeat(packet, self.retransmission, layer.codec.retransmission, self.rtx_sequence, when)
            self.count(len(data), now)
            packets.append(data)
        return packets
