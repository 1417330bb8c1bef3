"""The recording law on a real court with real media: two people interrupt it, the media is silent just then, the log
names both, the party signs what was sealed, and the verifier agrees with all of it (RecP 3, 4, 9)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.court import CASE, MACHINE, Court, Issued, until
from tests.e2e.devices import CLERK, JUDGE, PLAINTIFF
from tests.e2e.test_independent_client import Machine
from tests.hearing.house import STROKE

pytestmark = pytest.mark.e2e
SECOND = 1_000_000


async def public_hearing(court: Court) -> Issued:
    seats = [{"role": one.role, "name": one.name, "side": one.side} for one in (JUDGE, CLERK, PLAINTIFF)]
    body = {"case": {**CASE, "public": True}, "policy": MACHINE, "seats": seats}
    status, answer = await court.call("POST", "/api/v1/hearings", json=body)
    assert status == 201, answer
    said = json.loads(answer)
    return Issued(said["id"], {seat["role"]: seat for seat in said["seats"]})


async def as_seat(court: Court, hearing: Issued, role: str, method: str, path: str, **options: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {hearing.seats[role]['token']}"}
    status, body = await court.call(method, f"/api/v1/hearings/{hearing.id}{path}", headers=headers, **options)
    return status, json.loads(body)


async def captured(court: Court) -> int:
    """Bytes of the capture on disk, whatever they are in."""
    return sum(file.stat().st_size for file in Path(court.data, "captures").rglob("*") if file.is_file())


# aiortc leaves a socket or two to the garbage collector when a connection is closed
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_two_people_interrupt_the_recording_and_the_party_signs_it(court: Court) -> None:
    hearing = await public_hearing(court)
    async with Machine(court, hearing, JUDGE) as judge, Machine(court, hearing, CLERK) as clerk:
        await judge.join_media()
        assert (await judge.command("open_hearing"))["ok"]
        assert (await judge.command("set_phase", phase="investigation", reason=""))["ok"]
        await until(lambda: judge.view["recording"]["state"] == "on")
        await until(lambda: _growing(court))
        assert (await clerk.command("propose_interruption", ground="not_public"))["ok"]
        await until(lambda: judge.view["interruption"]["proposal"])
        id_ = judge.view["interruption"]["proposal"]["id"]
        assert (await clerk.command("confirm_interruption", proposal=id_))["code"] == "second_person_required"
        assert (await judge.command("confirm_interruption", proposal=id_))["ok"]
        await until(lambda: clerk.view["recording"]["state"] == "interrupted")
        assert clerk.view["recording"]["reason"] == "not_public"
        await asyncio.sleep(5)  # the length of the interruption that the media has to show
        assert (await clerk.command("resume_recording"))["ok"]
        await until(lambda: judge.view["recording"]["state"] == "on")
        await until(lambda: _growing(court))
        assert (await judge.command("close_hearing"))["ok"]
    archive = await until(lambda: _sealed(court, hearing), 180, 0.5)
    (gap,) = [gap for gap in archive["gaps"] if gap["reason"] == "not_public"]
    assert (gap["by"], gap["proposed_by"]) == (hearing.seat(JUDGE), hearing.seat(CLERK))
    assert gap["length_us"] >= 5 * SECOND
    assert abs(gap["silent_from"] - gap["from_at"]) < SECOND, "the media stops where the ledger says so"
    assert abs(gap["silent_to"] - gap["to_at"]) < 2 * SECOND

    status, shown = await as_seat(court, hearing, "plaintiff", "GET", "/signatures")
    assert status == 200
    body = {"sheet": shown["digest"], "name": PLAINTIFF.name, "stroke": STROKE}
    status, said = await as_seat(court, hearing, "plaintiff", "POST", "/signatures", json=body)
    assert status == 201, said
    entries = await court.ledger(hearing.id)
    assert (entries[-1]["type"], entries[-1]["body"]["sheet"]) == ("recording_signed", shown["digest"])
    sealed = next(entry for entry in entries if entry["type"] == "archive_noted")
    assert sealed["seq"] < entries[-1]["seq"], "signatures come after the seal and change nothing in it"
    report = json.loads((await court.call("POST", f"/api/v1/hearings/{hearing.id}/archive/verify"))[1])
    assert report["ok"], report
    spoke = await until(lambda: _spoke(court, hearing), 120, 0.5)
    assert spoke["state"] == "ready"


async def _growing(court: Court) -> bool:
    before = await captured(court)
    await asyncio.sleep(0.5)
    return await captured(court) > before


async def _sealed(court: Court, hearing: Issued) -> Any:
    archive = await court.get(f"/api/v1/hearings/{hearing.id}/archive")
    assert archive["state"] != "failed", court.log.read_text()[-4000:]
    return archive if archive["state"] == "sealed" else None


async def _spoke(court: Court, hearing: Issued) -> Any:
    said = await court.get(f"/api/v1/hearings/{hearing.id}/archive/speakers")
    return said if said["state"] != "working" else None
