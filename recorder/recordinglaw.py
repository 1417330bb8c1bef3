"""Whether every interruption a ledger tells of was a lawful one: two people, a ground, its time, its gap; pure.

Rules (RecP art. 1 and 3, COURT.md 7; who may and when are the court core's own rules, asked again here)
* Non-public evidence and mediation: somebody of the desk proposed it, somebody else of the bench or the clerk confirmed
  it before it lapsed, both sat in the courtroom under seats of the plan, and each entry is by the seat that it names.
* Recess: the presiding judge's phase and nothing else. Whatever rests by its phase stands as interrupted in the ledger,
  and goes on with the phase. A proposal ends by its confirmation or before the next one and the next phase.
* The recording begins with 开庭 and ends with 闭庭 or 转线下; no entry alone begins, ends or interrupts it.
* In the media an interruption is silent: ``GRACE_US`` after its order is on the way, up to ``SLOW_US`` is late.

A ``Breach`` is at a ledger entry; which ones there are: ``KINDS``. Bounded by ``MAX_BREACHES``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from courtroom.hearing import events as e
from courtroom.hearing import interruptions, phases, roles, rooms
from courtroom.hearing.interruptions import BELONGS_TO, CONFIRM_WITHIN_US
from courtroom.hearing.ledger import Entry, apply, event_of
from courtroom.hearing.model import Hearing, Phase
from recorder.columns import Ints
from recorder.timeline import GRACE_US, LOST_US, Gap

MAX_BREACHES: Final = 100
SLOW_US: Final = 10_000_000
KINDS: Final = (
    "one_person", "not_of_court", "no_proposal", "late", "no_ground", "no_order", "no_gap", "not_resumed", "left_open",
    "not_started",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Breach:
    """``kind``: one of ``KINDS``; ``seq``, ``at`` of the entry that breaks the law."""

    kind: str
    seq: int
    at: int


@dataclass(frozen=True, slots=True)
class Finding:
    """``confirmed``: interruptions by two people; ``by_phase``: those that a phase of the hearing made."""

    breaches: tuple[Breach, ...]
    confirmed: int
    by_phase: int


def examine(entries: Sequence[Entry]) -> Finding:
    """``entries``: a whole ledger whose chain holds."""
    watch = _Watch()
    for entry in entries:
        watch.take(entry)
    watch.end()
    return Finding(tuple(watch.found), watch.confirmed, watch.by_phase)


class _Watch:
    """The hearing as far as the ledger was read, and what the next entry owes to the one before."""

    def __init__(self) -> None:
        self.found: list[Breach] = []
        self.confirmed = self.by_phase = 0
        self._hearing: Hearing | None = None
        self._before: Entry | None = None
        self._turn: Entry | None = None  # newest phase or confirmation: what rests follows from it
        self._resting = ""
        self._ended: Entry | None = None

    def take(self, entry: Entry) -> None:
        hearing, event = self._hearing, event_of(entry)
        after = apply(hearing, entry)
        if hearing is not None:
            self._judge(hearing, entry, event)
            self._rests(after, entry, event)
        self._hearing, self._before = after, entry

    def end(self) -> None:
        if self._ended is not None:
            self._breach("no_order", self._ended)

    def _breach(self, kind: str, entry: Entry) -> None:
        made = Breach(kind, entry.seq, entry.at)
        if made not in self.found and len(self.found) < MAX_BREACHES:
            self.found.append(made)

    def _judge(self, hearing: Hearing, entry: Entry, event: e.Event) -> None:
        before = None if self._before is None else event_of(self._before)
        opened = isinstance(before, e.PhaseChanged) and before.phase == Phase.OPEN and before.previous in phases.BEFORE
        if opened and self._before is not None and not isinstance(event, e.RecordingStarted):
            self._breach("not_started", self._before)
        match event:
            case e.InterruptionProposed():
                self._proposed(hearing, entry, event)
            case e.InterruptionConfirmed():
                self._confirmed(hearing, entry, event)
            case e.RecordingInterrupted():
                self._interrupted(hearing, entry, event, before)
            case e.RecordingEnded():
                self._ended = entry
            case e.RecordingStarted() if hearing.take or self._ended is not None or not opened:
                self._breach("no_order", entry)
            case e.PhaseChanged(phase=phase):
                if hearing.proposal is not None:
                    self._breach("left_open", entry)
                if self._ended is not None and phase not in phases.OVER:
                    self._breach("no_order", self._ended)
                self._ended = None
            case _:
                pass

    def _proposed(self, hearing: Hearing, entry: Entry, event: e.InterruptionProposed) -> None:
        if not _may(hearing, entry, event.proposer, "propose_interruption"):
            self._breach("not_of_court", entry)
        elif event.ground not in interruptions.grounds(hearing) or not phases.recording_on(hearing):
            self._breach("no_ground", entry)
        if hearing.proposal is not None:
            self._breach("left_open", entry)
        if not entry.at < event.until <= entry.at + CONFIRM_WITHIN_US:
            self._breach("late", entry)

    def _confirmed(self, hearing: Hearing, entry: Entry, event: e.InterruptionConfirmed) -> None:
        proposal = hearing.proposal
        by = event.proposer if proposal is None else proposal.by
        if event.confirmer in (event.proposer, by):
            self._breach("one_person", entry)
        elif not _may(hearing, entry, event.confirmer, "confirm_interruption") or event.proposer not in hearing.seats:
            self._breach("not_of_court", entry)
        elif proposal is None or (proposal.id, proposal.ground, by) != (event.id, event.ground, event.proposer):
            self._breach("no_proposal", entry)
        elif entry.at >= proposal.until:
            self._breach("late", entry)
        elif event.ground not in interruptions.grounds(hearing) or not phases.recording_on(hearing):
            self._breach("no_ground", entry)
        else:
            self.confirmed += 1

    def _interrupted(
        self, hearing: Hearing, entry: Entry, event: e.RecordingInterrupted, before: e.Event | None
    ) -> None:
        if event.reason not in (*BELONGS_TO, "recess"):
            self._breach("no_ground", entry)
            return
        match before:
            case e.InterruptionConfirmed(ground=event.reason, confirmer=entry.actor) if hearing.take:
                return
            case e.PhaseChanged() if hearing.take and event.reason == interruptions.rests(hearing, hearing.phase):
                if not _may(hearing, entry, entry.actor, "recess", gone=True) or self._by() != entry.actor:
                    self._breach("not_of_court", entry)
                else:
                    self.by_phase += 1
            case _:
                self._breach("no_order", entry)

    def _by(self) -> str:
        return "" if self._before is None else self._before.actor

    def _rests(self, after: Hearing, entry: Entry, event: e.Event) -> None:
        """Whether the ledger interrupts the recording exactly while a ground for it lasts."""
        match event:
            case e.RecordingInterrupted(reason=reason):
                self._resting, at = reason, entry
            case e.RecordingResumed() | e.RecordingStarted() | e.RecordingEnded():
                self._resting, at = "", entry
            case e.PhaseChanged() | e.InterruptionConfirmed():
                self._turn = entry
                return  # what it brings about is the next entry
            case _:
                at = self._turn or entry
        due = interruptions.rests(after, after.phase)
        if not after.take or due == self._resting:
            return
        self._breach("no_gap" if due else "not_resumed", at)


def _may(hearing: Hearing, entry: Entry, name: str, what: str, *, gone: bool = False) -> bool:
    """Whether the seat that is named is one of the plan, did it itself, may, and sat in the courtroom (``gone``: or
    has just left it with the bench)."""
    seat = hearing.seats.get(name)
    if seat is None or entry.actor != name or seat.role not in roles.MAY[what]:
        return False
    return gone or (rooms.in_courtroom(seat) and seat.connected)


# --- the media ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Heard:
    """Media of a lawful interruption: the newest packet of it came ``after_us`` after its order."""

    gap: Gap
    after_us: int

    @property
    def late(self) -> bool:
        """Carried out late, but carried out."""
        return self.after_us <= SLOW_US


def heard(gaps: Sequence[Gap], packets: Ints) -> list[Heard]:
    """Lawful interruptions in which something was recorded all the same. ``packets``: arrivals, in order."""
    found = []
    for gap in gaps:
        inside = packets[(packets > gap.start + GRACE_US) & (packets < gap.end - LOST_US)]
        if gap.kind == "lawful" and len(inside):
            found.append(Heard(gap, int(inside[-1]) - gap.start))
    return found
