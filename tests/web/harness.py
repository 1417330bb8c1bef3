"""Real Chromium on the fixture court: pages opened as a person would, with emulated viewports.

Rules: a violation of the Content-Security-Policy, a script error or a missing text fails the page's test; nothing waits
by the clock, only for a state of the page.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.web.fixture import WEB, Court, make_app

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless=new", "--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--disable-background-networking", "--disable-component-update", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
PRETEND = Path(__file__).parent / "pretend.js"
AXE = WEB / "node_modules/axe-core/axe.min.js"
PATIENCE_MS = 30_000  # a crowded machine is slow, not wrong
SIZES = {
    "1440": (1440, 900),
    "1280": (1280, 800),
    "1024": (1024, 768),
    "390": (390, 844),
    "360": (360, 740),
    "844": (844, 390),
}


def programme() -> bytes:
    """A film of two frames, 143 minutes apart: enough for a player's clock."""
    holder = io.BytesIO()
    with av.open(holder, "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=1)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.time_base = Fraction(1, 1000)
        picture = np.zeros((360, 640, 3), np.uint8)
        picture[:] = (19, 35, 59)
        for at in (0, 8_580_000):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return holder.getvalue()


@dataclass
class Screen:
    """One opened page and everything its console said that matters."""

    page: Page
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    async def hall(self, which: str) -> None:
        await self.page.wait_for_selector(f"body[data-screen='{which}']", timeout=PATIENCE_MS)


@dataclass
class House:
    browser: Browser
    court: Court
    url: str

    @contextlib.asynccontextmanager
    async def open(
        self, name: str, size: str = "1440", *, lang: str = "zh", large: bool = False, checked: bool = True,
        devices: bool = True, script: str = "",
    ) -> AsyncIterator[Screen]:  # fmt: skip
        """Page ``/p/<name>``; ``checked`` skips the device check as who did it already, ``script`` runs first."""
        width, height = SIZES[size]
        context = await self.browser.new_context(
            viewport={"width": width, "height": height}, is_mobile=width < 900, has_touch=width < 900,
            locale="zh-CN" if lang == "zh" else "en-GB", reduced_motion="reduce",
        )  # fmt: skip
        cookies = [("lang", lang), ("large", "1" if large else "0")]
        await context.add_cookies([{"name": k, "value": v, "url": self.url} for k, v in cookies])
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        screen = Screen(page, context)
        page.on("console", lambda m: screen.complaints.append(m.text) if _matters(m.type, m.text) else None)
        page.on("pageerror", lambda e: screen.complaints.append(f"script: {e}"))
        if not devices:
            await page.add_init_script("window.__noDevices = true")
        await page.add_init_script(path=PRETEND)
        if script:
            await page.add_init_script(script)
        if checked:
            await page.add_init_script("sessionStorage.setItem(`checked:h-demo:${location.pathname.slice(3)}`, '1')")
        try:
            await page.goto(f"{self.url}/p/{name}")
            yield screen
        finally:
            await context.close()


def _matters(kind: str, text: str) -> bool:
    return (
        "Content Security Policy" in text
        or "text missing" in text
        or (kind == "error" and "Failed to load" not in text)
    )


@contextlib.asynccontextmanager
async def house() -> AsyncIterator[House]:
    """Server and browser, both on loopback, both gone at the end."""
    court = Court()
    app = make_app(court)
    holder = tempfile.TemporaryDirectory()
    film = Path(holder.name) / "programme.mp4"
    film.write_bytes(programme())

    async def play(_: web.Request) -> web.FileResponse:
        return web.FileResponse(film)

    app.router.add_get("/fixture/programme.mp4", play)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    path = CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium")
    try:
        async with async_playwright() as play_:
            browser = await play_.chromium.launch(executable_path=path, args=FLAGS)
            try:
                yield House(browser, court, f"http://127.0.0.1:{port}")
            finally:
                await browser.close()
    finally:
        await runner.cleanup()
        holder.cleanup()


async def until(page: Page, expression: str) -> None:
    """Waits until an expression is true; asked from outside, since the page forbids eval."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not await page.evaluate(expression):
            await asyncio.sleep(0.05)


async def axe(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 A and AA, as readable lines."""
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    return [
        f"{v['id']}: {node['target']} {node['failureSummary']}" for v in found["violations"] for node in v["nodes"][:3]
    ]
