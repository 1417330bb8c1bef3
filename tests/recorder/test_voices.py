"""Sound on the court clock: an hour of drift, jitter that is not heard, holes that do not click, chunks that meet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from courtroom.sfu.capture import Packet, Record
from recorder import voices
from recorder.clockmap import court_times
from recorder.depacketize import rtp_header
from recorder.index import read_capture
from recorder.payloads import Payloads
from recorder.runs import Run
from recorder.voices import FADE, RATE, Mixer, Voice, placed, samples_of
from tests.recorder.stage import SECOND, START, TONES, Sender, write_capture, write_segment


def heard(folder: Path, start: int, end: int, step: int | None = None) -> np.ndarray:
    """The mix of a capture as floats; in one go, or by fresh mixers of ``step`` µs each."""
    capture = read_capture(folder)
    times = court_times(capture.runs)
    with Payloads([segment.path for segment in capture.segments]) as payloads:

        def mixer() -> Mixer:
            pairs = zip(capture.runs, times, strict=True)
            return Mixer([Voice(run, court, payloads) for run, court in pairs if run.track.codec == "opus"])

        pieces = [mixer().render(at, min(end, at + (step or end))) for at in range(start, end, step or end)]
    return np.concatenate(pieces).astype(np.float64) / 32767


def speaker(**how: object) -> Sender:
    return Sender("s-judge", 1, 0, 4, **how)  # type: ignore[arg-type]


def test_an_hour_of_drift_is_followed_and_its_jitter_is_not_heard() -> None:
    """350 ppm fast, a court clock that jumps about by a millisecond: every packet reaches the next by ±1 %."""
    count = 180_000
    true = START + np.arange(count, dtype=np.int64) * 20_000
    rtp = np.round(np.arange(count) * 960 * (1 + 350e-6)).astype(np.int64) + 77_777
    court = true + np.random.default_rng(1).normal(0, 1000, count).astype(np.int64)
    starts = placed(rtp, court)
    off_ms = (starts - true * 0.048) / 48
    assert np.abs(off_ms).max() < 5
    lengths = np.diff(starts)
    assert np.abs(lengths[50:-50] - 960).max() <= 10
    assert np.std(lengths[100:-100]) < 2


def test_a_jump_of_the_clock_is_jumped_and_nothing_runs_backwards() -> None:
    true = START + np.arange(500, dtype=np.int64) * 20_000
    for by in (300_000, -300_000):
        court = true.copy()
        court[250:] += by
        starts = placed(np.arange(500, dtype=np.int64) * 960, court)
        assert (np.diff(starts) >= 0).all()
        assert abs(int(starts[400]) - samples_of(int(court[400]))) <= 48
        assert abs(int(starts[200]) - samples_of(int(court[200]))) <= 48


def test_a_lost_packet_is_silence_of_its_length_without_a_click(tmp_path: Path) -> None:
    sender = speaker(loud=lambda t: 0.5)
    records = sender.records(2)
    audio = [r for r in records if isinstance(r[1], Packet) and r[1].track == 101]
    gone = {rtp_header(r[1].data)[2] for r in audio[40:43] if isinstance(r[1], Packet)}
    kept: list[tuple[int, Record]] = [
        r for r in records if not (isinstance(r[1], Packet) and r[1].track == 101 and rtp_header(r[1].data)[2] in gone)
    ]
    write_segment(tmp_path, 1, START, kept, sender.tracks())
    sound = heard(tmp_path, START, START + 2 * SECOND)
    quiet = np.flatnonzero(np.abs(sound[RATE // 2 : RATE * 3 // 2]) < 1e-4) + RATE // 2
    longest = max(np.split(quiet, np.flatnonzero(np.diff(quiet) > 1) + 1), key=len)
    assert 2880 - 2 * FADE // 10 <= len(longest) <= 2880 + 2 * FADE, "three packets, nothing invented"
    steepest = 0.5 * 2 * np.pi * TONES["s-judge"] / RATE
    around = sound[longest[0] - 2000 : longest[-1] + 2000]
    assert np.abs(np.diff(around)).max() < 2 * steepest, "no step at either edge"
    after = sound[longest[-1] + 960 : longest[-1] + 960 + 4800]
    assert np.sqrt(np.mean(after**2)) > 0.3


def test_sound_rendered_in_pieces_is_the_sound_rendered_in_one(tmp_path: Path) -> None:
    write_capture(tmp_path, [speaker(loud=lambda t: 0.4), Sender("s-clerk", 4, 90 * SECOND, 9)], 4)
    whole = heard(tmp_path, START, START + 4 * SECOND)
    pieces = heard(tmp_path, START, START + 4 * SECOND, step=1_000_000)
    assert len(whole) == len(pieces) == 4 * RATE
    assert np.array_equal(whole, pieces), "to the last bit: nobody can tell which process rendered what"


def test_packets_laid_together_are_the_packets_laid_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = speaker(loud=lambda t: 0.4)
    records = sender.records(3)
    lost = {id(one) for _, one in [r for r in records if isinstance(r[1], Packet) and r[1].track == 101][60:64]}
    write_segment(tmp_path, 1, START, [r for r in records if id(r[1]) not in lost], sender.tracks())
    together = heard(tmp_path, START, START + 3 * SECOND)
    laid: list[int] = []
    real = Voice._lay
    monkeypatch.setattr(Voice, "_lay", lambda self, *rest: (laid.append(len(rest[3])), real(self, *rest))[1])
    assert np.array_equal(together, heard(tmp_path, START, START + 3 * SECOND))
    assert max(laid) > 10 * 960
    assert min(laid) == 960, "some together, some alone"
    monkeypatch.setattr(voices, "_is_plain", lambda _frame: False)
    laid.clear()
    assert np.array_equal(together, heard(tmp_path, START, START + 3 * SECOND))
    assert max(laid) < 2 * 960


def test_who_speaks_does_not_depend_on_where_rendering_began(tmp_path: Path) -> None:
    write_capture(tmp_path, [speaker(loud=lambda t: 0.3 if 1.5 < t < 2.05 else 0.0)], 4)
    capture = read_capture(tmp_path)
    times = court_times(capture.runs)
    with Payloads([segment.path for segment in capture.segments]) as payloads:

        def speaking(begin: float, end: float) -> list[bool]:
            pairs = zip(capture.runs, times, strict=True)
            mixer = Mixer([Voice(run, court, payloads) for run, court in pairs if run.track.codec == "opus"])
            mixer.render(START + int(begin * SECOND), START + int(end * SECOND))
            return [
                bool(mixer.speaking(at)) for at in range(START + int(begin * SECOND), START + int(end * SECOND), 40_000)
            ]

        whole = speaking(0, 4)
        assert whole == speaking(0, 2) + speaking(2, 4)
        assert 0.9 < sum(whole) * 0.04 < 1.4, "half a second of speech, held for half a second"


def test_runs_may_be_empty_of_reports() -> None:
    zeros = np.zeros(3, dtype=np.int64)
    run = Run(
        track=speaker().tracks()[1], ssrc=1, seq=np.arange(3), rtp=np.arange(3) * 960, at=START + np.arange(3) * 20_000,
        marker=zeros.astype(np.bool_), flags=zeros.astype(np.uint8), file=zeros, offset=zeros, size=zeros,
        reports=np.zeros((0, 3), dtype=np.int64),
    )  # fmt: skip
    (times,) = court_times([run])
    assert np.diff(placed(run.rtp, times)).tolist() == [960, 960]
