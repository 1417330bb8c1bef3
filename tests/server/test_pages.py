"""Pages, cookies, headers, origins and the log, as a browser meets them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import structlog

from courtroom.server import logs
from courtroom.server.limits import Limits, Rate
from courtroom.server.pages import local_path
from tests.server.conftest import Made, make
from tests.server.court import STAFF_TOKEN, Running, body, serving, settings

HTML = {"Accept": "text/html"}


def cookie(answer: aiohttp.ClientResponse, name: str) -> str:
    """The whole Set-Cookie line of one cookie."""
    return next(line for line in answer.headers.getall("Set-Cookie") if line.startswith(name + "="))


async def joined(made: Made, http: aiohttp.ClientSession, role: str, **form: str) -> tuple[str, str]:
    """Joins; where it led and the cookie pair."""
    url = f"{made.running.url}/j/{made.seats[role]['token']}"
    async with http.post(url, data={"agree": "yes", **form}, allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()
        line = cookie(answer, f"seat-{made.seats[role]['id']}")
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
        return answer.headers["Location"], line.split(";")[0]


async def test_joining_gives_a_cookie_for_the_one_seat(made: Made, http: aiohttp.ClientSession) -> None:
    path, pair = await joined(made, http, "plaintiff")
    seat = made.seats["plaintiff"]["id"]
    assert path == f"/h/{made.id}?seat={seat}"
    assert len(pair.split("=")[1]) >= 22
    async with http.get(made.running.url + path, headers={"Cookie": pair}) as answer:
        page = json.loads(re.search(r"id=page>(.*?)</script>", await answer.text()).group(1))  # type: ignore[union-attr]
    assert page == {
        "hearing": made.id, "seat": seat, "role": "plaintiff", "isolated": False, "lang": "zh", "large": False,
    }  # fmt: skip
    url = f"{made.running.url}/api/v1/hearings/{made.id}/media"
    for named, status in ((seat, 201), (made.seats["defendant"]["id"], 404), ("", 404), ("../x", 404)):
        headers = {"Cookie": pair, "Courtroom-Seat": named}
        async with http.post(url, json={}, headers=headers) as answer:
            assert answer.status == status
    assert made.room.hearing.seats[seat].consented


async def test_a_witness_lives_at_its_own_door_and_is_told_nothing(made: Made, http: aiohttp.ClientSession) -> None:
    for role in ("witness", "interpreter"):
        async with http.get(f"{made.running.url}/j/{made.seats[role]['token']}") as answer:
            text = await answer.text()
        assert made.seats[role]["name"] in text
        assert body()["case"]["number"] not in text
        assert "买卖" not in text
        path, pair = await joined(made, http, role)
        assert path.startswith(f"/w/{made.id}?seat=")
        wrong_door = f"{made.running.url}/h/{made.id}?seat={made.seats[role]['id']}"
        async with http.get(wrong_door, headers={"Cookie": pair}, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, path)


async def test_a_new_join_ends_the_earlier_session(made: Made, http: aiohttp.ClientSession) -> None:
    path, first = await joined(made, http, "plaintiff")
    _, second = await joined(made, http, "plaintiff")
    for pair, status in ((first, 404), (second, 200)):
        async with http.get(made.running.url + path, headers={"Cookie": pair}) as answer:
            assert answer.status == status


async def test_a_summons_opened_again_leads_to_the_seat(made: Made, http: aiohttp.ClientSession) -> None:
    path, pair = await joined(made, http, "plaintiff")
    url = f"{made.running.url}/j/{made.seats['plaintiff']['token']}"
    async with http.get(url, headers={"Cookie": pair}, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, path)


async def test_joining_under_full_check_in_asks_for_the_code(running: Running, http: aiohttp.ClientSession) -> None:
    made = await make(running, http, checkin="full", checklist="enforce")
    seat = made.seats["plaintiff"]
    url = f"{running.url}/j/{seat['token']}"
    async with http.get(url) as answer:
        assert "True</p>" in await answer.text()  # needs_code
    for form, status, word in (
        ({"agree": "yes"}, 403, "验证码"),
        ({"agree": "yes", "code": "not it"}, 403, "验证码不正确"),
        ({"code": seat["code"]}, 400, "是否同意"),
        ({"agree": "no"}, 403, "验证码"),
    ):
        async with http.post(url, data=form, allow_redirects=False) as answer:
            assert answer.status == status
            assert word in await answer.text()
            assert "Set-Cookie" not in answer.headers
    path, _ = await joined(made, http, "plaintiff", code=f" {seat['code']} ")
    assert path.startswith("/h/")


async def test_declining_is_recorded_and_opens_no_door(made: Made, http: aiohttp.ClientSession) -> None:
    url = f"{made.running.url}/j/{made.seats['defendant']['token']}"
    async with http.post(url, data={"agree": "no"}, allow_redirects=False) as answer:
        assert answer.status == 200
        assert "<i>True</i>" in await answer.text()
        assert "Set-Cookie" not in answer.headers
    last = made.room.entries[-1]
    assert (last.type, last.actor, last.body["agreed"]) == ("consent_given", made.seats["defendant"]["id"], False)


async def test_staff_sign_in_by_form(running: Running, http: aiohttp.ClientSession) -> None:
    await make(running, http)
    async with http.get(f"{running.url}/docket", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/")
    async with http.post(f"{running.url}/staff", data={"token": "wrong"}, allow_redirects=False) as answer:
        assert "令牌不正确" in await answer.text()
        assert "Set-Cookie" not in answer.headers
    async with http.post(f"{running.url}/staff", data={"token": STAFF_TOKEN}, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/docket")
        line = cookie(answer, "staff")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(line.split("; "))
    assert STAFF_TOKEN not in line
    for path in ("/docket", "/archive", "/api/v1/hearings", "/"):
        async with http.get(
            running.url + path, headers={"Cookie": line.split(";")[0]}, allow_redirects=False
        ) as answer:
            assert answer.status == 200
            if path == "/docket":
                text = await answer.text()
                assert "示范0101民初7号" in text
                assert "王原告示例、郑样例" in text


async def test_guessing_the_staff_token_is_slowed_down(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with serving(settings(tmp_path), Limits(secret=Rate(0.001, 2))) as running:
        for token, word in (("a", "不正确"), ("b", "不正确"), ("c", "频繁"), (STAFF_TOKEN, "频繁")):
            async with http.post(f"{running.url}/staff", data={"token": token}, allow_redirects=False) as answer:
                assert word in await answer.text()


async def test_cookies_insist_on_https_behind_https(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with serving(settings(tmp_path, url="https://court.example", origins=("https://court.example",))) as running:
        made = await make(running, http)
        assert made.seats["clerk"]["join_url"].startswith("https://court.example/j/")
        url = f"{running.url}/j/{made.seats['clerk']['token']}"
        async with http.post(url, data={"agree": "yes"}, allow_redirects=False) as answer:
            assert "Secure" in answer.headers["Set-Cookie"].split("; ")
            assert "Strict-Transport-Security" in answer.headers


@pytest.mark.parametrize("path", ["/lang/en", "/large/1"])
@pytest.mark.parametrize(
    ("wanted", "leads"),
    [
        ("/h/h-1?seat=s-1", "/h/h-1?seat=s-1"), ("//evil.example", "/"), ("https://evil.example/", "/"),
        ("/\\evil.example", "/"), ("/x\r\nSet-Cookie: a=b", "/"), ("", "/"), ("/" + "a" * 600, "/"),
    ],
)  # fmt: skip
async def test_a_switch_leads_back_here_and_nowhere_else(
    running: Running, http: aiohttp.ClientSession, path: str, wanted: str, leads: str
) -> None:
    async with http.get(running.url + path, params={"next": wanted}, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, leads)
        assert len(answer.headers.getall("Set-Cookie")) == 1


def test_local_paths_are_recognised() -> None:
    assert local_path("/docket") == "/docket"
    assert local_path("docket") == "/"
    assert local_path("/a\tb") == "/"


async def test_a_lost_page_is_a_page_for_those_who_ask_for_one(running: Running, http: aiohttp.ClientSession) -> None:
    for path in ("/nothing", "/j/unknown", "/h/h-1?seat=s-1", "/archive/h-1"):
        async with http.get(running.url + path, headers=HTML | {"Cookie": "lang=en"}) as answer:
            assert (answer.status, await answer.text()) == (404, "<h1>404 not_found en</h1>")
    async with http.get(f"{running.url}/api/v1/hearings", headers=HTML) as answer:
        assert answer.content_type == "application/problem+json"


# --- headers and origins -----------------------------------------------------------------------------------------


async def test_security_headers_stand_on_every_answer(made: Made, http: aiohttp.ClientSession) -> None:
    url = made.running.url
    host = url.removeprefix("http://")
    asks = [
        http.get(url + "/"), http.get(url + "/nothing"), http.get(url + "/healthz"), http.get(url + "/metrics"),
        http.get(url + "/static/page.css"), http.get(url + "/static/none.css"), http.get(url + "/static/texts/en.json"),
        http.get(url + "/api/v1/hearings"), http.post(url + "/staff", data={"token": "x"}), http.patch(url + "/"),
        http.get(url + "/lang/en", allow_redirects=False), http.get(url + f"/j/{made.seats['clerk']['token']}"),
        http.get(url + "/socket.io/?EIO=4&transport=polling"), http.get(url + "/socket.io/?EIO=9"),
    ]  # fmt: skip
    for ask in asks:
        async with ask as answer:
            headers = answer.headers
            assert headers["Content-Security-Policy"] == (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
                f"media-src 'self' blob:; connect-src 'self' ws://{host} wss://{host}; font-src 'self'; "
                "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
            ), answer.url
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Permissions-Policy"] == "camera=(self), microphone=(self), display-capture=(self)"
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            static = answer.url.path.startswith("/static/")
            assert headers["Cache-Control"] == ("no-cache" if static else "no-store")
            assert "Server" not in headers


async def test_a_strange_host_header_does_not_reach_the_policy(running: Running, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{running.url}/", headers={"Host": "x; script-src *"}) as answer:
        policy = answer.headers.get("Content-Security-Policy", "")
        assert "*" not in policy


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),
        ({"Origin": "own"}, True),
        ({"Origin": "https://court.example"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, True),  # an old browser's form under no-referrer; the secret is in the form
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
    ],
)
async def test_what_changes_something_must_come_from_here(
    tmp_path: Path, http: aiohttp.ClientSession, headers: dict[str, str], passes: bool
) -> None:
    async with serving(settings(tmp_path, origins=("https://court.example",))) as running:
        if headers.get("Origin") == "own":
            headers = {"Origin": running.url}
        form = {"token": STAFF_TOKEN}
        async with http.post(f"{running.url}/staff", data=form, headers=headers, allow_redirects=False) as answer:
            assert answer.status == (303 if passes else 403)
        if headers.get("Origin") == "null" and "Sec-Fetch-Site" not in headers:
            passes = False  # cookies alone do not make up for a hidden origin
        headers = headers | running.staff
        async with http.post(f"{running.url}/api/v1/hearings", json=body(), headers=headers) as answer:
            assert answer.status == (201 if passes else 403)


# --- the log -----------------------------------------------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    import logging

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure(stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


async def test_no_token_name_or_body_is_ever_logged(
    log: io.StringIO, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with serving(settings(tmp_path)) as running:
        made = await make(running, http)
        _, pair = await joined(made, http, "plaintiff")
        plaintiff = made.seats["plaintiff"]
        async with http.get(f"{running.url}/j/{made.seats['clerk']['token']}"):
            pass
        async with http.get(f"{running.url}/j/a-token-nobody-has?token={STAFF_TOKEN}"):
            pass
        async with http.post(f"{running.url}/staff", data={"token": STAFF_TOKEN}, allow_redirects=False):
            pass
        made.room.bug = RuntimeError
        url = f"{running.url}/api/v1/hearings/{made.id}/beacon?seat={plaintiff['id']}"
        async with http.post(url, json={"kind": "page_hide", "at": 1}, headers={"Cookie": pair}) as answer:
            assert answer.status == 500
    text = log.getvalue()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"/j/{token}", "/staff", "/api/v1/hearings/{id}/beacon"} <= {line.get("route") for line in lines}
    bug = next(line for line in lines if line["event"] == "bug")
    assert bug["error"] == "RuntimeError"
    assert any("submit" in frame for frame in bug["stack"])
    secrets = [STAFF_TOKEN, "a-token-nobody-has", pair.split("=", 1)[1], "secret in its message"]
    secrets += [one[field] for one in made.seats.values() for field in ("token", "name", "code")]
    secrets += [body()["case"]["number"]]
    for secret in secrets:
        assert secret not in text
