"""How many nine-seat hearings one core carries: one more pair of hearings at a time, until packets are lost.

Rules
* Loss is gaps in the sequence numbers of what came, in % of what should have come; ``LOSS`` is the limit, the last
  number of hearings below it the result. A server that only falls behind, by ``BEHIND`` % of a window, is done too.
* What is over a limit is measured once more before it counts.
* Where the generator (its buffers or its core) gives in first, the result says so and is a lower bound.
"""

from __future__ import annotations

from typing import Any

from tests.bench.load import Load, hearing
from tests.bench.server import Server
from tests.bench.windows import percentile, window

LOSS, BEHIND = 0.1, 5.0
STEP, MOST = 2, 24  # worker: 256 rooms, sockets of the generator: 9 or 18 a hearing


async def capacity(load: Load, server: Server, seconds: float) -> dict[str, Any]:
    plans, steps, ended = [], [], "limit of the bench"
    while len(plans) < MOST:
        for _ in range(STEP):
            plan = hearing(f"c{len(plans)}")
            await server.seat(load, plan, plan.seats)
            plans.append(plan)
        seen = await window(load, server, plans, seconds)
        if seen.loss > LOSS or seen.missing > BEHIND or not seen.fair:
            seen = await window(load, server, plans, seconds)  # a hiccup of the machine is not a limit of the server
        steps.append({
            "hearings": len(plans), "core_percent": round(seen.core, 1), "loss_percent": round(seen.loss, 3),
            "missing_percent": round(seen.missing, 2),
            "good": seen.loss <= LOSS and seen.missing <= BEHIND,
            "us_per_packet": round(seen.us, 2), "latency_p99_us": percentile(seen.latencies_us, 0.99),
            "client_percent": round(seen.client_cpu / seen.seconds * 100, 1), "client_dropped": seen.dropped,
        })  # fmt: skip
        if not seen.fair or not steps[-1]["good"]:
            ended = "the generator" if not seen.fair else "loss" if seen.loss > LOSS else "falling behind"
            break
    good = [step["hearings"] for step in steps if step["good"]]
    return {"hearings": max(good, default=0), "ended_by": ended, "steps": steps}
