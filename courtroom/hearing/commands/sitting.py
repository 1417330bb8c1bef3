"""The course of the sitting: opening, phases, recess, closing, and the opening checks that are waived.

Only the bench asks for these (``roles.MAY``). COURT.md 3; Online Litigation Rules art. 21.
"""

from __future__ import annotations

from dataclasses import dataclass

from courtroom.hearing.commands.command import Command


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
