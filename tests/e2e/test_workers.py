"""Two hearings on two media workers, with real browsers: one worker is killed, and neither hearing ends."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from playwright.async_api import Playwright

from tests.e2e.court import Court, until
from tests.e2e.devices import JUDGE, PLAINTIFF
from tests.e2e.people import AtBrowser, at_browsers
from tests.e2e.test_coming_back import PEOPLE, all_connected, causes, hears, in_session, see_each_other

pytestmark = pytest.mark.e2e

LIVE = "window.__peers.findLast((one) => one.connectionState === 'connected')"


def workers(court: Court) -> dict[int, int]:
    """Media port → process id, as the kernel knows them."""
    with open("/proc/net/udp", encoding="ascii") as file:
        rows = [line.split() for line in file.read().splitlines()[1:]]
    ports = {row[9]: int(row[1].partition(":")[2], 16) for row in rows}
    found = {}
    for pid in Path(f"/proc/{court.pid}/task/{court.pid}/children").read_text().split():
        if b"courtroom.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                inode = os.readlink(entry).removeprefix("socket:[").rstrip("]")
                if inode in ports:
                    found[ports[inode]] = int(pid)
    return found


async def port_of(person: AtBrowser) -> int:
    """The media port this page's connection leads to, 0 while there is none."""
    return await person.page.evaluate(
        f"() => Number(/a=candidate:\\S+ 1 udp \\d+ \\S+ (\\d+) /i.exec({LIVE}?.remoteDescription.sdp)?.[1] ?? 0)"
    )


async def leads_to(person: AtBrowser, port: int) -> bool:
    return await port_of(person) == port


async def received(person: AtBrowser) -> dict[str, int]:
    """What has come by the page's connection, in all: packets and the lost ones."""
    return await person.page.evaluate(
        f"""async () => {{
            const sum = {{ packets: 0, lost: 0 }};
            for (const one of (await {LIVE}.getStats()).values()) {{
                if (one.type === 'inbound-rtp') {{
                    sum.packets += one.packetsReceived;
                    sum.lost += one.packetsLost;
                }}
            }}
            return sum;
        }}"""
    )


async def test_two_hearings_on_two_workers_survive_the_death_of_one(playwright: Playwright, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with (
        Court(tmp_path / "data", "--workers", "2") as court,
        at_browsers(playwright, PEOPLE, tmp_path / "one") as first,
        at_browsers(playwright, PEOPLE, tmp_path / "two") as second,
    ):
        one = await in_session(court, first)
        two = await in_session(court, second)
        ours, others = await port_of(first[JUDGE.role]), await port_of(second[JUDGE.role])
        assert ours != others, "the second hearing went to the idle worker"
        assert await port_of(first[PLAINTIFF.role]) == ours, "a hearing is on one worker"
        victim = workers(court)[ours]
        before = await received(second[JUDGE.role])

        killed = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        for person in PEOPLE:  # the dead connection and its last pictures stay for a moment
            await until(lambda one=first[person.role]: leads_to(one, others), every=0.05)
        await see_each_other(first, one)
        back = time.monotonic() - killed
        await until(lambda: hears(first[JUDGE.role], {PLAINTIFF.tone}))
        await until(lambda: all_connected(court, one))
        for person in PEOPLE:
            assert set(await causes(court, one, person)) == {"platform_failure"}
            assert await causes(court, two, person) == [], "nobody in the other hearing noticed"
        after = await received(second[JUDGE.role])
        assert after["packets"] - before["packets"] > 50
        assert after["lost"] == before["lost"]
        await see_each_other(second, two)
        assert await port_of(second[JUDGE.role]) == others
        assert len(set((await until(lambda: both_up(court))).values())) == 2
        print(f"pictures were back {back:.1f} s after the kill")


def both_up(court: Court) -> dict[int, int] | None:
    found = workers(court)
    return found if len(found) == 2 else None
