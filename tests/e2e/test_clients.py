"""Other browsers and other lines: Firefox beside Chromium, a cut line, a client that prefers H.264.

Firefox finds no path to 127.0.0.1, so it sits in a network namespace at the far end of a line of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Playwright

from tests.browser import marionette
from tests.e2e.court import Court, until
from tests.e2e.devices import CLERK, JUDGE, PLAINTIFF, WITNESS
from tests.e2e.people import CHROMIUM, AtBrowser, at_browsers
from tests.netlab import line

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(line.available()), reason=line.available() or "lines"),
]
needs_firefox = pytest.mark.skipif(bool(marionette.available()), reason=marionette.available() or "Firefox")

CAUGHT = """if (!window.__peers) {
    window.__peers = [];
    const real = RTCPeerConnection.prototype.getStats;
    RTCPeerConnection.prototype.getStats = function (...all) {
        if (!window.__peers.includes(this)) window.__peers.push(this);
        return real.apply(this, all);
    };
}"""
"""The list of ``ears.js`` where nothing can be put before the page: it reads its own statistics every second."""

RECEIVED = """async () => {
    const sum = { audio: 0, energy: 0, frames: 0, codecs: [], live: 0 };
    for (const pc of window.__peers ?? []) {
        if (pc.signalingState === 'closed') continue;
        sum.live += 1;
        const rows = await pc.getStats();
        for (const row of rows.values()) {
            if (row.type !== 'inbound-rtp') continue;
            if (row.kind === 'audio') {
                sum.audio += row.packetsReceived ?? 0;
                sum.energy += row.totalAudioEnergy ?? 0;
            } else {
                sum.frames += row.framesDecoded ?? 0;
                if (row.framesDecoded) sum.codecs.push(rows.get(row.codecId)?.mimeType ?? '');
            }
        }
    }
    return sum;
}"""


@contextlib.asynccontextmanager
async def court_at(far: line.Line, folder: Path) -> AsyncIterator[Court]:
    """A court that both this machine and the far host reach."""
    flags = ("--public-address", far.near, "--public-address", "127.0.0.1")
    async with Court(folder / "data", *flags, host="0.0.0.0") as court:
        yield court


def port(court: Court) -> str:
    return court.url.rsplit(":", 1)[1]


def trusted(far: line.Line, court: Court) -> str:
    return f"--unsafely-treat-insecure-origin-as-secure=http://{far.near}:{port(court)}"


async def grows(ask: Any, *names: str, seconds: float = 60) -> dict[str, Any]:
    """Waits until every one of these numbers has grown."""
    before = await ask()

    async def grown() -> dict[str, Any] | None:
        now: dict[str, Any] = await ask()
        return now if all(now[name] > before[name] for name in names) else None

    found: dict[str, Any] = await until(grown, seconds, 0.5)
    return found


async def received(one: AtBrowser) -> dict[str, Any]:
    found: dict[str, Any] = await one.page.evaluate(RECEIVED)
    return found


# --- a cut line -----------------------------------------------------------------------------------


async def test_after_a_cut_media_comes_back_once_and_the_person_is_told_what_was_missed(
    playwright: Playwright, tmp_path: Path
) -> None:
    delay = line.Profile(delay=10)
    with line.line(up=delay, down=delay) as far:
        async with (
            court_at(far, tmp_path) as court,
            at_browsers(playwright, (JUDGE,), tmp_path) as inside,
            at_browsers(
                playwright, (PLAINTIFF,), tmp_path, executable=far.wrapper(CHROMIUM, tmp_path),
                more=(trusted(far, court),),
            ) as outside,
        ):  # fmt: skip
            judge, plaintiff = inside[JUDGE.role], outside[PLAINTIFF.role]
            hearing = await court.create((JUDGE, CLERK, PLAINTIFF))
            await judge.join(f"http://127.0.0.1:{port(court)}/j/{hearing.seats[JUDGE.role]['token']}")
            await plaintiff.join(f"http://{far.near}:{port(court)}/j/{hearing.seats[PLAINTIFF.role]['token']}")
            await judge.act("admit", hearing.seat(PLAINTIFF))
            await plaintiff.room("courtroom")
            await judge.act("open_hearing")
            everybody = {hearing.seat(one): one.colour for one in (JUDGE, PLAINTIFF)}
            await plaintiff.sees(everybody)
            await judge.sees(everybody)

            far.down()
            await plaintiff.when("() => document.querySelector('[data-notice=link-lost]') !== null")
            # the judge's last picture stays where it was
            assert await plaintiff.page.locator(f"video[data-seat='{hearing.seat(JUDGE)}']").count() == 1
            await asyncio.sleep(2)
            far.up()
            await plaintiff.when("() => document.body.dataset.socket === 'up' && document.body.dataset.media === 'up'")
            await grows(lambda: received(plaintiff), "audio", "frames")
            await grows(lambda: received(judge), "audio", "frames")
            await plaintiff.when("() => Number(document.querySelector('[data-missed]')?.dataset.missed) >= 3")
            await plaintiff.sees(everybody)
            assert (await received(plaintiff))["live"] == 1
            roster = await judge.page.evaluate("() => window.__courtroom.view.roster.map((one) => one.seat)")
            assert roster.count(hearing.seat(PLAINTIFF)) == 1
            await plaintiff.page.locator("[data-action=repeat]").click()
            await judge.when("() => window.__courtroom.view.requests.some((one) => one.kind === 'speak')")

            # another network under the same seat: the device's own interface goes and comes back
            far.unplug()
            await asyncio.sleep(2)
            far.plug()
            await grows(lambda: received(plaintiff), "audio", "frames")
            await plaintiff.when("() => document.body.dataset.socket === 'up' && document.body.dataset.media === 'up'")
            await plaintiff.sees(everybody)
            assert (await received(plaintiff))["live"] == 1


# --- codecs and constraints -----------------------------------------------------------------------

PREFERS_H264 = """(() => {
    // A browser sends the first codec that it knows: for this one H.264 comes first in its camera's section.
    const real = RTCPeerConnection.prototype.setRemoteDescription;
    RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
        const sections = sdp.split(/(?=^m=)/m).map((section) => {
            const h264 = section.includes('a=mid:cam') && section.match(/a=rtpmap:(\\d+) H264/)?.[1];
            if (!h264) return section;
            return section.replace(/^(m=video \\d+ \\S+)(.*)$/m, (_, head, types) => {
                const others = types.trim().split(' ').filter((one) => one !== h264);
                return `${head} ${h264} ${others.join(' ')}`;
            });
        });
        return real.call(this, { type, sdp: sections.join('') });
    };
})();"""


async def test_a_camera_that_prefers_h264_is_seen_and_voices_are_cleaned(
    court: Court, playwright: Playwright, tmp_path: Path
) -> None:
    async with at_browsers(playwright, (JUDGE, PLAINTIFF), tmp_path) as sitting:
        judge, plaintiff = sitting[JUDGE.role], sitting[PLAINTIFF.role]
        hearing = await court.create((JUDGE, CLERK, PLAINTIFF))
        await plaintiff.context.add_init_script(PREFERS_H264)
        await judge.join(hearing.seats[JUDGE.role]["join_url"])
        await plaintiff.join(hearing.seats[PLAINTIFF.role]["join_url"])
        await judge.act("admit", hearing.seat(PLAINTIFF))
        await plaintiff.room("courtroom")
        everybody = {hearing.seat(one): one.colour for one in (JUDGE, PLAINTIFF)}
        await judge.sees(everybody)
        await plaintiff.sees(everybody)
        if "video/H264" not in await judge.page.evaluate(
            "() => RTCRtpSender.getCapabilities('video').codecs.map((one) => one.mimeType)"
        ):
            pytest.skip("this Chromium has no H.264 encoder")
        assert (await received(judge))["codecs"] == ["video/H264"]
        assert (await received(plaintiff))["codecs"] == ["video/VP8"]
        settings = await plaintiff.page.evaluate(
            "() => window.__peers.at(-1).getTransceivers().find((one) => one.mid === 'mic').sender.track.getSettings()"
        )
        for name in ("echoCancellation", "noiseSuppression", "autoGainControl"):
            assert settings[name] is True, settings


# --- Firefox --------------------------------------------------------------------------------------


class AtFirefox:
    """One person at Firefox."""

    def __init__(self, browser: marionette.Firefox) -> None:
        self.browser = browser

    async def join(self, url: str) -> None:
        await self.browser.goto(url)
        await self.browser.click('[data-action="agree"]')
        await self.browser.when("() => ['check', 'waiting', 'witness', 'room'].includes(document.body.dataset.screen)")
        if await self.browser.evaluate("() => document.body.dataset.screen") == "check":
            await self.browser.click('[data-action="check_skip"]')

    async def room(self, name: str) -> None:
        await self.browser.when("(name) => document.body.dataset.room === name", name)

    async def received(self) -> dict[str, Any]:
        """``energy`` grows with sound alone: silence has none. Web audio has no device to run on here."""
        found: dict[str, Any] = await self.browser.evaluate(f"async () => {{ {CAUGHT}; return ({RECEIVED})(); }}")
        return found

    async def sees(self, colour: tuple[int, int, int]) -> bool:
        """Whether a remote picture shows this colour."""
        found: bool = await self.browser.evaluate(
            """(colour) => {
                const brush = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
                return [...document.querySelectorAll('video[data-mid^=v]')].some((video) => {
                    if (!video.videoWidth) return false;
                    brush.drawImage(video, video.videoWidth / 4, video.videoHeight / 4, 4, 4, 0, 0, 4, 4);
                    const pixel = brush.getImageData(1, 1, 1, 1).data;
                    return colour.every((value, at) => Math.abs(value - pixel[at]) < 40);
                });
            }""",
            list(colour),
        )
        return found


@needs_firefox
async def test_firefox_and_chromium_see_and_hear_each_other(playwright: Playwright, tmp_path: Path) -> None:
    with line.line() as far:
        async with (
            court_at(far, tmp_path) as court,
            at_browsers(playwright, (JUDGE,), tmp_path) as inside,
            marionette.firefox(tmp_path / "firefox", namespace=far.name) as browser,
        ):
            judge, party = inside[JUDGE.role], AtFirefox(browser)
            hearing = await court.create((JUDGE, CLERK, PLAINTIFF))
            await judge.join(f"http://127.0.0.1:{port(court)}/j/{hearing.seats[JUDGE.role]['token']}")
            await party.join(f"http://{far.near}:{port(court)}/j/{hearing.seats[PLAINTIFF.role]['token']}")
            await judge.act("admit", hearing.seat(PLAINTIFF))
            await party.room("courtroom")
            await judge.act("open_hearing")
            await browser.when("() => document.body.dataset.media === 'up'")
            await grows(party.received, "audio", "energy", "frames")
            await until(lambda: party.sees(JUDGE.colour))
            heard = await grows(lambda: received(judge), "audio", "energy", "frames")
            assert heard["codecs"]
            await browser.shot(Path("build/screens/firefox-party.png"))


@needs_firefox
async def test_firefox_as_a_witness_is_called_and_dismissed(playwright: Playwright, tmp_path: Path) -> None:
    with line.line() as far:
        async with (
            court_at(far, tmp_path) as court,
            at_browsers(playwright, (JUDGE,), tmp_path) as inside,
            marionette.firefox(tmp_path / "firefox", namespace=far.name) as browser,
        ):
            judge, witness = inside[JUDGE.role], AtFirefox(browser)
            hearing = await court.create((JUDGE, CLERK, WITNESS))
            await judge.join(f"http://127.0.0.1:{port(court)}/j/{hearing.seats[JUDGE.role]['token']}")
            await witness.join(f"http://{far.near}:{port(court)}/j/{hearing.seats[WITNESS.role]['token']}")
            await judge.act("open_hearing")
            await judge.act("admit", hearing.seat(WITNESS))
            await witness.room("witness_room")
            assert await browser.evaluate("() => document.querySelectorAll('video[data-mid^=v]').length") == 0
            await judge.act("call", hearing.seat(WITNESS))
            await witness.room("courtroom")
            await grows(witness.received, "audio", "energy", "frames")
            await until(lambda: witness.sees(JUDGE.colour))
            await grows(lambda: received(judge), "audio", "energy", "frames")
            await judge.act("dismiss", hearing.seat(WITNESS))
            await witness.room("witness_room")
            await browser.when("() => document.querySelectorAll('#sound audio').length === 0")
            await judge.when("seat => !document.querySelector(`video[data-seat='${seat}']`)", hearing.seat(WITNESS))
