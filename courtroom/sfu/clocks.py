"""Where a sender's clocks stand in court time: one offset for the person, one point for each stream.

Rules
* All that one person sends shares one offset, the smallest seen, so that lips stay in step with
  words.
* A stream's clock goes through one point, from its sender's reports once there are any, before that from arrivals.
* A packet's moment is when it was captured, with the way it takes at best; where that makes no sense, when it came.

RFC 3550 6.4.1 (SR: NTP and RTP time of one moment). Times are µs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_QUEUED_US: Final = 5_000_000  # a packet is not believed to have been longer on its way


@dataclass(slots=True)
class Source:
    """The clock of one member, shared by everything it sends."""

    offset: int | None = None  # µs to add to its NTP time to get court time

    def report(self, ntp_us: int, now: int) -> None:
        candidate = now - ntp_us
        if self.offset is None or candidate < self.offset:
            self.offset = candidate


@dataclass(slots=True)
class ClockMap:
    """Where a stream's RTP clock stands in court time."""

    at: int
    timestamp: int
    reported: bool  # from a sender report, not from an arrival

    def court_time(self, timestamp: int, clock_rate: int) -> int:
        ticks = ((timestamp - self.timestamp + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        return self.at + ticks * 1_000_000 // clock_rate

    def moment(self, timestamp: int, arrived: int, clock_rate: int) -> int:
        """When what bears this timestamp was captured, given when it came."""
        at = self.court_time(timestamp, clock_rate)
        return at if arrived - MAX_QUEUED_US <= at <= arrived else arrived
