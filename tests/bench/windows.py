"""Windows: the same load on each server in turn, and what it cost.

Rules
* All servers are up with their rooms filled before the first window; only one room at a time plays. Each window of a
  server follows one of every other (A B C A B C), so what else the machine does falls on all of them.
* A window begins after ``SETTLE_S`` of playing. CPU per packet = CPU of the server / packets the generator received.
* A window counts only if the generator was not the bottleneck: none of its receive buffers overflowed, and it left its
  core some rest; otherwise the report says so.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench.load import Load, Plan
from tests.bench.server import Server

SETTLE_S = 1.0
BUSY = 0.9  # of its core: above this the generator may be what is measured


@dataclass
class Window:
    """One window of one server."""

    seconds: float
    server_cpu: float
    client_cpu: float
    sent: int
    received: int
    expected: int
    lost: int
    dropped: int
    wrong: int
    checked: int
    repairs: int
    octets: int
    late_us: int
    latencies_us: list[int] = field(repr=False)

    @property
    def us(self) -> float:
        """CPU of the server, µs for each packet that was received."""
        return self.server_cpu / max(1, self.received) * 1e6

    @property
    def core(self) -> float:
        """CPU of the server, % of one core."""
        return self.server_cpu / self.seconds * 100

    @property
    def loss(self) -> float:
        """% of what should have come: gaps in the numbers of what came."""
        return 100 * self.lost / max(1, self.received + self.lost)

    @property
    def missing(self) -> float:
        """% of what was sent for somebody that had not come when the window ended: whole streams that never began, and
        what still stood in the server. A little of it, either way, is the edge of the window.
        """
        return 100 * (self.expected - self.received) / max(1, self.expected)

    @property
    def fair(self) -> bool:
        return self.dropped == 0 and self.client_cpu / self.seconds < BUSY


async def window(load: Load, server: Server, plans: Sequence[Plan], seconds: float) -> Window:
    """Play the rooms, settle, measure, stop."""
    await load.play(*(plan.room for plan in plans))
    await asyncio.sleep(SETTLE_S)
    await load.count()
    before = server.cpu()
    await asyncio.sleep(seconds)
    counted = await load.count()
    used = server.cpu() - before
    await load.play()
    fan_out = sum(len(plan.heard(seat)) for plan in plans for seat in plan.seats)
    senders = sum(len(plan.senders) for plan in plans)
    return Window(
        counted.seconds, used, counted.cpu_s, counted.sent, counted.received, counted.sent * fan_out // senders,
        counted.lost, counted.dropped, counted.wrong, counted.checked, counted.repairs, counted.octets, counted.late_us,
        sorted(counted.latencies_us),
    )  # fmt: skip


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Middle, smallest, largest."""
    return statistics.median(values), min(values), max(values)


def percentile(ordered: Sequence[int], part: float) -> float:
    return float(ordered[min(len(ordered) - 1, int(len(ordered) * part))]) if ordered else float("nan")
