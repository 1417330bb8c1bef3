"""A person hands in proof through the page, the judge gets it back, and a killed court keeps what it had."""

from __future__ import annotations

import asyncio
import hashlib
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Playwright

from tests.e2e.court import Court, Issued, until
from tests.e2e.devices import DEFENDANT, JUDGE
from tests.e2e.people import AtBrowser, at_browsers

pytestmark = pytest.mark.e2e

PEOPLE = (JUDGE, DEFENDANT)


def small_png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixels = zlib.compress(b"".join(b"\x00" + bytes((n, 35, 59)) * 8 for n in range(8)))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )


async def in_court(court: Court, sitting: dict[str, AtBrowser]) -> Issued:
    hearing = await court.create(PEOPLE)
    for person in PEOPLE:
        await sitting[person.role].join(hearing.seats[person.role]["join_url"])
    await sitting[JUDGE.role].room("courtroom")
    await sitting[JUDGE.role].act("admit", hearing.seat(DEFENDANT))
    await sitting[DEFENDANT.role].room("courtroom")
    return hearing


async def state_and_reason(person: AtBrowser, file: Path, text: str) -> None:
    page = person.page
    await page.locator(".bar [data-action=requests]").click()
    await page.locator("[data-action=statement]").click()
    await page.select_option("#statement-reason", "power_cut")
    await page.fill("#statement-text", text)
    await page.set_input_files("#statement-file", file)
    await page.locator("dialog [data-action=send]").click()
    await person.when("() => !document.querySelector('dialog')")


async def held(court: Court, hearing: Issued) -> list[dict[str, Any]]:
    listed = await court.get(f"/api/v1/hearings/{hearing.id}/seats/{hearing.seat(DEFENDANT)}/attachments")
    return list(listed["attachments"])


async def break_off(court: Court, hearing: Issued) -> None:
    """Half of an upload has arrived, and the court is killed."""
    host, port = court.url.removeprefix("http://").split(":")
    head = (
        f"PUT /api/v1/hearings/{hearing.id}/attachments/{'cd' * 32} HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {hearing.seats[DEFENDANT.role]['token']}\r\nContent-Length: 9000000\r\n\r\n%PDF-1.7\n"
    )
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode() + b"x" * 2_000_000)
    await writer.drain()
    await until(lambda: list((court.data / "attachments").rglob(".*.part")))
    await court.kill()
    writer.close()


async def test_a_proof_goes_from_the_person_to_the_judge_and_survives_a_kill(
    court: Court, playwright: Playwright, tmp_path: Path
) -> None:
    content = small_png()
    proof = tmp_path / "停电通知.png"
    proof.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    async with at_browsers(playwright, PEOPLE, tmp_path) as sitting:
        hearing = await in_court(court, sitting)
        judge, defendant = sitting[JUDGE.role], sitting[DEFENDANT.role]
        await state_and_reason(defendant, proof, "小区停电")
        await judge.page.locator(f"[data-action=facts][data-seat={hearing.seat(DEFENDANT)}]").first.click()
        link = judge.page.locator(f"dialog [data-proof='{sha256}'][data-state=intact] [data-action=proof]")
        async with judge.page.expect_download() as coming:
            await link.click()
        got = await (await coming.value).path()
        assert Path(got).read_bytes() == content
        assert (await coming.value).suggested_filename.endswith(".png")
    ledger = await court.ledger(hearing.id)
    kinds = [one["type"] for one in ledger if one["type"] in ("attachment_received", "reply_given", "attachment_read")]
    assert kinds == ["attachment_received", "reply_given", "attachment_read"]
    read = next(one for one in ledger if one["type"] == "attachment_read")
    assert (read["body"]["reader"], read["body"]["owner"]) == (hearing.seat(JUDGE), hearing.seat(DEFENDANT))

    await break_off(court, hearing)
    await court.start()
    assert [(one["sha256"], one["state"]) for one in await held(court, hearing)] == [(sha256, "intact")]
    left = [one.name for one in (court.data / "attachments").rglob("*") if one.is_file()]
    assert left == [f"{sha256}.sealed"]
    assert content[:24] not in next((court.data / "attachments").rglob("*.sealed")).read_bytes()
