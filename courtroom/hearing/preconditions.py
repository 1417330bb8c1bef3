"""What must be so before an absence can have a consequence, each line ✓ or ✗ with the ledger entries that say so.

Rules (COURT.md 6; Online Litigation Rules art. 6, 25; Civil Procedure Law art. 146, 147)
* What is not on record is not so: a line is ✓ only by an entry of the ledger, or by the absence of the entry that would
  speak against it.
* Our own fault comes first: whatever points at the platform, then or for others in the same absence, makes a ✗.
* A cause that OLR art. 25 excuses (network, device, power) makes a ✗ as long as the evidence says it; whether it really
  was so is for the judge to examine.
* Somebody who is expected in person is not absent online, whatever else holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from courtroom.hearing import deliveries, presence
from courtroom.hearing.ledger import Entry
from courtroom.hearing.model import Cause, Hearing, Notice, Presence, Seat, ServiceFact, Spell, Step

EXCUSING: Final = frozenset(
    {Cause.NETWORK_LOST, Cause.NETWORK_DEGRADED, Cause.DEVICE_FAILURE, Cause.POWER_SUSPECTED, Cause.REMOVED_BY_COURT}
)  # fmt: skip
CODES: Final = (
    "online_seat", "still_missing", "summons_served", "online_consented", "link_delivered", "self_test_passed",
    "offline_option", "no_offline_request", "not_platform", "no_excusing_cause", "no_leave", "prompt_delivered",
    "warning_delivered",
)  # fmt: skip
MAX_REFS: Final = 8


@dataclass(frozen=True, slots=True)
class Precondition:
    """``refs``: the entries (newest ``MAX_REFS``) that make it so, or that stand against it."""

    code: str
    ok: bool
    refs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Absence:
    """The absence a draft is about: the one that lasts, or the last one; ``until`` 0 while it lasts."""

    situation: str  # not_appeared | left | out_of_picture | none
    since: int
    until: int
    spell: Spell | None

    def covers(self, at: int) -> bool:
        return self.since <= at and (self.until == 0 or at <= self.until)


_AWAY: Final = frozenset({Presence.ABSENT, Presence.INTERRUPTED, Presence.LEFT})


def absence_of(hearing: Hearing, seat: Seat) -> Absence:
    """The seat's absence as the timeline has it."""
    if not seat.timeline:
        return Absence("none", 0, 0, None)
    last = seat.timeline[-1]
    if presence.is_missing(seat) and last.state is Presence.PRESENT:
        began = min((one.at for one in deliveries.current(seat)), default=last.since)
        return Absence("out_of_picture", began, last.until, last)
    for spell in reversed(seat.timeline):
        if spell.until and spell.until <= (hearing.opened_at or spell.until):
            break  # what was over before the opening is no absence
        if spell.state in _AWAY:
            appeared = hearing.opened_at and any(
                one.state is Presence.PRESENT and (one.until == 0 or one.until > hearing.opened_at)
                for one in seat.timeline
                if one.since <= spell.since
            )
            return Absence("left" if appeared else "not_appeared", spell.since, spell.until, spell)
    return Absence("none", 0, 0, None)


def check(
    hearing: Hearing, entries: Sequence[Entry], seat: Seat, absence: Absence, at: int
) -> tuple[Precondition, ...]:
    """Every line of ``CODES``, in that order; ``hearing`` is what ``entries`` tell of."""
    made = {
        "online_seat": _online(entries, seat),
        "still_missing": _missing(seat, absence),
        "summons_served": _filed(seat, ServiceFact.SUMMONS_SERVED),
        "online_consented": (seat.consented, _of(entries, seat, "consent_given")[-1:]),
        "link_delivered": _link(entries, seat),
        "self_test_passed": _self_test(seat, absence),
        "offline_option": _filed(seat, ServiceFact.OFFLINE_OPTION_OFFERED),
        "no_offline_request": _offline_request(hearing, seat),
        "not_platform": _not_ours(hearing, seat, absence),
        "no_excusing_cause": _cause(absence),
        "no_leave": _no_leave(entries, seat, absence, at),
        "prompt_delivered": _delivered(seat, Step.PROMPT),
        "warning_delivered": _delivered(seat, Step.WARNING),
    }
    return tuple(Precondition(code, made[code][0], tuple(made[code][1])[-MAX_REFS:]) for code in CODES)


Found = tuple[bool, Iterable[int]]


def _of(entries: Sequence[Entry], seat: Seat, *types: str) -> list[int]:
    return [one.seq for one in entries if one.type in types and one.body.get("seat") == seat.id]


def _filed(seat: Seat, fact: ServiceFact) -> Found:
    known = next((one for one in seat.on_file if one.fact is fact), None)
    return (False, ()) if known is None else (known.holds, (known.seq,))


def _online(entries: Sequence[Entry], seat: Seat) -> Found:
    refs = [
        one.seq for one in seat.on_file if one.holds and one.fact.value.endswith(("announcement_served", "_agreed"))
    ]
    if seat.refused_online:
        refs += _of(entries, seat, "consent_given")[-1:]
    return not seat.offline, refs


def _missing(seat: Seat, absence: Absence) -> Found:
    """Still missing, also when the hearing ended over it."""
    refs = (absence.spell.seq,) if absence.spell is not None else ()
    return absence.situation != "none" and presence.is_missing(seat), refs


def _link(entries: Sequence[Entry], seat: Seat) -> Found:
    """By a record, or because the person once came in by it."""
    held, refs = _filed(seat, ServiceFact.LINK_DELIVERED)
    came = _of(entries, seat, "seat_connected")[:1]
    return held or bool(came), (*refs, *came)


def _self_test(seat: Seat, absence: Absence) -> Found:
    known = next((one for one in seat.on_file if one.fact is ServiceFact.SELF_TEST_PASSED), None)
    if known is None:
        return False, ()
    return known.holds and (absence.until == 0 or known.at <= absence.until), (known.seq,)


def _offline_request(hearing: Hearing, seat: Seat) -> Found:
    asked = [one for one in hearing.requests if one.seat == seat.id and one.kind == "offline"]
    return not any(one.granted is None for one in asked), [one.seq for one in asked]


def _not_ours(hearing: Hearing, seat: Seat, absence: Absence) -> Found:
    """Neither here nor, in the same absence, for anybody else."""
    against: list[int] = []
    for other in hearing.seats.values():
        for spell in presence.gaps(other):
            mine = spell is absence.spell
            if not mine and (other.id == seat.id or not _together(spell, absence)):
                continue
            if spell.cause is Cause.PLATFORM_FAILURE or (mine and _ours(spell)):
                against.append(spell.attributions[-1].seq if spell.attributions else spell.seq)
    faults = [gap for gap in hearing.interruptions if gap.reason == "fault" and absence.covers(gap.since)]
    if against or faults:
        return False, sorted(against)
    spell_of = absence.spell
    return True, [] if spell_of is None else [one.seq for one in spell_of.attributions]


def _ours(spell: Spell) -> bool:
    ours = frozenset({Cause.PLATFORM_FAILURE})
    return any(presence.FACTS.get(str(row.get("fact"))) == ours for row in spell.evidence)


def _together(spell: Spell, absence: Absence) -> bool:
    """Whether another's interruption began in the seconds in which this absence began."""
    return abs(spell.since - absence.since) <= presence.TOGETHER_US


def _cause(absence: Absence) -> Found:
    spell = absence.spell
    if spell is None or spell.cause is None:
        return True, ()
    return spell.cause not in EXCUSING, [one.seq for one in spell.attributions]


def _no_leave(entries: Sequence[Entry], seat: Seat, absence: Absence, at: int) -> Found:
    given = [
        one for one in entries if one.type == "excused" and one.body.get("seat") == seat.id
    ]  # fmt: skip
    running = [one.seq for one in given if one.at <= at < int(one.body.get("until", 0)) and seat.excused_until > at]
    in_it = [
        one.seq for one in given if absence.situation != "none" and one.at >= absence.since and absence.covers(one.at)
    ]
    return not running and not in_it, running or in_it or [one.seq for one in given]


def _delivered(seat: Seat, step: Step) -> Found:
    """The notice that was delivered first, and its proof; of undelivered ones the notices themselves."""
    notices = deliveries.current(seat, step)
    proofs = [one for one in notices if one.delivered_at]
    if not proofs:
        return False, [one.seq for one in notices]
    first = min(proofs, key=lambda one: one.delivered_at)
    return True, (first.seq, *_proof(first))


def _proof(notice: Notice) -> list[int]:
    return [one.seq for one in notice.deliveries if one.at == notice.delivered_at][:1]
