"""The real templates with the contexts this server gives them, in both languages."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from courtroom.config import load
from courtroom.control.api import Archive
from courtroom.hearing import commands as c
from courtroom.server.archive_rows import phases
from courtroom.server.limits import Limits
from tests.server.conftest import make
from tests.server.court import STAFF_TOKEN, serving, settings
from tests.server.test_archive_signing import FAULT, sealed
from tests.server.test_pages import cookie, joined

WEB = load({}, {}).web


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("large", ["0", "1"])
async def test_every_page_is_drawn(tmp_path: Path, http: aiohttp.ClientSession, lang: str, large: str) -> None:
    chosen = f"lang={lang}; large={large}"
    async with serving(replace(settings(tmp_path), web=WEB), Limits()) as running:
        made = await make(running, http, checkin="full", checklist="enforce")
        seal = {
            "root_sha256": "a1" * 32, "root_sm3": "b2" * 32, "signature_key": "c3" * 32, "started_at": 1_000_000,
            "ended_at": 62_000_000, "duration_us": 61_000_000,
            "phases": [{"at": 0, "phase": "open"}, {"at": 9_000_000, "phase": "debate"},
                       {"at": 70_000_000, "phase": "closed"}],
            "gaps": [{"from_at": 2_000_000, "to_at": 3_000_000, "reason": "recess"}],
        }  # fmt: skip
        made.room.archive = Archive("sealed", 100, None, tmp_path / "bag", seal)
        assert phases(made.room) == [
            {"phase": "open", "from_at": 1_000_000, "to_at": 9_000_000},
            {"phase": "debate", "from_at": 9_000_000, "to_at": 62_000_000},
        ]
        async with http.post(f"{running.url}/staff", data={"token": STAFF_TOKEN}, allow_redirects=False) as answer:
            staff = cookie(answer, "staff").split(";")[0]
        room, seat = await joined(made, http, "plaintiff", code=made.seats["plaintiff"]["code"])
        witness_room, witness = await joined(made, http, "witness", code=made.seats["witness"]["code"])
        pages = [
            ("/", ""), ("/", staff), ("/docket", staff), ("/archive", staff), (f"/archive/{made.id}", staff),
            (f"/j/{made.seats['clerk']['token']}", ""), (f"/j/{made.seats['witness']['token']}", ""),
            (room, seat), (witness_room, witness),
        ]  # fmt: skip
        for path, pair in pages:
            headers = {"Cookie": f"{chosen}; {pair}", "Accept": "text/html"}
            async with http.get(running.url + path, headers=headers, allow_redirects=False) as answer:
                text = await answer.text()
                assert answer.status == 200, path
                assert f'<html lang="{"zh-CN" if lang == "zh" else "en"}"' in text
                assert 'id="page"' in text
                assert ("a1" * 32 in text) == path.startswith("/archive/")
                assert not re.search(r"<script(?![^>]*(src=|application/json))|\son\w+=|\sstyle=", text), path
        async with http.get(f"{running.url}/none", headers={"Cookie": chosen, "Accept": "text/html"}) as answer:
            assert answer.status == 404
            assert answer.content_type == "text/html"
        for form in ({"agree": "yes", "code": "x"}, {"agree": "no", "code": made.seats["clerk"]["code"]}, {}):
            url = f"{running.url}/j/{made.seats['clerk']['token']}"
            async with http.post(url, data=form, headers={"Cookie": chosen}, allow_redirects=False) as answer:
                assert answer.content_type == "text/html"
        async with http.get(f"{running.url}/static/vendor/socket.io.esm.min.js") as answer:
            if (WEB / "node_modules").is_dir():
                assert (answer.status, answer.content_type) == (200, "text/javascript")


async def test_a_judge_who_sits_alone_is_called_so_on_every_paper_of_the_archive(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with serving(replace(settings(tmp_path), web=WEB), Limits()) as running:
        made = await make(running, http)
        _, clerk = await joined(made, http, "clerk")
        await sealed(made, tmp_path, gaps=[FAULT])
        judge, plaintiff = made.seats["presiding_judge"]["id"], made.seats["plaintiff"]["id"]
        hold: dict[str, str | int] = {"id": "hold-1", "by": judge, "reason": "再审", "until": 0}
        for what, detail in (("hold", hold), ("read", {"reader": judge, "what": "programme"})):
            await made.room.submit(c.ObserveArchive(what=what, detail=detail))
        await made.room.submit(c.ObserveAttachment(seat=plaintiff, sha256="ab" * 32, size=9, kind="png"))
        await made.room.submit(c.ObserveAttachmentRead(seat=plaintiff, sha256="ab" * 32, reader=judge))
        url = f"{running.url}/archive/{made.id}?seat={made.seats['clerk']['id']}"
        async with http.get(url, headers={"Cookie": clerk, "Accept": "text/html"}) as answer:
            page = re.sub(r"<script.*?</script>", "", await answer.text(), flags=re.S)
    assert page.count("独任审判员 周示范") == 4, "the hold, two reads, and to whom a copy may be made"
    assert "查阅证明材料（原告 王原告示例 提交）" in page
    assert "等待独任审判员审核签名" in page
    assert "审判长" not in page
    assert "ab" * 32 not in page
