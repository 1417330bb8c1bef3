"""Every screen in Chromium, zh and en, wide and phone: a picture, axe-core, and no sideways scroll.

Pictures go to ``build/screens``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.web.harness import House, axe, house

pytestmark = pytest.mark.asyncio(loop_scope="module")
PICTURES = Path(__file__).resolve().parents[2] / "build/screens"
ROOMS = {
    "judge-interrupting": "room",
    "judge": "room", "judge-checkin": "room", "party": "room", "party-small": "room", "party-recess": "room",
    "witness-court": "room", "waiting": "waiting", "check": "check", "witness": "witness", "closed": "ended",
    "closed-judge": "ended", "removed": "ended",
}  # fmt: skip
PAPER = [
    "home",
    "join",
    "join-witness",
    "join-declined",
    "docket",
    "archive",
    "archive-hearing",
    "archive-composing",
    "archive-defect",
    "sign",
    "sign-signed",
    "sign-refused",
    "sign-waiting",
    "error-404",
]
BOTH = ["judge", "party", "waiting", "check", "witness", "join", "docket", "archive-hearing", "home", "archive", "sign"]
ONCE = {
    "judge-interrupting": "1440", "archive-defect": "390", "sign-signed": "1440", "sign-refused": "390",
    "sign-waiting": "390",
}  # fmt: skip
CASES = [
    *((name, "1440", "zh", False) for name in [*ROOMS, *PAPER] if ONCE.get(name, "1440") == "1440"),
    *((name, "390", "zh", False) for name in [*ROOMS, *PAPER] if ONCE.get(name, "390") == "390"),
    *((name, "1440", "en", False) for name in BOTH),
    *((name, "390", "en", False) for name in BOTH),
    *((name, "390", "zh", True) for name in ["party", "party-small", "waiting", "join", "witness", "check"]),
    *((name, "1440", "zh", True) for name in ["party", "judge"]),
    *((name, "390", "en", True) for name in ["party", "join", "judge"]),
    ("sign", "390", "zh", True),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def court_house() -> AsyncIterator[House]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with house() as it:
        yield it


@pytest.mark.parametrize(("name", "size", "lang", "large"), CASES)
async def test_screen_is_reachable_for_everybody(
    court_house: House, name: str, size: str, lang: str, large: bool
) -> None:
    async with court_house.open(name, size, lang=lang, large=large, checked=name != "check") as screen:
        page = screen.page
        if name in ROOMS:
            await screen.hall(ROOMS[name])
        if ROOMS.get(name) == "room":
            await page.wait_for_selector("body[data-media='up']")
            await page.wait_for_function(
                "[...document.querySelectorAll('video[data-seat]')].every(v => v.videoWidth > 0)"
            )
        elif name not in ROOMS:
            await page.wait_for_function("!document.querySelector('svg[data-icon]')")
        await page.screenshot(path=PICTURES / f"{name}-{lang}-{size}{'-large' if large else ''}.png")
        assert await axe(page) == []
        if size == "390":
            await page.set_viewport_size({"width": 360, "height": 740})
        wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, "the page scrolls sideways"
        assert screen.complaints == []
