"""``patience.js`` under Node: who waits longer for sound, and when it stops waiting."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.web.fixture import WEB

SCRIPT = Path(__file__).parent / "patience.mjs"
GOOD, LOSSY, BAD = (0, 0), (700, 9), (2400, 9)  # samples made up of 48,000 in a second, repeats asked for
MENDED, HOLE, FAST = (0, 9), (30_000, 20), (1400, 0)

HANGS, FLOWS = (0, 9, 0.2, 30), (0, 0, 0.0, 30)  # and seconds the picture stood still, repeats asked for it
FAR = 300  # ms

Second = tuple[float, ...]


def told(tmp_path: Path, *seconds: Second) -> list[int | None]:
    """How long place 0 waits after each second; what is told to others is checked on the way."""
    module = tmp_path / "patience.mjs"  # Node reads a module by its name
    module.write_text((WEB / "static/js/patience.js").read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(
        ["node", str(SCRIPT), str(module)],
        input=json.dumps(seconds).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    rows = json.loads(done.stdout)
    for sound, picture, *others in rows:
        assert sound == picture, "lips stay in step"
        assert others == [None, None, None, None], "nobody waits for another one's line, and no target is invented"
    return [row[0] for row in rows]


def test_nothing_is_set_on_a_good_line(tmp_path: Path) -> None:
    assert told(tmp_path, *[GOOD] * 60) == [None] * 60


def test_sound_that_comes_too_late_is_waited_for_longer_and_longer_up_to_a_bound(tmp_path: Path) -> None:
    found = told(tmp_path, *[BAD] * 20)
    assert found[2] == 200
    assert found[5] == 200, "a buffer grows slowly: what is made up meanwhile says nothing"
    assert found[6] == 400
    assert set(found[10:]) == {600}


def test_what_helps_is_kept_while_anything_is_still_asked_for_again(tmp_path: Path) -> None:
    assert told(tmp_path, *[LOSSY] * 30)[-1] == 200, "a little is not worth still more delay"
    found = told(tmp_path, *[BAD] * 11, *[MENDED] * 200)
    assert found[11 + 50] == 600
    assert found[11 + 70] == 400
    assert found[-1] == 200, "the first step stays, the others are taken back when they leave nothing to do"


def test_a_line_that_is_good_again_is_waited_for_no_longer_step_by_step(tmp_path: Path) -> None:
    found = told(tmp_path, *[BAD] * 7, *[GOOD] * 60)
    assert found[6] == 400
    assert found[7 + 16] == 400
    assert found[7 + 30] == 200
    assert found[-1] is None


def test_a_cut_and_what_was_never_asked_for_are_no_reason_to_wait(tmp_path: Path) -> None:
    assert told(tmp_path, GOOD, HOLE, HOLE, *[GOOD] * 5, *[FAST] * 10) == [None] * 18


def test_picture_that_hangs_is_waited_for_on_a_long_way_only_and_not_as_long_as_sound(tmp_path: Path) -> None:
    assert told(tmp_path, *[HANGS] * 30) == [None] * 30
    assert set(told(tmp_path, *[(*HANGS, FAR)] * 30)[2:]) == {400}


def test_on_a_long_way_a_repeat_is_waited_for_at_once(tmp_path: Path) -> None:
    assert told(tmp_path, *[(*BAD, 0, 0, FAR)] * 3)[2] == 400
    assert told(tmp_path, *[(*BAD, 0, 0, 2 * FAR)] * 3)[2] == 600
    assert told(tmp_path, *[(*HANGS, 2 * FAR)] * 9)[-1] == 400


def test_picture_that_is_mended_in_time_keeps_what_it_has(tmp_path: Path) -> None:
    found = told(tmp_path, *[(*HANGS, FAR)] * 3, *[(*FLOWS, FAR)] * 100)
    assert found[3 + 50] == 400
    assert found[-1] == 200, "once it is clean for a minute less is tried"


def test_long_way_alone_and_a_picture_nobody_asked_for_are_no_reason_to_wait(tmp_path: Path) -> None:
    assert told(tmp_path, *[(0, 0, 0, 0, FAR)] * 20, *[(0, 0, 0.5, 0, FAR)] * 10) == [None] * 30
