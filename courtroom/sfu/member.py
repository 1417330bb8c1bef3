"""One transport in a room, as the media engine sees it: its places, what it sends, its clock and its line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from courtroom.sfu.bandwidth import Arrivals
from courtroom.sfu.clocks import Source
from courtroom.sfu.consumer import Place
from courtroom.sfu.kinds import Kind
from courtroom.sfu.producer import Layer, Producer
from courtroom.sfu.receiver import Receiver


@dataclass(frozen=True, slots=True)
class PlaceSsrcs:
    audio: int
    video: int
    retransmission: int


@dataclass(frozen=True, slots=True)
class Declared:
    """What an answer says about one SSRC: which kind it carries; ``repairs`` is the SSRC it is RTX of, 0 for media."""

    kind: Kind
    repairs: int = 0


@dataclass(slots=True)
class Counters:
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, why: str, count: int = 1) -> None:
        self.dropped[why] = self.dropped.get(why, 0) + count


class Member(Receiver):
    """Receives by its places, and sends."""

    __slots__ = (
        "arrivals", "audio", "connected", "declared", "judge_at", "lossy_at", "mids", "padded_at", "padded_number",
        "producers", "redundancy", "repairs", "report_at", "sending", "sent_octets", "sound", "source", "streams",
        "unpadded", "video",
    )  # fmt: skip

    def __init__(self, name: str, tag: Any, mids: dict[bytes, Kind]) -> None:
        super().__init__(name, tag)
        self.mids = mids
        self.connected = False
        self.audio: list[Place] = []
        self.video: list[Place] = []
        self.producers: dict[Kind, Producer] = {}
        self.streams: dict[int, Layer] = {}
        self.repairs: dict[int, Layer] = {}
        self.declared: dict[int, Declared] = {}
        self.source = Source()
        self.arrivals = Arrivals()
        self.report_at = self.judge_at = 0
        self.sent_octets = 0
        self.sending = 0
        self.padded_at = self.padded_number = 0
        self.unpadded = 0  # octets of padding that are still owed
        self.redundancy = 0
        self.sound = 0  # bit/s of everything heard here
        self.lossy_at = 0

    def dissolve(self) -> None:
        """It has left its room: let go of everything that points back here, since the worker seldom collects cycles."""
        for producer in self.producers.values():
            producer.layers.clear()
        for kept in (self.audio, self.video, self.outbox, self.producers, self.streams, self.repairs, self.declared):
            kept.clear()
        self.pacer.clear()
        self.tag = None

    def places(self) -> Iterable[Place]:
        yield from self.audio
        yield from self.video

    def place(self, number: int, kind: Kind) -> Place:
        return (self.audio if kind.media == "audio" else self.video)[number]
