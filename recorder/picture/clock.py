"""The court clock in the picture: digits cut from an atlas, one change a second, readable back from the picture.

The clock is the court's, shown in Beijing time (UTC+8, no daylight saving) whatever the machine's zone is. Every
character stands in a cell of even width at a fixed place, so the same time always gives the same pixels;
``read_back`` finds the digits again by comparing cells with the atlas, which is how the tests look at a finished
recording.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from recorder.picture.canvas import Planes, Rect, cut, from_rgb, put
from recorder.picture.colours import NAVY_900, TEXT, WIDTH
from recorder.picture.fonts import Fonts
from recorder.picture.screen import SCREENS, Screen

BEIJING: Final = timezone(timedelta(hours=8))
_CHARACTERS: Final = "0123456789-: "
_WIDTHS: Final = {"-": 12, ":": 10, " ": 10}
_DIGIT: Final = 18
_HEIGHT: Final = 36
_TOP: Final = 10
_RIGHT: Final = WIDTH - 24
_SIZE: Final = 29


def beijing(at: int) -> datetime:
    """µs of the court clock as Beijing time."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).astimezone(BEIJING)


def clock_text(at: int) -> str:
    """``2026-11-24  09:42:18``, always 21 characters."""
    return beijing(at).strftime("%Y-%m-%d   %H:%M:%S")


def time_text(at: int) -> str:
    return beijing(at).strftime("%H:%M:%S")


class ClockAtlas:
    """Every character as planes, for one screen."""

    def __init__(self, fonts: Fonts, screen: Screen = SCREENS["720p"]) -> None:
        self._screen = screen
        self._cells = {character: self._draw(character, fonts) for character in _CHARACTERS}

    def _width(self, character: str) -> int:
        return self._screen.even(_WIDTHS.get(character, _DIGIT))

    def _draw(self, character: str, fonts: Fonts) -> Planes:
        screen = self._screen
        width = self._width(character)
        image = Image.new("RGB", (width, screen.even(_HEIGHT)), NAVY_900)
        anchor = (width / 2, screen.px(28 - (2 if character == ":" else 0)))
        ImageDraw.Draw(image).text(anchor, character, font=fonts.bold.at(screen.px(_SIZE)), fill=TEXT, anchor="ms")
        return from_rgb(image)

    def cells(self, text: str) -> list[Rect]:
        """Where each character of a clock text stands in the picture."""
        widths = [self._width(character) for character in text]
        x = self._screen.even(_RIGHT) - sum(widths)
        areas = []
        for width in widths:
            areas.append(Rect(x, self._screen.even(_TOP), width, self._screen.even(_HEIGHT)))
            x += width
        return areas

    def show(self, onto: Planes, at: int) -> None:
        """Draw the time into a picture that holds the band."""
        text = clock_text(at)
        for character, area in zip(text, self.cells(text), strict=True):
            put(onto, self._cells[character], area.x, area.y)

    def read_back(self, picture: Planes) -> str:
        """The clock text nearest to what a picture shows (digits by template, the rest by place)."""
        shape = clock_text(0)
        found = []
        for character, area in zip(shape, self.cells(shape), strict=True):
            if not character.isdigit():
                found.append(character)
                continue
            seen = cut(picture, area).y.astype(np.int32)
            found.append(
                min("0123456789", key=lambda d: int(np.square(seen - self._cells[d].y.astype(np.int32)).sum()))
            )
        return "".join(found)
