"""Composing in many processes: the same programme as in one, across kills, crashes and second runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from courtroom.errors import BadMessage, Unavailable
from recorder import compose as module
from recorder.chunkfile import read_packets
from recorder.clockmap import court_times
from recorder.compose import Order, compose, work_on
from recorder.crew import Job, next_chunk
from recorder.index import read_capture
from recorder.indexfile import load_index, save_index
from recorder.ledgerfile import read_ledger, read_people
from recorder.payloads import Payloads
from recorder.picture.canvas import planes
from recorder.picture.clock import ClockAtlas, clock_text
from recorder.picture.fonts import find_fonts
from recorder.picture.screen import SCREENS
from recorder.studio import Look, Speech, Studio, picture_stream
from recorder.timeline import recording_of
from tests.recorder.conftest import LENGTH, Stage
from tests.recorder.stage import START

FRAMES = LENGTH * 25


def order_of(staged: Stage, out: Path, **how: object) -> Order:
    folder = staged.folder
    return Order(folder / "capture", folder / "ledger.jsonl", folder / "people.json", out, **how)  # type: ignore[arg-type]


def pictures_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def sound_of(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def stamps_of(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return sorted(packet.pts for packet in container.demux(video=0) if packet.size and packet.pts is not None)


def test_chunks_of_two_processes_make_the_programme_of_one(
    staged: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``staged`` was made as one chunk; here it is six, by two processes that take turns."""
    monkeypatch.setattr(module, "CHUNK_FRAMES", 45)
    told: list[int] = []
    order = order_of(staged, tmp_path / "p.mp4", workers=2)
    recording = compose(order, lambda percent, _eta: told.append(percent))
    assert told == sorted(told)
    assert told[-1] == 100
    whole, pieces = pictures_of(staged.programme), pictures_of(order.out)
    assert len(whole) == len(pieces) == recording.frames == FRAMES
    stamps = stamps_of(order.out)
    assert set(np.diff(stamps)) == {stamps[1] - stamps[0]}, "no picture twice, none missing"
    atlas = ClockAtlas(find_fonts())
    for number, (one, other) in enumerate(zip(whole, pieces, strict=True)):
        assert atlas.read_back(planes(other)) == clock_text(START + number * 40_000)
        assert np.abs(one.astype(int) - other.astype(int)).mean() < 1.5, number
    alone = order_of(staged, tmp_path / "alone.mp4", workers=1)
    compose(alone, lambda _percent, _eta: None)
    assert alone.out.read_bytes() == order.out.read_bytes(), "who rendered what is nowhere to be seen"
    one, other = sound_of(staged.programme), sound_of(order.out)
    assert len(one) == len(other)
    assert np.abs(one - other).max() < 0.02, "neither a gap nor a shift at any border"


def test_a_job_that_is_killed_goes_on_where_it_was(staged: Stage, tmp_path: Path) -> None:
    """SIGKILL to the job in the middle: its processes go too, whole chunks are kept, nothing unfinished is shown."""
    out = tmp_path / "p.mp4"
    order = order_of(staged, out, workers=2)
    script = (
        "import sys, pathlib; from recorder import compose as c; c.CHUNK_FRAMES = 25\n"
        "a = [pathlib.Path(x) for x in sys.argv[1:]]\n"
        "c.compose(c.Order(*a, workers=2), lambda p, e: print(c.progress_line('compose', p, e), flush=True))"
    )
    inputs = [str(order.capture), str(order.ledger), str(order.people), str(out)]
    command = [sys.executable, "-c", script, *inputs]
    job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def whole() -> set[str]:
        return {path.name for path in order.work.glob("chunk-*.packets")} if order.work.is_dir() else set()

    deadline = time.monotonic() + 120
    while len(whole()) < 3 and time.monotonic() < deadline:
        assert job.poll() is None
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait()
    kept = {name: (order.work / name).stat().st_mtime_ns for name in whole()}
    assert len(kept) >= 3
    assert not out.exists()
    while _group(job.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _group(job.pid), "no process is left behind"
    kept |= {name: (order.work / name).stat().st_mtime_ns for name in whole()}
    done = subprocess.run(command, capture_output=True, check=True, timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["percent"] == 100
    assert lines[0]["percent"] >= 100 * 25 * len(kept) // FRAMES or lines[0]["percent"] == 100
    assert len(stamps_of(out)) == FRAMES
    assert not whole(), "chunks are cleared away when the programme is whole"
    before = out.stat().st_mtime_ns
    subprocess.run(command, capture_output=True, check=True, timeout=120)
    assert out.stat().st_mtime_ns == before, "made once"


def _group(leader: int) -> list[int]:
    """Processes of a session that are still there (not just waiting to be reaped)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def test_a_process_that_crashes_is_replaced_and_a_chunk_that_never_works_is_said(
    staged: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_FRAMES", 125)
    monkeypatch.setattr(module, "SOUND_CHUNKS", 1)
    order = order_of(staged, tmp_path / "p.mp4", workers=2)
    crashes = tmp_path / "crashes"
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'chunks' in sys.argv or any('chunks' == a for a in getattr(sys, 'orig_argv', [])):\n"
        f"    path = {str(crashes)!r}\n"
        "    limit = int(os.environ['CRASHES'])\n"
        "    os.write(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), b'x')\n"
        "    for number in range(limit):\n"  # each crash belongs to exactly one process, whoever comes first
        "        try:\n"
        "            os.open(f'{path}-{number}', os.O_CREAT | os.O_EXCL)\n"
        "        except FileExistsError:\n"
        "            continue\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("CRASHES", "100")
    with pytest.raises(Unavailable, match="compose_failed"):
        compose(order, lambda _percent, _eta: None)
    assert not order.out.exists()
    for path in tmp_path.glob("crashes*"):
        path.unlink()
    monkeypatch.setenv("CRASHES", "1")
    compose(order, lambda _percent, _eta: None)
    assert crashes.stat().st_size == 3, "two began, one of them crashed and was replaced"
    assert len(stamps_of(order.out)) == FRAMES


def test_a_large_programme_shows_the_same_at_one_and_a_half_times_the_size(staged: Stage, tmp_path: Path) -> None:
    folder, atlas = staged.folder, ClockAtlas(find_fonts(), SCREENS["1080p"])
    capture = read_capture(folder / "capture")
    entries, people = read_ledger(folder / "ledger.jsonl"), read_people(folder / "people.json")
    recording = recording_of(entries, capture)
    with Payloads([segment.path for segment in capture.segments]) as payloads:
        court = court_times(capture.runs)
        studios = [
            Studio(Look(size=size), entries, people, capture, court, recording, payloads) for size in ("1080p", "720p")
        ]
        for number in (40, 150, 240):
            large, small = (planes(studio.frame(number)) for studio in studios)
            assert large.y.shape == (1080, 1920)
            assert atlas.read_back(large) == clock_text(START + number * 40_000)
            for x, y in ((640, 200), (170, 400), (1110, 400)):  # judge, plaintiff, defendant
                there = large.y[y * 3 // 2 : y * 3 // 2 + 30, x * 3 // 2 : x * 3 // 2 + 30].mean()
                assert abs(float(there) - float(small.y[y : y + 20, x : x + 20].mean())) < 8
        studios[0].sound(range(240, 250), tmp_path / "c.pcm", tmp_path / "c.json", lambda: None)
        studios[0].picture(range(240, 250), tmp_path / "c.packets", Speech(tmp_path / "c.json"), lambda: None)
    with av.open(str(tmp_path / "c.mp4"), "w") as container:
        stream = picture_stream(container, Look(size="1080p"))
        for packet in read_packets(tmp_path / "c.packets", 0):
            packet.stream = stream
            container.mux(packet)
    assert [picture.shape for picture in pictures_of(tmp_path / "c.mp4")] == [(1080 * 3 // 2, 1920)] * 10
    assert (tmp_path / "c.pcm").stat().st_size == 10 * 1920 * 2


def test_a_chunk_that_is_damaged_is_made_again_and_never_joined(staged: Stage, tmp_path: Path) -> None:
    order = order_of(staged, tmp_path / "p.mp4", workers=1)
    real, seen = module.join, []

    def join(pictures: list[tuple[Path, int]], *rest: object) -> None:
        path = pictures[1][0]
        whole = path.read_bytes()
        for damaged in (whole[:-1], whole[:5], whole[: len(whole) // 2] + b"\xff" * 8, whole + b"\0" * 13, b""):
            path.write_bytes(damaged)
            with pytest.raises(Unavailable, match="compose_failed"):
                real(pictures, *rest)  # type: ignore[arg-type]
            assert not path.exists()
            seen.append(path.name)
        raise Unavailable("compose_failed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "join", join)
        with pytest.raises(Unavailable):
            compose(order, lambda _percent, _eta: None)
    assert len(seen) == 5
    assert not order.out.exists()
    told: list[int] = []
    compose(order, lambda percent, _eta: told.append(percent))
    assert len(stamps_of(order.out)) == FRAMES
    assert told[0] > 50, "one chunk was missing"


def test_who_speaks_is_left_for_the_pictures_and_garbage_is_refused(staged: Stage, tmp_path: Path) -> None:
    folder = staged.folder
    capture = read_capture(folder / "capture")
    entries = read_ledger(folder / "ledger.jsonl")
    with Payloads([segment.path for segment in capture.segments]) as payloads:
        court, recording = court_times(capture.runs), recording_of(entries, capture)
        studio = Studio(Look(), entries, {}, capture, court, recording, payloads)
        studio.sound(range(50, 100), tmp_path / "s.pcm", tmp_path / "s.json", lambda: None)
    speech = Speech(tmp_path / "s.json")
    assert speech.at(START + 2_500_000) == {"s-plaintiff"}
    assert speech.at(START + 3_200_000) == {"s-judge", "s-plaintiff"}
    assert not speech.at(START + 5_000_000), "not of this stretch"
    for broken in ("[]", '{"x": []}', '{"1": 2}', "{"):
        (tmp_path / "s.json").write_text(broken)
        with pytest.raises(BadMessage):
            Speech(tmp_path / "s.json")


def test_an_order_is_a_kind_and_a_number() -> None:
    assert Job.of(f"{Job('sound', 3)}\n") == Job("sound", 3)
    assert Job.of("picture 12\n") == Job("picture", 12)
    for garbage in ("", "3", "sound", "film 3", "sound -3", "sound 3 4", "sound ³", "picture x"):
        with pytest.raises(BadMessage):
            Job.of(garbage)


def test_processes_go_on_where_they_are_and_begin_in_the_middle() -> None:
    assert next_chunk({0, 1, 2, 3, 4, 5}, -2) == 0
    assert next_chunk({1, 2, 3, 4, 5}, -2) == 3
    assert next_chunk({1, 2, 4, 5}, 0) == 1
    assert next_chunk({9}, 3) == 9
    assert next_chunk({4, 6, 7, 8}, 2) == 7


def test_an_index_that_does_not_fit_together_is_refused(staged: Stage, tmp_path: Path) -> None:
    capture = read_capture(staged.folder / "capture")
    court = court_times(capture.runs)
    save_index(tmp_path / "index", capture, court)
    found = load_index(tmp_path / "index")
    assert found is not None
    for one, other in zip(capture.runs, found[0].runs, strict=True):
        assert one.track == other.track
        for name in ("seq", "rtp", "at", "marker", "flags", "file", "offset", "size", "reports"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
    assert all(np.array_equal(one, other) for one, other in zip(court, found[1], strict=True))
    assert found[0].segments == capture.segments
    meta = tmp_path / "index" / "index.json"
    text = meta.read_text()
    for broken in ("[]", "{", text.replace('"packets": ', '"packets": 1'), text.replace('"ssrc"', '"srcs"')):
        meta.write_text(broken)
        with pytest.raises(BadMessage, match="index_damaged"):
            load_index(tmp_path / "index")
    with pytest.raises(BadMessage):
        work_on(tmp_path / "index", iter(["picture 0"]), sys.stdout)
    meta.unlink()
    assert load_index(tmp_path / "index") is None
    assert os.listdir(tmp_path / "index")
