"""Interrupting the recording while the court sits: one person proposes, another confirms, for two lawful reasons only.

Rules (RecP art. 3, COURT.md 7)
* Recess is not proposed: the phase is the interruption, and the presiding judge's own act. What is left is non-public
  evidence in a public hearing and mediation that is unsuitable for recording; each only in the phases it belongs to.
* The presiding judge or the clerk proposes; somebody else of the bench or the clerk confirms within
  ``CONFIRM_WITHIN_US``, or the proposal lapses. Any change of phase ends a proposal too. Every act is in the ledger.
* An interruption ends when somebody who may resumes, or with the phase it belongs to; never later than the close.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing import phases, rooms
from courtroom.hearing.model import Hearing, Interruption, Phase, Proposal, Role, Seat
from courtroom.hearing.refusals import refusal

Events = tuple[e.Event, ...]

CONFIRM_WITHIN_US: Final = 120_000_000

BELONGS_TO: Final[Mapping[str, frozenset[Phase]]] = {
    "not_public": phases.HEARD,
    "mediation": frozenset({Phase.MEDIATION}),
}
"""The reasons that need two people, and the phases in which each may be in force."""

_MAY_RESUME: Final = frozenset({Role.PRESIDING_JUDGE, Role.CLERK})


def grounds(hearing: Hearing) -> tuple[str, ...]:
    """The reasons for which an interruption may be proposed now."""
    return tuple(
        ground
        for ground, at in BELONGS_TO.items()
        if hearing.phase in at and (ground != "not_public" or hearing.case.public)
    )


def open_proposal(hearing: Hearing, at: int) -> Proposal | None:
    """The proposal that can still be confirmed."""
    proposal = hearing.proposal
    return proposal if proposal is not None and at < proposal.until else None


def in_force(hearing: Hearing) -> Interruption | None:
    """The interruption by two people that rests the recording now."""
    for gap in reversed(hearing.interruptions):
        if gap.until == 0 and gap.reason in BELONGS_TO:
            return gap
    return None


def rests(hearing: Hearing, phase: Phase) -> str:
    """The lawful reason for which the recording rests once ``phase`` begins; '' while it runs."""
    back = phases.resumes_to(hearing, phase)
    by_phase = phases.interruption(phase, back)
    gap = in_force(hearing)
    if by_phase or gap is None:
        return by_phase
    under = back if phase is Phase.TECHNICAL_HOLD else phase
    return gap.reason if under in BELONGS_TO[gap.reason] else ""


# --- guards: who may now (asked by ``guards``) --------------------------------------------------------------------


def may_propose(hearing: Hearing, actor: Seat, _target: Seat, at: int) -> None:
    _in_courtroom(actor)
    if not phases.recording_on(hearing):
        raise refusal("recording_not_on")
    if open_proposal(hearing, at) is not None:
        raise refusal("proposal_open")
    if not grounds(hearing):
        raise refusal("no_lawful_ground")


def may_confirm(hearing: Hearing, actor: Seat, _target: Seat, at: int) -> None:
    _in_courtroom(actor)
    proposal = open_proposal(hearing, at)
    if proposal is None or proposal.ground not in grounds(hearing) or not phases.recording_on(hearing):
        raise refusal("no_proposal")
    if actor.id == proposal.by:
        raise refusal("second_person_required")


def may_decline(hearing: Hearing, actor: Seat, _target: Seat, at: int) -> None:
    _in_courtroom(actor)
    if open_proposal(hearing, at) is None:
        raise refusal("no_proposal")


def may_resume(hearing: Hearing, actor: Seat, _target: Seat, _at: int) -> None:
    _in_courtroom(actor)
    gap = in_force(hearing)
    if gap is None:
        raise refusal("nothing_to_resume")
    if actor.role not in _MAY_RESUME and actor.id not in gap.by:
        raise refusal("not_allowed")


def _in_courtroom(actor: Seat) -> None:
    if not rooms.in_courtroom(actor) or not actor.connected:
        raise refusal("not_in_court", seat=actor.id)


# --- what follows -------------------------------------------------------------------------------------------------


def follow(hearing: Hearing, command: c.Command, actor: Seat, at: int, ids: Callable[[], str]) -> Events:
    """The events of a command whose guard has let it through."""
    match command:
        case c.ProposeInterruption(ground=ground):
            if ground not in grounds(hearing):
                raise refusal("no_lawful_ground")
            until = at + CONFIRM_WITHIN_US
            made = e.InterruptionProposed(id=ids(), ground=ground, proposer=actor.id, until=until)
            return (*overtaken(hearing, at), made)
        case c.ConfirmInterruption(proposal=id_):
            proposal = _named(hearing, id_)
            confirmed = e.InterruptionConfirmed(
                id=proposal.id, ground=proposal.ground, proposer=proposal.by, confirmer=actor.id
            )
            return (confirmed, e.RecordingInterrupted(reason=proposal.ground))
        case c.DeclineInterruption(proposal=id_):
            proposal = _named(hearing, id_)
            why = "withdrawn" if actor.id == proposal.by else "declined"
            return (e.InterruptionDropped(id=proposal.id, why=why),)
        case c.ResumeRecording():
            return (e.RecordingResumed(),)
    raise refusal("unknown_command")


def _named(hearing: Hearing, id_: str) -> Proposal:
    if hearing.proposal is None or hearing.proposal.id != id_:
        raise refusal("no_proposal")
    return hearing.proposal


def lapse(hearing: Hearing, at: int) -> Events:
    """The proposal nobody confirmed in time, noted once."""
    return overtaken(hearing, at) if open_proposal(hearing, at) is None else ()


def overtaken(hearing: Hearing, at: int) -> Events:
    """The end of a proposal that was not confirmed, because of its time or of what follows now."""
    proposal = hearing.proposal
    if proposal is None:
        return ()
    why = "overtaken" if at < proposal.until else "lapsed"
    return (e.InterruptionDropped(id=proposal.id, why=why),)


# --- what is shown ------------------------------------------------------------------------------------------------


def shown(hearing: Hearing, names: Mapping[str, str], at: int) -> dict[str, Any]:
    """For the desk: what may be proposed, which proposal waits for a second person, who interrupted."""
    proposal, gap = open_proposal(hearing, at), in_force(hearing)
    return {
        "grounds": list(grounds(hearing)),
        "proposal": None
        if proposal is None
        else {
            "id": proposal.id,
            "ground": proposal.ground,
            "by": proposal.by,
            "name": names.get(proposal.by, ""),
            "at": proposal.at,
            "until": proposal.until,
        },
        "interrupted_by": [] if gap is None else [names.get(seat, "") for seat in gap.by],
    }
