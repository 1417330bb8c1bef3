"""The actor of a hearing on a ledger in memory: what it makes of a silent socket, and of a recording that will not
settle. No processes: its worker has not been asked for yet."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from courtroom.channel.messages import TransportChanged, WorkerLoad
from courtroom.control import archive
from courtroom.control.archive import ArchiveJobs
from courtroom.control.capture import CaptureWriter
from courtroom.control.clock import CourtClock
from courtroom.control.courtroom import CourtroomActor
from courtroom.control.media import Stay
from courtroom.control.places import Places
from courtroom.control.relay import Relay
from courtroom.control.workers import WorkerPool
from courtroom.errors import Unavailable
from courtroom.hearing.commands import SetDevices
from courtroom.hearing.ledger import Entry
from courtroom.store.memory import MemoryLedgers
from tests.hearing.house import NAMES, PLAINTIFF, House

SILENT = {"fact": "heartbeat_silent", "clock": "court"}
DROPPED = {"fact": "socket_dropped", "clock": "court"}
HIDDEN = {"fact": "page_hide", "clock": "client"}
CLEAN = {"fact": "socket_closed_clean", "clock": "court"}


class Page:
    """A signalling session without a socket."""

    def __init__(self, id: str, page: str) -> None:
        self.id = id
        self.page = page
        self.closed = ""

    def push_view(self, view: dict[str, Any]) -> None: ...

    def push_signal(self, signal: dict[str, Any]) -> None: ...

    def close(self, reason: str) -> None:
        self.closed = reason


async def made(pool: WorkerPool, writer: CaptureWriter, archives: ArchiveJobs) -> CourtroomActor:
    house, clock, ledgers = House(), CourtClock(), MemoryLedgers()
    fence = await ledgers.claim("h-test")
    await ledgers.append("h-test", house.entries, fence)
    one = CourtroomActor(
        house.hearing,
        house.entries[-1],
        names=NAMES,
        fence=fence,
        clock=clock,
        ids=house.new_id,
        ledgers=ledgers,
        sign=lambda _: bytes(64),
        key_hex="00" * 32,
        pool=pool,
        writer=writer,
        archives=archives,
        relay=Relay((), ""),
    )
    one.start()
    return one


def court(tmp_path: Path) -> tuple[WorkerPool, CaptureWriter, ArchiveJobs]:
    """What outlives every hearing."""
    clock = CourtClock()
    return (
        WorkerPool(1, clock, 0, ["127.0.0.1"], ""),
        CaptureWriter(clock, tmp_path / "capture.sock", tmp_path),
        ArchiveJobs(tmp_path, tmp_path, tmp_path / "key", None),
    )


@pytest.fixture
async def actor(tmp_path: Path) -> AsyncIterator[CourtroomActor]:
    one = await made(*court(tmp_path))
    yield one
    await one.close()


async def seen_and_heard(actor: CourtroomActor) -> Page:
    page = Page("c-1", "page-1")
    await actor.attach(PLAINTIFF, page)
    actor.media._stays.current[PLAINTIFF] = Stay(PLAINTIFF, "t-1", "courtroom", Places(1))
    return page


async def losses(actor: CourtroomActor) -> list[list[str]]:
    """The facts of each loss of the plaintiff."""
    await actor._inbox.do(actor.tell)  # everything before it has been done
    gone = [entry for entry in await actor.ledger() if entry.type == "seat_disconnected"]
    return [[row["fact"] for row in entry.body["evidence"]] for entry in gone]


def connected(actor: CourtroomActor) -> bool:
    return actor.hearing.seats[PLAINTIFF].connected


async def test_stalled_signalling_is_no_absence_while_pictures_come_in(actor: CourtroomActor) -> None:
    page = await seen_and_heard(actor)
    await actor.detach(PLAINTIFF, page, [SILENT])
    assert connected(actor)
    await actor.attach(PLAINTIFF, Page("c-2", "page-1"))
    assert connected(actor)
    assert await losses(actor) == []


async def test_silence_of_both_is_an_interruption_with_both_facts(actor: CourtroomActor) -> None:
    page = await seen_and_heard(actor)
    await actor.detach(PLAINTIFF, page, [SILENT])
    actor._hear(TransportChanged("t-1", "silent", actor._clock.now(), "", 0, 0, 0))
    assert await losses(actor) == [["heartbeat_silent", "media_silent"]]
    assert not connected(actor)


async def test_media_that_closes_under_a_silent_socket_is_an_interruption(actor: CourtroomActor) -> None:
    page = await seen_and_heard(actor)
    await actor.detach(PLAINTIFF, page, [SILENT])
    actor._hear(TransportChanged("t-1", "closed", actor._clock.now(), "expired", 0, 0, 0))
    assert await losses(actor) == [["heartbeat_silent"]]


async def test_another_page_after_a_silent_one_is_no_second_login(actor: CourtroomActor) -> None:
    page = await seen_and_heard(actor)
    await actor.detach(PLAINTIFF, page, [SILENT])
    await actor.attach(PLAINTIFF, Page("c-2", "page-2"))
    assert await losses(actor) == [["heartbeat_silent"]]
    assert connected(actor)


async def test_a_proxy_that_is_started_anew_interrupts_nobody(actor: CourtroomActor) -> None:
    page = await seen_and_heard(actor)
    await actor.detach(PLAINTIFF, page, [DROPPED])
    assert connected(actor)
    await actor.attach(PLAINTIFF, Page("c-2", "page-1"))
    assert await losses(actor) == []


async def test_a_socket_that_broke_is_an_interruption_when_media_is_silent_too(actor: CourtroomActor) -> None:
    page = await seen_and_heard(actor)
    await actor.detach(PLAINTIFF, page, [DROPPED])
    actor._hear(TransportChanged("t-1", "silent", actor._clock.now(), "", 0, 0, 0))
    assert await losses(actor) == [["socket_dropped", "media_silent"]]


async def test_a_goodbye_is_an_interruption_at_once_whatever_comes_in(actor: CourtroomActor) -> None:
    page = await seen_and_heard(actor)
    await actor.detach(PLAINTIFF, page, [CLEAN])
    assert await losses(actor) == [["socket_closed_clean"]]


async def test_a_page_that_said_goodbye_is_gone_when_its_socket_drops(actor: CourtroomActor) -> None:
    page = await seen_and_heard(actor)
    await actor.note_evidence(PLAINTIFF, [HIDDEN])
    assert connected(actor)
    await actor.detach(PLAINTIFF, page, [DROPPED])
    assert await losses(actor) == [["page_hide", "socket_dropped"]]
    assert actor.hearing.seats[PLAINTIFF].timeline[-1].cause == "closed_page"


async def test_a_goodbye_may_come_after_its_socket_has_dropped(actor: CourtroomActor) -> None:
    page = await seen_and_heard(actor)
    await actor.detach(PLAINTIFF, page, [DROPPED])
    assert connected(actor)
    await actor.note_evidence(PLAINTIFF, [HIDDEN])
    assert await losses(actor) == [["socket_dropped", "page_hide"]]
    assert not connected(actor)


async def test_a_camera_that_works_again_explains_no_loss(actor: CourtroomActor) -> None:
    page = await seen_and_heard(actor)
    await actor.note_evidence(PLAINTIFF, [{"fact": "camera_lost", "at": 1, "clock": "client"}])
    for camera in ("lost", "on"):
        await actor.submit(SetDevices(actor=PLAINTIFF, microphone="on", camera=camera))
    await actor.detach(PLAINTIFF, page, [CLEAN])
    assert await losses(actor) == [["socket_closed_clean"]]


async def test_silence_without_media_is_an_interruption_at_once(actor: CourtroomActor) -> None:
    page = Page("c-1", "page-1")
    await actor.attach(PLAINTIFF, page)
    await actor.detach(PLAINTIFF, page, [SILENT])
    assert await losses(actor) == [["heartbeat_silent"]]


class OverAndDone:
    """A closed hearing whose recording settles at the ``good``-th attempt."""

    id = "h-test"
    hearing: Any = None
    names: Any = None

    def __init__(self, good: int) -> None:
        self.good = good
        self.asked = 0

    async def entries_of(self, *types: str) -> list[Entry]:
        assert types == ("recording_started",)
        return [Entry(self.id, 1, 1, "system", "recording_started", 1, {"take": "take-1"}, "", "")]

    async def head(self) -> Any:
        raise AssertionError("the archive job was begun")

    async def settle_recording(self, take: str) -> None:
        self.asked += 1
        if self.asked < self.good:
            raise Unavailable("process_down")


async def test_nothing_is_archived_before_the_recording_is_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "SETTLE_PAUSES_S", (0.0, 0.0, 0.0))
    jobs = ArchiveJobs(tmp_path, tmp_path, tmp_path / "key", None)
    never, late = OverAndDone(9), OverAndDone(3)
    assert [state.state async for state in jobs.make(never)] == ["queued", "failed"]
    with pytest.raises(AssertionError, match="begun"):
        assert [state.state async for state in jobs.make(late)]
    assert (never.asked, late.asked) == (3, 3)


@pytest.mark.parametrize(
    ("at", "lag", "pending"),
    [
        (10_000_000, 0, True),  # told before anything was asked
        (11_050_000, 0, True),  # a tenth of a second may not have been cut yet
        (11_200_000, 0, False),
        (11_900_000, 850_000, True),  # the oldest batch may hold what was asked for
        (11_900_000, 700_000, False),  # everything that waits came later
    ],
)
def test_only_packets_of_before_are_waited_for(actor: CourtroomActor, at: int, lag: int, pending: bool) -> None:
    class Worker:
        up = True
        deaths = 0
        load = WorkerLoad(at, 0, 0, 0, 0, {}, lag, [], 0)

    actor.media._worker = Worker()  # type: ignore[assignment]
    assert actor.media.capture_pending(11_000_000) is pending
    actor.media._worker = None


async def test_a_hearing_that_was_put_back_is_gone_from_memory(tmp_path: Path) -> None:
    pool, writer, archives = court(tmp_path)
    actor = await made(pool, writer, archives)
    await seen_and_heard(actor)
    await actor.submit(SetDevices(actor=PLAINTIFF, microphone="on", camera="on"))
    actor.media._stays.current.clear()
    actor.media._worker, (worker,) = pool.workers[0], pool.workers
    worker.move_in(actor.media)
    worker.claim_room("h-test/courtroom", actor.media)
    worker.claim_transport("t-1", actor.media)
    await actor.end_media()
    await actor.close()
    assert (worker._tenants, worker._rooms, worker._transports) == ([], {}, {})
    gone = [weakref.ref(one) for one in (actor, actor.media, actor.connections, actor.recording)]
    del actor
    await asyncio.sleep(0)  # the loop still has to tell of its tasks that they are done
    gc.collect()
    assert [ref() for ref in gone] == [None] * 4
