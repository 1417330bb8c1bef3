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
    """提示: first step of COURT.md 6. ``note``: the call by which the person itself was reached, if there was one
    (the same as a ``PhoneNote`` made with it)."""

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
    """The presiding judge records a finding on an absence; the words are the judge's. ``draft`` is the SHA-256 of the
    draft that lay before the judge, made from the ledger up to ``draft_seq``; '' and 0 without one.
    """

    seat: str
    finding: str
    draft: str = ""
    draft_seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneNote(Command):
    """电话记录: who answered (``model.Answerer``), when (µs of the court clock), what was said; no names, no numbers.
    ``notice`` is the ledger number of the prompt or warning that was spoken of.
    """

    seat: str
    notice: int
    who: str
    called_at: int
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordService(Command):
    """What is on file about reaching a person (``model.ServiceFact``) or about the claims in the case
    (``model.ClaimFact``); ``note`` says where it is on file.
    """

    seat: str
    fact: str
    holds: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequest(Command):
    request: str
    granted: bool
    reason: str = ""


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


# --- after the seal -------------------------------------------------------------------------------


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
class AcknowledgeNotice(Command):
    """The seat's own page has shown a prompt or warning; ``read``: the person has confirmed it."""

    notice: int
    read: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Command):
    """A person states why it was away (``model.Reason``). ``notice`` 0: to no notice in particular; ``attachment`` is
    the SHA-256 of a file, with ``name`` and ``size`` in bytes; whether the court holds it is another entry's word.
    """

    reason: str
    text: str = ""
    notice: int = 0
    attachment: str = ""
    name: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLeave(Command):
    """申请暂离 until a time (µs of the court clock); answered by ``Excuse`` or ``AnswerRequest``."""

    reason: str
    until: int


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
    """Later evidence about an interruption of a seat: leads to a new attribution, never overwrites one.

    ``spell``: ledger entry that began the interruption, 0 = the last one.
    """

    seat: str
    evidence: tuple[dict[str, str | int], ...]
    spell: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveJournal(Command):
    """A fact about the journal that a seat's own browser keeps: ``what`` is ``kept | restarted | rewritten | missing |
    stepped``.
    """

    seat: str
    what: str
    detail: dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveJudgeGone(Command):
    """The presiding judge has been cut off for longer than the grace time: enter technical hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveLapse(Command):
    """The time to confirm an interruption may have run out: noted if it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveCapture(Command):
    """A fact from the capture writer: ``what`` is ``sealed | defect | gap | resumed | alarm | mended | copied |
    copy_failed``; ``detail`` goes to the ledger.
    """

    what: str
    detail: dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveArchive(Command):
    """A fact about the archive: ``what`` is ``composed | sealed | failed | read | copied``, and of a recipient's copy
    ``copy_issued | copy_made | copy_read``.
    """

    what: str
    detail: dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveDelivery(Command):
    """What a notifier knows of a prompt or warning: ``notice`` is the ledger number of its entry, ``channel`` and
    ``state`` as in ``model.Channel`` and ``model.DeliveryState``; ``detail`` a receipt number or an error code.
    """

    seat: str
    notice: int
    channel: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveAttachment(Command):
    """A file that a seat handed in is on disk, whole and durable."""

    seat: str
    sha256: str
    size: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveAttachmentRead(Command):
    """Somebody (a seat, or ``staff``) is about to be given a file that ``seat`` handed in."""

    seat: str
    sha256: str
    reader: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveSelfTest(Command):
    """The device check of a seat's own browser has ended."""

    seat: str
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveSpeech(Command):
    """Who was heard speaking in the courtroom in ``[since, until)``: rows ``{"seat", "from", "to"}`` (µs)."""

    since: int
    until: int
    spans: tuple[dict[str, str | int], ...]


OBSERVATIONS: Final[tuple[type[Command], ...]] = (
    ObserveArrival,
    ObserveLoss,
    ObserveEvidence,
    ObserveJournal,
    ObserveJudgeGone,
    ObserveLapse,
    ObserveCapture,
    ObserveArchive,
    ObserveDelivery,
    ObserveAttachment,
    ObserveAttachmentRead,
    ObserveSelfTest,
    ObserveSpeech,
)

_FROM_CLIENTS: Final[tuple[type[Command], ...]] = (
    OpenHearing, CloseHearing, SetPhase, Recess, Resume, MoveOffline, WaiveCheck, VerifyIdentity, Admit, Call, Dismiss,
    Remove, Mute, Unmute, GiveFloor, Prompt, Warn, Excuse, Rule, AnswerRequest, RaiseHand, LowerHand, MakeRequest,
    PhoneNote, RecordService, AcknowledgeNotice, Reply, AskLeave,
    Present, StopPresenting, Leave, Consent, SetDevices, ProposeInterruption, ConfirmInterruption,
    DeclineInterruption, ResumeRecording, SignRecording, RefuseSignature, NoteSignature, SignExplanation,
)  # fmt: skip


def wire_name(command: type[Command]) -> str:
    """``GiveFloor`` → ``give_floor``; ``MakeRequest`` is ``request`` on the wire."""
    if command is MakeRequest:
        return "request"
    return re.sub(r"(?<!^)([A-Z])", r"_\1", command.__name__).lower()


COMMANDS: Final[dict[str, type[Command]]] = {wire_name(command): command for command in _FROM_CLIENTS}
