from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from courtroom.control.speech import EVERY_US, MAX_SPANS, Speech
from tests.recorder.sitting import court, until

SECOND = 1_000_000
START = 1_790_000_000 * SECOND


def test_a_breath_joins_and_a_cough_is_none() -> None:
    speech = Speech()
    speech.changed(["a"], START)
    speech.changed([], START + 2 * SECOND)
    speech.changed(["a", "b"], START + 2 * SECOND + 500_000)
    speech.changed(["a"], START + 2 * SECOND + 600_000)  # b coughed
    speech.changed([], START + 5 * SECOND)
    note = speech.note(START + 60 * SECOND)
    assert note is not None
    assert note.spans == ({"seat": "a", "from": START, "to": START + 5 * SECOND},)
    assert speech.note(START + 120 * SECOND) is None


def test_who_goes_on_speaking_goes_on_in_the_next_note() -> None:
    speech = Speech()
    speech.changed(["a"], START)
    assert not speech.due(START + EVERY_US - 1)
    assert speech.due(START + EVERY_US)
    first = speech.note(START + EVERY_US)
    speech.changed([], START + EVERY_US + SECOND)
    second = speech.note(START + 2 * EVERY_US)
    assert first is not None
    assert second is not None
    assert first.spans[0]["to"] == second.spans[0]["from"] == START + EVERY_US


@given(st.lists(st.tuples(st.sets(st.sampled_from("abc")), st.integers(1, 3 * SECOND)), max_size=400))
def test_notes_are_bounded_in_order_and_claim_no_more_than_was_heard(changes: list[tuple[set[str], int]]) -> None:
    speech, at, noted = Speech(), START, dict.fromkeys("abc", 0)
    last = START
    for seats, micros in changes:
        speech.changed(seats, at)
        at += micros
        if speech.due(at):
            note = speech.note(at)
            if note is not None:
                assert len(note.spans) <= MAX_SPANS
                assert last <= note.since < note.until == at
                for row in note.spans:
                    assert note.since <= int(row["from"]) < int(row["to"]) <= note.until
                    noted[str(row["seat"])] += int(row["to"]) - int(row["from"])
                last = at
    assert all(total <= at - START for total in noted.values())


async def test_who_speaks_in_a_real_court_stands_in_its_ledger(tmp_path: Path) -> None:
    async with court(tmp_path) as house:
        sitting = await house.hearing()
        await sitting.open(house.tone)
        room = sitting.room
        await until(lambda: room._speech._speaking)
        begun = sitting.now()
        await until(lambda: sitting.now() - begun > 2 * SECOND)
        await sitting.close()

        async def noted() -> list[dict[str, Any]]:
            return [entry.body for entry in await room.ledger() if entry.type == "speech_noted"]

        while not await noted():
            await asyncio.sleep(0.05)
        spans = [span for body in await noted() for span in body["spans"]]
        assert {span["seat"] for span in spans} <= {voice.seat for voice in sitting.voices.values()}
        assert sum(span["to"] - span["from"] for span in spans) > SECOND
        assert all(sitting.opened_at - SECOND < span["from"] < span["to"] for span in spans)
