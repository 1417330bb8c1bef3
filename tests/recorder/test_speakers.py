"""The speaker index of a sealed archive, held against what the staged seats really said."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.recorder.conftest import LENGTH, Stage
from tests.recorder.stage import SECOND, START


def test_speakers_are_found_where_they_spoke_and_nowhere_else(staged: Stage) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recorder", "speakers", str(staged.bag)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {row["seat"]: row["spans"] for row in json.loads(done.stdout)["speakers"]}
    assert "s-clerk" not in found
    (plaintiff,) = found["s-plaintiff"]
    (defendant,) = found["s-defendant"]
    assert abs(plaintiff[0] - START) < SECOND
    assert abs(plaintiff[1] - (START + 5 * SECOND)) < SECOND
    assert abs(defendant[0] - (START + 5 * SECOND)) < SECOND
    assert abs(defendant[1] - (START + LENGTH * SECOND)) < SECOND
    assert len(found["s-judge"]) == LENGTH // 2, "a beep every two seconds"


def test_a_folder_that_is_no_archive_is_refused_with_a_reason(staged: Stage) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recorder", "speakers", str(staged.folder / "capture")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stderr)["event"] == "failed"
