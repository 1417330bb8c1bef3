"""Pictures of the pages with real data in them, to be looked at: a hearing held by programs, sealed by the court.

Rules
* Nothing is pretended but the people: the court, its recorder, the seal, the signature, the copy and the hold are real.
* ``--keep DIR`` keeps the court's data, so that the pictures of a second run show the same sealed hearing.
* Pictures go to ``build/screens/real``; what axe-core finds is printed, and makes the run fail.

    python -m tests.web.real --keep DIR
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import Error as PlaywrightError

from tests.e2e.court import CASE, MACHINE, STAFF, Court, Issued, until
from tests.e2e.devices import CLERK, DEFENDANT, JUDGE, PLAINTIFF, WITNESS, Person
from tests.e2e.people import CHROMIUM, FLAGS, SLOW
from tests.e2e.test_independent_client import Machine
from tests.e2e.test_proof import small_png
from tests.e2e.test_recording_law import as_seat
from tests.hearing.house import STROKE
from tests.web.harness import axe

PICTURES = Path("build/screens/real")
COUNSEL = Person("counsel", "沈若川", "defendant", (90, 90, 90), 700)
PEOPLE = (JUDGE, CLERK, PLAINTIFF, DEFENDANT, COUNSEL, WITNESS)
SIZES = {"1440": (1440, 900), "390": (390, 844)}
TABS = ("signatures", "copies", "accesses", "fairness")
SEALED_S = 300


# --- what is shown ------------------------------------------------------------------------------------------------


async def did(machine: Machine, name: str, **fields: Any) -> None:
    answer = await machine.command(name, **fields)
    if not answer["ok"]:
        raise SystemExit(f"{name}: {answer}")


async def hear_witness(judge: Machine, witness: Machine, seat: str) -> None:
    await did(judge, "call", seat=seat)
    await until(lambda: witness.view["room"] == "courtroom")
    await witness.join_media()
    await until(lambda: min(witness.received.values()) > 100)
    await did(judge, "dismiss", seat=seat)
    await until(lambda: witness.view["room"] == "witness_room")


async def interrupt(judge: Machine, clerk: Machine) -> None:
    await did(clerk, "propose_interruption", ground="not_public")
    await until(lambda: judge.view["interruption"]["proposal"])
    await did(judge, "confirm_interruption", proposal=judge.view["interruption"]["proposal"]["id"])
    await until(lambda: judge.view["recording"]["state"] == "interrupted")
    await asyncio.sleep(6)  # the length of the interruption is what is shown
    await did(clerk, "resume_recording")
    await until(lambda: judge.view["recording"]["state"] == "on")


async def is_in_state(court: Court, hearing: Issued, person: Person, state: str) -> bool:
    return bool((await court.timeline(hearing.id, hearing.seat(person)))[-1]["state"] == state)


async def hand_in(court: Court, hearing: Issued, plaintiff: Machine) -> None:
    proof = small_png()
    sha256 = hashlib.sha256(proof).hexdigest()
    headers = {
        "Authorization": f"Bearer {hearing.seats['plaintiff']['token']}",
        "Content-Type": "application/octet-stream",
    }
    path = f"/api/v1/hearings/{hearing.id}/attachments/{sha256}"
    status, answer = await court.call("PUT", path, headers=headers, data=proof)
    if status not in (200, 201):
        raise SystemExit(f"attachment: {status} {answer!r}")
    said = {"type": "reply", "reason": "power_cut", "text": "小区停电，换用手机热点后恢复。", "notice": 0}
    named = {"attachment": sha256, "name": "停电通知.png", "size": len(proof)}
    taken = await plaintiff._socket.call("command", said | named, namespace="/hearing")
    if not taken["ok"]:
        raise SystemExit(f"reply: {taken}")


async def lose_and_return(court: Court, hearing: Issued, clerk: Machine) -> None:
    """The plaintiff is away for half a minute, is prompted, comes back and says why with a proof."""
    async with Machine(court, hearing, PLAINTIFF) as plaintiff:
        await did(clerk, "admit", seat=hearing.seat(PLAINTIFF))
        await until(lambda: plaintiff.view["room"] == "courtroom")
        await plaintiff.join_media()
        await until(lambda: min(plaintiff.received.values()) > 60)
    await until(lambda: is_in_state(court, hearing, PLAINTIFF, "interrupted"))
    await asyncio.sleep(20)
    print("prompt:", await clerk.command("prompt", seat=hearing.seat(PLAINTIFF)))
    async with Machine(court, hearing, PLAINTIFF) as plaintiff:
        await plaintiff.join_media()
        await until(lambda: min(plaintiff.received.values()) > 60)
        await hand_in(court, hearing, plaintiff)


async def convene(court: Court, number: int, day: str, *, public: bool) -> Issued:
    body = {
        "case": {**CASE, "number": f"（2026）示范0101民初{number}号", "public": public}, "policy": MACHINE,
        "scheduled_at": day,
        "seats": [{"role": one.role, "name": one.name, "side": one.side, "required": True} for one in PEOPLE],
    }  # fmt: skip
    status, answer = await court.call("POST", "/api/v1/hearings", json=body)
    if status != 201:
        raise SystemExit(f"hearing: {status} {answer!r}")
    said = json.loads(answer)
    return Issued(said["id"], {seat["role"]: seat for seat in said["seats"]})


async def hold_hearing(court: Court) -> Issued:
    hearing = await convene(court, 123, "2026-11-20T09:00:00+08:00", public=True)
    async with (
        Machine(court, hearing, JUDGE) as judge,
        Machine(court, hearing, CLERK) as clerk,
        Machine(court, hearing, DEFENDANT) as defendant,
        Machine(court, hearing, WITNESS) as witness,
    ):
        for person in (DEFENDANT, WITNESS):
            await did(clerk, "admit", seat=hearing.seat(person))
        await until(lambda: defendant.view["room"] == "courtroom")
        await judge.join_media()
        await did(judge, "open_hearing")
        await until(lambda: judge.view["recording"]["state"] == "on")
        await lose_and_return(court, hearing, clerk)
        await did(judge, "set_phase", phase="investigation", reason="")
        await hear_witness(judge, witness, hearing.seat(WITNESS))
        await interrupt(judge, clerk)
        await did(judge, "set_phase", phase="debate", reason="")
        await asyncio.sleep(4)
        await did(judge, "close_hearing")
    return hearing


async def sealed(court: Court, hearing: Issued) -> bool:
    return bool((await court.get(f"/api/v1/hearings/{hearing.id}/archive"))["state"] in ("sealed", "failed"))


async def copy_made(court: Court, hearing: Issued) -> bool:
    listed = await court.get(f"/api/v1/hearings/{hearing.id}/copies")
    return any(one["state"] in ("ready", "failed") for one in listed["copies"])


async def keep_and_sign(court: Court, hearing: Issued) -> None:
    """What happens to an archive after its seal: a signature, a refusal, a copy, a hold, a period, a reading."""
    base = f"/api/v1/hearings/{hearing.id}"
    _, shown = await as_seat(court, hearing, "plaintiff", "GET", "/signatures")
    answers = (
        ("plaintiff", {"sheet": shown["digest"], "name": PLAINTIFF.name, "stroke": STROKE}),
        ("defendant", {"sheet": shown["digest"], "name": DEFENDANT.name, "refuse": "对录制时长有异议。"}),
    )
    for role, body in answers:
        print(role, await as_seat(court, hearing, role, "POST", "/signatures", json=body))
    for path, body in (
        ("/copies", {"recipient": hearing.seat(COUNSEL), "purpose": "上诉准备"}),
        ("/archive/holds", {"reason": "再审审查期间保全，待上级法院调卷后另行通知", "until": 0}),
        ("/archive/retention", {"period": "long"}),
    ):
        print(path, await court.call("POST", base + path, json=body))
    print("video", (await court.call("GET", f"{base}/archive/video", headers={"Range": "bytes=0-99"}))[0])
    await until(lambda: copy_made(court, hearing), SEALED_S, 1)


async def prepare(keep: Path) -> Issued:
    """The sealed hearing, made once for a folder."""
    known = keep / "hearing.json"
    if known.is_file():
        said = json.loads(known.read_text())
        return Issued(said["id"], said["seats"])
    async with Court(keep / "data") as court:
        hearing = await hold_hearing(court)
        await until(lambda: sealed(court, hearing), SEALED_S, 1)
        await keep_and_sign(court, hearing)
    known.write_text(json.dumps({"id": hearing.id, "seats": hearing.seats}))
    return hearing


# --- looking ------------------------------------------------------------------------------------------------------


@dataclass
class Eyes:
    """A browser, a court, and everything that was wrong with what they showed."""

    browser: Browser
    court: Court
    wrong: list[str] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def at(self, hearing: Issued | None, role: str, lang: str, size: str) -> AsyncIterator[Page]:
        """A page in the hands of a seat of the hearing, or of staff."""
        width, height = SIZES[size]
        context = await self.browser.new_context(
            viewport={"width": width, "height": height}, is_mobile=width < 900, has_touch=width < 900,
            locale="zh-CN" if lang == "zh" else "en-GB", reduced_motion="reduce",
        )  # fmt: skip
        await context.add_cookies([{"name": "lang", "value": lang, "url": self.court.url}])
        path = "/staff"
        form: dict[str, str | float | bool] = {"token": STAFF}
        if hearing is not None:
            path, form = f"/j/{hearing.seats[role]['token']}", {"agree": "yes", "notice_hash": ""}
        await context.request.post(self.court.url + path, form=form)
        page = await context.new_page()
        page.set_default_timeout(SLOW / 2)
        page.on("pageerror", lambda error: self.wrong.append(f"{role} {page.url}: {error}"))
        try:
            yield page
        finally:
            await context.close()

    async def tried(self, looking: Coroutine[Any, Any, None]) -> None:
        """The other pages are looked at even if one cannot be."""
        try:
            await looking
        except PlaywrightError as error:
            self.wrong.append(f"not reached: {error}")

    async def shoot(self, page: Page, name: str, lang: str, size: str, *, full: bool = True) -> None:
        name = f"{name}-{lang}-{size}"
        await page.evaluate("scrollTo(0, 0)")  # a sticky band would lie across a picture of the whole page
        await page.screenshot(path=PICTURES / f"{name}.png", full_page=full)
        self.wrong += [f"{name}: {line}" for line in await axe(page)]
        if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            self.wrong.append(f"{name}: the page scrolls sideways")

    async def dialog(self, page: Page, button: str, name: str, lang: str, size: str) -> None:
        await page.locator(button).first.click()
        await page.wait_for_selector("dialog[open]")
        await self.shoot(page, name, lang, size, full=False)
        await page.keyboard.press("Escape")
        await page.wait_for_selector("dialog", state="detached")


async def look_at_lists(eyes: Eyes, lang: str, size: str) -> None:
    async with eyes.at(None, "staff", lang, size) as page:
        for name in ("docket", "archive"):
            await page.goto(f"{eyes.court.url}/{name}")
            await page.wait_for_selector("svg[data-icon]", state="detached")
            await eyes.shoot(page, name, lang, size)
        await page.goto(f"{eyes.court.url}/docket")
        await page.wait_for_selector(".seat-line", state="attached")
        await page.click("[data-action=create]")
        await eyes.shoot(page, "docket-create", lang, size)


async def look_at_archive(eyes: Eyes, hearing: Issued, lang: str, size: str) -> None:
    async with eyes.at(hearing, CLERK.role, lang, size) as page:
        await page.goto(f"{eyes.court.url}/archive/{hearing.id}?seat={hearing.seat(CLERK)}")
        await page.wait_for_selector("[data-speech-state=ready]")
        for tab in TABS:
            await page.click(f"#tab-{tab}")
            await page.wait_for_selector(f"#panel-{tab}:not([hidden])")
            await page.wait_for_selector("#copies li, #fairness section", state="attached")
            await eyes.shoot(page, f"sitting-{tab}", lang, size)
        await page.click("[data-action=verify]")
        await page.wait_for_selector("#verify-result [data-check]")
        await eyes.shoot(page, "sitting-verified", lang, size)
        await page.click("#tab-signatures")
        for button in ("hold", "classify", "note"):
            await eyes.dialog(page, f"[data-action={button}]", f"dialog-{button}", lang, size)
    async with eyes.at(hearing, JUDGE.role, lang, size) as page:
        await page.goto(f"{eyes.court.url}/archive/{hearing.id}?seat={hearing.seat(JUDGE)}")
        await page.wait_for_selector("[data-speech-state=ready]")
        await eyes.dialog(page, "[data-action=lift]", "dialog-lift", lang, size)


async def look_at_signing(eyes: Eyes, hearing: Issued, lang: str, size: str) -> None:
    for role in (PLAINTIFF.role, DEFENDANT.role, COUNSEL.role):
        async with eyes.at(hearing, role, lang, size) as page:
            await page.goto(f"{eyes.court.url}/h/{hearing.id}/sign?seat={hearing.seats[role]['id']}")
            await page.wait_for_selector("main.sign")
            await eyes.shoot(page, f"sign-{role}", lang, size)


async def enter(page: Page, eyes: Eyes, hearing: Issued, role: str) -> None:
    await page.goto(f"{eyes.court.url}/h/{hearing.id}?seat={hearing.seats[role]['id']}")
    await page.wait_for_selector("body[data-screen=room], [data-action=check_skip]")
    if await page.locator("[data-action=check_skip]").count():
        await page.click("[data-action=check_skip]")
    await page.wait_for_selector("body[data-screen=room]")


async def open_file(page: Page, seat: str) -> None:
    """The way of a phone: the desk, the dots of the seat, its file."""
    if not await page.locator(f"[data-action=seat_menu][data-seat={seat}]").is_visible():
        await page.locator(".bar [data-action=drawer]").click()
    await page.locator(f"[data-action=seat_menu][data-seat={seat}]").click()
    await page.click("dialog [data-action=file]")
    await page.wait_for_selector("#seat-file .needs li")


async def look_at_desk(eyes: Eyes, hearing: Issued, lang: str, size: str) -> None:
    """The clerk's and the judge's dialogs about a party who went away, and that party's own."""
    absent = hearing.seat(PLAINTIFF)
    async with eyes.at(hearing, JUDGE.role, lang, size) as page:
        await enter(page, eyes, hearing, JUDGE.role)
        await page.wait_for_selector(f"[data-action=facts][data-seat={absent}]", state="attached")
        await open_file(page, absent)
        await eyes.shoot(page, "seatfile", lang, size, full=False)
        for part, name in (("notices", "middle"), ("needs", "needs"), ("fairness", "end")):
            await page.locator(f"#seat-file [data-part={part}]").scroll_into_view_if_needed()
            await page.screenshot(path=PICTURES / f"seatfile-{name}-{lang}-{size}.png")
        rule = page.locator("#seat-file [data-action=rule]")
        print("rule", await rule.count(), await rule.is_enabled() if await rule.count() else "")
        if await rule.count() and await rule.is_enabled():
            await rule.click()
            await page.wait_for_selector("#dialog-rule")
            await eyes.shoot(page, "dialog-rule", lang, size, full=False)
    async with eyes.at(hearing, CLERK.role, lang, size) as page:
        await enter(page, eyes, hearing, CLERK.role)
        await page.wait_for_selector(f"[data-action=facts][data-seat={absent}]", state="attached")
        for button, name in (("[data-action^=phone-]", "phone"), ("[data-action^=record-]", "record")):
            await open_file(page, absent)
            if await page.locator(f"#seat-file {button}").count():
                await page.locator(f"#seat-file {button}").first.click()
                await page.wait_for_selector(f"#dialog-{name}")
                await eyes.shoot(page, f"dialog-{name}", lang, size, full=False)
            await page.keyboard.press("Escape")
            await page.wait_for_selector("dialog", state="detached")
    async with eyes.at(hearing, DEFENDANT.role, lang, size) as page:
        await enter(page, eyes, hearing, DEFENDANT.role)
        await page.locator(".bar [data-action=more]").click()
        await page.click("#dialog-more [data-action=statement]")
        await page.wait_for_selector("#dialog-statement")
        await eyes.shoot(page, "dialog-statement", lang, size, full=False)


@contextlib.asynccontextmanager
async def in_session(court: Court) -> AsyncIterator[Issued]:
    """A hearing that is open, with a party who is away again, was prompted and warned, and has said why before."""
    hearing = await convene(court, 131, "2026-11-23T09:00:00+08:00", public=False)
    async with (
        Machine(court, hearing, JUDGE) as judge,
        Machine(court, hearing, CLERK) as clerk,
        Machine(court, hearing, DEFENDANT) as defendant,
    ):
        await did(clerk, "admit", seat=hearing.seat(DEFENDANT))
        await until(lambda: defendant.view["room"] == "courtroom")
        await judge.join_media()
        await did(judge, "open_hearing")
        await lose_and_return(court, hearing, clerk)
        await until(lambda: is_in_state(court, hearing, PLAINTIFF, "interrupted"))
        await did(defendant, "request", kind="help", text="")
        for name in ("prompt", "warn"):
            print(name, await judge.command(name, seat=hearing.seat(PLAINTIFF)))
        yield hearing


async def look(keep: Path, hearing: Issued, only: str) -> list[str]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with Court(keep / "data") as court, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS), timeout=SLOW)
        eyes = Eyes(browser, court)
        every = [(lang, size) for lang in ("zh", "en") for size in SIZES]
        if "archive" in only:
            for lang, size in every:
                await eyes.tried(look_at_archive(eyes, hearing, lang, size))
                await eyes.tried(look_at_signing(eyes, hearing, lang, size))
        if "desk" in only:
            await convene(court, 140, "2026-11-23T14:30:00+08:00", public=True)
            async with in_session(court) as live:
                for lang, size in every:
                    await eyes.tried(look_at_lists(eyes, lang, size))
                for lang in ("zh", "en"):
                    await eyes.tried(look_at_desk(eyes, live, lang, "390"))
        await browser.close()
        return eyes.wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="where the court's data stays for the next run")
    parser.add_argument("--only", default="archive desk", help="which pages")
    chosen = parser.parse_args()
    keep = chosen.keep
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        hearing = asyncio.run(prepare(folder))
        wrong = asyncio.run(look(folder, hearing, chosen.only))
    print("\n".join(dict.fromkeys(wrong)) or "nothing is wrong that a program can see")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
