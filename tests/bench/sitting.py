"""A programme to mark and to leak: the product's own picture of a hearing with nine people who move, in seconds.

Rules: layout, band, clock and plates are drawn by ``recorder.picture`` as for any recording, the encoder is set as
``recorder.compose`` sets it; only the people are made up: a still room, a head that sways, and camera noise.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from courtroom.hearing.model import Role, SeatPlan, Side
from recorder.picture.canvas import Planes
from recorder.picture.colours import FPS
from recorder.picture.fonts import find_fonts
from recorder.picture.frame import FrameRenderer
from recorder.picture.layout import Cell, place
from recorder.picture.scene import Scene, TileState, TileView
from recorder.picture.screen import SCREENS, Screen

START = 1_795_484_520_000_000  # 2026-11-24 09:42:00 in Beijing
SECOND = 1_000_000
PEOPLE = (
    (Role.PRESIDING_JUDGE, Side.NONE, "审判长", "周示范"), (Role.JUDGE, Side.NONE, "审判员", "陆示例"),
    (Role.ASSESSOR, Side.NONE, "人民陪审员", "方样例"), (Role.CLERK, Side.NONE, "书记员", "吴示例"),
    (Role.PLAINTIFF, Side.PLAINTIFF, "原告", "王原告示例"), (Role.COUNSEL, Side.PLAINTIFF, "原告代理人", "李示例"),
    (Role.DEFENDANT, Side.DEFENDANT, "被告", "郑样例"), (Role.COUNSEL, Side.DEFENDANT, "被告代理人", "钱样例"),
    (Role.WITNESS, Side.NONE, "证人", "冯例证"),
)  # fmt: skip


class Person:
    """A head in front of a room, as one camera sees it."""

    def __init__(self, cell: Cell, seed: int) -> None:
        dice = np.random.default_rng(seed)
        self._height, self._width = cell.picture.height, cell.picture.width
        room = _cloud(dice, self._height, self._width, 24, 30) + dice.integers(70, 130)
        room[:, : self._width // 3] += 25 * (np.arange(self._height)[:, None] // 12 % 2)  # shelves
        self._room = room
        self._face = _cloud(dice, self._height, self._width, 6, 18) + dice.integers(120, 170)
        self._noise = dice.normal(0, 2.0, (8, self._height, self._width)).astype(np.float32)
        self._sway = dice.uniform(0.15, 0.6, 2)
        self._turn = dice.uniform(0, 6, 2)
        self._colour = dice.integers(112, 144, 2)
        self._dice = dice

    def at(self, t: float) -> Planes:
        high, wide = self._height, self._width
        x = wide / 2 + wide * 0.07 * np.sin(2 * np.pi * self._sway[0] * t + self._turn[0])
        y = high * 0.48 + high * 0.04 * np.sin(2 * np.pi * self._sway[1] * t + self._turn[1])
        rows, columns = np.ogrid[:high, :wide]
        head = ((columns - x) / (high * 0.2)) ** 2 + ((rows - y) / (high * 0.27)) ** 2 < 1
        body = ((columns - x * 0.6 - wide * 0.2) / (high * 0.45)) ** 2 + ((rows - high * 1.12) / (high * 0.42)) ** 2 < 1
        luma = np.where(body, 0.45 * self._face, self._room)
        luma = np.where(head, np.roll(self._face, (round(y), round(x)), (0, 1)), luma)
        luma = luma + self._noise[self._dice.integers(8)]
        u = np.full((high // 2, wide // 2), self._colour[0], dtype=np.uint8)
        v = np.full((high // 2, wide // 2), self._colour[1], dtype=np.uint8)
        return Planes(np.clip(luma, 16, 235).astype(np.uint8), u, v)


def _cloud(dice: np.random.Generator, height: int, width: int, grain: int, depth: float) -> np.ndarray:
    coarse = dice.normal(0, depth, (height // grain + 2, width // grain + 2))
    rows = np.linspace(0, coarse.shape[0] - 1.001, height)
    columns = np.linspace(0, coarse.shape[1] - 1.001, width)
    r, c = rows.astype(int), columns.astype(int)
    fr, fc = (rows - r)[:, None], (columns - c)[None, :]
    above = coarse[r][:, c] * (1 - fc) + coarse[r][:, c + 1] * fc
    below = coarse[r + 1][:, c] * (1 - fc) + coarse[r + 1][:, c + 1] * fc
    return (above * (1 - fr) + below * fr).astype(np.float32)


def film(path: Path, seconds: int, people: int = len(PEOPLE), screen: Screen = SCREENS["720p"]) -> Path:
    """A programme of so many seconds, with a tone for sound."""
    plans = [SeatPlan(f"s-{n}", role, side) for n, (role, side, _, _) in enumerate(PEOPLE[:people])]
    layout = place(plans)
    cells = {cell.seat: Person(cell, n) for n, cell in enumerate(screen.layout(layout).cells)}
    tiles = [TileView(f"s-{n}", words, name) for n, (_, _, words, name) in enumerate(PEOPLE[:people])]
    tiles[1] = TileView(tiles[1].seat, tiles[1].role, tiles[1].name, TileState.CAMERA_OFF, "摄像头已关闭")
    renderer = FrameRenderer(find_fonts(), screen)
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = screen.width, screen.height, "yuv420p"
        video.codec_context.time_base, video.codec_context.thread_count = Fraction(1, FPS), 1
        video.options = {"preset": "veryfast", "crf": "23", "g": str(2 * FPS)}
        sound = container.add_stream("aac", rate=48_000)
        sound.layout, sound.format = "mono", "fltp"
        for number in range(seconds * FPS):
            scene = Scene(
                "示范市示范区人民法院", "（2026）示范0101民初7号", "法庭调查", "公开审理", "北京时间", layout,
                tuple(tiles),
            )  # fmt: skip
            pictures = {seat: person.at(number / FPS) for seat, person in cells.items()}
            image = renderer.frame(scene, START + number * SECOND // FPS, pictures)
            frame = av.VideoFrame.from_ndarray(image, format="yuv420p")
            frame.pts = number
            container.mux(video.encode(frame))
            pcm = 0.1 * np.sin(2 * np.pi * 440 * (np.arange(1920) + number * 1920) / 48_000)
            heard = av.AudioFrame.from_ndarray(pcm.astype(np.float32).reshape(1, -1), format="fltp", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = 48_000, number * 1920, Fraction(1, 48_000)
            container.mux(sound.encode(heard))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path
