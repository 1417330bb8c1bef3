"""What people do to a copy before they pass it on: every attack of the table, as one pass over pictures.

Rules: an attack sees the copy as a player shows it and nothing else; what comes out is encoded by x264 as a phone or a
site would (veryfast, a key picture every 250); each has a name that says what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from recorder.mark.geometry import IDENTITY, Matrix, window

Plane = np.ndarray


@dataclass(frozen=True)
class Leak:
    """``homography``: programme → clip; ``seconds`` from ``begin``; ``tone`` on luma; ``mixed`` copies are averaged."""

    name: str
    size: tuple[int, int] = (1280, 720)
    crf: int = 28
    seconds: float = 10.0
    begin: float = 7.3
    fps: int = 25
    homography: Matrix | None = None
    tone: Callable[[Plane], Plane] | None = None
    noise: float = 0.0
    mixed: int = 1
    gray: bool = False
    shake: float = 0.0
    logo: bool = False


def keystone(*corners: tuple[float, float]) -> Matrix:
    """The homography that takes the programme's corners (clockwise from top left) to these points of the clip."""
    rows, values = [], []
    for (x, y), (u, v) in zip(((0, 0), (1, 0), (1, 1), (0, 1)), corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    found = np.linalg.solve(np.array(rows, dtype=float), np.array(values, dtype=float))
    return np.append(found, 1.0).reshape(3, 3)


MIRRORED: Matrix = np.array([[-1.0, 0, 1], [0, 1, 0], [0, 0, 1]])
FILMED = keystone((0.06, 0.08), (0.93, 0.04), (0.96, 0.95), (0.04, 0.91))

LEAKS = (
    Leak("as issued, crf 23", crf=23),
    Leak("crf 28"),
    Leak("crf 34", crf=34),
    Leak("480p, crf 28", (854, 480)),
    Leak("360p, crf 28", (640, 360)),
    Leak("360p, crf 34", (640, 360), crf=34),
    Leak("crop 10 %, 480p", (854, 480), homography=window(0.06, 0.03, 0.9, 0.9)),
    Leak("crop 25 %, 480p", (854, 480), homography=window(0.0, 0.25, 0.75, 0.75)),
    Leak("stretched 4:3, 480p", (640, 480)),
    Leak("keystone 5 %, 480p", (854, 480), homography=keystone((0.025, 0.0), (0.975, 0.05), (1.0, 1.0), (0.0, 0.95))),
    Leak("keystone 10 %, 480p", (854, 480), homography=keystone((0.05, 0.02), (1.0, 0.1), (0.98, 0.9), (0.0, 1.0))),
    Leak("25 → 15 a second, 480p", (854, 480), fps=15),
    Leak("25 → 30 a second, 480p", (854, 480), fps=30),
    Leak("gamma 0.7, 480p", (854, 480), tone=lambda y: 255 * (y / 255) ** 0.7),
    Leak("contrast 70 %, brighter, 480p", (854, 480), tone=lambda y: 0.7 * y + 50),
    Leak("noise of 8 levels, 480p", (854, 480), noise=8.0),
    Leak("grey, 480p", (854, 480), gray=True),
    Leak("logo over it, 480p", (854, 480), logo=True),
    Leak("mirrored, 480p", (854, 480), homography=MIRRORED),
    Leak("5 s, 480p", (854, 480), seconds=5.0),
    Leak("30 s, 480p", (854, 480), seconds=30.0),
    Leak("two copies averaged, 480p", (854, 480), mixed=2),
    Leak("four copies averaged, 480p", (854, 480), mixed=4),
    Leak("filmed off a screen, crf 30", crf=30, homography=FILMED, shake=0.003, noise=4.0, fps=30,
         tone=lambda y: 235 * (np.clip(y, 16, 235) / 235) ** 1.2 + 10),
)  # fmt: skip


def leak(attack: Leak, copies: list[Path], out: Path, seed: int = 1) -> Path:
    """The attack's clip, made of the first ``mixed`` copies."""
    dice = np.random.default_rng(seed)
    wide, high = attack.size
    with av.open(str(out), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=attack.fps)
        stream.width, stream.height, stream.pix_fmt = wide, high, "yuv420p"
        stream.codec_context.time_base, stream.codec_context.thread_count = Fraction(1, attack.fps), 1
        stream.options = {"preset": "veryfast", "crf": str(attack.crf)}
        for number, planes in enumerate(_resampled(attack, copies[: attack.mixed])):
            lie = _lie(attack, number, dice)
            luma, *colour = (
                _warped(plane, lie, wide >> shift, high >> shift)
                for plane, shift in zip(planes, (0, 1, 1), strict=True)
            )
            luma = _soiled(attack, luma, dice)
            if attack.gray:
                colour = [np.full_like(plane, 128) for plane in colour]
            frame = av.VideoFrame.from_ndarray(_packed(luma, *colour), format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out


def _resampled(attack: Leak, copies: list[Path]) -> Iterator[tuple[Plane, ...]]:
    """Pictures at the attack's rate, each the newest one there is."""
    sources = [_pictures(path, attack.begin, attack.seconds) for path in copies]
    shown: tuple[Plane, ...] = ()
    made = 0
    for at, together in enumerate(zip(*sources, strict=True), start=1):
        shown = together[0] if len(copies) == 1 else _averaged(together)
        while made * 25 < at * attack.fps:
            yield shown
            made += 1


def _averaged(together: tuple[tuple[Plane, ...], ...]) -> tuple[Plane, ...]:
    half = len(together) // 2
    return tuple(
        ((np.sum(planes, axis=0, dtype=np.uint16) + half) // len(together)).astype(np.uint8)
        for planes in zip(*together, strict=True)
    )


def _pictures(path: Path, begin: float, seconds: float) -> Iterator[tuple[Plane, ...]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        container.seek(int(begin / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            if frame.time < begin:
                continue
            if frame.time >= begin + seconds:
                return
            high, wide = frame.height, frame.width
            flat = frame.to_ndarray(format="yuv420p").reshape(-1)
            size = high * wide
            yield (
                flat[:size].reshape(high, wide),
                flat[size : size * 5 // 4].reshape(high // 2, wide // 2),
                flat[size * 5 // 4 :].reshape(high // 2, wide // 2),
            )


def _lie(attack: Leak, number: int, dice: np.random.Generator) -> Matrix:
    lie = IDENTITY if attack.homography is None else attack.homography
    if attack.shake:
        turn = number / attack.fps
        x, y = attack.shake * np.sin([2.1 * turn, 2.9 * turn + 1]) + dice.normal(0, attack.shake / 6, 2)
        lie = np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]]) @ lie
    return lie


def _warped(plane: Plane, lie: Matrix, width: int, height: int) -> Plane:
    image = Image.fromarray(plane)
    if np.array_equal(lie, IDENTITY):
        return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    back = np.diag([plane.shape[1], plane.shape[0], 1.0]) @ np.linalg.inv(lie) @ np.diag([1 / width, 1 / height, 1.0])
    back = back / back[2, 2]
    how = Image.Resampling.BICUBIC
    return np.asarray(
        image.transform((width, height), Image.Transform.PERSPECTIVE, back.reshape(-1)[:8], how, fillcolor=90)
    )


def _soiled(attack: Leak, luma: Plane, dice: np.random.Generator) -> Plane:
    made = luma.astype(np.float32)
    if attack.tone is not None:
        made = attack.tone(made)
    if attack.noise:
        made = made + dice.normal(0, attack.noise, made.shape)
    if attack.logo:
        high, wide = made.shape
        made[high // 12 : high // 5, wide * 7 // 10 : wide * 9 // 10] = 225
        made[high * 3 // 4 : high * 5 // 6, : wide // 3] *= 0.5
    return np.clip(made, 0, 255).astype(np.uint8)


def _packed(*planes: Plane) -> Plane:
    wide = planes[0].shape[1]
    return np.concatenate([plane.reshape(-1) for plane in planes]).reshape(-1, wide)
