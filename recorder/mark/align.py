"""Finds when a clip was: its first picture's second in the programme.

How: what moves is what tells moments apart. The clip's pictures, laid over the programme, and the programme's key
pictures are normalised in their neighbourhood, what stands still is taken away, and every pair votes for a shift with
its correlation; the best shifts are then compared picture by picture. The burnt-in clock takes part as the picture it
is. Bounded by the programme's key pictures (two seconds apart), not by its pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from recorder.mark import video
from recorder.mark.geometry import Floats, Matrix, inside, resized, warped
from recorder.mark.register import normalised
from recorder.picture.colours import FPS

SMALL: Final = (160, 90)
MAX_KEYS: Final = 20_000  # eleven hours
_BLOCK: Final = 30  # key pictures with one still layout
_SAMPLES: Final = 120
_GRAIN: Final = 0.12  # seconds of one vote
_CANDIDATES: Final = 4
_APART: Final = 1.0
_LOOK_S: Final = 5.0
_SURE: Final = 0.6  # no second shift can agree as well
_MARGIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Moment:
    """The clip's second 0 is the programme's second ``shift``; ``fit`` is the mean correlation of what moves."""

    shift: float
    fit: float


def find(programme: Path, keys: video.Pictures, clip: video.Pictures, homography: Matrix) -> Moment:
    """``keys`` are the programme's key pictures in ``SMALL`` size."""
    mask = inside(homography, *SMALL)
    every = max(1, len(clip.times) // _SAMPLES)
    times = clip.times[::every]
    ours = _moving(np.stack([_laid(picture, homography, mask) for picture in clip.luma[::every]]))
    agree = np.concatenate(
        [
            _moving(np.stack([normalised(picture.astype(np.float32), mask) for picture in keys.luma[at : at + _BLOCK]]))
            @ ours.T
            for at in range(0, len(keys.luma), _BLOCK)
        ]
    )
    votes = _votes(keys.times[:, None] - times[None, :], agree)
    best = Moment(0.0, 0.0)
    for shift in votes:
        best = max(best, _compare(programme, times, ours, shift, mask), key=lambda moment: moment.fit)
        if best.fit >= _SURE:
            break
    return best


def _laid(picture: video.Bytes, homography: Matrix, mask: Floats) -> Floats:
    wide = picture.shape[1]
    whole = picture.astype(np.float32)
    small = resized(whole, max(32, wide // 3), max(18, picture.shape[0] // 3)) if wide > 480 else whole
    seen, _ = warped(small, homography, *SMALL)
    return normalised(seen, mask)


def _moving(pictures: Floats) -> Floats:
    """``[n, pixels]`` of unit length, what stands still taken away."""
    flat = pictures.reshape(len(pictures), -1)
    flat = np.asarray(flat - np.median(flat, axis=0), dtype=np.float32)
    length = np.sqrt(np.square(flat).sum(axis=1, keepdims=True))
    return np.asarray(flat / np.maximum(length, 1e-6), dtype=np.float32)


def _votes(shifts: np.ndarray, agree: Floats) -> list[float]:
    """The shifts that most key pictures agree on, best first."""
    first = float(shifts.min())
    slots = np.rint((shifts - first) / _GRAIN).astype(np.int64)
    count = np.bincount(slots.ravel())
    total = np.bincount(slots.ravel(), weights=agree.ravel())
    votes = total / np.sqrt(np.maximum(count, 1))
    votes = np.convolve(votes, [0.5, 1, 0.5], "same")
    found: list[float] = []
    for slot in np.argsort(-votes):
        shift = first + float(slot) * _GRAIN
        if all(abs(shift - other) >= _APART for other in found):
            found.append(shift)
        if len(found) == _CANDIDATES:
            break
    return found


def _compare(programme: Path, times: np.ndarray, ours: Floats, shift: float, mask: Floats) -> Moment:
    """Picture by picture around one shift."""
    length = min(_LOOK_S, float(times[-1] - times[0]))
    begin = max(0.0, shift + float(times[0]) - _MARGIN_S)
    part = video.read(programme, SMALL[0], begin, length + 2 * _MARGIN_S + 0.2, SMALL[1])
    theirs = _moving(np.stack([normalised(picture.astype(np.float32), mask) for picture in part.luma]))
    chosen = times <= times[0] + length
    agree = ours[chosen] @ theirs.T
    best = Moment(shift, 0.0)
    first = float(part.times[0])
    for step in range(-2 * FPS, 2 * FPS + 1):  # half frames
        wanted = np.rint((times[chosen] + shift + step / (2 * FPS) - first) * FPS).astype(np.int64)
        there = (wanted >= 0) & (wanted < len(part.times))
        if there.mean() < 0.5:
            continue
        fit = float(agree[np.flatnonzero(there), wanted[there]].mean())
        if fit > best.fit:
            best = Moment(shift + step / (2 * FPS), fit)
    return best
