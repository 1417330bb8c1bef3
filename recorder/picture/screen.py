"""The sizes a programme can have: everything is laid out on 1280 x 720 and brought to the screen at the very end; pure.

Rules: a coordinate becomes the even pixel at or below its place, so neighbours stay neighbours and colour samples
belong to exactly one tile; a length becomes the distance of its two ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from recorder.picture.canvas import Rect
from recorder.picture.colours import HEIGHT, WIDTH
from recorder.picture.layout import Cell, Layout


@dataclass(frozen=True, slots=True)
class Screen:
    """``scale``: pixels for one unit of the layout."""

    name: str
    scale: Fraction

    @property
    def width(self) -> int:
        return int(WIDTH * self.scale)

    @property
    def height(self) -> int:
        return int(HEIGHT * self.scale)

    def px(self, length: float) -> int:
        """A length, a text size or a line in whole pixels."""
        return round(length * self.scale)

    def even(self, place: float) -> int:
        return int(place * self.scale) // 2 * 2

    def rect(self, area: Rect) -> Rect:
        x, y = self.even(area.x), self.even(area.y)
        return Rect(x, y, self.even(area.right) - x, self.even(area.bottom) - y)

    def layout(self, layout: Layout) -> Layout:
        """A whole layout in pixels."""
        cells = tuple(
            Cell(cell.seat, cell.shape, self.rect(cell.area), self.rect(cell.picture), self.rect(cell.plate))
            for cell in layout.cells
        )
        return Layout(cells, self.rect(layout.stage), layout.unplaced)


SCREENS: Final = {"720p": Screen("720p", Fraction(1)), "1080p": Screen("1080p", Fraction(3, 2))}
