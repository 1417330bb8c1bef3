"""From a real hearing to a sealed, stamped archive: what the workers counted, certified and verified offline.

Clients are programs (no browser), everything else is the product: control, worker, writer, composer, seal, verifier;
the time-stamp authority is ``openssl ts`` on loopback.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from courtroom.store.keys import read_ring
from tests.e2e.court import Court, Issued, until
from tests.e2e.devices import CLERK, JUDGE, WITNESS
from tests.e2e.test_independent_client import Machine
from tests.recorder.tsa import make_authority, serving

pytestmark = pytest.mark.e2e

SEALED_S = 240


def verified(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "recorder", "verify", *arguments, "--json"],
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def keys(data: Path, *words: str) -> str:
    run = [sys.executable, "-m", "courtroom", "keys", *words, "--data", str(data)]
    return subprocess.run(run, capture_output=True, text=True, check=True, timeout=120).stdout


async def heard(court: Court, hearing: Issued) -> None:
    """A hearing with a witness who is heard once in the middle of it."""
    async with (
        Machine(court, hearing, JUDGE) as judge,
        Machine(court, hearing, CLERK) as clerk,
        Machine(court, hearing, WITNESS) as witness,
    ):
        assert (await clerk.command("admit", seat=hearing.seat(WITNESS)))["ok"]
        await until(lambda: witness.view["room"] == "witness_room")
        await judge.join_media()
        assert (await judge.command("open_hearing"))["ok"]
        await until(lambda: judge.view["recording"]["state"] == "on")
        assert (await judge.command("call", seat=hearing.seat(WITNESS)))["ok"]
        await until(lambda: witness.view["room"] == "courtroom")
        await witness.join_media()
        await until(lambda: min(witness.received.values()) > 20 and min(judge.received.values()) > 20)
        assert (await judge.command("dismiss", seat=hearing.seat(WITNESS)))["ok"]
        await until(lambda: witness.view["room"] == "witness_room")
        before = len(await court.ledger(hearing.id))
        await asyncio.sleep(2)  # a stretch of the hearing without the witness
        assert (await judge.command("close_hearing"))["ok"]
        assert len(await court.ledger(hearing.id)) > before


async def sealed(court: Court, hearing: Issued) -> Any:
    archive = await court.get(f"/api/v1/hearings/{hearing.id}/archive")
    assert archive["state"] != "failed", court.log.read_text()[-4000:]
    return archive["state"] == "sealed"


async def hold_court(data: Path, url: str, root: Path) -> Issued:
    """The hearing, its archive verified by the court itself, and a hold on it."""
    async with Court(data, "--tsa-url", url, "--tsa-ca", str(root)) as court:
        hearing = await court.create((JUDGE, CLERK, WITNESS))
        await heard(court, hearing)
        await until(lambda: sealed(court, hearing), SEALED_S, 1)
        base = f"/api/v1/hearings/{hearing.id}/archive"
        status, answer = await court.call("POST", f"{base}/verify")
        report = json.loads(answer)
        assert status == 200
        assert report["ok"], [check["text_en"] for check in report["checks"] if not check["ok"]]
        levels = {check["name"]: check["level"] for check in report["checks"]}
        assert (levels["trust"], levels["timestamp"], levels["isolation"]) == ("ok", "ok", "ok")
        status, _ = await court.call("POST", f"{base}/holds", json={"reason": "再审", "until": 0})
        assert status == 201
        return hearing


# aiortc leaves a socket or two to the garbage collector when a connection is closed
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_real_archive_is_certified_stamped_held_and_outlives_a_rotation(tmp_path: Path) -> None:
    data, root = tmp_path / "data", tmp_path / "tsa" / "root.pem"
    with serving(make_authority(tmp_path / "tsa")) as authority:
        hearing = asyncio.run(hold_court(data, authority.url, root))
        assert authority.asked == 1
    bag = data / "archives" / hearing.id
    (one,) = json.loads((bag / "data/isolation.json").read_bytes())["certificates"]
    assert one["seat"] == hearing.seat(WITNESS)
    assert one["packets_in_testimony"] > 40
    assert (one["packets_outside"], one["transports_outside"], one["recorded_outside"]) == (0, 0, 0)
    assert len(one["inside"]) == 1

    trust = tmp_path / "trust.json"
    trust.write_text(keys(data, "list", "--json"))
    keys(data, "rotate")
    assert len(read_ring(data)) == 2
    out = tmp_path / "out"
    export = [sys.executable, "-m", "courtroom", "export", hearing.id, "--to", str(out), "--data", str(data)]
    subprocess.run(export, check=True, capture_output=True, timeout=120)
    later = str(out / "ledger.jsonl")
    code, found = verified(str(bag), "--trust", str(trust), "--tsa-ca", str(root), "--ledger", later)
    assert code == 0, found
    assert found["hold"]["level"] == "note"
    assert "再审" in found["hold"]["text_zh"]
    assert found["later_ledger"]["ok"]
    assert verified(str(bag), "--trust", str(data / "keys.json"))[0] == 0, "the newest keyring knows the old key"
