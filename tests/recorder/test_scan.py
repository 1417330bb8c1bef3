"""The verifier's one reading of a capture says what the slow readers say: index, segmentcheck, plain digests."""

from __future__ import annotations

import hashlib
import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from courtroom.sfu.capture import MAGIC, Chain, End, Header, Note, Packet, SenderReport, Track, encode, read
from recorder import scan as scanning
from recorder.index import read_capture
from recorder.runs import Capture
from recorder.scan import Scan, capture_of, recorded, scan, scan_all
from recorder.seal import HEAD, segment_spans
from recorder.segmentcheck import segment_faults
from tests.recorder.archives import TINY, write_hour
from tests.recorder.cast import WITNESS
from tests.recorder.stage import SECOND, START, TAKE

BUSY = replace(TINY, seconds=7, video_rate=60, audio_rate=50, segment_s=3, chain_us=100_000)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("busy")
    write_hour(root / "data" / "capture", BUSY)
    return root


def names(root: Path) -> list[str]:
    return sorted(f"data/capture/{path.name}" for path in (root / "data" / "capture").iterdir())


def scans(root: Path) -> list[Scan]:
    return [scan(root, name, TAKE, True) for name in names(root)]


def same(one: Capture, other: Capture) -> None:
    assert np.array_equal(one.packets, other.packets)
    assert np.array_equal(one.beats, other.beats)
    assert one.last_at == other.last_at
    assert one.first_at == other.first_at
    assert [segment.tear for segment in one.segments] == [segment.tear for segment in other.segments]
    quiet = {"batch", "renumbered"}
    assert list(one.notes) == [note for note in other.notes if note.body.get("kind") not in quiet]


def test_a_whole_capture_is_read_as_the_index_reads_it(busy: Path) -> None:
    found = scans(busy)
    same(capture_of(busy, found), read_capture(busy / "data" / "capture"))
    for one in found:
        data = (busy / one.name).read_bytes()
        assert (one.size, one.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert one.sm3 == hashlib.new("sm3", data).hexdigest()
        assert one.faults == ()
    assert sum(len(one.at) for one in found) > 1500


def test_a_damaged_capture_too_wherever_it_is_damaged(busy: Path, tmp_path: Path) -> None:
    seeded = random.Random(5)
    root = tmp_path / "root"
    folder = root / "data" / "capture"
    folder.mkdir(parents=True)
    whole = {name: (busy / name).read_bytes() for name in names(busy)}
    for _ in range(20):
        for name, data in whole.items():
            damaged = bytearray(data)
            for _ in range(seeded.choice((0, 0, 1, 1, 3))):
                damaged[seeded.randrange(len(damaged))] ^= 1 << seeded.randrange(8)
            if seeded.random() < 0.3:
                del damaged[seeded.randrange(len(damaged)) :]
            (root / name).write_bytes(damaged)
        found = scans(root)
        same(capture_of(root, found), read_capture(folder))
        for one in found:
            data = (root / one.name).read_bytes()
            assert list(one.faults) == segment_faults(one.name.rsplit("/", 1)[1], data, TAKE)
            assert one.sha256 == hashlib.sha256(data).hexdigest()


def test_packets_that_are_no_media_count_for_neither(tmp_path: Path) -> None:
    """Probes of padding only, packets of unknown tracks, nonsense with a right CRC, times from nowhere."""
    folder = tmp_path / "data" / "capture"
    folder.mkdir(parents=True)
    seeded = random.Random(9)
    head = b"\x80\x60\x00\x01\x00\x00\x00\x01\x00\x00\x00\x02"
    probe = b"\xa0" + head[1:] + b"\x00\x00\x00\x04"
    rest: list[bytes] = [
        head + b"\x90\x80\x81\x23x",
        probe,
        b"",
        b"\x00" * 20,
        head,
        head + b"\x90",
        seeded.randbytes(40),
    ]
    out = bytearray(MAGIC + encode(Header(TAKE, 1, START)))
    for step in range(3000):
        at = START + step * 7_000 + seeded.randrange(-30_000, 30_000)
        match seeded.randrange(12):
            case 0:
                out += encode(
                    Track(seeded.randrange(3), "s", "camera", "h", seeded.choice(("vp8", "opus")), 90_000, 96, "w")
                )
            case 1:
                out += encode(Chain(at, hashlib.sha256(out).digest()))
            case 2:
                out += encode(SenderReport(1, at, 5, 6))
            case 3:
                out += encode(Note(at, {"kind": seeded.choice(("batch", "worker_lost"))}))
            case 4:
                out += encode(Packet(1, seeded.choice((0, 1 << 60, (1 << 64) - 1)), head + b"\x90\x80\x81\x23x"))
            case _:
                out += encode(Packet(seeded.randrange(4), at, seeded.choice(rest)))
    out += encode(Chain(START + 99 * SECOND, hashlib.sha256(out).digest())) + encode(End(START + 99 * SECOND))
    (folder / "seg-00001.cap").write_bytes(out)
    (one,) = found = scans(tmp_path)
    assert one.faults == ()
    same(capture_of(tmp_path, found), read_capture(folder))


def test_what_was_recorded_of_a_seat_is_counted_by_its_label(busy: Path) -> None:
    at = recorded(scans(busy), frozenset({WITNESS.id, "nobody"}))
    assert len(at["nobody"]) == 0
    assert len(at[WITNESS.id]) > 100
    assert int(at[WITNESS.id].min()) >= BUSY.called
    assert int(at[WITNESS.id].max()) < BUSY.dismissed


def test_many_processes_say_what_one_says(busy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {name: os.stat(busy / name).st_size for name in names(busy)}
    alone = scan_all(busy, sizes, TAKE, True)
    monkeypatch.setattr(scanning, "PARALLEL_BYTES", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    together = scan_all(busy, {**sizes, "data/gone.cap": 5}, TAKE, True)
    assert alone.keys() == together.keys()
    for name, one in alone.items():
        assert (one.sha256, one.sm3, one.faults, one.notes) == (
            together[name].sha256, together[name].sm3, together[name].faults, together[name].notes,
        )  # fmt: skip
        assert np.array_equal(one.at, together[name].at)


def test_every_record_lies_in_the_span_of_the_newest_second_before_it(busy: Path, tmp_path: Path) -> None:
    seeded = random.Random(3)
    for name in names(busy):
        whole = (busy / name).read_bytes()
        for cut in (len(whole), *(seeded.randrange(len(whole)) for _ in range(8))):
            path = tmp_path / "seg-00001.cap"
            path.write_bytes(whole[:cut])
            spans = segment_spans(path)
            assert [span[1] for span in spans] == [0, *(span[2] for span in spans[:-1])][: len(spans)]
            assert not spans or spans[-1][2] == cut
            newest = HEAD
            for offset, record in read(whole[:cut]):
                at = record.opened_at if isinstance(record, Header) else getattr(record, "at", 0)
                newest = max(newest, at // SECOND) if at else newest
                assert newest in {
                    second for second, start, end in spans if start <= offset < end or offset == end == cut
                }
