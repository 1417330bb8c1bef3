"""Attacks × detection: who reads the invisible mark after what, and how often somebody innocent is named.

``make marks`` makes a programme and twelve copies, leaks each in every way of ``leaks``, asks the detector about twelve
issued ids and many that were never issued, prints a table and writes ``build/marks.json`` and ``build/marks.md``.

Rules: the detector gets the clip, the sealed programme, the key and the issued ids, nothing else; a named copy that was
not in the mix is a false accusation; scores of ids that were never issued show whether the stated bound holds.
``--only`` and ``--append`` make the table in pieces. Machine, load and versions stand in the file. ``--size 1080p``
makes programme, copies and the clips that are leaked as large as they were issued in that size (``marks-1080p.*``);
attacks that scale end at the same size as ever.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import click
import numpy as np

from recorder.mark import video
from recorder.mark.codes import CELLS, FALSE_ACCUSATION, threshold
from recorder.mark.detect import TRIES, Programme, read_mark, scores_of
from recorder.mark.detect import detect as find
from recorder.mark.embed import Order, copy
from recorder.mark.evidence import SIZE, readings
from recorder.picture.screen import SCREENS, Screen
from tests.bench.leaks import LEAKS, Leak, leak
from tests.bench.sitting import film

BUILD = Path("build")
KEY = bytes(range(7, 39))
STRANGERS = 2000


@dataclass
class Row:
    """One attack over all copies."""

    name: str
    clips: int = 0
    named: int = 0  # clips of which every mixed copy was named
    partly: int = 0  # mixtures of which at least one was
    wrong: int = 0  # copies named that were not in the clip
    least: float = math.inf
    mean: float = 0.0
    cpu_s: float = 0.0
    kbits: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "least": round(self.least, 2), "mean": round(self.mean, 2),
                "cpu_s": round(self.cpu_s, 2), "kbits": round(self.kbits)}  # fmt: skip


@dataclass
class Studio:
    """A programme and its copies in a folder of their own; made once, kept while the folder is."""

    folder: Path
    seconds: int
    count: int
    screen: Screen = SCREENS["720p"]
    ids: list[str] = field(default_factory=list)

    @property
    def programme(self) -> Path:
        return self.folder / "programme.mp4"

    def copy(self, number: int) -> Path:
        return self.folder / f"copy-{number:02d}.mp4"

    def make(self, say: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "key").write_bytes(KEY)
        self.ids = [f"{0x1B2D3F4A5C6E7081 * (n + 1) % 2**64:016x}" for n in range(self.count)]
        if not self.programme.is_file():
            made = self.folder / "film.part"
            film(made, self.seconds, screen=self.screen)
            made.replace(self.programme)
        for number, one in enumerate(self.ids):
            label = f"副本　原告　示例{number:02d}　2026-11-24 11:02　{one}"
            copy(Order(self.programme, self.copy(number), self.folder / "key", one, label), lambda *_: None)
            say(f"copy {number + 1} of {self.count}")

    def quality(self) -> dict[str, float]:
        """PSNR of luma, marked invisibly only against the programme: with the encoder's own loss and without."""
        wide, high = self.screen.width, self.screen.height
        bare, plain = self.folder / "bare.mp4", video.read(self.programme, wide, 0, 4.0, high)
        copy(Order(self.programme, bare, self.folder / "key", self.ids[0], ""), lambda *_: None)
        seen = video.read(bare, wide, 0, 4.0, high)
        return {"psnr_db": round(psnr(plain.luma, seen.luma), 2)}


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    loss = np.mean([np.square(a.astype(np.float32) - b).mean() for a, b in zip(one, other, strict=True)])
    return 10 * math.log10(255**2 / float(loss))


def measure(studio: Studio, attack: Leak, known: Programme, copies: int) -> Row:
    row = Row(attack.name)
    for number in range(copies):
        mixed = [(number + step) % studio.count for step in range(attack.mixed)]
        clip = leak(attack, [studio.copy(one) for one in mixed], studio.folder / "leak.mp4", seed=number)
        began = time.process_time()
        report = find(clip, known, KEY, studio.ids)
        row.cpu_s += (time.process_time() - began) / copies
        meant = {studio.ids[one] for one in mixed}
        named = {match.copy for match in report.found}
        row.clips += 1
        row.named += meant <= named
        row.partly += bool(meant & named)
        row.wrong += len(named - meant)
        best = max(
            (match.score for match in report.found if match.copy in meant), default=min(report.best, report.threshold)
        )
        row.least, row.mean = min(row.least, best), row.mean + best / copies
        row.kbits += clip.stat().st_size * 8 / 1000 / attack.seconds / copies
    return row


def strangers(studio: Studio, known: Programme, attacks: Iterable[Leak], count: int = STRANGERS) -> dict[str, Any]:
    """Scores of ids that were never issued, on marked clips; beside what coin tosses would give."""
    dice = np.random.default_rng(64)
    ids = [f"{dice.integers(2**63):016x}" for _ in range(count)]
    single: list[float] = []
    best: list[float] = []
    for number, attack in enumerate(attacks):
        clip = leak(attack, [studio.copy(number % studio.count)] * attack.mixed, studio.folder / "leak.mp4")
        _, _, said = read_mark(video.read(clip, SIZE[0], 0, 40), known)
        assert said is not None
        scores = scores_of(said, KEY, ids)
        best += list(scores.values())
        one = readings(said)[0]
        signs = np.where(dice.random((count, *one.values.shape)) < 0.5, -1.0, 1.0).reshape(count, -1)
        flat = one.values.ravel().astype(np.float64)
        single += list(signs @ flat / np.linalg.norm(flat))
    made = np.array(best)
    return {
        "ids": count, "scores": len(made), "highest": round(float(made.max()), 2),
        "over_3": int((made >= 3).sum()), "over_4": int((made >= 4).sum()), "over_5": int((made >= 5).sum()),
        "bound_3": round(min(1.0, 4 * math.exp(-4.5)) * len(made), 1),
        "bound_4": round(4 * math.exp(-8) * len(made), 1), "bound_5": round(4 * math.exp(-12.5) * len(made), 2),
        "coins_sd": round(float(np.std(single)), 3), "threshold_for_12": round(threshold(12 * TRIES), 2),
        "named": int((made >= threshold(12 * TRIES)).sum()),
    }  # fmt: skip


def table(result: dict[str, Any]) -> str:
    lines = ["| attack | kbit/s | named | at least one | lowest score | mean | falsely named | CPU s |",
             "|---|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    for row in result["rows"]:
        cells = (row["name"], row["kbits"], f"{row['named']} of {row['clips']}", row["partly"], f"{row['least']:.1f}",
                 f"{row['mean']:.1f}", row["wrong"], f"{row['cpu_s']:.1f}")  # fmt: skip
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    facts = [
        f"Threshold {result['threshold']:.2f} for {result['copies']} issued copies and {TRIES} readings: a clip made"
        f" from none of them names one with a chance of at most {FALSE_ACCUSATION:g} (Hoeffding).",
        *(f"{name}: {value}" for name, value in result.items() if name in ("quality", "strangers", "machine")),
    ]
    return "\n".join([*lines, "", *facts, ""])


def machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(), "av": av.__version__, "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


@click.command()
@click.option("--ids", "count", default=12, show_default=True, help="Issued copies.")
@click.option("--copies", default=0, help="How many of them are leaked in each way (0: all).")
@click.option("--seconds", default=40, show_default=True, help="Length of the programme.")
@click.option("--size", type=click.Choice(list(SCREENS)), default="720p", show_default=True, help="Of the programme.")
@click.option("--only", multiple=True, help="Attacks whose name contains this.")
@click.option("--append", is_flag=True, help="Keep the rows that are there and make the others.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder that keeps programme and copies.")
@click.option("--out", type=click.Path(path_type=Path), default=BUILD, show_default=True)
def main(
    count: int, copies: int, seconds: int, size: str, only: tuple[str, ...], append: bool, keep: Path | None, out: Path
) -> None:
    screen, name = SCREENS[size], "marks" if size == "720p" else f"marks-{size}"
    folder = keep or Path(tempfile.mkdtemp(prefix="marks-"))
    try:
        studio = Studio(folder, seconds, count, screen)
        studio.make(lambda text: click.echo(text, err=True))
        known = Programme(studio.programme)
        file = out / f"{name}.json"
        result = json.loads(file.read_text()) if append and file.is_file() else {"rows": []}
        result.update(size=size, copies=count, threshold=threshold(count * TRIES), cells=CELLS, machine=machine())
        done = {row["name"] for row in result["rows"]}
        chosen = [
            replace(attack, size=(screen.width, screen.height)) if attack.size == Leak.size else attack
            for attack in LEAKS
            if attack.name not in done and (not only or any(word in attack.name for word in only))
        ]
        for attack in chosen:
            row = measure(studio, attack, known, copies or count)
            click.echo(f"{row.name}: {row.named} of {row.clips}, lowest {row.least:.1f}", err=True)
            result["rows"] = [one for one in result["rows"] if one["name"] != row.name] + [row.as_dict()]
            order = [attack.name for attack in LEAKS]
            result["rows"].sort(key=lambda one: order.index(one["name"]))
            _save(out, name, result)
        if (not only and "strangers" not in result) or "strangers" in only:
            result["quality"] = studio.quality()
            result["strangers"] = strangers(studio, known, [one for one in LEAKS if "480p" in one.name][:4])
        _save(out, name, result)
        click.echo(table(result))
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _save(out: Path, name: str, result: dict[str, Any]) -> None:
    out.mkdir(exist_ok=True, parents=True)
    (out / f"{name}.json").write_text(json.dumps(result, ensure_ascii=False, indent=1), encoding="utf-8")
    (out / f"{name}.md").write_text(table(result), encoding="utf-8")


if __name__ == "__main__":
    main()
