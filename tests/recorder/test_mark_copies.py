"""Copies of a real programme: what a recipient gets, and whose it was after it was leaked."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from courtroom.catalogue import Language
from courtroom.errors import BadMessage
from courtroom.hearing import events as e
from recorder.mark import video
from recorder.mark.codes import threshold
from recorder.mark.detect import TRIES, Match, Programme, Report, detect, read_mark, scores_of
from recorder.mark.embed import Order, copy, read_label
from recorder.mark.evidence import SIZE
from recorder.mark.geometry import window
from recorder.mark.report import Issued, sentences
from recorder.picture.canvas import planes
from recorder.picture.clock import ClockAtlas
from recorder.picture.colours import BAND
from recorder.picture.fonts import find_fonts
from tests.bench.leaks import MIRRORED, Leak, leak
from tests.bench.marks import psnr
from tests.bench.sitting import film
from tests.recorder.stage import START, Script

KEY = bytes(range(32))
IDS = [f"{n:016x}" for n in (0xA1, 0xB2)]
STRANGERS = [f"{n:016x}" for n in range(0xC000, 0xC0C8)]
SECONDS = 7


@dataclass(frozen=True)
class House:
    folder: Path
    programme: Path
    copies: tuple[Path, Path]
    known: Programme

    def leaked(self, attack: Leak, *sources: Path) -> Path:
        return leak(attack, list(sources or self.copies), self.folder / "leak.mp4")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = tmp_path_factory.mktemp("marks")
    programme = film(folder / "programme.mp4", SECONDS, people=4)
    (folder / "key").write_bytes(KEY)
    (folder / "label").write_text(f"副本　原告　王原告示例　2026-11-24 11:02　{IDS[0]}", encoding="utf-8")
    script = Script().open()
    for copy_of, seat in zip(IDS, ("s-plaintiff", "s-defendant"), strict=True):
        detail: dict[str, str | int] = {"copy": copy_of, "recipient": seat, "purpose": "上诉", "by": "s-clerk"}
        script.say(START, e.ArchiveNoted(what="copy_issued", detail=detail))
    script.save(folder / "ledger.jsonl")
    made = run(
        "copy", "--programme", programme, "--out", folder / "a.mp4", "--mark-key", folder / "key", "--copy", IDS[0],
        "--label", folder / "label", "--progress", "json",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    last = json.loads(made.stdout.splitlines()[-1])
    assert last == {"event": "copied", "sha256": hashlib.sha256((folder / "a.mp4").read_bytes()).hexdigest()}
    copy(Order(programme, folder / "b.mp4", folder / "key", IDS[1], ""), lambda *_: None)
    return House(folder, programme, (folder / "a.mp4", folder / "b.mp4"), Programme(programme))


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recorder", *(str(word) for word in words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


def test_a_copy_is_the_programme_with_marks_nobody_minds(house: House) -> None:
    original, bare = (video.read(path, 1280, 1, 1, 720) for path in (house.programme, house.copies[1]))
    assert psnr(original.luma, bare.luma) >= 42
    labelled = video.read(house.copies[0], 1280, 1, 1, 720)
    change = np.abs(labelled.luma.astype(int) - original.luma).mean(axis=0)
    assert (change[BAND + 4 :] > 8).mean() > 0.005, "the label is there"
    assert change[: BAND - 2].mean() < 1, "and not over the band"
    with av.open(str(house.copies[0])) as made, av.open(str(house.programme)) as source:
        assert made.streams.video[0].frames == source.streams.video[0].frames == SECONDS * 25
        sounds = [
            hashlib.sha256(b"".join(bytes(packet) for packet in one.demux(audio=0))).hexdigest()
            for one in (made, source)
        ]
    assert sounds[0] == sounds[1], "sound is copied"
    with av.open(str(house.copies[0])) as made:
        frame = next(made.decode(video=0)).to_ndarray(format="yuv420p")
    assert ClockAtlas(find_fonts()).read_back(planes(frame)) == "2026-11-24   09:42:00"


def test_a_finished_copy_is_left_alone(house: House) -> None:
    path, told = house.copies[1], []
    before = path.stat().st_mtime_ns
    order = Order(house.programme, path, house.folder / "key", IDS[1], "")
    copy(order, lambda percent, eta: told.append((percent, eta)))
    assert (path.stat().st_mtime_ns, told) == (before, [(100, 0)])
    assert not list(house.folder.glob("*.part"))


def test_a_cropped_clip_speaks_for_its_copy_and_no_other(house: House) -> None:
    clip = house.leaked(Leak("cropped", (640, 360), 28, 5.0, 1.0, homography=window(0.1, 0.08, 0.85, 0.85)))
    _, moment, said = read_mark(video.read(clip, SIZE[0], 0, 10), house.known)
    assert said is not None
    assert abs(moment.shift - 1.0) < 0.06
    scores = scores_of(said, KEY, [*IDS, *STRANGERS])
    limit = threshold(len(scores) * TRIES)
    assert [one for one, value in scores.items() if value >= limit] == [IDS[0]]
    assert max(scores_of(said, KEY[::-1], [*IDS, *STRANGERS]).values()) < limit, "another key reads nothing"


def test_two_copies_averaged_name_both(house: House) -> None:
    report = detect(house.leaked(Leak("mixed", (640, 360), 26, 6.0, 0.5, mixed=2)), house.known, KEY, IDS)
    assert {match.copy for match in report.found} == set(IDS)
    assert all(match.chance < 1e-6 for match in report.found)


def asked(house: House, clip: Path) -> tuple[int, dict[str, Any], str]:
    said = run(
        "detect", clip, "--programme", house.programme, "--ledger", house.folder / "ledger.jsonl", "--mark-key",
        house.folder / "key", "--json",
    )  # fmt: skip
    assert said.returncode in (0, 3), said.stderr
    return said.returncode, json.loads(said.stdout), said.stdout


def test_the_command_names_the_seat_of_a_mirrored_clip(house: House) -> None:
    status, report, _ = asked(house, house.leaked(Leak("mirrored", (640, 360), 26, 4.5, 2.0, homography=MIRRORED)))
    assert (status, report["mirrored"], report["copies"]) == (0, True, 2)
    (match,) = report["found"]
    assert (match["copy"], match["recipient"], match["purpose"], match["by"]) == (
        IDS[0], "s-plaintiff", "上诉", "s-clerk",
    )  # fmt: skip


def test_an_unmarked_clip_names_nobody(house: House) -> None:
    clip = house.leaked(Leak("unmarked", (640, 360), 28, 3.0, 2.0), house.programme)
    status, report, text = asked(house, clip)
    assert (status, report["found"], report["registered"]) == (3, [], True)
    assert report["best_score"] < report["threshold"]
    assert not any(word in text for word in (*IDS, "s-plaintiff", "s-defendant"))


def strange(path: Path, size: tuple[int, int], pictures: int, depth: int) -> Path:
    dice = np.random.default_rng(2)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for _ in range(pictures):
            noise = dice.integers(0, depth, (size[1] // 4, size[0] // 4, 3)).repeat(4, 0).repeat(4, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise.astype(np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("size", "pictures", "depth"), [((320, 180), 40, 255), ((320, 180), 20, 1), ((16, 16), 3, 255), ((640, 360), 1, 99)]
)
def test_another_film_names_nobody(
    house: House, tmp_path: Path, size: tuple[int, int], pictures: int, depth: int
) -> None:
    report = detect(strange(tmp_path / "noise.mp4", size, pictures, depth), house.known, KEY, IDS)
    assert not report.found
    assert report.fit < 0.6


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_verdict_in_words_names_a_seat_only_over_the_threshold(lang: Language) -> None:
    line = Issued(IDS[0], "s-plaintiff", "上诉", "s-clerk", START)
    shown = Report((), 3.0, 5.9, 1e-6, 2, True, 0.9, 0.8, 61.0, 10.0, False, ())
    match = Match(IDS[0], 12.0, 1e-20)
    named = sentences(replace(shown, found=(match,)), {IDS[0]: line}, lang)
    assert "s-plaintiff" in named[0]
    assert IDS[0] in named[0]
    assert "2026-11-24 09:42" in named[0]
    for report in (shown, replace(shown, registered=False)):
        words = " ".join(sentences(report, {IDS[0]: line}, lang))
        assert "s-plaintiff" not in words
        assert IDS[0] not in words
    assert "0:01:01" in " ".join(named)


@pytest.mark.parametrize("content", [b"", b"not a film at all" * 50, b"\x00\x00\x00\x18ftypmp42" + b"\xff" * 400])
def test_what_is_no_film_is_refused(house: House, tmp_path: Path, content: bytes) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(content)
    with pytest.raises(BadMessage, match=r"clip_unreadable|clip_empty"):
        detect(clip, house.known, KEY, IDS)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\nb", "x\u202ey".encode(), ("长" * 121).encode()])
def test_a_label_is_one_line_of_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "label").write_bytes(content)
    with pytest.raises(BadMessage, match="mark_label"):
        read_label(tmp_path / "label")
