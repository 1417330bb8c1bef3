"""Where points of a leaked clip lie in the programme: homographies on the unit square, and warping by Pillow.

Rules: a homography ``H`` (3 × 3, last element 1) takes a point of the programme to a point of the clip; both pictures
are the square [0, 1]², whatever their pixels. Pictures are float32 luma, ``NaN``-free; where the clip shows nothing the
mask is 0 (Hartley, Zisserman, *Multiple View Geometry*, 2.3).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

MIRROR: Final[Matrix] = np.array([[-1.0, 0, 1], [0, 1, 0], [0, 0, 1]])
IDENTITY: Final[Matrix] = np.eye(3)


def window(x: float, y: float, width: float, height: float) -> Matrix:
    """The homography of a clip that shows the rectangle at (x, y) of the programme."""
    return np.array([[1 / width, 0, -x / width], [0, 1 / height, -y / height], [0, 0, 1.0]])


def through(homography: Matrix, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``[n, 2]`` points of the programme → points of the clip."""
    made = points @ homography[:, :2].T + homography[:, 2]
    return np.asarray(made[:, :2] / made[:, 2:], dtype=np.float64)


def sane(homography: Matrix) -> bool:
    """Whether a homography could be a picture somebody watches: not folded, not a sliver, not mirrored by itself."""
    corners = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    depth = corners @ homography[2, :2] + homography[2, 2]
    if not np.isfinite(homography).all() or (depth < 0.2).any():
        return False
    x, y = through(homography, corners).T
    area = 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
    return 0.3 < abs(area) < 40


def resized(picture: Floats, width: int, height: int) -> Floats:
    """Area-averaged when smaller, bilinear when larger."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    smaller = width < picture.shape[1]
    how = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    return np.asarray(image.resize((width, height), how), dtype=np.float32)


def warped(clip: Floats, homography: Matrix, width: int, height: int) -> tuple[Floats, Floats]:
    """The clip as the programme's picture of ``width`` × ``height``, and 1 where the clip shows something."""
    high, wide = clip.shape
    into = np.diag([1 / width, 1 / height, 1.0])
    out = np.diag([wide, high, 1.0])
    matrix = out @ homography @ into
    matrix = matrix / matrix[2, 2]
    image = Image.fromarray(np.ascontiguousarray(clip, dtype=np.float32))
    made = image.transform(
        (width, height), Image.Transform.PERSPECTIVE, matrix.reshape(-1)[:8], Image.Resampling.BILINEAR
    )
    return np.asarray(made, dtype=np.float32), inside(homography, width, height)


def inside(homography: Matrix, width: int, height: int, edge: float = 0.012) -> Floats:
    """1 for pixels of the programme that lie in the clip, a little away from its edge."""
    x = (np.arange(width) + 0.5) / width
    y = ((np.arange(height) + 0.5) / height)[:, None]
    depth = homography[2, 0] * x + homography[2, 1] * y + homography[2, 2]
    u = (homography[0, 0] * x + homography[0, 1] * y + homography[0, 2]) / depth
    v = (homography[1, 0] * x + homography[1, 1] * y + homography[1, 2]) / depth
    seen = (u > edge) & (u < 1 - edge) & (v > edge) & (v < 1 - edge) & (depth > 0)
    return np.asarray(seen, dtype=np.float32)
