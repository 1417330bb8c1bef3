"""The laboratory's courtroom: a real court, people at real browsers, one of them behind a bad line.

The camera is a moving textured picture at an honest frame rate (a still one makes packets so rare that no loss shows),
and people notice each picture they are shown (``pulse.js``), on the machine's wall clock, so pages compare.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Playwright

from tests.e2e.court import Court, Issued, until
from tests.e2e.devices import CLERK, JUDGE, PLAINTIFF, WITNESS, Person, yuv
from tests.e2e.people import CHROMIUM, FLAGS, AtBrowser, write_microphone
from tests.netlab import hosts
from tests.netlab.line import Line

PULSE = (Path(__file__).parent / "pulse.js").read_text(encoding="utf-8")
SEATS = (JUDGE, CLERK, PLAINTIFF, WITNESS)
SIZE = (320, 240)


def write_camera(
    path: Path,
    colour: tuple[int, int, int],
    fps: int,
    seconds: int = 4,
    *,
    size: tuple[int, int] = SIZE,
    grain: int = 8,
) -> Path:
    """A y4m file of a texture that drifts, so that every frame costs bits; the browser plays it in a loop. A finer
    ``grain`` (pixels) costs more."""
    width, height = size
    luma, u, v = yuv(colour)
    shape = (height // grain, width // grain)
    texture = np.random.default_rng(luma).integers(-40, 40, shape).repeat(grain, 0).repeat(grain, 1)
    chroma = bytes((u,)) * (width * height // 4) + bytes((v,)) * (width * height // 4)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(fps * seconds):
            # a whole number of turns in the file: no jump where it begins again
            shift = number * width // (fps * seconds)
            file.write(
                b"FRAME\n" + (luma + np.roll(texture, shift, 1)).clip(16, 235).astype(np.uint8).tobytes() + chroma
            )
    return path


@contextlib.asynccontextmanager
async def at_browser(
    playwright: Playwright, person: Person, folder: Path, *, fps: int, wrapped: hosts.Host | None = None,
    trusted: str = "", size: tuple[int, int] = (1440, 900), picture: tuple[int, int] = SIZE, grain: int = 8,
) -> AsyncIterator[AtBrowser]:  # fmt: skip
    """One person at a browser of their own, on this machine or on the far end of ``wrapped``."""
    camera = write_camera(folder / f"{person.role}-{fps}.y4m", person.colour, fps, size=picture, grain=grain)
    microphone = write_microphone(folder / f"{person.role}.wav", person.tone)
    more = (f"--unsafely-treat-insecure-origin-as-secure={trusted}",) if trusted else ()
    browser = await playwright.chromium.launch(
        executable_path=wrapped.wrapper(CHROMIUM, folder) if wrapped else CHROMIUM,
        args=[
            *FLAGS, *more, f"--use-file-for-fake-video-capture={camera}",
            f"--use-file-for-fake-audio-capture={microphone}",
        ],
        ignore_default_args=["--mute-audio"],
        timeout=60_000,
    )  # fmt: skip
    try:
        context = await browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="zh-CN")
        await context.add_init_script(PULSE)
        yield AtBrowser(person, browser, context, await context.new_page())
    finally:
        await browser.close()


@dataclass
class Hall:
    """An open hearing: the judge on the good side, the plaintiff behind ``wire``, maybe a witness on a host apart."""

    court: Court
    hearing: Issued
    wire: Line
    judge: AtBrowser
    plaintiff: AtBrowser
    witness: AtBrowser | None = None
    clerk: AtBrowser | None = None

    def seat(self, person: Person) -> str:
        return self.hearing.seat(person)

    async def frames(self, at: AtBrowser, person: Person, since: float = 0) -> list[tuple[float, str]]:
        """When ``at`` was shown pictures of ``person`` since then (wall clock, seconds), and by which stream."""
        got = await at.page.evaluate(
            "([seat, since]) => (window.__pulse.frames[seat] ?? []).filter((one) => one[0] >= since)",
            [self.seat(person), since * 1000],
        )
        return [(when / 1000, stream) for when, stream in got]

    async def entries(self, kind: str, person: Person | None = None) -> list[dict[str, Any]]:
        """Ledger entries of a type (of a seat)."""
        return [
            entry
            for entry in await self.court.ledger(self.hearing.id)
            if entry["type"] == kind and (person is None or entry["body"]["seat"] == self.seat(person))
        ]

    async def gauges(self) -> dict[str, float]:
        """``/metrics`` without labels."""
        _status, body = await self.court.call("GET", "/metrics")
        lines = (line.split() for line in body.decode().splitlines() if line and line[0] != "#" and "{" not in line)
        return {name: float(value) for name, value in lines}

    async def see_each_other(self, seconds: float = 60) -> None:
        """Waits until judge and plaintiff have each been shown five new pictures of the other."""
        for at, person in ((self.judge, PLAINTIFF), (self.plaintiff, JUDGE)):
            start = await at.page.evaluate("Date.now()") / 1000
            await until(lambda at=at, person=person, start=start: self._moving(at, person, start), seconds)

    async def _moving(self, at: AtBrowser, person: Person, since: float) -> bool:
        return len(await self.frames(at, person, since)) >= 5


@contextlib.asynccontextmanager
async def sitting(
    playwright: Playwright, folder: Path, wire: Line, *, fps: int, apart: hosts.Host | None = None,
    seats: Sequence[Person] = SEATS, data: str = "data", size: tuple[int, int] = (1440, 900),
    picture: tuple[int, int] = SIZE, grain: int = 8, clerk: bool = False,
) -> AsyncIterator[Hall]:  # fmt: skip
    """A hearing in session; with ``apart``, a witness waits in isolation on that host."""
    addresses = [wire.near, *([apart.near] if apart else []), "127.0.0.1"]
    flags = [word for address in addresses for word in ("--public-address", address)]
    async with contextlib.AsyncExitStack() as stack:
        court = await stack.enter_async_context(Court(folder / data, *flags, host="0.0.0.0"))
        hearing = await court.create(seats)
        port = court.url.rsplit(":", 1)[1]

        async def enter(person: Person, near: str, wrapped: hosts.Host | None) -> AtBrowser:
            origin = f"http://{near}:{port}"
            one = await stack.enter_async_context(
                at_browser(
                    playwright,
                    person,
                    folder,
                    fps=fps,
                    wrapped=wrapped,
                    trusted=origin,
                    size=size,
                    picture=picture,
                    grain=grain,
                )
            )
            await one.join(f"{origin}/j/{hearing.seats[person.role]['token']}")
            return one

        judge = await enter(JUDGE, "127.0.0.1", None)
        at_desk = await enter(CLERK, "127.0.0.1", None) if clerk else None
        plaintiff = await enter(PLAINTIFF, wire.near, wire)
        witness = await enter(WITNESS, apart.near, apart) if apart else None
        hall = Hall(court, hearing, wire, judge, plaintiff, witness, at_desk)
        await judge.room("courtroom")
        await judge.act("admit", hearing.seat(PLAINTIFF))
        await plaintiff.room("courtroom")
        if witness is not None:
            await judge.act("admit", hearing.seat(WITNESS))
            await witness.room("witness_room")
        await judge.act("open_hearing")
        await judge.when("() => document.body.dataset.phase === 'open'")
        await hall.see_each_other()
        yield hall
