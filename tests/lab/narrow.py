"""``make narrow``: one receiver's line goes from 2 Mbit/s to 300 kbit/s and back: what it hears and sees each second.

Two cameras cost what a line of 300 kbit/s cannot carry: one fits. The plaintiff behind the line must hear on without a
gap; its pictures must settle within five seconds each way; the clerk on a good line must not notice anything.

* ``concealed``: percent of the second's sound that was made up and not silent, waiting for what is late; ``missed``:
  packets of sound that never came or came too late to be played. A gap in what was said is ``missed``, and only that.
* ``better``, ``worse``: pictures a second of the better and of the worse camera. Settled is from the change of the line
  until a rate stays: the better one after the fall, both after the rise.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
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
SHOWN = ("at", "line", "who", "better", "worse", "kbps", "width", "concealed", "missed", "frozen_s")


def pictures(rows: list[dict[str, Any]], last: dict[str, float]) -> list[float]:
    """Frames decoded since the last call, by picture, most first."""
    counts = {
        row["id"]: float(row.get("framesDecoded", 0))
        for row in rows
        if (row["type"], row["kind"]) == ("inbound-rtp", "video")
    }
    grown = sorted((count - last.get(name, count) for name, count in counts.items()), reverse=True)
    last.update(counts)
    return [*grown, 0.0, 0.0]


async def second(at: AtBrowser, meter: Meter, seen: dict[str, float]) -> dict[str, Any]:
    """What the page got since the last call."""
    meter.sums.clear()
    rows = await at.page.evaluate("window.__stats()")
    meter.read(rows)
    better, worse, *_ = pictures(rows, seen)
    audio = lambda name: meter.of("inbound-rtp", "audio", name)  # noqa: E731
    samples = audio("totalSamplesReceived")
    made_up = audio("concealedSamples") - audio("silentConcealedSamples")
    width = await at.page.evaluate(
        """() => [...document.querySelectorAll('video[data-mid]')]
            .reduce((most, video) => video.dataset.mid ? Math.max(most, video.videoWidth) : most, 0)"""
    )
    return {
        "better": better,
        "worse": worse,
        "kbps": (audio("bytesReceived") + meter.of("inbound-rtp", "video", "bytesReceived")) * 8 / 1000,
        "width": int(width),
        "concealed": 100 * made_up / samples if samples else None,
        "missed": audio("packetsLost") + audio("packetsDiscarded"),
        "frozen_s": meter.of("inbound-rtp", "video", "totalFreezesDuration"),
    }


async def measure(hall: Hall) -> list[dict[str, Any]]:
    assert hall.clerk is not None
    pages = {"plaintiff": hall.plaintiff, "clerk": hall.clerk}
    meters, frames = {name: Meter() for name in pages}, {name: dict[str, float]() for name in pages}
    rows: list[dict[str, Any]] = []
    begun = time.time()
    for name, at in pages.items():
        await second(at, meters[name], frames[name])
    for profile, seconds in STEPS:
        hall.wire.set(down=profile)
        for _ in range(seconds):
            last = time.time()
            await asyncio.sleep(1)
            for name, at in pages.items():
                row = await second(at, meters[name], frames[name])
                for picture in ("better", "worse"):
                    row[picture] /= time.time() - last
                rows.append({"at": time.time() - begun, "line": profile.rate, "who": name, **row})
    return rows


def judged(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Seconds until the pictures settled, each way, and what became of the sound."""
    mine = [row for row in rows if row["who"] == "plaintiff"]
    before, during, after = mine[4 : STEPS[0][1]], mine[STEPS[0][1] : -STEPS[2][1]], mine[-STEPS[2][1] :]
    theirs = [row for row in rows if row["who"] == "clerk"]
    usual = statistics.median(row["better"] for row in before)
    changed = mine[STEPS[0][1] :]
    return {
        "usual_fps": usual,
        "settled_down_s": _settled(during, lambda row: row["better"] >= usual * 2 / 3),
        "settled_up_s": _settled(
            after, lambda row: row["worse"] >= usual * 2 / 3 and row["width"] == before[-1]["width"]
        ),
        "worst_second_concealed": max((row["concealed"] or 0) for row in changed),
        "mean_concealed": statistics.fmean((row["concealed"] or 0) for row in changed),
        "sound_missed": sum(row["missed"] for row in changed),
        "clerk_worst_concealed": max((row["concealed"] or 0) for row in theirs),
        "clerk_frozen_s": sum(row["frozen_s"] for row in theirs[4:]),
        "clerk_least_fps": min(row["worse"] for row in theirs[4:]),
    }


def _settled(rows: list[dict[str, Any]], good: Callable[[dict[str, Any]], bool]) -> float:
    """How long from the change of the line until it was good for the rest, one bad second in ten allowed."""
    begun = rows[0]["at"] - 1
    for start, row in enumerate(rows):
        left = rows[start:]
        if good(row) and sum(not good(one) for one in left) <= len(left) // 10:
            return float(row["at"] - 1 - begun)
    return float(rows[-1]["at"] - begun)


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
