"""How long people wait, measured in real browsers by the whole court.

* answer → picture: from the server taking a page's answer to the first remote picture that page shows.
* call → picture: from the click on 传唤 to the witness on the judge's screen; the witness's page
  opens its transport anew in between (isolation is a missing transport, not a mute).

Numbers of a shared machine: look at the middle, not at the worst.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from tests.e2e.court import Court, until
from tests.e2e.devices import CLERK, JUDGE, PLAINTIFF, WITNESS
from tests.e2e.people import AtBrowser, at_browsers

ROUNDS = 10
STOPWATCH = (Path(__file__).parent / "stopwatch.js").read_text(encoding="utf-8")
PEOPLE = (JUDGE, PLAINTIFF, WITNESS)


async def watch(page: AtBrowser) -> dict[str, Any]:
    return await page.page.evaluate("() => window.__watch")


async def first_after(page: AtBrowser, seat: str, since: float) -> float | None:
    """When the page first showed ``seat`` after ``since``, on the page's clock."""
    seen = [one["at"] for one in (await watch(page))["first"] if one["seat"] == seat and one["at"] >= since]
    return min(seen) if seen else None


async def answer_to_picture(judge: AtBrowser, plaintiff: AtBrowser, seat: str, judges: str) -> list[float]:
    times = []
    for _ in range(ROUNDS):
        await plaintiff.page.reload()
        await plaintiff.room("courtroom")
        at = await until(lambda: first_after(plaintiff, judges, 0.0))
        answered = [moment for moment in (await watch(plaintiff))["answered"] if moment <= at]
        times.append(at - answered[-1])
        await judge.when("seat => !!document.querySelector(`video[data-seat='${seat}']`)", seat)
    return times


async def call_to_picture(judge: AtBrowser, witness: AtBrowser, seat: str) -> list[float]:
    times = []
    for number in range(ROUNDS):
        await judge.act("call", seat)
        called = (await watch(judge))["called"][number]
        times.append(await until(lambda called=called: first_after(judge, seat, called)) - called)
        await judge.act("dismiss", seat)
        await witness.room("witness_room")
    return times


async def measure() -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory(prefix="court-bench-") as folder:
        data = Path(folder)
        async with async_playwright() as playwright, Court(data / "data") as court:
            hearing = await court.create((*PEOPLE, CLERK))
            async with at_browsers(playwright, PEOPLE, data) as sitting:
                for one in sitting.values():
                    await one.context.add_init_script(STOPWATCH)
                for person in PEOPLE:
                    await sitting[person.role].join(hearing.seats[person.role]["join_url"])
                judge, plaintiff, witness = (sitting[person.role] for person in PEOPLE)
                for person in (PLAINTIFF, WITNESS):
                    await judge.act("admit", hearing.seat(person))
                await plaintiff.room("courtroom")
                await judge.act("open_hearing")
                await judge.when("() => document.body.dataset.phase === 'open'")
                return {
                    "answer to first remote picture": await answer_to_picture(
                        judge, plaintiff, hearing.seat(PLAINTIFF), hearing.seat(JUDGE)
                    ),
                    "call to witness's first picture": await call_to_picture(judge, witness, hearing.seat(WITNESS)),
                }
