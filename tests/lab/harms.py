"""How each fault of the matrix is done to real browsers, networks and processes, and how the person comes back.

Chance is given: whom, for how long, and in which manner are of the seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from playwright.async_api import Error

from tests.e2e.devices import Person
from tests.lab.carrier import Subscriber
from tests.lab.stage import Stage

APART_S = 12
"""Between two kills of a process of ours: one that dies sooner is started again with a growing pause."""
TOLD = """() => document.querySelector('main[data-ended=replaced]') !== null
    || document.body.dataset.socket === 'refused'"""

Harm = Callable[[Stage, Person, random.Random, int], Awaitable[None]]
"""Stage, victim, chance, number of ledger entries before."""


async def leave_click(stage: Stage, victim: Person, _chance: random.Random, before: int) -> None:
    at = stage.seated[victim.role].at
    await at.press('[data-action="leave"]')
    await at.press('[data-action="confirm_leave"]')
    await stage.gone(victim, before)
    await at.page.locator('[data-action="return"]').click()
    await at.room("waiting")
    await stage.judge.act("admit", stage.hearing.seat(victim))


async def tab_closed(stage: Stage, victim: Person, _chance: random.Random, before: int) -> None:
    at = stage.seated[victim.role].at
    address = at.page.url
    await at.page.close(run_before_unload=True)
    await stage.gone(victim, before)
    at.page = await at.context.new_page()
    await at.page.goto(address)


async def browser_killed(stage: Stage, victim: Person, _chance: random.Random, before: int) -> None:
    seated = stage.seated[victim.role]
    for pid in stage.processes(victim):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await stage.gone(victim, before)
    with contextlib.suppress(Error):
        await seated.stack.aclose()
    await stage.enter(victim, seated.line, seated.profile)


async def lid_closed(stage: Stage, victim: Person, chance: random.Random, _before: int) -> None:
    """The machine sleeps: every process of the browser stands still, and nobody says good-bye."""
    asleep = stage.processes(victim)
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(chance.uniform(9, 20))
    finally:
        for pid in reversed(asleep):
            os.kill(pid, signal.SIGCONT)


async def wifi_off(stage: Stage, victim: Person, chance: random.Random, _before: int) -> None:
    line = _line(stage, victim)
    line.off()
    await asyncio.sleep(chance.uniform(4, 9))
    line.on()


async def wifi_to_4g(stage: Stage, victim: Person, chance: random.Random, _before: int) -> None:
    line = _line(stage, victim)
    line.off()
    await asyncio.sleep(chance.choice((0.0, chance.uniform(0.2, 4))))
    line.other_link()
    line.on()
    await asyncio.sleep(3)


async def loss_30(stage: Stage, victim: Person, chance: random.Random, _before: int) -> None:
    stage.carrier.loses(_line(stage, victim), 30)
    await asyncio.sleep(chance.uniform(8, 14))
    stage.carrier.well()


async def upstream_dead(stage: Stage, victim: Person, chance: random.Random, _before: int) -> None:
    stage.carrier.deaf_to(_line(stage, victim))
    await asyncio.sleep(chance.uniform(4, 9))
    stage.carrier.well()


async def carrier_out(stage: Stage, _victim: Person, chance: random.Random, _before: int) -> None:
    stage.carrier.out()
    await asyncio.sleep(chance.uniform(4, 9))
    stage.carrier.well()


async def second_login(stage: Stage, victim: Person, _chance: random.Random, before: int) -> None:
    """On another device the same summons link is opened; the first one is put away when it has been told."""
    first = stage.seated[victim.role]
    profile = f"{victim.role}-{before}"
    second = await stage.enter(victim, first.line, profile)
    await stage.gone(victim, before)
    await second.room("courtroom")
    await first.at.when(TOLD)
    await first.stack.aclose()


async def camera_unplugged(stage: Stage, victim: Person, chance: random.Random, before: int) -> None:
    """The process of the browser that holds the camera dies, as with its driver: the track ends by itself."""
    for pid in stage.processes(victim):
        if b"video_capture" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    await stage.camera_was(victim, before, "lost")
    await asyncio.sleep(chance.uniform(0.5, 3))
    await stage.devices_on(victim, before)


async def permission_revoked(stage: Stage, victim: Person, chance: random.Random, before: int) -> None:
    """In the browser's own settings, while the camera is in use."""
    context = stage.seated[victim.role].at.context
    await context.grant_permissions(["microphone"], origin=stage.proxy.url)  # all others are refused by this
    await stage.camera_was(victim, before, "lost", "denied")
    await asyncio.sleep(chance.uniform(0.5, 3))
    await context.clear_permissions()
    await stage.devices_on(victim, before)


async def worker_killed(stage: Stage, victim: Person, _chance: random.Random, before: int) -> None:
    await _apart(stage)
    stage.court.kill_child("courtroom.worker")
    await stage.gone(victim, before)


async def control_killed(stage: Stage, _victim: Person, chance: random.Random, _before: int) -> None:
    await _apart(stage)
    await stage.court.kill()
    await asyncio.sleep(chance.uniform(0, 2))
    await stage.court.start()


async def proxy_restarted(stage: Stage, _victim: Person, chance: random.Random, _before: int) -> None:
    await stage.proxy.down(chance.choice((signal.SIGTERM, signal.SIGKILL)))
    await asyncio.sleep(chance.uniform(0.1, 3))
    await stage.proxy.up()


async def _apart(stage: Stage) -> None:
    await asyncio.sleep(max(0.0, stage.killed_at + APART_S - time.monotonic()))
    stage.killed_at = time.monotonic()


def _line(stage: Stage, victim: Person) -> Subscriber:
    line = stage.seated[victim.role].line
    assert line is not None
    return line


HARMS: Mapping[str, Harm] = {
    "leave_click": leave_click, "tab_closed": tab_closed, "browser_killed": browser_killed, "lid_closed": lid_closed,
    "wifi_off": wifi_off, "wifi_to_4g": wifi_to_4g, "loss_30": loss_30, "upstream_dead": upstream_dead,
    "camera_unplugged": camera_unplugged, "permission_revoked": permission_revoked,
    "second_login": second_login, "worker_killed": worker_killed, "control_killed": control_killed,
    "proxy_restarted": proxy_restarted, "carrier_out": carrier_out,
}  # fmt: skip
