"""What the archive's pages, the signing page and the desk's interruption do in a real browser."""

from __future__ import annotations

import asyncio
import copy
import re
from typing import Any

import pytest
from playwright.async_api import Page, Route

from courtroom.hearing.signing import stroke_digest
from tests.web.fixture import load
from tests.web.harness import House, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def posted(where: House, path: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            for to, body in where.court.posts:
                if to.endswith(path):
                    assert isinstance(body, dict)
                    return body
            await asyncio.sleep(0.02)


async def sent(where: House, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            for message in where.court.commands:
                if message["type"] == kind:
                    return message
            await asyncio.sleep(0.02)


async def draw(page: Page, points: int = 40) -> None:
    """A wave across the box, as a hand would."""
    await page.locator("#pad-sheet").scroll_into_view_if_needed()
    box = await page.locator("#pad-sheet").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.5)
    await page.mouse.down()
    for n in range(points):
        up = 0.5 + 0.3 * (1 if n % 4 < 2 else -1)
        await page.mouse.move(box["x"] + box["width"] * (0.1 + 0.8 * n / points), box["y"] + box["height"] * up)
    await page.mouse.up()


# --- signing ------------------------------------------------------------------------------------------------------


async def test_a_party_types_draws_and_signs_what_was_shown(court_house: House) -> None:
    async with court_house.open("sign") as screen:
        await screen.page.wait_for_selector("#pad-sheet")
        await screen.page.fill("#name", "林晓芸")
        await screen.page.click("[data-action=sign]")
        assert "手写" in await screen.page.inner_text("#sign-error") or "书写" in await screen.page.inner_text(
            "#sign-error"
        )
        await draw(screen.page)
        await screen.page.click("[data-action=sign]")
        body = await posted(court_house, "/signatures")
        assert (body["sheet"], body["name"]) == ("e7" * 32, "林晓芸")
        assert len(stroke_digest(body["stroke"])) == 64, "the court core takes the drawing"
        assert screen.complaints == []


async def test_a_long_drawing_is_thinned_until_the_court_takes_it(court_house: House) -> None:
    async with court_house.open("sign") as screen:
        await screen.page.wait_for_selector("#pad-sheet")
        await screen.page.fill("#name", "林晓芸")
        for _ in range(5):
            await draw(screen.page, 220)
        await screen.page.click("[data-action=sign]")
        body = await posted(court_house, "/signatures")
        assert 1000 < len(body["stroke"]) <= 7000
        assert len(stroke_digest(body["stroke"])) == 64


async def test_who_cannot_draw_signs_by_keyboard_alone(court_house: House) -> None:
    async with court_house.open("sign") as screen:
        page = screen.page
        await page.wait_for_selector("#pad-sheet")
        await page.focus("#name")
        await page.keyboard.type("林晓芸")
        for _ in range(6):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.id") == "cannot-draw":
                break
        await page.keyboard.press("Space")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        body = await posted(court_house, "/signatures")
        assert (body["name"], body["stroke"]) == ("林晓芸", "")


async def test_refusing_needs_a_reason_and_going_back_does_nothing(court_house: House) -> None:
    async with court_house.open("sign") as screen:
        await screen.page.wait_for_selector("#pad-sheet")
        await screen.page.click("[data-action=refuse]")
        await screen.page.click("dialog [data-action=confirm]")
        assert await screen.page.locator("dialog").count() == 1, "the reason is required"
        await screen.page.fill("dialog textarea", "对时长有异议")
        await screen.page.click("dialog [data-action=confirm]")
        assert (await posted(court_house, "/signatures"))["refuse"] == "对时长有异议"


async def test_the_integrity_value_is_shown_whole(court_house: House) -> None:
    async with court_house.open("sign", "390") as screen:
        text = re.sub(r"\s", "", await screen.page.inner_text("#content"))
        assert "9f2a61c477e0b1d8" * 4 in text
        assert "3be70d92a8f166c5" * 4 in text


# --- the player ---------------------------------------------------------------------------------------------------


async def test_the_line_shows_who_spoke_and_a_click_goes_there(court_house: House) -> None:
    async with court_house.open("archive-hearing") as screen:
        page = screen.page
        await page.wait_for_function("document.getElementById('programme').readyState > 0")
        await page.wait_for_selector("[data-speech-state=ready]")
        speech = page.locator("[data-speech=s-df]").first
        await speech.click()
        begun = await page.evaluate("document.getElementById('programme').currentTime")
        assert begun == pytest.approx(float(await speech.get_attribute("data-jump") or 0), abs=1)
        await page.locator("[data-strip=s-tp] [data-track]").scroll_into_view_if_needed()
        box = await page.locator("[data-strip=s-tp] [data-track]").bounding_box()
        assert box is not None
        await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 3)
        assert await page.evaluate("document.getElementById('programme').currentTime") == pytest.approx(4290, abs=15)
        words = await page.get_attribute("[data-strip=s-tp] [data-track]", "aria-label")
        assert words is not None
        assert "丁文博" in words
        assert "21分" in words


async def test_the_position_is_moved_by_keyboard(court_house: House) -> None:
    async with court_house.open("archive-hearing") as screen:
        page = screen.page
        await page.wait_for_function("document.getElementById('programme').readyState > 0")
        await page.focus("#seek")
        for _ in range(3):
            await page.keyboard.press("ArrowRight")
        assert await page.evaluate("document.getElementById('programme').currentTime") == pytest.approx(15, abs=1)
        assert (await page.get_attribute("#seek", "aria-valuetext")) == "09:03:33"


async def test_an_address_with_a_second_opens_the_film_there(court_house: House) -> None:
    now = "document.getElementById('programme').currentTime"
    async with court_house.open("archive-hearing#t=0:30:05,0:31") as screen:
        page = screen.page
        await until(page, f"Math.abs({now} - 1805) < 1")
        assert (await page.get_attribute("#seek", "aria-valuetext")) == "09:33:23"
        for hash_, second in (("#t=90.5", 90.5), ("#t=npt:2:00", 120), ("#t=9999999", 8580)):
            await page.evaluate("hash => { location.hash = hash; }", hash_)
            await until(page, f"Math.abs({now} - {second}) < 2")
        for nothing in ("#t=-4", "#t=1:2:3:4", "#t=abc", "#tt=4", "#t=", "#t=1e3"):
            await page.evaluate("hash => { location.hash = hash; }", nothing)
        assert abs(await page.evaluate(now) - 8580) < 2
        assert screen.complaints == []


async def test_what_a_party_missed_leads_into_the_film(court_house: House) -> None:
    async with court_house.open("archive-hearing") as screen:
        page = screen.page
        await page.wait_for_function("document.getElementById('programme').readyState > 0")
        await page.click("[data-tab=fairness]")
        await page.click("[data-fair=s-tp] [data-missed='88'] > a")
        await until(page, "Math.abs(document.getElementById('programme').currentTime - 1800) < 1")
        assert page.url.endswith("#t=1800")
        await page.click("[data-fair=s-tp] .meanwhile a")
        await until(page, "Math.abs(document.getElementById('programme').currentTime - 1860) < 1")
        assert "何建国" in await page.inner_text("[data-fair=s-tp] .meanwhile")
        assert await page.locator("[data-fair=s-tp] [data-missed='91'] a").count() == 0, "the recording rested"


async def test_who_never_came_has_a_name_wherever_the_page_speaks_of_them(court_house: House) -> None:
    async with court_house.open("archive-hearing") as screen:
        page = screen.page
        await page.wait_for_selector("[data-speech-state=ready]")
        await page.click("[data-tab=fairness]")
        party = page.locator("[data-fair=s-0c5d4da279]")
        assert await party.locator("h3").inner_text() == "被告委托诉讼代理人 孟晓岚"
        assert "不足1秒" in await party.inner_text()
        await page.click("[data-action=verify]")
        assert "提出人书记员 苏雨桐" in await page.inner_text("[data-check=gap_lawful]")


async def test_a_judge_who_sits_alone_is_called_so(court_house: House) -> None:
    async def alone(route: Route) -> None:
        answer = await route.fetch()
        text = (await answer.text()).replace('"role": "judge"', '"role": "observer"')
        await route.fulfill(response=answer, body=text.replace('"role": "assessor"', '"role": "observer"'))

    async with court_house.open("archive-hearing") as screen:
        await screen.page.wait_for_selector("[data-speech-state=ready]")
        assert await screen.page.inner_text("[data-strip=s-pj] .role") == "审判长"
        await screen.page.route("**/p/archive-hearing", alone)
        await screen.page.reload()
        await screen.page.wait_for_selector("[data-speech-state=ready]")
        assert await screen.page.inner_text("[data-strip=s-pj] .role") == "独任审判员"


async def test_on_a_phone_the_band_keeps_its_height_and_the_page_says_what_reading_means(court_house: House) -> None:
    high = {}
    for lang in ("zh", "en"):
        for name in ("archive", "archive-hearing"):
            async with court_house.open(name, "390", lang=lang) as screen:
                await screen.page.wait_for_selector(".lawful")
                high[lang, name] = await screen.page.evaluate("document.querySelector('.band').clientHeight")
                assert await screen.page.is_visible(".lawful")
                assert not await screen.page.is_visible("#band-step")
    assert max(high.values()) < 100, high
    assert len(set(high.values())) <= 2, "the list has no case number in its band; the languages do not differ"
    assert all(high["zh", name] == high["en", name] for name in ("archive", "archive-hearing")), high


async def test_tabs_are_moved_by_keyboard_and_copies_show_their_progress(court_house: House) -> None:
    async with court_house.open("archive-hearing") as screen:
        page = screen.page
        await page.wait_for_selector("[data-speech-state=ready]")
        assert await page.is_visible("#panel-signatures")
        await page.focus("#tab-signatures")
        await page.keyboard.press("ArrowRight")
        assert await page.is_visible("#panel-copies")
        assert not await page.is_visible("#panel-signatures")
        await page.wait_for_selector("[data-copy=c-2][data-state=making]")
        assert await page.get_attribute("[data-copy=c-2] [role=progressbar]", "aria-valuenow") == "37"
        assert (await page.get_attribute("[data-copy=c-1] [data-action=download]", "href") or "").endswith(
            "/copies/c-1/file?seat=s-cl"
        )
        await page.select_option("#recipient", "s-pl")
        await page.fill("#purpose", "复核")
        await page.keyboard.press("Enter")
        assert await posted(court_house, "/copies") == {"recipient": "s-pl", "purpose": "复核"}


async def test_the_clerk_notes_why_somebody_has_not_signed(court_house: House) -> None:
    async with court_house.open("archive-hearing") as screen:
        await screen.page.wait_for_selector("[data-speech-state=ready]")
        await screen.page.click("[data-action=note][data-seat=s-c2]")
        await screen.page.click("dialog [data-action=confirm]")
        assert await screen.page.locator("dialog").count() == 1, "what happened is required"
        await screen.page.fill("dialog textarea", "三次电话均无人接听")
        await screen.page.click("dialog [data-action=confirm]")
        body = await posted(court_house, "/signatures")
        assert body == {"seat": "s-c2", "outcome": "absent", "refuse": "三次电话均无人接听"}


async def test_a_hold_is_ordered_and_lifted_with_a_reason_and_its_consequence_named(court_house: House) -> None:
    async with court_house.open("archive-hearing") as screen:
        page = screen.page
        await page.wait_for_selector("#seek")
        assert "再审审查期间保全" in await page.inner_text("[data-state=in_force]")
        assert await page.locator("[data-state=lifted] [data-action=lift]").count() == 0
        await page.click("[data-action=hold]")
        assert "不能修改" in await page.inner_text("#dialog-hold")
        await page.click("#dialog-hold [data-action=back]")
        assert court_house.court.posts == [], "going back orders nothing"
        await page.click("[data-action=hold]")
        await page.fill("#hold-why", "上级法院调卷")
        await page.fill("#hold-day", "2027-01-31")
        await page.click("#dialog-hold [data-action=confirm]")
        body = await posted(court_house, "/archive/holds")
        assert body == {"reason": "上级法院调卷", "until": 1_801_411_200_000_000}, "to the end of that day in Beijing"
        court_house.court.posts.clear()
        await page.wait_for_selector("#seek")
        await page.click("[data-action=lift]")
        assert "再审审查期间保全" in await page.inner_text("#dialog-lift")
        await page.fill("#dialog-lift #reason", "审查终结")
        await page.click("#dialog-lift [data-action=confirm]")
        assert await posted(court_house, "/archive/holds") == {"reason": "审查终结", "lift": "hold-212"}


async def test_the_period_is_set_from_three(court_house: House) -> None:
    async with court_house.open("archive-hearing") as screen:
        await screen.page.wait_for_selector("#seek")
        await screen.page.click("[data-action=classify]")
        assert await screen.page.locator("#dialog-period input:checked").get_attribute("value") == "long"
        await screen.page.check("#dialog-period input[value=short]")
        await screen.page.click("#dialog-period [data-action=confirm]")
        assert await posted(court_house, "/archive/retention") == {"period": "short"}


async def test_the_presiding_judge_signs_the_explanation(court_house: House) -> None:
    async with court_house.open("archive-defect") as screen:
        await screen.page.wait_for_selector("[data-speech-state=ready]")
        assert "录制写入程序中断" in await screen.page.inner_text(".explanation")
        await screen.page.click("[data-action=explain]")
        await screen.page.fill("#signer", "顾明远")
        await screen.page.fill("#remark", "原始录制完整保存。")
        await draw(screen.page)
        await screen.page.click("dialog [data-action=confirm]")
        body = await posted(court_house, "/explanation")
        assert (body["digest"], body["name"], body["remark"]) == ("d4" * 32, "顾明远", "原始录制完整保存。")
        assert len(stroke_digest(body["stroke"])) == 64


# --- the desk -----------------------------------------------------------------------------------------------------


async def test_proposing_an_interruption_asks_once_and_names_the_consequence(court_house: House) -> None:
    async with court_house.open("judge") as screen:
        await screen.hall("room")
        await screen.page.click("[data-command=propose_interruption][data-ground=not_public]")
        said = await screen.page.inner_text("dialog")
        assert "不再录制" in said
        assert "第三条" in said
        await screen.page.keyboard.press("Escape")
        await screen.page.wait_for_selector("dialog", state="detached")
        assert not court_house.court.commands or "propose_interruption" not in str(court_house.court.commands)
        await screen.page.click("[data-command=propose_interruption][data-ground=not_public]")
        await screen.page.click("dialog [data-action=confirm]")
        assert (await sent(court_house, "propose_interruption"))["ground"] == "not_public"


async def test_the_second_person_sees_who_waits_and_confirms(court_house: House) -> None:
    async with court_house.open("judge-interrupting") as screen:
        await screen.hall("room")
        section = screen.page.locator("[data-interruption=proposed]")
        text = await section.inner_text()
        assert "苏雨桐" in text
        assert "不公开举证质证" in text
        assert "09:43:38" in text
        await screen.page.click("[data-command=confirm_interruption]")
        assert "苏雨桐" in await screen.page.inner_text("dialog")
        await screen.page.click("dialog [data-action=confirm]")
        assert (await sent(court_house, "confirm_interruption"))["proposal"] == "id-7"
        await screen.page.click("[data-command=decline_interruption]")
        assert (await sent(court_house, "decline_interruption"))["proposal"] == "id-7"


async def test_while_interrupted_the_lamp_says_why_and_one_click_resumes(court_house: House) -> None:
    async with court_house.open("judge") as screen:
        await screen.hall("room")
        view = copy.deepcopy(load("judge"))
        view["recording"] = {"state": "interrupted", "reason": "not_public", "since": 1, "free_hours": 9}
        view["interruption"] = {"grounds": ["not_public"], "proposal": None, "interrupted_by": ["苏雨桐", "顾明远"]}
        view["may"] |= {"propose_interruption": False, "resume_recording": True}
        await court_house.court.push(view)
        await screen.page.wait_for_selector(".lamp[data-recording=interrupted]")
        assert "不公开举证质证" in await screen.page.inner_text(".lamp")
        assert "苏雨桐、顾明远" in await screen.page.inner_text("[data-interruption=in_force]")
        await screen.page.click("[data-command=resume_recording]")
        assert await sent(court_house, "resume_recording")


async def test_the_file_of_a_seat_is_reached_where_the_strip_has_no_room(court_house: House) -> None:
    async with court_house.open("judge", "390") as screen:
        await screen.hall("room")
        assert not await screen.page.is_visible("[data-action=facts][data-seat=s-tp]")
        await screen.page.click(".bar [data-action=drawer]")
        await screen.page.click("[data-action=seat_menu][data-seat=s-tp]")
        await screen.page.click("#dialog-seat [data-action=file]")
        await screen.page.wait_for_selector("#seat-file [data-part=timeline]")
        assert await screen.page.locator("#seat-file [data-step=prompt]").is_visible()


async def test_after_the_close_a_party_is_shown_the_way_to_sign(court_house: House) -> None:
    async with court_house.open("closed") as screen:
        await screen.hall("ended")
        href = await screen.page.get_attribute("[data-action=sign]", "href")
        assert href == "/h/h-demo/sign?seat=s-pl"
    async with court_house.open("removed") as screen:
        await screen.hall("ended")
        await until(screen.page, "document.querySelector('[data-action=sign]') === null")
