"""Draws tiles and nameplates into the static layer; the live picture is pasted over ``Cell.picture`` later.

Lines lie just outside a cell's area, so that the area itself stays even. The plate is solid and never over a face;
words are shortened from the role, never from the name.
"""

from __future__ import annotations

from typing import Final

from PIL import Image

from recorder.picture.canvas import Rect
from recorder.picture.colours import AMBER, GOLD, NAVY_700, NAVY_800, NAVY_900, NAVY_950, PLATFORM, RGB, TEXT, TEXT_2
from recorder.picture.emblem import emblem
from recorder.picture.fonts import Face
from recorder.picture.icons import icon
from recorder.picture.layout import Cell
from recorder.picture.pen import Pen
from recorder.picture.scene import TileState, TileView

MARGIN: Final = 4  # around a cell's area, where its outline lies
CAPTION: Final = 40  # under an exhibit
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


def draw_tile(pen: Pen, cell: Cell, view: TileView) -> None:
    """One seat with its outline; ``MARGIN`` around it belongs to it."""
    _outline(pen, cell.area, view)
    pen.fill(cell.area, NAVY_900)
    pen.fill(cell.plate, NAVY_800)
    if view.state is TileState.LIVE:
        pen.fill(cell.picture, NAVY_950)
    else:
        _instead(pen, cell, view)
    if cell.shape == "row":
        _row_plate(pen, cell, view)
    else:
        _plate(pen, cell, view)
    if cell.shape == "stage":
        _facts(pen, cell, view)


def _outline(pen: Pen, area: Rect, view: TileView) -> None:
    if view.speaking:
        pen.frame(area, 3, GOLD)
    elif view.state in (TileState.DISCONNECTED, TileState.PLATFORM):
        pen.dashes(area, _COLOURS[view.state], NAVY_950)
    else:
        pen.frame(area, 1, NAVY_700)


# --- in place of the picture ---


def _instead(pen: Pen, cell: Cell, view: TileView) -> None:
    area = cell.picture
    middle, centre = area.x + area.width / 2, area.y + area.height / 2
    roomy = cell.shape != "row" and area.height >= 100
    rise = 18 if roomy and view.words else 0
    sign = _SIGNS.get(view.state)
    colour = _COLOURS.get(view.state, TEXT_2)
    if sign:
        pen.paste(icon(sign, pen.screen.px(32 if area.height > 60 else 24), colour), middle, centre - rise)
    else:
        size = max(20, min(44, area.height // 3))
        pen.text(middle, centre - rise, view.name[:1], pen.fonts.serif, size, TEXT_2, "mm")
    if roomy and view.words:
        for line, words in enumerate(pen.wrapped(view.words, pen.fonts.regular, 16, area.width - 16, 2)):
            pen.text(middle, centre + 29 + 21 * line, words, pen.fonts.regular, 16, colour, "ms")


# --- plates ---


def _plate(pen: Pen, cell: Cell, view: TileView) -> None:
    """Role and name left, the state right, as large as they fit side by side."""
    plate, big = cell.plate, cell.shape == "stage"
    pad = 14 if big else 12
    base = plate.y + plate.height // 2 + 7
    regular, bold = pen.fonts.regular, pen.fonts.bold
    room: float = plate.width - 2 * pad
    words = view.note or ("" if cell.picture.height >= 100 else view.words)
    face = bold if view.speaking else regular
    sizes = [(20, 16, 15), (18, 16, 15), (18, 14, 14), (17, 14, 14), (16, 14, 14), (15, 14, 14)][0 if big else 1 :]

    def width(name: int, role: int, state: int) -> float:
        parts = ((view.name, bold, name), (view.role, regular, role), (words, face, state))
        return sum(pen.width(text, one, size) + 9 for text, one, size in parts if text) - 9

    name_size, role_size, size = next((three for three in sizes if width(*three) <= room), sizes[-1])
    if words:
        left = room - pen.width(view.name, bold, name_size) - 9
        words = pen.fitted(words, face, size, max(plate.width * 0.35, left))
        pen.text(plate.right - pad, base - 1, words, face, size, _note_colour(view), "rs")
        room -= pen.width(words, face, size) + 9
    name = pen.fitted(view.name, bold, name_size, room)
    left = room - pen.width(name, bold, name_size) - 9
    x: float = plate.x + pad
    if left >= 2.5 * role_size:
        role = pen.fitted(view.role, regular, role_size, left)
        pen.text(x, base, role, regular, role_size, GOLD, "ls")
        x += pen.width(role, regular, role_size) + 9
    pen.text(x, base, name, bold, name_size, TEXT, "ls")


def _row_plate(pen: Pen, cell: Cell, view: TileView) -> None:
    """Role, name, state under one another; in a low row role and name share a line where there is a state to say."""
    plate = cell.plate
    pen.down(plate.x, plate.y, plate.height, NAVY_700)
    tight = plate.height < 72
    pad = 8 if tight else 12
    room = plate.width - 2 * pad
    bold, regular = pen.fonts.bold, pen.fonts.regular
    words, heavy = (view.note, view.speaking) if view.note else (view.words or view.flag, False)
    face = bold if heavy else regular
    name_size = pen.largest(view.name, bold, room, (16, 15, 14) if tight else (18, 17, 16, 15, 14))
    name = (pen.fitted(view.name, bold, name_size, room), bold, name_size, TEXT)
    colour = AMBER if view.flag and not view.note and not view.words else _note_colour(view)
    if tight and words:
        _low_row(pen, plate, pad, view, (words, face, colour))
        return
    role_size = pen.largest(view.role, regular, room, (14,) if tight else (16, 15, 14))
    lines: list[tuple[str, Face, int, RGB]] = [
        *(
            (line, regular, role_size, GOLD)
            for line in pen.wrapped(view.role, regular, role_size, room, 1 if tight else 2)
        ),
        name,
    ]
    if words:
        size = pen.largest(words, face, room, (16, 15, 14))
        lines += [(line, face, size, colour) for line in pen.wrapped(words, face, size, room, 2)]
    step = min(24, (plate.height - 4) // len(lines))
    y = plate.y + plate.height // 2 - step * (len(lines) - 1) / 2
    for text, one, size, shade in lines:
        pen.text(plate.x + pad, y + 6, text, one, size, shade, "ls")
        y += step


def _low_row(pen: Pen, plate: Rect, pad: int, view: TileView, said: tuple[str, Face, RGB]) -> None:
    words, face, colour = said
    room, bold, regular = plate.width - 2 * pad, pen.fonts.bold, pen.fonts.regular
    name = pen.fitted(view.name, bold, 14, room)
    left = room - pen.width(name, bold, 14) - 6
    role = pen.fitted(view.role, regular, 14, left) if left > 34 else ""
    x: float = plate.x + pad
    middle = plate.y + plate.height / 2
    if role:
        pen.text(x, middle - 4, role, regular, 14, GOLD, "ls")
        x += pen.width(role, regular, 14) + 6
    pen.text(x, middle - 4, name, bold, 14, TEXT, "ls")
    pen.text(plate.x + pad, middle + 14, pen.fitted(words, face, 14, room), face, 14, colour, "ls")


def _facts(pen: Pen, cell: Cell, view: TileView) -> None:
    x = cell.picture.right
    if cell.area.right - x < 120:
        return
    pen.down(x, cell.area.y, cell.picture.height, NAVY_700)
    y = cell.picture.y + cell.picture.height // 2 - 29 * len(view.facts)
    room = cell.area.right - x - 28
    for label, value in view.facts:
        regular = pen.fonts.regular
        pen.text(x + 14, y + 14, pen.fitted(label, regular, 16, room), regular, 16, TEXT_2, "ls")
        pen.text(x + 14, y + 39, pen.fitted(value, regular, 20, room), regular, 20, TEXT, "ls")
        y += 58


# --- the stage without a person ---


def draw_empty_stage(pen: Pen, area: Rect) -> None:
    """The emblem on navy where nobody stands and nothing is shown."""
    pen.frame(area, 1, NAVY_700)
    pen.fill(area, NAVY_900)
    size = min(area.height - 80, 132) // 2 * 2
    if size >= 48:
        pen.paste(emblem(pen.screen.px(size)), area.x + area.width / 2, area.y + area.height / 2)


def draw_exhibit(pen: Pen, area: Rect, caption: str) -> None:
    """The ground an exhibit lies on, and its caption."""
    pen.frame(area, 1, NAVY_700)
    pen.fill(area, NAVY_950)
    plate = Rect(area.x, area.bottom - CAPTION, area.width, CAPTION)
    pen.fill(plate, NAVY_800)
    text = pen.fitted(caption, pen.fonts.bold, 18, plate.width - 28)
    pen.text(plate.x + 14, plate.y + 27, text, pen.fonts.bold, 18, TEXT, "ls")


def _note_colour(view: TileView) -> RGB:
    return TEXT if view.speaking else _COLOURS.get(view.state, TEXT_2)


def draw_flag(pen_for: Pen, text: str) -> Image.Image:
    """A solid flag for the corner of a live picture; even sides. ``pen_for`` only measures."""
    screen, fonts = pen_for.screen, pen_for.fonts
    width = round(pen_for.width(text, fonts.regular, 16)) + 18
    area = screen.rect(Rect(0, 0, (width + 1) // 2 * 2, 28))
    pen = Pen(screen, fonts, area, NAVY_950)
    line = screen.px(1)
    inner = Pen(screen, fonts, Rect(0, 0, area.width - 2 * line, area.height - 2 * line), NAVY_950)
    pen.fill(Rect(0, 0, (width + 1) // 2 * 2, 28), AMBER)
    pen.image.paste(inner.image, (line, line))
    pen.text(width / 2, 20, text, fonts.regular, 16, AMBER, "ms")
    return pen.image
