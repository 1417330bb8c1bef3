"""``link.js`` under Node: which seconds a person is told they missed, and that none are forgotten."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.web.fixture import WEB

SCRIPT = Path(__file__).parent / "link.mjs"
TOLD_FOR = 120_000  # ms

Step = tuple[int, str, str, str]
UP, DARK = ("up", "up", "content"), ("down", "down", "nothing")


def missed(tmp_path: Path, *steps: Step) -> list[int]:
    """Seconds said to be missed after each step."""
    shutil.copytree(WEB / "static/js", tmp_path / "js")
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    done = subprocess.run(
        ["node", str(SCRIPT), str(tmp_path / "js/link.js")],
        input=json.dumps(steps).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    return [row[0] for row in json.loads(done.stdout)]


def test_a_cut_is_told_in_seconds_for_two_minutes(tmp_path: Path) -> None:
    found = missed(tmp_path, (3000, *UP), (5000, *DARK), (1000, *UP), (TOLD_FOR - 2000, *UP), (2000, *UP))
    assert found == [0, 0, 5, 5, 0]


def test_nothing_is_missed_where_sound_went_on(tmp_path: Path) -> None:
    assert missed(tmp_path, (3000, *UP), (5000, "down", "up", "content"), (3000, *UP)) == [0, 0, 0]


def test_a_line_that_falters_as_it_comes_back_is_one_drop(tmp_path: Path) -> None:
    """Sound is there again, both connections are up for a moment, then signalling fails once more: the five seconds
    before count all the same."""
    found = missed(
        tmp_path, (3000, *UP), (5000, *DARK), (1000, "down", "up", "content"), (500, "down", "up", "feedback"),
        (100, "up", "up", "feedback"), (500, "down", "up", "feedback"), (3000, *UP),
    )  # fmt: skip
    assert found[-1] == 5


def test_what_was_told_and_not_acknowledged_adds_up(tmp_path: Path) -> None:
    found = missed(
        tmp_path, (3000, *UP), (5000, *DARK), (1000, *UP), (500, "up", "down", "nothing"), (3000, *UP),
        (4000, "up", "down", "nothing"), (3000, *UP), (3000, "up", "up", "nothing"), (2000, *UP),
    )  # fmt: skip
    assert found[2:] == [5, 5, 5, 5, 9, 9, 12], "media that falters for half a second takes nothing away"


def test_what_was_told_is_taken_away_in_time_although_signalling_failed_since(tmp_path: Path) -> None:
    found = missed(tmp_path, (3000, *UP), (5000, *DARK), (2000, *UP), (1000, "down", "up", "content"), (TOLD_FOR, *UP))
    assert found[2:] == [5, 5, 0]


@pytest.mark.parametrize("media", ["down", "up"])  # a short cut is over before ICE has noticed it
def test_what_is_certain_is_told_soon_and_the_rest_when_the_court_forwards_again(tmp_path: Path, media: str) -> None:
    cut = (5000, "down", media, "nothing")
    found = missed(tmp_path, (3000, *UP), cut, (6000, "up", "up", "feedback"), (3000, *UP))
    assert found[2:] == [5, 11]
    silent = tmp_path / "silent"
    silent.mkdir()
    found = missed(silent, (3000, *UP), cut, (90_000, "up", "up", "feedback"))
    assert found[2:] == [5], "nobody speaks or shows anything for long: that is not missed"
