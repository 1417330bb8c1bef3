"""Which layers are written to which takes: a capture is one more receiver, without a network.

Rules
* Of a camera only the best live layer is written, ``h`` or else ``l``; it changes at a key frame of the new layer, and
  a change is a new TRACK. Everything else has one layer.
* A key frame is asked for when a capture begins and every ``KEY_US``, so that the recording can be cut there.
* Packets are written after decryption, without duplicates, repeats unwrapped (RFC 4588), in the order they came, each
  with the arrival of its own bytes: what was lost and repaired stands there once, later than its neighbours.
* A layer is gone over to at a key frame that came in time. Of one whose beginning had to be repaired, what followed
  was not written; another is on its way. What is still missing of the layer before is written for ``LATE_US``.

OLR 24, 27; format: courtroom/sfu/capture.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from courtroom.sfu.kinds import Kind
from courtroom.sfu.packet import Rtp
from courtroom.sfu.producer import RING, Layer, Producer
from courtroom.sfu.routes import CaptureRoute
from courtroom.sfu.takes import Spool, Take

KEY_US: Final = 10_000_000
STEADY_US: Final = 1_000_000  # a layer must have come this long without a pause before we go over to it
ALIVE_US: Final = 700_000
LATE_US: Final = 5_000_000  # as long as a gap is asked for (courtroom/sfu/nack.py)
_RANK: Final = {"h": 2, "": 1, "l": 0}


class Camera:
    """One captured kind of one member."""

    def __init__(self, take: Take, label: str, kind: Kind) -> None:
        self.take = take
        self.label = label
        self.kind = kind
        self.producer: Producer | None = None
        self._layer: Layer | None = None
        self._next: Layer | None = None
        self._left: Layer | None = None  # the layer before, of which packets up to ``_until`` may still be repaired
        self._until = self._left_at = 0
        self._from = -1  # of the present layer: what was sent before the key frame it began with is not written
        self._key_at = 0

    def begin(self, producer: Producer, now: int) -> None:
        if self.producer is not producer:
            self.end()
            self.producer = producer
        self.tick(now)

    def end(self) -> None:
        for layer in self.producer.layers.values() if self.producer is not None else ():
            if self in layer.taps:
                layer.taps.remove(self)
        self.producer = self._layer = self._next = self._left = None

    def tick(self, now: int) -> None:
        producer = self.producer
        if producer is None:
            return
        # an SSRC may have been replaced: taps move with it, the layer we hold does not
        if self._layer is not None and self not in self._layer.taps:
            self._layer = None
        if self._left is not None and now - self._left_at > LATE_US:
            self._forget_left()
        best = self._best(producer, now)
        if self._layer is None:
            if best is not None:
                self._go_over(best, now)
        elif best is not self._layer and best is not self._next:
            self._want(best, now)
        elif best is self._layer and self._next is not None:
            self._want(None, now)  # the present one is the best again
        if self._layer is not None and self._layer.media == "video" and now - self._key_at >= KEY_US:
            self._key_at = now
            self._layer.demand.wish()

    def _best(self, producer: Producer, now: int) -> Layer | None:
        alive = [layer for layer in producer.layers.values() if layer.alive(now, ALIVE_US)]
        steady = [layer for layer in alive if now - layer.since >= STEADY_US or layer is self._layer]
        return max(steady or alive, key=lambda layer: _RANK[layer.rid], default=self._layer)

    def _forget_left(self) -> None:
        left, self._left = self._left, None
        if left is not None and left not in (self._layer, self._next) and self in left.taps:
            left.taps.remove(self)

    def _want(self, layer: Layer | None, now: int) -> None:
        if self._next is not None and self in self._next.taps:
            self._next.taps.remove(self)
        self._next = layer
        self._forget_left()
        if layer is not None:
            if self not in layer.taps:
                layer.taps.append(self)
            layer.demand.wish()
            self._key_at = now

    def _go_over(self, layer: Layer, now: int) -> None:
        left = self._layer
        if self not in layer.taps:
            layer.taps.append(self)
        self._layer, self._next, self._key_at, self._from = layer, None, now, -1
        self._forget_left()
        if left is not None and left is not layer and self in left.taps and left.newest is not None:
            self._left, self._until, self._left_at = left, left.newest.index, now
        if layer.media == "video":
            layer.demand.wish()

    def _track(self, layer: Layer) -> int:
        codec = layer.codec
        return self.take.track(
            self.label, self.kind.value, layer.rid, layer.ssrc, codec.name, codec.clock_rate, codec.payload_type
        )

    def packet(self, layer: Layer, packet: Rtp, now: int) -> None:
        if layer is not self._layer:
            if not self._wants(layer, packet, now):
                return
        elif self._from - RING[layer.media] < packet.index < self._from:
            return
        track = self._track(layer)
        if track > 0:
            self.take.packet(track, now, packet.data)

    def _wants(self, layer: Layer, packet: Rtp, now: int) -> bool:
        """Whether a packet of another layer than the present one is to be written."""
        if layer is self._left:
            return self._until - RING[layer.media] < packet.index <= self._until
        upcoming = layer is self._next
        if upcoming and not (packet.keyframe and packet is layer.newest):
            return False
        self._go_over(layer, now)  # at its key frame, or its SSRC was replaced under us
        if upcoming:
            self._from = packet.index
        return True

    def report(self, layer: Layer, ntp: int, timestamp: int, now: int) -> None:
        if layer is self._layer:
            track = self._track(layer)
            if track > 0:
                self.take.report(track, now, ntp, timestamp)


class Recording:
    """All captures of one room."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._captures: dict[CaptureRoute, Camera] = {}
        self._ticked_at = 0

    def set(self, routes: Sequence[CaptureRoute], find: Callable[[str, Kind], Producer | None], now: int) -> None:
        wanted = set(routes)
        for route in [known for known in self._captures if known not in wanted]:
            self._captures.pop(route).end()
        for route in wanted:
            if route not in self._captures:
                take = self._spool.take(route.take)
                capture = self._captures[route] = Camera(take, route.label, route.kind)
                producer = find(route.source, route.kind)
                if producer is not None:
                    capture.begin(producer, now)

    def appeared(self, producer: Producer, now: int) -> None:
        for route, capture in self._captures.items():
            if (route.source, route.kind) == (producer.member, producer.kind):
                capture.begin(producer, now)

    def end(self, producer: Producer) -> None:
        for capture in self._captures.values():
            if capture.producer is producer:
                capture.end()

    def tick(self, now: int) -> None:
        if now - self._ticked_at >= 100_000:
            self._ticked_at = now
            for capture in self._captures.values():
                capture.tick(now)
