"""Whether a seat is here, since when, and why not: one stretch of a presence timeline and its causes.

* Spells of a seat touch without gap or overlap; ``until`` 0 is the one that lasts.
* A cause is one of a closed set and stands on evidence rows; a later attribution never undoes an earlier one.

COURT.md 6; Online Litigation Rules art. 25.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Presence(StrEnum):
    OFFLINE_SEAT = "offline_seat"
    ABSENT = "absent"
    WAITING = "waiting"
    PRESENT = "present"
    EXCUSED = "excused"
    INTERRUPTED = "interrupted"
    REMOVED = "removed"
    LEFT = "left"


class Cause(StrEnum):
    """Why a seat is not connected: the closed set of COURT.md 6."""

    LEFT_DELIBERATELY = "left_deliberately"
    CLOSED_PAGE = "closed_page"
    REPLACED_BY_SECOND_LOGIN = "replaced_by_second_login"
    DEVICE_FAILURE = "device_failure"
    NETWORK_LOST = "network_lost"
    NETWORK_DEGRADED = "network_degraded"
    POWER_SUSPECTED = "power_suspected"
    PLATFORM_FAILURE = "platform_failure"
    REMOVED_BY_COURT = "removed_by_court"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Attribution:
    """One attribution of a spell's cause: the ledger entry ``seq`` made it; a later one does not undo it."""

    cause: Cause
    at: int
    seq: int


@dataclass(frozen=True, slots=True)
class Spell:
    """One stretch of a seat's presence timeline, ``[since, until)``; ``until`` is 0 while it lasts.

    ``cause`` is only set for ``INTERRUPTED``, ``LEFT`` and ``REMOVED``, and for ``EXCUSED`` when the connection went
    meanwhile; ``evidence`` lists facts for and against it,
    each ``{"fact": str, "at": int, "clock": "court|client", "weighs": "for|against"}``; ``seq`` is the ledger entry.
    """

    state: Presence
    since: int
    until: int = 0
    cause: Cause | None = None
    evidence: Sequence[dict[str, str | int]] = ()
    seq: int = 0
    attributions: tuple[Attribution, ...] = ()  # oldest first; the last one is ``cause``
