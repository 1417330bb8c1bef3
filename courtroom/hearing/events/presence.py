"""Whether a seat was really there: its connection, its devices, its browser's journal, its voice.

Causes are attributed on evidence rows ``{"fact", "at", "clock", "weighs"}``; a later attribution is a new event.
COURT.md 6; Online Litigation Rules art. 25.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from courtroom.hearing.events.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatConnected(Event):
    seat: str
    connection: str
    replaced: str = ""  # the connection that this one took the place of


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatDisconnected(Event):
    seat: str
    connection: str
    cause: str
    evidence: tuple[dict[str, str | int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseAttributed(Event):
    """A later attribution of an interruption, with the new evidence; the earlier entry stays. ``spell``: ledger entry
    that began the interruption, 0 = the seat's last one."""

    V: ClassVar[int] = 2

    seat: str
    cause: str
    evidence: tuple[dict[str, str | int], ...]
    spell: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalNoted(Event):
    """The journal of a seat's own browser: entries kept under their last hash, or what is wrong with their chain."""

    seat: str
    what: str
    detail: dict[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesChanged(Event):
    seat: str
    microphone: str
    camera: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestNoted(Event):
    seat: str
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechNoted(Event):
    """Who was heard in the courtroom in ``[since, until)``; rows ``{"seat", "from", "to"}``."""

    since: int
    until: int
    spans: tuple[dict[str, str | int], ...]
