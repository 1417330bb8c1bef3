"""From a scene and live pictures to one frame ready for the encoder.

Three layers: what changes with the scene (drawn by Pillow, kept in a small cache), what changes with the second (clock
digits), what changes with each frame (live pictures, pasted; the mark, blended). Only the last costs per frame.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from recorder.picture.canvas import Bytes, Overlay, Planes, Rect, blank, from_rgb, planes, put
from recorder.picture.clock import ClockAtlas
from recorder.picture.colours import BAND, GOLD, HEIGHT, NAVY_900, NAVY_950, TEXT, TEXT_2, WIDTH
from recorder.picture.emblem import emblem
from recorder.picture.fonts import Fonts
from recorder.picture.icons import icon
from recorder.picture.scene import Scene, TileState
from recorder.picture.tiles import TileArtist, fitted, flag

EMBLEM: Final = Rect(24, 11, 56, 56)
STAGE: Final = ""  # key of the exhibit's picture among the live pictures
_CACHE: Final = 48
_MARK_ALPHA: Final = 38  # 15 % of 255
_MARK_ANGLE: Final = 18


class FrameRenderer:
    """One per recording; not for several threads."""

    def __init__(self, fonts: Fonts) -> None:
        self._fonts = fonts
        self._clock = ClockAtlas(fonts)
        self._bases: OrderedDict[Scene, Bytes] = OrderedDict()
        self._flags: dict[str, Planes] = {}
        self._marks: dict[str, Overlay] = {}
        self._timed: tuple[Scene, int] | None = None
        self._timed_base = blank(WIDTH, HEIGHT)

    @property
    def clock(self) -> ClockAtlas:
        return self._clock

    def frame(self, scene: Scene, at: int, pictures: Mapping[str, Planes]) -> Bytes:
        """``pictures`` by seat (``STAGE`` for an exhibit), each as large as its place or smaller (then centred)."""
        out = self._with_clock(scene, at).copy()
        onto = planes(out)
        if scene.notice is None:
            self._paste(scene, onto, pictures)
        if scene.mark:
            self._mark(scene.mark).lay(out)
        return out

    def _paste(self, scene: Scene, onto: Planes, pictures: Mapping[str, Planes]) -> None:
        views = {view.seat: view for view in scene.tiles}
        for cell in scene.layout.cells:
            view = views.get(cell.seat)
            if view is None or view.state is not TileState.LIVE:
                continue
            if (picture := pictures.get(cell.seat)) is not None:
                _centred(onto, picture, cell.picture)
            if view.flag:
                put(onto, self._flag(view.flag), cell.picture.x + 8, cell.picture.y + 8)
        if scene.exhibit and (picture := pictures.get(STAGE)) is not None:
            _centred(onto, picture, exhibit_area(scene.layout.stage))

    def _with_clock(self, scene: Scene, at: int) -> Bytes:
        second = at // 1_000_000
        if self._timed != (scene, second):
            np.copyto(self._timed_base, self._base(scene))
            self._clock.show(planes(self._timed_base), at)
            self._timed = (scene, second)
        return self._timed_base

    def _base(self, scene: Scene) -> Bytes:
        found = self._bases.get(scene)
        if found is None:
            found = blank(WIDTH, HEIGHT)
            put(planes(found), from_rgb(draw_scene(scene, self._fonts)), 0, 0)
            if len(self._bases) >= _CACHE:
                self._bases.popitem(last=False)
            self._bases[scene] = found
        self._bases.move_to_end(scene)
        return found

    def _flag(self, text: str) -> Planes:
        if text not in self._flags:
            self._flags[text] = from_rgb(flag(text, self._fonts))
        return self._flags[text]

    def _mark(self, text: str) -> Overlay:
        if text not in self._marks:
            self._marks[text] = Overlay(mark_alpha(text, self._fonts), 235)
        return self._marks[text]


def exhibit_area(stage: Rect) -> Rect:
    return Rect(stage.x, stage.y, stage.width, stage.height - 40)


def _centred(onto: Planes, picture: Planes, area: Rect) -> None:
    height, width = picture.y.shape
    put(onto, picture, area.x + (area.width - width) // 4 * 2, area.y + (area.height - height) // 4 * 2)


def draw_scene(scene: Scene, fonts: Fonts) -> Image.Image:
    """Everything of a scene that stands still."""
    image = Image.new("RGB", (WIDTH, HEIGHT), NAVY_950)
    _band(image, scene, fonts)
    artist = TileArtist(image, fonts)
    if scene.notice is not None:
        _notice(image, scene, fonts)
        return image
    views = {view.seat: view for view in scene.tiles}
    taken = any(cell.shape == "stage" for cell in scene.layout.cells)
    if scene.exhibit:
        artist.exhibit(scene.layout.stage, scene.exhibit)
    elif not taken:
        artist.empty_stage(scene.layout.stage)
    for cell in scene.layout.cells:
        if cell.seat in views and not views[cell.seat].speaking:
            artist.tile(cell, views[cell.seat])
    for cell in scene.layout.cells:  # the gold outline of a speaker lies over its neighbours' lines
        if cell.seat in views and views[cell.seat].speaking:
            artist.tile(cell, views[cell.seat])
    if scene.more:
        font = fonts.regular.at(14)
        ImageDraw.Draw(image).text((WIDTH - 24, HEIGHT - 2), scene.more, font=font, fill=TEXT_2, anchor="rd")
    return image


def _band(image: Image.Image, scene: Scene, fonts: Fonts) -> None:
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, WIDTH - 1, BAND - 1), fill=NAVY_900)
    draw.rectangle((0, BAND - 2, WIDTH - 1, BAND - 1), fill=GOLD)
    sign = emblem(EMBLEM.width)
    image.paste(sign, (EMBLEM.x, EMBLEM.y), sign)
    court, small = fonts.serif.at(22), fonts.regular.at(15)
    draw.text((94, 38), fitted(scene.court, court, 430), font=court, fill=TEXT, anchor="ls")
    case_x = 94 - (7 if scene.case[:1] in "（(" else 0)  # a full-width bracket carries its own blank
    draw.text((case_x, 59), fitted(scene.case, small, 440), font=small, fill=TEXT_2, anchor="ls")
    phase = fonts.serif.at(24)
    spaced = "\u200a".join(scene.phase)
    draw.text((682, 38), spaced, font=phase, fill=TEXT, anchor="ms")
    draw.text((682, 60), fitted(scene.step, small, 260), font=small, fill=TEXT_2, anchor="ms")
    draw.text((WIDTH - 24, 63), scene.clock_note, font=small, fill=TEXT_2, anchor="rs")


def _notice(image: Image.Image, scene: Scene, fonts: Fonts) -> None:
    assert scene.notice is not None
    draw = ImageDraw.Draw(image)
    sign = emblem(168)
    image.paste(sign, (WIDTH // 2 - 84, 176), sign)
    title = fonts.serif.at(42)
    width = title.getlength(scene.notice.title)
    pause = icon("pause", 40, GOLD)
    left = round(WIDTH / 2 - (width + 56) / 2)
    image.paste(pause, (left, 404), pause)
    draw.text((left + 56, 424), scene.notice.title, font=title, fill=TEXT, anchor="lm")
    for line, text in enumerate(scene.notice.lines):
        draw.text((WIDTH // 2, 490 + 36 * line), text, font=fonts.regular.at(21), fill=TEXT_2, anchor="mm")


def mark_alpha(text: str, fonts: Fonts) -> Bytes:
    """The diagonal mark as alpha: white at 15 %, turned by 18°, never over the band."""
    font = fonts.regular.at(22)
    reach = WIDTH + HEIGHT
    sheet = Image.new("L", (reach, reach), 0)
    draw = ImageDraw.Draw(sheet)
    step = round(font.getlength(text)) + 150
    for row, y in enumerate(range(0, reach, 128)):
        for x in range(-(row % 2) * step // 2, reach, step):
            draw.text((x, y), text, font=font, fill=_MARK_ALPHA, anchor="ls")
    turned = sheet.rotate(_MARK_ANGLE, resample=Image.Resampling.BICUBIC)
    left, top = (reach - WIDTH) // 2, (reach - HEIGHT) // 2
    alpha = np.array(turned.crop((left, top, left + WIDTH, top + HEIGHT)), dtype=np.uint8)
    np.minimum(alpha, _MARK_ALPHA, out=alpha)  # turning it overshoots at the edges of the strokes
    alpha[:BAND] = 0
    return alpha
