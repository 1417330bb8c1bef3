"""Counting: what was lost on the way in, how evenly it came, and what crossed each edge.

RFC 3550 A.3 (loss), A.8 (jitter), 6.4.1 (round trip from LSR and DLSR).
"""

from __future__ import annotations

from dataclasses import dataclass

from courtroom.sfu.rtcp import Block


@dataclass(slots=True)
class Edge:
    """What has gone from one source's kind to one receiver since the receiver's transport was opened."""

    receiver: str
    source: str
    kind: str
    packets: int = 0
    octets: int = 0
    first_at: int = 0
    last_at: int = 0


class Reception:
    """Loss and jitter of one incoming SSRC."""

    __slots__ = (
        "_clock_rate", "_expected_before", "_first", "_jitter", "_last_report", "_received_before", "_report_at",
        "_transit", "fraction", "highest", "received",
    )  # fmt: skip

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._first = -1
        self._transit = 0
        self._jitter = 0  # scaled by 16, as in RFC 3550 A.8
        self._expected_before = self._received_before = 0
        self._last_report = self._report_at = 0
        self.highest = self.received = self.fraction = 0

    def packet(self, index: int, timestamp: int, now: int) -> None:
        self.received += 1
        arrival = now * self._clock_rate // 1_000_000
        transit = (arrival - timestamp) & 0xFFFFFFFF
        if self._first < 0:
            self._first = self.highest = index
        else:
            difference = abs(((transit - self._transit + 0x80000000) & 0xFFFFFFFF) - 0x80000000)
            self._jitter += difference - ((self._jitter + 8) >> 4)
            self.highest = max(self.highest, index)
        self._transit = transit

    @property
    def jitter_us(self) -> int:
        return (self._jitter >> 4) * 1_000_000 // self._clock_rate

    def sender_report(self, ntp: int, now: int) -> None:
        self._last_report, self._report_at = (ntp >> 16) & 0xFFFFFFFF, now

    def block(self, ssrc: int, now: int) -> Block:
        """The report block for the interval since the last one."""
        expected = self.highest - self._first + 1 if self._first >= 0 else 0
        interval, got = expected - self._expected_before, self.received - self._received_before
        self._expected_before, self._received_before = expected, self.received
        self.fraction = max(0, min(255, ((interval - got) << 8) // interval)) if interval > 0 else 0
        delay = (now - self._report_at) * 65536 // 1_000_000 if self._report_at else 0
        return Block(
            ssrc, self.fraction, expected - self.received, self.highest & 0xFFFFFFFF, self._jitter >> 4,
            self._last_report, delay & 0xFFFFFFFF,
        )  # fmt: skip


class RoundTrip:
    """Round-trip time of a receiver out of the sender reports that we sent it."""

    __slots__ = ("_sent", "us")

    def __init__(self) -> None:
        self._sent: dict[int, int] = {}
        self.us = -1

    def sent(self, ntp: int, now: int) -> None:
        if len(self._sent) >= 64:
            del self._sent[next(iter(self._sent))]
        self._sent[(ntp >> 16) & 0xFFFFFFFF] = now

    def heard(self, block: Block, now: int) -> None:
        at = self._sent.get(block.last_report)
        if at is not None:
            self.us = max(0, now - at - block.delay * 1_000_000 // 65536)
