"""The bodies of the HTTP interface as msgspec types: what is not exactly this is not read.

Rules
* Unknown fields, wrong types, missing fields and values out of bounds are ``Refused("bad_body", {"at": JSON path})``.
* ``linked_to`` is the 0-based index or the unique name of another seat of the same request.
* ``scheduled_at`` is µs of Unix time, or ISO 8601 with an offset; left out it means now.
* A side left out follows from the role, or from the seat it is linked to.
* Policy ``none`` or ``record`` only where the server was started for it.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from courtroom.control.api import HearingPlan, PlannedSeat
from courtroom.errors import Refused
from courtroom.hearing.model import Case, Claim, ClaimFact, Policy, Role, SeatPlan, ServiceFact, Side
from courtroom.hearing.service import CLAIMS_OF
from courtroom.post import MAILBOX
from courtroom.server.commands import MAX_INT, plain_text
from courtroom.store.ports import Contact

S = TypeVar("S", bound=msgspec.Struct)

MAX_SEATS: Final = 64
MAX_NAME: Final = 80
MAX_PURPOSE: Final = 200

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything a client may send."""


class CaseBody(Body, frozen=True):
    number: Name
    court: Name
    cause: Annotated[str, msgspec.Meta(max_length=200)] = ""
    procedure: Annotated[str, msgspec.Meta(max_length=40)] = "ordinary"
    public: bool = False


class SeatBody(Body, frozen=True):
    role: Role
    name: Name
    side: Side | None = None
    linked_to: (
        Annotated[int, msgspec.Meta(ge=0, lt=MAX_SEATS)] | Annotated[str, msgspec.Meta(max_length=MAX_NAME)] | None
    ) = None
    required: bool | None = None
    service: Annotated[list[ServiceFact], msgspec.Meta(max_length=len(ServiceFact))] = []
    claims: Annotated[dict[ClaimFact, bool | None], msgspec.Meta(max_length=len(ClaimFact))] = {}
    email: Annotated[str, msgspec.Meta(max_length=254)] = ""
    phone: Annotated[str, msgspec.Meta(max_length=32)] = ""


class PolicyBody(Body, frozen=True):
    checkin: Literal["full", "clerk", "none"] = "full"
    checklist: Literal["enforce", "record"] = "enforce"
    warn_after_s: Annotated[int, msgspec.Meta(ge=0, le=86400)] = 180


class HearingBody(Body, frozen=True):
    case: CaseBody
    seats: Annotated[list[SeatBody], msgspec.Meta(min_length=1, max_length=MAX_SEATS)]
    scheduled_at: (
        Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)] | Annotated[str, msgspec.Meta(max_length=40)] | None
    ) = None
    policy: PolicyBody = PolicyBody()


class MediaBody(Body, frozen=True):
    """What a client asks its media connection to hold."""

    places: Annotated[int, msgspec.Meta(ge=0, le=32)] = 0
    publish: Annotated[list[Literal["microphone", "camera", "screen"]], msgspec.Meta(max_length=3)] = []


class BeaconBody(Body, frozen=True):
    """A fact the seat's own browser saw; ``at`` is µs of the client's clock."""

    kind: Literal[
        "page_hide",
        "client_offline",
        "network_changed",
        "battery_low",
        "camera_lost",
        "microphone_lost",
        "permission_revoked",
    ]
    at: Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)]


class CopyBody(Body, frozen=True):
    """For whom, and what for; both go into the ledger."""

    recipient: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    purpose: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_PURPOSE)]


class CopyAnswer(msgspec.Struct, frozen=True):
    """``state``: queued | making | ready | failed; ``made_at`` is µs of the court clock."""

    id: str
    recipient: str
    purpose: str
    state: str
    percent: int
    eta_s: int | None
    made_at: int | None


class CopyList(msgspec.Struct, frozen=True):
    copies: list[CopyAnswer]


class SeatAnswer(msgspec.Struct, frozen=True):
    id: str
    role: str
    name: str
    token: str
    join_url: str
    code: str


class HearingAnswer(msgspec.Struct, frozen=True):
    id: str
    seats: list[SeatAnswer]


class ProblemAnswer(msgspec.Struct, frozen=True):
    type: str
    title: str
    status: int
    code: str
    detail: str


_WHERE: Final = re.compile(r" - at `(\$[^`]*)`")
_PATH: Final = re.compile(r"\$[A-Za-z0-9_.\[\]]{0,80}")


def decode(content: bytes, kind: type[S]) -> S:
    """``content`` as ``kind`` or ``Refused("bad_body")``."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        found = _WHERE.search(str(error))
        where = found.group(1) if found else "$"
        # the path may quote a key somebody made up: only our own spelling goes back
        raise Refused("bad_body", {"at": where if _PATH.fullmatch(where) else "$"}) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("bad_body", {"at": "$"}) from error


def plan_of(body: HearingBody, allow_unchecked: bool, now: int) -> HearingPlan:
    """The hearing a valid body orders; ids of seats are drawn here."""
    policy = Policy(body.policy.checkin, body.policy.checklist, body.policy.warn_after_s)
    if policy.unchecked and not allow_unchecked:
        raise Refused("unchecked_not_allowed", {"at": "$.policy"})
    case = Case(
        number=_line(body.case.number, "$.case.number"),
        court=_line(body.case.court, "$.case.court"),
        cause=_line(body.case.cause, "$.case.cause"),
        procedure=_line(body.case.procedure, "$.case.procedure"),
        public=body.case.public,
    )
    if sum(one.role is Role.PRESIDING_JUDGE for one in body.seats) != 1:
        raise Refused("one_presiding_judge", {"at": "$.seats"})
    ids = [f"s-{secrets.token_hex(6)}" for _ in body.seats]
    links = [_link(body.seats, place) for place in range(len(body.seats))]
    seats = tuple(_seat(body.seats, place, ids, links) for place in range(len(body.seats)))
    return HearingPlan(case, policy, _time(body.scheduled_at, now), seats)


def _seat(bodies: list[SeatBody], place: int, ids: list[str], links: list[int | None]) -> PlannedSeat:
    one, link = bodies[place], links[place]
    plan = SeatPlan(
        id=ids[place],
        role=one.role,
        side=_side(bodies, place, links),
        linked_to="" if link is None else ids[link],
        required=one.role is not Role.OBSERVER if one.required is None else one.required,
        service=tuple(dict.fromkeys(one.service)),
        claims=_claims(one, f"$.seats[{place}].claims"),
    )
    contact = Contact(_mailbox(one.email, f"$.seats[{place}].email"), _number(one.phone, f"$.seats[{place}].phone"))
    return PlannedSeat(plan, _line(one.name, f"$.seats[{place}].name"), contact)


def _claims(body: SeatBody, where: str) -> tuple[Claim, ...]:
    """What is said; ``null`` is what is left out: unknown."""
    said = tuple(Claim(fact, holds) for fact, holds in body.claims.items() if holds is not None)
    if any(one.fact not in CLAIMS_OF.get(body.role, ()) for one in said):
        raise Refused("bad_body", {"at": where})
    return said


def _mailbox(value: str, where: str) -> str:
    if value and MAILBOX.fullmatch(value) is None:
        raise Refused("bad_body", {"at": where})
    return value


def _number(value: str, where: str) -> str:
    """A telephone number as people write it; kept as digits with an optional plus (ITU-T E.164: at most 15)."""
    digits = re.sub(r"[ ().-]", "", value)
    if value and re.fullmatch(r"\+?[0-9]{3,15}", digits) is None:
        raise Refused("bad_body", {"at": where})
    return digits


def _side(bodies: list[SeatBody], place: int, links: list[int | None]) -> Side:
    one, link = bodies[place], links[place]
    if one.side is not None:
        return one.side
    match one.role:
        case Role.PLAINTIFF | Role.PROSECUTOR:
            return Side.PLAINTIFF
        case Role.DEFENDANT | Role.ACCUSED:
            return Side.DEFENDANT
        case Role.THIRD_PARTY:
            return Side.THIRD
    if link is not None and links[link] is None:
        return _side(bodies, link, links)
    return Side.NONE


def _link(bodies: list[SeatBody], place: int) -> int | None:
    wanted = bodies[place].linked_to
    match wanted:
        case None | "":
            return None
        case int():
            found = [wanted] if wanted < len(bodies) else []
        case _:
            found = [number for number, one in enumerate(bodies) if one.name == wanted]
    if len(found) != 1 or found[0] == place:
        raise Refused("bad_link", {"at": f"$.seats[{place}].linked_to"})
    return found[0]


def _line(value: str, where: str) -> str:
    """One line of text that shows what it holds: no control, no bidirectional override, nothing but spaces."""
    hidden = any(
        unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in "\u202a\u202b\u202c\u202d\u202e" for c in value
    )
    isolates = any("\u2066" <= c <= "\u2069" for c in value)
    if hidden or isolates or not plain_text(value) or (value and not value.strip()):
        raise Refused("bad_body", {"at": where})
    return value.strip()


def _time(value: int | str | None, now: int) -> int:
    if value is None:
        return now
    if isinstance(value, int):
        return value
    try:
        moment = datetime.fromisoformat(value)
        micros = round(moment.timestamp() * 1_000_000) if moment.tzinfo is not None else -1
    except (ValueError, OverflowError) as error:
        raise Refused("bad_body", {"at": "$.scheduled_at"}) from error
    if not 0 <= micros <= MAX_INT:
        raise Refused("bad_body", {"at": "$.scheduled_at"})
    return micros


def check_result(content: bytes) -> str:
    """A device self-test: a small JSON object, kept as it is."""
    result: dict[str, Any] = _object(content)
    text = msgspec.json.encode(result).decode()
    if len(text) > 8192:
        raise Refused("bad_body", {"at": "$"})
    return text


def check_passed(result: str) -> bool:
    """Whether a kept self-test says that camera and microphone worked."""
    said: dict[str, Any] = msgspec.json.decode(result)
    return said.get("camera") == "on" and said.get("microphone") == "on"


def _object(content: bytes) -> dict[str, Any]:
    try:
        value: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("bad_body", {"at": "$"}) from error
    return value
