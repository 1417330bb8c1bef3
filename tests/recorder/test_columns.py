"""Columns say of every packet what ``depacketize`` says of it alone, also of hostile ones."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from courtroom.errors import BadPacket
from courtroom.sfu.capture import Packet, Record
from recorder.columns import heads
from recorder.depacketize import flags, rtp_header
from recorder.index import read_capture
from tests.recorder.stage import START, Sender, write_segment


def alone(codec: str, data: bytes) -> tuple[object, ...] | None:
    try:
        marker, seq, rtp, ssrc, start, end = rtp_header(data)
        return marker, seq, rtp, ssrc, start, end, flags(codec, data[start:end]) if start < end else None
    except BadPacket:
        return None


PACKET = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda first, rest, payload: bytes((0x80 | first,)) + rest + payload,
        st.integers(0, 0x3F), st.binary(min_size=11, max_size=11), st.binary(max_size=40),
    ),
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.lists(PACKET, max_size=20), st.sampled_from(["vp8", "h264", "opus"]))
def test_columns_equal_the_packets_one_by_one(packets: list[bytes], codec: str) -> None:
    ends = np.cumsum([len(packet) for packet in packets], dtype=np.int64) if packets else np.zeros(0, dtype=np.int64)
    begins = np.concatenate((np.zeros(min(1, len(ends)), dtype=np.int64), ends[:-1]))
    data = np.frombuffer(b"".join(packets) or b"\0", dtype=np.uint8)
    found = heads(data, begins, ends, codec)
    for line, packet in enumerate(packets):
        expected = alone(codec, packet)
        assert bool(found.ok[line]) == (expected is not None), packet.hex()
        if expected is not None:
            begin = int(begins[line])
            start, end = int(found.start[line]) - begin, int(found.end[line]) - begin
            got = (bool(found.marker[line]), int(found.seq[line]), int(found.rtp[line]), int(found.ssrc[line]))
            assert (*got, start, end, int(found.flags[line]) if start < end else None) == expected


def test_a_late_packet_of_the_old_source_does_not_cut_the_new_one(tmp_path: Path) -> None:
    """A source switch on one track: two runs, however the packets of both arrive."""
    sender = Sender("s-judge", 1, 0, 5)
    old = [r for r in sender.records(2) if isinstance(r[1], Packet) and r[1].track == 1]
    new = [(at + 100, Packet(1, at + 100, data[:8] + b"\0\0\0\x09" + data[12:])) for at, data in (
        (at, record.data) for at, record in old if isinstance(record, Packet))]  # fmt: skip
    mixed: list[tuple[int, Record]] = [*old, *new]
    random.Random(4).shuffle(mixed)
    write_segment(tmp_path, 1, START, mixed, sender.tracks())
    runs = read_capture(tmp_path).runs
    assert sorted(run.ssrc for run in runs) == [1, 9]
    assert all((np.diff(run.seq) == 1).all() for run in runs)
