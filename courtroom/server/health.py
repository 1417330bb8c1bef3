"""Is the court alive, may it take hearings, and how is it: ``/healthz``, ``/readyz``, ``/metrics``.

Rules: ``/healthz`` says that the loop turns and nothing else; ``/readyz`` is 200 only when workers, writer, store and
disk are all well (503 otherwise, with the parts); ``/metrics`` is Prometheus text from a registry of this
application, with routes as labels and never an id.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from courtroom.control.api import Docket
from courtroom.store.ports import Registry

MIN_FREE: Final = 1024 * 1024 * 1024
"""Bytes free in the data directory below which no hearing should begin."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


class Meters:
    """The server's own counters; one set an application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["method", "route", "status"]
        self._requests = Counter("courtroom_http_requests", "HTTP requests", labels, registry=self.registry)
        self._seconds = Histogram("courtroom_http_seconds", "time to answer", ["route"], registry=self.registry)
        self._commands = Counter("courtroom_commands", "commands", ["type", "outcome"], registry=self.registry)
        self.sockets = Gauge("courtroom_sockets", "signalling connections of seats", registry=self.registry)
        self.views = Counter("courtroom_views", "views handed to sockets", ["fate"], registry=self.registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        verb = method if method in _METHODS else "other"
        self._requests.labels(verb, route, str(status)).inc()
        if not route.startswith("/socket.io"):  # a socket lives as long as a hearing
            self._seconds.labels(route).observe(seconds)

    def command(self, kind: str, outcome: str) -> None:
        self._commands.labels(kind, outcome).inc()


class _Docket(Collector):
    """The docket's gauges, read when somebody asks."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket

    def collect(self) -> Iterator[Metric]:
        for name, value in self._docket.metrics().items():
            clean = "".join(c if c in _NAME else "_" for c in name.lower())
            family = GaugeMetricFamily(
                clean if clean.startswith("courtroom_") else f"courtroom_{clean}", "of the docket"
            )
            family.add_metric([], float(value))
            yield family


def _free(data: Path) -> int:
    """Bytes free where recordings go; 0 when that place is not there."""
    try:
        return shutil.disk_usage(data).free
    except OSError:
        return 0


def add_health(app: web.Application, docket: Docket, registry: Registry, data: Path, meters: Meters) -> None:
    meters.registry.register(_Docket(docket))

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def ready(_: web.Request) -> web.Response:
        free = await asyncio.to_thread(_free, data)
        parts = {"store": await registry.writable(), "disk": free >= MIN_FREE, **docket.health()}
        good = bool(parts) and all(parts.values())
        return web.json_response({"ready": good, "parts": parts}, status=200 if good else 503)

    async def metrics(_: web.Request) -> web.Response:
        text = generate_latest(meters.registry)  # some hundred lines: no thread may touch the docket
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics)
