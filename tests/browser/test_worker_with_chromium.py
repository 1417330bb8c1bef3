"""The media worker alone against real Chromium: what people would see and hear."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from courtroom.channel import messages as m
from courtroom.sfu.capture import Packet, SenderReport, Track
from tests.browser import harness
from tests.browser.harness import Control, Relay, Writer, join, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200), "green": (30, 160, 30)}
TONES = {"red": 440, "blue": 880, "green": 1320}


class Seats:
    """Three browsers of three colours and tones, each with one page."""

    def __init__(self) -> None:
        self.browsers: dict[str, Browser] = {}
        self.pages: dict[str, Page] = {}

    async def hang_up(self) -> None:
        for name, page in self.pages.items():
            if self.browsers[name].is_connected():
                await page.evaluate("() => { for (const t in transports) { hang(t); delete transports[t]; } }")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seats(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seats]:
    folder = tmp_path_factory.mktemp("films")
    seats = Seats()
    async with harness.site() as url, async_playwright() as playwright:
        for name, rgb in COLOURS.items():
            film = harness.colour_film(folder / f"{name}.y4m", rgb)
            sound = harness.tone(folder / f"{name}.wav", TONES[name])
            seats.browsers[name] = await harness.launch(playwright, film, sound)
            page = await seats.browsers[name].new_page()
            await page.goto(url)
            await page.evaluate("media().then(() => true)")
            seats.pages[name] = page
        yield seats
        for browser in seats.browsers.values():
            await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def control(seats: Seats) -> AsyncIterator[Control]:
    """A worker of its own for each test; afterwards every page has hung up."""
    async with harness.worker() as control:
        await control.do(lambda n: m.OpenRoom(n, "room"))
        yield control
        await seats.hang_up()


@pytest_asyncio.fixture(loop_scope="module")
async def relays() -> AsyncIterator[list[Relay]]:
    relays = [Relay(), Relay()]
    yield relays
    for relay in relays:
        relay.close()


@pytest_asyncio.fixture(loop_scope="module")
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    writer = Writer(tmp_path / "writer")
    await writer.start()
    yield writer
    await writer.stop()


async def routes(control: Control, revision: int, *edges: tuple[str, int, str]) -> None:
    """Picture and sound of source in receiver's place, for each (receiver, place, source)."""
    wanted = [m.Route(to, place, source, kind) for to, place, source in edges for kind in ("camera", "microphone")]
    await control.do(lambda n: m.SetRoutes(n, "room", revision, wanted, []))


async def sees(page: Page, transport: str, mid: str, colour: str, timeout: float = 10) -> None:
    strongest = max(range(3), key=COLOURS[colour].__getitem__)

    def good(rgb: list[int] | None) -> bool:
        return rgb is not None and rgb[strongest] > 100 and all(rgb[i] < 80 for i in range(3) if i != strongest)

    await wait_for(lambda: page.evaluate("([t, mid]) => colour(t, mid)", [transport, mid]), good, timeout)


async def hears(page: Page, transport: str, mid: str, hertz: int) -> None:
    await wait_for(
        lambda: page.evaluate("([t, mid]) => pitch(t, mid)", [transport, mid]),
        lambda heard: heard is not None and abs(heard["hertz"] - hertz) < 20 and heard["decibels"] > -60,
    )


async def received(page: Page, transport: str, mid: str) -> dict[str, float]:
    stats = await page.evaluate("t => stats(t)", transport)
    return next((report for report in stats.get("inbound-rtp", []) if report["mid"] == mid), {})


async def test_two_seats_see_and_hear_each_other(control: Control, seats: Seats) -> None:
    await routes(control, 1, ("red", 0, "blue"), ("blue", 0, "red"))
    for name in ("red", "blue"):
        await join(control, seats.pages[name], "room", name, 4, ["microphone", "camera", "screen"])
        await control.changed(name, "connected")
    await sees(seats.pages["red"], "red", "v0", "blue")
    await sees(seats.pages["blue"], "blue", "v0", "red")
    await hears(seats.pages["red"], "red", "a0", TONES["blue"])
    await hears(seats.pages["blue"], "blue", "a0", TONES["red"])
    stats = await seats.pages["red"].evaluate("stats('red')")
    assert stats["transport"][0]["srtpCipher"] == "SRTP_AEAD_AES_128_GCM"
    assert stats["transport"][0]["dtlsRole"] == "client"
    await control.until(lambda event: isinstance(event, m.SpeakingChanged) and set(event.transports) == {"red", "blue"})
    first = (await seats.pages["blue"].evaluate("transports.blue.firsts.v0")) / 1000
    print(f"\noffer → first frame of the second seat: {first * 1000:.0f} ms")


async def test_removed_route_stops_at_once(control: Control, seats: Seats, relays: list[Relay]) -> None:
    await routes(control, 1, ("red", 0, "blue"))
    await join(control, seats.pages["red"], "room", "red", 2, ["microphone", "camera"], relays[0])
    await join(control, seats.pages["blue"], "room", "blue", 2, ["microphone", "camera"])
    await sees(seats.pages["red"], "red", "v0", "blue")
    await hears(seats.pages["red"], "red", "a0", TONES["blue"])
    await routes(control, 2)
    assert any(map(is_rtp, relays[0].catch_up())), "until now there was something to stop"
    await asyncio.sleep(1)  # the interval in which the sources still send and nothing of it may come
    assert not any(map(is_rtp, relays[0].to_browser))
    await routes(control, 3, ("red", 1, "blue"))
    await sees(seats.pages["red"], "red", "v1", "blue")


def is_rtp(data: bytes) -> bool:
    return 128 <= data[0] <= 191 and not 192 <= data[1] <= 223


async def test_place_switches_to_another_source_without_renegotiation(control: Control, seats: Seats) -> None:
    await routes(control, 1, ("red", 0, "blue"))
    for name in COLOURS:
        await join(control, seats.pages[name], "room", name, 2, ["microphone", "camera"])
    page = seats.pages["red"]
    await sees(page, "red", "v0", "blue")
    await page.evaluate(
        """() => { window.again = false; const pc = transports.red.pc;
                  pc.onnegotiationneeded = pc.ontrack = () => { window.again = true; }; }"""
    )
    started = time.monotonic()
    await routes(control, 2, ("red", 0, "green"))
    await sees(page, "red", "v0", "green")
    print(f"\nswitch → other colour seen by the page: {(time.monotonic() - started) * 1000:.0f} ms")
    await hears(page, "red", "a0", TONES["green"])
    await routes(control, 3, ("red", 0, "blue"))
    await sees(page, "red", "v0", "blue")
    assert not await page.evaluate("window.again === true")
    report = await received(page, "red", "v0")
    assert report["pliCount"] == 0, "the server owns key frames: the client never had to ask"
    assert report["freezeCount"] == 0


async def test_shared_screen_stands_beside_the_camera(control: Control, seats: Seats) -> None:
    shown = [m.Route("red", 0, "blue", "camera"), m.Route("red", 1, "blue", "screen")]
    await control.do(lambda n: m.SetRoutes(n, "room", 1, shown, []))
    await join(control, seats.pages["red"], "room", "red", 2, ["microphone"])
    await join(control, seats.pages["blue"], "room", "blue", 0, ["microphone", "camera", "screen"])
    page = seats.pages["red"]
    await sees(page, "red", "v0", "blue")
    await wait_for(
        lambda: page.evaluate("colour('red', 'v1')"),
        lambda rgb: rgb is not None and rgb[0] > 150 and rgb[1] < 80 and rgb[2] > 150,
    )


async def test_h264_is_passed_on_as_well(control: Control, seats: Seats) -> None:
    if not await seats.pages["blue"].evaluate("offers('video/H264')"):
        pytest.skip("this Chromium has no H.264 encoder")
    await routes(control, 1, ("red", 0, "blue"))
    await join(control, seats.pages["red"], "room", "red", 1, ["microphone"])
    await seats.pages["blue"].evaluate("() => { window.preferred = 'video/H264'; }")
    await join(control, seats.pages["blue"], "room", "blue", 0, ["microphone", "camera"])
    await seats.pages["blue"].evaluate("() => { window.preferred = null; }")
    await sees(seats.pages["red"], "red", "v0", "blue")
    await control.until(lambda event: isinstance(event, m.ProducerChanged) and event.codec == "h264")


async def test_sound_and_picture_of_a_place_stay_together(control: Control, seats: Seats) -> None:
    await routes(control, 1, ("red", 0, "blue"))
    for name in ("red", "blue"):
        await join(control, seats.pages[name], "room", name, 1, ["microphone", "camera"])
    page = seats.pages["red"]
    await sees(page, "red", "v0", "blue")

    async def playout() -> float | None:
        video, audio = await received(page, "red", "v0"), await received(page, "red", "a0")
        if "estimatedPlayoutTimestamp" not in video or "estimatedPlayoutTimestamp" not in audio:
            return None
        return video["estimatedPlayoutTimestamp"] - audio["estimatedPlayoutTimestamp"]

    # estimated playout time is in the sender's NTP clock, which the browser only knows from our sender reports
    gap = await wait_for(playout, lambda gap: gap is not None and abs(gap) < 100, 10)
    print(f"\nplayout of picture − sound: {gap:.0f} ms")


async def test_lost_packets_are_repaired_both_ways(control: Control, seats: Seats, relays: list[Relay]) -> None:
    await routes(control, 1, ("red", 0, "blue"))
    dice = random.Random(7)
    for name, relay in zip(("red", "blue"), relays, strict=True):
        await join(control, seats.pages[name], "room", name, 1, ["microphone", "camera"], relay)
    await sees(seats.pages["red"], "red", "v0", "blue")
    for relay in relays:
        relay.lose = lambda _down, data: 128 <= data[0] <= 191 and dice.random() < 0.05

    async def encoded() -> float:
        reports = (await seats.pages["blue"].evaluate("stats('blue')"))["outbound-rtp"]
        return max(report["framesEncoded"] for report in reports if report["kind"] == "video")

    start, made = await received(seats.pages["red"], "red", "v0"), await encoded()

    async def grown() -> tuple[dict[str, Any], float]:
        return await received(seats.pages["red"], "red", "v0"), await encoded() - made

    def repaired(look: tuple[dict[str, Any], float]) -> bool:
        end, new = look
        again = end.get("retransmittedPacketsReceived", 0) - start.get("retransmittedPacketsReceived", 0)
        asked = end["nackCount"] > start["nackCount"] and again > 0
        return asked and new > 60 and end["framesDecoded"] - start["framesDecoded"] > new * 0.75

    # a still picture is few packets: it may take a while until some of them are lost, asked for and sent again; and
    # what is under way between the two looks at two browsers must be little beside what was sent
    await wait_for(grown, repaired, 90)

    async def asked() -> int:
        stats = await seats.pages["blue"].evaluate("stats('blue')")
        return sum(report.get("nackCount", 0) for report in stats["outbound-rtp"])

    assert await wait_for(asked, lambda count: count > 0, 30), "the server asked the publisher"


async def test_closed_transport_gets_not_one_datagram(control: Control, seats: Seats, relays: list[Relay]) -> None:
    await routes(control, 1, ("red", 0, "blue"))
    relay = relays[0]
    await join(control, seats.pages["red"], "room", "red", 1, ["microphone", "camera"], relay)
    await join(control, seats.pages["blue"], "room", "blue", 1, ["microphone", "camera"])
    await sees(seats.pages["red"], "red", "v0", "blue")
    relay.catch_up()
    await control.do(lambda n: m.CloseTransport(n, "red"))
    earlier = relay.catch_up()
    event = await control.changed("red", "closed")
    assert event.reason == "asked"
    assert event.last_in_at > 0
    assert event.last_out_at > 0
    await asyncio.sleep(2)  # the interval in which the browser still sends media and checks, and is not answered
    assert relay.to_browser == []
    assert 20 <= earlier[-1][0] <= 63, "close_notify is the last word"


async def test_hanging_up_is_told_as_such(control: Control, seats: Seats) -> None:
    await join(control, seats.pages["red"], "room", "red", 1, ["microphone"])
    await control.changed("red", "connected")
    await seats.pages["red"].evaluate("t => { hang(t); delete transports[t]; }", "red")
    event = await control.changed("red", "closed")
    assert event.reason == "dtls_close"


async def test_ice_restart_keeps_the_picture(control: Control, seats: Seats) -> None:
    await routes(control, 1, ("red", 0, "blue"))
    for name in ("red", "blue"):
        await join(control, seats.pages[name], "room", name, 1, ["microphone", "camera"])
    page = seats.pages["red"]
    await sees(page, "red", "v0", "blue")
    offer = await control.do(lambda n: m.RestartTransport(n, "red"))
    answer = await page.evaluate("([name, sdp]) => answer(name, sdp)", ["red", offer])
    await control.do(lambda n: m.AcceptAnswer(n, "red", answer))
    ufrag = next(line for line in offer.splitlines() if line.startswith("a=ice-ufrag:"))
    local = await page.evaluate("transports.red.pc.currentRemoteDescription.sdp")
    assert ufrag in local
    before = await received(page, "red", "v0")
    await wait_for(lambda: received(page, "red", "v0"), lambda now: now["framesDecoded"] > before["framesDecoded"] + 15)
    assert not any(isinstance(event, m.TransportChanged) and event.state == "closed" for event in control.events)


async def test_preferences_choose_the_layer_and_stop_the_picture(control: Control, seats: Seats) -> None:
    await routes(control, 1, ("red", 0, "blue"))
    for name in ("red", "blue"):
        await join(control, seats.pages[name], "room", name, 1, ["microphone", "camera"])
    page = seats.pages["red"]
    await wait_for(lambda: received(page, "red", "v0"), lambda now: now.get("frameWidth") == 640)
    await control.send(m.SetPreferences("red", [m.PlacePreference(0, 200)]))
    await wait_for(lambda: received(page, "red", "v0"), lambda now: now.get("frameWidth") == 160)
    await control.send(m.SetPreferences("red", [m.PlacePreference(0, 0)]))

    async def still() -> bool:
        before = await received(page, "red", "v0")
        await asyncio.sleep(1)  # at 15 frames a second
        return (await received(page, "red", "v0"))["packetsReceived"] == before["packetsReceived"]

    await wait_for(still, bool)
    await control.send(m.SetPreferences("red", [m.PlacePreference(0, 800)]))
    await wait_for(lambda: received(page, "red", "v0"), lambda now: now.get("frameWidth") == 640)


async def test_captured_packets_can_be_played(seats: Seats, writer: Writer) -> None:
    async with harness.worker(str(writer.path)) as control:
        await control.do(lambda n: m.OpenRoom(n, "room"))
        captures = [m.CaptureRoute("take", "blue", kind, "seat-7") for kind in ("camera", "microphone")]
        await control.do(lambda n: m.SetRoutes(n, "room", 1, [], captures))
        await join(control, seats.pages["blue"], "room", "blue", 0, ["microphone", "camera"])

        async def camera_packets() -> int:
            records = writer.records("take")
            tracks = {record.track for record in records if isinstance(record, Track) and record.layer == "h"}
            return sum(isinstance(record, Packet) and record.track in tracks for record in records)

        await wait_for(camera_packets, lambda count: count > 60, 15)
        await wait_for(
            _reports(writer), lambda kinds: kinds >= {"camera", "microphone"}, 15
        )  # Chromium's first audio report may take 5 s
        await seats.hang_up()
    records = writer.records("take")
    tracks = {record.track: record for record in records if isinstance(record, Track)}
    assert {track.label for track in tracks.values()} == {"seat-7"}
    high = next(track for track in tracks.values() if track.layer == "h")
    sound = next(track for track in tracks.values() if track.kind == "microphone")
    assert (high.codec, sound.codec) == ("vp8", "opus")
    picture = _decode_vp8(
        [record.data for record in records if isinstance(record, Packet) and record.track == high.track]
    )
    assert picture.shape[:2] == (360, 640)
    assert picture[200, 320, 2] > 100, "blue"
    assert picture[200, 320, 0] < 80
    opus = [record.data for record in records if isinstance(record, Packet) and record.track == sound.track]
    assert abs(_pitch(opus) - TONES["blue"]) < 20


def _reports(writer: Writer):
    async def kinds() -> set[str]:
        records = writer.records("take")
        tracks = {record.track: record.kind for record in records if isinstance(record, Track)}
        return {tracks[record.track] for record in records if isinstance(record, SenderReport)}

    return kinds


def _payload(packet: bytes) -> tuple[bytes, bool]:
    start = 12 + 4 * (packet[0] & 15)
    if packet[0] & 0x10:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
    return packet[start:end], bool(packet[1] & 0x80)


def _decode_vp8(packets: list[bytes]) -> np.ndarray:
    """The last picture; descriptors are cut off by RFC 7741 4.2, independently of the code under test."""
    decoder = av.CodecContext.create("vp8", "r")
    packets.sort(key=lambda packet: int.from_bytes(packet[2:4], "big"))
    picture, frame, started = None, b"", False
    for packet in packets:
        payload, marker = _payload(packet)
        if not payload:
            continue
        skip = 1
        if payload[0] & 0x80:
            bits, skip = payload[1], 2
            if bits & 0x80:
                skip += 2 if payload[skip] & 0x80 else 1
            skip += bool(bits & 0x40) + bool(bits & 0x30)
        if payload[0] & 0x10 and not payload[skip] & 1:
            started = True
        frame += payload[skip:]
        if marker:
            for decoded in decoder.decode(av.Packet(frame)) if started else []:
                picture = decoded.to_ndarray(format="rgb24")
            frame = b""
    assert picture is not None
    return picture


def _pitch(packets: list[bytes]) -> float:
    decoder = av.CodecContext.create("opus", "r")
    samples = [
        frame.to_ndarray().reshape(-1, 2 if frame.layout.nb_channels == 2 and not frame.format.is_planar else 1)[:, 0]
        for packet in packets[50:100]
        for frame in decoder.decode(av.Packet(_payload(packet)[0]))
    ]
    sound = np.concatenate(samples).astype(float)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * 48000 / len(sound))


async def test_killed_browser_is_reported_silent_in_about_two_seconds(control: Control, seats: Seats) -> None:
    """Last in this file: the browser is gone afterwards."""
    await routes(control, 1, ("red", 0, "green"))
    for name in ("red", "green"):
        await join(control, seats.pages[name], "room", name, 1, ["microphone", "camera"])
    await sees(seats.pages["red"], "red", "v0", "green")
    session = await seats.browsers["green"].new_browser_cdp_session()
    processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
    killed = time.monotonic()
    for process in processes:
        os.kill(process["id"], signal.SIGKILL)
    event = await control.changed("green", "silent", 5)
    assert 1.8 < time.monotonic() - killed < 3
    assert event.at - event.last_in_at >= 1_900_000
