"""What a clip says about the mark, before anybody asks about a copy: one number by cell and group of time.

How: clip and programme are averaged over the same bins of time, the clip is laid over the programme, the programme is
brought to the clip's brightness level by level, and taken away. What is left is the mark, the label, coding noise, and
what does not lie exactly; single pixels are clipped, edges count less, a cell counts against its neighbours. No id and
no key is looked at here, so that for a copy the clip does not come from the signs stay coin tosses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from recorder.mark.codes import BIN, CELLS, COLUMNS, ROWS, groups_of
from recorder.mark.geometry import Floats, Matrix, inside, warped
from recorder.mark.register import Place, box, refined
from recorder.mark.video import Bytes, Pictures
from recorder.picture.colours import FPS

SIZE: Final = (640, 360)
_CLIP: Final = 4.0  # levels: a pixel that is off by more is not the mark
_EDGE: Final = 6.0
_COVERED: Final = 0.5
_OUTLIER: Final = 3.0


READINGS: Final = 4


@dataclass(frozen=True, slots=True)
class Said:
    """``values[bin - first, cell]`` and how much stands behind each; 0 is nothing."""

    values: Floats
    weights: Floats
    first: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """``values[group - first, cell]``; nothing known is 0."""

    values: Floats
    first: int

    @property
    def groups(self) -> range:
        return range(self.first, self.first + len(self.values))


def gather(clip: Pictures, programme: Pictures, shift: float, place: Place, follow: bool = True) -> Said | None:
    """``programme`` holds full-rate pictures (``SIZE``) around the clip; ``None`` when too little lies on each other.
    ``follow``: the place is refined anew in every bin (a hand holds the camera)."""
    numbers = np.rint((clip.times + shift) * FPS).astype(np.int64)
    first = round(float(programme.times[0]) * FPS)
    there = (numbers >= first) & (numbers < first + len(programme.times))
    rows: dict[int, tuple[Floats, Floats]] = {}
    homography = place.homography
    for number in np.unique(numbers[there] // BIN):
        chosen = np.flatnonzero(there & (numbers // BIN == number))
        ours = _mean(clip.luma, chosen)
        theirs = _mean(programme.luma, numbers[chosen] - first)
        if follow:
            homography = _followed(ours, theirs, homography)
        rows[int(number)] = _cells(ours, theirs, homography)
    if not rows:
        return None
    low, high = min(rows), max(rows)
    values = np.zeros((high - low + 1, CELLS), dtype=np.float32)
    weights = np.zeros_like(values)
    for number, (value, weight) in rows.items():
        values[number - low], weights[number - low] = value, weight
    return Said(values, weights, low)


def _mean(pictures: Bytes, chosen: np.ndarray) -> Floats:
    total = np.zeros(pictures.shape[1:], dtype=np.uint32)
    for number in chosen:
        total += pictures[number]
    return np.asarray(total / len(chosen), dtype=np.float32)


def _followed(ours: Floats, theirs: Floats, homography: Matrix) -> Matrix:
    place = refined(ours, theirs, Place(homography, 0.0), ((384, 216),), rounds=1)
    return place.homography if place.fit > 0.3 else homography


def _cells(ours: Floats, theirs: Floats, homography: Matrix) -> tuple[Floats, Floats]:
    """What is left by cell, and how much of the cell says so."""
    width, height = SIZE
    seen, _ = warped(ours, homography, width, height)
    mask = inside(homography, width, height)
    if mask.sum() < 0.05 * mask.size:
        return np.zeros(CELLS, dtype=np.float32), np.zeros(CELLS, dtype=np.float32)
    expected, slope = _toned(seen, theirs, mask)
    left = (seen - expected) / slope
    uneven = box(np.clip(left, -_CLIP * 3, _CLIP * 3) * mask, 60) / np.maximum(box(mask, 60), 1e-3)
    left = np.clip(left - uneven, -_CLIP, _CLIP)
    down, right = np.gradient(theirs)
    weight = mask / (1 + np.square(np.hypot(down, right) / _EDGE))
    shape = (ROWS, height // ROWS, COLUMNS, width // COLUMNS)
    total = weight.reshape(shape).sum(axis=(1, 3)).ravel()
    said = (left * weight).reshape(shape).sum(axis=(1, 3)).ravel()
    covered = mask.reshape(shape).mean(axis=(1, 3)).ravel()
    known = covered >= _COVERED
    return (
        np.where(known, said / np.maximum(total, 1e-3), 0).astype(np.float32),
        np.where(known, total / (shape[1] * shape[3]), 0).astype(np.float32),
    )


def _toned(seen: Floats, theirs: Floats, mask: Floats) -> tuple[Floats, Floats]:
    """The programme with the clip's brightness curve, and the curve's slope there."""
    levels = np.clip(theirs / 4, 0, 63.99)
    index = levels.astype(np.int64).ravel()
    weight = mask.ravel()
    count = np.bincount(index, weight, 64)
    value = np.bincount(index, seen.ravel() * weight, 64)
    known = np.flatnonzero(count >= 30)
    if len(known) < 2:
        return seen, np.ones_like(seen)
    centre = np.bincount(index, theirs.ravel() * weight, 64)[known] / count[known]
    curve = np.maximum.accumulate(value[known] / count[known])
    expected = np.interp(theirs, centre, curve).astype(np.float32)
    whole = max(0.15, float(np.polyfit(centre, curve, 1, w=np.sqrt(count[known]))[0]))
    slope = np.gradient(curve, centre) if len(known) > 2 else np.full(len(known), whole)
    return expected, np.interp(theirs, centre, np.clip(slope, 0.5 * whole, 2 * whole)).astype(np.float32)


def readings(said: Said) -> list[Evidence]:
    """The ways to read what was said: at once or a bin later (encoders bring a faint change late), with and without
    what a cell says all the time (coding error of a still background, the label, a logo). Always ``READINGS`` many.
    """
    return [_grouped(said, late, steady) for late in (0, 1) for steady in (False, True)]


def _grouped(said: Said, late: int, steady: bool) -> Evidence:
    """Bins of one sign together; then cells weighed by how still they are otherwise."""
    weights = said.weights
    values = said.values
    if not steady:
        mean = (values * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-6)
        values = np.where(weights > 0, values - mean, 0)
    groups = groups_of(range(said.first - late, said.first - late + len(values)))
    first = max(0, int(groups.min()))
    groups = np.maximum(groups, first) - first
    cells = np.broadcast_to(np.arange(CELLS), groups.shape)
    shape = (int(groups.max()) + 1, CELLS)
    total, squares, weight = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(total, (groups, cells), values * weights)
    np.add.at(squares, (groups, cells), np.square(values) * weights)
    np.add.at(weight, (groups, cells), weights)
    mean = total / np.maximum(weight, 1e-6)
    known = weight > 0
    if not known.any():
        return Evidence(np.zeros(shape, dtype=np.float32), first)
    bound = _OUTLIER * 1.4826 * float(np.median(np.abs(mean[known]))) + 1e-6
    noise = np.maximum(squares / np.maximum(weight, 1e-6) - np.square(mean), 0)
    unrest = (noise * known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    calm = float(np.median(unrest[known.any(axis=0)]))
    share = np.minimum(1, weight / float(np.median(weight[known])))
    made = np.clip(mean, -bound, bound) * share / (unrest + calm + 1e-3)
    return Evidence(np.where(known, made, 0).astype(np.float32), first)
