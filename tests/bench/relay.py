"""The naive way: aiortc's MediaRelay, which decodes everything and encodes it again for each receiver.

Rules
* ``python -m tests.bench.relay`` is the server: one RTCPeerConnection to publish and one to receive for each seat,
  asked by one JSON object a line. It is what the documentation of aiortc shows for "forward a track to many".
* It gets real VP8 and Opus (``film``), because it decodes; and a hearing of two seats, because nine would need cores
  by the dozen. The report names the factor; only CPU per received packet is comparable.

https://aiortc.readthedocs.io/en/latest/helpers.html
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from tests.bench.load import Load, Place, Plan
from tests.bench.sdp import answer, offer, spec
from tests.bench.server import Server, on_core
from tests.bench.words import Spec


class Relay(Server):
    name = "relay"
    verbatim = False
    scale = "2 seats"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._process: asyncio.subprocess.Process

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *on_core(self.place.core, sys.executable, "-m", "tests.bench.relay"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 22,
        )  # fmt: skip

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), 20)

    def pids(self) -> list[int]:
        return [self._process.pid]

    async def _ask(self, **word: Any) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(word).encode() + b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), 30)
        sdp: str = json.loads(line)["sdp"]
        return sdp

    def _spec(self, name: str, plan: Plan, theirs: str, port: int, **more: Any) -> Spec:
        """aiortc offers every address of the machine; the others stay unused."""
        kept = [
            line for line in theirs.splitlines()
            if not line.startswith("a=candidate:") or line.split()[4] == self.place.address
        ]  # fmt: skip
        return spec(name, plan.room, "\n".join(kept), port, **more)

    async def seat(self, load: Load, plan: Plan, seats: Sequence[str], *, watch: bool = False) -> dict[str, int]:
        specs = []
        for seat in seats:
            sends, port = load.sends("film"), load.port()
            own = offer(sends, load.fingerprint, load.address, port)
            theirs = await self._ask(do="publish", seat=seat, sdp=own)
            specs.append(self._spec(f"{seat}/up", plan, theirs, port, sends=sends))
        await load.connect(specs)
        specs = []
        since = time.time_ns()
        for seat in seats:
            theirs = await self._ask(do="subscribe", seat=seat, heard=plan.heard(seat))
            one = self._spec(f"{seat}/down", plan, theirs, load.port(), controlled=True)
            await self._ask(do="accept", seat=seat, sdp=answer(theirs, one, load.fingerprint, load.address))
            specs.append(one)
        await load.connect(specs)
        return {one.name: since for one in specs}


class _Forwarder:
    def __init__(self) -> None:
        from aiortc.contrib.media import MediaRelay

        self._relay = MediaRelay()
        self._publishers: dict[str, Any] = {}
        self._subscribers: dict[str, Any] = {}

    @staticmethod
    def _connection() -> Any:
        from aiortc import RTCConfiguration, RTCPeerConnection

        return RTCPeerConnection(RTCConfiguration(iceServers=[]))

    async def do(self, word: dict[str, Any]) -> str:
        from aiortc import RTCSessionDescription

        seat = word["seat"]
        match word["do"]:
            case "publish":
                connection = self._publishers[seat] = self._connection()
                await connection.setRemoteDescription(RTCSessionDescription(word["sdp"], "offer"))
                await connection.setLocalDescription(await connection.createAnswer())
            case "subscribe":
                connection = self._subscribers[seat] = self._connection()
                for other in word["heard"]:
                    for receiver in self._publishers[other].getReceivers():
                        connection.addTrack(self._relay.subscribe(receiver.track))
                await connection.setLocalDescription(await connection.createOffer())
            case "accept":
                connection = self._subscribers[seat]
                await connection.setRemoteDescription(RTCSessionDescription(word["sdp"], "answer"))
        sdp: str = connection.localDescription.sdp
        return sdp

    async def close(self) -> None:
        for connection in [*self._subscribers.values(), *self._publishers.values()]:
            await connection.close()


async def _serve() -> None:
    forwarder = _Forwarder()
    reader = asyncio.StreamReader(limit=1 << 22)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps({"sdp": await forwarder.do(json.loads(line))}), flush=True)
    await forwarder.close()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    asyncio.run(_serve())
