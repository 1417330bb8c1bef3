"""Who was heard in the courtroom, as the media plane reports it: checked, bounded, noted (COURT.md 6, fairness)."""

from __future__ import annotations

from typing import Final

from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing.model import Hearing
from courtroom.hearing.refusals import refusal

MAX_SPANS: Final = 256


def observed(hearing: Hearing, command: c.ObserveSpeech) -> tuple[e.Event, ...]:
    if not 0 < command.since < command.until:
        raise refusal("bad_time")
    kept: list[dict[str, str | int]] = []
    for row in command.spans[:MAX_SPANS]:
        seat, since, until = row.get("seat"), row.get("from"), row.get("to")
        if seat not in hearing.seats or type(since) is not int or type(until) is not int:
            raise refusal("bad_value", field="spans")
        if not command.since <= since < until <= command.until:
            raise refusal("bad_time")
        kept.append({"seat": str(seat), "from": since, "to": until})
    return (e.SpeechNoted(since=command.since, until=command.until, spans=tuple(kept)),) if kept else ()
