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


class Step(StrEnum):
    """A step of the procedure on an absence: each is a notice to the person."""

    PROMPT = "prompt"
    WARNING = "warning"


class Channel(StrEnum):
    """A way on which a notice reaches a person."""

    PAGE = "page"
    EMAIL = "email"
    WEBHOOK = "webhook"
    PHONE = "phone"


class DeliveryState(StrEnum):
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


class Answerer(StrEnum):
    """Who answered a telephone call of the court."""

    SELF = "self"
    FAMILY = "family"
    COUNSEL = "counsel"
    OTHER = "other"
    NOBODY = "nobody"


class Reason(StrEnum):
    """What a person gives as reason for having been away (OLR 25)."""

    NETWORK_FAULT = "network_fault"
    DEVICE_DAMAGE = "device_damage"
    POWER_CUT = "power_cut"
    FORCE_MAJEURE = "force_majeure"
    OTHER = "other"


class ServiceFact(StrEnum):
    """What the court has on file about reaching a person, before or beside the sitting."""

    SUMMONS_SERVED = "summons_served"  # 传票
    ANNOUNCEMENT_SERVED = "announcement_served"  # 公告
    LINK_DELIVERED = "link_delivered"
    OFFLINE_OPTION_OFFERED = "offline_option_offered"
    OFFLINE_AGREED = "offline_agreed"  # attends in person
    SELF_TEST_PASSED = "self_test_passed"


class ClaimFact(StrEnum):
    """What the law on absence makes a difference by, about one party; unknown until somebody says it."""

    COUNTERCLAIM = "counterclaim"  # 反诉, against this plaintiff
    WITHDRAWAL_REFUSED = "withdrawal_refused"  # 裁定不准许撤诉
    INDEPENDENT_CLAIM = "independent_claim"  # 有独立请求权


OFFLINE_FACTS = frozenset({ServiceFact.ANNOUNCEMENT_SERVED, ServiceFact.OFFLINE_AGREED})
"""Whoever is in one of these is expected in person, and never absent online."""


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


LEAST_WARN_AFTER_S = 60
"""Below this a warning hardly follows its prompt: only where a court runs unchecked (tests, demonstrations)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How strictly check-in and the opening checklist bind; anything but the default is marked everywhere."""

    checkin: str = "full"  # full | clerk | none
    checklist: str = "enforce"  # enforce | record
    warn_after_s: int = 180  # least time between a delivered prompt and the warning after it (COURT.md 6)

    @property
    def unchecked(self) -> bool:
        return self.checkin == "none" or self.checklist == "record" or self.warn_after_s < LEAST_WARN_AFTER_S


@dataclass(frozen=True, slots=True)
class Claim:
    """One fact about a claim as it was known when the hearing was created."""

    fact: ClaimFact
    holds: bool


@dataclass(frozen=True, slots=True)
class SeatPlan:
    """A seat as it was ordered when the hearing was created."""

    id: str
    role: Role
    side: Side = Side.NONE
    linked_to: str = ""
    required: bool = True
    service: tuple[ServiceFact, ...] = ()  # on file when the hearing was created
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A raised wish of a seat (发言 举证 异议 回避 休息 暂离 …) waiting for an answer."""

    id: str
    seat: str
    kind: str
    text: str
    at: int
    granted: bool | None = None
    until: int = 0  # of a leave: the moment that was asked for
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Attribution:
    """One attribution of a spell's cause: the ledger entry ``seq`` made it; a later one does not undo it."""

    cause: Cause
    at: int
    seq: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """Proof, or failure, of one step on the way of a notice to a person."""

    channel: Channel
    state: DeliveryState
    at: int
    seq: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A prompt or a warning to one seat. Its id is ``seq``, the ledger number of the entry that made it.

    ``ended_at``: the person came back, or got leave; a later absence begins the procedure anew.
    """

    seq: int
    step: Step
    at: int
    deliveries: tuple[Delivery, ...] = ()
    ended_at: int = 0

    @property
    def delivered_at(self) -> int:
        """When the first channel delivered it; 0 while none has. A failure after it takes a channel's proof back,
        unless the person has read it there.
        """
        return min((at for channel in Channel if (at := self._delivered_by(channel))), default=0)

    def _delivered_by(self, channel: Channel) -> int:
        at = 0
        for one in self.deliveries:
            if one.channel is not channel:
                continue
            match one.state:
                case DeliveryState.READ:
                    return at or one.at
                case DeliveryState.DELIVERED:
                    at = at or one.at
                case DeliveryState.FAILED:
                    at = 0
        return at

    @property
    def read_at(self) -> int:
        return min((one.at for one in self.deliveries if one.state is DeliveryState.READ), default=0)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person says about having been away; ``attachment`` is the SHA-256 of a file, '' without one; ``held`` is
    the entry by which the court holds it, 0 while it does not, ``kind`` what its bytes are.
    """

    seq: int
    at: int
    reason: Reason
    text: str
    notice: int = 0
    attachment: str = ""
    name: str = ""
    size: int = 0
    held: int = 0
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a seat that the court holds; ``seq`` is the entry that says so."""

    sha256: str
    size: int
    kind: str  # statements.KINDS
    at: int
    seq: int


@dataclass(frozen=True, slots=True)
class OnFile:
    """The newest word on one fact; ``seq`` is the entry that says it."""

    fact: ServiceFact | ClaimFact
    holds: bool
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
    evidence: tuple[dict[str, str | int], ...] = ()
    seq: int = 0
    attributions: tuple[Attribution, ...] = ()  # oldest first; the last one is ``cause``


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
    refused_online: bool = False  # the person's own last word on a sitting online (OLR 4) was no
    notices: tuple[Notice, ...] = ()  # every prompt and warning of this hearing, delivered or not
    statements: tuple[Statement, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    on_file: tuple[OnFile, ...] = ()
    timeline: tuple[Spell, ...] = ()
    seq: int = 0  # the last ledger entry about this seat: all that an isolated seat may know of the ledger

    @property
    def id(self) -> str:
        return self.plan.id

    @property
    def role(self) -> Role:
        return self.plan.role

    @property
    def offline(self) -> bool:
        """Expected in person: such a seat is never absent online."""
        return self.refused_online or any(one.holds and one.fact in OFFLINE_FACTS for one in self.on_file)

    @property
    def prompted_at(self) -> int:
        """When a prompt of the absence that lasts was first delivered; 0 when none was."""
        return self._delivered(Step.PROMPT)

    @property
    def warned_at(self) -> int:
        return self._delivered(Step.WARNING)

    def _delivered(self, step: Step) -> int:
        current = (one for one in self.notices if one.step is step and not one.ended_at)
        return min((one.delivered_at for one in current if one.delivered_at), default=0)

    @property
    def prompts(self) -> tuple[int, ...]:
        return tuple(one.at for one in self.notices if one.step is Step.PROMPT)

    @property
    def warnings(self) -> tuple[int, ...]:
        return tuple(one.at for one in self.notices if one.step is Step.WARNING)


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
    proposal: Proposal | None = None  # to interrupt the recording, not yet confirmed
    seal: Seal | None = None
    signatures: tuple[Signature, ...] = ()  # every answer, oldest first
    explanation: str = ""  # digest of the explanation of defects that the presiding judge signed
    held: tuple[tuple[str, int], ...] = ()  # holds on the archive: id, until (µs, 0 = until it is lifted)
    waived: frozenset[str] = frozenset()  # checklist items waived with a written reason
    requests: tuple[Request, ...] = ()
    presenting: str = ""  # seat that shares on the stage
    exhibit: str = ""  # what it shows there, '' = its screen
    seq: int = 0
    at: int = 0
