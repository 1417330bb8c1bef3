"""What may be asked of a hearing: one frozen class per command, a closed union, and the table by wire name.

Every command carries ``actor``: the seat that asks, or ``COURT_SYSTEM`` for what the court's own processes observe.
Clients never set the actor; the session does. ``OBSERVATIONS`` are not accepted from any client.
Wire names are the class names in snake_case (INTERFACE.md, Socket.IO).

The classes stand by subject in the modules beside this one; here alone a name on the wire becomes a class.
"""

from __future__ import annotations

from typing import Final

from courtroom.hearing.commands.absence import (
    AcknowledgeNotice,
    AskLeave,
    Excuse,
    PhoneNote,
    Prompt,
    RecordService,
    Reply,
    Rule,
    Warn,
)
from courtroom.hearing.commands.command import COURT_SYSTEM, Command
from courtroom.hearing.commands.everybody import (
    Consent,
    Leave,
    LowerHand,
    MakeRequest,
    Present,
    RaiseHand,
    SetDevices,
    StopPresenting,
)
from courtroom.hearing.commands.observations import (
    ObserveArchive,
    ObserveArrival,
    ObserveAttachment,
    ObserveAttachmentRead,
    ObserveCapture,
    ObserveDelivery,
    ObserveEvidence,
    ObserveJournal,
    ObserveJudgeGone,
    ObserveLapse,
    ObserveLoss,
    ObserveSelfTest,
    ObserveSpeech,
)
from courtroom.hearing.commands.recording import (
    ConfirmInterruption,
    DeclineInterruption,
    NoteSignature,
    ProposeInterruption,
    RefuseSignature,
    ResumeRecording,
    SignExplanation,
    SignRecording,
)
from courtroom.hearing.commands.seats import (
    Admit,
    AnswerRequest,
    Call,
    Dismiss,
    GiveFloor,
    Mute,
    Remove,
    Unmute,
    VerifyIdentity,
)
from courtroom.hearing.commands.sitting import (
    CloseHearing,
    MoveOffline,
    OpenHearing,
    Recess,
    Resume,
    SetPhase,
    WaiveCheck,
)
from courtroom.hearing.wire import snake_case

__all__ = [
    "COMMANDS", "COURT_SYSTEM", "OBSERVATIONS", "AcknowledgeNotice", "Admit", "AnswerRequest", "AskLeave", "Call",
    "CloseHearing", "Command", "ConfirmInterruption", "Consent", "DeclineInterruption", "Dismiss", "Excuse",
    "GiveFloor", "Leave", "LowerHand", "MakeRequest", "MoveOffline", "Mute", "NoteSignature", "ObserveArchive",
    "ObserveArrival", "ObserveAttachment", "ObserveAttachmentRead", "ObserveCapture", "ObserveDelivery",
    "ObserveEvidence", "ObserveJournal", "ObserveJudgeGone", "ObserveLapse", "ObserveLoss", "ObserveSelfTest",
    "ObserveSpeech", "OpenHearing", "PhoneNote", "Present", "Prompt", "ProposeInterruption", "RaiseHand", "Recess",
    "RecordService", "RefuseSignature", "Remove", "Reply", "Resume", "ResumeRecording", "Rule", "SetDevices",
    "SetPhase", "SignExplanation", "SignRecording", "StopPresenting", "Unmute", "VerifyIdentity", "WaiveCheck",
    "Warn", "wire_name",
]  # fmt: skip

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
    return snake_case(command)


COMMANDS: Final[dict[str, type[Command]]] = {wire_name(command): command for command in _FROM_CLIENTS}
