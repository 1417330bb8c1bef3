"""People at browsers: one real Chromium each, with their own camera and microphone files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Error, Page, Playwright

from tests.e2e.devices import EVERYBODY, JUDGE, Person, write_camera, write_microphone

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--force-color-profile=srgb",
)
EARS = (Path(__file__).parent / "ears.js").read_text(encoding="utf-8")
CLAPPER = (Path(__file__).parent / "clapper.js").read_text(encoding="utf-8")
FAILED = Path("build/screens/failed")
"""Where every page is pictured when a test fails."""
SLOW = 120_000
"""Milliseconds a page may take on a shared machine; no test is about speed."""
AGAIN_S = 15
"""A page gives a command up after eight seconds and says so."""


class AtBrowser:
    """One person at one browser. ``wrapper`` is put before Chromium's own path (a network namespace, say)."""

    def __init__(self, person: Person, browser: Browser, context: BrowserContext, page: Page) -> None:
        self.person = person
        self.browser = browser
        self.context = context
        self.page = page
        self.console: list[str] = []
        page.on("console", lambda said: self.console.append(f"{said.type}: {said.text} {said.location['url']}"))
        page.on("pageerror", lambda error: self.console.append(f"error: {error}"))
        page.set_default_timeout(SLOW)

    async def when(self, condition: str, arg: Any = None, instead: Callable[[], Awaitable[Any]] | None = None) -> None:
        """Waits until a function of the page is true; asked from outside, since the page forbids eval."""
        loop = asyncio.get_running_loop()
        end = loop.time() + SLOW / 1000
        while not await self._holds(condition, arg):
            if loop.time() > end:
                found = await instead() if instead else await self.page.evaluate("({...document.body.dataset})")
                raise AssertionError(f"{self.person.role}: not {condition} {arg}; but {found}; {self.console[-5:]}")
            await asyncio.sleep(0.1)

    async def _holds(self, condition: str, arg: Any) -> bool:
        """Not yet, while one page is on its way to the next: its document has no body then, or is just gone."""
        try:
            asked = f"async (arg) => document.body !== null && Boolean(await ({condition})(arg))"
            return bool(await self.page.evaluate(asked, arg))
        except Error as error:
            if "because of a navigation" not in error.message:
                raise
            return False

    # --- the way in -------------------------------------------------------------------------------

    async def join(self, url: str) -> None:
        """The summons link: who you are, agree, device check skipped, waiting room (staff go straight in)."""
        await self.page.goto(url)
        await self.page.locator('[data-action="agree"]').click()
        await self.when("() => ['check', 'waiting', 'witness', 'room'].includes(document.body.dataset.screen)")
        if await self.page.evaluate("document.body.dataset.screen") == "check":
            await self.page.locator('[data-action="check_skip"]').click()

    async def room(self, name: str) -> None:
        """Waits until the page shows this room."""
        await self.when("name => document.body.dataset.room === name", name)

    async def act(self, command: str, seat: str = "", done: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Presses the button of a command (of a seat), once the page is connected, until ``done``."""
        await self.press(f'[data-command="{command}"]' + (f'[data-seat="{seat}"]' if seat else ""), done)
        refused = await self.page.evaluate("document.querySelector('.toast.bad')?.textContent")
        assert done or not refused, (command, refused)

    async def press(self, button: str, done: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Presses what tells the court something, once the page is connected; who is not would be told so.

        Until ``done``, as people do: where a line falters a command is lost with its answer, and the person is told.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + SLOW / 1000
        while True:
            await self.when("() => document.body.dataset.socket === 'up'")
            if done is None or await self.page.locator(button).count():
                await self.page.locator(button).first.click()
            again = loop.time() + AGAIN_S
            while done is not None and not await done():
                if loop.time() > again:
                    break
                await asyncio.sleep(0.1)
            else:
                return
            assert loop.time() < end, (self.person.role, button, self.console[-5:])

    async def is_in(self, room: str) -> bool:
        return await self._holds("room => document.body.dataset.room === room", room)

    async def in_phase(self, phase: str) -> bool:
        return await self._holds("phase => document.body.dataset.phase === phase", phase)

    async def goes_on(self) -> None:
        """A judge who was cut off for some seconds finds the hearing held, and resumes it."""
        if await self.page.evaluate("document.body.dataset.phase") == "technical_hold":
            await self.act("resume")
            await self.when("() => document.body.dataset.phase !== 'technical_hold'")

    # --- senses -----------------------------------------------------------------------------------

    async def see(self) -> dict[str, dict[str, Any]]:
        return await self.page.evaluate("() => window.__ears.see()")

    async def hear(self, milliseconds: int = 2500) -> list[dict[str, Any]]:
        return await self.page.evaluate("ms => window.__ears.hear(ms)", milliseconds)

    async def sees(self, expected: dict[str, tuple[int, int, int]]) -> None:
        """Waits until exactly these tiles show exactly these colours."""
        await self.when(
            """expected => {
                const seen = window.__ears.see();
                const names = Object.keys(expected);
                return names.length === Object.keys(seen).length && names.every((name) => seen[name] &&
                    seen[name].colour.every((value, at) => Math.abs(value - expected[name][at]) < 40));
            }""",
            {seat: list(colour) for seat, colour in expected.items()},
            self.see,
        )

    async def tones(self, milliseconds: int = 2500) -> set[int]:
        """The tones that are heard, as the nearest known person's tone (0 for anything else)."""
        heard = await self.hear(milliseconds)
        return {next((one.tone for one in EVERYBODY if abs(one.tone - tone["hz"]) < 40), 0) for tone in heard}

    async def shot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=path)


@contextlib.asynccontextmanager
async def at_browsers(
    playwright: Playwright, people: Sequence[Person], folder: Path, *, executable: str = CHROMIUM,
    more: Sequence[str] = (), width: int = 1440, height: int = 900, lang: str = "zh", clapper: str = "",
) -> AsyncIterator[dict[str, AtBrowser]]:  # fmt: skip
    """One browser a person, by role; closed at the end. ``clapper``: the role whose camera flashes as it beeps.

    Two run on time where the others have to wait for their turns. The judge: without one for three seconds a hearing is
    held. The clapper, a measuring device: it would beep later than it flashes, and a true record says so.
    """
    sitting: dict[str, AtBrowser] = {}
    async with contextlib.AsyncExitStack() as stack:
        for person in people:
            camera = write_camera(folder / f"{person.role}.y4m", person.colour)
            microphone = write_microphone(folder / f"{person.role}.wav", person.tone)
            browser = await playwright.chromium.launch(
                executable_path=on_time(executable, folder) if person.role in (JUDGE.role, clapper) else executable,
                args=[
                    *FLAGS, *more, f"--use-file-for-fake-video-capture={camera}",
                    f"--use-file-for-fake-audio-capture={microphone}",
                ],
                ignore_default_args=["--mute-audio"],
                timeout=SLOW,
            )  # fmt: skip
            stack.push_async_callback(browser.close)
            context = await browser.new_context(
                viewport={"width": width, "height": height}, locale="zh-CN" if lang == "zh" else "en-GB"
            )
            await context.add_init_script(EARS)
            if person.role == clapper:
                facts = json.dumps({"colour": person.colour, "tone": person.tone})
                await context.add_init_script(f"window.__clapper = {facts};\n{CLAPPER}")
            sitting[person.role] = AtBrowser(person, browser, context, await context.new_page())
        try:
            yield sitting
        except BaseException:
            for role, one in sitting.items():
                await one.shot(FAILED / f"{role}.png")
            raise


def on_time(program: str, folder: Path) -> str:
    """A script that runs ``program`` before others on this machine, where that is allowed (else as any other)."""
    script = folder / "on-time"
    script.write_text(f'#!/bin/sh\nrenice -n -15 -p $$ >/dev/null 2>&1\nexec {program} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return str(script)
