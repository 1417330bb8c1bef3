"""Damage an archive in every way a small hand can, and ask the verifier where: ``python -m tests.recorder.tamper``.

The complete run flips every byte of a tiny archive, one after another, and cuts it at every record border; the suite
runs a sample of the same (``--every``). A flip is found when the verifier names the file it is in, no other media file,
and, in media, the second; nothing is repaired by rewriting lists, and nothing is found by luck: each run starts from
the unharmed archive.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from courtroom.sfu.capture import read
from recorder.verify import Report, verify
from tests.recorder.archives import Tiny, write_tiny

MASKS = (0x01, 0x80, 0xFF)


@dataclass
class Tally:
    """``missed``: (file, offset) of damages that were not found, or not where they are."""

    tried: int = 0
    in_second: int = 0
    missed: list[tuple[str, int, str]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.tried += other.tried
        self.in_second += other.in_second
        self.missed += other.missed


def names_of(bag: Path) -> list[str]:
    return sorted(str(path.relative_to(bag)) for path in bag.rglob("*") if path.is_file())


def blamed(report: Report) -> set[str]:
    return {check.file for check in report.checks if not check.ok}


def seconds_of(bag: Path) -> dict[str, list[list[int]]]:
    manifest = json.loads((bag / "data/manifest.json").read_bytes())
    media = [*manifest["segments"], manifest["programme"]]
    return {part["file"]: part["seconds"] for part in media}


def flip_file(bag: Path, name: str, offsets: Iterable[int]) -> Tally:
    """Flips one byte of ``name`` at a time; the archive is as before when this returns."""
    tally, path, short = Tally(), bag / name, name.removeprefix("data/")
    whole = path.read_bytes()
    spans = seconds_of(bag).get(short, [])
    for at in offsets:
        damaged = bytearray(whole)
        damaged[at] ^= MASKS[at % len(MASKS)]
        path.write_bytes(damaged)
        report = verify(bag)
        tally.tried += 1
        found = blamed(report)
        if report.ok or short not in found:
            tally.missed.append((name, at, f"blamed {sorted(found)}"))
        elif found != {short} and name.startswith("data/"):
            tally.missed.append((name, at, f"also blamed {sorted(found - {short})}"))
        elif spans:
            second = next(span[0] for span in spans if span[1] <= at < span[2])
            told = next(check.seconds for check in report.checks if check.name == "changed")
            if told != ((second,) if second >= 0 else ()):
                tally.missed.append((name, at, f"second {told}, is {second}"))
            tally.in_second += second >= 0
    path.write_bytes(whole)
    return tally


def flips(bag: Path, every: int = 1, first: int = 0) -> Tally:
    """Every ``every``-th byte of every file."""
    tally = Tally()
    for name in names_of(bag):
        size = (bag / name).stat().st_size
        tally.add(flip_file(bag, name, range(first % min(every, size), size, every)))
    return tally


def borders(data: bytes) -> Iterator[int]:
    """Where a capture may be cut so that every record left is whole."""
    for offset, _ in read(data):
        yield offset


def cuts(bag: Path, every: int = 1) -> Tally:
    """Each segment ends early, at every border of its records; each text at every end of a line."""
    tally = Tally()
    for name in names_of(bag):
        path = bag / name
        whole = path.read_bytes()
        if name.endswith(".cap"):
            places = list(borders(whole))
        else:
            places = [0, *(at + 1 for at in range(len(whole) - 1) if whole[at : at + 1] == b"\n"), len(whole) - 1]
        for at in places[::every]:
            path.write_bytes(whole[:at])
            report = verify(bag)
            tally.tried += 1
            if report.ok or name.removeprefix("data/") not in blamed(report):
                tally.missed.append((name, at, f"blamed {sorted(blamed(report))}"))
        path.write_bytes(whole)
    return tally


def _share(source: Path, part: int, parts: int, every: int) -> Tally:
    with tempfile.TemporaryDirectory(prefix="tamper-") as folder:
        bag = Path(folder) / "bag"
        shutil.copytree(source, bag)
        tally = flips(bag, parts * every, part * every)
        if part == 0:
            tally.add(cuts(bag))
        if not verify(bag).ok:
            raise SystemExit("the archive was not put back")
        return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="flip every n-th byte")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tamper-") as folder:
        made: Tiny = write_tiny(Path(folder))
        size = sum((made.bag / name).stat().st_size for name in names_of(made.bag))
        tally = Tally()
        with ProcessPoolExecutor(given.processes) as pool:
            shares = [pool.submit(_share, made.bag, n, given.processes, given.every) for n in range(given.processes)]
            for share in shares:
                tally.add(share.result())
    print(
        f"{size} bytes: {tally.tried} damages, "
        f"{len(tally.missed)} not found where they are, {tally.in_second} put into their second, "
        f"{time.monotonic() - began:.0f} s"
    )
    for name, at, why in tally.missed[:50]:
        print(f"  {name} at {at}: {why}")
    sys.exit(bool(tally.missed))


if __name__ == "__main__":
    main()
