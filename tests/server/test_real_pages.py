"""The real templates with the contexts this server gives them, in both languages."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from courtroom.config import load
from courtroom.control.api import Archive
from courtroom.server.archive_rows import phases
from courtroom.server.limits import Limits
from tests.server.conftest import make
from tests.server.court import STAFF_TOKEN, serving, settings
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
