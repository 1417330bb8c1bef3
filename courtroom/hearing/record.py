"""What events make of the recording: the take, where it rested, what the writer found, the seal and what was signed.

Rules
* A stretch that was not recorded is either lawful (``Interruption.reason``) or a fault; each kind ends by its own
  events, and the end of the take ends both.
* Confirmed by two people, an interruption has begun; the ``RecordingInterrupted`` that follows finds it begun.
* The first seal counts. Under one without a sheet nothing can be signed.

Reference: COURT.md 7; Provisions on Recording of Hearings (2017) art. 3, 4, 9.
"""

from __future__ import annotations

from dataclasses import replace

from courtroom.hearing import events as e
from courtroom.hearing import phases
from courtroom.hearing.model import Hearing, Interruption, Proposal, Seal, Signature


def evolved(hearing: Hearing, event: e.Event, at: int, seq: int) -> Hearing | None:
    """The hearing after an event about its recording or archive; ``None``: it is about something else."""
    match event:
        case e.RecordingStarted():
            return replace(hearing, take=event.take)
        case e.RecordingInterrupted():
            return _interrupted(hearing, event, at)
        case e.RecordingResumed():
            return replace(hearing, interruptions=_close_gaps(hearing.interruptions, at, fault=False))
        case e.RecordingEnded():
            ended = _close_gaps(_close_gaps(hearing.interruptions, at, fault=False), at, fault=True)
            return replace(hearing, take="", interruptions=ended)
        case e.CaptureNoted():
            return _capture(hearing, event, at)
        case e.ArchiveNoted(what="hold" | "hold_lifted"):
            return replace(hearing, held=_held(hearing.held, event))
        case e.ArchiveNoted(what="sealed") if hearing.seal is None:
            return replace(hearing, seal=_seal(event, at, seq))
        case e.ArchiveNoted():
            return hearing
        case e.InterruptionProposed() | e.InterruptionConfirmed() | e.InterruptionDropped():
            return _two_people(hearing, event, at)
        case e.RecordingSigned() | e.SignatureWithheld() | e.ExplanationSigned():
            return _signed(hearing, event, at, seq)
    return None


def _close_gaps(gaps: tuple[Interruption, ...], at: int, *, fault: bool) -> tuple[Interruption, ...]:
    return tuple(
        replace(gap, until=at) if gap.until == 0 and (gap.reason == phases.FAULT) is fault else gap for gap in gaps
    )


def _interrupted(hearing: Hearing, event: e.RecordingInterrupted, at: int) -> Hearing:
    if any(gap.until == 0 and gap.reason == event.reason for gap in hearing.interruptions):
        return hearing
    gaps = _close_gaps(hearing.interruptions, at, fault=False)
    return replace(hearing, interruptions=(*gaps, Interruption(event.reason, at)))


def _two_people(
    hearing: Hearing, event: e.InterruptionProposed | e.InterruptionConfirmed | e.InterruptionDropped, at: int
) -> Hearing:
    match event:
        case e.InterruptionProposed():
            return replace(hearing, proposal=Proposal(event.id, event.ground, event.proposer, at, event.until))
        case e.InterruptionConfirmed():
            begun = Interruption(event.ground, at, by=(event.proposer, event.confirmer))
            gaps = _close_gaps(hearing.interruptions, at, fault=False)
            return replace(hearing, proposal=None, interruptions=(*gaps, begun))
        case e.InterruptionDropped():
            return replace(hearing, proposal=None)


def _capture(hearing: Hearing, event: e.CaptureNoted, at: int) -> Hearing:
    gaps = hearing.interruptions
    match event.what:
        case "defect" if not any(gap.reason == phases.FAULT and gap.until == 0 for gap in gaps):
            return replace(hearing, interruptions=(*gaps, Interruption(phases.FAULT, at)))
        case "resumed":
            return replace(hearing, interruptions=_close_gaps(gaps, at, fault=True))
        case "gap":
            since, until = event.detail.get("from_at"), event.detail.get("to_at")
            if isinstance(since, int) and isinstance(until, int) and 0 < since <= until:
                return replace(hearing, interruptions=(*gaps, Interruption(phases.FAULT, since, until)))
    return hearing


def _held(held: tuple[tuple[str, int], ...], event: e.ArchiveNoted) -> tuple[tuple[str, int], ...]:
    """The holds that were ordered and not lifted; who and why is read from the ledger (``holds``)."""
    name, until = str(event.detail.get("id", "")), event.detail.get("until", 0)
    others = tuple(one for one in held if one[0] != name)
    return (*others, (name, until if isinstance(until, int) else 0)) if event.what == "hold" else others


def _seal(event: e.ArchiveNoted, at: int, seq: int) -> Seal:
    """Of a seal from before sheets were noted only the root is known."""
    root, sheet, faults = (event.detail.get(name) for name in ("root", "sheet", "faults"))
    return Seal(str(root or ""), str(sheet or ""), faults if isinstance(faults, int) else 0, at, seq)


def _signed(
    hearing: Hearing, event: e.RecordingSigned | e.SignatureWithheld | e.ExplanationSigned, at: int, seq: int
) -> Hearing:
    match event:
        case e.RecordingSigned():
            answer = Signature(event.seat, "signed", event.seat, at, seq, stroke=event.stroke)
        case e.SignatureWithheld():
            answer = Signature(event.seat, event.outcome, event.recorded_by, at, seq, event.reason)
        case e.ExplanationSigned():
            return replace(hearing, explanation=event.digest)
    return replace(hearing, signatures=(*hearing.signatures, answer))
