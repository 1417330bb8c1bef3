"""A proposal to interrupt the recording lapses by the court's clock, without anybody asking."""

from __future__ import annotations

import asyncio
from pathlib import Path

from courtroom.control.archive import ArchiveJobs
from courtroom.control.capture import CaptureWriter
from courtroom.control.clock import CourtClock
from courtroom.control.courtroom import CourtroomActor
from courtroom.control.relay import Relay
from courtroom.control.workers import WorkerPool
from courtroom.hearing import commands as c
from courtroom.hearing.model import Policy
from courtroom.store.memory import MemoryLedgers
from tests.hearing.house import CLERK, NAMES, House


async def test_a_proposal_that_nobody_confirmed_lapses_by_itself(tmp_path: Path) -> None:
    house, clock, ledgers = House(Policy("none", "record")).in_session(), CourtClock(), MemoryLedgers()
    house.do(c.ProposeInterruption(actor=CLERK, ground="not_public"))  # long ago on the court's clock
    fence = await ledgers.claim("h-test")
    await ledgers.append("h-test", house.entries, fence)
    actor = CourtroomActor(
        house.hearing, house.entries[-1], names=NAMES, fence=fence, clock=clock, ids=house.new_id, ledgers=ledgers,
        sign=lambda _: bytes(64), key_hex="00" * 32, pool=WorkerPool(1, clock, 0, ["127.0.0.1"], ""),
        writer=CaptureWriter(clock, tmp_path / "capture.sock", tmp_path),
        archives=ArchiveJobs(tmp_path, tmp_path, tmp_path / "key", None), relay=Relay((), ""),
    )  # fmt: skip
    actor.start()
    try:
        async with asyncio.timeout(30):
            while actor.hearing.proposal is not None:
                await asyncio.sleep(0.05)
    finally:
        await actor.close()
    dropped = [entry.body["why"] for entry in await ledgers.entries("h-test") if entry.type == "interruption_dropped"]
    assert dropped == ["lapsed"]
