"""The papers about an absence, over HTTP: who gets them, and that they are what the ledger says."""

from __future__ import annotations

from typing import Any

import aiohttp
import pypdfium2
import pytest

from courtroom.control.api import Archive
from courtroom.documents.law import rule_table
from courtroom.hearing import commands as c
from courtroom.hearing import drafts, service
from courtroom.server.schemas import check_passed
from tests.server.conftest import Made, make
from tests.server.court import Running, body


async def absent(made: Made) -> str:
    """Judge and clerk in court, the hearing open, the defendant never came and was prompted by telephone."""
    room = made.room
    judge, clerk = made.seats["presiding_judge"]["id"], made.seats["clerk"]["id"]
    for seat in (judge, clerk):
        await room.submit(c.ObserveArrival(seat=seat, connection=f"x-{seat}"))
    await room.submit(c.OpenHearing(actor=judge))
    defendant: str = made.seats["defendant"]["id"]
    await room.submit(c.Prompt(actor=clerk, seat=defendant, note="电话告知本人"))
    return defendant


def urls(made: Made, seat: str) -> list[str]:
    base = f"{made.running.url}/api/v1/hearings/{made.id}"
    return [f"{base}/seats/{seat}/absence", f"{base}/seats/{seat}/absence.pdf?lang=en", f"{base}/fairness"]


async def test_the_json_is_the_draft_that_the_ledger_gives(made: Made, http: aiohttp.ClientSession) -> None:
    seat = await absent(made)
    async with http.get(urls(made, seat)[0], headers=made.bearer("presiding_judge")) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert answer.headers["Cache-Control"] == "no-store"
        told = await answer.json()
    made_here = drafts.draft(made.room.entries[: told["seq"]], seat, rule_table())
    assert told["digest"] == drafts.digest(made_here)
    assert told["head"]["seq"] == told["seq"]
    assert told["draft"]["first_line"]["code"] == "missing"
    assert "摘要" not in told["texts"]["zh"]["first_line"]
    assert told["name"] == "郑样例"


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_the_pdf_has_two_pages(made: Made, http: aiohttp.ClientSession, lang: str) -> None:
    seat = await absent(made)
    url = f"{made.running.url}/api/v1/hearings/{made.id}/seats/{seat}/absence.pdf?lang={lang}"
    async with http.get(url, headers=made.running.staff) as answer:
        assert (answer.status, answer.content_type) == (200, "application/pdf")
        assert "郑" not in answer.headers["Content-Disposition"]
        content = await answer.read()
    document = pypdfium2.PdfDocument(content)
    assert len(document) == 2
    assert "郑样例" in document[0].get_textpage().get_text_bounded()
    document.close()


async def test_the_fairness_report_counts_what_the_absent_missed(made: Made, http: aiohttp.ClientSession) -> None:
    seat = await absent(made)
    async with http.get(urls(made, seat)[2], headers=made.bearer("clerk")) as answer:
        told = await answer.json()
    row = next(one for one in told["parties"] if one["seat"] == seat)
    assert row["missed_us"] == told["open_us"]
    assert row["prompts"] == 1


async def test_what_was_missed_leads_to_the_second_of_the_film_once_there_is_one(
    made: Made, http: aiohttp.ClientSession
) -> None:
    await absent(made)
    seat = made.seats["plaintiff"]["id"]
    await made.room.submit(c.ObserveArrival(seat=seat, connection="x"))  # waits, while the court sits
    await made.room.submit(c.Recess(actor=made.seats["presiding_judge"]["id"]))

    async def asked(headers: dict[str, str]) -> dict[str, Any]:
        async with http.get(urls(made, seat)[2], headers=headers) as answer:
            row = next(one for one in (await answer.json())["parties"] if one["seat"] == seat)
        last: dict[str, Any] = row["missed"][-1]
        return last

    before = await asked(made.bearer("clerk"))
    assert (before["film_us"], before["url"]) == (None, None)
    started = next(one.at for one in made.room.entries if one.type == "recording_started")
    parts = [{"kind": "live", "court_at": started, "first_frame": 250, "frames": 90_000}]
    made.room.archive = Archive("sealed", 100, None, None, {"programme": {"fps": 25, "parts": parts}})
    clerk = made.seats["clerk"]["id"]
    assert (await asked(made.bearer("clerk")))["url"] == f"/archive/{made.id}?seat={clerk}#t=10"
    assert (await asked(made.running.staff))["url"] == f"/archive/{made.id}#t=10"


async def test_a_hearing_is_ordered_with_what_is_known_of_claims(running: Running, http: aiohttp.ClientSession) -> None:
    judge = {"role": "presiding_judge", "name": "周示范"}
    third = {"role": "third_party", "name": "丁样例", "claims": {"independent_claim": False}}
    plaintiff = {"role": "plaintiff", "name": "王样例", "claims": {"counterclaim": True, "withdrawal_refused": None}}
    made = await make(running, http, seats=[judge, third, plaintiff])
    known = {
        role: service.claims(made.room.hearing.seats[made.seats[role]["id"]]) for role in ("third_party", "plaintiff")
    }
    assert known == {"third_party": {"independent_claim": False}, "plaintiff": {"counterclaim": True}}
    for claims in ({"counterclaim": True}, {"independent_claim": 1}, {"x": True}, []):
        wrong = body(seats=[judge, {**third, "claims": claims}])
        async with http.post(f"{running.url}/api/v1/hearings", json=wrong, headers=running.staff) as answer:
            assert (answer.status, (await answer.json())["code"]) == (400, "bad_body")


@pytest.mark.parametrize("role", ["plaintiff", "defendant", "witness", "interpreter"])
async def test_papers_are_for_staff_bench_and_clerk_alone(made: Made, http: aiohttp.ClientSession, role: str) -> None:
    seat = await absent(made)
    await made.room.submit(c.ObserveArrival(seat=made.seats[role]["id"], connection="x"))
    for url in urls(made, seat):
        for headers in (made.bearer(role), {}, {"Authorization": "Bearer wrong"}):
            async with http.get(url, headers=headers) as answer:
                assert (answer.status, (await answer.json())["code"]) == (404, "not_found")


async def test_the_bench_of_another_hearing_is_a_stranger(
    made: Made, running: Running, http: aiohttp.ClientSession
) -> None:
    seat = await absent(made)
    other = await make(running, http)
    await absent(other)
    for url in urls(made, seat):
        async with http.get(url, headers=other.bearer("presiding_judge")) as answer:
            assert answer.status == 404


@pytest.mark.parametrize("seat", ["s-unknown", "..%2f..", "%00", "x" * 300])
async def test_an_unknown_seat_is_not_found(made: Made, http: aiohttp.ClientSession, seat: str) -> None:
    await absent(made)
    for url in urls(made, seat)[:2]:
        async with http.get(url, headers=made.running.staff) as answer:
            assert answer.status == 404


async def test_a_language_we_do_not_write_is_refused(made: Made, http: aiohttp.ClientSession) -> None:
    seat = await absent(made)
    url = f"{made.running.url}/api/v1/hearings/{made.id}/seats/{seat}/absence.pdf?lang=fr"
    async with http.get(url, headers=made.running.staff) as answer:
        assert answer.status == 400


async def test_a_device_check_is_a_fact_of_the_ledger(made: Made, http: aiohttp.ClientSession) -> None:
    url = f"{made.running.url}/api/v1/hearings/{made.id}/check"
    for camera, passed in (("lost", False), ("on", True)):
        async with http.post(
            url, json={"camera": camera, "microphone": "on"}, headers=made.bearer("defendant")
        ) as answer:
            assert answer.status == 204
        entry = made.room.entries[-1]
        assert (entry.type, entry.body["passed"]) == ("self_test_noted", passed)
    assert check_passed('{"camera":"on"}') is False


async def test_a_hearing_is_ordered_with_its_interval_and_what_is_on_file(
    running: Running, http: aiohttp.ClientSession
) -> None:
    seats = [
        {"role": "presiding_judge", "name": "周示范"},
        {"role": "defendant", "name": "郑样例", "service": ["summons_served", "announcement_served"]},
    ]
    policy = {"checkin": "none", "checklist": "record", "warn_after_s": 5}
    made = await make(running, http, seats=seats, policy=policy)
    assert made.room.hearing.policy.warn_after_s == 5
    assert made.room.hearing.seats[made.seats["defendant"]["id"]].offline
    for wrong in ({"seats": [{**seats[0], "service": ["on_the_moon"]}]}, {"policy": {**policy, "warn_after_s": -1}}):
        async with http.post(f"{running.url}/api/v1/hearings", json=body(**wrong), headers=running.staff) as answer:
            assert answer.status == 400
