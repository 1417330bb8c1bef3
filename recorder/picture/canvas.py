"""Pictures as the encoder wants them: 8-bit Y'CbCr 4:2:0, limited range, BT.601; pure numpy.

One array of ``height * 3 / 2`` rows holds a whole picture (the layout ``yuv420p`` of PyAV's ``from_ndarray``);
``Planes`` are views into it. Rectangles are even in every coordinate, so that colour samples belong to exactly one
tile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Rect:
    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height


@dataclass(frozen=True, slots=True)
class Planes:
    y: Bytes
    u: Bytes
    v: Bytes


def blank(width: int, height: int) -> Bytes:
    return np.zeros((height * 3 // 2, width), dtype=np.uint8)


def planes(picture: Bytes) -> Planes:
    """Views of the three planes of one picture array."""
    height, width = picture.shape[0] * 2 // 3, picture.shape[1]
    quarter = height // 4
    u = picture[height : height + quarter].reshape(height // 2, width // 2)
    v = picture[height + quarter :].reshape(height // 2, width // 2)
    return Planes(picture[:height], u, v)


def from_rgb(image: Image.Image) -> Planes:
    """Planes of a Pillow picture with even sides (ITU-R BT.601-7, 2.5.1 and 2.5.3; colour is the mean of 2 × 2)."""
    rgb = np.asarray(image.convert("RGB"), dtype=np.float32)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    y = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
    u = 128 + (-37.797 * red - 74.203 * green + 112.0 * blue) / 255
    v = 128 + (112.0 * red - 93.786 * green - 18.214 * blue) / 255
    return Planes(_bytes(y), _bytes(_halved(u)), _bytes(_halved(v)))


def _halved(plane: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    height, width = plane.shape
    mean: npt.NDArray[np.float32] = plane.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3), dtype=np.float32)
    return mean


def _bytes(plane: npt.NDArray[np.float32]) -> Bytes:
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)


def put(onto: Planes, what: Planes, x: int, y: int) -> None:
    """Copy ``what`` to an even place."""
    height, width = what.y.shape
    onto.y[y : y + height, x : x + width] = what.y
    x, y, width, height = x // 2, y // 2, width // 2, height // 2
    onto.u[y : y + height, x : x + width] = what.u
    onto.v[y : y + height, x : x + width] = what.v


def cut(planes_of: Planes, area: Rect) -> Planes:
    """Views of an even rectangle."""
    half = Rect(area.x // 2, area.y // 2, area.width // 2, area.height // 2)
    return Planes(
        planes_of.y[area.y : area.bottom, area.x : area.right],
        planes_of.u[half.y : half.bottom, half.x : half.right],
        planes_of.v[half.y : half.bottom, half.x : half.right],
    )


class Overlay:
    """A sparse translucent layer of one colour, blended where it is not transparent; made once, laid over each
    picture."""

    def __init__(self, alpha: Bytes, luma: int) -> None:
        """``alpha``: 0–255 for the whole picture, height × width."""
        height, width = alpha.shape
        self._where = np.flatnonzero(alpha)
        self._alpha = alpha.reshape(-1)[self._where].astype(np.uint16)
        self._add = self._alpha * np.uint16(luma) + np.uint16(127)
        self._keep = np.uint16(255) - self._alpha
        half = alpha.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
        half_bytes = np.rint(half).astype(np.uint8).reshape(-1)
        self._where_half = np.flatnonzero(half_bytes)
        self._alpha_half = half_bytes[self._where_half].astype(np.uint16)
        self._add_half = self._alpha_half * np.uint16(128) + np.uint16(127)
        self._keep_half = np.uint16(255) - self._alpha_half

    def lay(self, picture: Bytes) -> None:
        """Blend into a picture array as ``blank`` makes it."""
        flat = picture.reshape(-1)
        size = picture.shape[0] * 2 // 3 * picture.shape[1]
        self._blend(flat[:size], self._where, self._keep, self._add)
        quarter = size // 4
        self._blend(flat[size : size + quarter], self._where_half, self._keep_half, self._add_half)
        self._blend(flat[size + quarter :], self._where_half, self._keep_half, self._add_half)

    @staticmethod
    def _blend(
        plane: Bytes, where: npt.NDArray[np.intp], keep: npt.NDArray[np.uint16], add: npt.NDArray[np.uint16]
    ) -> None:
        plane[where] = ((plane[where] * keep + add) // np.uint16(255)).astype(np.uint8)
