"""``linequality.js`` under Node: the loss of this end's line, and of nobody else's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.web.fixture import WEB

SCRIPT = """
import { quality } from './linequality.mjs';
const before = new Map();
let said;
for (const rows of JSON.parse(process.argv[2])) said = quality(rows, before);
process.stdout.write(JSON.stringify(said));
"""


def stream(name: str, lost: int, received: int, jitter: float = 0.01) -> dict[str, Any]:
    return {"type": "inbound-rtp", "id": name, "packetsLost": lost, "packetsReceived": received, "jitter": jitter}


PAIR = {"type": "candidate-pair", "nominated": True, "currentRoundTripTime": 0.08}


@pytest.mark.parametrize(
    ("looks", "loss"),
    [
        ([[stream("a", 0, 0)], [stream("a", 300, 700)]], 300),
        ([[stream("a", 0, 0), stream("b", 0, 0)], [stream("a", 300, 700), stream("b", 10, 990)]], 10),  # a's own hole
        ([[stream("a", 40, 3000)], [stream("b", 30, 400)]], 0),  # a connection made anew: nothing to compare with
        ([[stream("a", 40, 3000), stream("b", 0, 100)], [stream("b", 60, 140)]], 600),  # one that ended counts no more
        ([[stream("a", 0, 0)], [stream("a", 20, 20)]], 0),  # of too few packets
        ([[stream("a", 9, 1000)], [stream("a", 3, 2000)]], 0),  # repaired meanwhile
        ([[], []], 0),
    ],
)
def test_the_loss_of_a_line(looks: list[list[dict[str, Any]]], loss: float, tmp_path: Path) -> None:
    (tmp_path / "linequality.mjs").write_text((WEB / "static/js/linequality.js").read_text("utf-8"), "utf-8")
    (tmp_path / "run.mjs").write_text(SCRIPT, "utf-8")
    rows = json.dumps([[*look, PAIR] for look in looks])
    done = subprocess.run(
        ["node", str(tmp_path / "run.mjs"), rows], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    said = json.loads(done.stdout)
    assert said["loss_permille"] == loss
    assert said["rtt_ms"] == 80
