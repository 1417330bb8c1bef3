"""What a hearing is at one moment: frozen data, closed sets, no behaviour.

* A seat is in exactly one room at any moment, or in none (``Room`` and COURT.md 2); media never crosses a room.
* Everything here is made by ``evolve`` out of events and by nothing else.
* Times (``…_at``, ``since``) are integers: microseconds of Unix time on the court's clock.
* Persons' names are not here: they live in an erasable side table and are handed to ``view``.

Words: COURT.md section 1. Law: Online Litigation Rules (2021), Provisions on Recording of Hearings (2017).
"""

from __future__ import annotations

from dataclasses import dataclass, field
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


class Presence(StrEnum):
    OFFLINE_SEAT = "offline_seat"
    ABSENT = "absent"
    WAITING = "waiting"
    PRESENT = "present"
    EXCUSED = "excused"
    INTERRUPTED = "interrupted"
    REMOVED = "removed"
    LEFT = "left"


class Device(StrEnum):
    """State of a microphone or camera as its own browser reports it."""

    ON = "on"
    OFF = "off"
    LOST = "lost"
    DENIED = "denied"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Case:
    number: str
    court: str
    cause: str
    procedure: str
    public: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """How strictly check-in and the opening checklist bind; anything but the default is marked everywhere."""

    checkin: str = "full"  # full | clerk | none
    checklist: str = "enforce"  # enforce | record

    @property
    def unchecked(self) -> bool:
        return self.checkin == "none" or self.checklist == "record"


@dataclass(frozen=True, slots=True)
class SeatPlan:
    """A seat as it was ordered when the hearing was created."""

    id: str
    role: Role
    side: Side = Side.NONE
    linked_to: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """A raised wish of a seat (发言 举证 异议 回避 休息 暂离 …) waiting for an answer."""

    id: str
    seat: str
    kind: str
    text: str
    at: int
    granted: bool | None = None


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
    evidence: tuple[dict[str, str | int], ...] = ()
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Seat:
    plan: SeatPlan
    room: Room | None = None  # None: has not arrived, left, or was removed
    connected: bool = False
    connection: str = ""  # id of the one live connection (invariant 3)
    admitted: bool = False
    removed: bool = False
    identity_verified: bool = False
    consented: bool = False
    microphone: Device = Device.NONE
    camera: Device = Device.NONE
    muted: frozenset[Kind] = frozenset()
    floor: bool = False
    hand_raised_at: int = 0
    excused_until: int = 0
    prompted_at: int = 0  # last delivered prompt, 0 when none
    warned_at: int = 0  # last delivered warning of this absence, 0 when none
    prompts: tuple[int, ...] = ()  # every prompt of this hearing, delivered or not
    warnings: tuple[int, ...] = ()
    timeline: tuple[Spell, ...] = ()
    seq: int = 0  # the last ledger entry about this seat: all that an isolated seat may know of the ledger

    @property
    def id(self) -> str:
        return self.plan.id

    @property
    def role(self) -> Role:
        return self.plan.role


@dataclass(frozen=True, slots=True)
class Interruption:
    """A lawful interruption of the recording (RecP 4), or a fault; ``until`` 0 while it lasts."""

    reason: str  # recess | not_public | mediation | fault
    since: int
    until: int = 0


@dataclass(frozen=True, slots=True)
class Hearing:
    id: str
    case: Case
    policy: Policy
    scheduled_at: int
    seats: dict[str, Seat] = field(default_factory=dict)
    phase: Phase = Phase.SCHEDULED
    resumes_to: Phase | None = None  # where recess and technical_hold return to
    phase_reason: str = ""
    phase_since: int = 0
    opened_at: int = 0
    closed_at: int = 0
    take: str = ""  # id of the recording take while one is open
    interruptions: tuple[Interruption, ...] = ()
    waived: frozenset[str] = frozenset()  # checklist items waived with a written reason
    requests: tuple[Request, ...] = ()
    presenting: str = ""  # seat that shares on the stage
    exhibit: str = ""  # what it shows there, '' = its screen
    seq: int = 0
    at: int = 0
