"""How long a newcomer waits: from the answer being handed to the server to the first whole key frame, decrypted.

Rules
* The hearing runs all the while: nine seats, or the eight that stay. Publishers answer a request for a key frame with
  their next frame, so half a frame's time is in every number, and no encoder's.
* Time ends when the kernel has the last packet of the key frame. Of nine at once the last one counts.

RFC 4585 6.3.1 (PLI), RFC 7741 4.3 (key frames).
"""

from __future__ import annotations

import asyncio

from tests.bench.load import Load, Plan
from tests.bench.server import Server

REST_S = 0.7  # longer than requests for key frames are gathered, so that rounds do not help each other


async def lone(load: Load, server: Server, plan: Plan, rounds: int) -> list[float]:
    """ms for the last seat of the plan, again and again, into a hearing that already runs."""
    await server.seat(load, plan, plan.seats[:-1])
    await load.play(plan.room)
    return [max(await _join(load, server, plan, plan.seats[-1:])) for _ in range(rounds)]


async def together(load: Load, server: Server, plan: Plan, rounds: int, count: int) -> list[float]:
    """ms for the last one of ``count`` seats that come at the same moment; the rest of the hearing runs."""
    await load.play(plan.room)
    times = []
    for _ in range(rounds):
        times.append(max(await _join(load, server, plan, plan.seats[-count:])))
    return times


async def _join(load: Load, server: Server, plan: Plan, seats: tuple[str, ...]) -> list[float]:
    await asyncio.sleep(REST_S)
    since = await server.seat(load, plan, seats, watch=True)
    seen = await load.watched(tuple(since))
    await server.drain(load, plan, seats)
    return [(seen[name] - at) / 1e6 for name, at in since.items()]
