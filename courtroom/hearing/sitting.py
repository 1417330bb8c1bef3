"""Opening, closing and everything between: the phases of a sitting as events, with the recording that follows them.

Rules: the recording starts with 开庭 and ends with 闭庭 or 转线下, rests in the interruptions of ``phases`` and
``interruptions`` and nowhere else (RecP art. 3); the bench moves to the deliberation room with the phase of that name
and back with the next one.
"""

from __future__ import annotations

from collections.abc import Callable

from courtroom.hearing import checklist, interruptions, phases, rooms
from courtroom.hearing import events as e
from courtroom.hearing.model import COURTROOM, DELIBERATION, Hearing, Phase
from courtroom.hearing.refusals import refusal
from courtroom.hearing.roles import BENCH
from courtroom.hearing.seating import Events, everybody_out, moved, phase_event


def open_hearing(hearing: Hearing, ids: Callable[[], str]) -> Events:
    missing = checklist.missing(hearing)
    recorded = (e.ChecklistRecorded(missing=missing),) if missing else ()
    return (*recorded, phase_event(hearing, Phase.OPEN), e.RecordingStarted(take=ids()))


def end(hearing: Hearing, phase: Phase, reason: str = "") -> Events:
    """闭庭 or 转线下: no recording, nobody in any room, then the phase."""
    ended = (e.RecordingEnded(take=hearing.take),) if hearing.take else ()
    dropped = interruptions.overtaken(hearing, hearing.at)
    return (*dropped, *ended, *everybody_out(hearing), phase_event(hearing, phase, reason))


def set_phase(hearing: Hearing, wanted: str, reason: str) -> Events:
    if wanted == hearing.phase.value:
        raise refusal("already_so")
    if wanted not in {phase.value for phase in phases.TRANSITIONS[hearing.phase]}:
        raise refusal("phase_not_reachable", phase=hearing.phase.value)
    return shift(hearing, Phase(wanted), reason)


def resume(hearing: Hearing) -> Events:
    if hearing.resumes_to is None:
        raise refusal("nothing_to_resume")
    return shift(hearing, hearing.resumes_to)


def shift(hearing: Hearing, phase: Phase, reason: str = "") -> Events:
    """Into another phase of the same sitting."""
    return (
        *interruptions.overtaken(hearing, hearing.at),
        phase_event(hearing, phase, reason),
        *_recording(hearing, phase),
        *_bench(hearing, phase),
    )


def _recording(hearing: Hearing, phase: Phase) -> Events:
    before = phases.lawful_interruption(hearing)
    after = interruptions.rests(hearing, phase)
    if not hearing.take or before == after:
        return ()
    return (e.RecordingInterrupted(reason=after),) if after else (e.RecordingResumed(),)


def _bench(hearing: Hearing, phase: Phase) -> Events:
    """The bench goes to deliberate or comes back; a pause leaves everybody where they are."""
    if phase in phases.PAUSED:
        return ()
    start, goal = (COURTROOM, DELIBERATION) if phase is Phase.DELIBERATION else (DELIBERATION, COURTROOM)
    return tuple(
        moved(seat, goal, "deliberation")
        for seat in hearing.seats.values()
        if seat.role in BENCH and rooms.in_court(seat) and seat.room == start
    )
