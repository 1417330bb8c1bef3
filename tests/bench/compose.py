"""What a minute of programme costs: our composer beside Debian's ffmpeg doing the nearest thing, in the same run.

Rules
* Nine seats, VP8 640 x 360 at 25 a second as browsers send them (moving, textured, grainy: decoding costs what it
  costs), Opus every 20 ms. Both read the very same packets: we a capture, ffmpeg nine WebM files of them.
* ffmpeg: nine inputs, scale (the same kind of filter as ours) and crop to our places, ``xstack``, ``drawtext`` clock,
  ``amix``, libx264 veryfast crf 23, AAC; no nameplates, no joining of packets, no court clock, so it does less than we.
* Same machine, same two cores, same niceness, in turn; wall and CPU of all processes; the middle of the rounds.
* Quality: luma PSNR and SSIM (8 x 8 windows) of every tile against the source frame, decoded and brought to the tile's
  size by Pillow's bicubic filter, which neither side uses; and the size of both files.

``python -m tests.bench.compose [--seconds 60] [--rounds 3] [--size 720p]`` prints a table and writes
``build/compose.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from rich.console import Console
from rich.table import Table

from courtroom.sfu.capture import Packet, Record, SenderReport
from recorder.picture.layout import Cell, Layout, place
from recorder.picture.screen import SCREENS, Screen
from tests.recorder.cast import CAST, names
from tests.recorder.stage import SECOND, START, Script, Sender, packetize, write_segment

SEATS = CAST[:9]
FPS, SOURCE = 25, (640, 360)
LOOP_S = 8  # a film of this length is sent over and over; it begins with a key frame
FILMS = 3
GOAL = 1.5
FILE = Path("build/compose.json")
Gray = npt.NDArray[np.float64]


# --- what the seats send ------------------------------------------------------------------------------------------


def film(seed: int, seconds: int = LOOP_S) -> list[bytes]:
    """VP8 frames: a textured room, somebody moving in it, the grain of a camera."""
    random = np.random.default_rng(seed)
    width, height = SOURCE
    room = _texture(random, width, height, 6, 70)
    body = _texture(random, 240, 300, 3, 110)
    yy, xx = np.mgrid[0:300, 0:240]
    inside = ((xx - 120) / 120) ** 2 + ((yy - 150) / 150) ** 2 < 1
    grain = [random.normal(0, 2.5, (height, width)).astype(np.int16) for _ in range(7)]
    encoder: Any = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.bit_rate = Fraction(1, FPS), Fraction(FPS), 700_000
    encoder.options = {"deadline": "realtime", "cpu-used": "6", "lag-in-frames": "0", "g": "9999"}
    made = []
    for number in range(seconds * FPS):
        t = number / FPS
        luma = room.astype(np.int16)
        x = int(200 + 60 * np.sin(t * 1.7 + seed) + 12 * np.sin(t * 7))
        y = int(60 + 10 * np.sin(t * 2.3))
        part = luma[y : y + 300, x : x + 240]
        part[inside[: part.shape[0]]] = body[: part.shape[0]][inside[: part.shape[0]]]
        picture = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
        picture[:height] = np.clip(luma + grain[number % 7], 16, 235)
        picture[height : height * 5 // 4] = 110 + 10 * seed
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        made += [bytes(packet) for packet in encoder.encode(frame)]
    assert len(made) == seconds * FPS
    return made


def _texture(random: np.random.Generator, width: int, height: int, blur: int, spread: int) -> npt.NDArray[np.uint8]:
    noise = Image.fromarray(random.integers(0, 256, (height, width), dtype=np.uint8))
    soft = np.asarray(noise.filter(ImageFilter.GaussianBlur(blur)), dtype=np.float64)
    soft = (soft - soft.mean()) / soft.std() * spread / 3 + 110
    return np.clip(soft, 20, 230).astype(np.uint8)


def speech(seed: int, seconds: int = LOOP_S) -> list[bytes]:
    """Opus packets: bursts of voiced sound with pauses."""
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 48_000, "mono", "flt", 32_000
    encoder.options = {"application": "voip", "frame_duration": "20"}
    t = np.arange(seconds * 48_000) / 48_000
    pitch = 110 + 30 * seed
    tone = sum(np.sin(2 * np.pi * pitch * k * t + 3 * np.sin(2 * np.pi * 2.1 * t)) / k for k in range(1, 9))
    loud = np.clip(np.sin(2 * np.pi * (0.23 + 0.03 * seed) * t + seed), 0, 1) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))
    sound = (0.08 * tone * loud).astype(np.float32)
    made = []
    for number in range(seconds * 50):
        frame = av.AudioFrame.from_ndarray(sound[number * 960 : (number + 1) * 960].reshape(1, -1), "flt", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 960, Fraction(1, 48_000)
        made += [bytes(packet) for packet in encoder.encode(frame)]
    return made[: seconds * 50]


@dataclass(frozen=True)
class Stage:
    folder: Path
    seconds: int
    films: list[list[bytes]]
    voices: list[list[bytes]]

    def frame(self, seat: int, number: int) -> bytes:
        made = self.films[seat % FILMS]
        return made[number % len(made)]

    def packet(self, seat: int, number: int) -> bytes:
        made = self.voices[seat % FILMS]
        return made[number % len(made)]


def staged(folder: Path, seconds: int) -> Stage:
    """Capture, ledger and names for us; nine WebM files of the same packets for ffmpeg."""
    stage = Stage(folder, seconds, [film(n) for n in range(FILMS)], [speech(n) for n in range(FILMS)])
    senders = [Sender(plan.id, n + 1, 0, n) for n, plan in enumerate(SEATS)]
    (folder / "capture").mkdir(parents=True)
    tracks = [track for sender in senders for track in sender.tracks()]
    for number, begin in enumerate(range(0, seconds, 60)):
        records: list[tuple[int, Record]] = []
        for seat, sender in enumerate(senders):
            records += _sent(stage, seat, sender, begin, min(begin + 60, seconds))
        records.sort(key=lambda item: item[0])
        write_segment(folder / "capture", number + 1, START + begin * SECOND, records, tracks)
    Script(seats=SEATS).open().close(START + seconds * SECOND).save(folder / "ledger.jsonl")
    (folder / "people.json").write_text(json.dumps(names("zh"), ensure_ascii=False), encoding="utf-8")
    for seat in range(len(SEATS)):
        _webm(stage, seat, folder / f"{seat}.webm")
    return stage


def _sent(stage: Stage, seat: int, sender: Sender, begin: int, end: int) -> Iterator[tuple[int, Record]]:
    """Packets as they arrive without delay: what is measured is composing, not the clock map."""
    video = sum(len(packetize("vp8", stage.frame(seat, n))) for n in range(begin * FPS))
    for number in range(begin * FPS, end * FPS):
        at, stamp = START + number * SECOND // FPS, number * 90_000 // FPS
        if number % FPS == 0:
            yield at, SenderReport(sender.track, at, sender._ntp(at), stamp)
        pieces = packetize("vp8", stage.frame(seat, number))
        for line, piece in enumerate(pieces):
            data = sender._packet(sender.track, video, stamp, line == len(pieces) - 1, piece)
            yield at, Packet(sender.track, at, data)
            video += 1
    track = sender.track + 100
    for number in range(begin * 50, end * 50):
        at, stamp = START + number * SECOND // 50, number * 960
        if number % 50 == 25:
            yield at, SenderReport(track, at, sender._ntp(at), stamp)
        yield at, Packet(track, at, sender._packet(track, number, stamp, False, stage.packet(seat, number)))


def _webm(stage: Stage, seat: int, path: Path) -> None:
    with av.open(str(path), "w", format="webm") as container:
        video: Any = container.add_stream("libvpx", rate=FPS)
        video.width, video.height, video.pix_fmt = *SOURCE, "yuv420p"
        audio: Any = container.add_stream("libopus", rate=48_000)
        audio.layout = "mono"
        container.start_encoding()
        for number in range(stage.seconds * 50):
            if number % 2 == 0:
                _mux(container, video, stage.frame(seat, number // 2), Fraction(1, FPS), number // 2)
            _mux(container, audio, stage.packet(seat, number), Fraction(1, 50), number)


def _mux(container: Any, stream: Any, data: bytes, base: Fraction, number: int) -> None:
    packet = av.Packet(data)
    packet.stream, packet.time_base, packet.pts, packet.dts = stream, base, number, number
    packet.is_keyframe = not data[0] & 1 or stream.type == "audio"
    container.mux(packet)


# --- the two ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    wall: float
    cpu: float
    bytes: int


def cost_of(command: Sequence[str], out: Path, log: Path) -> Cost:
    """Wall and CPU seconds of a process and of all its children."""
    out.unlink(missing_ok=True)
    shutil.rmtree(out.with_name(out.name + ".work"), ignore_errors=True)
    with log.open("wb") as said:
        before, began = os.times(), time.monotonic()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False)
        wall, after = time.monotonic() - began, os.times()
    if done.returncode or not out.is_file():
        sys.exit(f"{command[0]} failed:\n{log.read_text('utf-8', 'replace')[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(wall, cpu, out.stat().st_size)


def our_command(folder: Path, size: str, out: Path) -> list[str]:
    inputs = [
        "--capture",
        f"{folder}/capture",
        "--ledger",
        f"{folder}/ledger.jsonl",
        "--people",
        f"{folder}/people.json",
    ]
    return ["nice", "-n", "10", sys.executable, "-m", "recorder", "compose", *inputs, "--size", size, "--out", str(out)]


def their_command(folder: Path, layout: Layout, screen: Screen, seconds: int, out: Path) -> list[str]:
    inputs = [word for seat in range(len(SEATS)) for word in ("-i", str(folder / f"{seat}.webm"))]
    cells = [_cell(layout, plan.id) for plan in SEATS]
    left, top = min(cell.picture.x for cell in cells), min(cell.picture.y for cell in cells)
    steps = [
        f"[{n}:v]scale={cell.picture.width}:{cell.picture.height}:force_original_aspect_ratio=increase:"
        f"force_divisible_by=2:flags=area,crop={cell.picture.width}:{cell.picture.height}[v{n}]"
        for n, cell in enumerate(cells)
    ]  # fmt: skip
    places = "|".join(f"{cell.picture.x - left}_{cell.picture.y - top}" for cell in cells)
    videos = "".join(f"[v{n}]" for n in range(len(cells)))
    sounds = "".join(f"[{n}:a]" for n in range(len(cells)))
    font = screen.px(29)
    clock = (
        f"drawtext=fontfile={_font()}:text='%{{pts\\:gmtime\\:{START // SECOND + 28800}\\:%Y-%m-%d %T}}':"
        f"fontsize={font}:fontcolor=white:x=w-text_w-{screen.px(24)}:y={screen.px(18)}"
    )
    steps.append(
        f"{videos}xstack=inputs={len(cells)}:layout={places}:fill=0x0D1828,"
        f"pad={screen.width}:{screen.height}:{left}:{top}:0x0D1828,{clock}[v]"
    )
    steps.append(f"{sounds}amix=inputs={len(cells)}:normalize=0,aresample=48000[a]")
    return [
        "nice", "-n", "10", "ffmpeg", "-hide_banner", "-nostats", "-y", *inputs, "-filter_complex", ";".join(steps),
        "-map", "[v]", "-map", "[a]", "-r", str(FPS), "-c:v", "libx264", "-preset", "veryfast", "-crf", "23",
        "-g", str(2 * FPS), "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "96k", "-ac", "1", "-t", str(seconds),
        "-movflags", "+faststart", str(out),
    ]  # fmt: skip


def _font() -> str:
    from recorder.picture.fonts import find_fonts

    return find_fonts().bold.path


def _cell(layout: Layout, seat: str) -> Cell:
    cell = layout.cell(seat)
    assert cell is not None
    return cell


# --- how good -----------------------------------------------------------------------------------------------------


def quality(stage: Stage, layout: Layout, path: Path, every: int) -> tuple[float, float]:
    """Mean luma PSNR (dB) and SSIM over all tiles of every so-manieth picture."""
    wanted = range(FPS, stage.seconds * FPS - FPS, every)
    shown = _pictures(path, set(wanted))
    psnrs, ssims = [], []
    for seat, plan in enumerate(SEATS):
        area = _cell(layout, plan.id).picture
        source = _source(stage, seat, set(wanted))
        for number in wanted:
            true = _fitted(source[number], area.width, area.height)
            seen = shown[number][area.y : area.bottom, area.x : area.right].astype(np.float64)
            error = np.square(true - seen).mean()
            psnrs.append(10 * np.log10(255**2 / max(error, 1e-9)))
            ssims.append(_ssim(true, seen))
    return float(np.mean(psnrs)), float(np.mean(ssims))


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


# --- the run ------------------------------------------------------------------------------------------------------


def measure(folder: Path, seconds: int, rounds: int, size: str) -> dict[str, Any]:
    """Everything in one dictionary; see the module."""
    stage = staged(folder, seconds)
    screen = SCREENS[size]
    layout = screen.layout(place(list(SEATS)))
    outs = {"ours": folder / "ours.mp4", "ffmpeg": folder / "ffmpeg.mp4"}
    commands = {
        "ours": our_command(folder, size, outs["ours"]),
        "ffmpeg": their_command(folder, layout, screen, seconds, outs["ffmpeg"]),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in outs}
    for number in range(rounds):
        for name, command in sorted(commands.items(), reverse=number % 2 == 1):
            costs[name].append(cost_of(command, outs[name], folder / f"{name}.log"))
    report: dict[str, Any] = {
        "seconds": seconds, "size": size, "seats": len(SEATS), "source": list(SOURCE),
        "cores": len(os.sched_getaffinity(0)), "rounds": rounds,
    }  # fmt: skip
    for name, spent in costs.items():
        psnr, ssim = quality(stage, layout, outs[name], every=max(1, seconds * FPS // 24))
        report[name] = {
            "x_real_time": round(seconds / statistics.median(cost.wall for cost in spent), 2),
            "wall_s": [round(cost.wall, 2) for cost in spent],
            "cpu_s": round(statistics.median(cost.cpu for cost in spent), 2),
            "bytes": spent[-1].bytes, "psnr_db": round(psnr, 2), "ssim": round(ssim, 4),
            "frames": frames_of(outs[name]),
        }  # fmt: skip
    ratios = sorted(b.wall / a.wall for a, b in zip(costs["ours"], costs["ffmpeg"], strict=True))
    report["speed"] = {
        "middle": round(statistics.median(ratios), 2), "least": round(ratios[0], 2), "most": round(ratios[-1], 2),
        "goal": GOAL,
    }  # fmt: skip
    return report


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return int(container.streams.video[0].frames)


def show(report: dict[str, Any]) -> None:
    table = Table(
        title=f"compose, {report['size']}, {report['seats']} seats, {report['seconds']} s, {report['cores']} cores"
    )
    for column in ("", "x real time", "CPU s", "frames", "MB", "PSNR dB", "SSIM"):
        table.add_column(column, justify="left" if not column else "right")
    for name in ("ours", "ffmpeg"):
        row = report[name]
        table.add_row(
            name, f"{row['x_real_time']:.2f}", f"{row['cpu_s']:.1f}", str(row["frames"]), f"{row['bytes'] / 1e6:.2f}",
            f"{row['psnr_db']:.2f}", f"{row['ssim']:.4f}",
        )  # fmt: skip
    speed = report["speed"]
    met = "met" if speed["middle"] >= GOAL else "MISSED"
    console = Console()
    console.print(table)
    console.print(
        f"ours / ffmpeg: {speed['middle']:.2f} x its speed ({speed['least']:.2f} to {speed['most']:.2f}), "
        f"goal {GOAL}: {met}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", choices=sorted(SCREENS), default="720p")
    parser.add_argument("--keep", type=Path, help="folder that keeps inputs and outputs")
    chosen = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        sys.exit("ffmpeg is not installed (apt-get install ffmpeg)")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with tempfile.TemporaryDirectory(prefix="compose-") as scratch:
        folder = chosen.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        report = measure(folder, chosen.seconds, chosen.rounds, chosen.size)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(report, indent=1), encoding="utf-8")
    show(report)


if __name__ == "__main__":
    main()
