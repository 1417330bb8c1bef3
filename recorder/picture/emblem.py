"""The neutral court emblem, drawn by us: scales on a fluted column in a double ring, gold.

The use of the national emblem is regulated by law (国徽法); this is not it. Coordinates are on a grid of 96, the same
as the page's ``emblem.svg``; drawn large and scaled down, so every size is smooth.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw

from recorder.picture.colours import GOLD, RGB

_GRID: Final = 96
_OVER: Final = 8


@lru_cache(maxsize=8)
def emblem(size: int, colour: RGB = GOLD) -> Image.Image:
    """``size`` × ``size`` px, RGBA, transparent ground."""
    scale = size * _OVER / _GRID
    mask = Image.new("L", (size * _OVER, size * _OVER), 0)
    _Pen(ImageDraw.Draw(mask), scale).draw()
    image = Image.new("RGBA", (size, size), (*colour, 0))
    image.putalpha(mask.resize((size, size), Image.Resampling.LANCZOS))
    return image


class _Pen:
    def __init__(self, canvas: ImageDraw.ImageDraw, scale: float) -> None:
        self._canvas = canvas
        self._scale = scale

    def _line(self, points: list[tuple[float, float]], width: float) -> None:
        scaled = [(x * self._scale, y * self._scale) for x, y in points]
        self._canvas.line(scaled, fill=255, width=round(width * self._scale), joint="curve")
        for x, y in (scaled[0], scaled[-1]):
            half = width * self._scale / 2
            self._canvas.ellipse((x - half, y - half, x + half, y + half), fill=255)

    def _ring(self, x: float, y: float, radius: float, width: float) -> None:
        outer = radius + width / 2
        box = (
            (x - outer) * self._scale,
            (y - outer) * self._scale,
            (x + outer) * self._scale,
            (y + outer) * self._scale,
        )
        self._canvas.ellipse(box, outline=255, width=round(width * self._scale))

    def _pan(self, x: float) -> None:
        """A pan: the lower half of an ellipse, filled."""
        points = [
            (x + 8.5 * math.cos(turn), 49 + 6.5 * math.sin(turn))
            for turn in (math.pi * step / 32 for step in range(33))
        ]
        self._canvas.polygon([(a * self._scale, b * self._scale) for a, b in points], fill=215)
        self._line([*points, points[0]], 1.6)

    def draw(self) -> None:
        self._ring(48, 48, 45.5, 2.6)
        self._ring(48, 48, 40.5, 1.0)
        self._canvas.ellipse(tuple(v * self._scale for v in (44.4, 16.4, 51.6, 23.6)), fill=255)
        self._line([(48, 22), (48, 35)], 2.6)
        beam = [(23 + 50 * step / 40, 31.5 - 3 * math.sin(math.pi * step / 40) ** 2) for step in range(41)]
        self._line(beam, 2.8)
        for x in (23.0, 73.0):
            self._line([(x, 31.5), (x - 6.8, 48.5)], 1.3)
            self._line([(x, 31.5), (x + 6.8, 48.5)], 1.3)
            self._pan(x)
        self._line([(42.2, 36.2), (53.8, 36.2)], 2.6)
        for x in (43.4, 46.5, 49.5, 52.6):  # flutes
            self._line([(x, 40), (x, 67.5)], 2.0)
        self._line([(34, 71.5), (62, 71.5)], 3.2)
        self._line([(29, 76.8), (67, 76.8)], 3.2)
