"""Microphone, camera, loudspeaker and screen as in life: busy, refused, unplugged, replaced, switched, stopped."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import pytest
from playwright.async_api import Page

from tests.web.fixture import load
from tests.web.harness import House, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEVICES = """(() => {
    // What getUserMedia says, by kind: '' gives a device, anything else is the name of the error.
    window.__says = { audio: '', video: '', ...(window.__says ?? {}) };
    window.__wishes = [];
    window.__given = { audio: [], video: [] };
    window.__sinks = [];
    const give = navigator.mediaDevices.getUserMedia;
    navigator.mediaDevices.getUserMedia = async (wish) => {
        const kind = wish.video ? 'video' : 'audio';
        window.__wishes.push(wish);
        if (window.__says[kind]) throw new DOMException('no', window.__says[kind]);
        const stream = await give(wish);
        window.__given[kind].push(stream.getTracks()[0]);
        return stream;
    };
    const device = (kind, deviceId, label) => ({ kind, deviceId, label, groupId: '', toJSON() { return this; } });
    window.__plugged = [device('audioinput', 'm1', 'Built-in'), device('audioinput', 'm2', 'Headset'),
        device('videoinput', 'c1', 'Camera'), device('audiooutput', 's1', 'Built-in'),
        device('audiooutput', 's2', 'Headset')];
    navigator.mediaDevices.enumerateDevices = async () => window.__plugged;
    HTMLMediaElement.prototype.setSinkId = async function (id) {
        Object.defineProperty(this, 'sinkId', { value: id, configurable: true });
        window.__sinks.push([this.dataset.mid, id]);
    };
    window.__end = (track) => { track.stop(); track.dispatchEvent(new Event('ended')); };
    window.__unplug = (kind) => window.__end(window.__given[kind].at(-1));
    window.__change = () => navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
    window.__sends = (mid) => window.__pcs.at(-1).getTransceivers().find((one) => one.mid === mid).sender.track;
    navigator.mediaDevices.getDisplayMedia = async (wish) => {
        window.__display = wish;
        const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 200 });
        canvas.getContext('2d').fillRect(0, 0, 320, 200);
        const stream = canvas.captureStream(5);
        if (window.__withSound) {
            const sound = new AudioContext();
            stream.addTrack(sound.createMediaStreamDestination().stream.getAudioTracks()[0]);
        }
        window.__shared = stream;
        return stream;
    };
})();"""


async def told(where: House, **fields: Any) -> None:
    """Waits until the last command of this type that the page sent says this."""
    async with asyncio.timeout(30):
        while True:
            found = [one for one in where.court.commands if one["type"] == fields["type"]]
            if found and found[-1] == fields:
                return
            await asyncio.sleep(0.02)


async def up(page: Page) -> None:
    await page.wait_for_selector("body[data-media=up]")


@pytest.mark.parametrize(
    ("audio", "video", "microphone", "camera"),
    [
        ("", "NotFoundError", "on", "none"),
        ("", "NotReadableError", "on", "lost"),
        ("NotAllowedError", "NotAllowedError", "denied", "denied"),
        ("NotFoundError", "", "none", "on"),
    ],
    ids=["no camera", "camera in use", "permission denied", "no microphone"],
)
async def test_whatever_is_missing_the_person_is_in_court_and_told_what_to_do(
    court_house: House, audio: str, video: str, microphone: str, camera: str
) -> None:
    script = f"window.__says = {json.dumps({'audio': audio, 'video': video})};\n{DEVICES}"
    async with court_house.open("party", script=script) as screen:
        await screen.hall("room")
        await up(screen.page)
        await told(court_house, type="set_devices", microphone=microphone, camera=camera)
        for kind, state in (("microphone", microphone), ("camera", camera)):
            assert await screen.page.locator(f"[data-notice=device-{kind}]").count() == (state != "on")
        # the person closes the other programme, or allows it after all, and presses the button
        await screen.page.evaluate("Object.assign(window.__says, { audio: '', video: '' })")
        for kind, state in (("microphone", microphone), ("camera", camera)):
            if state != "on":
                await screen.page.click(f".bar [data-action={kind}]")
        await told(court_house, type="set_devices", microphone="on", camera="on")
        assert not screen.complaints


async def test_an_unplugged_device_is_reported_and_its_replacement_taken_on_the_same_connection(
    court_house: House,
) -> None:
    async with court_house.open("party", script=DEVICES) as screen:
        await screen.hall("room")
        await up(screen.page)
        await screen.page.evaluate("Object.assign(window.__says, { video: 'NotFoundError' }); window.__unplug('video')")
        await told(court_house, type="set_devices", microphone="on", camera="lost")
        await screen.page.wait_for_selector("[data-notice=device-camera]")
        assert await screen.page.evaluate("window.__sends('cam')") is None
        await screen.page.evaluate("window.__says.video = ''; window.__change()")
        await told(court_house, type="set_devices", microphone="on", camera="on")
        assert await screen.page.evaluate("window.__sends('cam') === window.__given.video.at(-1)")
        assert await screen.page.evaluate("window.__pcs.length") == 1


async def test_who_had_muted_himself_stays_muted_on_the_next_microphone(court_house: House) -> None:
    async with court_house.open("party", script=DEVICES) as screen:
        await screen.hall("room")
        await up(screen.page)
        await screen.page.click(".bar [data-action=microphone]")
        await told(court_house, type="set_devices", microphone="off", camera="on")
        await screen.page.evaluate("window.__says.audio = 'NotFoundError'; window.__unplug('audio')")
        await told(court_house, type="set_devices", microphone="lost", camera="on")
        await screen.page.evaluate("window.__says.audio = ''; window.__change()")
        await told(court_house, type="set_devices", microphone="off", camera="on")
        assert await screen.page.evaluate("window.__sends('mic').enabled") is False


async def test_a_headset_is_switched_while_speaking_without_a_new_connection(court_house: House) -> None:
    async with court_house.open("party", script=DEVICES) as screen:
        await screen.hall("room")
        await up(screen.page)
        before = await screen.page.evaluate("window.__asked.length")
        await screen.page.click(".bar [data-action=devices]")
        await screen.page.select_option("#choose-microphone", "m2")
        await screen.page.select_option("#choose-speaker", "s2")
        await screen.page.click("dialog [data-action=use]")
        await until(screen.page, "window.__wishes.some((wish) => wish.audio && wish.audio.deviceId?.exact === 'm2')")
        await until(screen.page, "window.__sends('mic') === window.__given.audio.at(-1)")
        assert await screen.page.evaluate("window.__given.audio[0].readyState") == "ended"
        await until(screen.page, "window.__sinks.some(([, id]) => id === 's2')")
        assert await screen.page.evaluate("[window.__pcs.length, window.__asked.length]") == [1, before]
        # the headset goes away: the voice of the court comes out of the system's own loudspeaker again
        await screen.page.evaluate("window.__plugged = window.__plugged.filter((one) => one.deviceId !== 's2')")
        await screen.page.evaluate("window.__change()")
        await until(screen.page, "window.__sinks.at(-1)[1] === ''")


async def test_echo_and_noise_are_asked_to_be_taken_out(court_house: House) -> None:
    async with court_house.open("party", script=DEVICES) as screen:
        await screen.hall("room")
        wish = await screen.page.evaluate("window.__wishes.find((one) => one.audio).audio")
        assert wish == {"echoCancellation": True, "noiseSuppression": True, "autoGainControl": True}


@pytest.mark.parametrize("sound", [True, False])
async def test_a_screen_is_shared_with_or_without_sound_and_stopped_by_the_browser(
    court_house: House, sound: bool
) -> None:
    script = f"window.__withSound = {json.dumps(sound)};\n{DEVICES}"
    async with court_house.open("party", script=script) as screen:
        await screen.hall("room")
        await up(screen.page)
        view = copy.deepcopy(load("party"))
        view["may"]["present"] = True
        await court_house.court.push(view)
        await screen.page.click(".bar [data-action=present]:not([aria-disabled])")
        await told(court_house, type="present", exhibit="")
        assert (await screen.page.evaluate("window.__display"))["audio"] is True
        await until(screen.page, "window.__sends('scr') === window.__shared.getVideoTracks()[0]")
        assert await screen.page.evaluate("window.__sends('scr').contentHint") == "detail"
        assert await screen.page.evaluate("Boolean(window.__sends('scs'))") is sound
        await screen.page.evaluate("window.__end(window.__shared.getVideoTracks()[0])")
        await told(court_house, type="stop_presenting")
        assert await screen.page.evaluate("[window.__sends('scr'), window.__sends('scs'), window.__pcs.length]") == [
            None, None, 1,
        ]  # fmt: skip


async def test_sound_only_takes_no_pictures_and_shows_plain_tiles(court_house: House) -> None:
    async with court_house.open("party", script=DEVICES) as screen:
        await screen.hall("room")
        await up(screen.page)
        await screen.page.click(".bar [data-action=devices]")
        await screen.page.check("#audio-only")
        await screen.page.click("dialog [data-action=use]")
        await until(screen.page, "document.querySelectorAll('article[data-kind=seat] video').length <= 1")
        async with asyncio.timeout(30):
            while not (
                asked := [one for one in court_house.court.commands if one["type"] == "media_preferences"]
            ) or any(place["width"] for place in asked[-1]["places"]):
                await asyncio.sleep(0.02)
        assert "只听声音" in await screen.page.inner_text("article[data-kind=seat]:not(:has(video))")
        assert await screen.page.locator("#sound audio").count() > 0
        assert await screen.page.locator("article[data-paused]").count() == 0


async def test_a_place_that_never_shows_a_picture_gets_a_plain_tile_and_its_sound(court_house: House) -> None:
    async with court_house.open("party", script="window.__blank = true") as screen:
        await screen.hall("room")
        await up(screen.page)
        await screen.page.wait_for_selector("article[data-kind=seat] .blank")
        assert "暂无画面" in await screen.page.inner_text("article:has(.blank)")
        assert await screen.page.locator("article[data-paused]").count() == 0
        assert await screen.page.locator("#sound audio").count() > 0


@pytest.mark.parametrize("size", ["390", "844"])
async def test_on_a_phone_every_control_is_reached_by_touch(court_house: House, size: str) -> None:
    async with court_house.open("party", size) as screen:
        await screen.hall("room")
        await up(screen.page)
        await screen.page.screenshot(path=f"build/screens/phone-{size}.png")
        wide = await screen.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
        # nothing of the band lies on something else, and every tile shows picture and plate
        assert await screen.page.evaluate(
            """() => {
                const boxes = ['.band-court', '.band-signal', '.band-links']
                    .map((one) => document.querySelector(one).getBoundingClientRect());
                const beside = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1;
                const apart = (a, b) => beside(a, b) || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
                return boxes.every((a, i) => boxes.every((b, j) => i >= j || apart(a, b)));
            }"""
        )
        squeezed = await screen.page.evaluate(
            """[...document.querySelectorAll('article[data-kind=seat]')].filter((one) => {
                if (!one.checkVisibility()) return false;
                const [tile, plate] = [one, one.querySelector('.plate')].map((part) => part.getBoundingClientRect());
                return plate.bottom > tile.bottom + 1 || one.querySelector('.picture').clientHeight < 40;
            }).map((one) => one.dataset.seat)"""
        )
        assert squeezed == []
        small = await screen.page.evaluate(
            """[...document.querySelectorAll('.bar button')].filter((one) => one.checkVisibility()).map((one) => {
                const box = one.getBoundingClientRect();
                return [one.dataset.action, Math.round(box.width), Math.round(box.height),
                    box.bottom <= innerHeight + 1 && box.right <= innerWidth + 1];
            }).filter(([, width, height, inside]) => width < 44 || height < 44 || !inside)"""
        )
        assert small == []
        await screen.page.tap(".bar [data-action=more]")
        await screen.page.wait_for_selector("dialog[open]")
