"""``make narrow``: one receiver's line goes from 2 Mbit/s to 300 kbit/s and back: what it hears and sees each second.

The judge's camera costs what a line of 300 kbit/s cannot carry. The plaintiff behind the line must hear on without a
hole; its picture must settle within five seconds each way; the clerk on a good line must not notice anything.
``settled`` is from the change of the line until the picture's rate stays; ``concealed`` is non-silent made-up sound.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from playwright.async_api import async_playwright

from tests.e2e.people import AtBrowser
from tests.lab import report
from tests.lab.grid import Meter
from tests.lab.hall import Hall, sitting
from tests.netlab.line import Profile, line

FPS: Final = 15
PICTURE: Final = (640, 360)
WIDE, NARROW = Profile(rate=2000, queue=400, delay=20), Profile(rate=300, queue=400, delay=20)
STEPS: Final = ((WIDE, 12), (NARROW, 20), (WIDE, 15))
SHOWN = ("at", "line", "who", "fps", "kbps", "width", "concealed", "frozen_s")


async def second(at: AtBrowser, meter: Meter) -> dict[str, Any]:
    """What the page got since the last call."""
    meter.sums.clear()
    rows = await at.page.evaluate("window.__stats()")
    meter.read(rows)
    audio = lambda name: meter.of("inbound-rtp", "audio", name)  # noqa: E731
    samples = audio("totalSamplesReceived")
    made_up = audio("concealedSamples") - audio("silentConcealedSamples")
    seen = await at.page.evaluate(
        """() => [...document.querySelectorAll('video[data-mid]')]
            .reduce((most, video) => video.dataset.mid ? Math.max(most, video.videoWidth) : most, 0)"""
    )
    return {
        "fps": meter.of("inbound-rtp", "video", "framesDecoded"),
        "kbps": (audio("bytesReceived") + meter.of("inbound-rtp", "video", "bytesReceived")) * 8 / 1000,
        "width": int(seen),
        "concealed": 100 * made_up / samples if samples else None,
        "frozen_s": meter.of("inbound-rtp", "video", "totalFreezesDuration"),
    }


async def measure(hall: Hall) -> list[dict[str, Any]]:
    assert hall.clerk is not None
    pages = {"plaintiff": hall.plaintiff, "clerk": hall.clerk}
    meters = {name: Meter() for name in pages}
    rows: list[dict[str, Any]] = []
    begun = time.time()
    for name, at in pages.items():
        await second(at, meters[name])
    for profile, seconds in STEPS:
        hall.wire.set(down=profile)
        for _ in range(seconds):
            last = time.time()
            await asyncio.sleep(1)
            for name, at in pages.items():
                row = await second(at, meters[name])
                row["fps"] /= time.time() - last
                rows.append({"at": time.time() - begun, "line": profile.rate, "who": name, **row})
    return rows


def judged(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Seconds until the picture settled, each way, and the worst second of sound."""
    mine = [row for row in rows if row["who"] == "plaintiff"]
    before, during, after = mine[4 : STEPS[0][1]], mine[STEPS[0][1] : -STEPS[2][1]], mine[-STEPS[2][1] :]
    theirs = [row for row in rows if row["who"] == "clerk"]
    usual = sorted(row["fps"] for row in before)[len(before) // 2]
    return {
        "usual_fps": usual,
        "settled_down_s": _settled([row["kbps"] <= 310 and row["concealed"] is not None for row in during]),
        "moving_down_s": _settled([row["fps"] >= usual * 0.6 for row in during]),
        "settled_up_s": _settled([row["fps"] >= usual * 0.8 and row["width"] == before[-1]["width"] for row in after]),
        "worst_second_concealed": max((row["concealed"] or 0) for row in mine[STEPS[0][1] :]),
        "mean_concealed": sum((row["concealed"] or 0) for row in mine[STEPS[0][1] :]) / len(mine[STEPS[0][1] :]),
        "clerk_worst_concealed": max((row["concealed"] or 0) for row in theirs),
        "clerk_frozen_s": sum(row["frozen_s"] for row in theirs[4:]),
        "clerk_least_fps": min(row["fps"] for row in theirs[4:]),
    }


def _settled(good: list[bool]) -> int:
    """After how many seconds it was good for the rest, one bad second allowed."""
    for start in range(len(good)):
        if sum(not one for one in good[start:]) <= 1 and good[start]:
            return start
    return len(good)


async def run(seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="court-lab-") as folder, line(seed=seed) as wire:
        async with (
            async_playwright() as playwright,
            sitting(playwright, Path(folder), wire, fps=FPS, picture=PICTURE, grain=4, clerk=True) as hall,
        ):
            rows = await measure(hall)
    return {"seed": seed, "rows": rows, "judged": judged(rows)}


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.narrow")
    parser.add_argument("--seed", type=int, default=1)
    found = asyncio.run(run(parser.parse_args(words).seed))
    path = report.save("narrow", found)
    print(report.table(SHOWN, [[row[name] for name in SHOWN] for row in found["rows"]]))
    for name, value in found["judged"].items():
        print(f"{name}: {value:.2f}")
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
