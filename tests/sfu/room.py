"""A room on a virtual clock: the real router, with publishers and receivers made of plain numbers."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

from courtroom.sfu import rtcp
from courtroom.sfu.kinds import Kind
from courtroom.sfu.router import CaptureRoute, Counters, Member, PlaceSsrcs, Route, Router
from courtroom.sfu.takes import Spool
from tests.sfu import wire

MIDS = {Kind.MICROPHONE: "mic", Kind.CAMERA: "cam", Kind.SCREEN: "scr", Kind.SCREEN_SOUND: "scs"}
START = 1_790_000_000_000_000


class Room:
    """The router with a clock that a test turns."""

    def __init__(self, seed: int = 1) -> None:
        dice = random.Random(seed)
        self.now = START
        self.counters = Counters()
        self.spool = Spool("worker-1")
        self.router = Router("room", self.spool, dice.randbytes, self.counters)
        self._ssrcs = itertools.count(100_000, 10)
        self._revision = 0

    def add(self, name: str, places: int = 2, *, connected: bool = True) -> Member:
        ssrcs = [PlaceSsrcs(base, base + 1, base + 2) for base in itertools.islice(self._ssrcs, places)]
        member = self.router.add(name, name, tuple(Kind), MIDS, ssrcs)
        if connected:
            self.router.connect(member, self.now)
        return member

    def route(self, *routes: tuple[str, int, str, str], captures: tuple[tuple[str, str, str, str], ...] = ()) -> None:
        self._revision += 1
        self.router.set_routes(
            self._revision,
            [Route(to, place, source, Kind(kind)) for to, place, source, kind in routes],
            [CaptureRoute(take, source, Kind(kind), label) for take, source, kind, label in captures],
            self.now,
        )

    def send(self, member: Member, data: bytes) -> list[tuple[str, bytes]]:
        """One packet in; what went out at once, as (receiver, packet)."""
        self.router.receive_rtp(member, data, self.now)
        return self.rtp()

    def rtp(self) -> list[tuple[str, bytes]]:
        members = self.router.take()
        packets = [(member.name, data) for member in members for data in member.outbox]
        for member in members:
            member.outbox.clear()
        return packets

    def rtcp(self) -> list[tuple[str, rtcp.Report]]:
        messages, self.router.rtcp = self.router.rtcp, []
        return [(member.name, report) for member, data in messages for report in rtcp.parse(data)]

    def tick(self, us: int = 20_000) -> None:
        self.now += us
        self.router.tick(self.now)


@dataclass
class Camera:
    """A VP8 encoder's packets: two a frame, a key frame when asked."""

    ssrc: int
    rid: str = ""
    sequence: int = 1000
    timestamp: int = 5000
    picture: int = 32760  # wraps soon
    tl0: int = 250
    key: bool = True
    sent: dict[int, bytes] = field(default_factory=dict)

    def frame(self) -> list[bytes]:
        key, self.key = self.key, False
        packets = []
        names = {"mid": b"cam"} | ({"rid": self.rid.encode()} if self.rid else {})
        for start in (True, False):
            payload = wire.vp8(self.picture, self.tl0, start=start, key=key, body=self.sequence.to_bytes(4, "big"))
            packet = wire.rtp(self.sequence, self.timestamp, self.ssrc, payload, marker=not start, **names)
            self.sent[self.sequence & 0xFFFF] = packet
            packets.append(packet)
            self.sequence += 1
        self.timestamp += 6000
        self.picture += 1
        self.tl0 += 1
        return packets
