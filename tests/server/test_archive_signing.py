"""The integrity value as a party and its clerk meet it over HTTP, the explanation, the list of reads (COURT.md 7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from courtroom.control.api import Archive
from courtroom.hearing import commands as c
from courtroom.hearing.signing import digest_of, seal_detail, sheet_of
from tests.hearing.house import STROKE
from tests.server.conftest import Made, make
from tests.server.court import Running
from tests.server.test_pages import joined

HTML = {"Accept": "text/html"}
SEAL: dict[str, Any] = {
    "root_sha256": "a1" * 32, "root_sm3": "b2" * 32, "signature_key": "c3" * 32, "started_at": 1_000_000,
    "ended_at": 62_000_000, "duration_us": 61_000_000, "phases": [{"at": 0, "phase": "open"}],
    "gaps": [{"from_at": 2_000_000, "to_at": 3_000_000, "reason": "recess", "kind": "lawful", "by": "", "seq": 3}],
}  # fmt: skip
FAULT = {"from_at": 5_000_000, "to_at": 9_000_000, "reason": "writer", "kind": "fault", "by": "system", "seq": 0}


async def sealed(made: Made, tmp_path: Path, **changes: Any) -> str:
    """Opens, closes and seals; the digest of what is to be signed."""
    room, judge = made.room, made.seats["presiding_judge"]["id"]
    for one in made.seats.values():
        await room.submit(c.ObserveArrival(seat=one["id"], connection=f"c-{one['id']}"))
    await room.submit(c.OpenHearing(actor=judge))
    await room.submit(c.ObserveCapture(what="defect", detail={"code": "disk_full", "at": 4_000_000}))
    await room.submit(c.ObserveCapture(what="resumed", detail={"code": "disk_full", "at": 5_000_000}))
    await room.submit(c.CloseHearing(actor=judge))
    seal = {**SEAL, **changes}
    room.archive = Archive("sealed", 100, None, tmp_path / "bag", seal)
    await room.submit(c.ObserveArchive(what="sealed", detail=seal_detail(room.id, seal)))
    return digest_of(sheet_of(room.id, seal))


def at(made: Made, path: str) -> str:
    return f"{made.running.url}/api/v1/hearings/{made.id}{path}"


async def test_a_party_signs_and_the_head_of_the_ledger_is_signed_with_it(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    digest = await sealed(made, tmp_path)
    party = made.bearer("plaintiff")
    async with http.get(at(made, "/signatures"), headers=party) as answer:
        shown = await answer.json()
    assert (shown["digest"], shown["sheet"]["root_sm3"]) == (digest, "b2" * 32)
    assert [row["seat"] for row in shown["signatures"]] == [made.seats["plaintiff"]["id"]], "its own answer alone"
    body = {"sheet": digest, "name": " 王原告 示例 ", "stroke": STROKE}
    async with http.post(at(made, "/signatures"), json=body, headers=party) as answer:
        assert answer.status == 201, await answer.text()
        said = await answer.json()
    assert said["seq"] == said["head"]["seq"] == made.room.entries[-1].seq
    assert said["head"]["hash"] == made.room.entries[-1].hash
    entry = made.room.entries[-1]
    assert (entry.type, entry.body["sheet"], entry.body["stroke"]) == ("recording_signed", digest, STROKE)
    assert "王原告示例" not in str(entry.body), "no name in the ledger"
    async with http.post(at(made, "/signatures"), json=body, headers=party) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "already_so")
    async with http.get(at(made, "/signatures"), headers=made.running.staff) as answer:
        rows = {row["role"]: row for row in (await answer.json())["signatures"]}
    assert (rows["plaintiff"]["outcome"], rows["defendant"]["outcome"]) == ("signed", "")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"name": "别人"}, 400, "name_differs"), ({"name": ""}, 400, "name_differs"),
        ({"sheet": "00" * 32}, 409, "not_what_was_sealed"), ({"sheet": "x"}, 400, "bad_body"),
        ({"stroke": "<svg>"}, 400, "bad_stroke"), ({"stroke": "M1 1" * 3000}, 400, "bad_body"),
        ({"more": 1}, 400, "bad_body"),
        ({"seat": "s-unknown", "outcome": "absent", "refuse": "无"}, 409, "not_allowed"),
    ],
)  # fmt: skip
async def test_what_is_no_signature_is_refused_and_leaves_no_trace(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path, change: dict[str, Any], status: int, code: str
) -> None:
    digest = await sealed(made, tmp_path)
    before = len(made.room.entries)
    body = {"sheet": digest, "name": "王原告示例", "stroke": STROKE, **change}
    async with http.post(at(made, "/signatures"), json=body, headers=made.bearer("plaintiff")) as answer:
        assert (answer.status, (await answer.json())["code"]) == (status, code)
    assert len(made.room.entries) == before


async def test_nobody_else_learns_anything_of_it(made: Made, http: aiohttp.ClientSession, tmp_path: Path) -> None:
    await sealed(made, tmp_path, gaps=[FAULT])
    other = await make(made.running, http)
    for headers in ({}, made.bearer("witness"), made.bearer("interpreter"), other.bearer("plaintiff")):
        for path in ("/signatures", "/explanation", "/accesses", "/archive/speakers", "/isolation"):
            async with http.get(at(made, path), headers=headers) as answer:
                assert answer.status == 404, path
        async with http.post(at(made, "/signatures"), json={"refuse": "无"}, headers=headers) as answer:
            assert answer.status == 404
    for path in ("/explanation", "/accesses", "/archive/speakers", "/isolation"):
        async with http.get(at(made, path), headers=made.bearer("plaintiff")) as answer:
            assert answer.status == 404, path


async def test_refusal_and_the_clerks_note_are_on_record(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    digest = await sealed(made, tmp_path)
    async with http.post(
        at(made, "/signatures"), json={"sheet": digest, "refuse": "有异议"}, headers=made.bearer("plaintiff")
    ) as answer:
        assert answer.status == 201
    note = {"seat": made.seats["defendant"]["id"], "outcome": "absent", "refuse": "三次电话无人接听"}
    async with http.post(at(made, "/signatures"), json=note, headers=made.bearer("presiding_judge")) as answer:
        assert (await answer.json())["code"] == "not_allowed"
    async with http.post(at(made, "/signatures"), json=note, headers=made.bearer("clerk")) as answer:
        assert answer.status == 201
    async with http.get(at(made, "/signatures"), headers=made.bearer("clerk")) as answer:
        rows = {row["role"]: row for row in (await answer.json())["signatures"]}
    assert (rows["plaintiff"]["outcome"], rows["plaintiff"]["reason"]) == ("refused", "有异议")
    assert (rows["defendant"]["outcome"], rows["defendant"]["recorded_by"]) == ("absent", made.seats["clerk"]["id"])


async def test_a_seal_that_is_not_what_the_ledger_noted_cannot_be_signed(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await sealed(made, tmp_path)
    made.room.archive = Archive("sealed", 100, None, tmp_path / "bag", {**SEAL, "duration_us": 1})
    party = made.bearer("plaintiff")
    async with http.get(at(made, "/signatures"), headers=party) as answer:
        digest = (await answer.json())["digest"]
    body = {"sheet": digest, "name": "王原告示例", "stroke": STROKE}
    async with http.post(at(made, "/signatures"), json=body, headers=party) as answer:
        assert (await answer.json())["code"] == "not_what_was_sealed"


async def test_the_presiding_judge_signs_the_explanation_that_was_read(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await sealed(made, tmp_path, gaps=[*SEAL["gaps"], FAULT])
    judge = made.bearer("presiding_judge")
    async with http.get(at(made, "/explanation"), headers=judge) as answer:
        shown = await answer.json()
    assert [line["reason"] for line in shown["draft"]["missing"]] == ["writer"]
    assert shown["draft"]["missing_us"] == 4_000_000
    assert [line["code"] for line in shown["draft"]["reports"]] == ["disk_full"]
    body = {"digest": shown["digest"], "name": "周示范", "stroke": STROKE, "remark": "原始录制完整保存。"}
    async with http.post(at(made, "/explanation"), json={**body, "digest": "00" * 32}, headers=judge) as answer:
        assert (await answer.json())["code"] == "not_what_was_sealed"
    async with http.post(
        at(made, "/explanation"), json={**body, "name": "吴示例"}, headers=made.bearer("clerk")
    ) as answer:
        assert (await answer.json())["code"] == "not_allowed"
    async with http.post(at(made, "/explanation"), json=body, headers=judge) as answer:
        assert answer.status == 201, await answer.text()
    async with http.get(at(made, "/explanation"), headers=judge) as answer:
        after = await answer.json()
    assert (after["signed"], after["signed_digest"]) == (True, shown["digest"])
    assert after["digest"] == shown["digest"], "a draft does not change after the seal"
    async with http.get(at(made, "/archive"), headers=judge) as answer:
        assert (await answer.json())["seal_state"] == "explained"


async def test_a_recording_without_defect_has_nothing_to_explain(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    room, judge = made.room, made.seats["presiding_judge"]["id"]
    await room.submit(c.ObserveArrival(seat=judge, connection="c-1"))
    await room.submit(c.OpenHearing(actor=judge))
    await room.submit(c.CloseHearing(actor=judge))
    room.archive = Archive("sealed", 100, None, tmp_path / "bag", SEAL)
    await room.submit(c.ObserveArchive(what="sealed", detail=seal_detail(room.id, SEAL)))
    async with http.get(at(made, "/explanation"), headers=made.running.staff) as answer:
        assert (await answer.json())["draft"] is None
    body = {"digest": "00" * 32, "name": "周示范", "stroke": STROKE}
    async with http.post(at(made, "/explanation"), json=body, headers=made.bearer("presiding_judge")) as answer:
        assert (await answer.json())["code"] == "nothing_to_explain"


async def test_every_read_is_listed_for_staff_and_desk(made: Made, http: aiohttp.ClientSession, tmp_path: Path) -> None:
    await sealed(made, tmp_path)
    clerk = made.seats["clerk"]["id"]
    await made.room.submit(c.ObserveArchive(what="read", detail={"reader": clerk, "what": "programme"}))
    await made.room.submit(c.ObserveArchive(what="read", detail={"reader": "staff", "what": "programme"}))
    for headers in (made.running.staff, made.bearer("clerk")):
        async with http.get(at(made, "/accesses"), headers=headers) as answer:
            rows = (await answer.json())["accesses"]
        assert [(row["reader"], row["name"]) for row in rows] == [("staff", ""), (clerk, "吴示例")]


async def test_reading_a_proof_stands_among_the_reads_with_whose_it_is(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    plaintiff, judge = made.seats["plaintiff"]["id"], made.seats["presiding_judge"]["id"]
    await made.room.submit(c.ObserveArrival(seat=plaintiff, connection="c-1"))
    await made.room.submit(c.ObserveAttachment(seat=plaintiff, sha256="ab" * 32, size=9, kind="png"))
    await made.room.submit(c.ObserveAttachmentRead(seat=plaintiff, sha256="ab" * 32, reader=judge))
    await sealed(made, tmp_path)
    async with http.get(at(made, "/accesses"), headers=made.running.staff) as answer:
        (row,) = (await answer.json())["accesses"]
    assert (row["what"], row["reader"], row["title"], row["name"]) == ("attachment_read", judge, "sole_judge", "周示范")
    assert (row["of"]["seat"], row["of"]["title"]) == (plaintiff, "plaintiff")


async def test_verifying_is_bounded(made: Made, http: aiohttp.ClientSession, tmp_path: Path) -> None:
    await sealed(made, tmp_path)
    codes = []
    for _ in range(7):
        async with http.post(at(made, "/archive/verify"), headers=made.running.staff) as answer:
            codes.append(answer.status)
    assert codes[0] == 200
    assert codes[-1] == 429


async def test_the_signing_page_is_for_the_party_alone(
    made: Made, running: Running, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    _, plaintiff = await joined(made, http, "plaintiff")
    _, witness = await joined(made, http, "witness")
    _, clerk = await joined(made, http, "clerk")
    url = f"{running.url}/h/{made.id}/sign?seat="

    async def look(role: str, pair: str) -> tuple[int, str]:
        headers = {"Cookie": pair, **HTML}
        async with http.get(url + made.seats[role]["id"], headers=headers, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location", "") or await answer.text()

    status, text = await look("plaintiff", plaintiff)
    assert (status, "a1a1" in text) == (200, False)
    await sealed(made, tmp_path)
    status, text = await look("plaintiff", plaintiff)
    assert (status, "a1a1" in text) == (200, True)
    path, _ = await joined(made, http, "plaintiff")
    assert path == f"/h/{made.id}/sign?seat={made.seats['plaintiff']['id']}", "the summons now leads here"
    path, _ = await joined(made, http, "witness")
    assert path.startswith(f"/w/{made.id}?seat=")
    _, witness = await joined(made, http, "witness")
    _, plaintiff = await joined(made, http, "plaintiff")
    assert (await look("witness", witness))[0] == 404
    assert (await look("plaintiff", witness))[0] == 404
    assert await look("clerk", clerk) == (303, f"/archive/{made.id}?seat={made.seats['clerk']['id']}")


async def test_the_list_is_searched_by_words_and_by_seal(
    made: Made, running: Running, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await sealed(made, tmp_path)
    async with http.post(
        f"{running.url}/staff", data={"token": running.staff["Authorization"].split()[1]}, allow_redirects=False
    ) as answer:
        staff = answer.headers["Set-Cookie"].split(";")[0]
    wanted = {
        "": True, "?q=买卖": True, "?q=示范0101": True, "?q=离婚": False, "?seal=unexplained": True,
        "?seal=intact": False, "?seal=nonsense": True, "?q=买卖&seal=failed": False, "?q=" + "x" * 5000: False,
    }  # fmt: skip
    for query, found in wanted.items():
        async with http.get(f"{running.url}/archive{query}", headers={"Cookie": staff, **HTML}) as answer:
            assert answer.status == 200, query
            assert (made.id in await answer.text()) is found, query


async def test_the_bench_reads_the_certificates_given_at_dismissals(made: Made, http: aiohttp.ClientSession) -> None:
    counted: dict[str, str | int] = {"seat": made.seats["witness"]["id"], "packets_outside": 0, "holds": 1}
    seq = await made.room.submit(c.ObserveCapture(what="isolation", detail=counted))
    await made.room.submit(c.ObserveCapture(what="alarm", detail={"code": "disk_low", "at": 1}))
    async with http.get(at(made, "/isolation"), headers=made.bearer("clerk")) as answer:
        (told,) = (await answer.json())["certificates"]
    assert told == {"seq": seq, "at": made.room.entries[seq - 1].at, **counted}
