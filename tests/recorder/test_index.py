"""Reading captures: order, doubles, wrap-around, loss, hostile packets; and depacketizing against real encoders."""

from __future__ import annotations

import random
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from courtroom.errors import BadMessage, BadPacket
from courtroom.sfu.capture import Packet, Record
from recorder.clockmap import court_times
from recorder.depacketize import KEY, START, flags, join, rtp_header, vp8_descriptor
from recorder.feeds import VideoFeed
from recorder.index import read_capture
from recorder.payloads import Payloads
from recorder.picture.canvas import Rect
from recorder.runs import whole_frames
from tests.recorder import stage
from tests.recorder.stage import SECOND, Sender, packetize, video_encoder, write_segment


def capture_of(folder: Path, sender: Sender, records: list[tuple[int, Record]]) -> Path:
    write_segment(folder, 1, stage.START, records, sender.tracks())
    return folder


def judge(**how: object) -> Sender:
    return Sender("s-judge", 1, 0, 5, **how)  # type: ignore[arg-type]


def test_reordered_and_doubled_packets_stand_once_in_order(tmp_path: Path) -> None:
    sender = judge()
    records = sender.records(3)
    mixed = records + [record for record in records if isinstance(record[1], Packet)][::7]
    random.Random(3).shuffle(mixed)
    plain = read_capture(capture_of(tmp_path, sender, records)).runs
    (tmp_path / "b").mkdir()
    shuffled = read_capture(capture_of(tmp_path / "b", sender, sorted(mixed, key=lambda r: r[0] // 200_000))).runs
    by_kind = {run.track.kind: run for run in shuffled}
    for run in plain:
        other = by_kind[run.track.kind]
        assert np.array_equal(np.diff(run.rtp), np.diff(other.rtp))
        assert (np.diff(other.seq) == 1).all()


def test_counters_that_wrap_are_followed(tmp_path: Path) -> None:
    sender = judge()
    sender.random = type(
        "R",
        (random.Random,),
        {"randrange": lambda self, a, b=None: 65_530 if a == 65536 else (1 << 32) - 9000 if b is None else a},
    )()
    for run in read_capture(capture_of(tmp_path, sender, sender.records(2))).runs:
        assert (np.diff(run.seq) == 1).all()
        assert (np.diff(run.rtp) >= 0).all()
        assert run.rtp[-1] - run.rtp[0] < 3 * 90_000


def test_a_frame_with_a_hole_is_no_frame(tmp_path: Path) -> None:
    sender = judge(size=(640, 360), fps=10)
    image = np.random.default_rng(1).integers(0, 255, (360, 640, 3), dtype=np.uint8)
    encoder = video_encoder("vp8", (640, 360), 10)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = 0, Fraction(1, 10)
    pieces = packetize("vp8", b"".join(bytes(packet) for packet in encoder.encode(frame)))
    assert len(pieces) > 5
    records: list[tuple[int, Record]] = []
    for seq, piece in enumerate(pieces):
        data = sender._packet(1, seq, 900, seq == len(pieces) - 1, piece)
        records.append((stage.START + seq, Packet(1, stage.START + seq, data)))
    (run,) = read_capture(capture_of(tmp_path, sender, records)).runs
    assert len(whole_frames(run)[0]) == 1
    (tmp_path / "b").mkdir()
    for missing in (0, 2, len(pieces) - 1):
        holed = records[:missing] + records[missing + 1 :]
        (run,) = read_capture(capture_of(tmp_path / "b", sender, holed)).runs
        assert len(whole_frames(run)[0]) == 0


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_after_a_loss_the_picture_waits_for_a_key_frame(tmp_path: Path, codec: str) -> None:
    sender = judge(video_codec=codec, bright=lambda t: t >= 1.0, fps=20)
    records = sender.records(4)
    video = [r for r in records if isinstance(r[1], Packet) and r[1].track == 1]
    stamps = sorted({rtp_header(r[1].data)[2] for r in video if isinstance(r[1], Packet)})
    lost = {stamps[18]}  # a frame before the picture turns white; the next key frame comes at two seconds
    kept = [
        r for r in records if not (isinstance(r[1], Packet) and r[1].track == 1 and rtp_header(r[1].data)[2] in lost)
    ]
    capture = read_capture(capture_of(tmp_path, sender, kept))
    times = court_times(capture.runs)
    with Payloads([s.path for s in capture.segments]) as payloads:
        which = next(n for n, run in enumerate(capture.runs) if run.track.kind == "camera")
        feed = VideoFeed(capture.runs[which], times[which], payloads)
        area = Rect(0, 0, 160, 90)

        def luma(second: float) -> float:
            picture = feed.picture(stage.START + int(second * SECOND), area)
            assert picture is not None
            return float(picture.y.mean())

        assert luma(0.8) < 120
        assert luma(1.8) < 120, "still the last good picture"
        assert luma(2.5) > 180
        assert luma(0.5) < 120, "looking back works"
        assert luma(3.5) > 180


def test_a_portrait_picture_is_shown_whole_and_a_wide_one_cut(tmp_path: Path) -> None:
    area = Rect(0, 0, 304, 158)
    for size, shown in (((180, 320), (88, 158)), ((320, 240), (304, 158)), ((320, 180), (304, 158))):
        folder = tmp_path / f"{size[0]}-{size[1]}"
        folder.mkdir()
        sender = judge(size=size)
        capture = read_capture(capture_of(folder, sender, sender.records(1)))
        with Payloads([s.path for s in capture.segments]) as payloads:
            run = next(run for run in capture.runs if run.track.kind == "camera")
            picture = VideoFeed(run, run.at, payloads).picture(stage.START + 900_000, area)
            assert picture is not None
            assert picture.y.shape == (shown[1], shown[0])


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_joined_packets_are_what_the_encoder_made(codec: str) -> None:
    encoder, decoder = video_encoder(codec, (640, 360), 20), av.CodecContext.create(codec, "r")
    noise = np.random.default_rng(2)
    for number in range(6):
        image = noise.integers(0, 255, (360, 640, 3), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 20)
        for packet in encoder.encode(frame):
            pieces = packetize(codec, bytes(packet))
            assert len(pieces) > 1
            whole = join(codec, pieces)
            if codec == "vp8":
                assert whole == bytes(packet)
            assert flags(codec, pieces[0]) == START | (KEY if packet.is_keyframe else 0)
            assert [f.height for f in decoder.decode(av.Packet(whole))] == [360]


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadMessage):
        read_capture(tmp_path)
    (tmp_path / "seg-00001.cap").symlink_to("/etc/passwd")
    with pytest.raises(BadMessage):
        read_capture(tmp_path)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_hostile_packets_are_refused_and_nothing_else(data: bytes) -> None:
    for codec in ("vp8", "h264", "opus"):
        with suppress(BadPacket):
            assert flags(codec, data) in (0, START, START | KEY)
        with suppress(BadPacket):
            assert len(join(codec, [data, data])) <= 2 * len(data) + 8 * len(data)
    with suppress(BadPacket):
        start, end = rtp_header(data)[4:]
        assert 12 <= start <= end <= len(data)
        vp8_descriptor(data)


@settings(deadline=None)  # the first example pays for imports
@given(st.binary(max_size=400), st.integers(0, 300))
def test_hostile_segments_are_read_as_far_as_they_go(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("noise")
    sender = judge()
    data = sender._packet(1, 1, 1, True, b"\x90\x80\x81\x23" + noise[:50])
    write_segment(
        folder,
        1,
        stage.START,
        [(stage.START, Packet(1, 1 << 63, data)), (stage.START, Packet(1, 5, noise))],
        sender.tracks(),
    )
    path = folder / "seg-00001.cap"
    path.write_bytes(path.read_bytes()[: -cut or None] + noise)
    capture = read_capture(folder)
    court_times(capture.runs)
