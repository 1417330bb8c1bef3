"""What any seat may ask for itself: to be heard, to show something, to consent, to leave.

COURT.md 4 and 9; Online Litigation Rules art. 4.
"""

from __future__ import annotations

from dataclasses import dataclass

from courtroom.hearing.commands.command import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseHand(Command):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class LowerHand(Command):
    seat: str = ""  # '' = one's own; the bench and clerk may lower another's


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeRequest(Command):
    """Wire name ``request``: kind is one of ``speak evidence objection recusal break leave help late offline``."""

    kind: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Present(Command):
    """Take the stage with one's screen (``exhibit`` '') or an exhibit."""

    exhibit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPresenting(Command):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(Command):
    """The leave button: the one act that is evidence of leaving on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent(Command):
    """A seat's own answer to holding this sitting online; ``notice_hash`` is SHA-256 of the text it was shown."""

    agreed: bool
    notice_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDevices(Command):
    """What the seat's own browser reports of its devices: ``on off lost denied none``."""

    microphone: str
    camera: str
