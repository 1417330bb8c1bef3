"""What the pages do: commands, dialogs, keys, reconnects, admission, isolation, devices."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from courtroom.server.schemas import HearingBody, decode, plan_of
from tests.web.fixture import NOW, load
from tests.web.harness import House, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def sent(where: House, kind: str) -> dict[str, Any]:
    """The next command of this type that a page sends."""
    async with asyncio.timeout(20):
        while True:
            for message in where.court.commands:
                if message["type"] == kind:
                    return message
            await asyncio.sleep(0.02)


def uploads(where: House) -> list[tuple[str, bytes]]:
    """Digest and content of every file that a page handed in."""
    return [(path.rsplit("/", 1)[1], content) for path, content in where.court.posts if "/attachments/" in path]


def with_fields(name: str, **fields: Any) -> dict[str, Any]:
    return {**copy.deepcopy(load(name)), **fields}


async def test_buttons_of_the_desk_send_their_command(court_house: House) -> None:
    async with court_house.open("judge") as screen:
        await screen.hall("room")
        await screen.page.click("[data-command=call][data-seat=s-w2]")
        assert await sent(court_house, "call") == {"type": "call", "seat": "s-w2"}
        await screen.page.click("[data-command=set_phase][data-phase=debate]")
        assert (await sent(court_house, "set_phase"))["phase"] == "debate"
        await screen.page.click("[data-command=answer_request][data-request=q1][data-granted=false]")
        assert (await sent(court_house, "answer_request"))["granted"] is False


async def test_closing_asks_once_and_going_back_does_nothing(court_house: House) -> None:
    async with court_house.open("judge") as screen:
        await screen.hall("room")
        await screen.page.click("[data-command=close_hearing]")
        assert await screen.page.evaluate("document.activeElement.closest('dialog') !== null")
        await screen.page.keyboard.press("Escape")
        await screen.page.wait_for_selector("dialog", state="detached")
        assert not [m for m in court_house.court.commands if m["type"] == "close_hearing"]
        await screen.page.click("[data-command=close_hearing]")
        await screen.page.click("dialog [data-action=confirm]")
        await sent(court_house, "close_hearing")


async def test_removing_needs_a_written_reason(court_house: House) -> None:
    async with court_house.open("judge") as screen:
        await screen.hall("room")
        await screen.page.click("[data-action=seat_menu][data-seat=s-pl]")
        await screen.page.click("dialog [data-action=remove]")
        await screen.page.click("dialog#dialog-remove [data-action=confirm]")
        assert await screen.page.is_visible("dialog#dialog-remove")
        await screen.page.fill("#reason", "扰乱法庭秩序")
        await screen.page.click("dialog#dialog-remove [data-action=confirm]")
        assert await sent(court_house, "remove") == {"type": "remove", "seat": "s-pl", "reason": "扰乱法庭秩序"}


async def test_waiving_a_check_of_one_seat_names_item_and_seat(court_house: House) -> None:
    async with court_house.open("judge-checkin") as screen:
        await screen.hall("room")
        view = load("judge-checkin")
        view["checklist"].append({"item": "consent", "met": False, "waived": False, "seat": "s-tp"})
        await court_house.court.push(view)
        await screen.page.click("[data-command=waive_check][data-seat=s-tp]")
        await screen.page.fill("#reason", "当庭口头同意")
        await screen.page.click("dialog [data-action=confirm]")
        assert (await sent(court_house, "waive_check"))["item"] == "consent:s-tp"


async def test_facts_lead_to_prompt_warning_and_the_judges_own_words_in_two_clicks(court_house: House) -> None:
    async with court_house.open("judge") as screen:
        await screen.hall("room")
        await screen.page.click("[data-action=facts][data-seat=s-tp]")
        await screen.page.wait_for_selector("dialog [data-first=missing]")
        shown = await screen.page.inner_text("dialog")
        assert "#9" in shown
        assert "网络中断" in shown
        assert await screen.page.is_disabled("dialog [data-action=warn]")
        await screen.page.click("dialog [data-action=rule]")
        await screen.page.fill("#reason", "暂不认定")
        await screen.page.click("dialog [data-action=confirm]")
        ruling = {"type": "rule", "seat": "s-tp", "finding": "暂不认定", "draft": "cd" * 32, "draft_seq": 41}
        assert await sent(court_house, "rule") == ruling


async def test_file_of_a_seat_shows_both_sides_and_follows_the_view(court_house: House) -> None:
    async with court_house.open("judge") as screen:
        await screen.hall("room")
        await screen.page.click("[data-action=facts][data-seat=s-tp]")
        weighs = [
            await screen.page.locator(f"dialog .evidence [data-weighs={one}]").count() for one in ("for", "against")
        ]
        assert weighs == [2, 1]
        assert await screen.page.locator("dialog .needs [data-ok=false]").count() == 2
        view = load("judge")
        row = next(one for one in view["attendance"] if one["seat"] == "s-tp")
        row["next"]["warn"] = {"ok": True, "why": None, "from": 0}
        await court_house.court.push(view)
        await screen.page.click("dialog [data-action=warn]:not([disabled])")


async def test_phone_call_and_service_are_put_on_record(court_house: House) -> None:
    async with court_house.open("judge") as screen:
        await screen.hall("room")
        await screen.page.click("[data-action=facts][data-seat=s-tp]")
        await screen.page.click("dialog [data-action=phone-15]")
        await screen.page.select_option("#phone-who", "family")
        await screen.page.fill("#phone-said", "家属称本人正在赶回")
        await screen.page.click("dialog [data-action=note]")
        note = await sent(court_house, "phone_note")
        assert (note["seat"], note["notice"], note["who"], note["said"]) == ("s-tp", 15, "family", "家属称本人正在赶回")
        assert abs(note["called_at"] - NOW) < 3_600_000_000
        await screen.page.click("[data-action=facts][data-seat=s-tp]")
        await screen.page.click("dialog [data-action=record-offline_option_offered]")
        await screen.page.fill("#reason", "送达回证第3号")
        await screen.page.click("dialog [data-action=confirm]")
        fact = {"fact": "offline_option_offered", "holds": True, "note": "送达回证第3号"}
        assert await sent(court_house, "record_service") == {"type": "record_service", "seat": "s-tp", **fact}


async def test_what_is_wrong_with_a_proof_is_said_where_it_was_chosen(court_house: House, tmp_path: Path) -> None:
    court_house.court.refuse["attachment"] = "attachment_kind"
    async with court_house.open("party") as screen:
        page = screen.page
        await screen.hall("room")
        await court_house.court.push(with_fields("party", may={**load("party")["may"], "reply": True}))
        await page.click(".bar [data-action=requests]")
        await page.click("[data-action=statement]")
        await page.fill("#statement-text", "小区停电")
        large = tmp_path / "录像.mp4"
        large.write_bytes(bytes(10 * 1024 * 1024 + 1))
        await page.set_input_files("#statement-file", large)
        await page.click("dialog [data-action=send]")
        await page.wait_for_selector("#statement-wrong:not([hidden])")
        assert "10 MB" in await page.inner_text("#statement-wrong")
        assert uploads(court_house) == [], "what is too large is not sent at all"
        proof = tmp_path / "通知.docx"
        proof.write_bytes(b"PK")
        await page.set_input_files("#statement-file", proof)
        await page.click("dialog [data-action=send]")
        await until(page, "document.querySelector('#statement-wrong').textContent.includes('PDF')")
        assert await page.input_value("#statement-text") == "小区停电"
        court_house.court.refuse = {"reply": "too_many_replies"}
        await page.click("dialog [data-action=send]")
        await until(page, "document.querySelector('#statement-wrong').textContent.includes('不能准许')")
        before = len(uploads(court_house))
        court_house.court.refuse = {}
        await page.click("dialog [data-action=send]")
        await page.wait_for_selector("dialog", state="detached")
        assert len(uploads(court_house)) == before, "what the court has is not sent again"


async def test_after_the_end_a_person_can_still_say_why_it_was_away(court_house: House) -> None:
    async with court_house.open("closed") as screen:
        page = screen.page
        await screen.hall("ended")
        assert await page.locator("[data-action=statement]").count() == 0
        await court_house.court.push(with_fields("closed", may={**load("closed")["may"], "reply": True}))
        await page.click("[data-action=statement]")
        await page.fill("#statement-text", "停电到闭庭")
        await page.click("dialog [data-action=send]")
        said = await sent(court_house, "reply")
        assert (said["text"], "attachment" in said) == ("停电到闭庭", False)
        assert screen.complaints == []


async def test_the_file_of_a_seat_leads_to_the_proof_and_asks_what_the_law_hangs_on(court_house: House) -> None:
    async with court_house.open("judge") as screen:
        page = screen.page
        await screen.hall("room")
        await page.click("[data-action=facts][data-seat=s-tp]")
        await page.wait_for_selector("dialog [data-proof][data-state=intact] a")
        link = await page.get_attribute("dialog [data-action=proof]", "href")
        assert link is not None
        assert link.endswith(f"/seats/s-tp/attachments/{'ab' * 32}?seat=s-pj")
        assert "校验一致" in await page.inner_text("dialog [data-proof]")
        assert (await page.get_attribute("dialog [data-action=film]", "href") or "").endswith("#t=1340")
        assert await page.get_attribute("dialog [data-fact=independent_claim]", "data-holds") == "unknown"
        await page.click("dialog [data-action=record-independent_claim-no]")
        assert "否" in await page.inner_text("dialog h2")
        await page.fill("#reason", "卷宗第12页")
        await page.click("dialog [data-action=confirm]")
        fact = {"fact": "independent_claim", "holds": False, "note": "卷宗第12页"}
        assert await sent(court_house, "record_service") == {"type": "record_service", "seat": "s-tp", **fact}


async def test_person_states_why_it_was_away_and_asks_for_leave(court_house: House, tmp_path: Path) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        view = with_fields("party", may={**load("party")["may"], "reply": True, "ask_leave": True})
        await court_house.court.push(view)
        await screen.page.click(".bar [data-action=requests]")
        await screen.page.click("[data-action=statement]")
        await screen.page.select_option("#statement-reason", "power_cut")
        await screen.page.fill("#statement-text", "小区停电")
        proof = tmp_path / "停电通知.txt"
        proof.write_bytes(b"power cut from 9 to 10")
        await screen.page.set_input_files("#statement-file", proof)
        await screen.page.click("dialog [data-action=send]")
        said = await sent(court_house, "reply")
        assert (said["reason"], said["text"], said["name"], said["size"]) == ("power_cut", "小区停电", proof.name, 22)
        assert said["attachment"] == hashlib.sha256(proof.read_bytes()).hexdigest()
        assert uploads(court_house) == [(said["attachment"], proof.read_bytes())]
        await screen.page.wait_for_selector("dialog", state="detached")
        await screen.page.click(".bar [data-action=leave]")
        await screen.page.click("dialog [data-action=ask_leave]")
        await screen.page.select_option("#leave-minutes", "15")
        await screen.page.fill("#leave-reason", "服药")
        await screen.page.click("dialog [data-action=send]")
        asked = await sent(court_house, "ask_leave")
        assert asked["reason"] == "服药"
        assert abs(asked["until"] - NOW - 900_000_000) < 3_600_000_000


async def test_warning_somebody_who_is_away_asks_how_they_were_reached(court_house: House) -> None:
    async with court_house.open("judge") as screen:
        await screen.hall("room")
        await screen.page.locator("[data-command=warn][data-seat=s-tp]").first.click()
        await screen.page.fill("#reason", "09:40电话通知本人")
        await screen.page.click("dialog [data-action=confirm]")
        assert await sent(court_house, "warn") == {"type": "warn", "seat": "s-tp", "note": "09:40电话通知本人"}


async def test_keys_switch_microphone_camera_and_hand(court_house: House) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await screen.page.wait_for_selector("[data-action=microphone][data-device=on]")
        court_house.court.commands.clear()
        await screen.page.keyboard.press("m")
        await screen.page.wait_for_selector("[data-action=microphone][data-device=off]")
        assert await sent(court_house, "set_devices") == {"type": "set_devices", "microphone": "off", "camera": "on"}
        await screen.page.keyboard.press("h")
        await sent(court_house, "raise_hand")


OVERLAPS = """() => {
    const wanted = '.bar .ctl, .band-court, .band-middle, .band .lamp, .band-clock, .band-links';
    const shown = [...document.querySelectorAll(wanted)]
        .filter((one) => one.getClientRects().length);
    const spilt = shown.filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.className);
    const box = (one) => one.getBoundingClientRect();
    const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    const pairs = shown.flatMap((one, at) => shown.slice(at + 1).filter((other) => meet(box(one), box(other)))
        .map((other) => `${one.className} × ${other.className}`));
    const out = shown.filter((one) => box(one).right > innerWidth + 1).map((one) => one.className);
    return [...spilt, ...pairs, ...out];
}"""


@pytest.mark.parametrize("size", ["1440", "1280", "1024"])
@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("name", ["judge", "party"])
async def test_nothing_in_the_band_or_the_bar_overlaps(court_house: House, name: str, lang: str, size: str) -> None:
    async with court_house.open(name, size, lang=lang) as screen:
        await screen.hall("room")
        await court_house.court.push({**load(name), "unchecked": True})
        await screen.page.wait_for_function("() => document.getElementById('band-step').textContent.includes(' · ')")
        assert await screen.page.evaluate(OVERLAPS) == []


async def test_server_mute_shows_on_the_own_button_and_cannot_be_lifted(court_house: House) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        view = load("party")
        next(p for p in view["roster"] if p["seat"] == "s-pl")["muted"] = ["microphone"]
        await court_house.court.push(view)
        button = await screen.page.wait_for_selector("[data-action=microphone][data-device=muted]")
        assert button is not None
        assert "法庭静音" in await button.inner_text()
        court_house.court.commands.clear()
        await screen.page.keyboard.press("m")
        await screen.page.wait_for_selector(".toast")
        assert not court_house.court.commands


async def test_refusal_is_said_in_the_servers_words(court_house: House) -> None:
    court_house.court.refuse["raise_hand"] = "not_allowed"
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await screen.page.click("[data-action=hand]")
        toast = await screen.page.wait_for_selector(".toast.bad[role=alert]")
        assert toast is not None
        assert "法庭现在不能准许" in await toast.inner_text()


async def test_a_new_view_keeps_videos_focus_and_typed_text(court_house: House) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await screen.page.wait_for_selector("article[data-seat=s-pj] video")
        await screen.page.evaluate("window.kept = document.querySelector('article[data-seat=s-pj] video')")
        await screen.page.focus("[data-action=request][data-kind=evidence]")
        view = with_fields("party", seq=99, speaking=["s-de"])
        await court_house.court.push(view)
        await screen.page.wait_for_selector("body[data-seq='99']")
        assert await screen.page.evaluate("window.kept === document.querySelector('article[data-seat=s-pj] video')")
        assert await screen.page.evaluate("document.activeElement.dataset.kind") == "evidence"


async def test_a_place_whose_route_goes_is_hidden_at_once(court_house: House) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await screen.page.wait_for_selector("article[data-seat=s-pj] video")
        view = load("party")
        view["media"]["routes"] = [r for r in view["media"]["routes"] if r["seat"] != "s-pj"]
        view["roster"] = [p for p in view["roster"] if p["seat"] != "s-pj"]
        await court_house.court.push(view)
        await screen.page.wait_for_selector("article[data-seat=s-pj]", state="detached")
        heard = await screen.page.evaluate("[...document.querySelectorAll('#sound audio')].map(a => a.dataset.mid)")
        assert len(heard) == len([r for r in view["media"]["routes"] if r["kind"] == "audio"])


async def test_admission_counts_down_and_opens_the_microphone_only_then(court_house: House) -> None:
    async with court_house.open("waiting") as screen:
        await screen.hall("waiting")
        view = with_fields("party-small", hearing="h-demo")
        await court_house.court.push(view)
        await screen.page.wait_for_selector("[data-screen=countdown]")
        own = "document.querySelector('video[data-seat=s-pl]').srcObject.getTracks().map(t => t.enabled)"
        assert not any(await screen.page.evaluate(own))
        await screen.page.wait_for_selector("[data-screen=countdown]", state="detached")
        assert all(await screen.page.evaluate(own))


async def test_witness_room_shows_nothing_of_the_hearing(court_house: House) -> None:
    async with court_house.open("witness") as screen:
        await screen.hall("witness")
        words = await screen.page.inner_text("body")
        for foreign in ("123号", "买卖合同", "顾明远", "林晓芸", "秦大海", "法庭调查", "录音录像中"):
            assert foreign not in words
        assert await screen.page.get_attribute("body", "data-media") == "off"
        await screen.page.click("[data-action=wish][data-kind=urgent]")
        await sent(court_house, "request")
        await screen.page.click("[data-action=undertaking]")
        assert "如实陈述" in await screen.page.inner_text("dialog")


async def test_leaving_asks_and_offers_permission_first(court_house: House) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await screen.page.click("[data-action=leave]")
        await screen.page.click("dialog [data-action=ask_leave]")
        assert (await sent(court_house, "request"))["kind"] == "leave"
        assert not [m for m in court_house.court.commands if m["type"] == "leave"]
        await screen.page.click("[data-action=leave]")
        await screen.page.click("dialog [data-action=confirm_leave]")
        await sent(court_house, "leave")
        await screen.hall("ended")
        assert await screen.page.get_attribute("main", "data-ended") == "left"
        await screen.page.click("[data-action=return]")
        await screen.hall("room")


async def test_second_login_ends_this_page_and_return_takes_the_seat_back(court_house: House) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await court_house.court.signal(kind="replaced")
        await screen.page.wait_for_selector("main[data-ended=replaced]")
        assert await screen.page.get_attribute("body", "data-media") == "off"
        await screen.page.click("[data-action=return]")
        await screen.hall("room")


async def test_own_drop_is_said_and_reconnects_by_itself(court_house: House) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await screen.page.wait_for_selector("body[data-media=up]")
        await screen.context.set_offline(True)
        await court_house.court.hang_up()
        await screen.page.wait_for_selector("[data-notice=link-lost]")
        assert "不需要做任何操作" in await screen.page.inner_text("[data-notice=link-lost]")
        assert await screen.page.locator("article[data-kind=seat] video").count() > 1  # the last pictures stay
        await screen.context.set_offline(False)
        await screen.page.wait_for_selector("[data-notice=link-back]")
        await screen.page.wait_for_selector("[data-notice=link-back]", state="detached")
        assert not await screen.page.locator("[data-missed]").count()  # the sound never stopped


COUNT_TRIES = """window.__tries = 0;
window.WebSocket = class extends WebSocket { constructor(...given) { super(...given); window.__tries += 1; } };"""


async def test_another_network_is_tried_at_once_and_not_after_the_pause(court_house: House) -> None:
    """The pauses between two attempts grow to seconds; who is told that there is a network again does not wait."""
    async with court_house.open("party", script=COUNT_TRIES) as screen:
        await screen.hall("room")
        await screen.context.set_offline(True)
        await court_house.court.hang_up()
        await until(screen.page, "window.__tries >= 4")
        before = await screen.page.evaluate("window.__tries")
        assert (
            await screen.page.evaluate("() => { dispatchEvent(new Event('online')); return window.__tries; }") > before
        )
        await screen.context.set_offline(False)
        await screen.page.wait_for_selector("body[data-socket=up]")


PATIENT = (
    "const at = setTimeout; window.setTimeout = (what, ms, ...given) => at(what, ms === 4000 ? 60000 : ms, ...given);"
)
"""A blip may last a minute here: the machine may be slow, and what is asked is whether the button waits at all."""


async def test_button_pressed_while_signalling_falters_is_carried_out_when_it_is_back(court_house: House) -> None:
    async with court_house.open("party", script=PATIENT) as screen:
        await screen.hall("room")
        await screen.page.wait_for_selector("body[data-socket=up]")
        await screen.context.set_offline(True)
        await court_house.court.hang_up()
        await screen.page.wait_for_selector("body[data-socket=down]")
        court_house.court.commands.clear()
        await screen.page.locator("[data-action=hand]").first.click()
        assert not court_house.court.commands
        await screen.context.set_offline(False)
        await sent(court_house, "raise_hand")
        assert await screen.page.locator(".toast.bad").count() == 0


async def test_a_command_whose_answer_is_cut_off_is_sent_again_under_its_id(court_house: House) -> None:
    async with court_house.open("party", script=PATIENT) as screen:
        await screen.hall("room")
        await screen.page.wait_for_selector("body[data-socket=up]")
        court_house.court.hang_up_on.append("raise_hand")
        await screen.page.locator("[data-action=hand]").first.click()
        async with asyncio.timeout(60):
            while len(found := numbered(court_house, "raise_hand")) < 2:
                await asyncio.sleep(0.02)
        assert await screen.page.locator(".toast.bad").count() == 0
        assert len(set(found)) == 1


def numbered(where: House, kind: str) -> list[str]:
    """The ids of the commands of this type."""
    given = zip(where.court.ids, where.court.commands, strict=True)
    return [name for name, message in given if message["type"] == kind]


async def test_who_is_cut_off_is_told_so_about_a_button_and_not_that_some_seat_is(court_house: House) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await screen.context.set_offline(True)
        await court_house.court.hang_up()
        await screen.page.wait_for_selector("[data-notice=link-lost]")
        await screen.page.locator("[data-action=hand]").first.click()
        assert await screen.page.inner_text(".toast.bad") == "还没有连接到法庭，请稍候再试。"


async def test_the_seconds_missed_are_said_and_may_be_asked_for_again(court_house: House) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await screen.page.wait_for_selector("body[data-media=up]")
        await screen.page.evaluate("new Promise((done) => setTimeout(done, 1200))")  # the pulse is read once a second
        await screen.page.evaluate("window.__silent = true")
        await screen.context.set_offline(True)
        await court_house.court.hang_up()
        await screen.page.wait_for_selector("[data-notice=link-lost]")
        await screen.page.evaluate("new Promise((done) => setTimeout(done, 3000))")
        await screen.context.set_offline(False)
        await screen.page.wait_for_selector("body[data-socket=up]")
        await screen.page.evaluate("window.__silent = false")
        notice = screen.page.locator("[data-missed]")
        await notice.wait_for()
        seconds = int(await notice.get_attribute("data-missed") or 0)
        assert seconds >= 3
        assert f"您刚才中断了{seconds}秒" in await notice.inner_text()
        await screen.page.click("[data-action=repeat]")
        asked = await sent(court_house, "request")
        assert asked["kind"] == "speak"
        assert f"{seconds}秒" in asked["text"]
        await notice.wait_for(state="detached")


@pytest.mark.parametrize("ours", [True, False])
async def test_a_cut_that_no_connection_noticed_is_said_if_it_was_ours(court_house: House, ours: bool) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await screen.page.wait_for_selector("body[data-media=up]")
        await screen.page.evaluate("new Promise((done) => setTimeout(done, 1200))")  # the pulse is read once a second
        await screen.page.evaluate(f"window.__silent = true; window.__cut = {str(ours).lower()}")
        await screen.page.evaluate("new Promise((done) => setTimeout(done, 4000))")
        await screen.page.evaluate("window.__silent = window.__cut = false")
        if ours:
            await screen.page.wait_for_selector("[data-missed]")
        else:
            await screen.page.evaluate("new Promise((done) => setTimeout(done, 2500))")
            assert await screen.page.locator("[data-missed]").count() == 0


async def test_a_picture_that_our_line_does_not_carry_is_marked(court_house: House) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await screen.page.wait_for_selector("body[data-media=up]")
        shown = screen.page.locator("article[data-kind=seat]:has(video[data-mid^=v]) ").first
        mid = await shown.locator("video").get_attribute("data-mid")
        await screen.page.evaluate("mid => { window.__still = [mid]; }", mid)
        await screen.page.wait_for_selector(f"article[data-paused]:has(video[data-mid={mid}])")
        assert await screen.page.locator("article[data-paused]").count() == 1
        assert "声音优先" in await screen.page.locator("article[data-paused]").inner_text()
        await screen.page.evaluate("window.__still = []")
        await screen.page.wait_for_selector("article[data-paused]", state="detached")


@pytest.mark.parametrize("gone", [False, True])
async def test_a_broken_connection_is_restarted_and_replaced_if_it_is_gone(court_house: House, gone: bool) -> None:
    async with court_house.open("party", script=f"window.__gone = {str(gone).lower()}") as screen:
        await screen.hall("room")
        await screen.page.wait_for_selector("body[data-media=up]")
        before = await screen.page.evaluate("window.__asked.length")
        await screen.page.evaluate("window.__pcs[0].become('disconnected')")
        steps = ["POST /media/1/restart", "PUT /media/1"]
        if gone:
            steps[1:1] = ["POST /api/v1/hearings/h-demo/media"]
        await until(screen.page, f"window.__asked.length === {before + len(steps)}")
        await until(screen.page, "document.body.dataset.media === 'up'")
        assert await screen.page.evaluate(f"window.__asked.slice({before})") == steps
        states = await screen.page.evaluate("window.__pcs.map((pc) => pc.connectionState)")
        assert states == (["closed", "connected"] if gone else ["connected"])


async def test_lost_media_is_asked_for_again_without_limit(court_house: House) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await screen.page.wait_for_selector("body[data-media=up]")
        await screen.page.evaluate("window.__mediaDown = true")
        await court_house.court.push(with_fields("party", media={**load("party")["media"], "room": "r-2"}))
        await screen.page.wait_for_selector("body[data-media=down]")
        await screen.page.wait_for_function("window.__courtroom.lastError.includes('503')")
        await screen.page.evaluate("window.__mediaDown = false")
        await screen.page.wait_for_selector("body[data-media=up]")


async def test_person_without_devices_still_joins_and_is_told_plainly(court_house: House) -> None:
    async with court_house.open("party", devices=False) as screen:
        await screen.hall("room")
        await screen.page.wait_for_selector("[data-notice=device-microphone]")
        assert "您仍可参加" in await screen.page.inner_text("[data-notice=device-microphone]")
        assert await sent(court_house, "set_devices") == {"type": "set_devices", "microphone": "none", "camera": "none"}


async def test_device_check_measures_and_is_kept_as_proof(court_house: House) -> None:
    async with court_house.open("check", checked=False) as screen:
        await screen.hall("check")
        await screen.page.click("[data-action=tone]")
        await screen.page.click("[data-action=heard]")
        await screen.page.wait_for_selector("[data-network=good]")
        await screen.page.click("[data-action=check_done]")
        await screen.hall("waiting")
        path, proof = next(p for p in court_house.court.posts if p[0].endswith("/check"))
        assert path == "/api/v1/hearings/h-demo/check"
        assert proof["network"] == "good"
        assert proof["rtt_ms"] == 42
        assert proof["speaker"] == "good"
        await screen.page.reload()
        await screen.hall("waiting")


async def test_device_check_can_be_skipped(court_house: House) -> None:
    async with court_house.open("check", checked=False) as screen:
        await screen.hall("check")
        await screen.page.click("[data-action=check_skip]")
        await screen.hall("waiting")
        assert not [p for p in court_house.court.posts if p[0].endswith("/check")]


async def test_language_and_type_change_without_leaving_the_room(court_house: House) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await screen.page.wait_for_selector("body[data-media=up]")
        await screen.page.evaluate("window.still = true")
        await screen.page.click(".band-links [data-action=language]")
        await screen.page.wait_for_selector("text=Raise hand")
        await screen.page.click(".band-links [data-action=large]")
        await screen.page.wait_for_selector("html.large")
        assert await screen.page.evaluate("window.still") is True
        cookies = {c["name"]: c["value"] for c in await screen.context.cookies()}
        assert (cookies["lang"], cookies["large"]) == ("en", "1")


async def test_page_hide_is_told_by_beacon(court_house: House) -> None:
    async with court_house.open("party") as screen:
        await screen.hall("room")
        await screen.page.goto(f"{court_house.url}/p/home")
        async with asyncio.timeout(20):
            while not [p for p in court_house.court.posts if p[0].endswith("/beacon")]:
                await asyncio.sleep(0.02)
        _, fact = next(p for p in court_house.court.posts if p[0].endswith("/beacon"))
        assert fact["kind"] == "page_hide"


async def test_verifier_shows_each_check(court_house: House) -> None:
    async with court_house.open("archive-hearing", lang="en") as screen:
        await screen.page.wait_for_selector(".jumps button")
        await screen.page.click("[data-action=verify]")
        await screen.page.wait_for_selector("[data-check=segment_crc][data-ok=false]")
        told = await screen.page.inner_text("[data-check=segment_crc]")
        assert "A record is damaged" in told, "in the reader's language"
        assert "seg-00003.cap" in told
        assert await screen.page.locator("li.note[data-check=timestamp_none]").count() == 1, "a note is no pass"
        await screen.page.click("[data-check=segment_crc] [data-jump]")
        now = "document.querySelector('video').currentTime"
        await until(screen.page, f"Math.abs({now} - 741) < 2")
        assert await screen.page.get_attribute(".verdict-box", "data-ok") == "false"


async def test_clicking_a_phase_jumps_the_player(court_house: House) -> None:
    async with court_house.open("archive-hearing") as screen:
        await screen.page.wait_for_function("document.getElementById('programme').readyState > 0")
        await screen.page.click(".jumps [data-phase=debate]")
        assert await screen.page.evaluate("document.getElementById('programme').currentTime") == pytest.approx(
            5460, abs=1
        )
        assert await screen.page.inner_text("#court-time") == "10:34:18"


async def test_creating_a_hearing_shows_links_and_codes_once(court_house: House) -> None:
    async with court_house.open("docket") as screen:
        await screen.page.click("[data-action=create]")
        await screen.page.fill("#f-number", "（2026）示范0101民初200号")
        await screen.page.fill("#f-cause", "民间借贷纠纷")
        await screen.page.fill("#f-time", "2026-11-25T09:00")
        for field in await screen.page.query_selector_all("#seat-lines [name=name]"):
            await field.fill("示例甲")
        plaintiff, defendant = (screen.page.locator(".seat-line").nth(n) for n in (2, 3))
        await plaintiff.locator("summary").click()
        await plaintiff.locator("[name=counterclaim]").select_option("no")
        await plaintiff.locator("[name=email]").fill("lin@example.com")
        assert not await plaintiff.locator("[name=independent_claim]").is_visible()
        await defendant.locator("[name=role]").select_option("third_party")
        await defendant.locator("summary").click()
        await defendant.locator("[name=independent_claim]").select_option("yes")
        await screen.page.click("#create-form [type=submit]")
        await screen.page.wait_for_selector("#created code")
        assert "493021" in await screen.page.inner_text("#created")
        _, body = next(p for p in court_house.court.posts if p[0] == "/api/v1/hearings")
        assert body["scheduled_at"] == 1795568400000000
        assert [s["role"] for s in body["seats"]][:2] == ["presiding_judge", "clerk"]
        claims = [s["claims"] for s in body["seats"]]
        assert claims == [{}, {}, {"counterclaim": False}, {"independent_claim": True}, {}]
        assert body["seats"][2]["email"] == "lin@example.com"
        ordered = decode(json.dumps(body).encode(), HearingBody)
        plan_of(ordered, allow_unchecked=False, now=NOW)
