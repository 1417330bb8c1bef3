"""One hearing at one moment: its case, its seats, its phase, its recording, and what is asked of it.

* ``seq`` and ``at`` are those of the last ledger entry folded into it.
* Maps and tuples are never changed in place: each event gives another ``Hearing``.

COURT.md 1 to 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from courtroom.hearing.model.court import Phase
from courtroom.hearing.model.plan import Case, Policy
from courtroom.hearing.model.recording import Interruption, Proposal, Seal, Signature
from courtroom.hearing.model.seat import Seat


@dataclass(frozen=True, slots=True)
class Request:
    """A raised wish of a seat (发言 举证 异议 回避 休息 暂离 …) waiting for an answer."""

    id: str
    seat: str
    kind: str
    text: str
    at: int
    granted: bool | None = None
    until: int = 0  # of a leave: the moment that was asked for
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Hearing:
    id: str
    case: Case
    policy: Policy
    scheduled_at: int
    seats: dict[str, Seat] = field(default_factory=dict)
    phase: Phase = Phase.SCHEDULED
    resumes_to: Phase | None = None  # where recess and technical_hold return to
    phase_reason: str = ""
    phase_since: int = 0
    opened_at: int = 0
    closed_at: int = 0
    take: str = ""  # id of the recording take while one is open
    interruptions: tuple[Interruption, ...] = ()
    proposal: Proposal | None = None  # to interrupt the recording, not yet confirmed
    seal: Seal | None = None
    signatures: tuple[Signature, ...] = ()  # every answer, oldest first
    explanation: str = ""  # digest of the explanation of defects that the presiding judge signed
    held: tuple[tuple[str, int], ...] = ()  # holds on the archive: id, until (µs, 0 = until it is lifted)
    waived: frozenset[str] = frozenset()  # checklist items waived with a written reason
    requests: tuple[Request, ...] = ()
    presenting: str = ""  # seat that shares on the stage
    exhibit: str = ""  # what it shows there, '' = its screen
    seq: int = 0
    at: int = 0
