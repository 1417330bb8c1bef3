"""The invisible mark by its parts: signs, bound, light, geometry, registration; nothing is encoded here."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from courtroom.errors import BadMessage
from recorder.mark import register
from recorder.mark.codes import BIN, BINS, CELLS, Code, chance, copy_id, groups_of, score, threshold
from recorder.mark.evidence import READINGS, Said, readings
from recorder.mark.geometry import MIRROR, sane, through, warped, window
from recorder.mark.pattern import Pattern, strengths_of
from tests.bench.leaks import keystone

KEY = bytes(range(32))
ONE, OTHER = "00000000000000a1", "00000000000000a2"


def test_a_sign_follows_from_key_copy_and_group_only() -> None:
    assert np.array_equal(Code(KEY, ONE).group(7), Code(KEY, ONE).group(7))
    for different in (Code(KEY, OTHER).group(7), Code(KEY[::-1], ONE).group(7), Code(KEY, ONE).group(8)):
        agree = float((Code(KEY, ONE).group(7) == different).mean())
        assert abs(agree - 0.5) < 5 * 0.5 / math.sqrt(CELLS)


def test_a_bin_shows_each_cell_its_group_and_a_fifth_change() -> None:
    code = Code(KEY, ONE)
    groups = groups_of(range(100, 140))
    for line, number in enumerate(range(100, 140)):
        shown = code.bin(number)
        for cell in (0, 31, 32, 333, CELLS - 1):
            assert shown[cell] == code.group(int(groups[line, cell]))[cell]
    assert all((np.diff(groups, axis=0) > 0).mean(axis=1) < 1.5 / BINS)


@pytest.mark.parametrize(
    "text", ["", "1", "00000000000000A1", "0000000000000g00", "../../etc/passwd", "0" * 17, "0" * 16 + "\n"]
)
def test_an_id_is_sixteen_hex_digits(text: str) -> None:
    with pytest.raises(BadMessage, match="mark_id"):
        copy_id(text)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(BadMessage, match="mark_key"):
        Code(KEY[:31], ONE)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["normal", "spike", "equal", "steps"]))
def test_innocent_scores_keep_the_bound_whatever_the_clip_says(seed: int, shape: str) -> None:
    """The bound needs nothing of the clip: 300 innocent copies on evidence made to be nasty."""
    dice = np.random.default_rng(seed)
    evidence = {
        "normal": dice.normal(size=(3, CELLS)),
        "spike": np.where(dice.random((3, CELLS)) < 0.002, 1e4, 1e-3),
        "equal": np.ones((3, CELLS)),
        "steps": np.cumsum(dice.normal(size=(3, CELLS)), axis=1),
    }[shape].astype(np.float32)
    scores = [score(evidence, Code(seed.to_bytes(32, "big"), f"{n:016x}").groups(range(3))) for n in range(300)]
    limit = threshold(300)
    assert max(scores) < limit
    assert sum(value > 2 for value in scores) <= 300 * math.exp(-2) + 4 * math.sqrt(300 * math.exp(-2))


def test_the_threshold_is_where_the_bound_meets_the_rate() -> None:
    for tries in (1, 12, 5000):
        assert chance(threshold(tries), tries) == pytest.approx(1e-6)
        assert threshold(tries) < threshold(tries + 1)
    assert chance(-1) == chance(0) == 1


def test_the_mark_is_found_in_clean_evidence_and_not_the_neighbour() -> None:
    first, count = 23, 25
    dice = np.random.default_rng(3)
    code = Code(KEY, ONE)
    values = np.stack([code.bin(n) for n in range(first, first + count)]).astype(np.float32)
    values = 0.5 * values + dice.normal(0, 0.5, values.shape) + dice.normal(0, 3, CELLS)
    said = Said(values.astype(np.float32), np.ones(values.shape, np.float32), first)
    ways = readings(said)
    assert len(ways) == READINGS
    assert score(ways[0].values, code.groups(ways[0].groups)) > 25
    assert all(score(way.values, Code(KEY, OTHER).groups(way.groups)) < 5 for way in ways)


def test_nothing_said_scores_nothing() -> None:
    nothing = np.zeros((4, CELLS), np.float32)
    for way in readings(Said(nothing, nothing, 0)):
        assert score(way.values, Code(KEY, ONE).groups(way.groups)) == 0


def test_the_light_is_faint_and_fainter_where_it_is_flat_and_dark() -> None:
    luma = np.full((720, 1280), 30, np.uint8)
    luma[:, 640:] = np.random.default_rng(1).integers(60, 200, (720, 640))
    pattern, made = Pattern(Code(KEY, ONE), 1280, 720), luma.copy()
    pattern.turn(0, luma)
    pattern.lay(made)
    change = made.astype(int) - luma
    assert np.abs(change).max() <= 3
    assert np.abs(change[:, :640]).max() <= 1
    assert np.abs(change[:, :640]).mean() < 0.5
    assert 10 * math.log10(255**2 / np.square(change).mean()) > 44
    assert strengths_of(luma).reshape(18, 32)[:, :16].max() == 0


@pytest.mark.parametrize("size", [(1281, 720), (0, 0), (320, 180), (1280, 719), (100_000, 100_000)])
def test_a_programme_of_another_shape_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BadMessage, match="programme_shape"):
        Pattern(Code(KEY, ONE), *size)


def test_only_the_cells_whose_turn_it_is_change() -> None:
    luma = np.full((720, 1280), 120, np.uint8)
    pattern = Pattern(Code(KEY, ONE), 1280, 720)
    shown = []
    for number in range(BINS + 1):
        made = luma.copy()
        pattern.turn(number, luma)
        pattern.lay(made)
        shown.append(made.astype(int))
    for before, after in pairwise(shown):
        cells = np.abs(after - before).reshape(18, 40, 32, 40).max(axis=(1, 3))
        assert 0 < (cells > 0).mean() < 0.25
    assert BIN * BINS == 50


def _scene() -> np.ndarray:
    """A picture like ours: a band, a line, tiles with something in them."""
    dice = np.random.default_rng(11)
    picture = np.full((216, 384), 28.0)
    picture[:24], picture[23] = 36, 150
    for x, y, w, h in ((52, 27, 90, 56), (146, 27, 90, 56), (240, 27, 90, 56), (8, 88, 84, 60), (8, 152, 84, 60),
                       (96, 88, 190, 92), (292, 88, 84, 60), (292, 152, 84, 60), (144, 186, 94, 26)):  # fmt: skip
        grain = dice.normal(110, 25, (h // 4 + 1, w // 4 + 1)).repeat(4, 0).repeat(4, 1)[:h, :w]
        picture[y : y + h, x : x + w] = grain
    return register.box(picture.astype(np.float32), 1)


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        ("whole", window(0, 0, 1, 1)),
        ("cropped 25 % at a corner", window(0.25, 0.25, 0.75, 0.75)),
        ("cropped in width only", window(0.2, 0, 0.72, 1)),
        ("keystone 10 %", keystone((0.05, 0.02), (1.0, 0.1), (0.98, 0.9), (0.0, 1.0))),
        ("smaller than the frame", keystone((0.1, 0.12), (0.9, 0.08), (0.93, 0.9), (0.07, 0.94))),
    ],
)
def test_a_clip_finds_its_place_by_itself(name: str, lie: np.ndarray) -> None:
    scene = _scene()
    clip, _ = warped(scene, np.linalg.inv(lie) / np.linalg.inv(lie)[2, 2], 427, 240)
    dark = (0.6 * clip + 40 + np.random.default_rng(5).normal(0, 2, clip.shape)).astype(np.float32)
    place = register.find(dark, [np.full_like(scene, 20), scene])
    assert place.picture == 1, name
    inner = through(np.linalg.inv(lie), np.array([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]))
    off = through(place.homography, inner) - through(lie, inner)
    assert np.abs(off).max() * 384 < 0.8, name


def test_a_mirrored_clip_is_turned_back() -> None:
    scene = _scene()
    place = register.find(np.ascontiguousarray(scene[:, ::-1]), [scene], mirrored=True)
    points = np.array([[0.2, 0.3], [0.7, 0.8]])
    assert np.abs(through(place.homography, points) - through(MIRROR, points)).max() < 0.01


def test_folded_and_infinite_places_are_not_followed() -> None:
    assert sane(np.eye(3))
    assert not sane(np.array([[1.0, 0, 0], [0, 1, 0], [-1.1, 0, 1]]))
    assert not sane(np.full((3, 3), np.nan))
    assert not sane(np.diag([1e-9, 1, 1]))
