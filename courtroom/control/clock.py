"""The court's clock: µs of Unix time that never jumps while the process lives.

``now() = CLOCK_MONOTONIC + offset``; the offset is read from the system clock once, at start, and handed to every child
process, so that one court has one clock (CLOCK_MONOTONIC is the same clock in every process of a machine). A step of
the system clock (NTP) is therefore a matter for the next start and never tears a running hearing or its recording.
"""

from __future__ import annotations

import time


class CourtClock:
    """µs of Unix time as integers."""

    def __init__(self) -> None:
        self.offset_us = (time.time_ns() - time.monotonic_ns()) // 1000

    def now(self) -> int:
        return time.monotonic_ns() // 1000 + self.offset_us
