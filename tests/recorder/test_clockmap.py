"""Court clock of packets against a simulated truth: drift, jitter, wrong NTP, late reports, jumps."""

from __future__ import annotations

import random

import numpy as np
import pytest

from courtroom.sfu.capture import Track
from recorder.clockmap import court_times, epoch_starts
from recorder.runs import Run

DELAY = 30_000
BASE = 1_795_484_520_000_000


def run(
    label: str,
    rate: int,
    step_us: int,
    seconds: float,
    *,
    drift_ppm: float = 0.0,
    ntp_offset: int = 0,
    reports: float = 1.0,
    first_report: float = 0.5,
    jump: tuple[float, int] | None = None,
    seed: int = 1,
    start: float = 0.0,
    late: float = 0.0,
    lost: tuple[float, float] | None = None,
    early: tuple[float, float] | None = None,
    held: tuple[float, float, float] | None = None,
) -> tuple[Run, np.ndarray]:
    """A sender whose media clock is off by ``drift_ppm``, its NTP clock by ``ntp_offset``; and the true times.

    ``late``: seconds a report's NTP is late at most; ``lost``: from when on how many seconds are missing in its media;
    ``early``: from when on its stamps name their moment how many seconds too early, its reports agreeing with them;
    ``held``: from when to when everything leaves how many seconds late.
    """
    random_ = random.Random(seed)
    true = BASE + np.arange(int(start * 1e6), int((start + seconds) * 1e6), step_us, dtype=np.int64)
    since = (true - BASE).astype(float)
    gone, missing = lost or (np.inf, 0.0)
    media = since / 1e6 - np.where(since / 1e6 >= gone, missing, 0.0)
    if early:
        media = media - np.where(since / 1e6 >= early[0], early[1], 0.0)
    rtp = np.round(12345 + media * (1 + drift_ppm / 1e6) * rate).astype(np.int64)
    at = true + DELAY + np.array([int(random_.expovariate(1 / 15_000)) for _ in true])
    if held:
        at = at + np.where((since / 1e6 >= held[0]) & (since / 1e6 < held[1]), int(held[2] * 1e6), 0)
    rows = []
    if reports:
        for moment in np.arange(start + first_report, start + seconds, reports):
            ntp = BASE + int(moment * 1e6) + ntp_offset
            if jump and moment >= jump[0]:
                ntp += jump[1]
            ntp += int(random_.uniform(0, late) * 1e6) if random_.random() < 0.7 else 0
            shown = moment - (missing if moment >= gone else 0.0)
            rows.append((ntp - ntp_offset + DELAY, ntp, round(12345 + shown * (1 + drift_ppm / 1e6) * rate)))
    count = len(true)
    zeros = np.zeros(count, dtype=np.int64)
    made = Run(
        Track(1, label, "camera" if rate == 90_000 else "microphone", "", "vp8", rate, 96, "w"), 7,
        np.arange(count, dtype=np.int64), rtp, at, zeros.astype(np.bool_), zeros.astype(np.uint8), zeros, zeros, zeros,
        np.array(rows, dtype=np.int64).reshape(-1, 3),
    )  # fmt: skip
    return made, true


def error(times: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.asarray(times - true - DELAY, dtype=float) / 1000


def test_voice_and_lips_of_one_seat_agree_whatever_its_clocks_say() -> None:
    voice, spoken = run("a", 48_000, 20_000, 120, drift_ppm=300, ntp_offset=-3_600_000_000, seed=1)
    camera, filmed = run("a", 90_000, 40_000, 120, drift_ppm=-200, ntp_offset=-3_600_000_000, seed=2)
    heard, seen = court_times([voice, camera])
    assert np.abs(error(heard, spoken)).max() < 10
    assert np.abs(error(seen, filmed)).max() < 10


def test_an_hour_of_drift_does_not_add_up() -> None:
    voice, spoken = run("a", 48_000, 200_000, 3600, drift_ppm=350, reports=5)
    (times,) = court_times([voice])
    assert np.abs(error(times, spoken)).max() < 20


@pytest.mark.parametrize("drift", [-200, 0, 200])
def test_reports_that_name_a_moment_too_late_do_not_pull_the_voice_along(drift: float) -> None:
    """As browsers on a busy machine report their microphones: most of them up to 180 ms late."""
    voice, spoken = run("a", 48_000, 20_000, 300, drift_ppm=drift, reports=5, late=0.18, ntp_offset=7_000, seed=4)
    camera, filmed = run("a", 90_000, 40_000, 300, ntp_offset=7_000, seed=5)
    heard, seen = court_times([voice, camera])
    calm = slice(500, -500)  # with neighbours on both sides
    assert np.abs(error(heard, spoken)[calm]).max() < 30
    assert np.abs(error(seen, filmed)).max() < 30
    apart = (heard - spoken)[::2] - (seen - filmed)
    assert np.abs(apart[calm]).max() < 30_000


def test_sound_that_a_device_lost_for_good_is_followed() -> None:
    voice, spoken = run("a", 48_000, 20_000, 300, reports=5, lost=(150.0, 0.1))
    (times,) = court_times([voice])
    far = np.abs(spoken - BASE - 150_000_000) > 5_500_000
    assert np.abs(error(times, spoken)[far]).max() < 10


@pytest.mark.parametrize("early", [0.06, 0.18, 0.29])
def test_pictures_that_are_stamped_too_early_for_good_are_put_where_they_belong(early: float) -> None:
    """As browsers do once a camera's pictures were handed to them late (libwebrtc's ``TimestampAligner``)."""
    voice, spoken = run("a", 48_000, 20_000, 120, ntp_offset=7_000, seed=1)
    camera, filmed = run("a", 90_000, 40_000, 120, ntp_offset=7_000, seed=2, early=(60.0, early))
    heard, seen = court_times([voice, camera])
    calm = np.abs(filmed - BASE - 60_000_000) > 4_000_000
    assert np.abs(error(heard, spoken)).max() < 10
    assert np.abs(error(seen, filmed)[calm]).max() < 35, "20 ms are never known: how long coding takes"
    assert np.abs(error(seen, filmed)[filmed < BASE + 56_000_000]).max() < 10


def test_pictures_that_come_late_for_some_seconds_keep_their_moment() -> None:
    """A computer that is busy for five seconds sends its pictures late; they were taken when they say."""
    voice, _ = run("a", 48_000, 20_000, 120, seed=1)
    camera, filmed = run("a", 90_000, 40_000, 120, seed=2, held=(60.0, 65.0, 0.2))
    _, seen = court_times([voice, camera])
    assert np.abs(error(seen, filmed)).max() < 10


def test_what_holds_voice_and_lips_up_alike_moves_neither() -> None:
    voice, _ = run("a", 48_000, 20_000, 120, seed=1, held=(40.0, 80.0, 0.2))
    camera, filmed = run("a", 90_000, 40_000, 120, seed=2, held=(40.0, 80.0, 0.2))
    _, seen = court_times([voice, camera])
    assert np.abs(error(seen, filmed)).max() < 10


def test_packets_before_the_first_report_are_placed_too() -> None:
    voice, spoken = run("a", 48_000, 20_000, 60, first_report=20, ntp_offset=77_000_000)
    (times,) = court_times([voice])
    assert np.abs(error(times, spoken)).max() < 10


def test_without_any_report_the_arrivals_decide() -> None:
    voice, spoken = run("a", 48_000, 20_000, 60, reports=0, drift_ppm=100)
    (times,) = court_times([voice])
    assert np.abs(error(times, spoken)).max() < 25


@pytest.mark.parametrize("by", [-5_000_000, 3_000_000])
def test_a_clock_that_is_set_begins_a_new_epoch(by: int) -> None:
    voice, spoken = run("a", 48_000, 20_000, 120, jump=(60.0, by), ntp_offset=9)
    (times,) = court_times([voice])
    off = np.abs(error(times, spoken))
    calm = np.abs(spoken - BASE - 60_000_000) > 2_500_000
    assert off[calm].max() < 15
    assert (np.diff(times)[calm[1:]] > 0).mean() > 0.99


def test_two_devices_on_one_seat_do_not_share_a_clock() -> None:
    first, before = run("a", 48_000, 20_000, 30, ntp_offset=0, seed=1)
    second, after = run("a", 48_000, 20_000, 30, ntp_offset=40_000_000, seed=2, start=35)
    one, two = court_times([first, second])
    assert np.abs(error(one, before)).max() < 10
    assert np.abs(error(two, after)).max() < 10


def test_a_burst_of_late_packets_is_no_epoch() -> None:
    calm = np.full(30, 1000.0)
    late = calm.copy()
    late[10:12] += 900_000
    assert epoch_starts(calm) == []
    assert epoch_starts(late) == []
    moved = calm.copy()
    moved[10:] += 900_000
    assert epoch_starts(moved) == [10]
