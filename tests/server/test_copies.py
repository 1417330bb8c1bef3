"""Recipients' copies over HTTP: who may order, who sees which, and that every download is on record first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from courtroom.control.api import Archive
from courtroom.control.copies import Copies, CopyJobs, Progress
from tests.server.conftest import Made
from tests.server.court import now


class Bench(CopyJobs):
    """Jobs that write a small file at once, or do not come to an end."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, folder / "mark.key", None, lambda bag: bag / "programme.mp4")
        self.labels: dict[str, str] = {}
        self.fails = 0

    async def make(self, hearing: str, copy: str, bag: Path, label: str) -> AsyncGenerator[Progress]:
        self.labels[copy] = label
        yield Progress(40, 3)
        if self.fails:
            self.fails -= 1
            return
        await asyncio.to_thread(_write, self.file(hearing, copy))
        yield Progress(100, None, "ab" * 32)


def _write(path: Path) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(bytes(range(256)) * 8)


@pytest.fixture
async def sealed(made: Made, tmp_path: Path) -> AsyncIterator[Made]:
    room: Any = made.room
    room.jobs = Bench(tmp_path)
    room.copies = Copies(room, room.jobs, now)
    room.archive = Archive("sealed", 100, None, tmp_path, {})
    yield made
    await room.copies.close()


def url(made: Made, rest: str = "") -> str:
    return f"{made.running.url}/api/v1/hearings/{made.id}/copies{rest}"


async def order(
    made: Made, http: aiohttp.ClientSession, role: str = "plaintiff", by: dict[str, str] | None = None
) -> Any:
    body = {"recipient": made.seats[role]["id"], "purpose": "上诉"}
    async with http.post(url(made), json=body, headers=by or made.running.staff) as answer:
        return answer.status, await answer.json()


async def ready(made: Made, http: aiohttp.ClientSession, copy: str) -> dict[str, Any]:
    room: Any = made.room
    for task in list(room.copies._tasks):
        await task
    async with http.get(url(made, f"/{copy}"), headers=made.running.staff) as answer:
        assert answer.status == 200
        return dict(await answer.json())


def noted(made: Made, what: str) -> list[dict[str, Any]]:
    found = [entry for entry in made.room.entries if entry.type == "archive_noted" and entry.body["what"] == what]
    return [{"actor": entry.actor, **entry.body["detail"]} for entry in found]


async def test_a_copy_is_on_record_before_it_is_made_and_when_it_is(sealed: Made, http: aiohttp.ClientSession) -> None:
    status, told = await order(sealed, http, by=sealed.bearer("clerk"))
    assert (status, set(told)) == (202, {"id", "state"})
    made = await ready(sealed, http, told["id"])
    seat = sealed.seats["plaintiff"]["id"]
    assert made["made_at"] > 0
    assert made == {
        "id": told["id"], "recipient": seat, "purpose": "上诉", "state": "ready", "percent": 100, "eta_s": None,
        "made_at": made["made_at"],
    }  # fmt: skip
    (issued,) = noted(sealed, "copy_issued")
    assert issued["copy"] == told["id"]
    assert (issued["recipient"], issued["purpose"], issued["by"]) == (seat, "上诉", sealed.seats["clerk"]["id"])
    assert noted(sealed, "copy_made")[0]["sha256"] == "ab" * 32
    label = sealed.room.jobs.labels[told["id"]]  # type: ignore[attr-defined]
    assert all(word in label for word in ("王原告示例", "原告", told["id"]))
    assert "王原告示例" not in str([entry.body for entry in sealed.room.entries[1:]])


async def test_a_party_sees_and_downloads_its_own_copy_only(sealed: Made, http: aiohttp.ClientSession) -> None:
    ids = {role: (await order(sealed, http, role))[1]["id"] for role in ("plaintiff", "defendant")}
    await ready(sealed, http, ids["plaintiff"])
    async with http.get(url(sealed), headers=sealed.bearer("plaintiff")) as answer:
        assert [one["id"] for one in (await answer.json())["copies"]] == [ids["plaintiff"]]
    async with http.get(url(sealed), headers=sealed.bearer("presiding_judge")) as answer:
        assert len((await answer.json())["copies"]) == 2
    for rest in (f"/{ids['defendant']}", f"/{ids['defendant']}/file", "/0123456789abcdef", "/nothing"):
        async with http.get(url(sealed, rest), headers=sealed.bearer("plaintiff")) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "not_found")
    assert not noted(sealed, "copy_read")
    async with http.get(url(sealed, f"/{ids['plaintiff']}/file"), headers=sealed.bearer("plaintiff")) as answer:
        assert answer.status == 200
        assert len(await answer.read()) == 2048
        assert "attachment" in answer.headers["Content-Disposition"]
    (read,) = noted(sealed, "copy_read")
    assert (read["copy"], read["reader"]) == (ids["plaintiff"], sealed.seats["plaintiff"]["id"])


async def test_ranges_of_one_player_are_one_download(sealed: Made, http: aiohttp.ClientSession) -> None:
    _, told = await order(sealed, http)
    await ready(sealed, http, told["id"])
    for wanted, lines in (("bytes=100-199", 1), ("bytes=200-", 1), ("bytes=0-99", 2), ("bytes=00-99", 3), ("", 4)):
        headers = {**sealed.bearer("plaintiff"), **({"Range": wanted} if wanted else {})}
        async with http.get(url(sealed, f"/{told['id']}/file"), headers=headers) as answer:
            assert answer.status == (206 if wanted else 200)
        assert len(noted(sealed, "copy_read")) == lines, wanted


@pytest.mark.parametrize("asker", ["witness", "interpreter", "nobody"])
async def test_others_do_not_learn_that_there_are_copies(sealed: Made, http: aiohttp.ClientSession, asker: str) -> None:
    _, told = await order(sealed, http)
    headers = {} if asker == "nobody" else sealed.bearer(asker)
    for rest in ("", f"/{told['id']}", f"/{told['id']}/file"):
        async with http.get(url(sealed, rest), headers=headers) as answer:
            assert answer.status == 404
    async with http.post(url(sealed), json={"recipient": "x", "purpose": "y"}, headers=headers) as answer:
        assert answer.status == 404


async def test_who_may_order_and_for_whom(sealed: Made, http: aiohttp.ClientSession) -> None:
    status, told = await order(sealed, http, by=sealed.bearer("plaintiff"))
    assert (status, told["code"]) == (403, "copy_not_granted")
    for role in ("witness", "interpreter"):
        status, told = await order(sealed, http, role)
        assert (status, told["code"]) == (409, "copy_recipient")
    for body in ({"recipient": "s-nobody", "purpose": "x"}, {"recipient": "s", "purpose": " "}, {"purpose": "x"}, []):
        async with http.post(url(sealed), json=body, headers=sealed.running.staff) as answer:
            assert (answer.status, (await answer.json())["code"]) == (400, "bad_body")
    assert not noted(sealed, "copy_issued")


async def test_before_the_seal_there_are_no_copies(made: Made, http: aiohttp.ClientSession, tmp_path: Path) -> None:
    room: Any = made.room
    room.copies = Copies(room, Bench(tmp_path), now)
    status, told = await order(made, http)
    assert (status, told["code"]) == (404, "no_archive")


async def test_who_was_removed_gets_no_copy(http: aiohttp.ClientSession, sealed: Made) -> None:
    _, told = await order(sealed, http)
    await ready(sealed, http, told["id"])
    room: Any = sealed.room
    seat = sealed.seats["plaintiff"]["id"]
    room._hearing = replace(
        room.hearing, seats={**room.hearing.seats, seat: replace(room.hearing.seats[seat], removed=True)}
    )
    async with http.get(url(sealed, f"/{told['id']}/file"), headers=sealed.bearer("plaintiff")) as answer:
        assert answer.status == 404
    assert (await order(sealed, http))[1]["code"] == "copy_recipient"


async def test_the_same_order_twice_is_one_copy_and_a_failure_is_tried_again(
    sealed: Made, http: aiohttp.ClientSession
) -> None:
    jobs: Any = sealed.room.jobs  # type: ignore[attr-defined]
    async with jobs.one_at_a_time:  # nothing begins while somebody else's copy is being made
        first, second = await order(sealed, http), await order(sealed, http)
        assert first[1] == second[1] == {"id": first[1]["id"], "state": "queued"}
        async with http.get(url(sealed, f"/{first[1]['id']}/file"), headers=sealed.running.staff) as answer:
            assert (answer.status, (await answer.json())["code"]) == (409, "copy_not_ready")
        jobs.fails = 1
    assert (await ready(sealed, http, first[1]["id"]))["state"] == "ready"
    jobs.fails = 2
    _, told = await order(sealed, http, "defendant")
    assert (await ready(sealed, http, told["id"]))["state"] == "failed"


async def test_after_a_restart_the_ledger_is_the_list(
    sealed: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    room: Any = sealed.room
    _, kept = await order(sealed, http)
    _, gone = await order(sealed, http, "defendant")
    await ready(sealed, http, gone["id"])
    await asyncio.to_thread(room.jobs.file(sealed.id, gone["id"]).unlink)
    labels = dict(room.jobs.labels)
    await room.copies.close()
    room.jobs = Bench(tmp_path)
    room.copies = Copies(room, room.jobs, now)
    await room.copies.resume()
    states = {copy.id: copy.state for copy in room.copies.listed()}
    assert states == {kept["id"]: "ready", gone["id"]: "queued"}
    assert (await ready(sealed, http, gone["id"]))["state"] == "ready"
    assert room.jobs.labels == {gone["id"]: labels[gone["id"]]}, "the same marks, of the same time"
