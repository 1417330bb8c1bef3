"""What came later of a stretch without packets: sent in the gap, lost, asked for again, and repaired (RFC 4588).

Rules
* In a capture a repaired packet is the original one, with the arrival of its repeat. A gap is silence of arrivals; what
  was sent in it and arrived after it is recorded, and the log's gap stands all the same: both are said.
* A packet counts as repaired when it comes within ``LATE_US`` after the gap, behind a newer one of its SSRC, and is
  newer than everything of that SSRC that came before the gap. Numbers wrap (RFC 3550 A.1).
* Only the surroundings of ``MAX_GAPS`` gaps are read; nothing here changes what the log says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from courtroom.sfu.sequence import unwrap
from recorder.bagcheck import open_inside
from recorder.columns import Ints
from recorder.scan import BEAT_US, Scan
from recorder.timeline import Gap

LATE_US: Final = 6_000_000  # as long as a gap is asked for (courtroom/sfu/nack.py), and a second on its way
BEFORE_US: Final = 10_000_000
MAX_GAPS: Final = 50
MAX_AROUND: Final = 200_000
_HEAD: Final = 27  # record head (15), RTP header (12)
_RTP_AT: Final = 15


def repaired(root: Path, scans: Sequence[Scan], gaps: Iterable[Gap]) -> list[tuple[Gap, int]]:
    """``(gap, packets)`` of every gap by a fault of which something came later."""
    faults = [gap for gap in gaps if gap.kind == "fault"][:MAX_GAPS]
    return [(gap, count) for gap in faults if (count := _late(root, scans, gap))]


def _late(root: Path, scans: Sequence[Scan], gap: Gap) -> int:
    before = _numbers(root, scans, gap.start - BEFORE_US, gap.start + BEAT_US)  # gaps are measured in beats
    newest: dict[int, int] = {}
    for ssrc, sequence in before:
        near = newest.get(ssrc)
        newest[ssrc] = sequence if near is None else max(near, unwrap(sequence, near))
    reached, seen, count = dict(newest), set[tuple[int, int]](), 0
    for ssrc, sequence in _numbers(root, scans, gap.end, gap.end + LATE_US):
        if ssrc not in newest:
            continue
        index = unwrap(sequence, reached[ssrc])
        if newest[ssrc] < index < reached[ssrc] and (ssrc, index) not in seen:
            count += 1
        seen.add((ssrc, index))
        reached[ssrc] = max(reached[ssrc], index)
    return count


def _numbers(root: Path, scans: Sequence[Scan], begin: int, end: int) -> list[tuple[int, int]]:
    """(SSRC, sequence number) of what arrived in ``[begin, end]``, in the order of the file."""
    found: list[tuple[int, int]] = []
    for one in scans:
        if len(one.at) and one.first_at <= end and one.last_at >= begin:
            places = np.flatnonzero((one.at >= begin) & (one.at <= end))[: MAX_AROUND - len(found)]
            found += _read(root, one, one.offset[places])
    return found


def _read(root: Path, one: Scan, offsets: Ints) -> list[tuple[int, int]]:
    found = []
    with os.fdopen(open_inside(root, one.name), "rb") as file:
        for offset in offsets.tolist():
            head = os.pread(file.fileno(), _HEAD, offset)
            if len(head) == _HEAD and head[_RTP_AT] >> 6 == 2:
                rtp = head[_RTP_AT:]
                found.append((int.from_bytes(rtp[8:12], "big"), int.from_bytes(rtp[2:4], "big")))
    return found
