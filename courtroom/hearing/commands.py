"""What may be asked of a hearing: one frozen class per command, a closed union, and the table by wire name.

Every command carries ``actor``: the seat that asks, or ``COURT_SYSTEM`` for what the court's own processes observe.
Clients never set the actor; the session does. ``OBSERVATIONS`` are not accepted from any client.
Wire names are the class names in snake_case (INTERFACE.md, Socket.IO).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

COURT_SYSTEM: Final = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    actor: str = COURT_SYSTEM


# --- the bench and the clerk ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHearing(Command):
    """开庭. Refused ``checklist_not_met`` while an item is neither met nor waived (policy ``enforce``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseHearing(Command):
    """闭庭: ends the recording and every media edge for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPhase(Command):
    phase: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recess(Command):
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Command):
    """Back from recess or technical hold to the phase that was interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveOffline(Command):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiveCheck(Command):
    """The presiding judge waives one opening check with a written reason."""

    item: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyIdentity(Command):
    """The clerk or a judge has compared document and face at this sitting (OLR 7)."""

    seat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit(Command):
    """Waiting room → courtroom; a seat that must be isolated goes to its own witness room instead."""

    seat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Command):
    """Witness room → courtroom (传唤). Two witnesses meet only for a confrontation (对质) that the court wants."""

    seat: str
    confront: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismiss(Command):
    """Courtroom → the witness's own isolated room (退庭)."""

    seat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove(Command):
    seat: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute(Command):
    """The server stops forwarding ``kind`` of ``seat``; only the court lifts it."""

    seat: str
    kind: str = "microphone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmute(Command):
    seat: str
    kind: str = "microphone"


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveFloor(Command):
    """Gives ``seat`` the floor ('' takes it from everybody)."""

    seat: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt(Command):
    """提示: first step of COURT.md 6. ``note``: how the person was reached out of band (telephone), if so."""

    seat: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warn(Command):
    seat: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse(Command):
    """准许暂离 until a time (µs of the court clock)."""

    seat: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Command):
    """The presiding judge records a finding on an absence; the words are the judge's."""

    seat: str
    finding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequest(Command):
    request: str
    granted: bool
    reason: str = ""


# --- everybody ------------------------------------------------------------------------------------


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


# --- what the court's own processes observe (never accepted from a client) ------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveArrival(Command):
    """A connection of a seat is up (its signalling is authenticated); replaces an earlier one.

    ``resumed``: the same page of the same browser came back before its old connection was given up; that is nobody's
    second login.
    """

    seat: str
    connection: str
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveLoss(Command):
    """A seat's connection is gone. ``evidence`` rows as in ``model.Spell``; the cause is attributed by ``presence``."""

    seat: str
    connection: str
    evidence: tuple[dict[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveEvidence(Command):
    """Later evidence about the last interruption of a seat: leads to a new attribution, never overwrites one."""

    seat: str
    evidence: tuple[dict[str, str | int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveJudgeGone(Command):
    """The presiding judge has been cut off for longer than the grace time: enter technical hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveCapture(Command):
    """A fact from the capture writer: ``what`` is ``sealed | defect | gap | resumed``; ``detail`` goes to the
    ledger.
    """

    what: str
    detail: dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveArchive(Command):
    """A fact about the archive: ``what`` is ``composed | sealed | failed | read | copied``."""

    what: str
    detail: dict[str, str | int]


OBSERVATIONS: Final[tuple[type[Command], ...]] = (
    ObserveArrival,
    ObserveLoss,
    ObserveEvidence,
    ObserveJudgeGone,
    ObserveCapture,
    ObserveArchive,
)

_FROM_CLIENTS: Final[tuple[type[Command], ...]] = (
    OpenHearing, CloseHearing, SetPhase, Recess, Resume, MoveOffline, WaiveCheck, VerifyIdentity, Admit, Call, Dismiss,
    Remove, Mute, Unmute, GiveFloor, Prompt, Warn, Excuse, Rule, AnswerRequest, RaiseHand, LowerHand, MakeRequest,
    Present, StopPresenting, Leave, Consent, SetDevices,
)  # fmt: skip


def wire_name(command: type[Command]) -> str:
    """``GiveFloor`` → ``give_floor``; ``MakeRequest`` is ``request`` on the wire."""
    if command is MakeRequest:
        return "request"
    return re.sub(r"(?<!^)([A-Z])", r"_\1", command.__name__).lower()


COMMANDS: Final[dict[str, type[Command]]] = {wire_name(command): command for command in _FROM_CLIENTS}
