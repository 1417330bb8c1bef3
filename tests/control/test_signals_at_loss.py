"""The actor puts what it knows beside a loss: the browser's live word, the line's last minute, trouble of our own."""

from __future__ import annotations

import pytest

from courtroom.channel.messages import TransportQuality, WorkerLoad
from courtroom.control.courtroom import CourtroomActor
from courtroom.control.media import Stay
from courtroom.control.places import Places
from courtroom.control.workers import MediaWorker
from courtroom.hearing.commands import ObserveCapture
from tests.control.test_courtroom import DROPPED, Page, actor, losses
from tests.hearing.house import PLAINTIFF

__all__ = ["actor"]


def cause(actor: CourtroomActor) -> str:
    found = actor.hearing.seats[PLAINTIFF].timeline[-1].cause
    return found.value if found is not None else ""


def client(fact: str, actor: CourtroomActor) -> dict[str, str | int]:
    return {"fact": fact, "at": actor._clock.now() - 3_600_000_000, "clock": "client"}


async def drop(actor: CourtroomActor, page: Page) -> None:
    await actor.detach(PLAINTIFF, page, [{**DROPPED, "at": actor._clock.now()}])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["battery_low"], "power_suspected"),
        (["battery_low", "charging"], "network_lost"),
        (["page_hidden"], "network_lost"),
        ([], "network_lost"),
    ],
)
async def test_a_browsers_live_word_counts_at_the_loss(actor: CourtroomActor, words: list[str], expected: str) -> None:
    page = Page("c-1", "page-1")
    await actor.attach(PLAINTIFF, page)
    seq = actor.hearing.seq
    for word in words:
        await actor.note_evidence(PLAINTIFF, [client(word, actor)])
    assert actor.hearing.seq == seq  # nothing is a ledger line before there is a loss
    await drop(actor, page)
    assert cause(actor) == expected
    ((_, *found),) = await losses(actor)
    assert found == [word for word in words if word != "charging" and "charging" not in words]


async def test_a_word_that_comes_after_the_loss_is_evidence_of_it(actor: CourtroomActor) -> None:
    page = Page("c-1", "page-1")
    await actor.attach(PLAINTIFF, page)
    await drop(actor, page)
    await actor.note_evidence(PLAINTIFF, [client("battery_low", actor)])
    assert cause(actor) == "power_suspected"
    await actor.note_evidence(PLAINTIFF, [client("page_shown", actor)])
    facts = [row["fact"] for row in actor.hearing.seats[PLAINTIFF].timeline[-1].evidence]
    assert facts == ["socket_dropped", "battery_low"]


async def test_the_workers_readings_and_our_disk_stand_beside_it(actor: CourtroomActor) -> None:
    page = Page("c-1", "")
    await actor.attach(PLAINTIFF, page)
    worker: MediaWorker = actor.media._pool.workers[0]
    actor.media._worker = worker
    actor.media._stays.current[PLAINTIFF] = Stay(PLAINTIFF, "t-1", "courtroom", Places(1))
    now = actor._clock.now()
    for second in range(20, 0, -1):
        at = now - second * 1_000_000
        worker._on_message(
            WorkerLoad(at, 0, 1, 100 - second, 0, {}, 0, [TransportQuality("t-1", 250, 80_000, 9000)])
        )  # fmt: skip
        actor.connections.read_lines()
    await actor.submit(ObserveCapture(what="defect", detail={"code": "disk_slow", "at": now}))
    actor.media._worker = None  # it is never asked for anything here
    actor.media._stays.current.clear()
    await drop(actor, page)
    ((_, *found),) = await losses(actor)
    assert found == ["line_quality", "high_loss", "capture_trouble"]
    row = next(row for row in actor.hearing.seats[PLAINTIFF].timeline[-1].evidence if row["fact"] == "line_quality")
    assert (row["readings"], row["loss_permille"], row["rtt_us"], row["jitter_us"]) == (20, 250, 80_000, 9000)
    assert cause(actor) == "network_degraded"
