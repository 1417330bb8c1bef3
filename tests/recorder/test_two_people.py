"""The recording log names both people of an interruption that took two, and equals the gaps of the media (RecP 3)."""

from __future__ import annotations

from pathlib import Path

from courtroom.hearing import events as e
from recorder.timeline import recording_log
from tests.recorder.stage import SECOND, START, Script
from tests.recorder.test_timeline import made


def test_both_people_of_an_interruption_stand_in_the_recording_log(tmp_path: Path) -> None:
    script = Script().open()
    script.say(START + 4 * SECOND, e.RecordingInterrupted(reason="recess"), "s-judge")
    script.say(START + 7 * SECOND, e.RecordingResumed(), "s-judge")
    script.say(
        START + 9 * SECOND,
        e.InterruptionProposed(id="i-1", ground="not_public", proposer="s-clerk", until=0),
        "s-clerk",
    )
    both = e.InterruptionConfirmed(id="i-1", ground="not_public", proposer="s-clerk", confirmer="s-judge")
    script.say(START + 10 * SECOND, both, "s-judge")
    script.say(START + 10 * SECOND, e.RecordingInterrupted(reason="not_public"), "s-judge")
    script.say(START + 14 * SECOND, e.RecordingResumed(), "s-clerk")
    recording = made(tmp_path, script.close(START + 20 * SECOND), [(4.1, 7), (10.1, 14)])
    recess, apart = recording_log(recording)["gaps"]
    assert (recess["reason"], recess["by"], "proposed_by" in recess) == ("recess", "s-judge", False)
    assert (apart["reason"], apart["by"], apart["proposed_by"]) == ("not_public", "s-judge", "s-clerk")
    for gap in (recess, apart):
        assert abs(gap["silent_from"] - gap["from_at"]) < 500_000, "the media is silent where the ledger says so"
        assert abs(gap["silent_to"] - gap["to_at"]) < 500_000
