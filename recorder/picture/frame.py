"""From a scene and live pictures to one frame ready for the encoder.

Three layers: what changes with the scene (drawn by Pillow, each tile kept by what it says), what changes with the
second (clock digits), what changes with each frame (live pictures, pasted). One picture is kept and only what changed
is painted over; the mark lies in the first layer already and is blended into each live picture as it is pasted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeVar

import numpy as np
from PIL import Image, ImageDraw

from recorder.picture.canvas import Bytes, Overlay, Planes, Rect, blank, cut, from_rgb, planes, put
from recorder.picture.clock import ClockAtlas
from recorder.picture.colours import BAND, GOLD, HEIGHT, NAVY_900, NAVY_950, TEXT, TEXT_2, WIDTH
from recorder.picture.emblem import emblem
from recorder.picture.fonts import Fonts
from recorder.picture.icons import icon
from recorder.picture.layout import Cell, Layout
from recorder.picture.pen import Pen
from recorder.picture.scene import Scene, TileState, TileView
from recorder.picture.screen import SCREENS, Screen
from recorder.picture.tiles import CAPTION, MARGIN, draw_empty_stage, draw_exhibit, draw_flag, draw_tile

_K = TypeVar("_K")
_V = TypeVar("_V")

EMBLEM: Final = Rect(24, 11, 56, 56)
STAGE: Final = ""  # key of the exhibit's picture among the live pictures
PLAIN: Final = SCREENS["720p"]
_CACHE: Final = 32
_TILES: Final = 512
_MARK_ALPHA: Final = 38  # 15 % of 255
_MARK_ANGLE: Final = 18
_MIDDLE: Final = 682  # of phase and step: the clock is wider than the court's name


class FrameRenderer:
    """One per recording; not for several threads."""

    def __init__(self, fonts: Fonts, screen: Screen = PLAIN) -> None:
        self._fonts = fonts
        self._screen = screen
        self._clock = ClockAtlas(fonts, screen)
        self._bases: OrderedDict[Scene, tuple[Bytes, Layout]] = OrderedDict()
        self._grounds: OrderedDict[Scene, Bytes] = OrderedDict()
        self._tiles: OrderedDict[tuple[Cell, TileView], Planes] = OrderedDict()
        self._flags: dict[str, Planes] = {}
        self._marks: dict[tuple[str, Rect | None], Overlay] = {}
        self._scene: Scene | None = None
        self._layout: Layout | None = None
        self._base_now = blank(screen.width, screen.height)
        self._second = -1
        self._shown: dict[str, Planes] = {}
        self._spots: list[tuple[str, Rect, str]] = []  # live pictures of the scene: whose, where, the flag on it
        self.canvas = blank(screen.width, screen.height)
        self._onto = planes(self.canvas)

    @property
    def clock(self) -> ClockAtlas:
        return self._clock

    def area(self, area: Rect) -> Rect:
        """A place of the layout in pixels."""
        return self._screen.rect(area)

    def layout(self, scene: Scene) -> Layout:
        """The scene's layout in pixels."""
        if scene is self._scene and self._layout is not None:
            return self._layout
        return self._base(scene)[1]

    def frame(self, scene: Scene, at: int, pictures: Mapping[str, Planes]) -> Bytes:
        """A picture of its own; see ``paint``."""
        self.paint(scene, at, pictures)
        return self.canvas.copy()

    def paint(self, scene: Scene, at: int, pictures: Mapping[str, Planes]) -> None:
        """Bring ``canvas`` up to date. ``pictures`` by seat (``STAGE`` for an exhibit), each as large as its place or
        smaller (then centred); the same object means the same picture."""
        second = at // 1_000_000
        if scene is not self._scene:
            self._base_now, self._layout = self._base(scene)
            np.copyto(self.canvas, self._base_now)
            self._scene, self._second = scene, -1
            self._shown.clear()
            self._spots = [] if scene.notice else self._spots_of(scene, self._layout)
        if second != self._second:
            self._clock.show(self._onto, at)
            self._second = second
        for key, area, flag in self._spots:
            picture = pictures.get(key)
            if picture is not self._shown.get(key):
                self._place(scene, key, picture, area, flag)

    def _spots_of(self, scene: Scene, layout: Layout) -> list[tuple[str, Rect, str]]:
        flags = {view.seat: view.flag for view in scene.tiles if view.state is TileState.LIVE}
        spots = [
            (cell.seat, cell.picture, flags[cell.seat] if cell.shape != "row" else "")  # there it stands on the plate
            for cell in layout.cells
            if cell.seat in flags
        ]
        return [*spots, (STAGE, self.area(exhibit_area(scene.layout.stage)), "")] if scene.exhibit else spots

    def _place(self, scene: Scene, key: str, picture: Planes | None, area: Rect, flag: str) -> None:
        before = self._shown.get(key)
        if before is not None and (picture is None or picture.y.shape != before.y.shape):
            put(self._onto, cut(planes(self._base_now), area), area.x, area.y)
        if picture is None:
            del self._shown[key]
            return
        self._shown[key] = picture
        place = _centred(picture, area)
        put(self._onto, picture, place.x, place.y)
        if scene.mark:
            self._mark(scene.mark, place).lay(self.canvas)
        if flag:
            put(self._onto, self._flag(flag), area.x + self._screen.even(8), area.y + self._screen.even(8))

    # --- what stands still ---

    def _base(self, scene: Scene) -> tuple[Bytes, Layout]:
        found = self._bases.get(scene)
        if found is None:
            found = self._drawn(scene), self._screen.layout(scene.layout)
            _keep(self._bases, scene, found, _CACHE)
        self._bases.move_to_end(scene)
        return found

    def _drawn(self, scene: Scene) -> Bytes:
        out = self._ground(replace(scene, tiles=())).copy()
        onto = planes(out)
        if scene.notice is None:
            views = {view.seat: view for view in scene.tiles}
            for cell in scene.layout.cells:
                if cell.seat in views:
                    area = self._tile_area(cell)
                    put(onto, self._tile(cell, views[cell.seat]), area.x, area.y)
        if scene.mark:
            self._mark(scene.mark, None).lay(out)
        return out

    def _ground(self, scene: Scene) -> Bytes:
        """Band, stage and words of a scene without its tiles."""
        found = self._grounds.get(scene)
        if found is None:
            found = blank(self._screen.width, self._screen.height)
            put(planes(found), from_rgb(draw_ground(scene, self._fonts, self._screen)), 0, 0)
            _keep(self._grounds, scene, found, _CACHE)
        self._grounds.move_to_end(scene)
        return found

    def _tile_area(self, cell: Cell) -> Rect:
        area = cell.area
        around = Rect(area.x - MARGIN, area.y - MARGIN, area.width + 2 * MARGIN, area.height + 2 * MARGIN)
        return self._screen.rect(around)

    def _tile(self, cell: Cell, view: TileView) -> Planes:
        found = self._tiles.get((cell, view))
        if found is None:
            pen = Pen(self._screen, self._fonts, self._tile_area(cell), NAVY_950)
            draw_tile(pen, cell, view)
            found = from_rgb(pen.image)
            _keep(self._tiles, (cell, view), found, _TILES)
        self._tiles.move_to_end((cell, view))
        return found

    def _flag(self, text: str) -> Planes:
        if text not in self._flags:
            self._flags[text] = from_rgb(draw_flag(Pen(self._screen, self._fonts, Rect(0, 0, 2, 2), NAVY_950), text))
        return self._flags[text]

    def _mark(self, text: str, area: Rect | None) -> Overlay:
        """The mark of the whole picture, or of one live picture in it."""
        found = self._marks.get((text, area))
        if found is None:
            if len(self._marks) > _TILES:
                self._marks.clear()
            alpha = mark_alpha(text, self._fonts, self._screen)
            if area is not None:
                part = np.zeros_like(alpha)
                here = slice(area.y, area.bottom), slice(area.x, area.right)
                part[here] = alpha[here]
                alpha = part
            found = self._marks[text, area] = Overlay(alpha, 235)
        return found


def _keep(cache: OrderedDict[_K, _V], key: _K, value: _V, limit: int) -> None:
    if len(cache) >= limit:
        cache.popitem(last=False)
    cache[key] = value


def exhibit_area(stage: Rect) -> Rect:
    return Rect(stage.x, stage.y, stage.width, stage.height - CAPTION)


def _centred(picture: Planes, area: Rect) -> Rect:
    height, width = picture.y.shape
    return Rect(area.x + (area.width - width) // 4 * 2, area.y + (area.height - height) // 4 * 2, width, height)


def draw_ground(scene: Scene, fonts: Fonts, screen: Screen = PLAIN) -> Image.Image:
    """Band, stage and the words at the edge."""
    pen = Pen(screen, fonts, Rect(0, 0, screen.width, screen.height), NAVY_950)
    _band(pen, scene)
    if scene.notice is not None:
        _notice(pen, scene)
        return pen.image
    taken = any(cell.shape == "stage" for cell in scene.layout.cells)
    if scene.exhibit:
        draw_exhibit(pen, scene.layout.stage, scene.exhibit)
    elif not taken:
        draw_empty_stage(pen, scene.layout.stage)
    if scene.more:
        pen.text(WIDTH - 24, HEIGHT - 2, scene.more, fonts.regular, 14, TEXT_2, "rd")
    return pen.image


def _band(pen: Pen, scene: Scene) -> None:
    pen.fill(Rect(0, 0, WIDTH, BAND), NAVY_900)
    pen.fill(Rect(0, BAND - 2, WIDTH, 2), GOLD)
    sign = emblem(pen.screen.px(EMBLEM.width))
    pen.image.paste(sign, (pen.screen.px(EMBLEM.x), pen.screen.px(EMBLEM.y)), sign)
    regular, serif = pen.fonts.regular, pen.fonts.serif
    pen.text(94, 38, pen.fitted(scene.court, serif, 22, 430), serif, 22, TEXT, "ls")
    case_x = 94 - (7 if scene.case[:1] in "（(" else 0)  # a full-width bracket carries its own blank
    pen.text(case_x, 59, pen.fitted(scene.case, regular, 15, 440), regular, 15, TEXT_2, "ls")
    pen.text(_MIDDLE, 38, "\u200a".join(scene.phase), serif, 24, TEXT, "ms")
    pen.text(_MIDDLE, 60, pen.fitted(scene.step, regular, 15, 260), regular, 15, TEXT_2, "ms")
    pen.text(WIDTH - 24, 63, scene.clock_note, regular, 15, TEXT_2, "rs")


def _notice(pen: Pen, scene: Scene) -> None:
    assert scene.notice is not None
    serif, size = pen.fonts.serif, 42
    pen.paste(emblem(pen.screen.px(168)), WIDTH / 2, 260)
    width = pen.width(scene.notice.title, serif, size)
    left = WIDTH / 2 - (width + 56) / 2
    pen.paste(icon("pause", pen.screen.px(40), GOLD), left + 20, 424)
    pen.text(left + 56, 424, scene.notice.title, serif, size, TEXT, "lm")
    for line, text in enumerate(scene.notice.lines):
        pen.text(WIDTH / 2, 490 + 36 * line, text, pen.fonts.regular, 21, TEXT_2, "mm")


def mark_alpha(text: str, fonts: Fonts, screen: Screen = PLAIN) -> Bytes:
    """The diagonal mark as alpha: white at 15 %, turned by 18°, never over the band."""
    font = fonts.regular.at(screen.px(22))
    reach = screen.width + screen.height
    sheet = Image.new("L", (reach, reach), 0)
    draw = ImageDraw.Draw(sheet)
    step = round(font.getlength(text)) + screen.px(150)
    for row, y in enumerate(range(0, reach, screen.px(128))):
        for x in range(-(row % 2) * step // 2, reach, step):
            draw.text((x, y), text, font=font, fill=_MARK_ALPHA, anchor="ls")
    turned = sheet.rotate(_MARK_ANGLE, resample=Image.Resampling.BICUBIC)
    left, top = (reach - screen.width) // 2, (reach - screen.height) // 2
    box = (left, top, left + screen.width, top + screen.height)
    alpha = np.array(turned.crop(box), dtype=np.uint8)
    np.minimum(alpha, _MARK_ALPHA, out=alpha)  # turning it overshoots at the edges of the strokes
    alpha[: screen.px(BAND)] = 0
    return alpha
