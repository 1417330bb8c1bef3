"""The HTTP interface against a real server: who gets what, what is refused and in which words."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from courtroom.control.api import Archive
from courtroom.hearing.ledger import from_line, head_from_line, verify_chain
from courtroom.server.limits import Limits, Rate
from courtroom.server.openapi import describe
from tests.server.conftest import Made, make
from tests.server.court import OFFER, Running, body, serving, settings

SDP = {"Content-Type": "application/sdp"}


async def problem(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    assert answer.content_type == "application/problem+json", await answer.text()
    found: dict[str, Any] = json.loads(await answer.text())
    assert found["status"] == answer.status
    assert found["type"] == "about:blank"
    assert found["detail"]
    return found


# --- staff -------------------------------------------------------------------------------------------------------


async def test_creating_a_hearing_tells_every_seat_its_link(running: Running, http: aiohttp.ClientSession) -> None:
    made = await make(running, http)
    assert list(made.seats) == ["presiding_judge", "clerk", "plaintiff", "defendant", "witness", "interpreter"]
    judge = made.seats["presiding_judge"]
    assert set(judge) == {"id", "role", "name", "token", "join_url", "code"}
    assert judge["name"] == "周示范"
    assert judge["join_url"] == f"{running.url}/j/{judge['token']}"
    assert len({one["token"] for one in made.seats.values()}) == 6
    assert all(len(one["token"]) >= 22 for one in made.seats.values())
    hearing = made.room.hearing
    assert hearing.scheduled_at == 1795311000 * 1_000_000
    assert hearing.seats[made.seats["interpreter"]["id"]].plan.linked_to == made.seats["witness"]["id"]
    assert hearing.seats[made.seats["plaintiff"]["id"]].plan.side == "plaintiff"


async def test_staff_see_state_ledger_and_presence(made: Made, http: aiohttp.ClientSession) -> None:
    base = f"{made.running.url}/api/v1/hearings/{made.id}"
    async with http.get(base, headers=made.running.staff) as answer:
        state = await answer.json()
    assert state["id"] == made.id
    assert state["phase"] == "scheduled"
    assert state["recording"]["state"] == "off"
    assert [one["role"] for one in state["seats"]] == list(made.seats)
    assert len(state["presence"]) == 6
    async with http.get(f"{base}/presence", headers=made.running.staff) as answer:
        assert (await answer.json())["hearing"] == made.id
    async with http.get(f"{base}/ledger", headers=made.running.staff) as answer:
        assert answer.content_type == "application/jsonl"
        entries = [from_line(line) for line in (await answer.text()).splitlines()]
        assert head_from_line(answer.headers["Courtroom-Head"]).seq == len(entries)
    assert verify_chain(entries) is None
    async with http.get(f"{made.running.url}/api/v1/hearings", headers=made.running.staff) as answer:
        assert [one["id"] for one in await answer.json()] == [made.id]


STAFF_ROUTES = ["", "/{id}", "/{id}/ledger", "/{id}/presence"]
DESK_ROUTES = ["/{id}/archive", "/{id}/archive/video", "/{id}/archive/bag"]


@pytest.mark.parametrize("route", STAFF_ROUTES + DESK_ROUTES)
@pytest.mark.parametrize("asker", ["nobody", "wrong token", "plaintiff", "witness", "judge", "garbage", "basic"])
async def test_who_may_not_ask_hears_not_found(made: Made, http: aiohttp.ClientSession, route: str, asker: str) -> None:
    headers = {
        "nobody": {},
        "wrong token": {"Authorization": "Bearer staff-token-of-the-testx"},
        "plaintiff": made.bearer("plaintiff"),
        "witness": made.bearer("witness"),
        "judge": made.bearer("presiding_judge"),
        "garbage": {"Authorization": "Bearer " + "é" * 3000},
        "basic": {"Authorization": "Basic c3RhZmY6c3RhZmY="},
    }[asker]
    url = f"{made.running.url}/api/v1/hearings{route.format(id=made.id)}"
    async with http.get(url, headers=headers) as answer:
        if route in DESK_ROUTES and asker == "judge":
            assert answer.status == (200 if route.endswith("archive") else 404)
            return
        found = await problem(answer)
        assert (answer.status, found["code"]) == (404, "not_found")


async def test_unknown_foreign_and_forbidden_are_one_answer(made: Made, http: aiohttp.ClientSession) -> None:
    other = await make(made.running, http)
    base = f"{made.running.url}/api/v1/hearings"
    asks = [
        http.get(f"{base}/h-unknown", headers=made.running.staff),
        http.get(f"{base}/{made.id}"),
        http.post(f"{base}/{made.id}/media", json={"places": 1, "publish": []}),
        http.post(f"{base}/{other.id}/media", json={"places": 1, "publish": []}, headers=made.bearer("plaintiff")),
        http.post(f"{base}/h-unknown/media", json={"places": 1, "publish": []}, headers=made.bearer("plaintiff")),
        http.put(f"{base}/{made.id}/media/t-unknown", data=OFFER, headers=made.bearer("plaintiff") | SDP),
        http.delete(f"{base}/{made.id}/media/{'x' * 300}", headers=made.bearer("plaintiff")),
        http.get(f"{made.running.url}/nothing/here"),
        http.get(f"{made.running.url}/j/unknown-token"),
        http.post(base, json=body()),
    ]
    answers = set()
    for ask in asks:
        async with ask as answer:
            answers.add((answer.status, await answer.text()))
    assert len(answers) == 1, answers
    assert next(iter(answers))[0] == 404


async def test_a_seat_cannot_answer_anothers_transport(made: Made, http: aiohttp.ClientSession) -> None:
    base = f"{made.running.url}/api/v1/hearings/{made.id}/media"
    async with http.post(base, json={"places": 2}, headers=made.bearer("plaintiff")) as answer:
        location = answer.headers["Location"]
    async with http.put(made.running.url + location, data=OFFER, headers=made.bearer("defendant") | SDP) as answer:
        assert (await problem(answer))["code"] == "not_found"
    assert not made.room.answers


@pytest.mark.parametrize(
    ("change", "code", "at"),
    [
        ({"policy": {"checkin": "sometimes", "checklist": "record"}}, "bad_body", "$.policy.checkin"),
        ({"seats": []}, "bad_body", "$.seats"),
        ({"seats": [{"role": "king", "name": "某"}]}, "bad_body", "$.seats[0].role"),
        ({"seats": [{"role": "clerk", "name": "吴示例"}]}, "one_presiding_judge", "$.seats"),
        ({"seats": [{"role": "presiding_judge", "name": "甲"}] * 2}, "one_presiding_judge", "$.seats"),
        ({"seats": [{"role": "presiding_judge", "name": "甲" * 81}]}, "bad_body", "$.seats[0].name"),
        ({"seats": [{"role": "presiding_judge", "name": "甲\u202e乙"}]}, "bad_body", "$.seats[0].name"),
        ({"seats": [{"role": "presiding_judge", "name": " "}]}, "bad_body", "$.seats[0].name"),
        ({"seats": [{"role": "presiding_judge", "name": "甲", "linked_to": 0}]}, "bad_link", "$.seats[0].linked_to"),
        ({"seats": [{"role": "presiding_judge", "name": "甲", "linked_to": "乙"}]}, "bad_link", "$.seats[0].linked_to"),
        ({"seats": [{"role": "presiding_judge", "name": "甲", "token": "x"}]}, "bad_body", "$.seats[0]"),
        ({"scheduled_at": "tomorrow"}, "bad_body", "$.scheduled_at"),
        ({"scheduled_at": "2026-11-22T09:30:00"}, "bad_body", "$.scheduled_at"),
        ({"scheduled_at": 2**60}, "bad_body", "$.scheduled_at"),
        ({"scheduled_at": 1.5}, "bad_body", "$.scheduled_at"),
    ],
)
async def test_a_body_that_is_not_right_is_refused_with_its_place(
    running: Running, http: aiohttp.ClientSession, change: dict[str, Any], code: str, at: str
) -> None:
    async with http.post(f"{running.url}/api/v1/hearings", json={**body(), **change}, headers=running.staff) as answer:
        found = await problem(answer)
        assert (answer.status, found["code"], found.get("at")) == (400, code, at)
    assert not running.court.rooms


async def test_sixty_four_seats_are_a_hearing_and_sixty_five_are_not(
    running: Running, http: aiohttp.ClientSession
) -> None:
    judge = {"role": "presiding_judge", "name": "周示范"}
    for count, status in ((64, 201), (65, 400)):
        seats = [judge] + [{"role": "observer", "name": f"旁听{n}"} for n in range(count - 1)]
        content = {**body(), "seats": seats}
        async with http.post(f"{running.url}/api/v1/hearings", json=content, headers=running.staff) as answer:
            assert answer.status == status


@pytest.mark.parametrize(("checkin", "checklist"), [("none", "enforce"), ("full", "record")])
async def test_unchecked_hearings_need_a_server_started_for_them(
    tmp_path: Path, http: aiohttp.ClientSession, checkin: str, checklist: str
) -> None:
    async with serving(replace(settings(tmp_path), allow_unchecked=False)) as running:
        content = body(checkin=checkin, checklist=checklist)
        async with http.post(f"{running.url}/api/v1/hearings", json=content, headers=running.staff) as answer:
            assert ((await problem(answer))["code"], answer.status) == ("unchecked_not_allowed", 403)
        content = body(checkin="clerk", checklist="enforce")
        async with http.post(f"{running.url}/api/v1/hearings", json=content, headers=running.staff) as answer:
            assert answer.status == 201


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({}, "没有找到"),
        ({"Accept-Language": "en-GB,en;q=0.8"}, "nothing here"),
        ({"Accept-Language": "fr, zh-CN;q=0.9, en;q=0.1"}, "没有找到"),
        ({"Accept-Language": "zh;q=0.1, en;q=0.9"}, "nothing here"),
        ({"Accept-Language": ";;;q=x,,"}, "没有找到"),
        ({"Accept-Language": "zh", "Cookie": "lang=en"}, "nothing here"),
        ({"Cookie": "lang=../../etc"}, "没有找到"),
    ],
)
async def test_a_refusal_speaks_the_askers_language(
    running: Running, http: aiohttp.ClientSession, headers: dict[str, str], word: str
) -> None:
    async with http.get(f"{running.url}/api/v1/hearings", headers=headers) as answer:
        assert word in (await problem(answer))["detail"]


# --- media and facts ---------------------------------------------------------------------------------------------


async def test_media_is_offered_answered_restarted_and_hung_up(made: Made, http: aiohttp.ClientSession) -> None:
    base, seat = f"{made.running.url}/api/v1/hearings/{made.id}/media", made.bearer("plaintiff")
    ask = {"places": 8, "publish": ["microphone", "camera", "camera"]}
    async with http.post(base, json=ask, headers=seat) as answer:
        assert (answer.status, answer.content_type) == (201, "application/sdp")
        assert "a=places:8 microphone,camera" in await answer.text()
        location = made.running.url + answer.headers["Location"]
    async with http.put(location, data="v=0\r\nanswer", headers=seat | SDP) as answer:
        assert (answer.status, await answer.text()) == (204, "")
    assert list(made.room.answers.values()) == ["v=0\r\nanswer"]
    async with http.post(location + "/restart", headers=seat) as answer:
        assert (answer.status, answer.content_type) == (200, "application/sdp")
    async with http.delete(location, headers=seat) as answer:
        assert answer.status == 204
    assert len(made.room.hung_up) == 1


@pytest.mark.parametrize(
    "content", [{"places": 33}, {"places": -1}, {"publish": ["screen_sound"]}, {"place": 1}, [], 7]
)
async def test_a_media_request_is_read_strictly(made: Made, http: aiohttp.ClientSession, content: object) -> None:
    url = f"{made.running.url}/api/v1/hearings/{made.id}/media"
    async with http.post(url, json=content, headers=made.bearer("clerk")) as answer:
        assert ((await problem(answer))["code"], answer.status) == ("bad_body", 400)


async def test_too_large_wrong_type_and_not_text_are_refused(made: Made, http: aiohttp.ClientSession) -> None:
    base, seat = f"{made.running.url}/api/v1/hearings/{made.id}", made.bearer("clerk")
    async with http.post(base + "/media", json={"places": 1}, headers=seat) as answer:
        location = made.running.url + answer.headers["Location"]
    asks: list[tuple[Any, int, str]] = [
        (http.put(location, data=b"x" * 70_000, headers=seat | SDP), 413, "body_too_large"),
        (http.put(location, data=_chunks(70_000), headers=seat | SDP), 413, "body_too_large"),
        (http.put(location, data=b"v=0", headers=seat | {"Content-Type": "text/html"}), 415, "unsupported_media_type"),
        (http.put(location, data=b"\xff\xfe", headers=seat | SDP), 400, "bad_body"),
        (http.post(base + "/check", data=b"[" * 60_000, headers=seat), 400, "bad_body"),
        (http.post(base + "/check", data=b"{" + b" " * 70_000, headers=seat), 413, "body_too_large"),
        (http.post(base + "/check", json={"a": "b" * 9000}, headers=seat), 400, "bad_body"),
        (http.patch(base, headers=seat), 405, "method_not_allowed"),
    ]
    for ask, status, code in asks:
        async with ask as answer:
            assert (answer.status, (await problem(answer))["code"]) == (status, code)


async def _chunks(size: int) -> Any:
    for _ in range(size // 1000):
        yield b"x" * 1000


async def test_a_body_that_never_comes_is_not_waited_for(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with serving(settings(tmp_path), Limits(body_s=0.2)) as running:

        async def trickle() -> Any:
            yield b"{"
            await never.wait()

        never = asyncio.Event()
        url = f"{running.url}/api/v1/hearings"
        async with http.post(url, data=trickle(), headers=running.staff) as answer:
            assert (answer.status, (await problem(answer))["code"]) == (408, "body_too_slow")
        never.set()


async def test_a_beacon_is_noted_as_a_fact_of_the_client(made: Made, http: aiohttp.ClientSession) -> None:
    url, seat = f"{made.running.url}/api/v1/hearings/{made.id}/beacon", made.bearer("plaintiff")
    content = b'{"kind":"page_hide","at":1790000000000000}'
    async with http.post(url, data=content, headers=seat | {"Content-Type": "text/plain"}) as answer:
        assert answer.status == 204
    (who, (row,)) = made.room.noted[0]
    assert who == made.seats["plaintiff"]["id"]
    assert (row["fact"], row["at"], row["clock"]) == ("page_hide", 1790000000000000, "client")
    for wrong in (b'{"kind":"leave_click","at":1}', b'{"kind":"page_hide"}', b'{"kind":"page_hide","at":-1}', b""):
        async with http.post(url, data=wrong, headers=seat) as answer:
            assert (await problem(answer))["code"] == "bad_body"
    assert len(made.room.noted) == 1


async def test_a_device_check_is_kept(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with serving(settings(tmp_path), Limits(checks=2)) as running:
        made = await make(running, http)
        url, seat = f"{running.url}/api/v1/hearings/{made.id}/check", made.bearer("defendant")
        for status in (204, 204, 429):
            async with http.post(url, json={"udp": True, "rtt_ms": 12}, headers=seat) as answer:
                assert answer.status == status
        kept = await running.registry.checks(made.id, made.seats["defendant"]["id"])
        assert [json.loads(result) for _, result in kept] == [{"udp": True, "rtt_ms": 12}] * 2


# --- second factor -----------------------------------------------------------------------------------------------


async def test_under_full_check_in_a_token_needs_its_code(running: Running, http: aiohttp.ClientSession) -> None:
    made = await make(running, http, checkin="full", checklist="enforce")
    url, seat = f"{running.url}/api/v1/hearings/{made.id}/media", made.bearer("plaintiff")
    async with http.post(url, json={}, headers=seat) as answer:
        assert (answer.status, (await problem(answer))["code"]) == (403, "code_required")
    right = made.seats["plaintiff"]["code"]
    wrong = "000000" if right != "000000" else "111111"
    for code in ["code_wrong"] * 10 + ["too_fast"]:
        async with http.post(url, json={}, headers=seat | {"Courtroom-Code": wrong}) as answer:
            assert (await problem(answer))["code"] == code
    async with http.post(url, json={}, headers=seat | {"Courtroom-Code": right}) as answer:
        assert (await problem(answer))["code"] == "too_fast"
    other = made.bearer("defendant") | {"Courtroom-Code": made.seats["defendant"]["code"]}
    async with http.post(url, json={}, headers=other) as answer:
        assert answer.status == 201


# --- limits ------------------------------------------------------------------------------------------------------


async def test_one_address_and_one_seat_have_their_measure(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with serving(settings(tmp_path), Limits(seat=Rate(0.001, 3))) as running:
        made = await make(running, http)
        url = f"{running.url}/api/v1/hearings/{made.id}/media"
        for status in (201, 201, 201, 429):
            async with http.post(url, json={}, headers=made.bearer("clerk")) as answer:
                assert answer.status == status
        assert answer.headers["Retry-After"] == "1"
        async with http.post(url, json={}, headers=made.bearer("plaintiff")) as answer:
            assert answer.status == 201
    async with serving(settings(tmp_path), Limits(address=Rate(0.001, 2))) as running:
        for status in (200, 200, 429, 429):
            async with http.get(f"{running.url}/healthz") as answer:
                assert answer.status == status


async def test_a_proxys_word_on_addresses_is_believed_only_when_it_is_ours(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    for proxies, last in (((), 429), (("127.0.0.1",), 200)):
        async with serving(settings(tmp_path, proxies=proxies), Limits(address=Rate(0.001, 1))) as running:
            for client, status in (("198.51.100.1", 200), ("198.51.100.2", last)):
                async with http.get(f"{running.url}/healthz", headers={"X-Forwarded-For": client}) as answer:
                    assert answer.status == status


# --- archive -----------------------------------------------------------------------------------------------------


async def test_reading_the_archive_is_for_the_desk_and_is_noted_once(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    base = f"{made.running.url}/api/v1/hearings/{made.id}/archive"
    async with http.get(base, headers=made.running.staff) as answer:
        assert (await answer.json())["state"] == "none"
    async with http.get(base + "/video", headers=made.running.staff) as answer:
        assert (await problem(answer))["code"] == "no_archive"
    made.room.video = tmp_path / "programme.mp4"
    made.room.video.write_bytes(bytes(range(256)) * 8)
    seal = {"duration_us": 5, "gaps": [], "sha256": "ab"}
    made.room.archive = Archive("sealed", 100, None, tmp_path / "bag-1", seal)
    async with http.get(base, headers=made.bearer("clerk")) as answer:
        facts = await answer.json()
    assert (facts["state"], facts["duration_us"], facts["bag"]) == ("sealed", 5, "bag-1")
    clerk = made.bearer("clerk")
    for span in ("bytes=0-9", "bytes=10-19"):
        async with http.get(base + "/video", headers=clerk | {"Range": span}) as answer:
            assert (answer.status, len(await answer.read()), answer.content_type) == (206, 10, "video/mp4")
            assert answer.headers["Cache-Control"] == "no-store"
    async with http.get(base + "/video", headers=made.running.staff) as answer:
        assert len(await answer.read()) == 2048
    async with http.get(base + "/video", headers=made.bearer("plaintiff")) as answer:
        assert answer.status == 404
    assert made.room.readers == [made.seats["clerk"]["id"], "staff"]
    async with http.post(base + "/verify", headers=made.running.staff) as answer:
        assert await answer.json() == {"ok": True, "checks": []}


# --- health, openapi, bugs ---------------------------------------------------------------------------------------


async def test_health_says_what_is_up(running: Running, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{running.url}/healthz") as answer:
        assert answer.status == 200
    async with http.get(f"{running.url}/readyz") as answer:
        assert (answer.status, await answer.json()) == (
            200,
            {"ready": True, "parts": {"store": True, "disk": True, "workers": True, "writer": True}},
        )
    running.court.well = False
    async with http.get(f"{running.url}/readyz") as answer:
        assert answer.status == 503
        assert not (await answer.json())["ready"]
    async with http.get(f"{running.url}/metrics") as answer:
        text = await answer.text()
    assert "courtroom_hearings 0.0" in text
    assert 'courtroom_http_requests_total{method="GET",route="/readyz",status="503"} 1.0' in text


async def test_the_description_holds_every_route(running: Running, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{running.url}/api/v1/openapi.json") as answer:
        served = await answer.json()
    assert served == describe()
    routed = {
        (route.method.lower(), route.resource.canonical)
        for route in running.app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith("/api/v1") and route.method != "HEAD"
    }
    described = {(method, path) for path, methods in served["paths"].items() for method in methods}
    assert routed == described
    assert "seats" in served["components"]["schemas"]["HearingBody"]["required"]


async def test_a_bug_is_an_honest_500_without_its_insides(made: Made, http: aiohttp.ClientSession) -> None:
    made.room.bug = RuntimeError
    url = f"{made.running.url}/api/v1/hearings/{made.id}/beacon"
    async with http.post(url, json={"kind": "page_hide", "at": 1}, headers=made.bearer("clerk")) as answer:
        text = await answer.text()
        assert (answer.status, (await problem(answer))["code"]) == (500, "internal_error")
    assert "secret" not in text
    assert "Traceback" not in text
