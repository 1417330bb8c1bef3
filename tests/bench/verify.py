"""How long an hour of nine seats takes to verify: ``python -m tests.bench.verify [--minutes 60] [--keep DIR]``.

Makes an archive of that length (9 × 700 kbit/s of VP8 and Opus, a witness, a media journal, a programme) with our own
seal in a temporary folder, then runs ``recorder verify`` on it as anybody would, in a process of its own. The packets
hold random payload behind right headers; nothing of the verifier's work depends on the pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from courtroom.hearing.ledger import to_line
from recorder.bag import Contents, pack
from tests.recorder.archives import Hour, write_hour
from tests.recorder.stage import SECOND, save_people, write_key

FPS = 25
TARGET_S = 10.0


def write_programme(path: Path, seconds: int, frame_bytes: int = 7000) -> None:
    """An MP4 with the right number of pictures and one sound track; the same few pictures over and over."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 1280, 720, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.options = {"preset": "ultrafast", "g": "1", "crf": "30", "tune": "zerolatency"}
    noise = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    noise[4:, :] = 90
    frame = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = 0, Fraction(1, FPS)
    picture = bytes([*encoder.encode(frame), *encoder.encode(None)][0])
    with av.open(str(path), "w", format="mp4") as out:
        video = out.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        video.options = encoder.options
        sound = out.add_stream("aac", rate=48_000, layout="mono")
        made = video.encode(frame)
        out.mux(made)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate, silence.pts, silence.time_base = 48_000, 0, Fraction(1, 48_000)
        for packet in [*sound.encode(silence), *sound.encode(None)]:
            out.mux(packet)
        rest = picture + b"\x00\x00\x00\x01\x0c" + b"\xff" * max(0, frame_bytes - len(picture) - 7) + b"\x80"
        for number in range(len(made), seconds * FPS):
            packet = av.Packet(rest)
            packet.stream, packet.time_base, packet.is_keyframe = video, Fraction(1, FPS), True
            packet.pts = packet.dts = number
            packet.duration = 1
            out.mux(packet)


def make(folder: Path, minutes: int) -> Path:
    """The bag of such a hearing."""
    key = write_key(folder / "key.pem")
    hour = Hour(minutes * 60)
    script = write_hour(folder / "capture", hour)
    script.save(folder / "ledger.jsonl")
    save_people(folder / "people.json")
    (folder / "head.json").write_text(to_line(script.head(key)), encoding="utf-8")
    write_programme(folder / "programme.mp4", hour.seconds)
    began = time.monotonic()
    contents = Contents(
        folder / "capture", folder / "ledger.jsonl", folder / "head.json", folder / "people.json",
        folder / "programme.mp4", folder / "key.pem", hour.end + SECOND,
    )  # fmt: skip
    pack(contents, folder / "bag", folder / "making")
    print(f"sealed in {time.monotonic() - began:.1f} s")
    shutil.rmtree(folder / "capture")
    return folder / "bag"


def measure(bag: Path, runs: int) -> dict[str, object]:
    size = sum(path.stat().st_size for path in bag.rglob("*") if path.is_file())
    times, work = [], []
    for _ in range(runs):
        began, before = time.monotonic(), os.times()
        done = subprocess.run(
            [sys.executable, "-m", "recorder", "verify", str(bag), "--json"], capture_output=True, text=True,
            check=False, timeout=600,
        )  # fmt: skip
        times.append(time.monotonic() - began)
        after = os.times()
        work.append(after.children_user + after.children_system - before.children_user - before.children_system)
        report = json.loads(done.stdout)
        failed = [check["text_en"] for check in report["checks"] if not check["ok"]]
        if done.returncode or failed:
            raise SystemExit(f"the archive does not verify: {failed or done.stderr[-2000:]}")
    return {
        "bytes": size,
        "seconds": [round(one, 2) for one in times],
        "cpu_seconds": [round(one, 2) for one in work],
        "checks": len(report["checks"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="make the archive here and leave it, or use the one that is there")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="bench-verify-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        bag = folder / "bag" if (folder / "bag").is_dir() else make(folder, given.minutes)
        print(f"made in {time.monotonic() - began:.1f} s")
        found = measure(bag, given.runs)
        worst = max(found["seconds"])  # type: ignore[call-overload]
        print(json.dumps({"minutes": given.minutes, "cores": os.cpu_count(), **found}))
        print(f"{found['bytes'] / 1e9:.2f} GB verified in {worst:.2f} s at worst")  # type: ignore[operator]
        if given.minutes == 60 and worst >= TARGET_S:
            raise SystemExit(1)
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
