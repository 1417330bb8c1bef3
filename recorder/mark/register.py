"""Finds by itself how a clip lies over the programme: cropped, scaled, stretched, filmed a little from the side.

How: what stands still in a hearing's picture (band, lines, plates, tiles) is a fixed layout. Gradients of the clip are
slid over those of the programme at every plausible size and shape (normalised cross-correlation by FFT); the best few
are refined to a full homography by Gauss–Newton, coarse to fine (Lucas–Kanade in the compositional form: Baker,
Matthews, *Lucas-Kanade 20 Years On*, IJCV 56, 2004), on pictures normalised in their neighbourhood, so that gain, gamma
and uneven light do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from recorder.mark.geometry import IDENTITY, MIRROR, Floats, Matrix, inside, resized, sane, warped, window

COARSE: Final = (96, 54)
LEVELS: Final = ((96, 54), (192, 108), (384, 216))
_SHARES: Final = tuple(0.36 * 1.055**n for n in range(26))  # of the programme's width that the clip shows, to 1.37
_SHAPES: Final = (0.7, 0.8, 0.9, 1.0, 1.11, 1.25, 1.43)  # height share by width share
_PAD: Final = (135, 240)
_OVERLAP: Final = 0.55
_TRIED: Final = 8
_ROUNDS: Final = 14
_HUBER: Final = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """``homography`` takes the programme to the clip; ``fit`` is the correlation there, at most 1."""

    homography: Matrix
    fit: float
    picture: int = 0  # which of the offered pictures of the programme


def find(clip: Floats, programme: Sequence[Floats], mirrored: bool = False) -> Place:
    """The best place of ``clip`` over any of the programme's pictures (each 384 × 216)."""
    seen = clip[:, ::-1] if mirrored else clip
    guesses = sorted(
        (guess for number, picture in enumerate(programme) for guess in _guesses(seen, picture, number)),
        key=lambda guess: -guess.fit,
    )
    if not guesses:  # nothing in the clip that could lie anywhere
        return Place(IDENTITY, 0.0)
    tried = [refined(seen, programme[one.picture], one, LEVELS[:1]) for one in guesses[:_TRIED]]
    best = max(tried, key=lambda place: place.fit)
    best = refined(seen, programme[best.picture], best, LEVELS[1:])
    return Place(MIRROR @ best.homography, best.fit, best.picture) if mirrored else best


# --- sliding ----------------------------------------------------------------------------------------------------------


def _guesses(clip: Floats, programme: Floats, number: int) -> list[Place]:
    wide, high = COARSE
    there = _edges(resized(programme, wide, high))
    spectrum = np.conj(np.fft.rfft2(there, _PAD))
    power = np.conj(np.fft.rfft2(np.square(there), _PAD))
    area = np.conj(np.fft.rfft2(np.ones_like(there), _PAD))
    found = []
    for share in _SHARES:
        for shape in _SHAPES:
            width, height = round(wide * share), round(high * share * shape)
            if not (24 <= width <= 135 and 14 <= height <= 78):
                continue
            best = _slide(_edges(resized(clip, width, height)), spectrum, power, area)
            fit, x, y = best
            if fit > 0:
                found.append(Place(window(x / wide, y / high, width / wide, height / high), fit, number))
    return sorted(found, key=lambda place: -place.fit)[:_TRIED]


def _slide(here: Floats, spectrum: np.ndarray, power: np.ndarray, area: np.ndarray) -> tuple[float, int, int]:
    """Fit and place of the best shift; only where enough of both pictures lies on each other."""
    height, width = here.shape
    both = np.fft.irfft2(np.fft.rfft2(here, _PAD) * spectrum, _PAD)
    ones = np.fft.rfft2(np.ones_like(here), _PAD)
    theirs = np.fft.irfft2(ones * power, _PAD)
    ours = np.fft.irfft2(np.fft.rfft2(np.square(here), _PAD) * area, _PAD)
    common = np.fft.irfft2(ones * area, _PAD)
    least = _OVERLAP * min(width * height, COARSE[0] * COARSE[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        fit = np.where(common >= least, both / np.sqrt(np.maximum(theirs * ours, 1e-6)), -1.0)
    fit = fit * np.sqrt(np.clip(common / (COARSE[0] * COARSE[1]), 0, 1))  # a larger piece says more
    down, right = divmod(int(fit.argmax()), _PAD[1])
    # here[i] lies on there[i - shift]: a shift of -x is a window that begins at x
    y = -(down if down < height else down - _PAD[0])
    x = -(right if right < width else right - _PAD[1])
    return float(fit[down, right]), x, y


def _edges(picture: Floats) -> Floats:
    down, right = np.gradient(picture)
    size = np.sqrt(np.hypot(down, right))
    return np.asarray(size - size.mean(), dtype=np.float32)


# --- refining ---------------------------------------------------------------------------------------------------------


def refined(
    clip: Floats, programme: Floats, place: Place, levels: Sequence[tuple[int, int]] = LEVELS, rounds: int = _ROUNDS
) -> Place:
    """``place`` made exact on ``levels``; the old one where refining leads nowhere."""
    homography, fit = place.homography, place.fit
    for width, height in levels:
        there = resized(programme, width, height)
        homography, fit = _descend(_shrunk(clip, width, homography), there, homography, rounds)
    return Place(homography, fit, place.picture)


def _shrunk(clip: Floats, width: int, homography: Matrix) -> Floats:
    """The clip no finer than the programme is at this level: else warping would skip pixels."""
    shown = 1 / max(1e-3, abs(float(homography[0, 0])))
    wanted = max(32, round(width * min(1.5, max(0.2, shown))))
    if wanted >= clip.shape[1]:
        return clip
    return resized(clip, wanted, max(16, round(clip.shape[0] * wanted / clip.shape[1])))


def _descend(clip: Floats, there: Floats, start: Matrix, rounds: int) -> tuple[Matrix, float]:
    height, width = there.shape
    rows, columns = np.mgrid[:height, :width]
    x = ((columns + 0.5) / width).astype(np.float32).ravel()
    y = ((rows + 0.5) / height).astype(np.float32).ravel()
    homography, best, best_fit = start, start, -1.0
    for turn in range(rounds + 1):
        if not sane(homography):
            break
        seen, _ = warped(clip, homography, width, height)
        mask = inside(homography, width, height)
        if mask.mean() < 0.05:
            break
        ours, theirs = normalised(seen, mask), normalised(there, mask)
        fit = _fit(ours, theirs)
        if fit > best_fit:
            best, best_fit = homography, fit
        if turn == rounds:
            break
        step = _step(ours, theirs, mask, x, y)
        homography = homography @ step
        homography = homography / homography[2, 2]
        if float(np.abs(step - np.eye(3)).max()) < 2e-6:
            break
    return best, best_fit


def _fit(ours: Floats, theirs: Floats) -> float:
    norm = float(np.sqrt(np.square(ours).sum() * np.square(theirs).sum()))
    return float((ours * theirs).sum()) / norm if norm else 0.0


def _step(ours: Floats, theirs: Floats, mask: Floats, x: Floats, y: Floats) -> Matrix:
    """One Gauss–Newton step: the small homography of the programme's plane that brings ``ours`` nearer."""
    height, width = ours.shape
    down, right = np.gradient(ours)
    gx, gy = (right * width).ravel(), (down * height).ravel()
    moved = gx * x + gy * y
    jacobian = np.stack([gx * x, gx * y, gx, gy * x, gy * y, gy, -moved * x, -moved * y], axis=1)
    off = (theirs - ours).ravel()
    weight = mask.ravel() * np.minimum(1, _HUBER / np.maximum(np.abs(off), 1e-6))
    weighted = jacobian * weight[:, None]
    normal = (weighted.T @ jacobian).astype(np.float64)
    normal += np.diag(np.diag(normal) * 1e-4 + 1e-6)
    a = np.linalg.solve(normal, (weighted.T @ off).astype(np.float64))
    return np.array([[1 + a[0], a[1], a[2]], [a[3], 1 + a[4], a[5]], [a[6], a[7], 1.0]])


def normalised(picture: Floats, mask: Floats) -> Floats:
    """Each pixel against the mean and the spread of its neighbourhood, within ``mask``."""
    reach = max(3, picture.shape[1] // 14)
    weight = np.maximum(box(mask, reach), 1e-3)
    mean = box(picture * mask, reach) / weight
    high = (picture - mean) * mask
    spread = np.sqrt(np.maximum(box(np.square(high), reach) / weight, 0))
    return np.asarray(np.clip(high / (spread + 1.5), -4, 4) * mask, dtype=np.float32)


def box(picture: Floats, reach: int) -> Floats:
    """Mean over a square of 2 · reach + 1; outside is nothing."""
    made = picture.astype(np.float64)
    for axis in (0, 1):
        size = made.shape[axis]
        total = np.concatenate([np.zeros_like(made.take([0], axis)), np.cumsum(made, axis)], axis)
        upper = np.minimum(np.arange(size) + reach + 1, size)
        lower = np.maximum(np.arange(size) - reach, 0)
        made = (total.take(upper, axis) - total.take(lower, axis)) / (2 * reach + 1)
    return np.asarray(made, dtype=np.float32)
