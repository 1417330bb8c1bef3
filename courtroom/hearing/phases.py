"""The phases of a hearing: which may follow which, and when the recording is on (COURT.md 3 and 7).

Rules
* Opening and closing have commands of their own; ``TRANSITIONS`` is what the presiding judge sets by hand.
* Recess and technical hold return to the phase they interrupted (``Hearing.resumes_to``).
* The recording is on iff the hearing is in session and no lawful interruption is in force (RecP art. 3): recess
  interrupts it, deliberation is a recess of the courtroom; a technical hold interrupts nothing. What takes two people
  (non-public evidence, mediation that is unsuitable for recording) is in ``interruptions``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from courtroom.hearing.model import Hearing, Phase

BEFORE: Final = frozenset({Phase.SCHEDULED, Phase.CHECK_IN})
HEARD: Final = frozenset({Phase.OPEN, Phase.INVESTIGATION, Phase.DEBATE, Phase.FINAL_STATEMENTS})
"""Phases in which evidence is taken: witnesses may be called."""
SESSION: Final = HEARD | {Phase.MEDIATION, Phase.DELIBERATION, Phase.PRONOUNCEMENT}
PAUSED: Final = frozenset({Phase.RECESS, Phase.TECHNICAL_HOLD})
LIVE: Final = SESSION | PAUSED
OVER: Final = frozenset({Phase.CLOSED, Phase.MOVED_OFFLINE})

_HEARING: Final = frozenset({Phase.INVESTIGATION, Phase.DEBATE, Phase.FINAL_STATEMENTS})
_HOLD: Final = frozenset({Phase.TECHNICAL_HOLD})

TRANSITIONS: Final[Mapping[Phase, frozenset[Phase]]] = {
    Phase.SCHEDULED: frozenset(),
    Phase.CHECK_IN: frozenset(),
    Phase.OPEN: _HEARING | {Phase.MEDIATION} | _HOLD,
    **{
        phase: (_HEARING - {phase}) | {Phase.MEDIATION, Phase.DELIBERATION, Phase.PRONOUNCEMENT} | _HOLD
        for phase in (Phase.INVESTIGATION, Phase.DEBATE, Phase.FINAL_STATEMENTS)
    },
    Phase.MEDIATION: _HEARING | {Phase.DELIBERATION, Phase.PRONOUNCEMENT} | _HOLD,
    Phase.DELIBERATION: _HEARING | {Phase.PRONOUNCEMENT} | _HOLD,
    Phase.PRONOUNCEMENT: _HOLD,
    Phase.RECESS: frozenset(),
    Phase.TECHNICAL_HOLD: frozenset(),
    Phase.MOVED_OFFLINE: frozenset(),
    Phase.CLOSED: frozenset(),
}

_INTERRUPTS: Final[Mapping[Phase, str]] = {
    Phase.RECESS: "recess",
    Phase.DELIBERATION: "recess",
}

FAULT: Final = "fault"


def resumes_to(hearing: Hearing, phase: Phase) -> Phase | None:
    """What a pause that begins now returns to; ``None`` for every phase that is not a pause."""
    if phase not in PAUSED:
        return None
    return hearing.resumes_to if hearing.phase in PAUSED else hearing.phase


def interruption(phase: Phase, back: Phase | None) -> str:
    """The lawful reason for which ``phase`` by itself rests the recording; '' when it does not."""
    if phase is Phase.TECHNICAL_HOLD and back is not None:
        return _INTERRUPTS.get(back, "")
    return _INTERRUPTS.get(phase, "")


def lawful_interruption(hearing: Hearing) -> str:
    """The reason of the interruption that is in force, as the ledger tells it; '' when none is."""
    for gap in reversed(hearing.interruptions):
        if gap.until == 0 and gap.reason != FAULT:
            return gap.reason
    return ""


def recording_on(hearing: Hearing) -> bool:
    """Whether the courtroom is to be recorded now (a fault of the recorder does not change that)."""
    return bool(hearing.take) and not lawful_interruption(hearing)
