"""Every way into the court: UDP, TCP, relays, IPv6, through NAT, and from one network to another in the middle.

The judge sits at this machine, the plaintiff on a host of its own (a network namespace) whose network is what the test
says. Judged by what arrives: pixels and tones, and the candidate pair that the browser itself names.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aioice import turn
from aioice.stun import TransactionFailed
from playwright.async_api import Page, Playwright

from courtroom.channel import messages as m
from courtroom.control.relay import Relay
from tests.browser import harness
from tests.browser.harness import Control
from tests.e2e import relay
from tests.e2e.court import Court, Issued, until
from tests.e2e.devices import CLERK, JUDGE, PLAINTIFF, Person
from tests.e2e.people import CHROMIUM, AtBrowser, at_browsers
from tests.e2e.test_coming_back import browser_processes
from tests.netlab import hosts, ways
from tests.sfu import wire
from tests.worker.client import Client, start

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(hosts.available()), reason=hosts.available() or "network namespaces"),
]

PEOPLE = (JUDGE, PLAINTIFF)
# Forces a page's connections through a relay whose URLs begin like this.
RELAYED = """(relay) => {
    const Real = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Real {
        constructor(settings = {}) {
            const servers = (settings.iceServers ?? []).map(
                (one) => ({ ...one, urls: [one.urls].flat().filter((url) => url.startsWith(relay)) }));
            super({ ...settings, iceServers: servers, iceTransportPolicy: 'relay' });
        }
    };
}"""
PATH = """async () => {
    const pc = window.__peers.findLast((one) => one.connectionState === 'connected');
    if (!pc) return null;
    const reports = await pc.getStats();
    const transport = [...reports.values()].find((one) => one.type === 'transport');
    const pair = reports.get(transport?.selectedCandidatePairId);
    if (!pair) return null;
    const [local, remote] = [reports.get(pair.localCandidateId), reports.get(pair.remoteCandidateId)];
    return { local: local?.candidateType, protocol: remote?.protocol, relay: local?.relayProtocol,
             address: remote?.address, port: remote?.port, state: pair.state };
}"""


@contextlib.asynccontextmanager
async def hearing(
    court: Court,
    playwright: Playwright,
    folder: Path,
    far: str,
    near: str,
    *,
    more: Sequence[str] = (),
    relay: str = "",
    here: str = "127.0.0.1",
) -> AsyncIterator[tuple[Issued, dict[str, AtBrowser]]]:
    """An open hearing: the judge here, the plaintiff behind the launcher ``far``, who knows the pages as ``near``."""
    issued = await court.create((JUDGE, CLERK, PLAINTIFF))
    pages = int(court.url.rsplit(":", 1)[1])
    tokens = {role: seat["token"] for role, seat in issued.seats.items()}
    trusted = f"--unsafely-treat-insecure-origin-as-secure=http://{near}:{pages}"
    async with (
        at_browsers(playwright, (JUDGE,), folder) as inside,
        at_browsers(playwright, (PLAINTIFF,), folder, executable=far, more=(trusted, *more)) as outside,
    ):
        sitting = {**inside, **outside}
        judge, plaintiff = sitting[JUDGE.role], sitting[PLAINTIFF.role]
        if relay:
            await plaintiff.context.add_init_script(f"({RELAYED})({json.dumps(relay)})")
        await judge.join(f"http://{here}:{pages}/j/{tokens[JUDGE.role]}")
        await plaintiff.join(f"http://{near}:{pages}/j/{tokens[PLAINTIFF.role]}")
        await judge.room("courtroom")
        await judge.act("admit", issued.seat(PLAINTIFF))
        await plaintiff.room("courtroom")
        await judge.act("open_hearing")
        await judge.when("() => document.body.dataset.phase === 'open'")
        yield issued, sitting


async def see_and_hear(issued: Issued, sitting: dict[str, AtBrowser]) -> None:
    for person in PEOPLE:
        await sitting[person.role].sees({issued.seat(one): one.colour for one in PEOPLE})
    for person, other in ((JUDGE, PLAINTIFF), (PLAINTIFF, JUDGE)):
        await until(lambda person=person, other=other: hears(sitting, person, other))


async def hears(sitting: dict[str, AtBrowser], person: Person, other: Person) -> bool:
    await sitting[JUDGE.role].goes_on()
    return await sitting[person.role].tones() == {other.tone}


async def path(person: AtBrowser) -> dict[str, Any]:
    """The candidate pair in use."""
    return await until(lambda: person.page.evaluate(PATH))


ANOTHER = """used => window.__peers.slice(0, used).every((one) => one.connectionState === 'closed')
    && window.__peers.slice(used).some((one) => one.connectionState === 'connected')"""
MEDIA_CUT = "table inet cut {{ chain out {{ type filter hook output priority 0; th dport {port} drop; }}; }}"
NO_UDP = "table inet no { chain out { type filter hook output priority 0; meta l4proto udp drop; }; }"


async def over_tcp(person: AtBrowser) -> str:
    """The address that the page's media goes to by TCP, '' while it does not."""
    used = await person.page.evaluate(PATH)
    return str(used["address"]).strip("[]") if used and used["protocol"] == "tcp" else ""


async def test_a_network_that_blocks_udp_is_no_obstacle(playwright: Playwright, tmp_path: Path) -> None:
    with hosts.host() as far:
        ways.nft(far.name, NO_UDP)
        flags = ("--public-address", far.near, "--public-address", "127.0.0.1")
        async with Court(tmp_path / "data", *flags, host="0.0.0.0") as court:
            wrapper = far.wrapper(CHROMIUM, tmp_path)
            async with hearing(court, playwright, tmp_path, wrapper, far.near) as (issued, sitting):
                await see_and_hear(issued, sitting)
                used = await path(sitting[PLAINTIFF.role])
                assert (used["protocol"], used["address"]) == ("tcp", far.near), used
                assert used["port"] == int(court.media[0].rsplit(":", 1)[1]), "the same number as the UDP port"
                assert (await path(sitting[JUDGE.role]))["protocol"] == "udp"


async def test_another_connection_in_the_same_room_sounds_and_shows(playwright: Playwright, tmp_path: Path) -> None:
    """Media alone is cut for longer than an ICE restart may take: what was on the page plays the new one's tracks."""
    with hosts.host() as far:
        flags = ("--public-address", far.near, "--public-address", "127.0.0.1")
        async with Court(tmp_path / "data", *flags, host="0.0.0.0") as court:
            wrapper = far.wrapper(CHROMIUM, tmp_path)
            async with hearing(court, playwright, tmp_path, wrapper, far.near) as (issued, sitting):
                page = sitting[PLAINTIFF.role].page
                await see_and_hear(issued, sitting)
                played = await page.query_selector("#sound audio")
                used = await page.evaluate("() => window.__peers.length")
                ways.nft(far.name, MEDIA_CUT.format(port=court.media[0].rsplit(":", 1)[1]))
                await until(lambda: page.evaluate("used => window.__peers.length > used", used))
                ways.nft(far.name, "delete table inet cut")
                await until(lambda: page.evaluate(ANOTHER, used))
                await see_and_hear(issued, sitting)
                assert await page.evaluate("played => played.isConnected", played)


async def test_a_public_address_in_front_of_nat(playwright: Playwright, tmp_path: Path) -> None:
    with ways.outside() as far:
        flags = ("--public-address", "127.0.0.1", "--public-address", far.public)
        async with Court(tmp_path / "data", *flags, host="0.0.0.0") as court:
            wrapper = far.wrapper(CHROMIUM, tmp_path)
            async with hearing(court, playwright, tmp_path, wrapper, far.public) as (issued, sitting):
                await see_and_hear(issued, sitting)
                used = await path(sitting[PLAINTIFF.role])
                assert (used["protocol"], used["address"]) == ("udp", far.public), used


async def test_a_host_that_has_ipv6_alone_and_then_no_udp(playwright: Playwright, tmp_path: Path) -> None:
    with ways.host_with_ipv6() as (far, near):
        async with Court(tmp_path / "data", "--public-address", near, "--public-address", "::1", host="::") as court:
            wrapper = far.wrapper(CHROMIUM, tmp_path)
            async with hearing(
                court, playwright, tmp_path, wrapper, f"[{near}]", here="[::1]"
            ) as (issued, sitting):  # fmt: skip
                await see_and_hear(issued, sitting)
                plaintiff = sitting[PLAINTIFF.role]
                used = await path(plaintiff)
                assert (used["protocol"], used["address"].strip("[]")) == ("udp", near), used
                ways.nft(far.name, NO_UDP)
                assert await until(lambda: over_tcp(plaintiff), 90) == near
                await see_and_hear(issued, sitting)


# --- the worker alone: who is quiet, and who goes from one network to another -----------------------------------------


@contextlib.asynccontextmanager
async def pages(
    playwright: Playwright, folder: Path, wrappers: dict[str, str]
) -> AsyncIterator[dict[str, Page]]:  # fmt: skip
    """One browser a colour with the harness's page, which it does not need a network for."""
    body = (Path(harness.__file__).parent / "page.html").read_text(encoding="utf-8")
    async with contextlib.AsyncExitStack() as stack:
        found = {}
        for name, program in wrappers.items():
            film = harness.colour_film(folder / f"{name}.y4m", {"red": (200, 30, 30), "blue": (30, 30, 200)}[name])
            sound = harness.tone(folder / f"{name}.wav", 440)
            flags = [
                *harness.FLAGS, f"--use-file-for-fake-video-capture={film}",
                f"--use-file-for-fake-audio-capture={sound}",
            ]  # fmt: skip
            browser = await playwright.chromium.launch(executable_path=program, args=flags, timeout=60_000)
            stack.push_async_callback(browser.close)
            page = await browser.new_page()
            await page.route("http://localhost/**", lambda route: route.fulfill(body=body, content_type="text/html"))
            await page.goto("http://localhost/")
            await page.evaluate("media().then(() => true)")
            found[name] = page
        yield found


async def local_address(page: Page, name: str) -> str | None:
    """Where the page's packets leave from."""
    return await page.evaluate(
        """async (name) => {
            const reports = await transports[name].pc.getStats();
            const transport = [...reports.values()].find((one) => one.type === 'transport');
            const pair = reports.get(transport?.selectedCandidatePairId);
            return pair ? reports.get(pair.localCandidateId)?.address ?? null : null;
        }""",
        name,
    )


async def decoded(page: Page, name: str) -> int:
    """Pictures of the other one that this page has decoded."""
    stats = await page.evaluate("name => stats(name)", name)
    return sum(one.get("framesDecoded", 0) for one in stats.get("inbound-rtp", []) if one["kind"] == "video")


async def both_go_on(control: Control, found: dict[str, Page], more: int = 15) -> None:
    for name, page in found.items():
        before = await decoded(page, name)
        try:
            await until(lambda name=name, page=page, before=before: grown(page, name, before + more))
        except AssertionError as error:
            seen = {one: await page.evaluate("name => stats(name)", one) for one, page in found.items()}
            told = [one for one in control.events if isinstance(one, m.TransportChanged)]
            raise AssertionError(f"{name} sees no pictures; {told}; {control.events[-4:]}; {seen}") from error


async def grown(page: Page, name: str, count: int) -> bool:
    return await decoded(page, name) > count


async def two_talk(control: Control, found: dict[str, Page]) -> None:
    for name, page in found.items():
        await harness.join(control, page, "room", name, 1, ["microphone", "camera"])
    await control.do(
        lambda n: m.SetRoutes(
            n, "room", 1, [m.Route("red", 0, "blue", "camera"), m.Route("blue", 0, "red", "camera")], []
        )
    )
    await both_go_on(control, found)


def states(control: Control, name: str) -> list[str]:
    return [one.state for one in control.events if isinstance(one, m.TransportChanged) and one.transport == name]


async def test_a_quiet_chromium_answers_and_its_death_is_known_within_two_seconds(
    playwright: Playwright, tmp_path: Path
) -> None:
    """Without being asked it would say something every 2.5 s only."""
    async with harness.worker() as control, pages(playwright, tmp_path, {"red": CHROMIUM}) as found:
        await control.do(lambda n: m.OpenRoom(n, "room"))
        await harness.join(control, found["red"], "room", "red", 1, [])
        await control.changed("red", "connected")
        await asyncio.sleep(12)  # the time that is watched, not waited for something
        assert states(control, "red") == ["connected"]
        for pid in browser_processes(tmp_path / "red.y4m"):
            os.kill(pid, signal.SIGKILL)
        killed = time.time_ns() // 1000  # the court clock of the harness
        silent = await control.changed("red", "silent")
        assert killed - 100_000 < silent.at < killed + 2_000_000


async def test_from_one_network_to_another_on_the_same_transport(playwright: Playwright, tmp_path: Path) -> None:
    """Both links are there, the one in use goes: the browser nominates the other pair and nothing is negotiated."""
    with ways.roaming(both=True) as far:
        wrappers = {"red": far.wrapper(CHROMIUM, tmp_path), "blue": CHROMIUM}
        async with harness.worker(addresses=(far.server,)) as control, pages(playwright, tmp_path, wrappers) as found:
            await control.do(lambda n: m.OpenRoom(n, "room"))
            await two_talk(control, found)
            used = await local_address(found["red"], "red")
            assert used in (far.first, far.second)
            roamer = far if used == far.first else far.swapped()
            roamer.lose_first()
            await both_go_on(control, found)
            assert await local_address(found["red"], "red") == roamer.second
            assert set(states(control, "red")) <= {"connected", "silent", "back"}, "never closed"
            assert states(control, "red").count("connected") == 1


async def test_a_restart_takes_the_transport_to_a_new_network(playwright: Playwright, tmp_path: Path) -> None:
    """The only link goes, later another one comes: new ICE credentials, the same DTLS and SRTP, the same transport."""
    with ways.roaming(both=False) as far:
        wrappers = {"red": far.wrapper(CHROMIUM, tmp_path), "blue": CHROMIUM}
        async with harness.worker(addresses=(far.server,)) as control, pages(playwright, tmp_path, wrappers) as found:
            await control.do(lambda n: m.OpenRoom(n, "room"))
            await two_talk(control, found)
            assert await local_address(found["red"], "red") == far.first
            far.lose_first()
            lost = time.time_ns() // 1000
            silent = await control.changed("red", "silent")
            assert silent.at < lost + 2_000_000
            far.gain_second()
            offer = await control.do(lambda n: m.RestartTransport(n, "red"))
            answer = await found["red"].evaluate("([name, sdp]) => answer(name, sdp)", ["red", offer])
            await control.do(lambda n: m.AcceptAnswer(n, "red", answer))
            await control.changed("red", "back", 30)
            await both_go_on(control, found)
            assert await local_address(found["red"], "red") == far.second
            assert states(control, "red") == ["connected", "silent", "back"]


async def test_who_goes_from_wifi_to_4g_keeps_the_seat(playwright: Playwright, tmp_path: Path) -> None:
    """In a whole hearing: the first network goes, the second comes, the person goes on in the same seat and room."""
    with ways.roaming(both=False) as far:
        flags = ("--public-address", far.server, "--public-address", "127.0.0.1")
        async with Court(tmp_path / "data", *flags, host="0.0.0.0") as court:
            wrapper = far.wrapper(CHROMIUM, tmp_path)
            async with hearing(court, playwright, tmp_path, wrapper, far.server) as (issued, sitting):
                await see_and_hear(issued, sitting)
                far.lose_first()
                far.gain_second()
                await see_and_hear(issued, sitting)
                plaintiff = sitting[PLAINTIFF.role]
                assert await plaintiff.page.evaluate("document.body.dataset.room") == "courtroom"
                seat = issued.seat(PLAINTIFF)
                report = await court.get(f"/api/v1/hearings/{issued.id}/presence")
                (row,) = [one for one in report["seats"] if one["seat"] == seat]
                assert row["connected"]
                causes = {spell["cause"] for spell in row["timeline"]}
                assert not causes & {"left_deliberately", "replaced_by_second_login", "platform_failure"}, causes


# --- relays -----------------------------------------------------------------------------------------------------------

needs_coturn = pytest.mark.skipif(bool(relay.available()), reason=relay.available() or "coturn")


@contextlib.contextmanager
def relayed_host(family: str) -> Iterator[tuple[hosts.Host, str]]:
    """A host with one family alone, and our address on its link."""
    if family == "ipv6":
        with ways.host_with_ipv6() as (far, near):
            yield far, near
    else:
        with hosts.host() as far:
            yield far, far.near


@needs_coturn
@pytest.mark.parametrize(("way", "family"), [("udp", "ipv4"), ("tcp", "ipv6"), ("tls", "ipv4")])
async def test_media_crosses_a_relay(playwright: Playwright, tmp_path: Path, way: str, family: str) -> None:
    """Through coturn as deploy/coturn has it, by a page that is not allowed any other way."""
    with relayed_host(family) as (far, near):
        async with relay.coturn(tmp_path, near, near) as server:
            url = server.urls[["udp", "tcp", "tls"].index(way)]
            secret = tmp_path / "turn.secret"
            secret.write_text(relay.SECRET + "\n", encoding="ascii")
            everywhere, here, at, pages = {
                "ipv4": ("0.0.0.0", "127.0.0.1", "127.0.0.1", near),
                "ipv6": ("::", "::1", "[::1]", f"[{near}]"),
            }[family]
            flags = (
                "--public-address", near, "--public-address", here, "--turn-secret-file", str(secret),
                *(word for one in server.urls for word in ("--turn-url", one)),
            )  # fmt: skip
            async with Court(tmp_path / "data", *flags, host=everywhere) as court:
                wrapper = far.wrapper(CHROMIUM, tmp_path)
                more = ("--ignore-certificate-errors",)
                async with hearing(
                    court, playwright, tmp_path, wrapper, pages, more=more, relay=url, here=at
                ) as (issued, sitting):  # fmt: skip
                    await see_and_hear(issued, sitting)
                    used = await path(sitting[PLAINTIFF.role])
                    assert (used["local"], used["relay"]) == ("relay", way), used
                    assert used["address"].strip("[]") == near
                    told = await sitting[PLAINTIFF.role].page.evaluate("window.__courtroom.view.media.ice_servers")
                    assert [one["urls"] for one in told] == [list(server.urls)]
                    assert relay.SECRET not in json.dumps(told)
                    for secret_word in (relay.SECRET, told[0]["credential"]):
                        assert secret_word not in court.log.read_text(encoding="utf-8")


async def allocate(server: relay.Coturn, username: str, password: str) -> turn.TurnClientUdpProtocol:
    """An allocation by somebody else's client."""
    loop = asyncio.get_running_loop()
    where = (server.address, server.port)
    _, client = await loop.create_datagram_endpoint(
        lambda: turn.TurnClientUdpProtocol(
            where, username=username, password=password, lifetime=600, channel_refresh_time=500
        ),
        remote_addr=where,
    )
    try:
        await client.connect()
    except BaseException:
        client.transport.close()
        raise
    return client


class Relayed(Client):
    """A client whose every datagram crosses an allocation of somebody else's TURN client."""

    way: turn.TurnTransport

    def connection_made(self, transport: turn.TurnTransport) -> None:
        self.way = transport

    def datagram_received(self, data: bytes, _address: object) -> None:
        self._came(data)
        self._news.set()

    def error_received(self, error: Exception) -> None:
        raise error

    def connection_lost(self, _error: Exception | None) -> None: ...

    def send(self, data: bytes) -> None:
        self.way.sendto(data, self.server)


@needs_coturn
async def test_an_allocation_over_ipv6_leads_to_media_over_ipv6(tmp_path: Path) -> None:
    with ways.host_with_ipv6() as (_far, near):
        async with relay.coturn(tmp_path, near, near) as server, start((near,)) as control:
            judge, clerk = [await kind.open(control, name) for kind, name in ((Client, "judge"), (Relayed, "clerk"))]
            assert isinstance(clerk, Relayed)
            (told,) = Relay(server.urls, relay.SECRET).servers("h-1", "s-1", time.time_ns() // 1000)
            way, _ = await turn.create_turn_endpoint(
                lambda: clerk,  # type: ignore[arg-type,return-value]
                (near, server.port),
                told["username"],
                told["credential"],
            )
            await judge.connect(control, "judge")
            await clerk.connect(control, "clerk")
            routes = [m.Route("clerk", 0, "judge", "microphone"), m.Route("judge", 0, "clerk", "microphone")]
            await control.do(lambda n: m.SetRoutes(n, "room", 1, routes, []))
            for sender, receiver in ((judge, clerk), (clerk, judge)):
                sender.send_rtp(wire.rtp(1, 960, 7, b"word", 111, mid=b"mic"))
                assert wire.fields(await receiver.rtp())[3] == b"word"
            assert way.get_extra_info("sockname")[0] == near, "an IPv6 address to relay from"
            way.close()
            for client in (judge, clerk):
                client.close()


MEDIA = "10.1.2.3"
ELSEWHERE = (
    "10.1.2.4", "10.255.0.1", "127.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "255.255.255.255", "203.0.113.1",
)  # fmt: skip


EVERYTHING = ("denied-peer-ip=0.0.0.0-255.255.255.255", "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
PUBLIC = "11.0.0.1"  # only asked about: a channel is bound without a packet to its peer


async def permitted(client: turn.TurnClientUdpProtocol, number: int, address: str) -> bool:
    try:
        await client.channel_bind(0x4000 + number, (address, 40000))
    except TransactionFailed as refused:
        if refused.response.error_code not in (400, 403):
            raise
        return False
    return True


@needs_coturn
@pytest.mark.parametrize("without", [(), EVERYTHING], ids=["as-it-is", "second-belt"])
async def test_the_relay_leads_to_the_court_and_nowhere_else(tmp_path: Path, without: tuple[str, ...]) -> None:
    async with relay.coturn(tmp_path, "127.0.0.1", MEDIA, without) as server:
        (told,) = Relay(server.urls, relay.SECRET).servers("h-1", "s-1", time.time_ns() // 1000)
        client = await allocate(server, told["username"], told["credential"])
        assert await permitted(client, 0, MEDIA)
        for number, address in enumerate(ELSEWHERE, 1):
            assert not await permitted(client, number, address), address
        assert await permitted(client, 100, PUBLIC) == bool(without)
        await client.delete()
    for trouble in ("Bad configuration", "Unknown argument", "Wrong"):
        assert not server.said(trouble), server.log.read_text(encoding="utf-8")


@needs_coturn
async def test_credentials_that_are_over_or_forged_open_nothing(tmp_path: Path) -> None:
    async with relay.coturn(tmp_path, "127.0.0.1", MEDIA) as server:
        now = time.time_ns() // 1000
        ours, theirs = Relay(server.urls, relay.SECRET), Relay(server.urls, "another-secret-altogether")
        (good,) = ours.servers("h-1", "s-1", now)
        (early,) = ours.servers("h-1", "s-1", now - 4 * 3600 * 1_000_000)
        (forged,) = theirs.servers("h-1", "s-1", now)
        end, _, name = good["username"].partition(":")
        for username, password in (
            (early["username"], early["credential"]),
            (forged["username"], forged["credential"]),
            (f"{int(end) + 86400}:{name}", good["credential"]),  # an end that nobody signed
            ("court", ""),
        ):
            with pytest.raises(TransactionFailed) as refused:
                await allocate(server, username, password)
            assert refused.value.response.error_code == 401
        await (await allocate(server, good["username"], good["credential"])).delete()
