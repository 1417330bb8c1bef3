"""What the bench and the clerk do with a seat: who comes in, who is heard, who is seen.

A move is a move between rooms and never a flag: what a seat may receive follows from its room (``access``).
COURT.md 2, 4 and 5; Online Litigation Rules art. 7, 26.
"""

from __future__ import annotations

from dataclasses import dataclass

from courtroom.hearing.commands.command import Command


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
class AnswerRequest(Command):
    request: str
    granted: bool
    reason: str = ""
