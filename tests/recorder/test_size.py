"""An archive of 1920 × 1080: made by the court's job as set, sealed with its true size and verified; its copies are
marked and lie on the fixed layout."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from courtroom.control.archive import ArchiveJobs
from courtroom.hearing.ledger import Entry, SignedHead, to_line
from recorder.mark import register, video
from recorder.mark.embed import Order, copy
from recorder.mark.evidence import SIZE
from recorder.mark.geometry import Floats, through, window
from recorder.picture.canvas import planes
from recorder.picture.clock import ClockAtlas, clock_text
from recorder.picture.fonts import find_fonts
from recorder.picture.screen import SCREENS
from tests.recorder.stage import HEARING, PEOPLE, SEATS, SECOND, START, TAKE, Script, Sender, write_capture, write_key

SECONDS = 2


class Closed:
    """A hearing that is over, as the archive job asks it."""

    id = HEARING
    names = PEOPLE

    def __init__(self, folder: Path) -> None:
        senders = [Sender(seat.id, n + 1, 0, n, loud=lambda t: 0.0) for n, seat in enumerate(SEATS[:2])]
        sealed = write_capture(folder / "captures" / TAKE, senders, SECONDS)
        self._script = Script().open().close(START + SECONDS * SECOND, sealed)
        self._head = self._script.head(write_key(folder / "key.pem"))

    async def lines(self) -> AsyncIterator[str]:
        for entry in self._script.entries:
            yield to_line(entry)

    async def entries_of(self, *types: str) -> list[Entry]:
        return [entry for entry in self._script.entries if entry.type in types]

    async def head(self) -> SignedHead:
        return self._head

    async def settle_recording(self, take: str) -> None:
        assert take == TAKE


async def states(folder: Path) -> list[str]:
    closed: Any = Closed(folder)
    jobs = ArchiveJobs(folder / "archives", folder / "captures", folder / "key.pem", None, size="1080p")
    try:
        return [state.state async for state in jobs.make(closed)]
    finally:
        jobs.close()


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    assert asyncio.run(states(folder))[-1] == "sealed"
    return folder / "archives" / HEARING


def test_the_manifest_and_the_file_say_the_same_size(bag: Path) -> None:
    said = json.loads((bag / "data" / "manifest.json").read_text(encoding="utf-8"))["programme"]
    assert (said["width"], said["height"], said["frames"]) == (1920, 1080, SECONDS * 25)
    command = [sys.executable, "-m", "recorder", "verify", str(bag), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert json.loads(done.stdout)["ok"], done.stdout
    atlas = ClockAtlas(find_fonts(), SCREENS["1080p"])
    with av.open(str(bag / "data" / "programme.mp4")) as container:
        for number, frame in enumerate(container.decode(video=0)):
            assert (frame.width, frame.height) == (1920, 1080)
            if number % 25 == 10:
                assert atlas.read_back(planes(frame.to_ndarray())) == clock_text(START + number * 40_000)


def test_a_marked_copy_of_it_lies_on_the_fixed_layout(bag: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(bytes(range(32)))
    made, programme = tmp_path / "copy.mp4", bag / "data" / "programme.mp4"
    copy(Order(programme, made, tmp_path / "key", f"{0xA1:016x}", "副本　原告　王原告示例"), lambda *_: None)
    plain, marked = (video.read(path, 1920, 1, 1, 1080).luma[0].astype(np.float64) for path in (programme, made))
    assert plain.shape == marked.shape == (1080, 1920)
    error = np.square(plain - marked)
    assert error.mean() > 0.05, "nothing was marked"
    assert 10 * np.log10(255**2 / error.mean()) > 34
    known = video.read(programme, SIZE[0], 1, 1, SIZE[1]).luma[0].astype(np.float32)
    left, top, wide, high = 192, 108, 1536, 864
    clip: Floats = marked[top : top + high, left : left + wide].astype(np.float32)
    found = register.find(clip[::2, ::2], [known])
    true = window(left / 1920, top / 1080, wide / 1920, high / 1080)
    corners = np.array([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]])
    off = np.abs(through(found.homography, corners) - through(true, corners)).max()
    assert off < 0.004, (off, found.fit)
