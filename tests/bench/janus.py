"""Janus as Debian packages it: one process, VideoRoom alone, told what to do over WebSocket on loopback.

Rules
* Its own folder of settings: nothing but VideoRoom and WebSocket is loaded, only the bench's address is offered, all
  else is as shipped; ``loops`` sets ``event_loops`` (0: as shipped, a thread for each PeerConnection).
* A seat is two PeerConnections there: one that publishes, one multistream subscription to all others.
* A newcomer's pictures are not pushed to those already seated (that takes a negotiation each): less work than ours.

https://janus.conf.meetecho.com/docs/videoroom.html
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.load import Load, Place, Plan
from tests.bench.sdp import answer, offer, spec
from tests.bench.server import Server, on_core
from tests.bench.words import Spec

KEEP_ALIVE_S = 20
NO_SUCH_FEED = 428
PATIENCE_S = 20
PLUGINS = Path("/usr/lib/x86_64-linux-gnu/janus")


class Janus(Server):
    name = "janus"

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("janus") else "not installed (tests/install bench)"

    def __init__(self, place: Place, loops: int = 0) -> None:
        super().__init__(place)
        self.name = f"janus-{loops}-loops" if loops else "janus"
        self._loops = loops
        self._folder = tempfile.TemporaryDirectory(prefix="bench-janus-")
        self._transactions = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._rooms: dict[str, int] = {}
        self._feeds: dict[str, int] = {}  # seat → publisher's id
        self._handles: dict[str, list[int]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._session = 0
        self._process: subprocess.Popen[bytes]
        self._http: aiohttp.ClientSession
        self._socket: aiohttp.ClientWebSocketResponse

    # --- the process ---

    async def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        folder = Path(self._folder.name)
        self._write(folder, port)
        self._process = subprocess.Popen(
            on_core(
                self.place.core, "setpriv", "--pdeathsig", "TERM", "janus", "--configs-folder", str(folder),
                "--disable-colors",
            ),
            stdout=(folder / "log").open("wb"), stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._http = aiohttp.ClientSession()
        self._socket = await self._connect(f"http://127.0.0.1:{port}/")
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._keep_alive())]
        self._session = (await self._ask({"janus": "create"}))["data"]["id"]

    def _write(self, folder: Path, port: int) -> None:
        def others(kind: str, keep: str) -> str:
            return ",".join(one.name for one in (PLUGINS / kind).glob("*.so") if one.name != keep)

        loops = f"event_loops = {self._loops}" if self._loops else ""
        (folder / "janus.jcfg").write_text(
            f'general: {{ configs_folder = "{folder}" plugins_folder = "{PLUGINS}/plugins" '
            f'transports_folder = "{PLUGINS}/transports" events_folder = "{PLUGINS}/events" '
            f'loggers_folder = "{PLUGINS}/loggers" debug_level = 3 {loops} }}\n'
            f'nat: {{ ice_enforce_list = "{self.place.address}" }}\n'
            f'plugins: {{ disable = "{others("plugins", "libjanus_videoroom.so")}" }}\n'
            f'transports: {{ disable = "{others("transports", "libjanus_websockets.so")}" }}\n'
            f'events: {{ disable = "{others("events", "")}" }}\nloggers: {{ disable = "{others("loggers", "")}" }}\n',
            encoding="utf-8",
        )
        (folder / "janus.plugin.videoroom.jcfg").write_text("general: { }\n", encoding="utf-8")
        (folder / "janus.transport.websockets.jcfg").write_text(
            f'general: {{ json = "compact" ws = true ws_port = {port} ws_ip = "127.0.0.1" wss = false }}\n'
            "admin: { admin_ws = false admin_wss = false }\n",
            encoding="utf-8",
        )

    async def _connect(self, url: str) -> aiohttp.ClientWebSocketResponse:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if self._process.poll() is not None:
                    raise RuntimeError((Path(self._folder.name) / "log").read_text(errors="replace")[-2000:])
                with contextlib.suppress(aiohttp.ClientError):
                    return await self._http.ws_connect(url, protocols=("janus-protocol",), max_msg_size=1 << 24)
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()
        await self._http.close()
        self._process.terminate()
        self._process.wait(20)
        self._folder.cleanup()

    def pids(self) -> list[int]:
        return [self._process.pid]

    # --- its words ---

    async def _read(self) -> None:
        async for message in self._socket:
            data = message.json()
            # an "ack" only says that the answer will come
            if data["janus"] != "ack" and data.get("transaction") in self._waiting:
                self._waiting.pop(data["transaction"]).set_result(data)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            await self._socket.send_json(
                {"janus": "keepalive", "session_id": self._session, "transaction": str(next(self._transactions))}
            )

    async def _ask(self, message: dict[str, Any], tries: int = 100) -> dict[str, Any]:
        transaction = str(next(self._transactions))
        future = self._waiting[transaction] = asyncio.get_running_loop().create_future()
        own = {"transaction": transaction} | ({"session_id": self._session} if self._session else {})
        await self._socket.send_json(message | own)
        reply = await asyncio.wait_for(future, PATIENCE_S)
        data = reply.get("plugindata", {}).get("data", {})
        if data.get("error_code") == NO_SUCH_FEED and tries:
            # the publisher's handshake is done here but not yet there
            await asyncio.sleep(0.02)
            return await self._ask(message, tries - 1)
        if reply["janus"] == "error" or "error" in data:
            raise RuntimeError(f"{message}: {reply}")
        return reply

    async def _attach(self, seat: str) -> int:
        reply = await self._ask({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        handle: int = reply["data"]["id"]
        self._handles.setdefault(seat, []).append(handle)
        return handle

    async def _tell(self, handle: int, body: dict[str, Any], jsep: dict[str, str] | None = None) -> dict[str, Any]:
        message: dict[str, Any] = {"janus": "message", "handle_id": handle, "body": body}
        return await self._ask(message | ({"jsep": jsep} if jsep else {}))

    # --- seats ---

    async def seat(self, load: Load, plan: Plan, seats: Sequence[str], *, watch: bool = False) -> dict[str, int]:
        if plan.room not in self._rooms:
            handle = await self._attach("")
            number = self._rooms[plan.room] = len(self._rooms) + 1
            await self._tell(handle, {
                "request": "create", "room": number, "publishers": 100, "audiocodec": "opus", "videocodec": "vp8",
            })  # fmt: skip
        await load.connect([await self._publisher(load, plan, seat) for seat in seats if seat in plan.senders])
        return await self._subscribers(load, plan, [seat for seat in seats if plan.heard(seat)], watch=watch)

    async def _publisher(self, load: Load, plan: Plan, seat: str) -> Spec:
        handle = await self._attach(seat)
        room = self._rooms[plan.room]
        joined = await self._tell(handle, {"request": "join", "ptype": "publisher", "room": room, "display": seat})
        self._feeds[seat] = joined["plugindata"]["data"]["id"]
        sends, port = load.sends(plan.picture), load.port()
        own = offer(sends, load.fingerprint, load.address, port)
        reply = await self._tell(handle, {"request": "publish"}, {"type": "offer", "sdp": own})
        return spec(f"{seat}/up", plan.room, reply["jsep"]["sdp"], port, sends=sends)

    async def _subscribers(self, load: Load, plan: Plan, seats: Sequence[str], *, watch: bool) -> dict[str, int]:
        specs, answers = [], {}
        for seat in seats:
            handle = await self._attach(seat)
            streams = [{"feed": self._feeds[other]} for other in plan.heard(seat) if other in self._feeds]
            body = {"request": "join", "ptype": "subscriber", "room": self._rooms[plan.room], "streams": streams}
            reply = await self._tell(handle, body)
            theirs = reply["jsep"]["sdp"]
            specs.append(spec(f"{seat}/down", plan.room, theirs, load.port(), controlled=True, watch=watch))
            answers[handle] = answer(theirs, specs[-1], load.fingerprint, load.address)
        since = time.time_ns()
        started = (
            self._tell(handle, {"request": "start"}, {"type": "answer", "sdp": text})
            for handle, text in answers.items()
        )
        await asyncio.gather(*started, load.connect(specs))
        return {one.name: since for one in specs}

    async def drain(self, load: Load, plan: Plan, seats: Sequence[str]) -> None:
        names = []
        for seat in seats:
            for handle in self._handles.pop(seat):
                await self._ask({"janus": "detach", "handle_id": handle})
            names += [f"{seat}/up"] * (seat in plan.senders) + [f"{seat}/down"] * bool(plan.heard(seat))
            self._feeds.pop(seat, None)
        await load.close(names)
