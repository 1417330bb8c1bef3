"""``POST …/journal``: chains are verified, kept and weighed; whatever is wrong with one is a fact."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import aiohttp
import pytest

from courtroom.hearing.commands import ObserveArrival, ObserveLoss
from courtroom.hearing.model import Spell
from courtroom.server.journal import MAX_UPLOADS
from courtroom.server.limits import Limits, Rate
from courtroom.store.memory import MemoryRegistry
from tests.server.conftest import Made, make
from tests.server.court import now, serving, settings
from tests.server.journals import Writer

S = 1_000_000


@pytest.fixture
async def gap(made: Made) -> Spell:
    """The plaintiff was away: a dropped socket and a return."""
    seat = made.seats["plaintiff"]["id"]
    await made.room.submit(ObserveArrival(seat=made.seats["presiding_judge"]["id"], connection="c-0"))
    await made.room.submit(ObserveArrival(seat=seat, connection="c-1"))
    dropped = {"fact": "socket_dropped", "at": now(), "clock": "court"}
    await made.room.submit(ObserveLoss(seat=seat, connection="c-1", evidence=(dropped,)))
    await made.room.submit(ObserveArrival(seat=seat, connection="c-2"))
    return spells(made)[0]


def spells(made: Made) -> list[Spell]:
    return [one for one in made.room.hearing.seats[made.seats["plaintiff"]["id"]].timeline if one.cause is not None]


async def send(
    made: Made, http: aiohttp.ClientSession, body: Any, role: str = "plaintiff", status: int = 200
) -> dict[str, Any]:
    path = f"{made.running.url}/api/v1/hearings/{made.id}/journal"
    async with http.post(path, json=body, headers=made.bearer(role)) as answer:
        assert answer.status == status, await answer.text()
        told: dict[str, Any] = await answer.json()
        return told


def writer(made: Made, offset_ms: int = 0) -> Writer:
    return Writer(made.id, made.seats["plaintiff"]["id"], now() - 600 * S, offset_ms)


def noted(made: Made) -> list[str]:
    return [entry.body["what"] for entry in made.room.entries if entry.type == "journal_noted"]


async def test_an_empty_upload_tells_the_time(made: Made, http: aiohttp.ClientSession) -> None:
    before = now()
    told = await send(made, http, {**writer(made).body(), "entries": []})
    assert (told["acked"], told["state"]) == (0, "ok")
    assert before <= told["t1"] <= told["t2"] <= now()


async def test_facts_reach_the_interruption_they_belong_to(made: Made, http: aiohttp.ClientSession, gap: Spell) -> None:
    journal = writer(made, offset_ms=3_600_000)  # a clock that is an hour ahead
    journal.write("begun", gap.since - 300 * S, store="kept", before="", before_n=0, before_hash="")
    journal.write("offline", gap.since - 200 * S)  # long before: another matter
    journal.write("offline", gap.since - 3 * S)
    journal.write("sleep", gap.since + S, ms=3000, hidden=0)
    exchanges = [journal.exchange(now() - k * S) for k in range(4)]
    told = await send(made, http, journal.body(clock=exchanges))
    assert told["acked"] == 4
    (spell,) = spells(made)
    rows = [row for row in spell.evidence if row["clock"] == "client"]
    assert [row["fact"] for row in rows] == ["client_offline", "client_slept"]
    assert rows[0]["at"] == gap.since // 1000 * 1000 - 3 * S + 3600 * S
    assert abs(int(rows[0]["court_at"]) - (gap.since - 3 * S)) <= int(rows[0]["error_us"])
    assert spell.cause == "power_suspected"
    assert noted(made) == ["kept"]


async def test_facts_reach_an_earlier_interruption_than_the_last(
    made: Made, http: aiohttp.ClientSession, gap: Spell
) -> None:
    seat = made.seats["plaintiff"]["id"]
    journal = writer(made)
    journal.write("offline", gap.since)
    far = Spell(gap.state, gap.since + 900 * S, gap.since + 901 * S, gap.cause, gap.evidence, seq=10_000)
    state = made.room.hearing.seats[seat]
    object.__setattr__(state, "timeline", (*state.timeline, far))
    await send(made, http, journal.body(clock=[journal.exchange(now())]))
    first, last = spells(made)
    assert [row["fact"] for row in first.evidence if row["clock"] == "client"] == ["client_offline"]
    assert last.evidence == far.evidence


async def test_without_an_exchange_of_clocks_nothing_is_weighed(
    made: Made, http: aiohttp.ClientSession, gap: Spell
) -> None:
    journal = writer(made)
    journal.write("offline", gap.since)
    assert (await send(made, http, journal.body()))["acked"] == 1
    assert spells(made)[0].evidence == gap.evidence


async def test_no_word_of_a_client_makes_a_leaving_deliberate(
    made: Made, http: aiohttp.ClientSession, gap: Spell
) -> None:
    journal = writer(made)
    for kind in ("leave", "leave_click", "hung_up", "pagehide", "worker_died", "removed", "second_login"):
        journal.write(kind, gap.since)
    await send(made, http, journal.body(clock=[journal.exchange(now())]))
    (spell,) = spells(made)
    assert spell.cause not in ("left_deliberately", "platform_failure", "removed_by_court")
    assert [row["fact"] for row in spell.evidence if row["clock"] == "client"] == ["page_hide"]


async def test_uploads_continue_where_the_last_one_ended(made: Made, http: aiohttp.ClientSession) -> None:
    journal = writer(made)
    for _ in range(5):
        journal.write("online", now())
    assert (await send(made, http, journal.body()))["acked"] == 5
    journal.write("offline", now())
    assert (await send(made, http, journal.body(after=3)))["acked"] == 6  # an answer was lost: two come again
    assert noted(made) == []
    path = f"{made.running.url}/api/v1/hearings/{made.id}/journal/{made.seats['plaintiff']['id']}"
    async with http.get(path, headers=made.running.staff) as answer:
        kept = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert [line["n"] for line in kept] == [1, 2, 3, 4, 5, 6]
    async with http.get(path, headers=made.bearer("plaintiff")) as answer:
        assert answer.status == 404


async def test_a_changed_entry_is_noted_and_its_chain_ends(made: Made, http: aiohttp.ClientSession, gap: Spell) -> None:
    journal = writer(made)
    for kind in ("online", "offline", "online"):
        journal.write(kind, gap.since)
    body = copy.deepcopy(journal.body(clock=[journal.exchange(now())]))
    body["entries"][1]["detail"] = {"type": "wifi"}
    told = await send(made, http, body)
    assert (told["acked"], told["state"]) == (1, "broken")
    assert noted(made) == ["rewritten", "kept"]  # entry 1 holds and counts
    assert (await send(made, http, journal.body()))["state"] == "broken"


async def test_a_chain_rewritten_from_an_acknowledged_entry_is_noted(made: Made, http: aiohttp.ClientSession) -> None:
    journal, other = writer(made), writer(made)
    other.chain, other.hash, other.first = journal.chain, journal.first, journal.first
    journal.write("offline", now())
    other.write("online", now())
    await send(made, http, journal.body())
    other.write("online", now())
    assert (await send(made, http, other.body()))["state"] == "broken"
    assert noted(made) == ["rewritten"]


async def test_missing_entries_are_counted(made: Made, http: aiohttp.ClientSession) -> None:
    journal = writer(made)
    for _ in range(9):
        journal.write("online", now())
    assert (await send(made, http, journal.body(keep=6)))["acked"] == 9
    (entry,) = [entry for entry in made.room.entries if entry.type == "journal_noted"]
    assert entry.body["what"] == "missing"
    assert entry.body["detail"]["count"] == 6


async def test_a_new_page_names_the_page_before_it(made: Made, http: aiohttp.ClientSession) -> None:
    first, second, third = writer(made), writer(made), writer(made)
    first.write("begun", now(), before="", before_n=0, before_hash="", store="kept")
    first.write("pagehide", now())
    await send(made, http, first.body())
    second.write("begun", now(), before=first.chain, before_n=2, before_hash=first.hash, store="kept")
    await send(made, http, second.body())
    assert noted(made) == []
    third.write("begun", now(), before="", before_n=0, before_hash="", store="memory")
    await send(made, http, third.body())
    assert noted(made) == ["restarted"]


async def test_a_page_that_shortens_the_page_before_it_is_noted(made: Made, http: aiohttp.ClientSession) -> None:
    first, second = writer(made), writer(made)
    first.write("begun", now(), before="", before_n=0, before_hash="", store="kept")
    await send(made, http, first.body())
    second.write("begun", now(), before=first.chain, before_n=1, before_hash="0" * 64, store="kept")
    await send(made, http, second.body())
    assert noted(made) == ["restarted"]


async def test_a_clock_set_back_while_the_page_ran(made: Made, http: aiohttp.ClientSession) -> None:
    journal = writer(made)
    journal.write("online", now())
    journal.began_ms -= 900_000
    journal.offset_ms = -900_000
    journal.write("online", now() + S)
    await send(made, http, journal.body())
    assert noted(made) == ["stepped"]


async def test_a_journal_is_of_one_seat(made: Made, http: aiohttp.ClientSession) -> None:
    journal = writer(made)
    journal.write("offline", now())
    told = await send(made, http, journal.body(), role="defendant")
    assert (told["acked"], told["state"]) == (0, "broken")


@pytest.mark.parametrize(
    "wrong",
    [
        {"chain": "x"}, {"entries": [{"n": 1}]}, {"base": {"n": -1, "hash": ""}}, {"clock": [[1, 2, 3]]}, {"more": 1},
        {"entries": [{"n": 1, "at": 1.5, "up": 0, "kind": "a", "detail": {}, "hash": "0" * 64}]},
        {"entries": [{"n": 1, "at": 1, "up": 0, "kind": "a", "detail": {"x": []}, "hash": "0" * 64}]},
        {"entries": [{"n": 1, "at": 1, "up": 0, "kind": "Ä", "detail": {}, "hash": "0" * 64}]},
    ],
)  # fmt: skip
async def test_what_is_no_journal_is_refused(made: Made, http: aiohttp.ClientSession, wrong: dict[str, Any]) -> None:
    await send(made, http, {**writer(made).body(), **wrong}, status=400)


async def test_uploads_are_bounded(tmp_path: Any, http: aiohttp.ClientSession) -> None:
    limits = Limits(journal=Rate(0.001, 3), journal_entries=4)
    async with serving(settings(tmp_path), limits) as running:
        made = await make(running, http)
        journal = writer(made)
        for _ in range(6):
            journal.write("online", now())
        await send(made, http, {**journal.body(), "entries": journal.entries[:5]})
        assert (await send(made, http, journal.body(after=5), status=409))["code"] == "journal_full"
        await send(made, http, {**journal.body(), "entries": []})
        assert (await send(made, http, {**journal.body(), "entries": []}, status=429))["code"] == "too_fast"


async def test_an_upload_waits_for_the_one_its_browser_gave_up(
    made: Made, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, kept = asyncio.Event(), MemoryRegistry.add_journal

    async def slow(*words: Any) -> None:
        await disk.wait()
        await kept(*words)

    monkeypatch.setattr(MemoryRegistry, "add_journal", slow)
    journal = writer(made)
    journal.write("online", now())
    path = f"{made.running.url}/api/v1/hearings/{made.id}/journal"

    async def upload() -> tuple[int, dict[str, Any]]:
        async with http.post(path, json=journal.body(), headers=made.bearer("plaintiff")) as answer:
            return answer.status, await answer.json()

    uploads = [asyncio.create_task(upload()) for _ in range(MAX_UPLOADS + 1)]
    (first,), rest = await asyncio.wait(uploads, return_when=asyncio.FIRST_COMPLETED)
    status, told = first.result()
    assert (status, told["code"]) == (429, "too_fast"), "no more than so many wait"
    disk.set()
    assert [(status, told["acked"]) for status, told in await asyncio.gather(*rest)] == [(200, 1)] * MAX_UPLOADS
    assert noted(made) == [], "the same entry again is nothing to be noted"
