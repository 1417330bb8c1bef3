"""``make bench``: our media worker beside Janus, a naive relay and the kernel's own price; then real browsers.

``python -m tests.bench --only hearing,broadcast --servers ours,floor --windows 3`` is enough while optimising;
``--short`` is the whole without browsers in a minute or so; ``--markdown`` prints the last run for the README.
A table per question, and ``build/bench.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import signal
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

from tests.bench import joins, report
from tests.bench.capacity import capacity
from tests.bench.floor import Floor
from tests.bench.janus import Janus
from tests.bench.load import Load, Place, Plan, broadcast, hearing, load
from tests.bench.ours import Ours
from tests.bench.relay import Relay
from tests.bench.server import Server
from tests.bench.windows import window
from tests.netlab import hosts

SERVERS: dict[str, Callable[[Place], Server]] = {
    "ours": Ours,
    "janus": Janus,
    "janus2": lambda place: Janus(place, loops=2),
    "floor": Floor,
    "relay": Relay,
}
CLASSES: dict[str, type[Server]] = {"ours": Ours, "janus": Janus, "janus2": Janus, "floor": Floor, "relay": Relay}
PARTS = ("hearing", "broadcast", "join", "capacity", "browsers")
JOINERS = ("ours", "janus")  # the floor has no handshake, two loops change nothing here


@contextlib.asynccontextmanager
async def running(one: Load, names: list[str]) -> AsyncIterator[list[Server]]:
    """Fresh processes of these servers."""
    async with contextlib.AsyncExitStack() as stack:
        servers: list[Server] = []
        for name in names:
            server = SERVERS[name](one.place)
            await server.start()
            stack.push_async_callback(server.stop)
            servers.append(server)
        yield servers


async def windows(one: Load, what: str, names: list[str], count: int, seconds: float) -> dict[str, Any]:
    """The servers in turn under one load."""
    async with running(one, names) as servers:
        plans: dict[str, Plan] = {}
        before = {}
        for server in servers:
            make, seats = (hearing, 9) if what == "hearing" else (broadcast, 50)
            plan = make(f"{what}-{server.name}", 2 if server.scale else seats)
            plans[server.name], before[server.name] = plan, server.memory()
            await server.seat(one, plan, plan.seats)
        seen = {server.name: [] for server in servers}
        for _ in range(count):
            for server in servers:
                seen[server.name].append(await window(one, server, [plans[server.name]], seconds))
        result = {}
        for server in servers:
            name = server.name
            result[name] = report.summary(seen[name], verbatim=server.verbatim) | {
                "kb_per_seat": (server.memory() - before[name]) / 1024 / len(plans[name].seats),
                "scale": server.scale,
                "notes": server.notes(),
            }
        return result


async def join(one: Load, names: list[str], rounds: int) -> dict[str, Any]:
    result = {}
    for name in names:
        async with running(one, [name]) as servers:
            for server in servers:
                running_plan = hearing(f"lone-{name}")
                lone = await joins.lone(one, server, running_plan, rounds)
                await server.drain(one, running_plan, running_plan.seats[:-1])
                fresh = hearing(f"together-{name}")
                nine = await joins.together(one, server, fresh, max(2, rounds // 2), len(fresh.seats))
                result[server.name] = {"lone": report.waits(lone), "together": report.waits(nine)}
    return result


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Every part asked for; the file is written after each, so that an end by force keeps what was seen."""
    parts = arguments.only.split(",")
    absent = {name: why for name in arguments.servers.split(",") if (why := CLASSES[name].missing())}
    names = [name for name in arguments.servers.split(",") if name not in absent]
    result: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "windows": arguments.windows, "seconds": arguments.seconds, "link": arguments.link, "absent": absent,
    }  # fmt: skip
    if set(parts) - {"browsers"}:
        async with load(arguments.link) as one:
            for part in ("hearing", "broadcast"):
                if part in parts:
                    # nobody would send a broadcast through decoders and encoders
                    chosen = [name for name in names if part == "hearing" or name != "relay"]
                    result[part] = await windows(one, part, chosen, arguments.windows, arguments.seconds)
                    report.save(result)
            joiners = [name for name in names if name in JOINERS]
            if "join" in parts:
                result["join"] = await join(one, joiners, arguments.rounds)
                report.save(result)
            if "capacity" in parts:
                result["capacity"] = {}
                for name in joiners:
                    async with running(one, [name]) as servers:
                        for server in servers:
                            result["capacity"][server.name] = await capacity(one, server, arguments.seconds)
                report.save(result)
    if "browsers" in parts:
        from tests.bench import browsers

        result["browsers"] = {name: report.waits(times) for name, times in (await browsers.measure()).items()}
    return result


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, by comma: " + " ".join(PARTS))
    parser.add_argument("--servers", default=",".join(SERVERS), help="by comma: " + " ".join(SERVERS))
    parser.add_argument("--windows", type=int, default=5, help="of each server under each load")
    parser.add_argument("--seconds", type=float, default=4.0, help="of one window")
    parser.add_argument("--rounds", type=int, default=10, help="of joining")
    parser.add_argument("--link", choices=("address", "veth"), default="address", help="how clients reach the servers")
    parser.add_argument("--short", action="store_true", help="fewer, shorter windows, no browsers, no relay")
    parser.add_argument("--markdown", action="store_true", help="print the last run's tables and measure nothing")
    arguments = parser.parse_args()
    if arguments.markdown:
        print(report.markdown())
        return 0
    if arguments.short:
        arguments.windows, arguments.seconds, arguments.rounds = 2, 1.0, 4
        arguments.only = "hearing,broadcast,join"
        arguments.servers = "ours,janus,janus2,floor"
    unknown = set(arguments.only.split(",")) - set(PARTS) | set(arguments.servers.split(",")) - set(SERVERS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    missing = hosts.available()
    if missing and arguments.only != "browsers":
        parser.error(missing)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers and namespaces go, however this ends
    result = asyncio.run(measure(arguments))
    report.save(result)
    report.show(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
