"""Voice and lips over an hour: media clocks that drift apart, a wrong NTP clock, jitter, rare reports; and what a
camera does meanwhile: other sizes, other layers, mute."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from courtroom.sfu.capture import Packet, Record, Track
from recorder.clockmap import court_times
from recorder.feeds import Camera, VideoFeed
from recorder.index import read_capture
from recorder.payloads import Payloads
from recorder.picture.canvas import Rect
from recorder.voices import RATE, placed
from tests.recorder.stage import SECOND, START, Sender, packetize, video_encoder, write_segment
from tests.recorder.test_clockmap import BASE, DELAY, run

HOUR = 3600
GOAL_MS = 20


@pytest.mark.parametrize(
    ("voice_ppm", "camera_ppm", "ntp_offset", "reports"),
    [(350, -200, -3_600_000_000, 5.0), (-80, 60, 7, 1.0), (120, 120, 86_400_000_000, 20.0)],
)
def test_voice_and_lips_stay_together_for_an_hour(
    voice_ppm: float, camera_ppm: float, ntp_offset: int, reports: float
) -> None:
    """What was said and seen at the same true moment lies within 20 ms in the programme, at any time of the hour."""
    voice, spoken = run("a", 48_000, 20_000, HOUR, drift_ppm=voice_ppm, ntp_offset=ntp_offset, reports=reports, seed=1)
    camera, filmed = run(
        "a", 90_000, 40_000, HOUR, drift_ppm=camera_ppm, ntp_offset=ntp_offset, reports=reports, seed=2
    )
    heard, seen = court_times([voice, camera])
    sound_ms = (placed(voice.rtp, heard) * (1000 / RATE)) - (spoken + DELAY) / 1000
    picture_ms = (seen - filmed - DELAY) / 1000
    assert len(sound_ms[::2]) == len(picture_ms) == HOUR * 25
    apart = sound_ms[::2] - picture_ms
    assert np.abs(apart).max() <= GOAL_MS, float(np.abs(apart).max())
    assert np.abs(sound_ms).max() <= GOAL_MS
    assert np.abs(picture_ms).max() <= GOAL_MS


def test_a_clock_that_is_set_in_between_parts_voice_and_lips_only_for_a_moment() -> None:
    voice, _ = run("a", 48_000, 20_000, 600, drift_ppm=200, jump=(300.0, 4_000_000), seed=1)
    camera, filmed = run("a", 90_000, 40_000, 600, drift_ppm=-200, jump=(300.0, 4_000_000), seed=2)
    heard, seen = court_times([voice, camera])
    apart = (heard[::2] - seen) / 1000
    calm = np.abs(filmed - BASE - 300 * SECOND) > 3 * SECOND
    assert np.abs(apart[calm]).max() <= GOAL_MS


# --- cameras ------------------------------------------------------------------------------------------------------


def filmed(
    sender: Sender, track: int, size: tuple[int, int], luma: int, begin: float, end: float, seq: int
) -> list[tuple[int, Record]]:
    """An even grey picture of this size, ten a second, one key frame at the start."""
    encoder = video_encoder("vp8", size, 10)
    out: list[tuple[int, Record]] = []
    for number in range(int(begin * 10), int(end * 10)):
        image = np.full((size[1] * 3 // 2, size[0]), 128, dtype=np.uint8)
        image[: size[1]] = luma
        frame = av.VideoFrame.from_ndarray(image, format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 10)
        at = START + number * SECOND // 10
        for packet in encoder.encode(frame):
            pieces = packetize("vp8", bytes(packet))
            for line, piece in enumerate(pieces):
                data = sender._packet(track, seq, number * 9000, line == len(pieces) - 1, piece)
                out.append((at, Packet(track, at, data)))
                seq += 1
    return out


def camera_of(folder: Path, tracks: list[Track], records: list[tuple[int, Record]]) -> tuple[Camera, Payloads]:
    write_segment(folder, 1, START, sorted(records, key=lambda item: item[0]), tracks)
    capture = read_capture(folder)
    payloads = Payloads([segment.path for segment in capture.segments])
    times = court_times(capture.runs)
    return Camera([VideoFeed(one, at, payloads) for one, at in zip(capture.runs, times, strict=True)]), payloads


def luma(camera: Camera, second: float, area: Rect) -> int | None:
    picture = camera.picture(START + int(second * SECOND), area)
    return None if picture is None else round(float(picture.y.mean()))


def track(number: int, layer: str) -> Track:
    return Track(number, "s-judge", "camera", layer, "vp8", 90_000, 96, "w-1")


def test_a_camera_that_changes_its_size_fills_its_place(tmp_path: Path) -> None:
    sender = Sender("s-judge", 1, 0, 5)
    first = filmed(sender, 1, (320, 180), 60, 0, 2, 0)
    second = filmed(sender, 1, (160, 90), 120, 2, 4, len(first))
    third = filmed(sender, 1, (180, 320), 180, 4, 6, len(first) + len(second))
    camera, payloads = camera_of(tmp_path, [track(1, "h")], [*first, *second, *third])
    area = Rect(0, 0, 284, 172)
    with payloads:
        for at, wanted, shape in ((1.0, 60, (172, 284)), (3.0, 120, (172, 284)), (5.0, 180, (172, 96))):
            picture = camera.picture(START + int(at * SECOND), area)
            assert picture is not None
            assert abs(float(picture.y.mean()) - wanted) < 4
            assert picture.y.shape == shape


def test_the_layer_that_still_comes_is_shown_and_the_better_one_when_it_is_back(tmp_path: Path) -> None:
    sender = Sender("s-judge", 1, 0, 5)
    low = filmed(sender, 2, (160, 90), 180, 0, 10, 0)
    high = filmed(sender, 1, (320, 180), 60, 0, 3, 0)
    back = filmed(sender, 1, (320, 180), 60, 7, 10, len(high))
    camera, payloads = camera_of(tmp_path, [track(1, "h"), track(2, "l")], [*low, *high, *back])
    large, small = Rect(0, 0, 284, 172), Rect(0, 0, 96, 72)
    with payloads:
        shown = [luma(camera, at, large) for at in (1.0, 2.9, 5.0, 6.9, 8.0, 9.5)]
        assert [one is not None and one < 100 for one in shown] == [True, True, False, False, True, True]
        assert all(one is not None for one in shown)
        one = luma(camera, 2.0, small)
        assert one is not None
        assert one > 150, "the small layer is enough for a small place"


def test_a_muted_camera_shows_nothing_old_and_holds_nothing(tmp_path: Path) -> None:
    sender = Sender("s-judge", 1, 0, 5)
    before = filmed(sender, 1, (320, 180), 60, 0, 2, 0)
    after = filmed(sender, 1, (320, 180), 200, 12, 14, len(before))
    camera, payloads = camera_of(tmp_path, [track(1, "h")], [*before, *after])
    area = Rect(0, 0, 284, 172)
    with payloads:
        assert luma(camera, 1.0, area) == 60
        assert luma(camera, 8.0, area) is None
        assert (camera.age(START + 8 * SECOND) or 0) > 6 * SECOND
        assert (luma(camera, 12.5, area) or 0) > 190


def test_nothing_is_known_of_a_camera_before_its_first_key_frame(tmp_path: Path) -> None:
    sender = Sender("s-judge", 1, 0, 5)
    late = filmed(sender, 1, (320, 180), 60, 0, 2, 0)[3:]
    key = filmed(sender, 1, (320, 180), 200, 2, 3, 100)
    camera, payloads = camera_of(tmp_path, [track(1, "h")], [*late, *key])
    with payloads:
        assert camera.age(START + SECOND) is None
        assert luma(camera, 1.0, Rect(0, 0, 284, 172)) is None
        assert (luma(camera, 2.5, Rect(0, 0, 284, 172)) or 0) > 190
