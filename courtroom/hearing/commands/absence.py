"""The procedure on an absence, from both ends: the court reaches for a person, the person answers.

The words of a finding are the judge's; nothing here concludes that somebody refused to appear.
COURT.md 6; Online Litigation Rules art. 25.
"""

from __future__ import annotations

from dataclasses import dataclass

from courtroom.hearing.commands.command import Command


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
