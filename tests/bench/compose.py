"""What a minute of programme costs: our composer beside Debian's ffmpeg doing the nearest thing, in the same run.

Rules
* Both read the very same packets of nine seats (``scene``): we a capture, ffmpeg nine WebM files of them.
* ffmpeg: nine inputs, scale (the same kind of filter as ours) and crop to our places, ``xstack``, ``drawtext`` clock,
  ``amix``, libx264 veryfast crf 23, AAC. As ``ffmpeg`` it also lays our band, emblem and nameplates over it, as one
  still picture with holes, which is the cheapest way it has; as ``bare`` it leaves them out. Neither shows who speaks,
  joins packets or keeps a court clock, so both do less than we. The goal is against ``ffmpeg``; both are quoted.
* Same machine, same two cores, same niceness, in turn; wall and CPU of all processes; the middle of the rounds.
* Quality: PSNR and SSIM of every tile against the source frame (``fidelity``), and the size of both files.

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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from recorder.clockmap import court_times
from recorder.index import read_capture
from recorder.ledgerfile import read_ledger, read_people
from recorder.payloads import Payloads
from recorder.picture.layout import Layout, place
from recorder.picture.screen import SCREENS, Screen
from recorder.studio import Look, Studio
from recorder.timeline import recording_of
from tests.bench.fidelity import cell_of, frames_of, quality
from tests.bench.scene import FPS, SEATS, SOURCE, staged
from tests.recorder.stage import SECOND, START

GOAL = 1.5
FILE = Path("build/compose.json")


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


def their_command(
    folder: Path, layout: Layout, screen: Screen, seconds: int, out: Path, still: Path | None = None
) -> list[str]:
    inputs = [word for seat in range(len(SEATS)) for word in ("-i", str(folder / f"{seat}.webm"))]
    if still is not None:
        inputs += ["-i", str(still)]  # decoded once: the filter goes on with its last picture
    cells = [cell_of(layout, plan.id) for plan in SEATS]
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
        f"pad={screen.width}:{screen.height}:{left}:{top}:0x0D1828[tiles]"
    )
    if still is not None:
        steps.append(f"[{len(SEATS)}:v]format=yuva420p[still];[tiles][still]overlay=format=yuv420[all];[all]{clock}[v]")
    else:
        steps.append(f"[tiles]{clock}[v]")
    steps.append(f"{sounds}amix=inputs={len(cells)}:normalize=0,aresample=48000[a]")
    return [
        "nice", "-n", "10", "ffmpeg", "-hide_banner", "-nostats", "-y", *inputs, "-filter_complex", ";".join(steps),
        "-map", "[v]", "-map", "[a]", "-r", str(FPS), "-c:v", "libx264", "-preset", "veryfast", "-crf", "23",
        "-g", str(2 * FPS), "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "96k", "-ac", "1", "-t", str(seconds),
        "-movflags", "+faststart", str(out),
    ]  # fmt: skip


def still_of(folder: Path, layout: Layout, size: str, out: Path) -> Path:
    """What our picture shows around the tiles, with holes where they and the clock are, as a PNG."""
    entries, capture = read_ledger(folder / "ledger.jsonl"), read_capture(folder / "capture")
    court, screen = court_times(capture.runs), SCREENS[size]
    with Payloads([segment.path for segment in capture.segments]) as payloads:
        people, recording = read_people(folder / "people.json"), recording_of(entries, capture)
        planes = Studio(Look(size=size), entries, people, capture, court, recording, payloads).frame(FPS)
    image = av.VideoFrame.from_ndarray(planes, format="yuv420p").to_image().convert("RGBA")
    holes = Image.new("L", image.size, 255)
    draw = ImageDraw.Draw(holes)
    for area in (cell_of(layout, plan.id).picture for plan in SEATS):
        draw.rectangle((area.x, area.y, area.right - 1, area.bottom - 1), fill=0)
    draw.rectangle((screen.px(920), 0, screen.width, screen.px(46)), fill=0)
    image.putalpha(holes)
    image.save(out)
    return out


def _font() -> str:
    from recorder.picture.fonts import find_fonts

    return find_fonts().bold.path


def measure(folder: Path, seconds: int, rounds: int, size: str) -> dict[str, Any]:
    """Everything in one dictionary; see the module."""
    stage = staged(folder, seconds)
    screen = SCREENS[size]
    layout = screen.layout(place(list(SEATS)))
    outs = {name: folder / f"{name}.mp4" for name in ("ours", "ffmpeg", "bare")}
    still = still_of(folder, layout, size, folder / "still.png")
    commands = {
        "ours": our_command(folder, size, outs["ours"]),
        "ffmpeg": their_command(folder, layout, screen, seconds, outs["ffmpeg"], still),
        "bare": their_command(folder, layout, screen, seconds, outs["bare"]),
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
        psnr, ssim = quality(stage, layout, outs[name], every=seconds * FPS // 24 | 1)
        report[name] = {
            "x_real_time": round(seconds / statistics.median(cost.wall for cost in spent), 2),
            "wall_s": [round(cost.wall, 2) for cost in spent],
            "cpu_s": round(statistics.median(cost.cpu for cost in spent), 2),
            "bytes": spent[-1].bytes, "psnr_db": round(psnr, 2), "ssim": round(ssim, 4),
            "frames": frames_of(outs[name]),
        }  # fmt: skip
    for key, name in (("speed", "ffmpeg"), ("speed_bare", "bare")):
        ratios = sorted(b.wall / a.wall for a, b in zip(costs["ours"], costs[name], strict=True))
        report[key] = {
            "middle": round(statistics.median(ratios), 2), "least": round(ratios[0], 2), "most": round(ratios[-1], 2),
            "goal": GOAL,
        }  # fmt: skip
    return report


def show(report: dict[str, Any]) -> None:
    table = Table(
        title=f"compose, {report['size']}, {report['seats']} seats, {report['seconds']} s, {report['cores']} cores"
    )
    for column in ("", "x real time", "CPU s", "frames", "MB", "PSNR dB", "SSIM"):
        table.add_column(column, justify="left" if not column else "right")
    for name in ("ours", "ffmpeg", "bare"):
        row = report[name]
        table.add_row(
            name, f"{row['x_real_time']:.2f}", f"{row['cpu_s']:.1f}", str(row["frames"]), f"{row['bytes'] / 1e6:.2f}",
            f"{row['psnr_db']:.2f}", f"{row['ssim']:.4f}",
        )  # fmt: skip
    speed, bare = report["speed"], report["speed_bare"]
    met = "met" if speed["middle"] >= GOAL else "MISSED"
    console = Console()
    console.print(table)
    console.print(
        f"ours / ffmpeg: {speed['middle']:.2f} x its speed ({speed['least']:.2f} to {speed['most']:.2f}), "
        f"goal {GOAL}: {met}; without plates in ffmpeg's picture {bare['middle']:.2f}"
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
