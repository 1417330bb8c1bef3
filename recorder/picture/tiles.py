"""Draws tiles and nameplates into the static layer; the live picture is pasted over ``Cell.picture`` later.

Lines lie just outside a cell's area, so that the area itself stays even. The plate is solid and never over a face;
words are shortened from the role, never from the name.
"""

from __future__ import annotations

from typing import Final

from PIL import Image, ImageDraw, ImageFont

from recorder.picture.canvas import Rect
from recorder.picture.colours import AMBER, GOLD, NAVY_700, NAVY_800, NAVY_900, NAVY_950, PLATFORM, RGB, TEXT, TEXT_2
from recorder.picture.emblem import emblem
from recorder.picture.fonts import Face, Fonts
from recorder.picture.icons import icon
from recorder.picture.layout import Cell
from recorder.picture.scene import TileState, TileView

_SIGNS: Final[dict[TileState, str]] = {
    TileState.DISCONNECTED: "netoff",
    TileState.EXCUSED: "cup",
    TileState.PLATFORM: "alert",
    TileState.FROZEN: "camoff",
}
_COLOURS: Final[dict[TileState, RGB]] = {
    TileState.DISCONNECTED: AMBER,
    TileState.FROZEN: AMBER,
    TileState.PLATFORM: PLATFORM,
    TileState.EXCUSED: TEXT,
}


def fitted(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """``text``, or as much of it as fits, ending in ``…``."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


class TileArtist:
    """Draws onto one Pillow picture."""

    def __init__(self, image: Image.Image, fonts: Fonts) -> None:
        self._image = image
        self._draw = ImageDraw.Draw(image)
        self._fonts = fonts

    def tile(self, cell: Cell, view: TileView) -> None:
        self._outline(cell.area, view)
        self._draw.rectangle(_box(cell.area), fill=NAVY_900)
        self._draw.rectangle(_box(cell.plate), fill=NAVY_800)
        if view.state is TileState.LIVE:
            self._draw.rectangle(_box(cell.picture), fill=NAVY_950)
        else:
            self._instead(cell, view)
        if cell.shape == "row":
            self._row_plate(cell, view)
        else:
            self._plate(cell, view)
        if cell.shape == "stage":
            self._facts(cell, view)

    def _outline(self, area: Rect, view: TileView) -> None:
        if view.speaking:
            self._frame(area, 3, GOLD)
        elif view.state in (TileState.DISCONNECTED, TileState.PLATFORM):
            self._dashes(area, _COLOURS[view.state])
        else:
            self._frame(area, 1, NAVY_700)

    def _frame(self, area: Rect, width: int, colour: RGB) -> None:
        box = (area.x - width, area.y - width, area.right + width - 1, area.bottom + width - 1)
        self._draw.rounded_rectangle(box, radius=width + 2, outline=colour, width=width)

    def _dashes(self, area: Rect, colour: RGB) -> None:
        self._frame(area, 1, NAVY_950)
        left, top, right, bottom = area.x - 2, area.y - 2, area.right, area.bottom
        for x in range(left, right, 10):
            end = min(x + 6, right + 1)
            self._draw.rectangle((x, top, end, top + 1), fill=colour)
            self._draw.rectangle((x, bottom, end, bottom + 1), fill=colour)
        for y in range(top, bottom, 10):
            end = min(y + 6, bottom + 1)
            self._draw.rectangle((left, y, left + 1, end), fill=colour)
            self._draw.rectangle((right, y, right + 1, end), fill=colour)

    # --- in place of the picture ---

    def _instead(self, cell: Cell, view: TileView) -> None:
        area = cell.picture
        middle, centre = area.x + area.width // 2, area.y + area.height // 2
        roomy = cell.shape != "row" and area.height >= 100
        rise = 18 if roomy and view.words else 0
        sign = _SIGNS.get(view.state)
        colour = _COLOURS.get(view.state, TEXT_2)
        if sign:
            self._paste(icon(sign, 32 if area.height > 60 else 24, colour), middle, centre - rise)
        else:
            size = max(20, min(44, area.height // 3))
            font = self._fonts.serif.at(size)
            self._draw.text((middle, centre - rise), view.name[:1], font=font, fill=TEXT_2, anchor="mm")
        if roomy and view.words:
            font = self._fonts.regular.at(16)
            words = fitted(view.words, font, area.width - 16)
            self._draw.text((middle, centre + 24), words, font=font, fill=colour, anchor="mm")

    def _paste(self, sign: Image.Image, x: int, y: int) -> None:
        self._image.paste(sign, (x - sign.width // 2, y - sign.height // 2), sign)

    # --- plates ---

    def _plate(self, cell: Cell, view: TileView) -> None:
        plate, big = cell.plate, cell.shape == "stage"
        pad = 14 if big else 12
        words = view.note or ("" if cell.picture.height >= 100 else view.words)
        right = plate.right - pad
        if words:
            face = self._fonts.bold if view.speaking else self._fonts.regular
            words = fitted(words, face.at(15), plate.width * 0.55)
            self._words(right, plate.y + plate.height // 2, words, face.at(15), _note_colour(view), "rm")
            right -= round(face.at(15).getlength(words)) + 10
        name_font = self._fonts.bold.at(20 if big else 18)
        room = right - plate.x - pad
        name = fitted(view.name, name_font, room)
        role, role_font = self._role(view.role, room - name_font.getlength(name) - 10, 16)
        base = plate.y + plate.height // 2 + 7
        x: float = plate.x + pad
        if role:
            self._draw.text((x, base), role, font=role_font, fill=GOLD, anchor="ls")
            x += role_font.getlength(role) + 10
        self._draw.text((x, base), name, font=name_font, fill=TEXT, anchor="ls")

    def _role(self, role: str, room: float, size: int) -> tuple[str, ImageFont.FreeTypeFont]:
        for smaller in (size, size - 1, size - 2):
            font = self._fonts.regular.at(smaller)
            if font.getlength(role) <= room:
                return role, font
        font = self._fonts.regular.at(size - 2)
        return ("", font) if room < 2.5 * size else (fitted(role, font, room), font)

    def _row_plate(self, cell: Cell, view: TileView) -> None:
        plate = cell.plate
        self._draw.line((plate.x, plate.y, plate.x, plate.bottom - 1), fill=NAVY_700)
        room = plate.width - 24
        tight = plate.height < 72
        role, role_font = self._role(view.role, room, 14 if tight else 16)
        name_font = self._fonts.bold.at(16 if tight else 18)
        lines: list[tuple[str, ImageFont.FreeTypeFont, RGB]] = [
            (role, role_font, GOLD),
            (fitted(view.name, name_font, room), name_font, TEXT),
        ]
        words, bold = (view.note, view.speaking) if view.note else (view.words, False)
        if words and not tight:
            face: Face = self._fonts.bold if bold else self._fonts.regular
            font = next((face.at(size) for size in (16, 15, 14) if face.at(size).getlength(words) <= room), face.at(14))
            lines.append((fitted(words, font, room), font, _note_colour(view)))
        step = 20 if tight else 24
        y = plate.y + plate.height // 2 - step * (len(lines) - 1) // 2
        for text, font, colour in lines:
            self._words(plate.x + 12, y, text, font, colour, "lm")
            y += step

    def _words(self, x: float, y: float, text: str, font: ImageFont.FreeTypeFont, colour: RGB, anchor: str) -> None:
        self._draw.text((x, y), text, font=font, fill=colour, anchor=anchor)

    def _facts(self, cell: Cell, view: TileView) -> None:
        x = cell.picture.right
        if cell.area.right - x < 120:
            return
        self._draw.line((x, cell.area.y, x, cell.picture.bottom - 1), fill=NAVY_700)
        y = cell.picture.y + cell.picture.height // 2 - 29 * len(view.facts)
        room = cell.area.right - x - 28
        for label, value in view.facts:
            regular = self._fonts.regular
            self._draw.text(
                (x + 14, y + 8), fitted(label, regular.at(16), room), font=regular.at(16), fill=TEXT_2, anchor="lm"
            )
            self._draw.text(
                (x + 14, y + 33), fitted(value, regular.at(20), room), font=regular.at(20), fill=TEXT, anchor="lm"
            )
            y += 58

    # --- the stage without a person ---

    def empty_stage(self, area: Rect) -> None:
        """The emblem on navy where nobody stands and nothing is shown."""
        self._frame(area, 1, NAVY_700)
        self._draw.rectangle(_box(area), fill=NAVY_900)
        size = min(area.height - 80, 132) // 2 * 2
        if size >= 48:
            self._paste(emblem(size), area.x + area.width // 2, area.y + area.height // 2)

    def exhibit(self, area: Rect, caption: str) -> None:
        self._frame(area, 1, NAVY_700)
        self._draw.rectangle(_box(area), fill=NAVY_950)
        plate = Rect(area.x, area.bottom - 40, area.width, 40)
        self._draw.rectangle(_box(plate), fill=NAVY_800)
        font = self._fonts.bold.at(18)
        text = fitted(caption, font, plate.width - 28)
        self._draw.text((plate.x + 14, plate.y + 27), text, font=font, fill=TEXT, anchor="ls")


def _note_colour(view: TileView) -> RGB:
    return TEXT if view.speaking else _COLOURS.get(view.state, TEXT_2)


def _box(area: Rect) -> tuple[int, int, int, int]:
    return (area.x, area.y, area.right - 1, area.bottom - 1)


def flag(text: str, fonts: Fonts) -> Image.Image:
    """A solid flag for the corner of a live picture; even sides."""
    font = fonts.regular.at(16)
    width = (round(font.getlength(text)) + 18 + 1) // 2 * 2
    image = Image.new("RGB", (width, 28), NAVY_950)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width - 1, 27), outline=AMBER)
    draw.text((width // 2, 13), text, font=font, fill=AMBER, anchor="mm")
    return image
