"""How true a composed picture is: luma PSNR and SSIM of every tile against the frame that was sent.

Both are taken against the source, decoded and brought to the tile's size by Pillow's bicubic filter, which neither
side uses. Wang et al. 2004 (SSIM, here over 8 x 8 windows that do not overlap).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from recorder.picture.layout import Cell, Layout
from tests.bench.scene import FILMS, FPS, SEATS, SOURCE, Stage

Gray = npt.NDArray[np.float64]


def quality(stage: Stage, layout: Layout, path: Path, every: int) -> tuple[float, float]:
    """Mean luma PSNR (dB) and SSIM over all tiles of every so-manieth picture."""
    wanted = range(FPS, stage.seconds * FPS - FPS, every)
    shown = _pictures(path, set(wanted))
    psnrs, ssims = [], []
    for seat, plan in enumerate(SEATS):
        area = cell_of(layout, plan.id).picture
        source = _source(stage, seat, set(wanted))
        for number in wanted:
            true = _fitted(source[number], area.width, area.height)
            seen = shown[number][area.y : area.bottom, area.x : area.right].astype(np.float64)
            error = np.square(true - seen).mean()
            psnrs.append(10 * np.log10(255**2 / max(error, 1e-9)))
            ssims.append(_ssim(true, seen))
    return float(np.mean(psnrs)), float(np.mean(ssims))


def cell_of(layout: Layout, seat: str) -> Cell:
    cell = layout.cell(seat)
    assert cell is not None
    return cell


def _pictures(path: Path, wanted: set[int]) -> dict[int, Gray]:
    found = {}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            number = round(float(frame.time or 0) * FPS)
            if number in wanted:
                found[number] = frame.to_ndarray(format="yuv420p")[: frame.height]
    return found


def _source(stage: Stage, seat: int, wanted: set[int]) -> dict[int, npt.NDArray[np.uint8]]:
    decoder: Any = av.CodecContext.create("vp8", "r")
    loop = [
        frame.to_ndarray()[: SOURCE[1]]
        for data in stage.films[seat % FILMS]
        for frame in decoder.decode(av.Packet(data))
    ]
    return {number: loop[number % len(loop)] for number in wanted}


def _fitted(picture: npt.NDArray[np.uint8], width: int, height: int) -> Gray:
    scale = max(width / SOURCE[0], height / SOURCE[1])
    wide, high = round(SOURCE[0] * scale / 2) * 2, round(SOURCE[1] * scale / 2) * 2
    large = np.asarray(Image.fromarray(picture).resize((wide, high), Image.Resampling.BICUBIC), dtype=np.float64)
    x, y = (wide - width) // 4 * 2, (high - height) // 4 * 2
    return large[y : y + height, x : x + width]


def _ssim(a: Gray, b: Gray, size: int = 8) -> float:
    """Wang et al. 2004, over windows that do not overlap."""
    rows, columns = a.shape[0] // size * size, a.shape[1] // size * size

    def windows(plane: Gray) -> Gray:
        return plane[:rows, :columns].reshape(rows // size, size, columns // size, size).swapaxes(1, 2)

    one, two = windows(a), windows(b)
    mean_1, mean_2 = one.mean(axis=(2, 3)), two.mean(axis=(2, 3))
    both = (one * two).mean(axis=(2, 3)) - mean_1 * mean_2
    var_1, var_2 = one.var(axis=(2, 3)), two.var(axis=(2, 3))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_1 * mean_2 + c1) * (2 * both + c2)
    return float((top / ((mean_1**2 + mean_2**2 + c1) * (var_1 + var_2 + c2))).mean())


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return int(container.streams.video[0].frames)
