"""What becomes of the recording: where it rested and by whom, its seal, and who signed what was sealed.

* It rests only for a reason of the closed set, or through a fault; two people begin what is not a recess.
* Signatures are answers to one integrity value; a seat may refuse, and that is an answer too.

COURT.md 7; Provisions on Recording of Hearings (2017) art. 3, 4, 9.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interruption:
    """A lawful interruption of the recording (RecP 4), or a fault; ``until`` 0 while it lasts."""

    reason: str  # recess | not_public | mediation | fault
    since: int
    until: int = 0
    by: tuple[str, ...] = ()  # who proposed and who confirmed, where it takes two people


@dataclass(frozen=True, slots=True)
class Proposal:
    """One person's proposal to interrupt the recording, waiting for a second person until ``until``."""

    id: str
    ground: str  # not_public | mediation
    by: str
    at: int
    until: int


@dataclass(frozen=True, slots=True)
class Seal:
    """What was sealed after the close; ``sheet`` is the digest of what is shown to be signed, ``faults`` how many
    gaps of it are defects.
    """

    root: str
    sheet: str
    faults: int
    at: int
    seq: int


@dataclass(frozen=True, slots=True)
class Signature:
    """What a seat answered to the integrity value; ``by`` is who put it down (itself, or the clerk)."""

    seat: str
    outcome: str  # signed | refused | absent
    by: str
    at: int
    seq: int
    reason: str = ""
    stroke: str = ""
