"""A hearing from the summons links to a verified archive: five people at five real browsers.

Everything is judged by what arrives: pixels read from the tiles, tones heard by an FFT, ledger and presence report over
HTTP, and at last the composed picture, its sound and the seal.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.async_api import Playwright

from tests.e2e.court import STAFF, Court, Issued, until
from tests.e2e.devices import CLERK, DEFENDANT, EVERYBODY, JUDGE, PLAINTIFF, WITNESS, Person
from tests.e2e.people import SLOW, AtBrowser, at_browsers
from tests.e2e.programme import PART_S, Part, check_archive

pytestmark = pytest.mark.e2e

COURT = (JUDGE, CLERK, PLAINTIFF, DEFENDANT)
SHOTS = Path("build/screens/e2e")
CUTS = ("seat_disconnected", "phase_changed")
NOTICED_US = 2_000_000
"""A cut is known after so long at most."""
TRIES = 5


def colours(hearing: Issued, people: tuple[Person, ...]) -> dict[str, tuple[int, int, int]]:
    return {hearing.seat(person): person.colour for person in people}


def others(people: tuple[Person, ...], me: Person) -> set[int]:
    return {person.tone for person in people if person is not me}


async def everyone_sees_and_hears(sitting: dict[str, AtBrowser], hearing: Issued, people: tuple[Person, ...]) -> None:
    """Each of ``people`` sees exactly these tiles in their colours and hears exactly the others' tones."""
    for person in people:
        await sitting[person.role].sees(colours(hearing, people))
    for person in people:
        await hears_exactly(sitting, person, others(people, person))


async def hears_exactly(sitting: dict[str, AtBrowser], person: Person, tones: set[int]) -> None:
    """Waits until each of these tones has been heard, and nobody else over two and a half seconds.

    Not all in one window: a starved browser has holes in its sound, and makes clicks of no tone (0) around them.
    """
    at, heard, windows = sitting[person.role], set[int](), list[set[int]]()

    async def exactly() -> bool:
        await sitting[JUDGE.role].goes_on()
        now = await at.tones()
        windows.append(now)
        heard.update(now & tones)
        return heard == tones and now - tones <= {0}

    try:
        await until(exactly, SLOW / 1000)
    except AssertionError as error:
        found = await at.page.evaluate("() => [window.__ears.hearing(), {...document.body.dataset}]")
        raise AssertionError(f"{person.role}: {heard} of {tones}; {windows[-9:]}; {found}") from error


async def nothing_of_the_hearing(witness: AtBrowser, hearing: Issued) -> None:
    """The witness's page shows and plays nothing, and knows no other seat, name, number or cause."""
    seen = await witness.see()
    assert set(seen) <= {hearing.seat(WITNESS)}
    assert await witness.tones(1500) == set()
    page = await witness.page.content()
    for secret in ("民初123号", "买卖合同", *(person.name for person in EVERYBODY if person is not WITNESS)):
        assert secret not in page, secret
    for person in COURT:
        assert hearing.seat(person) not in page


async def test_a_hearing_runs_from_summons_to_verified_archive(
    court: Court, playwright: Playwright, tmp_path: Path
) -> None:
    hearing = await court.create(EVERYBODY)
    async with at_browsers(playwright, EVERYBODY, tmp_path, clapper=DEFENDANT.role) as sitting:
        judge, clerk = sitting[JUDGE.role], sitting[CLERK.role]
        plaintiff, witness = sitting[PLAINTIFF.role], sitting[WITNESS.role]

        # Everybody comes in; the bench and the clerk are staff, the others wait until they are admitted
        for person in EVERYBODY:
            await sitting[person.role].join(hearing.seats[person.role]["join_url"])
        await judge.room("courtroom")
        await clerk.room("courtroom")
        await plaintiff.room("waiting")
        await plaintiff.shot(SHOTS / "waiting-zh-1440.png")
        await nothing_of_the_hearing(witness, hearing)
        for person in (PLAINTIFF, DEFENDANT):
            party = sitting[person.role]
            await clerk.act("admit", hearing.seat(person), lambda party=party: party.is_in("courtroom"))
        await clerk.act("admit", hearing.seat(WITNESS), lambda: witness.is_in("witness_room"))
        await everyone_sees_and_hears(sitting, hearing, COURT)
        await nothing_of_the_hearing(witness, hearing)
        await witness.shot(SHOTS / "witness-zh-1440.png")

        # 开庭: the recording starts by itself
        await judge.act("open_hearing", done=lambda: judge.in_phase("open"))
        await until(lambda: recording_is_on(court, hearing))
        await judge.shot(SHOTS / "judge-zh-1440.png")
        await plaintiff.shot(SHOTS / "party-zh-1440.png")

        # The court mutes the plaintiff: the server stops forwarding, the plaintiff's own switch does not bring it back
        await judge.act("mute", hearing.seat(PLAINTIFF))
        await hears_exactly(sitting, CLERK, {JUDGE.tone, DEFENDANT.tone})
        await judge.act("unmute", hearing.seat(PLAINTIFF))
        await hears_exactly(sitting, CLERK, {JUDGE.tone, PLAINTIFF.tone, DEFENDANT.tone})

        # 传唤 and 退庭, with some seconds of each part on the record
        before = await some_seconds(court, sitting, hearing, COURT)
        await judge.act("call", hearing.seat(WITNESS), lambda: comes_to(judge, witness, "courtroom"))
        await everyone_sees_and_hears(sitting, hearing, EVERYBODY)
        await judge.shot(SHOTS / "judge-witness-zh-1440.png")
        during = await some_seconds(court, sitting, hearing, EVERYBODY)
        await judge.act("dismiss", hearing.seat(WITNESS), lambda: comes_to(judge, witness, "witness_room"))
        await nothing_of_the_hearing(witness, hearing)
        await everyone_sees_and_hears(sitting, hearing, COURT)

        # A raised hand is seen by the judge; leaving on purpose is the leave button
        await plaintiff.press('[data-action="hand"]', lambda: hand_is_up(judge, hearing))

        after = await some_seconds(court, sitting, hearing, COURT)
        await judge.act("close_hearing")
        await judge.press('#dialog-close_hearing [data-action="confirm"]', lambda: judge.in_phase("closed"))
        for name, one in sitting.items():
            problems = [line for line in one.console if line.startswith("error") and not passing(line)]
            assert not problems, (name, problems)

    await until(lambda: sealed(court, hearing), 300, 1)
    await check_archive(court, hearing, (before, during, after), WITNESS, tmp_path)
    async with at_browsers(playwright, (CLERK,), tmp_path) as staff:
        await the_archive_page_plays_and_verifies(staff[CLERK.role], court, hearing)
    reads = [entry["body"] for entry in await court.ledger(hearing.id) if entry["type"] == "archive_noted"]
    assert "read" in {note["what"] for note in reads}, "every reading of a recording is a ledger line"


async def comes_to(judge: AtBrowser, witness: AtBrowser, room: str) -> bool:
    await judge.goes_on()
    return await witness.is_in(room)


def passing(line: str) -> bool:
    """Of the icon, or of a transport that the court gave up while its browser was starved: another one is opened."""
    return "favicon" in line or ("/media" in line and "status of 404" in line)


async def some_seconds(
    court: Court, sitting: dict[str, AtBrowser], hearing: Issued, people: tuple[Person, ...]
) -> Part:
    """``people`` are on the air, as was just seen and heard; they stay there for a while.

    Who was cut off meanwhile, by the ledger, is rightly not to be seen on the record: then another while.
    """
    for _ in range(TRIES):
        start = time.time()
        await until(lambda start=start: time.time() - start > PART_S)
        part = Part(people, int(start * 1e6), int(time.time() * 1e6))
        since = part.start - NOTICED_US
        if not any(entry["at"] > since and entry["type"] in CUTS for entry in await court.ledger(hearing.id)):
            return part
        await everyone_sees_and_hears(sitting, hearing, people)
    raise AssertionError(f"{people} never stayed for {PART_S} s")


async def the_archive_page_plays_and_verifies(staff: AtBrowser, court: Court, hearing: Issued) -> None:
    page = staff.page
    await page.goto(f"{court.url}/")
    await page.fill("input[name=token]", STAFF)
    await page.locator("form[action='/staff'] button[type=submit]").click()
    await page.goto(f"{court.url}/archive/{hearing.id}")
    await page.locator("[data-action=play]").click()
    await staff.when("() => document.getElementById('programme').currentTime > 1.5")
    await page.locator("[data-action=verify]").click()
    await staff.when("() => document.querySelector('#verify-result [data-ok]') !== null")
    verdicts = await page.locator("#verify-result [data-ok]").evaluate_all("all => all.map((one) => one.dataset.ok)")
    assert set(verdicts) == {"true"}
    for lang, width, height in (("zh", 1440, 900), ("en", 1440, 900), ("zh", 390, 844), ("en", 390, 844)):
        await page.set_viewport_size({"width": width, "height": height})
        await page.goto(f"{court.url}/lang/{lang}?next=/archive/{hearing.id}")
        await staff.shot(SHOTS / f"archive-{lang}-{width}.png")


async def recording_is_on(court: Court, hearing: Issued) -> bool:
    state = await court.get(f"/api/v1/hearings/{hearing.id}")
    return state["recording"]["state"] == "on"


async def hand_is_up(judge: AtBrowser, hearing: Issued) -> bool:
    tile = judge.page.locator(f'article[data-seat="{hearing.seat(PLAINTIFF)}"]')
    return "已举手" in await tile.first.inner_text()


async def sealed(court: Court, hearing: Issued) -> dict[str, object] | None:
    archive = await court.get(f"/api/v1/hearings/{hearing.id}/archive")
    assert archive["state"] != "failed", court.log.read_text()[-4000:]
    return archive if archive["state"] == "sealed" else None
