"""Draws in units of the layout onto a piece of the screen: the only place that knows both.

Rules: rectangles land on the screen's even pixels exactly where live pictures are pasted later; text and lines scale; a
piece may be drawn alone (``area``) and put to its place afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from recorder.picture.canvas import Rect
from recorder.picture.colours import RGB
from recorder.picture.fonts import Face, Fonts
from recorder.picture.screen import Screen


class Pen:
    """``area``: what is drawn, in pixels of the screen."""

    def __init__(self, screen: Screen, fonts: Fonts, area: Rect, ground: RGB) -> None:
        self.screen = screen
        self.fonts = fonts
        self.area = area
        self.image = Image.new("RGB", (area.width, area.height), ground)
        self._draw = ImageDraw.Draw(self.image)

    def font(self, face: Face, size: float) -> ImageFont.FreeTypeFont:
        return face.at(self.screen.px(size))

    def width(self, text: str, face: Face, size: float) -> float:
        """Of a line of text, in units."""
        return self.font(face, size).getlength(text) / float(self.screen.scale)

    def fitted(self, text: str, face: Face, size: float, room: float) -> str:
        """``text``, or as much of it as fits, ending in ``…``."""
        if self.width(text, face, size) <= room:
            return text
        while text and self.width(text.rstrip() + "…", face, size) > room:
            text = text[:-1]
        return text.rstrip() + "…"

    def largest(self, text: str, face: Face, room: float, sizes: Sequence[int]) -> int:
        """The first of ``sizes`` at which a line fits, else the last."""
        return next((size for size in sizes if self.width(text, face, size) <= room), sizes[-1])

    def wrapped(self, text: str, face: Face, size: float, room: float, limit: int) -> list[str]:
        """At most ``limit`` lines: broken at a blank where one is near, else anywhere; the last is shortened."""
        lines: list[str] = []
        rest = text.strip()
        while rest and len(lines) < limit - 1 and self.width(rest, face, size) > room:
            fits = next(
                end for end in range(len(rest) - 1, -1, -1) if end == 0 or self.width(rest[:end], face, size) <= room
            )
            blank = max(rest.rfind(" ", 0, fits + 1), rest.rfind("　", 0, fits + 1))
            end = blank if blank > 0 else max(1, fits)
            lines.append(rest[:end].strip())
            rest = rest[end:].strip()
        return [*lines, self.fitted(rest, face, size, room)]

    def text(self, x: float, y: float, text: str, face: Face, size: float, colour: RGB, anchor: str) -> None:
        scale = float(self.screen.scale)
        place = (x * scale - self.area.x, y * scale - self.area.y)
        self._draw.text(place, text, font=self.font(face, size), fill=colour, anchor=anchor)

    def fill(self, area: Rect, colour: RGB) -> None:
        self._fill(self.screen.rect(area), colour)

    def _fill(self, box: Rect, colour: RGB) -> None:
        if box.width > 0 and box.height > 0:
            x, y = box.x - self.area.x, box.y - self.area.y
            self._draw.rectangle((x, y, x + box.width - 1, y + box.height - 1), fill=colour)

    def across(self, x: float, y: float, length: float, colour: RGB) -> None:
        """A thin line to the right."""
        box = self.screen.rect(Rect(int(x), int(y), int(length), 2))
        self._fill(Rect(box.x, box.y, box.width, self.screen.px(1)), colour)

    def down(self, x: float, y: float, length: float, colour: RGB) -> None:
        box = self.screen.rect(Rect(int(x), int(y), 2, int(length)))
        self._fill(Rect(box.x, box.y, self.screen.px(1), box.height), colour)

    def frame(self, area: Rect, width: int, colour: RGB) -> None:
        """A line just outside an area, so that the area itself stays even."""
        box, wide = self.screen.rect(area), self.screen.px(width)
        left, top = box.x - wide - self.area.x, box.y - wide - self.area.y
        corners = (left, top, left + box.width + 2 * wide - 1, top + box.height + 2 * wide - 1)
        self._draw.rounded_rectangle(corners, radius=wide + self.screen.px(2), outline=colour, width=wide)

    def dashes(self, area: Rect, colour: RGB, ground: RGB) -> None:
        """The same line, broken."""
        self.frame(area, 1, ground)
        box, wide = self.screen.rect(area), self.screen.px(2)
        step, dash = self.screen.px(10), self.screen.px(6)
        left, top, right, bottom = box.x - wide, box.y - wide, box.right, box.bottom
        for x in range(left, right + wide, step):
            length = min(dash, right + wide - x)
            self._fill(Rect(x, top, length, wide), colour)
            self._fill(Rect(x, bottom, length, wide), colour)
        for y in range(top, bottom + wide, step):
            length = min(dash, bottom + wide - y)
            self._fill(Rect(left, y, wide, length), colour)
            self._fill(Rect(right, y, wide, length), colour)

    def paste(self, sign: Image.Image, x: float, y: float) -> None:
        """A transparent picture with its middle at a place."""
        scale = float(self.screen.scale)
        left = round(x * scale) - sign.width // 2 - self.area.x
        top = round(y * scale) - sign.height // 2 - self.area.y
        self.image.paste(sign, (left, top), sign)
