"""The facts of one seat's absence, laid out for the judge: a draft, never a conclusion (COURT.md 6; OLR 6, 25).

Rules
* A pure function of the ledger up to an entry and of the rule table: the same prefix gives the same draft: its digest
  can be recomputed by anybody, and a ruling that names it says what lay before the judge.
* No words here: codes, times, ledger numbers. Sentences are made of them in ``courtroom.documents``, in each language,
  and every line cites the entries (``refs``) it rests on.
* ``first_line`` names what is missing. With anything missing, ``proposals`` is one neutral line and no provision: no
  draft claims more than its preconditions (invariant 5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

from courtroom.hearing import attendance, presence, rules, service
from courtroom.hearing.ledger import Entry, canonical, replay
from courtroom.hearing.model import Hearing, Seat
from courtroom.hearing.preconditions import Absence, Precondition, absence_of, check
from courtroom.hearing.refusals import refusal
from courtroom.hearing.rules import RuleTable

VERSION: Final = 2  # 2: conditions of proposals, whether the court holds an attachment
MAX_SPELLS: Final = 200
MAX_GAPS: Final = 50

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FirstLine:
    """``code``: complete | missing | not_absent | offline_seat | returned; ``missing``: codes of preconditions."""

    code: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A provision of the table, or ``neutral`` with no provision at all. ``condition`` as in ``rules.Offer``, ``refs``
    the entry that says it.
    """

    provision: str
    neutral: bool
    condition: str = ""
    refs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened to the seat: ``what`` is an event's wire name, ``body`` its fields."""

    seq: int
    at: int
    actor: str
    what: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """``at`` is the time of entry ``seq``, the last one it knows; rows as in ``attendance``."""

    version: int
    hearing: str
    seat: str
    role: str
    seq: int
    at: int
    opened_at: int
    opened_seq: int
    closed_at: int
    table: str  # version of the rule table
    table_digest: str
    situation: str
    since: int
    until: int
    absence_seq: int  # the entry that began the absence
    cause: str
    cause_seq: int  # the entry that attributed it
    first_line: FirstLine
    preconditions: tuple[Precondition, ...]
    proposals: tuple[Proposal, ...]
    timeline: tuple[Row, ...]
    notices: tuple[Row, ...]
    calls: tuple[Line, ...]
    statements: tuple[Row, ...]
    returns: tuple[Line, ...]
    requests: tuple[Line, ...]
    service: tuple[Line, ...]

    @property
    def complete(self) -> bool:
        return self.first_line.code == "complete"


def draft(entries: Sequence[Entry], seat_id: str, table: RuleTable) -> Draft:
    """The draft about ``seat_id`` from a whole ledger, or the beginning of one."""
    return made(replay(entries), entries, seat_id, table)


def made(hearing: Hearing, entries: Sequence[Entry], seat_id: str, table: RuleTable) -> Draft:
    """The same where the state is at hand: ``hearing`` is what ``entries`` tell of."""
    seat = hearing.seats.get(seat_id)
    if seat is None:
        raise refusal("unknown_seat")
    at = hearing.at
    absence = absence_of(hearing, seat)
    lines = check(hearing, entries, seat, absence, at)
    first = _first_line(seat, absence, lines)
    spell = absence.spell
    return Draft(
        version=VERSION,
        hearing=hearing.id,
        seat=seat.id,
        role=seat.role.value,
        seq=hearing.seq,
        at=at,
        opened_at=hearing.opened_at,
        opened_seq=_opened(entries),
        closed_at=hearing.closed_at,
        table=table.version,
        table_digest=table.digest,
        situation=absence.situation,
        since=absence.since,
        until=absence.until,
        absence_seq=spell.seq if spell is not None else 0,
        cause=spell.cause.value if spell is not None and spell.cause is not None else "",
        cause_seq=spell.attributions[-1].seq if spell is not None and spell.attributions else 0,
        first_line=first,
        preconditions=lines,
        proposals=_proposals(hearing, seat, absence, first, table),
        timeline=_timeline(seat),
        notices=tuple(attendance.notice_row(one) for one in seat.notices),
        calls=_lines(entries, seat, "phone_noted"),
        statements=tuple(attendance.statement_row(one) for one in seat.statements),
        returns=_lines(entries, seat, "return_noted"),
        requests=_lines(entries, seat, "request_made", "leave_asked", "excused"),
        service=_lines(entries, seat, "service_recorded", "self_test_noted", "consent_given"),
    )


def digest(one: Draft) -> str:
    """SHA-256 of the draft's canonical form."""
    return hashlib.sha256(canonical(plain(one))).hexdigest()


def plain(value: object) -> Any:
    """A draft, or a part of one, as plain JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: plain(getattr(value, part.name)) for part in fields(value)}
    match value:
        case Mapping():
            return {key: plain(item) for key, item in value.items()}
        case tuple() | list():
            return [plain(item) for item in value]
        case _:
            return value


def rulings(entries: Sequence[Entry], seat_id: str) -> tuple[Line, ...]:
    """What the judge has ruled on this seat's absence; never part of a draft."""
    return tuple(_line(one) for one in entries if one.type == "ruled" and one.body.get("seat") == seat_id)


def _first_line(seat: Seat, absence: Absence, lines: Sequence[Precondition]) -> FirstLine:
    missing = tuple(one.code for one in lines if not one.ok)
    if seat.offline and not seat.connected:
        return FirstLine("offline_seat", missing)
    if absence.situation == "none":
        return FirstLine("not_absent", missing)
    if not presence.is_missing(seat):
        return FirstLine("returned", missing)
    return FirstLine("missing" if missing else "complete", missing)


def _proposals(
    hearing: Hearing, seat: Seat, absence: Absence, first: FirstLine, table: RuleTable
) -> tuple[Proposal, ...]:
    """Provisions only where nothing is missing; a person in court but out of the picture has not left it."""
    if first.code == "complete":
        found = rules.applicable(
            table, seat.role, absence.situation, hearing.case.procedure, absence.since, service.claims(seat)
        )
        if found:
            return tuple(Proposal(one.provision.id, False, one.condition, _said_by(seat, one)) for one in found)
    return (Proposal("", True),)


def _said_by(seat: Seat, offer: rules.Offer) -> tuple[int, ...]:
    if offer.condition != "met":
        return ()
    fact, _ = rules.CONDITIONS[offer.provision.condition]
    return tuple(one.seq for one in seat.on_file if one.fact is fact)


def _timeline(seat: Seat) -> tuple[Row, ...]:
    detailed = {id(spell) for spell in presence.gaps(seat)[-MAX_GAPS:]}
    return tuple(
        attendance.spell_row(spell, detailed=id(spell) in detailed) for spell in seat.timeline[-MAX_SPELLS:]
    )  # fmt: skip


def _line(entry: Entry) -> Line:
    return Line(entry.seq, entry.at, entry.actor, entry.type, entry.body)


def _opened(entries: Sequence[Entry]) -> int:
    opened = (one.seq for one in entries if one.type == "phase_changed" and one.body.get("phase") == "open")
    return next(opened, 0)


def _lines(entries: Sequence[Entry], seat: Seat, *types: str) -> tuple[Line, ...]:
    return tuple(_line(one) for one in entries if one.type in types and one.body.get("seat") == seat.id)
