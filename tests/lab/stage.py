"""The stage of the fault matrix: a judge at this machine, three parties at browsers of their own behind one carrier.

* Pages and signals of the parties pass a reverse proxy, media does not; the judge's go straight to the court.
* Whole is a hearing when everybody is connected, in the courtroom, and moving on the judge's page.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Error, Playwright

from tests.e2e.court import Court, Issued, until
from tests.e2e.devices import CLERK, DEFENDANT, JUDGE, PLAINTIFF, Person, write_microphone
from tests.e2e.people import CHROMIUM, FLAGS, AtBrowser, on_time
from tests.lab.carrier import Carrier, Subscriber
from tests.lab.hall import PULSE, write_camera
from tests.lab.proxy import Proxy

THIRD = Person("third_party", "白若溪", "third", (150, 90, 30), 2320)
PARTIES = (PLAINTIFF, DEFENDANT, THIRD)
EVERYBODY = (JUDGE, *PARTIES)
FPS = 5
PAGE = (1440, 900)
PATIENCE_S = 90
QUIET_S = 1.5
"""What a person's own page has to say of the gap comes soon after the return."""
GONE_S = 20
UP = """() => { const { media, socket, room } = document.body.dataset;
    return media === 'up' && socket === 'up' && room === 'courtroom'; }"""


@dataclass
class Seated:
    """A person at a browser that may be closed, killed and opened again."""

    person: Person
    at: AtBrowser
    stack: contextlib.AsyncExitStack
    line: Subscriber | None
    profile: str

    async def how(self) -> Any:
        """What the page says of itself."""
        return await self.at.page.evaluate("[{...document.body.dataset}, window.__courtroom?.lastError]")


@dataclass
class Stage:
    playwright: Playwright
    folder: Path
    court: Court
    proxy: Proxy
    carrier: Carrier
    hearing: Issued
    seated: dict[str, Seated] = field(default_factory=dict)
    _browsers: list[contextlib.AsyncExitStack] = field(default_factory=list)
    killed_at: float = 0.0

    # --- people ---------------------------------------------------------------------------------------

    async def enter(self, person: Person, line: Subscriber | None, profile: str = "") -> AtBrowser:
        """Through the summons link, at a browser of one's own. What a browser keeps on disk (``profile``) outlives it,
        as a journal has to."""
        origin = self.proxy.url if line else self.court.url
        camera, microphone = self.folder / f"{person.role}.y4m", self.folder / f"{person.role}.wav"
        if not camera.exists():
            write_camera(camera, person.colour, FPS)
            write_microphone(microphone, person.tone)
        profile = profile or person.role
        stack = contextlib.AsyncExitStack()
        self._browsers.append(stack)
        context = await self.playwright.chromium.launch_persistent_context(
            self.folder / profile,
            executable_path=line.wrapper(CHROMIUM, self.folder) if line else on_time(CHROMIUM, self.folder),
            args=[
                *FLAGS, f"--unsafely-treat-insecure-origin-as-secure={origin}",
                f"--use-file-for-fake-video-capture={camera}", f"--use-file-for-fake-audio-capture={microphone}",
            ],
            ignore_default_args=["--mute-audio"], viewport={"width": PAGE[0], "height": PAGE[1]}, locale="zh-CN",
            timeout=60_000,
        )  # fmt: skip
        stack.push_async_callback(context.close)
        await context.add_init_script(PULSE)
        nobody: Any = None  # a browser with a profile is its one context
        at = AtBrowser(person, nobody, context, await context.new_page())
        self.seated[person.role] = Seated(person, at, stack, line, profile)
        link = f"{origin}/j/{self.hearing.seats[person.role]['token']}"
        await at.page.goto(link)
        if "/j/" in at.page.url:  # a browser that was here before may still know the seat
            await at.join(link)
        return at

    async def open(self) -> None:
        judge = await self.enter(JUDGE, None)
        await judge.room("courtroom")
        for person, line in zip(PARTIES, self.carrier.subscribers, strict=True):
            at = await self.enter(person, line)
            await judge.act("admit", self.hearing.seat(person))
            await at.room("courtroom")
        await judge.act("open_hearing")
        await judge.when("() => document.body.dataset.phase === 'open'")
        await self.whole()

    async def close(self) -> None:
        for stack in self._browsers:
            with contextlib.suppress(Error):  # it may be dead
                await stack.aclose()

    async def keep(self, folder: Path) -> None:
        """What there is to look at when somebody did not come back."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.court.log, folder / "court.log")
        for role, one in self.seated.items():
            (folder / f"{role}.txt").write_text("\n".join(one.at.console[-200:]), encoding="utf-8")
            with contextlib.suppress(Error):
                await one.at.shot(folder / f"{role}.png")

    @property
    def judge(self) -> AtBrowser:
        return self.seated[JUDGE.role].at

    def processes(self, person: Person) -> list[int]:
        """The browser's, the first one first: it carries the camera's file in its command line, the rest descend."""
        camera, parents, roots = str(self.folder / f"{person.role}.y4m").encode(), {}, []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    pid, line = int(entry.name), (entry / "cmdline").read_bytes()
                    parents[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    if camera in line and b"chromium" in line and b"--type=" not in line:
                        roots.append(pid)
        found = [pid for pid in roots if parents.get(pid) not in roots]
        for pid in found:
            found.extend(child for child, parent in parents.items() if parent == pid and child not in found)
        return found

    # --- what the court knows -------------------------------------------------------------------------

    def role(self, seat: str) -> str:
        return next((role for role, one in self.hearing.seats.items() if one["id"] == seat), seat)

    async def ledger(self) -> list[dict[str, Any]]:
        return await self.court.ledger(self.hearing.id)

    async def report(self) -> dict[str, dict[str, Any]]:
        """The presence report, by role."""
        found = await self.court.get(f"/api/v1/hearings/{self.hearing.id}/presence")
        return {row["role"]: row for row in found["seats"]}

    async def gone(self, person: Person, since: int) -> None:
        """Waits until the ledger has a loss of this seat after entry ``since``."""
        seat = self.hearing.seat(person)

        async def look() -> bool:
            return any(
                one["type"] == "seat_disconnected" and one["body"]["seat"] == seat
                for one in (await self.ledger())[since:]
            )

        await until(look, GONE_S)

    async def devices(self, person: Person, since: int) -> list[dict[str, str]]:
        """What the ledger was told of this seat's microphone and camera after entry ``since``, in order."""
        seat = self.hearing.seat(person)
        entries = (await self.ledger())[since:]
        return [one["body"] for one in entries if one["type"] == "devices_changed" and one["body"]["seat"] == seat]

    async def camera_was(self, person: Person, since: int, *states: str) -> None:
        async def look() -> bool:
            return any(one["camera"] in states for one in await self.devices(person, since))

        await until(look, GONE_S)

    async def devices_on(self, person: Person, since: int) -> None:
        """The person presses the button of each device that is gone, until all are there again."""

        async def look() -> bool:
            last = (await self.devices(person, since))[-1]
            for kind in ("microphone", "camera"):
                if last[kind] != "on":
                    await self.seated[person.role].at.page.locator(f'.bar [data-action="{kind}"]').click()
            return last["microphone"] == last["camera"] == "on"

        await until(look, GONE_S, 2)

    # --- whole again ----------------------------------------------------------------------------------

    async def whole(self) -> None:
        """Waits until everybody is back in the courtroom, connected, and moving on the judge's page."""
        start = time.time() * 1000
        await until(self._connected, PATIENCE_S)
        for one in self.seated.values():
            await one.at.when(UP, instead=one.how)
        await self.judge.goes_on()
        await until(lambda: self._seen(start), PATIENCE_S)

    async def _connected(self) -> bool:
        rows = await self.report()
        return all(rows[person.role]["connected"] for person in EVERYBODY)

    async def _seen(self, since: float) -> bool:
        seats = [self.hearing.seat(person) for person in PARTIES]
        found = await self.judge.page.evaluate(
            "([seats, since]) => seats.map((s) => (window.__pulse.frames[s] ?? []).filter((f) => f[0] > since).length)",
            [seats, since],
        )
        return bool(min(found) >= 3)

    async def quiet(self) -> None:
        """Until nobody has anything more to say of what happened."""
        length = -1
        while length != (length := len(await self.ledger())):
            await asyncio.sleep(QUIET_S)


@contextlib.asynccontextmanager
async def staged(playwright: Playwright, folder: Path, line: Carrier) -> AsyncIterator[Stage]:
    """A hearing in session."""
    flags = ("--public-address", line.near, "--public-address", "127.0.0.1", "--proxy", line.near)
    async with Court(folder / "data", *flags, host="0.0.0.0") as court:
        port = int(court.url.rsplit(":", 1)[1])
        behind = f"http://{line.near}:{port}"  # from this address the proxy speaks to the court
        async with Proxy(folder, line.near, _free_port(line.near), behind) as proxy:
            hearing = await court.create((JUDGE, CLERK, *PARTIES))
            stage = Stage(playwright, folder, court, proxy, line, hearing)
            try:
                await stage.open()
                yield stage
            finally:
                await stage.close()


def _free_port(address: str) -> int:
    with socket.socket() as one:
        one.bind((address, 0))
        return int(one.getsockname()[1])
