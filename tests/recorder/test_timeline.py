"""Gaps, parts and the recording log; and what the picture says while a gap or an interruption lasts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from courtroom.errors import BadMessage
from courtroom.hearing import events as e
from courtroom.sfu.capture import Note
from recorder.clockmap import court_times
from recorder.index import read_capture
from recorder.payloads import Payloads
from recorder.picture.scene import TileState
from recorder.runs import Run
from recorder.scenes import AWAITED, FRESH, STALE, SceneMaker, Sights
from recorder.studio import Look, Studio
from recorder.timeline import FRAME_US, Gap, Recording, States, recording_log, recording_of
from tests.recorder.stage import PEOPLE, SECOND, START, Script, Sender, write_capture

SILENT = Sender("s-judge", 1, 0, 1, loud=lambda t: 0.1)


def made(
    folder: Path, script: Script, silent: list[tuple[float, float]], seconds: float = 20, **how: object
) -> Recording:
    def quiet(at: int) -> bool:
        return any(START + low * SECOND <= at < START + high * SECOND for low, high in silent)

    write_capture(folder, [SILENT], seconds, silent=quiet, **how)  # type: ignore[arg-type]
    return recording_of(script.entries, read_capture(folder))


def test_a_recess_becomes_a_plate_and_the_clock_jumps(tmp_path: Path) -> None:
    script = Script().open()
    script.say(START + 4 * SECOND, e.PhaseChanged(phase="recess", previous="open"), "s-judge")
    script.say(START + 4 * SECOND, e.RecordingInterrupted(reason="recess"), "s-judge")
    script.say(START + 14 * SECOND, e.PhaseChanged(phase="open", previous="recess"), "s-judge")
    script.say(START + 14 * SECOND, e.RecordingResumed(), "s-judge")
    recording = made(tmp_path, script.close(START + 20 * SECOND), [(4.2, 14)])
    assert [(part.kind, part.frames) for part in recording.parts] == [("live", 100), ("plate", 75), ("live", 150)]
    assert recording.court_of(99) == START + 99 * FRAME_US
    assert recording.court_of(175) == START + 14 * SECOND
    (gap,) = recording_log(recording)["gaps"]
    assert (gap["kind"], gap["reason"], gap["by"], gap["length_us"]) == ("lawful", "recess", "s-judge", 10 * SECOND)
    assert abs(gap["silent_from"] - START - 4.2 * SECOND) < 300_000, "what the media show"
    assert abs(gap["silent_to"] - START - 14 * SECOND) < 300_000


def test_a_short_interruption_keeps_its_length(tmp_path: Path) -> None:
    script = Script().open()
    script.say(START + 4 * SECOND, e.RecordingInterrupted(reason="mediation"), "s-judge")
    script.say(START + 7 * SECOND, e.RecordingResumed(), "s-judge")
    recording = made(tmp_path, script.close(START + 20 * SECOND), [(4.1, 7)])
    assert [part.frames for part in recording.parts] == [100, 75, 325]
    assert recording.frames * FRAME_US == 20 * SECOND


def test_a_recess_that_turns_into_mediation_is_two_interruptions(tmp_path: Path) -> None:
    script = Script().open()
    for second, reason in ((4, "recess"), (10, "mediation")):
        script.say(START + second * SECOND, e.RecordingInterrupted(reason=reason), "s-judge")
    recording = made(tmp_path, script.close(START + 20 * SECOND), [(4.1, 20)])
    assert [(gap.reason, gap.end - gap.start) for gap in recording.gaps] == [
        ("recess", 6_000_000),
        ("mediation", 10_000_000),
    ]


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        (Note(START + 9 * SECOND, {"kind": "worker_lost"}), "worker"),
        (Note(START + 9 * SECOND, {"kind": "writer_restarted"}), "writer"),
        (
            Note(
                START + 15 * SECOND,
                {"kind": "capture_overflow", "from_at": START + 8_700_000, "to_at": START + 9_200_000},
            ),
            "writer",
        ),
        (Note(START + 9 * SECOND, {"kind": "phase"}), ""),
        (Note(START + 15 * SECOND, {"kind": "capture_overflow", "from_at": "x", "to_at": -1}), ""),
    ],
)
def test_where_media_is_known_to_be_missing_a_short_silence_is_a_gap(tmp_path: Path, note: Note, reason: str) -> None:
    script = Script().open().close(START + 20 * SECOND)
    made(tmp_path, script, [(8.5, 9.2)])
    recording = recording_of(script.entries, replace(read_capture(tmp_path), notes=(note,)))
    assert [(gap.kind, gap.reason) for gap in recording.gaps] == ([("fault", reason)] if reason else [])
    for gap in recording.gaps:
        assert abs(gap.start - START - 8.5 * SECOND) < 100_000
        assert abs(gap.end - START - 9.2 * SECOND) < 100_000


def test_where_one_workers_media_ends_and_anothers_begins_a_short_silence_is_a_gap(tmp_path: Path) -> None:
    """Worker and writer died together: nobody was there to note it."""
    script = Script().open().close(START + 20 * SECOND)
    made(tmp_path, script, [(8.5, 9.2)])
    capture = read_capture(tmp_path)
    first = [cut(run, run.at < START + 9 * SECOND, "w-1") for run in capture.runs]
    later = [cut(run, run.at > START + 9 * SECOND, "w-2") for run in capture.runs]
    (gap,) = recording_of(script.entries, replace(capture, runs=(*first, *later))).gaps
    assert (gap.kind, gap.reason) == ("fault", "worker")
    assert abs(gap.start - START - 8.5 * SECOND) < 100_000


def cut(run: Run, part: Any, worker: str) -> Run:
    return replace(run, track=replace(run.track, worker=worker), at=run.at[part], seq=run.seq[part])


@pytest.mark.parametrize(
    ("notes", "reason"), [([], "writer"), ([Note(START + 6 * SECOND, {"kind": "worker_lost"})], "worker")]
)
def test_a_fault_is_a_gap_with_its_reason_and_its_real_length(tmp_path: Path, notes: list[Note], reason: str) -> None:
    beating = notes + [Note(START + n * SECOND // 2, {"kind": "beat"}) for n in range(40)] if notes else []
    chained = made(tmp_path, Script().open().close(START + 20 * SECOND), [(6, 11)])
    assert [gap.kind for gap in chained.gaps] == ["fault"]
    if not notes:
        assert chained.gaps[0].reason == reason
        assert abs(chained.gaps[0].start - START - 6 * SECOND) < 300_000
        assert abs(chained.gaps[0].end - chained.gaps[0].start - 5 * SECOND) < 400_000
        assert chained.frames * FRAME_US == 20 * SECOND
        return
    capture = read_capture(tmp_path)
    import dataclasses

    import numpy as np

    beats = np.array([note.at for note in beating], dtype=np.int64)
    alive = dataclasses.replace(capture, beats=np.sort(beats), notes=tuple(notes))
    assert recording_of(Script().open().close(START + 20 * SECOND).entries, alive).gaps[0].reason == reason


def test_without_a_recording_there_is_nothing_to_compose(tmp_path: Path) -> None:
    with pytest.raises(BadMessage):
        made(tmp_path, Script(), [], 2)


def test_a_ledger_that_breaks_off_ends_with_the_media(tmp_path: Path) -> None:
    recording = made(tmp_path, Script().open(), [], 6)
    assert abs(recording.end - START - 6 * SECOND) < SECOND


# --- what is said -------------------------------------------------------------------------------------------------


def scene_of(script: Script, at: int, **sights: object):  # type: ignore[no-untyped-def]
    recording = Recording("h", "t", START, START + 60 * SECOND, "", "", (), ())
    maker = SceneMaker(States(script.entries), recording, PEOPLE)
    return maker.live(at, Sights(**sights))  # type: ignore[arg-type]


def tile(scene, seat: str):  # type: ignore[no-untyped-def]
    return next(view for view in scene.tiles if view.seat == seat)


def test_states_of_a_seat_are_said_in_words_with_times() -> None:
    script = Script().open()
    gone = e.SeatDisconnected(seat="s-plaintiff", connection="c", cause="network_lost", evidence=())
    script.say(START + 5 * SECOND, gone)
    script.say(START + 6 * SECOND, e.Excused(seat="s-clerk", until=START + 30 * SECOND), "s-judge")
    script.say(START + 6 * SECOND, e.SeatMuted(seat="s-defendant", kind="microphone"), "s-judge")
    ours = e.SeatDisconnected(seat="s-judge", connection="c", cause="platform_failure", evidence=())
    script.say(START + 7 * SECOND, ours)
    now = scene_of(script, START + 10 * SECOND, pictures=(("s-defendant", FRESH),), speaking=frozenset({"s-defendant"}))
    assert (tile(now, "s-plaintiff").state, tile(now, "s-plaintiff").words) == (
        TileState.DISCONNECTED,
        "自 09:42:05 连接中断",
    )
    assert (tile(now, "s-clerk").state, tile(now, "s-clerk").words) == (TileState.EXCUSED, "准许暂离　预计09:42返回")
    assert (tile(now, "s-judge").state, tile(now, "s-judge").words) == (TileState.PLATFORM, "平台原因，正在恢复")
    assert tile(now, "s-defendant").note == "法庭静音"
    assert tile(now, "s-judge").role == "独任审判员"
    later = scene_of(script, START + 40 * SECOND, pictures=(("s-clerk", STALE),))
    assert tile(later, "s-clerk").flag == "网络不稳定"
    before = scene_of(script, START + 1 * SECOND)
    assert (tile(before, "s-plaintiff").state, tile(before, "s-plaintiff").words) == (TileState.FROZEN, "画面中断")


def test_a_picture_on_its_way_is_no_interruption() -> None:
    """Calm words until the first picture, for ten seconds at most; amber ones as soon as one that had come stops."""
    script = Script().open()
    gap = Gap(START + 20 * SECOND, START + 30 * SECOND, "lawful", "recess", "s-judge")
    recording = Recording("h", "t", START, START + 60 * SECOND, "", "", (gap,), ())
    maker = SceneMaker(States(script.entries), recording, PEOPLE)
    seat = maker.seats_at(START)[0]

    def awaited(second: float, newest: float | None) -> bool:
        made = None if newest is None else START + int(newest * SECOND)
        return maker.awaited(seat, START + int(second * SECOND), made)

    assert [awaited(at, None) for at in (0.5, 9.5, 10.5)] == [True, True, False]
    assert not awaited(8, 2), "it had come"
    assert awaited(31, 19), "after a recess everybody's picture comes anew"
    assert not awaited(41, 19)
    now = scene_of(script, START + SECOND, pictures=(("s-plaintiff", AWAITED),))
    assert (tile(now, "s-plaintiff").state, tile(now, "s-plaintiff").words) == (TileState.AWAITED, "正在连接画面")


def test_a_witness_is_shown_only_while_called() -> None:
    import dataclasses

    from courtroom.hearing.ledger import FIRST, entry_for
    from courtroom.hearing.model import Case, Policy, Role, SeatPlan
    from tests.recorder.stage import HEARING, SEATS

    script = Script()
    seats = (*SEATS, SeatPlan("s-witness", Role.WITNESS))
    created = e.HearingCreated(case=Case("1", "c", "x", "ordinary", True), policy=Policy(), scheduled_at=1, seats=seats)
    script.entries = [entry_for(HEARING, 1, START - 600 * SECOND, "system", created, FIRST)]
    script.open()
    script.say(START, e.SeatConnected(seat="s-witness", connection="c"))
    script.say(START, e.SeatMoved(seat="s-witness", room="witness_room", owner="s-witness", why="admitted"))
    script.say(START + 5 * SECOND, e.SeatMoved(seat="s-witness", room="courtroom", owner="", why="called"), "s-judge")
    script.say(
        START + 9 * SECOND, e.SeatMoved(seat="s-witness", room="witness_room", owner="s-witness", why="dismissed")
    )

    def shown(second: int) -> bool:
        return any(view.seat == "s-witness" for view in scene_of(script, START + second * SECOND).tiles)

    assert [shown(second) for second in (1, 4, 5, 8, 9, 12)] == [False, False, True, True, False, False]
    called = scene_of(script, START + 6 * SECOND)
    assert called.step == "证人出庭作证"
    assert tile(called, "s-witness").facts[0] == ("传唤到庭", "09:42:05")
    assert dataclasses.is_dataclass(called)


def test_a_gap_and_a_plate_are_drawn(tmp_path: Path) -> None:
    """The fault is said on every tile; the plate shows no tile at all; both keep clock and emblem."""
    from recorder.picture.canvas import planes
    from recorder.picture.clock import ClockAtlas, clock_text
    from recorder.picture.fonts import find_fonts

    script = Script().open()
    script.say(START + 10 * SECOND, e.RecordingInterrupted(reason="recess"), "s-judge")
    script.say(START + 18 * SECOND, e.RecordingResumed(), "s-judge")
    recording = made(tmp_path / "cap", script.close(START + 20 * SECOND), [(4, 8), (10, 18)])
    capture = read_capture(tmp_path / "cap")
    atlas = ClockAtlas(find_fonts())
    with Payloads([s.path for s in capture.segments]) as payloads:
        court = court_times(capture.runs)
        studio = Studio(Look(), script.entries, PEOPLE, capture, court, recording, payloads)
        live, gap, plate, after = (studio.frame(n) for n in (50, 150, 260, recording.frames - 10))
    red = planes(live).v[70:90, 300:340].mean()
    assert red > 180, "the judge's picture"
    assert planes(gap).v[70:90, 300:340].mean() < 140
    assert planes(plate).y[340:700, 30:300].std() < 3, "no tile on the plate"
    assert planes(after).v[70:90, 300:340].mean() > 180
    for number, picture in ((50, live), (150, gap), (260, plate), (recording.frames - 10, after)):
        assert atlas.read_back(planes(picture)) == clock_text(recording.court_of(number))
    assert recording.court_of(recording.frames - 10) >= START + 19 * SECOND
