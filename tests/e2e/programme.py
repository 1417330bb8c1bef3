"""What a finished archive shows and plays, read from the MP4 itself, and whether damage to it is found.

Pictures: the clock is read back from its digits, the emblem compared with the drawn one, each tile's colour with the
camera that was in front of it. Sound: tones by frequency, and lip sync from one person's flash and beep.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from courtroom.hearing.ledger import from_line
from courtroom.hearing.model import Role, SeatPlan, Side
from recorder.index import read_capture
from recorder.picture.canvas import Planes, Rect, cut, planes
from recorder.picture.clock import ClockAtlas, clock_text
from recorder.picture.emblem import emblem
from recorder.picture.fonts import find_fonts
from recorder.picture.frame import EMBLEM
from recorder.picture.layout import Layout, place
from recorder.runs import Capture
from recorder.timeline import Recording, recording_of
from tests.e2e.court import Court, Issued
from tests.e2e.devices import DEFENDANT, EVERYBODY, Person, yuv

RATE = 48000
SYNC_S = 0.040
PART_S = 4
"""How long a part lasts at least, so that pictures of it are judged (one a second)."""


@dataclass(frozen=True)
class Part:
    """From when everybody in court had seen and heard exactly these people until just before that was changed.

    The record is held to what was on the air, not to when somebody was called: a person called counts down for three
    seconds first, and a busy browser takes longer.
    """

    people: tuple[Person, ...]
    start: int  # court clock, µs
    end: int


class Programme:
    """The bag of one hearing, opened."""

    def __init__(self, bag: Path) -> None:
        self.bag = bag
        self.mp4 = bag / "data" / "programme.mp4"
        lines = (bag / "data" / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
        self.entries = [from_line(line) for line in lines]
        self.recording: Recording = recording_of(self.entries, self._capture())
        self.clock = ClockAtlas(find_fonts())

    def _capture(self) -> Capture:
        return read_capture(self.bag / "data" / "capture")

    def stay(self, seat: str) -> tuple[int, int]:
        """When a seat was called into the courtroom and dismissed, by the ledger."""
        moves = [entry for entry in self.entries if entry.type == "seat_moved" and entry.body["seat"] == seat]
        return (
            next(entry.at for entry in moves if entry.body["why"] == "called"),
            next(entry.at for entry in moves if entry.body["why"] == "dismissed"),
        )

    def frames(self, every: int = 25) -> list[tuple[int, Planes]]:
        """Every so-manieth picture with its court time."""
        found = []
        with av.open(str(self.mp4)) as file:
            for number, frame in enumerate(file.decode(video=0)):
                if number % every == 0:
                    found.append((self.recording.court_of(number), planes(frame.to_ndarray(format="yuv420p"))))
        return found

    def sound(self) -> npt.NDArray[np.float32]:
        pieces = []
        with av.open(str(self.mp4)) as file:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            for frame in file.decode(audio=0):
                pieces += [one.to_ndarray()[0] for one in resampler.resample(frame)]
        return np.concatenate(pieces)


def expect_layout(hearing: Issued, people: tuple[Person, ...]) -> Layout:
    return place([SeatPlan(hearing.seat(one), Role(one.role), Side(one.side)) for one in people])


def mean(picture: Planes, area: Rect) -> tuple[int, int, int]:
    """Y'CbCr of the middle quarter of an area."""
    inner = Rect(
        (area.x + area.width * 3 // 8) // 2 * 2, (area.y + area.height * 3 // 8) // 2 * 2,
        area.width // 8 * 2, area.height // 8 * 2,
    )  # fmt: skip
    part = cut(picture, inner)
    return round(float(part.y.mean())), round(float(part.u.mean())), round(float(part.v.mean()))


def shows(seen: tuple[int, int, int], person: Person) -> bool:
    """The person's colour, or the flash of the one who flashes."""
    close = all(abs(a - b) < 22 for a, b in zip(seen, yuv(person.colour), strict=True))
    return close or (person is DEFENDANT and seen[0] > 200 and abs(seen[1] - 128) < 24)


def check_pictures(programme: Programme, hearing: Issued, parts: tuple[Part, ...]) -> None:
    sign = np.asarray(emblem(EMBLEM.width).split()[-1], dtype=np.float64)
    judged = [0] * len(parts)
    for at, picture in programme.frames():
        assert programme.clock.read_back(picture) == clock_text(at)
        shown = cut(picture, EMBLEM).y.astype(np.float64)
        assert np.corrcoef(shown.ravel(), sign.ravel())[0, 1] > 0.8, f"no emblem at {clock_text(at)}"
        for number, part in enumerate(parts):
            if not part.start < at < part.end:
                continue
            layout = expect_layout(hearing, part.people)
            for person in part.people:
                cell = layout.cell(hearing.seat(person))
                assert cell is not None
                seen = mean(picture, cell.picture)
                assert shows(seen, person), (number, person.role, seen, yuv(person.colour), clock_text(at))
            judged[number] += 1
    assert min(judged) >= 2, judged


def strength(sound: npt.NDArray[np.float32], tone: int, window_s: float, step_s: float) -> npt.NDArray[np.float64]:
    """Amplitude of one tone over time (a Hann-windowed Fourier coefficient each step)."""
    size, step = int(window_s * RATE), int(step_s * RATE)
    turn = np.hanning(size) * np.exp(-2j * np.pi * tone * np.arange(size) / RATE)
    starts = range(0, len(sound) - size, step)
    return np.array([abs(np.dot(sound[start : start + size], turn)) for start in starts]) * 4 / size


def check_tones(
    programme: Programme, sound: npt.NDArray[np.float32], hearing: Issued, parts: tuple[Part, ...], witness: Person
) -> None:
    """Everybody in court is heard; the witness between call and dismissal only."""
    levels = {one.role: strength(sound, one.tone, 0.05, 0.05) for one in EVERYBODY}
    for person in parts[0].people:
        assert np.percentile(levels[person.role], 95) > 0.004, person.role
    called, dismissed = programme.stay(hearing.seat(witness))
    start = programme.recording.start
    steps = start + np.arange(len(levels[witness.role])) * 50_000
    (stay,) = (part for part in parts if witness in part.people)
    inside = levels[witness.role][(steps > stay.start) & (steps < stay.end)]
    outside = levels[witness.role][(steps < called - 500_000) | (steps > dismissed + 1_500_000)]
    assert np.percentile(inside, 90) > 0.004
    assert outside.max() < 0.25 * np.percentile(inside, 90), "the witness is heard outside the testimony"


def onsets(levels: npt.NDArray[np.float64], step_s: float, quiet_s: float = 0.5) -> list[float]:
    """Times at which a signal that was low for ``quiet_s`` rises past half of its usual height."""
    high = np.percentile(levels, 97) / 2
    up = levels > high
    quiet = int(quiet_s / step_s)
    return [
        number * step_s
        for number in range(quiet, len(up))
        if up[number] and not up[number - quiet : number].any()
    ]  # fmt: skip


def check_sync(
    programme: Programme, sound: npt.NDArray[np.float32], hearing: Issued, court: tuple[Person, ...]
) -> None:
    """The flash and the beep of one person fall together within 40 ms in the middle.

    What single flashes are off beyond that is the page's own: it draws its flash from a timer, and a busy page draws
    some of them up to 80 ms late (frames of the capture itself, by their sender's clock, show the same).
    """
    cell = expect_layout(hearing, court).cell(hearing.seat(DEFENDANT))
    assert cell is not None
    luma = np.array([float(mean(picture, cell.picture)[0]) for _at, picture in programme.frames(1)])
    flashes = onsets(luma - np.percentile(luma, 20), 0.04)
    beeps = onsets(strength(sound, DEFENDANT.tone, 0.02, 0.005), 0.005)
    beeps = [beep + 0.01 for beep in beeps]  # a window of 20 ms reaches half its height when its middle is there
    pairs = [beep - flash for flash in flashes for beep in beeps if abs(beep - flash) < 0.4]
    assert len(pairs) >= 5, (len(flashes), len(beeps))
    off = statistics.median(pairs)
    assert abs(off) <= SYNC_S, f"sound is {off * 1000:+.0f} ms off ({len(pairs)} flashes)"


async def verify(bag: Path) -> tuple[int, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "courtroom", "verify", str(bag), "--json", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(out)


async def check_damage(bag: Path, folder: Path, start: int) -> None:
    """One flipped byte in a copy is reported with its file and, in media, with its second."""
    for name in ("programme.mp4", "ledger.jsonl", next((bag / "data" / "capture").glob("*.cap")).name):
        copy = folder / "copy"
        shutil.copytree(bag, copy)
        (file,) = copy.rglob(name)
        content = bytearray(file.read_bytes())
        content[len(content) * 2 // 3] ^= 1
        file.write_bytes(bytes(content))
        code, report = await verify(copy)
        assert code == 1, name
        assert not report["ok"]
        blamed = [check for check in report["checks"] if not check["ok"]]
        assert any(str(check["file"] or "").endswith(name) for check in blamed), (name, blamed)
        if not name.endswith(".jsonl"):
            assert any(check["second"] not in (None, "") for check in blamed), (name, blamed)
        shutil.rmtree(copy)


async def check_archive(court: Court, hearing: Issued, parts: tuple[Part, ...], witness: Person, folder: Path) -> None:
    """Everything above, on the archive of a hearing that was closed."""
    status, video = await court.call("GET", f"/api/v1/hearings/{hearing.id}/archive/video")
    assert status == 200
    programme = Programme(court.data / "archives" / hearing.id)
    assert video == programme.mp4.read_bytes()
    status, answer = await court.call("POST", f"/api/v1/hearings/{hearing.id}/archive/verify")
    assert status == 200
    assert json.loads(answer)["ok"], answer
    sound = programme.sound()
    check_pictures(programme, hearing, parts)
    check_tones(programme, sound, hearing, parts, witness)
    check_sync(programme, sound, hearing, parts[0].people)
    code, report = await verify(programme.bag)
    assert (code, report["ok"]) == (0, True), report
    await check_damage(programme.bag, folder, programme.recording.start)
