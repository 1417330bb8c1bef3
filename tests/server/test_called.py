"""The page behind a notice's link, and the reports of those who carry letters."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from courtroom.config import Settings
from courtroom.control.notify.signature import HEADER, sign
from courtroom.hearing.commands import CloseHearing, ObserveArrival, ObserveLoss, OpenHearing, Prompt
from courtroom.hearing.model import Notice
from courtroom.post import Post
from courtroom.store.ports import NoticeLink
from courtroom.store.secrets import new_token, token_hash
from tests.control.test_notify import status_report
from tests.server.conftest import Made, make
from tests.server.court import now, serving, settings
from tests.web.fixture import WEB

SECRET = "a-secret-of-the-tests"
HOUR = 3_600_000_000


@dataclass
class Absence:
    """The plaintiff has dropped out and was prompted; a letter with a link is under way."""

    made: Made
    token: str

    @property
    def seat(self) -> str:
        return str(self.made.seats["plaintiff"]["id"])

    @property
    def notice(self) -> Notice:
        return self.made.room.hearing.seats[self.seat].notices[-1]

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return [(one.channel.value, one.state.value, one.detail) for one in self.notice.deliveries]

    @property
    def url(self) -> str:
        return f"{self.made.running.url}/n/{self.token}"

    @property
    def letter(self) -> str:
        return f"{self.made.id}.{self.seat}.{self.notice.seq}"


def chosen(tmp_path: Path) -> Settings:
    return replace(settings(tmp_path, WEB), post=Post(secret=SECRET))


@pytest.fixture
async def absence(tmp_path: Path, http: aiohttp.ClientSession) -> AsyncIterator[Absence]:
    async with serving(chosen(tmp_path)) as running:
        made = await make(running, http)
        room, judge, seat = made.room, made.seats["presiding_judge"]["id"], made.seats["plaintiff"]["id"]
        await room.submit(ObserveArrival(seat=judge, connection="c-0"))
        await room.submit(ObserveArrival(seat=seat, connection="c-1"))
        await room.submit(OpenHearing(actor=judge))
        dropped = {"fact": "socket_dropped", "at": now(), "clock": "court"}
        await room.submit(ObserveLoss(seat=seat, connection="c-1", evidence=(dropped,)))
        await room.submit(Prompt(actor=judge, seat=seat))
        absent = Absence(made, new_token())
        link = NoticeLink(made.id, seat, str(absent.notice.seq), 0)
        await running.registry.add_notice_link(token_hash(absent.token), link, now() + HOUR)
        yield absent


async def test_fetching_the_link_is_not_reading(absence: Absence, http: aiohttp.ClientSession) -> None:
    async with http.get(absence.url) as answer:
        page = await answer.text()
        assert answer.status == 200
    assert "法庭正在等您" in page
    assert "示范市示范区人民法院" in page
    for secret in ("民初", "纠纷", "王原告示例", absence.seat):
        assert secret not in page
    assert absence.told == []
    join = absence.url.replace("/n/", "/j/")
    async with http.get(join) as answer:
        assert answer.status == 404  # nor does it open the court yet


async def test_pressing_the_button_is_reading_and_leads_to_the_join_page(
    absence: Absence, http: aiohttp.ClientSession
) -> None:
    for _ in range(2):  # a second press says nothing new
        async with http.post(absence.url, allow_redirects=False) as answer:
            assert answer.status == 303
            assert answer.headers["Location"] == f"/j/{absence.token}"
    assert absence.told == [("email", "read", "link")]
    assert absence.notice.read_at > 0
    join = absence.url.replace("/n/", "/j/")
    async with http.get(join) as answer:
        assert answer.status == 200
        assert "王原告示例" in await answer.text()
    form = {"agree": "yes"}
    async with http.post(join, data=form, allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Location"] == f"/h/{absence.made.id}?seat={absence.seat}"


async def test_the_link_is_no_bearer_token(absence: Absence, http: aiohttp.ClientSession) -> None:
    async with http.post(absence.url, allow_redirects=False):
        pass
    headers = {"Authorization": f"Bearer {absence.token}"}
    url = f"{absence.made.running.url}/api/v1/hearings/{absence.made.id}/media"
    async with http.post(url, json={}, headers=headers) as answer:
        assert answer.status == 404


async def test_unknown_and_expired_links_look_the_same(absence: Absence, http: aiohttp.ClientSession) -> None:
    running = absence.made.running
    await running.registry.add_notice_link(token_hash("old"), NoticeLink(absence.made.id, absence.seat, "1", 0), 1)
    pages = set()
    for token in ("old", "none", "x" * 300):
        for method in ("GET", "POST"):
            async with http.request(method, f"{running.url}/n/{token}", headers={"Accept": "text/html"}) as answer:
                assert answer.status == 404
                # the address of the page itself stands in its language switch
                pages.add(re.sub(r"next=[^\"]*|data-court=\"\d+\"|\d\d:\d\d:\d\d", "", await answer.text()))
    assert len(pages) == 1


async def test_after_the_hearing_nobody_is_called(absence: Absence, http: aiohttp.ClientSession) -> None:
    judge = absence.made.seats["presiding_judge"]["id"]
    await absence.made.room.submit(CloseHearing(actor=judge))
    async with http.get(absence.url) as answer:
        page = await answer.text()
    assert "已经结束" in page
    assert 'data-action="called"' not in page


# --- reports ------------------------------------------------------------------------------------------------------


async def tell(
    absence: Absence, http: aiohttp.ClientSession, path: str, body: bytes, secret: str = SECRET, late_s: int = 0
) -> int:
    headers = {HEADER: sign(secret, int(time.time()) - late_s, body), "Content-Type": "application/json"}
    url = f"{absence.made.running.url}/api/v1/notices/{path}"
    async with http.post(url, data=body, headers=headers) as answer:
        return answer.status


def report(state: str = "delivered", **more: Any) -> bytes:
    return json.dumps({"state": state, **more}).encode()


async def test_a_signed_report_is_noted(absence: Absence, http: aiohttp.ClientSession) -> None:
    path = f"{absence.letter}/report"
    assert await tell(absence, http, path, report("sent", detail="sms 7")) == 204
    assert await tell(absence, http, path, report("delivered")) == 204
    assert absence.told == [("webhook", "sent", "sms 7"), ("webhook", "delivered", "report")]
    assert absence.notice.delivered_at > 0


async def test_a_mail_servers_report_is_noted(absence: Absence, http: aiohttp.ClientSession) -> None:
    body = status_report(envelope=absence.letter)
    assert await tell(absence, http, "dsn", body) == 204
    assert absence.told == [("email", "delivered", "dsn 2.0.0")]
    assert await tell(absence, http, "dsn", status_report("failed", absence.letter)) == 204
    assert not absence.notice.delivered_at  # a bounce takes the proof back
    assert await tell(absence, http, "dsn", b"spam") == 409


async def test_reports_without_a_right_signature_are_refused(absence: Absence, http: aiohttp.ClientSession) -> None:
    path = f"{absence.letter}/report"
    assert await tell(absence, http, path, report(), secret="another-secret-of-theirs") == 403
    assert await tell(absence, http, path, report(), late_s=3600) == 403
    assert await tell(absence, http, f"{absence.made.id}.{absence.seat}.9999/report", report()) == 404
    assert await tell(absence, http, "h-x.s-x.1/report", report()) == 404
    assert await tell(absence, http, "x/report", report()) == 404
    assert await tell(absence, http, path, report("gone")) == 400
    assert await tell(absence, http, path, report(detail="名")) == 400
    assert absence.told == []


async def test_without_a_shared_secret_there_are_no_reports(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with serving(settings(tmp_path, WEB)) as running:
        absent = Absence(await make(running, http), "t")
        assert await tell(absent, http, "h.s.1/report", report(), secret="") == 404


# --- contacts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "at"),
    [
        ({"email": "nobody"}, "email"), ({"email": "a@b\r\nBcc: c@d"}, "email"), ({"email": "<a@b.example>"}, "email"),
        ({"email": "a b@c.example"}, "email"), ({"phone": "call me"}, "phone"), ({"phone": "+" + "1" * 16}, "phone"),
    ],
)  # fmt: skip
async def test_contacts_are_read_closely(
    absence: Absence, http: aiohttp.ClientSession, contact: dict[str, str], at: str
) -> None:
    from tests.server.court import body

    order = body()
    order["seats"][2] |= contact
    url = f"{absence.made.running.url}/api/v1/hearings"
    async with http.post(url, json=order, headers=absence.made.running.staff) as answer:
        assert answer.status == 400
        assert (await answer.json())["at"] == f"$.seats[2].{at}"
