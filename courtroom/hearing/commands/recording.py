"""The recording: interrupting it by two people, and signing what was sealed of it.

COURT.md 7; Provisions on Recording of Hearings (2017) art. 3, 4, 9.
"""

from __future__ import annotations

from dataclasses import dataclass

from courtroom.hearing.commands.command import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeInterruption(Command):
    """Interrupt the recording for ``ground`` (``not_public | mediation``, RecP art. 3): waits for a second person."""

    ground: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmInterruption(Command):
    proposal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineInterruption(Command):
    """Also how the proposer takes it back."""

    proposal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRecording(Command):
    """Ends an interruption that two people began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRecording(Command):
    """A party signs the integrity value; ``sheet`` names what was shown, ``stroke`` is the drawn signature."""

    sheet: str
    stroke: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseSignature(Command):
    sheet: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature(Command):
    """The clerk puts down that a seat refused or could not be reached (``outcome``: ``refused | absent``)."""

    seat: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignExplanation(Command):
    """The presiding judge signs the explanation of a defect; ``digest`` is SHA-256 of the text that was shown."""

    digest: str
    stroke: str
    remark: str = ""
