"""How evenly a hearing was heard: what each party missed, who spoke meanwhile, how long each spoke (COURT.md 6).

Rules
* A pure function of the ledger; times are µs of the court clock, ``recording_us`` is since the recording began, so that
  a page can jump to what somebody missed (``None`` while it rested).
* A party misses what happens in court in an open phase while it is not in court. Pauses and the bench's deliberation
  are not missed by anybody. Whoever attends in person is not measured here.
* A long interruption is a short plate in the composed film, so where the film shows a moment follows from its ``parts``
  alone (``in_film``), never from ``recording_us``.
* It states numbers with their ledger entries and judges nothing; a gap whose cause is ours is marked as ours.
* Speech is what the media plane heard and noted (``speech_noted``); where nothing was noted, nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from courtroom.hearing import phases, roles
from courtroom.hearing.ledger import Entry, replay
from courtroom.hearing.model import Cause, Phase, Presence, Role, Seat, Spell

MAX_MISSED: Final = 200
MAX_SPEAKERS: Final = 20
HEARD_IN: Final = phases.SESSION - {Phase.DELIBERATION}
MEASURED: Final = roles.PARTIES | {Role.COUNSEL}
MISSING: Final = frozenset(
    {
        Presence.ABSENT, Presence.WAITING, Presence.INTERRUPTED, Presence.LEFT, Presence.REMOVED, Presence.EXCUSED,
    }
)  # fmt: skip

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """``[since, until)``; ``what`` is a phase or a seat."""

    since: int
    until: int
    what: str = ""

    @property
    def us(self) -> int:
        return self.until - self.since


def report(entries: Sequence[Entry], now: int = 0) -> Row:
    """The whole report, as plain JSON values; what lasts lasts until ``now``, or until the last entry. ``BadMessage``
    when the ledger is not one.
    """
    hearing = replay(entries)
    end = hearing.closed_at or max(hearing.at, now)
    sat = _open_phases(entries, end)
    spoken = _speech(entries)
    started, ended = _recorded(entries)
    tape = _Tape(started, tuple((gap.since, gap.until or end) for gap in hearing.interruptions))
    measured = [seat for seat in hearing.seats.values() if seat.role in MEASURED]
    return {
        "hearing": hearing.id,
        "seq": hearing.seq,
        "at": end,
        "opened_at": hearing.opened_at,
        "closed_at": hearing.closed_at,
        "recording": {"started_at": started, "ended_at": ended},
        "open_us": sum(one.us for one in sat),
        "phases": [{"phase": one.what, "from": one.since, "to": one.until} for one in sat],
        "speech_noted": bool(spoken),
        "parties": [_party(seat, sat, spoken, tape, end) for seat in measured],
        "others": [
            {"seat": seat.id, "role": seat.role.value, "spoke_us": _spoke(spoken, seat.id)}
            for seat in hearing.seats.values()
            if seat.role not in MEASURED and seat.role is not Role.OBSERVER
        ],
    }


def in_film(report: Row, parts: Sequence[Mapping[str, int | str]], page: str) -> Row:
    """The same report with ``film_us``, where the composed film shows it, and ``url``, which opens ``page`` there (W3C
    Media Fragments, ``#t=`` seconds); both ``None`` where the recording rested. ``parts``: ``court_at``, ``at_us``,
    ``length_us``, in order.
    """

    def placed(row: Row, at: int) -> Row:
        film = None if row["recording_us"] is None else _film(parts, at)
        return {**row, "film_us": film, "url": None if film is None else f"{page}#t={film // 1_000_000}"}

    def missed(row: Row) -> Row:
        speakers = [placed(one, one["from"]) for one in row["speakers"]]
        return {**placed(row, row["from"]), "speakers": speakers}

    parties = [{**party, "missed": [missed(row) for row in party["missed"]]} for party in report["parties"]]
    return {**report, "parties": parties}


def _film(parts: Sequence[Mapping[str, int | str]], at: int) -> int | None:
    """µs of the film; the same rule as the player's own (web/static/js/archive-page.js)."""
    found = None
    for part in parts:
        if int(part["court_at"]) <= at:
            found = part
    if found is None:
        return None
    return int(found["at_us"]) + min(at - int(found["court_at"]), max(0, int(found["length_us"]) - 1))


def _open_phases(entries: Sequence[Entry], end: int) -> list[Span]:
    """The stretches in which the court sat and everybody had to be there."""
    changes = [(one.at, str(one.body["phase"])) for one in entries if one.type == "phase_changed"]
    found: list[Span] = []
    for (at, phase), (until, _) in zip(changes, [*changes[1:], (end, "")], strict=False):
        if phase in {one.value for one in HEARD_IN} and at < until:
            found.append(Span(at, until, phase))
    return found


def _speech(entries: Sequence[Entry]) -> list[Span]:
    return [
        Span(int(row["from"]), int(row["to"]), str(row["seat"]))
        for one in entries
        if one.type == "speech_noted"
        for row in one.body["spans"]
    ]


def _recorded(entries: Sequence[Entry]) -> tuple[int, int]:
    started = next((one.at for one in entries if one.type == "recording_started"), 0)
    ended = next((one.at for one in reversed(entries) if one.type == "recording_ended"), 0)
    return started, ended


def _spoke(spoken: Sequence[Span], seat: str) -> int:
    return sum(one.us for one in spoken if one.what == seat)


@dataclass(frozen=True, slots=True)
class _Tape:
    """Where the recording began, and where it rested or failed."""

    started: int
    rests: tuple[tuple[int, int], ...]

    def offset(self, at: int) -> int | None:
        if not 0 < self.started <= at or any(since <= at < until for since, until in self.rests):
            return None
        return at - self.started


def _party(seat: Seat, sat: Sequence[Span], spoken: Sequence[Span], tape: _Tape, end: int) -> Row:
    missed = [
        _missed(spell, Span(max(spell.since, phase.since), min(spell.until or end, phase.until), phase.what), spoken,
                seat.id, tape)
        for spell in seat.timeline
        if spell.state in MISSING
        for phase in sat
        if max(spell.since, phase.since) < min(spell.until or end, phase.until)
    ]  # fmt: skip
    by_cause: dict[str, int] = {}
    for one in missed:
        key = one["cause"] or one["state"]
        by_cause[key] = by_cause.get(key, 0) + one["us"]
    return {
        "seat": seat.id,
        "role": seat.role.value,
        "side": seat.plan.side.value,
        "linked_to": seat.plan.linked_to,
        "offline": seat.offline,
        "missed_us": sum(one["us"] for one in missed),
        "missed_ours_us": sum(one["us"] for one in missed if one["ours"]),
        "missed_by_cause": by_cause,
        "missed": missed[:MAX_MISSED],
        "more": max(0, len(missed) - MAX_MISSED),
        "spoke_us": _spoke(spoken, seat.id),
        "prompts": len(seat.prompts),
        "warnings": len(seat.warnings),
    }


def _missed(spell: Spell, span: Span, spoken: Sequence[Span], own: str, tape: _Tape) -> Row:
    heard: dict[str, list[int]] = {}
    for one in spoken:
        since, until = max(one.since, span.since), min(one.until, span.until)
        if since < until and one.what != own:
            known = heard.setdefault(one.what, [0, since])
            known[0] += until - since
    most = sorted(heard.items(), key=lambda item: -item[1][0])[:MAX_SPEAKERS]
    return {
        "from": span.since,
        "to": span.until,
        "us": span.us,
        "phase": span.what,
        "state": spell.state.value,
        "cause": spell.cause.value if spell.cause is not None else None,
        "ours": spell.cause is Cause.PLATFORM_FAILURE,
        "seq": spell.seq,
        "recording_us": tape.offset(span.since),
        "speakers": [
            {"seat": who, "us": us, "from": first, "recording_us": tape.offset(first)} for who, (us, first) in most
        ],
    }
