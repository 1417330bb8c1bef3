"""A gap and what was repaired of it: both are said, and nothing else is called repaired."""

from __future__ import annotations

import struct
from pathlib import Path

from courtroom.sfu.capture import Packet, Record, Track
from recorder.repaired import repaired
from recorder.scan import Scan, scan
from recorder.timeline import Gap
from tests.recorder.stage import SECOND, START, write_segment

TRACKS = [Track(1, "s-judge", "microphone", "", "opus", 48_000, 111, "w-1")]
GAP = Gap(START + SECOND, START + 4 * SECOND, "fault", "no_media", "system")
FIRST = 65_510  # wraps in the first second


def packet(number: int, at: int, ssrc: int = 7) -> tuple[int, Record]:
    head = struct.pack(">BBHII", 0x80, 111, (FIRST + number) & 0xFFFF, number * 960, ssrc)
    return at, Packet(1, at, head + b"sound")


def capture(folder: Path, *arrived: tuple[int, Record], cut_at: int = START + 2 * SECOND) -> list[Scan]:
    """A second of sound, then what is given, then a second from number 200 on; in two segments."""
    before = [packet(number, START + 20_000 * number) for number in range(50)]
    after = [packet(200 + number, GAP.end + 20_000 * number) for number in range(50)]
    records = sorted([*before, *after, *arrived], key=lambda item: item[0])
    (folder / "data").mkdir()
    for number, low, high in ((1, 0, cut_at), (2, cut_at, 1 << 60)):
        write_segment(folder / "data", number, START, [item for item in records if low <= item[0] < high], TRACKS)
    return [scan(folder, f"data/seg-{number:05d}.cap", "", False) for number in (1, 2)]


def test_what_was_sent_in_the_gap_and_came_after_it_is_counted_once(tmp_path: Path) -> None:
    late = [packet(number, GAP.end + 100_000 + number) for number in range(50, 61)]
    scans = capture(tmp_path, *late, packet(60, GAP.end + 300_000))
    assert repaired(tmp_path, scans, [GAP]) == [(GAP, 11)]


def test_order_doubles_new_senders_and_lawful_gaps_are_no_repairs(tmp_path: Path) -> None:
    doubled = packet(49, GAP.end + 50_000)
    other = [packet(number, GAP.end + 60_000 + number, ssrc=9) for number in (5, 4, 3)]
    much_later = packet(70, GAP.end + 20 * SECOND)
    scans = capture(tmp_path, doubled, *other, much_later)
    lawful = Gap(GAP.start, GAP.end, "lawful", "recess", "s-judge", 7)
    assert repaired(tmp_path, scans, [GAP, lawful]) == []
