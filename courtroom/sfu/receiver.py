"""Who gets packets: one receiver's line, what it understands, and the packets that are to leave for it."""

from __future__ import annotations

from typing import Any

from courtroom.sfu.downlink import Downlink
from courtroom.sfu.kinds import BY_PAYLOAD_TYPE, RED
from courtroom.sfu.pacer import Pacer
from courtroom.sfu.stats import RoundTrip


class Receiver:
    """``tag`` is whatever the caller wants to find again beside outgoing packets."""

    __slots__ = ("downlink", "name", "outbox", "pacer", "receives", "round_trip", "selected_at", "tag")

    def __init__(self, name: str, tag: Any) -> None:
        self.name = name
        self.tag: Any = tag
        self.outbox: list[bytes] = []  # RTP to be sent; one list for ever, places hold it too
        self.receives: frozenset[int] = frozenset(BY_PAYLOAD_TYPE)
        self.downlink = Downlink()
        self.pacer = Pacer(self.downlink)
        self.round_trip = RoundTrip()
        self.selected_at = 0

    @property
    def understands_red(self) -> bool:
        return RED in self.receives
