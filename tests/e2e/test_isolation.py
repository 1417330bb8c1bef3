"""Isolation at the level of packets: a witness on a host of its own, and a sniffer on the only cable to it.

Between a dismissal (plus 250 ms of grace) and the next call not one UDP datagram leaves the server's media port toward
the witness (COURT.md 5), and the certificate given at the dismissal says the same. That the sniffer sees what there is
to see is proven by the interval in court.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Playwright

from tests.e2e.court import Court
from tests.e2e.devices import CLERK, JUDGE, WITNESS
from tests.e2e.people import CHROMIUM, at_browsers
from tests.netlab import hosts

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(hosts.available()), reason=hosts.available() or "network namespaces"),
]

GRACE_S = 0.25
WATCHED_S = 6.0


async def test_not_one_datagram_reaches_a_witness_outside_the_testimony(playwright: Playwright, tmp_path: Path) -> None:
    with hosts.host() as far:
        flags = ("--public-address", far.near, "--public-address", "127.0.0.1")
        async with Court(tmp_path / "data", *flags, host="0.0.0.0") as court:
            hearing = await court.create((JUDGE, CLERK, WITNESS))
            port = int(court.media[0].rsplit(":", 1)[1])
            pages = int(court.url.rsplit(":", 1)[1])
            link = hearing.seats[WITNESS.role]["join_url"].split("/j/")[1]
            trusted = f"--unsafely-treat-insecure-origin-as-secure=http://{far.near}:{pages}"
            async with (
                at_browsers(playwright, (JUDGE,), tmp_path) as inside,
                at_browsers(
                    playwright, (WITNESS,), tmp_path, executable=far.wrapper(CHROMIUM, tmp_path), more=(trusted,)
                ) as outside,
            ):  # fmt: skip
                judge, witness = inside[JUDGE.role], outside[WITNESS.role]
                await judge.join(f"http://127.0.0.1:{pages}/j/{hearing.seats[JUDGE.role]['join_url'].split('/j/')[1]}")
                await witness.join(f"http://{far.near}:{pages}/j/{link}")
                await judge.room("courtroom")
                await judge.act("admit", hearing.seat(WITNESS))
                await witness.room("witness_room")
                await judge.act("open_hearing")
                await judge.when("() => document.body.dataset.phase === 'open'")
                with hosts.Sniffer(far.link) as sniffer:
                    for turn in range(2):
                        called = time.monotonic()
                        await judge.act("call", hearing.seat(WITNESS))
                        await witness.sees({hearing.seat(one): one.colour for one in (JUDGE, WITNESS)})
                        assert sniffer.between(port, called, time.monotonic()) > 50, (
                            "the sniffer must see the testimony"
                        )
                        before = await dismissed(court, hearing.id)
                        await judge.act("dismiss", hearing.seat(WITNESS))
                        at = await acknowledged(court, hearing.id, before)
                        await witness.room("witness_room")
                        await asyncio.sleep(WATCHED_S)  # the time that is watched, not waited for something
                        leaked = sniffer.between(port, at + GRACE_S, time.monotonic())
                        assert leaked == 0, f"{leaked} datagrams reached the witness outside the testimony"
                        told = await certificate(court, hearing.id, turn)
                        assert (told["seat"], told["packets_outside"]) == (hearing.seat(WITNESS), 0)
                        assert (told["complete"], told["holds"]) == (1, 1), told
                        assert told["packets_in_testimony"] > 50, "what the sniffer saw was counted"


async def dismissed(court: Court, hearing: str) -> int:
    return sum(
        entry["type"] == "seat_moved" and entry["body"]["why"] == "dismissed" for entry in await court.ledger(hearing)
    )


async def certificate(court: Court, hearing: str, number: int) -> dict[str, Any]:
    """The isolation certificate that the dismissal brought about."""
    async with asyncio.timeout(30):
        while True:
            found = [
                entry["body"]["detail"]
                for entry in await court.ledger(hearing)
                if entry["type"] == "capture_noted" and entry["body"]["what"] == "isolation"
            ]
            if len(found) > number:
                return dict(found[number])
            await asyncio.sleep(0.1)


async def acknowledged(court: Court, hearing: str, before: int) -> float:
    """``time.monotonic()`` of the ledger entry of the new dismissal: the court's clock runs with ours."""
    while await dismissed(court, hearing) == before:
        await asyncio.sleep(0.05)
    entries = [entry for entry in await court.ledger(hearing) if entry["type"] == "seat_moved"]
    return time.monotonic() - (time.time_ns() // 1000 - entries[-1]["at"]) / 1_000_000
