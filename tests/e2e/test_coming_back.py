"""Things break: tabs are closed, cables pulled, processes killed. The court names the cause and stands on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Playwright

from tests.e2e.court import Court, Issued, until
from tests.e2e.devices import CLERK, JUDGE, PLAINTIFF, Person
from tests.e2e.people import CHROMIUM, AtBrowser, at_browsers
from tests.netlab import hosts

pytestmark = pytest.mark.e2e

PEOPLE = (JUDGE, PLAINTIFF)


async def in_session(court: Court, sitting: dict[str, AtBrowser]) -> Issued:
    """A hearing that is open with the judge and the plaintiff in the courtroom, seeing each other."""
    hearing = await court.create((JUDGE, CLERK, PLAINTIFF))
    for person in PEOPLE:
        await sitting[person.role].join(hearing.seats[person.role]["join_url"])
    judge, plaintiff = sitting[JUDGE.role], sitting[PLAINTIFF.role]
    await judge.room("courtroom")
    await judge.act("admit", hearing.seat(PLAINTIFF))
    await plaintiff.room("courtroom")
    await judge.act("open_hearing")
    await judge.when("() => document.body.dataset.phase === 'open'")
    await see_each_other(sitting, hearing)
    return hearing


async def see_each_other(sitting: dict[str, AtBrowser], hearing: Issued) -> None:
    for person in PEOPLE:
        await sitting[person.role].sees({hearing.seat(one): one.colour for one in PEOPLE})


async def hears(person: AtBrowser, tones: set[int]) -> bool:
    return await person.tones() == tones


async def hear_each_other(sitting: dict[str, AtBrowser]) -> None:
    for person, other in (PEOPLE, PEOPLE[::-1]):
        await until(lambda one=sitting[person.role], tone=other.tone: hears(one, {tone}))


async def causes(court: Court, hearing: Issued, person: Person) -> list[str]:
    """Causes of the person's interruptions so far, in order, as attributed last."""
    timeline = await court.timeline(hearing.id, hearing.seat(person))
    return [spell["cause"] for spell in timeline if spell["cause"]]


async def test_a_killed_media_worker_is_our_fault_and_everybody_comes_back(
    court: Court, playwright: Playwright, tmp_path: Path
) -> None:
    async with at_browsers(playwright, PEOPLE, tmp_path) as sitting:
        hearing = await in_session(court, sitting)
        await hear_each_other(sitting)
        before = court.kill_child("courtroom.worker")
        await until(lambda: new_worker(court, before))
        await until(lambda: all_connected(court, hearing), 60)
        await see_each_other(sitting, hearing)
        await hear_each_other(sitting)
        for person in PEOPLE:
            assert set(await causes(court, hearing, person)) == {"platform_failure"}
        state = await court.get(f"/api/v1/hearings/{hearing.id}")
        assert state["phase"] == "open"
        gaps = await until(lambda: gap_of(court, hearing, "worker_died"))
        assert gaps[0]["to_at"] > gaps[0]["from_at"]
        await judge_closes(sitting[JUDGE.role])
        archive = await until(lambda: sealed(court, hearing), 240, 1)
        assert any(gap["kind"] == "fault" for gap in archive["gaps"]), archive["gaps"]
        status, answer = await court.call("POST", f"/api/v1/hearings/{hearing.id}/archive/verify")
        assert (status, json.loads(answer)["ok"]) == (200, True), answer


async def test_a_killed_court_is_in_the_same_phase_when_it_is_back(
    court: Court, playwright: Playwright, tmp_path: Path
) -> None:
    async with at_browsers(playwright, PEOPLE, tmp_path) as sitting:
        hearing = await in_session(court, sitting)
        known = [entry["hash"] for entry in await court.ledger(hearing.id)]
        await court.kill()
        await court.start()
        state = await court.get(f"/api/v1/hearings/{hearing.id}")
        assert state["phase"] == "open"
        ledger = [entry["hash"] for entry in await court.ledger(hearing.id)]
        assert ledger[: len(known)] == known
        await until(lambda: all_connected(court, hearing), 60)
        await see_each_other(sitting, hearing)
        for person in PEOPLE:
            assert set(await causes(court, hearing, person)) == {"platform_failure"}
        await judge_closes(sitting[JUDGE.role])
        await court.kill()  # between the close and the seal: nothing of the recording may be lost
        await court.start()
        await until(lambda: sealed(court, hearing), 240, 1)
        status, answer = await court.call("POST", f"/api/v1/hearings/{hearing.id}/archive/verify")
        assert (status, json.loads(answer)["ok"]) == (200, True), answer


async def test_causes_of_leaving_are_told_apart(court: Court, playwright: Playwright, tmp_path: Path) -> None:
    async with at_browsers(playwright, PEOPLE, tmp_path) as sitting:
        hearing = await in_session(court, sitting)
        plaintiff, judge = sitting[PLAINTIFF.role], sitting[JUDGE.role]
        seat = hearing.seat(PLAINTIFF)

        # The tab is closed and opened again
        address = plaintiff.page.url
        await plaintiff.page.close(run_before_unload=True)
        await until(lambda: last_cause(court, hearing, "closed_page"))
        await judge.when(
            "seat => document.querySelector(`article[data-seat='${seat}']`)?.dataset.state === 'lost'", seat
        )
        plaintiff.page = await plaintiff.context.new_page()
        await plaintiff.page.goto(address)
        await plaintiff.room("courtroom")
        await see_each_other(sitting, hearing)

        # The leave button, asked once
        await plaintiff.press('[data-action="leave"]')
        await plaintiff.press('[data-action="confirm_leave"]')
        await until(lambda: last_cause(court, hearing, "left_deliberately"))


@pytest.mark.skipif(bool(hosts.available()), reason=hosts.available() or "network namespaces")
async def test_a_pulled_cable_is_a_lost_network_and_never_a_will(playwright: Playwright, tmp_path: Path) -> None:
    with hosts.host() as far:
        flags = ("--public-address", far.near, "--public-address", "127.0.0.1")
        async with Court(tmp_path / "data", *flags, host="0.0.0.0") as court:
            hearing = await court.create((JUDGE, CLERK, PLAINTIFF))
            pages = int(court.url.rsplit(":", 1)[1])
            tokens = {role: seat["token"] for role, seat in hearing.seats.items()}
            trusted = f"--unsafely-treat-insecure-origin-as-secure=http://{far.near}:{pages}"
            async with (
                at_browsers(playwright, (JUDGE,), tmp_path) as inside,
                at_browsers(
                    playwright, (PLAINTIFF,), tmp_path, executable=far.wrapper(CHROMIUM, tmp_path), more=(trusted,)
                ) as outside,
            ):  # fmt: skip
                sitting = {**inside, **outside}
                judge, plaintiff = sitting[JUDGE.role], sitting[PLAINTIFF.role]
                await judge.join(f"http://127.0.0.1:{pages}/j/{tokens[JUDGE.role]}")
                await plaintiff.join(f"http://{far.near}:{pages}/j/{tokens[PLAINTIFF.role]}")
                await judge.act("admit", hearing.seat(PLAINTIFF))
                await plaintiff.room("courtroom")
                await judge.act("open_hearing")
                await see_each_other(sitting, hearing)
                await hear_each_other(sitting)
                far.down()
                await until(lambda: last_cause(court, hearing, "network_lost"))
                far.up()
                await until(lambda: all_connected(court, hearing), 90)
                await see_each_other(sitting, hearing)
                await hear_each_other(sitting)
                assert "left_deliberately" not in await causes(court, hearing, PLAINTIFF)


async def test_a_killed_browser_is_not_a_deliberate_act(court: Court, playwright: Playwright, tmp_path: Path) -> None:
    async with at_browsers(playwright, PEOPLE, tmp_path) as sitting:
        hearing = await in_session(court, sitting)
        for pid in browser_processes(tmp_path / f"{PLAINTIFF.role}.y4m"):
            os.kill(pid, signal.SIGKILL)
        cause = await until(lambda: any_cause(court, hearing))
        assert cause not in ("left_deliberately", "closed_page", "platform_failure")


def browser_processes(camera: Path) -> list[int]:
    """Every process of the browser that was started with this camera file."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(camera).encode() in line and b"chromium" in line:
                found.append(int(entry.name))
    return found


async def any_cause(court: Court, hearing: Issued) -> str:
    found = await causes(court, hearing, PLAINTIFF)
    return found[-1] if found else ""


async def last_cause(court: Court, hearing: Issued, expected: str) -> bool:
    found = await causes(court, hearing, PLAINTIFF)
    return bool(found) and found[-1] == expected


async def all_connected(court: Court, hearing: Issued) -> bool:
    report = await court.get(f"/api/v1/hearings/{hearing.id}/presence")
    here = {row["seat"]: row["connected"] for row in report["seats"]}
    return all(here[hearing.seat(person)] for person in PEOPLE)


def new_worker(court: Court, before: int) -> bool:
    try:
        return court.child("courtroom.worker") != before
    except AssertionError:
        return False


async def gap_of(court: Court, hearing: Issued, reason: str) -> list[dict[str, Any]]:
    notes = [entry["body"] for entry in await court.ledger(hearing.id) if entry["type"] == "capture_noted"]
    return [note["detail"] for note in notes if note["what"] == "gap" and note["detail"]["reason"] == reason]


async def judge_closes(judge: AtBrowser) -> None:
    await judge.act("close_hearing")
    await judge.press('#dialog-close_hearing [data-action="confirm"]')
    await judge.when("() => document.body.dataset.phase === 'closed'")


async def sealed(court: Court, hearing: Issued) -> dict[str, Any] | None:
    archive = await court.get(f"/api/v1/hearings/{hearing.id}/archive")
    assert archive["state"] != "failed", court.log.read_text()[-4000:]
    return archive if archive["state"] == "sealed" else None
