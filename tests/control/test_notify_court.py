"""A whole court, a real mail server, a real gateway: from the clerk's prompt to the press on the link."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio

from courtroom.control.notify.signature import HEADER, sign
from tests.control.letterbox import gateway, smtp_server
from tests.e2e.court import CASE, MACHINE, Court, until

SECRET = "a-secret-of-the-tests"
EMAIL, PHONE = "party@example.com", "+8613800000000"


async def seated(court: Court, token: str) -> socketio.AsyncClient:
    client = socketio.AsyncClient(reconnection=False)
    await client.connect(court.url, namespaces=["/hearing"], auth={"token": token})
    return client


async def command(client: socketio.AsyncClient, kind: str, **fields: Any) -> None:
    answer = await client.call("command", {"type": kind, **fields}, namespace="/hearing")
    assert answer["ok"], answer


async def deliveries(court: Court, hearing: str) -> list[tuple[str, str]]:
    noted = [line["body"] for line in await court.ledger(hearing) if line["type"] == "delivery_noted"]
    return [(one["channel"], one["state"]) for one in noted]


@pytest.mark.e2e
async def test_a_prompt_reaches_somebody_who_is_away(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    async with smtp_server() as box, gateway() as there:
        there.statuses = [503, 202]
        flags = (
            "--smtp", f"smtp://127.0.0.1:{box.port}", "--smtp-sender", "court@court.example",
            "--webhook-url", there.url, "--notice-secret-file", str(secret),
        )  # fmt: skip
        async with Court(tmp_path / "data", *flags) as court, aiohttp.ClientSession() as http:
            seats = [
                {"role": "presiding_judge", "name": "顾明远"},
                {"role": "plaintiff", "name": "林晓芸", "email": EMAIL, "phone": "+86 138 0000 0000"},
            ]
            status, said = await court.call(
                "POST", "/api/v1/hearings", json={"case": CASE, "seats": seats, "policy": MACHINE}
            )
            assert status == 201, said
            made = json.loads(said)
            judge_token, party_token = (one["token"] for one in made["seats"])
            plaintiff = made["seats"][1]["id"]
            judge, party = await seated(court, judge_token), await seated(court, party_token)
            try:
                await command(judge, "open_hearing")
                await party.disconnect()

                async def gone() -> bool:
                    spells = await court.timeline(made["id"], plaintiff)
                    return bool(spells) and spells[-1]["state"] == "interrupted"

                await until(gone)
                await command(judge, "prompt", seat=plaintiff)
                await until(lambda: box.mails and len(there.requests) == 2)

                async def told() -> bool:
                    return {("email", "sent"), ("webhook", "sent")} <= set(await deliveries(court, made["id"]))

                await until(told)
                assert ("webhook", "failed") in await deliveries(court, made["id"])  # the 503 before it

                await _gateway_reports(court, http, there.requests)
                token = await _press(court, http, box.mails[0].get_content())
                found = await deliveries(court, made["id"])
                assert ("webhook", "delivered") in found
                assert ("email", "read") in found
            finally:
                await judge.disconnect()
        log = court.log.read_text(encoding="utf-8") + (await _ledger_text(court, tmp_path))
    for word in (EMAIL, PHONE, SECRET, token):
        assert word not in log


async def _gateway_reports(
    court: Court, http: aiohttp.ClientSession, requests: list[tuple[dict[str, str], bytes]]
) -> None:
    (_, first), (_, second) = requests
    assert json.loads(first)["id"] == json.loads(second)["id"]
    assert json.loads(second)["to"] == {"phone": PHONE, "email": EMAIL}
    body = json.dumps({"state": "delivered", "detail": "sms 7"}).encode()
    headers = {HEADER: sign(SECRET, int(time.time()), body), "Content-Type": "application/json"}
    url = f"{court.url}/api/v1/notices/{json.loads(second)['id']}/report"
    async with http.post(url, data=body, headers=headers) as answer:
        assert answer.status == 204, await answer.text()


async def _press(court: Court, http: aiohttp.ClientSession, letter: str) -> str:
    """Reads the letter, fetches its link as a mail scanner would, presses the button; the link's token."""
    (link,) = set(re.findall(r"http://\S+/n/\S+", letter))
    assert link.startswith(court.url)
    async with http.get(link) as page:
        assert page.status == 200
    async with http.post(link, allow_redirects=False) as answer:
        assert answer.status == 303
    async with http.get(f"{court.url}{answer.headers['Location']}") as page:
        assert page.status == 200
        assert "林晓芸" in await page.text()
    return link.rpartition("/")[2]


async def _ledger_text(court: Court, folder: Path) -> str:
    """Everything the store holds, as bytes: contacts are sealed in it."""
    return "".join(one.read_bytes().decode("latin-1") for one in (folder / "data").glob("court.sqlite3*"))
