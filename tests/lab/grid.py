"""``make grid``: what people hear and see across a bad line, in real browsers: loss × round trip × random or bursts.

* Every cell has two rows: ``down``, the plaintiff behind the line looking at the judge, and ``up``, the judge looking
  at the plaintiff; each way of the line has the cell's loss and half its round trip.
* ``concealed`` is the share of audio the receiver made up that was not silence (W3C webrtc-stats:
  (concealedSamples - silentConcealedSamples) / totalSamplesReceived), ``fps`` what was decoded.
* A slow machine is not a bad line: ``source`` is what the sender's camera gave, ``encoded`` what its encoder made of
  the layer with most frames; a cell with too little of ``source`` is ``starved`` and proves nothing about the line.
* Counters are read every few seconds and summed over restarts, so a connection that was made anew is not lost but
  counted (``reconnects``).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from tests.e2e.people import AtBrowser
from tests.lab import report
from tests.lab.hall import Hall, sitting
from tests.netlab.line import Counters, Profile, line

FPS = 24
BURST = 4.0
WARM_UP_S = 5.0
SAMPLE_S = 4.0
LOSSES = (0, 5, 10, 20, 30)
ROUND_TRIPS = (0, 100, 300)
SHORT = ((0, 0, 1.0), (10, 100, 1.0), (20, 100, 1.0))
STARVED = 0.8
PATIENCE_S = 90


@dataclass(frozen=True)
class Cell:
    loss: float  # per cent
    rtt: float  # ms
    burst: float  # mean packets lost in a row that chance draws; 1: each alone

    @property
    def profile(self) -> Profile:
        return Profile(delay=self.rtt / 2, loss=self.loss, burst=self.burst)

    @property
    def name(self) -> str:
        return f"{self.loss:g} % {'bursts' if self.burst > 1 else 'random'} {self.rtt:g} ms"


@dataclass
class Row:
    """What one receiver got in one cell."""

    loss: float
    rtt: float
    burst: float
    way: str
    seconds: float = 0.0
    concealed: float | None = None  # per cent
    fps: float = 0.0
    freezes: int = 0
    frozen_s: float = 0.0
    nacks: int = 0
    plis: int = 0
    audio_buffer_ms: float | None = None
    video_buffer_ms: float | None = None
    received: int = 0
    repaired: int = 0  # RTX packets among them
    kbps: float = 0.0
    encoded: float = 0.0
    source: float = 0.0
    limited: str = ""
    starved: bool = False
    reconnects: int = 0
    line_loss: float | None = None  # per cent, as it was drawn


@dataclass
class Meter:
    """Sums what the counters of a page's connection grew by, over connections."""

    last: dict[str, dict[str, float]] = field(default_factory=dict)
    sums: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    encoded: dict[str, float] = field(default_factory=dict)  # frames by layer
    limited: set[str] = field(default_factory=set)

    def read(self, rows: list[dict[str, Any]]) -> None:
        """The first reading is where counting begins; what appears later began at nothing."""
        begun = bool(self.last)
        for row in rows:
            numbers = {name: float(value) for name, value in row.items() if type(value) in (int, float)}
            before = self.last.get(row["id"], {} if begun else numbers)
            self.last[row["id"]] = numbers
            total = self.sums.setdefault((row["type"], row["kind"]), {})
            for name, value in numbers.items():
                total[name] = total.get(name, 0.0) + value - before.get(name, 0.0)
            if row["type"] == "outbound-rtp" and row["kind"] == "video":
                grown = numbers.get("framesEncoded", 0.0) - before.get("framesEncoded", 0.0)
                self.encoded[row["id"]] = self.encoded.get(row["id"], 0.0) + grown
                self.limited.add(row.get("qualityLimitationReason", "none"))

    def of(self, type_: str, kind: str, name: str) -> float:
        return self.sums.get((type_, kind), {}).get(name, 0.0)


def fill(row: Row, receiver: Meter, sender: Meter, way: tuple[Counters, Counters]) -> Row:
    seconds = row.seconds
    audio = lambda name: receiver.of("inbound-rtp", "audio", name)  # noqa: E731
    video = lambda name: receiver.of("inbound-rtp", "video", name)  # noqa: E731
    if samples := audio("totalSamplesReceived"):
        row.concealed = 100 * (audio("concealedSamples") - audio("silentConcealedSamples")) / samples
    row.fps = video("framesDecoded") / seconds
    row.freezes, row.frozen_s = int(video("freezeCount")), video("totalFreezesDuration")
    row.nacks, row.plis = int(audio("nackCount") + video("nackCount")), int(video("pliCount"))
    if emitted := audio("jitterBufferEmittedCount"):
        row.audio_buffer_ms = 1000 * audio("jitterBufferDelay") / emitted
    if emitted := video("jitterBufferEmittedCount"):
        row.video_buffer_ms = 1000 * video("jitterBufferDelay") / emitted
    row.received = int(audio("packetsReceived") + video("packetsReceived"))
    row.repaired = int(audio("retransmittedPacketsReceived") + video("retransmittedPacketsReceived"))
    row.kbps = (audio("bytesReceived") + video("bytesReceived")) * 8 / 1000 / seconds
    row.encoded = max(sender.encoded.values(), default=0.0) / seconds
    row.source = sender.of("media-source", "video", "frames") / seconds
    row.limited = "+".join(sorted(sender.limited - {"none"}))
    row.starved = row.source < STARVED * FPS or "cpu" in sender.limited
    before, after = way
    sent, lost = after.sent - before.sent, after.lost - before.lost
    row.line_loss = 100 * lost / (sent + lost) if sent + lost else None
    return row


async def measure(hall: Hall, cell: Cell, seconds: float) -> list[Row]:
    """Both rows of a cell. The line is good again at the end."""
    await hall.see_each_other(PATIENCE_S)
    hall.wire.both(cell.profile)
    await asyncio.sleep(WARM_UP_S)
    pages = {"judge": hall.judge, "plaintiff": hall.plaintiff}
    meters = {name: Meter() for name in pages}
    lines = hall.wire.counters()
    started = time.time()
    await _read(pages, meters)
    while (left := started + seconds - time.time()) > 0:
        await asyncio.sleep(min(SAMPLE_S, left))
        await _read(pages, meters)
    lasted = time.time() - started
    ended = hall.wire.counters()
    hall.wire.both(Profile())
    rows = []
    for way, receiver, sender in (("down", "plaintiff", "judge"), ("up", "judge", "plaintiff")):
        row = Row(cell.loss, cell.rtt, cell.burst, way, lasted)
        row.reconnects = await _reconnects(hall.plaintiff, started)
        rows.append(fill(row, meters[receiver], meters[sender], (lines[way], ended[way])))
    return rows


async def _read(pages: dict[str, AtBrowser], meters: dict[str, Meter]) -> None:
    for name, at in pages.items():
        meters[name].read(await at.page.evaluate("window.__stats()"))


async def _reconnects(at: AtBrowser, since: float) -> int:
    """How often the page's media or its signalling went away."""
    noted = await at.page.evaluate("since => window.__pulse.media.filter((one) => one[0] >= since)", since * 1000)
    return sum("down" in is_ for _at, is_ in noted)


def cells(short: bool) -> list[Cell]:
    if short:
        return [Cell(*one) for one in SHORT]
    return [
        Cell(loss, rtt, burst)
        for burst in (1.0, BURST)
        for loss in LOSSES
        if loss or burst == 1.0
        for rtt in ROUND_TRIPS
    ]


async def run(options: argparse.Namespace) -> dict[str, Any]:
    chosen = cells(options.short)[options.first : options.last]
    known = {
        (row["loss"], row["rtt"], row["burst"], row["way"]): row for row in report.earlier(options.name).get("rows", [])
    }
    rows: dict[tuple[float, float, float, str], dict[str, Any]] = known if options.append else {}
    with tempfile.TemporaryDirectory(prefix="court-lab-") as folder, line(seed=options.seed) as wire:
        async with async_playwright() as playwright, sitting(playwright, Path(folder), wire, fps=FPS) as hall:
            for cell in chosen:
                for row in await measure(hall, cell, options.seconds):
                    rows[(row.loss, row.rtt, row.burst, row.way)] = asdict(row)
                    print(cell.name, row, file=sys.stderr, flush=True)
    ordered = sorted(rows.values(), key=lambda row: (row["burst"], row["loss"], row["rtt"], row["way"]))
    return {"seed": options.seed, "fps": FPS, "rows": ordered, "goals": goals(ordered)}


def goals(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The goals that were looked at: rows that meet them, rows that miss them, and rows of a starved machine."""
    found: dict[str, list[str]] = {"met": [], "missed": [], "starved": []}
    for row in rows:
        name = f"{row['way']} {row['loss']:g} % {'bursts' if row['burst'] > 1 else 'random'} {row['rtt']:g} ms"
        aims = []
        if row["loss"] <= 20 and row["burst"] == 1:
            aims.append(
                (row["concealed"] is not None and row["concealed"] <= 2, f"{name}: concealed {row['concealed']} %")
            )
        if row["loss"] <= 10:
            aims.append((row["fps"] >= 15, f"{name}: {row['fps']:.1f} fps"))
        for good, what in aims:
            found["met" if good else "starved" if row["starved"] else "missed"].append(what)
    return found


SHOWN = (
    "burst", "loss", "rtt", "way", "concealed", "fps", "encoded", "source", "freezes", "frozen_s", "nacks", "plis",
    "repaired", "kbps", "audio_buffer_ms", "video_buffer_ms", "line_loss", "reconnects", "limited", "starved",
)  # fmt: skip


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.grid")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="three cells")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each cell")
    parser.add_argument("--first", type=int, default=0, help="the first cell")
    parser.add_argument("--last", type=int, default=None, help="the first cell that is left out again")
    parser.add_argument("--append", action="store_true", help="keep what earlier pieces found")
    parser.add_argument("--name", default="grid", help="of the file in build/")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    options = arguments(words)
    found = asyncio.run(run(options))
    path = report.save(options.name, found)
    text = report.table(SHOWN, [[row[name] for name in SHOWN] for row in found["rows"]])
    path.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(text)
    for state, names in found["goals"].items():
        print(f"goals {state}: {len(names)}" + (f": {'; '.join(names)}" if state != "met" and names else ""))
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
