"""Which layers are written to which takes: a capture is one more receiver, without a network.

Rules
* Of a camera only the best live layer is written, ``h`` or else ``l``; it changes at a key frame of the new layer, and
  a change is a new TRACK. Everything else has one layer.
* A key frame is asked for when a capture begins and every ``KEY_US``, so that the recording can be cut there.
* Packets are written after decryption, without duplicates, repeats unwrapped, in the order they came.

OLR 24, 27; format: courtroom/sfu/capture.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from courtroom.sfu.kinds import Kind
from courtroom.sfu.packet import Rtp
from courtroom.sfu.producer import Layer, Producer
from courtroom.sfu.takes import Spool, Take

if TYPE_CHECKING:
    from courtroom.sfu.router import CaptureRoute

KEY_US: Final = 10_000_000
STEADY_US: Final = 1_000_000  # a layer must have come this long without a pause before we go over to it
ALIVE_US: Final = 700_000
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
        self.producer = self._layer = self._next = None

    def tick(self, now: int) -> None:
        producer = self.producer
        if producer is None:
            return
        # an SSRC may have been replaced: taps move with it, the layer we hold does not
        if self._layer is not None and self not in self._layer.taps:
            self._layer = None
        best = self._best(producer, now)
        if self._layer is None:
            if best is not None:
                self._go_over(best, now)
        elif best is not self._layer and best is not self._next:
            self._want(best, now)
        if self._layer is not None and self._layer.media == "video" and now - self._key_at >= KEY_US:
            self._key_at = now
            self._layer.demand.wish()

    def _best(self, producer: Producer, now: int) -> Layer | None:
        alive = [layer for layer in producer.layers.values() if layer.alive(now, ALIVE_US)]
        steady = [layer for layer in alive if now - layer.since >= STEADY_US or layer is self._layer]
        return max(steady or alive, key=lambda layer: _RANK[layer.rid], default=self._layer)

    def _want(self, layer: Layer | None, now: int) -> None:
        if self._next is not None and self in self._next.taps:
            self._next.taps.remove(self)
        self._next = layer
        if layer is not None:
            layer.taps.append(self)
            layer.demand.wish()
            self._key_at = now

    def _go_over(self, layer: Layer, now: int) -> None:
        if self._layer is not None and self in self._layer.taps:
            self._layer.taps.remove(self)
        if self not in layer.taps:
            layer.taps.append(self)
        self._layer, self._next, self._key_at = layer, None, now
        if layer.media == "video":
            layer.demand.wish()

    def _track(self, layer: Layer) -> int:
        codec = layer.codec
        return self.take.track(
            self.label, self.kind.value, layer.rid, layer.ssrc, codec.name, codec.clock_rate, codec.payload_type
        )

    def packet(self, layer: Layer, packet: Rtp, now: int) -> None:
        if layer is self._next:
            if not packet.keyframe:
                return
            self._go_over(layer, now)
        elif layer is not self._layer:
            self._go_over(layer, now)  # the SSRC was replaced under us
        track = self._track(layer)
        if track > 0:
            self.take.packet(track, now, packet.data)

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
