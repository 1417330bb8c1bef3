"""The visible mark of a copy: recipient, time and copy number, slanted, faint, over everything but the band.

Rules: the words stand several times in every picture and move every ten seconds, so that no one place can be cut out
or covered once for all; a dark edge beside the light one keeps them readable on bright pictures; the band (emblem,
court, clock) is never covered (COURT.md 8).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from recorder.picture.canvas import Bytes, Overlay
from recorder.picture.colours import BAND, FPS, HEIGHT
from recorder.picture.fonts import Fonts

PLACES: Final = 6
STAY: Final = 10 * FPS
"""Frames in one place."""
MAX_LABEL: Final = 120
_ALPHA: Final = 38  # 15 % of 255
_EDGE_ALPHA: Final = 26
_ANGLE: Final = 18
_LIGHT, _DARK = 235, 16


class Label:
    """One recipient's words for pictures of ``width`` × ``height``."""

    def __init__(self, text: str, fonts: Fonts, width: int, height: int) -> None:
        self._text = text
        self._fonts = fonts
        self._size = (width, height)
        self._kept: dict[int, tuple[Overlay, Overlay]] = {}

    def lay(self, picture: Bytes, frame: int) -> None:
        """Draw into one picture array (``yuv420p``)."""
        place = frame // STAY % PLACES
        if place not in self._kept:
            self._kept[place] = self._draw(place)
        for overlay in self._kept[place]:
            overlay.lay(picture)

    def _draw(self, place: int) -> tuple[Overlay, Overlay]:
        width, height = self._size
        scale = height / HEIGHT
        words = _sheet(self._text, self._fonts, place, width, height, scale)
        shadow = np.roll(words, (round(1.5 * scale), round(1.5 * scale)), axis=(0, 1))
        shadow = np.where(words > 0, 0, shadow)
        band = round(BAND * scale) + 2
        words[:band], shadow[:band] = 0, 0
        return (
            Overlay((shadow.astype(np.uint16) * _EDGE_ALPHA // 255).astype(np.uint8), _DARK),
            Overlay((words.astype(np.uint16) * _ALPHA // 255).astype(np.uint8), _LIGHT),
        )


def _sheet(text: str, fonts: Fonts, place: int, width: int, height: int, scale: float) -> Bytes:
    font = fonts.regular.at(round(20 * scale))
    reach = width + height
    sheet = Image.new("L", (reach, reach), 0)
    draw = ImageDraw.Draw(sheet)
    step, rise = round(font.getlength(text) + 160 * scale), round(170 * scale)
    for row, y in enumerate(range(place * rise // PLACES, reach, rise)):
        shift = (row * step * 2 // 5 + place * step * 3 // PLACES) % step
        for x in range(shift - step, reach, step):
            draw.text((x, y), text, font=font, fill=255, anchor="ls")
    turned = sheet.rotate(_ANGLE, resample=Image.Resampling.BICUBIC)
    left, top = (reach - width) // 2, (reach - height) // 2
    return np.array(turned.crop((left, top, left + width, top + height)), dtype=np.uint8)
