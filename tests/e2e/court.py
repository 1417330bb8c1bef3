"""A real court in a process of its own, driven the way staff and machines drive it: HTTP and signals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.devices import Person

STAFF = "staff-token-of-the-tests-0123456789"
CASE = {
    "number": "（2026）示范0101民初123号",
    "court": "示范市示范区人民法院",
    "cause": "买卖合同纠纷",
    "procedure": "ordinary",
    "public": False,
}
MACHINE = {"checkin": "none", "checklist": "record"}


@dataclass
class Issued:
    """A hearing as its creation answered it."""

    id: str
    seats: dict[str, dict[str, Any]] = field(default_factory=dict)  # by role

    def seat(self, person: Person) -> str:
        return str(self.seats[person.role]["id"])


class Court:
    """``async with Court(data) as court``; ``restart`` keeps the data and the ports."""

    def __init__(self, data: Path, *flags: str, host: str = "127.0.0.1") -> None:
        self.data = data
        self._flags = flags
        self._host = host
        self._process: asyncio.subprocess.Process | None = None
        self._drain: asyncio.Task[None] | None = None
        self.url = ""
        self.media: list[str] = []
        self.log = data.parent / f"{data.name}.log"

    async def __aenter__(self) -> Court:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        port = self.url.rsplit(":", 1)[1] if self.url else "0"
        media_port = self.media[0].rsplit(":", 1)[1] if self.media else "0"
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "courtroom", "serve", "--host", self._host, "--port", port, "--media-port",
                media_port, "--data", str(self.data), "--workers", "1", "--staff-token", STAFF, "--allow-unchecked",
                *self._flags, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        first_in_the_queue(self._process.pid)
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self._process.stdout.readline():
                with contextlib.suppress(ValueError):
                    said = json.loads(line)
                    if said.get("event") == "ready":
                        self.url, self.media = said["url"].rstrip("/"), said["media"]
                        self._drain = asyncio.create_task(self._read_on())
                        return
        raise AssertionError(f"the court did not come up:\n{self.log.read_text()[-4000:]}")

    async def _read_on(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while await self._process.stdout.readline():
            pass

    async def stop(self) -> int:
        """Ctrl-C; the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
        async with asyncio.timeout(40):
            code = await self._process.wait()
        if self._drain is not None:
            await self._drain
        return code

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    def child(self, part: str) -> int:
        """Process id of a child by a word of its command line (``courtroom.worker``, ``recorder``)."""
        for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            if part in line:
                return int(pid)
        raise AssertionError(f"no child {part}")

    def kill_child(self, part: str) -> int:
        pid = self.child(part)
        os.kill(pid, signal.SIGKILL)
        return pid

    # --- HTTP -------------------------------------------------------------------------------------

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {STAFF}", **options.pop("headers", {})}
        async with (
            aiohttp.ClientSession() as client,
            client.request(method, self.url + path, headers=headers, **options) as answer,
        ):
            return answer.status, await answer.read()

    async def get(self, path: str) -> Any:
        status, body = await self.call("GET", path)
        assert status == 200, (path, status, body[:500])
        return json.loads(body)

    async def create(self, people: Sequence[Person], policy: dict[str, str] | None = None) -> Issued:
        body = {
            "case": CASE,
            "scheduled_at": "2026-11-24T09:00:00+08:00",
            "policy": policy or MACHINE,
            "seats": [{"role": one.role, "name": one.name, "side": one.side, "required": True} for one in people],
        }
        status, answer = await self.call("POST", "/api/v1/hearings", json=body)
        assert status == 201, answer
        said = json.loads(answer)
        return Issued(said["id"], {seat["role"]: seat for seat in said["seats"]})

    async def ledger(self, hearing: str) -> list[dict[str, Any]]:
        status, body = await self.call("GET", f"/api/v1/hearings/{hearing}/ledger")
        assert status == 200
        return [json.loads(line) for line in body.decode().splitlines()]

    async def timeline(self, hearing: str, seat: str) -> list[dict[str, Any]]:
        report = await self.get(f"/api/v1/hearings/{hearing}/presence")
        return next(row["timeline"] for row in report["seats"] if row["seat"] == seat)


def first_in_the_queue(pid: int) -> None:
    """A court just begun, and so everything it starts: people's browsers are on machines of their own elsewhere.

    Here they share two cores with it. A court that waits for them drops everybody, and rightly calls it its own fault.
    """
    with contextlib.suppress(OSError):  # an ordinary user may not; then it waits
        os.setpriority(os.PRIO_PROCESS, pid, -15)


async def until(check: Any, seconds: float = 60, every: float = 0.2) -> Any:
    """The first truthy value of ``check()`` (awaited if need be); fails after ``seconds``."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        value = check()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if loop.time() > end:
            raise AssertionError(f"did not happen within {seconds} s; last: {value!r}")
        await asyncio.sleep(every)
