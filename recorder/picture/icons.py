"""The few signs of the recorded picture (24 grid, 2 px line, round caps); always beside words, never alone."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw

from recorder.picture.colours import RGB

_OVER: Final = 8

Points = tuple[tuple[float, float], ...]

_LINES: Final[dict[str, tuple[Points, ...]]] = {
    "cup": (
        ((5, 9), (5, 15), (7.5, 18.5), (13.5, 18.5), (16, 15), (16, 9), (5, 9)),
        ((16, 10.5), (19, 11), (19, 14), (16, 15)),
        ((8, 3.5), (8, 6)),
        ((12.5, 3.5), (12.5, 6)),
    ),
    "camoff": (
        ((3, 7), (3, 17), (15, 17), (15, 7), (3, 7)),
        ((15, 11), (20.5, 7.5), (20.5, 16.5), (15, 13)),
        ((3, 3), (21, 21)),
    ),
    "alert": (((12, 4), (21.5, 20), (2.5, 20), (12, 4)), ((12, 10), (12, 14.5)), ((12, 17.2), (12, 17.3))),
    "pause": (((9, 5), (9, 19)), ((15, 5), (15, 19))),
    "netoff": (((3, 4), (21, 21)), ((12, 18.4), (12, 18.5))),
}
_ARCS: Final[dict[str, tuple[tuple[float, float, float], ...]]] = {
    "netoff": ((4.5, 232, 308), (8.7, 228, 312), (12.9, 227, 313))
}


@lru_cache(maxsize=64)
def icon(name: str, size: int, colour: RGB) -> Image.Image:
    """``size`` × ``size`` px, RGBA."""
    scale = size * _OVER / 24
    mask = Image.new("L", (size * _OVER, size * _OVER), 0)
    canvas = ImageDraw.Draw(mask)
    width = round(2 * scale)
    for radius, begin, end in _ARCS.get(name, ()):
        box = tuple(v * scale for v in (12 - radius, 18.5 - radius, 12 + radius, 18.5 + radius))
        canvas.arc(box, begin, end, fill=255, width=width)
    for points in _LINES[name]:
        scaled = [(x * scale, y * scale) for x, y in points]
        canvas.line(scaled, fill=255, width=width, joint="curve")
        for x, y in scaled:
            canvas.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    image = Image.new("RGBA", (size, size), (*colour, 0))
    image.putalpha(mask.resize((size, size), Image.Resampling.LANCZOS))
    return image
