"""The invisible mark as light: what is added to the luma of every picture of one copy; numpy only.

Rules
* Strength follows what the eye does not see: 0.6 of a level where it is flat and dark (our navy: one level there is
  six per cent of its light), 1 where it is flat or partly dark, up to 2.5 where the picture is busy (masking).
* A patch fades at its edge and is spread over whole levels by a fixed threshold pattern, so that there is no line
  and no step to see; only the cells whose turn it is change in a bin.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from courtroom.errors import BadMessage
from recorder.mark.codes import CELLS, COLUMNS, ROWS, Code

STRENGTHS: Final = (0.6, 1.0, 1.75, 2.5)
DARK: Final = 60
FLAT: Final = 4  # levels between the quartiles
BUSY: Final = 12
_STEP: Final = 4  # pixels between those that are looked at to judge a cell
_FADE: Final = 0.15  # share of a cell, on each side
_BLACK, _WHITE = 16, 235  # limited range (ITU-R BT.601-7, 2.5.3)

Luma = npt.NDArray[np.uint8]


class Pattern:
    """The light of one copy in a picture of ``width`` × ``height``; frames are asked for in order, bin by bin."""

    def __init__(self, code: Code, width: int, height: int) -> None:
        if width % (COLUMNS * _STEP) or height % (ROWS * 2) or not 640 <= width <= 3840:
            raise BadMessage("programme_shape", {"width": width, "height": height})
        self._code = code
        self._cell = (height // ROWS, width // COLUMNS)
        self._add = np.zeros((height, width), dtype=np.int16)
        self._patches = _patches(*self._cell)
        self._shown = np.full(CELLS, -1, dtype=np.int64)  # which patch each cell has now
        self._wide = np.empty((height, width), dtype=np.int16)

    def turn(self, number: int, luma: Luma) -> None:
        """Begin bin ``number``, whose first picture is ``luma``."""
        signs, strengths = self._code.bin(number), strengths_of(luma)
        wanted = strengths * 2 + (signs > 0)
        height, width = self._cell
        for cell in np.flatnonzero(wanted != self._shown):
            row, column = divmod(int(cell), COLUMNS)
            area = np.s_[row * height : (row + 1) * height, column * width : (column + 1) * width]
            self._add[area] = self._patches[wanted[cell]]
        self._shown = wanted

    def lay(self, luma: Luma) -> None:
        """Add the light to ``luma`` in place."""
        np.add(luma, self._add, out=self._wide, casting="unsafe")
        np.clip(self._wide, _BLACK, _WHITE, out=self._wide)
        luma[:] = self._wide


def strengths_of(luma: Luma) -> npt.NDArray[np.int64]:
    """Index into ``STRENGTHS`` by cell."""
    seen = luma[::_STEP, ::_STEP]
    height, width = seen.shape[0] // ROWS, seen.shape[1] // COLUMNS
    cells = seen[: height * ROWS].reshape(ROWS, height, COLUMNS, width).swapaxes(1, 2).reshape(CELLS, -1)
    ordered = np.sort(cells, axis=1).astype(np.int64)
    # quartiles: a word on a plate does not make the plate busy
    low, middle, high = (ordered[:, ordered.shape[1] * part // 4] for part in (1, 2, 3))
    busy = np.where(high - low >= BUSY, 3, np.where(high - low >= FLAT, 2, 1))
    lowest = ordered[:, ordered.shape[1] // 20]
    busy = np.where((low < DARK) & (low - lowest <= 1), 1, busy)  # a fifth of it is our navy: a gap beside a tile
    return np.asarray(np.where((high - low < FLAT) & (middle < DARK), 0, busy), dtype=np.int64)


def _patches(height: int, width: int) -> npt.NDArray[np.int16]:
    """``[2 * strength + (sign > 0)]`` → a cell of whole levels."""
    window = np.outer(_fade(height), _fade(width))
    thresholds = np.random.Generator(np.random.PCG64(1)).permutation(height * width).reshape(height, width)
    dither = (thresholds + 0.5) / (height * width)
    made = []
    for strength in STRENGTHS:
        light = np.floor(strength * window + dither)
        made += [-light, light]
    return np.stack(made).astype(np.int16)


def _fade(size: int) -> npt.NDArray[np.float64]:
    at = (np.arange(size) + 0.5) / size
    edge = np.minimum(at, 1 - at) / _FADE
    return np.asarray(np.where(edge < 1, 0.5 - 0.5 * np.cos(np.pi * edge), 1.0), dtype=np.float64)
