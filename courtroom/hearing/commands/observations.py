"""What the court's own processes observe, as facts for the hearing to judge; never accepted from any client.

Believed from ``COURT_SYSTEM`` only (``decide``). COURT.md 6 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass

from courtroom.hearing.commands.command import Command


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
