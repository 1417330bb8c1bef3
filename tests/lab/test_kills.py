"""``make kills`` in small: a few real kills in the default suite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.lab import kills, report


def test_a_plan_is_of_its_seed_and_every_process_comes_round() -> None:
    made = kills.plan(1, 100)
    assert made == kills.plan(1, 100) != kills.plan(2, 100)
    assert sum(one.kills for one in made) >= 100
    assert {what for one in made for _, what in one.blows} == set(kills.KINDS)
    assert all(0 < at < kills.LENGTH_S for one in made for at, _ in one.blows)


def test_every_second_is_accounted_for_whatever_is_killed() -> None:
    command = [sys.executable, "-m", "tests.lab.kills", "--kills", "6", "--seed", "24", "--length", "4"]
    done = subprocess.run(
        [*command, "--name", "kills-short"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:]
    outcomes = report.earlier("kills-short")["outcomes"]
    killed = [name for one in outcomes for name in one["killed"]]
    assert set(killed) >= {"writer", "worker", "compose"}
    assert sum(one["seconds"] for one in outcomes) >= 5
    assert [one["unaccounted"] for one in outcomes] == [0] * len(outcomes)
