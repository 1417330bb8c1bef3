"""Who sits where: the roles, the sides, the rooms, the phases, and what media a seat sends.

* A role comes from the summons and gives a seat its permissions (``roles``); it never changes within a hearing.
* A room is the unit of media: nothing crosses it. A private room names the seat that it belongs to.

COURT.md 1 to 3; Online Litigation Rules art. 24, 26.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    PRESIDING_JUDGE = "presiding_judge"
    JUDGE = "judge"
    ASSESSOR = "assessor"
    CLERK = "clerk"
    PLAINTIFF = "plaintiff"
    DEFENDANT = "defendant"
    THIRD_PARTY = "third_party"
    COUNSEL = "counsel"
    PROSECUTOR = "prosecutor"
    ACCUSED = "accused"
    WITNESS = "witness"
    EXPERT = "expert"
    INSPECTOR = "inspector"
    SPECIALIST = "specialist"
    INTERPRETER = "interpreter"
    GUARDIAN = "guardian"
    OBSERVER = "observer"


class Side(StrEnum):
    """The side of the courtroom; plaintiff's side sits left, defendant's right."""

    PLAINTIFF = "plaintiff"
    DEFENDANT = "defendant"
    THIRD = "third"
    NONE = "none"


class RoomKind(StrEnum):
    WAITING = "waiting"
    COURTROOM = "courtroom"
    WITNESS_ROOM = "witness_room"
    DELIBERATION = "deliberation"


@dataclass(frozen=True, slots=True)
class Room:
    """A unit of media. ``owner`` is the seat a private room belongs to ('' for shared rooms)."""

    kind: RoomKind
    owner: str = ""


COURTROOM = Room(RoomKind.COURTROOM)

DELIBERATION = Room(RoomKind.DELIBERATION)


class Phase(StrEnum):
    SCHEDULED = "scheduled"
    CHECK_IN = "check_in"
    OPEN = "open"
    INVESTIGATION = "investigation"
    DEBATE = "debate"
    FINAL_STATEMENTS = "final_statements"
    MEDIATION = "mediation"
    DELIBERATION = "deliberation"
    PRONOUNCEMENT = "pronouncement"
    RECESS = "recess"
    TECHNICAL_HOLD = "technical_hold"
    MOVED_OFFLINE = "moved_offline"
    CLOSED = "closed"


class Kind(StrEnum):
    """A kind of media that a seat sends."""

    MICROPHONE = "microphone"
    CAMERA = "camera"
    SCREEN = "screen"
    SCREEN_SOUND = "screen_sound"


class Device(StrEnum):
    """State of a microphone or camera as its own browser reports it."""

    ON = "on"
    OFF = "off"
    LOST = "lost"
    DENIED = "denied"
    NONE = "none"
