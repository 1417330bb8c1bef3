"""The isolation certificate 证人隔离证明: what reached an isolated seat outside its testimony; pure.

What is compared (COURT.md 5, OLR art. 26)
* The *ledger* says which seats must be isolated and when each stood in the courtroom: ``inside``.
* The *media journal* is EVENT records of the capture (``kind`` edges), made of what the media workers counted: every
  edge with packets in total, first and last one; every transport with its seat, its room, and when it was up. Its lines
  are numbered and chained (SHA-256), counters are totals: a line that is lost costs nothing that a later one repeats.
* The *capture* says when packets of a seat were recorded.

A certificate holds when outside ``inside`` nothing was forwarded to the seat out of a room that was not its own, no
transport of the courtroom was up, and nothing of it was recorded. ``LEAVING_US`` after the moment of the order counts
as leaving: the order is dated before it is carried out, and the acknowledgement comes after.

Staff who speak with the seat in its own waiting or witness room are counted apart (``from_staff``).
What the journal cannot show is said: ``unjournalled`` stretches, and transports that no line names (``unknown``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np

from courtroom.hearing import phases, rooms
from courtroom.hearing.ledger import Entry, apply, canonical
from courtroom.hearing.model import Hearing
from courtroom.hearing.roles import STAFF
from courtroom.sfu.capture import Note
from recorder.index import Ints

KIND: Final = "edges"
LEAVING_US: Final = 1_000_000
QUIET_US: Final = 90_000_000  # a line stands at least once a minute
SHARED: Final = frozenset({"courtroom", "deliberation"})
MAX_EDGES: Final = 1_000_000
_FIRST: Final = "0" * 64
_FOREVER: Final = 1 << 53

Spans = list[tuple[int, int]]


# --- the journal --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Stay:
    seat: str
    room: str
    up_at: int = 0
    down_at: int = 0


@dataclass(slots=True)
class Journal:
    """Newest word on each transport and edge. ``runs``: how often control began anew; ``broken``: lines missing by
    number or not chained to the one before."""

    lines: int = 0
    runs: int = 0
    broken: int = 0
    last: str = _FIRST
    times: list[int] = field(default_factory=list)
    stays: dict[str, _Stay] = field(default_factory=dict)
    edges: dict[tuple[str, str, str], tuple[int, int, int]] = field(default_factory=dict)


def journal_of(notes: Sequence[Note]) -> Journal:
    """Reads the journal's lines among the notes of a capture, in the order of the file; what is no line is ignored."""
    journal = Journal()
    expected = 1
    for note in notes:
        if note.body.get("kind") != KIND:
            continue
        try:
            digest = hashlib.sha256(canonical(note.body)).hexdigest()
        except TypeError:
            journal.broken += 1
            continue
        if note.body.get("n") == 1 and note.body.get("prev") == _FIRST:
            journal.runs += 1
        elif note.body.get("n") != expected or note.body.get("prev") != journal.last:
            journal.broken += 1
        number = note.body.get("n")
        expected = number + 1 if isinstance(number, int) else expected + 1
        journal.last = digest
        journal.lines += 1
        journal.times.append(note.at)
        _take_in(journal, note.body)
    return journal


def _take_in(journal: Journal, body: Mapping[str, object]) -> None:
    stays, edges = body.get("stays"), body.get("edges")
    for item in stays if isinstance(stays, list) else []:
        match item:
            case [str(transport), str(seat), str(room), int(up_at), int(down_at)]:
                journal.stays[transport] = _Stay(seat, room, up_at, down_at)
            case _:
                journal.broken += 1
    for item in edges if isinstance(edges, list) else []:
        match item:
            case [str(to), str(source), str(kind), int(packets), int(first), int(last)] if (
                len(journal.edges) < MAX_EDGES
            ):
                key = (to, source, kind)
                journal.edges[key] = max(journal.edges.get(key, (0, 0, 0)), (packets, first, last))
            case _:
                journal.broken += 1


# --- the ledger ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Isolated:
    """A seat that had to be isolated, ``owner`` its principal, and when it stood in the courtroom by the ledger."""

    seat: str
    owner: str
    role: str
    inside: tuple[tuple[int, int], ...]


def isolated_seats(entries: Sequence[Entry]) -> list[Isolated]:
    hearing: Hearing | None = None
    begun: dict[str, int] = {}
    inside: dict[str, list[tuple[int, int]]] = {}
    for entry in entries:
        hearing = apply(hearing, entry)
        for seat in hearing.seats.values():
            here = rooms.in_courtroom(seat) and hearing.phase not in phases.OVER
            if here and seat.id not in begun:
                begun[seat.id] = entry.at
            elif not here and seat.id in begun:
                inside.setdefault(seat.id, []).append((begun.pop(seat.id), entry.at))
    if hearing is None:
        return []
    for name, at in begun.items():
        inside.setdefault(name, []).append((at, _FOREVER))
    return [
        Isolated(seat.id, lead.id, seat.role.value, tuple(inside.get(seat.id, ())))
        for seat in hearing.seats.values()
        if (lead := rooms.principal(hearing, seat)) is not None
    ]


def staff_of(entries: Sequence[Entry]) -> frozenset[str]:
    """Seats of the bench and the clerk."""
    first = entries[0].body.get("seats", []) if entries else []
    staff = {role.value for role in STAFF}
    return frozenset(str(seat["id"]) for seat in first if seat.get("role") in staff)


# --- the certificates ---------------------------------------------------------------------------------------------


def certificates(
    seats: Sequence[Isolated],
    staff: frozenset[str],
    notes: Sequence[Note],
    recorded: Mapping[str, Ints],
    span: tuple[int, int],
) -> dict[str, Any]:
    """``isolation.json``: canonical JSON values. ``recorded``: arrivals of each label's packets; ``span``: of the
    recording."""
    journal = journal_of(notes)
    return {
        "version": 1,
        "leaving_us": LEAVING_US,
        "journal": {
            "lines": journal.lines,
            "runs": journal.runs,
            "broken": journal.broken,
            "last": journal.last,
            "unjournalled": [list(one) for one in _silences(journal.times, span)],
            "unknown": sum(edge[0] not in journal.stays for edge in journal.edges),
        },
        "certificates": [_certificate(one, journal, staff, recorded) for one in seats],
    }


def _certificate(
    who: Isolated, journal: Journal, staff: frozenset[str], recorded: Mapping[str, Ints]
) -> dict[str, Any]:
    inside = [(begin, min(end + LEAVING_US, _FOREVER)) for begin, end in who.inside]
    testified = outside = from_staff = 0
    sources: dict[str, int] = {}
    for (to, source, _), (packets, first, last) in sorted(journal.edges.items()):
        stay, other = journal.stays.get(to), journal.stays.get(source)
        if stay is None or stay.seat != who.seat:
            continue
        name = other.seat if other is not None else ""
        if _within(first, last, inside) and stay.room in SHARED:
            testified += packets
        elif stay.room not in SHARED and stay.room.endswith(f"/{who.owner}") and name in staff:
            from_staff += packets
        else:
            outside += packets
            sources[name] = sources.get(name, 0) + packets
    up = sum(
        1
        for stay in journal.stays.values()
        if stay.seat == who.seat and stay.room in SHARED and stay.up_at and not _within(
            stay.up_at, stay.down_at or stay.up_at, inside
        )
    )  # fmt: skip
    captured = _outside(recorded.get(who.seat, np.zeros(0, np.int64)), inside)
    return {
        "seat": who.seat,
        "role": who.role,
        "inside": [[begin, end if end < _FOREVER else 0] for begin, end in who.inside],
        "packets_in_testimony": testified,
        "packets_outside": outside,
        "packets_from_staff": from_staff,
        "sources_outside": dict(sorted(sources.items())),
        "transports_outside": up,
        "recorded_outside": captured,
        "holds": not (outside or up or captured) and journal.lines > 0 and not _unknown(journal),
    }


def _unknown(journal: Journal) -> bool:
    return any(to not in journal.stays for to, _, _ in journal.edges)


def _within(first: int, last: int, spans: Spans) -> bool:
    return any(begin <= first and last <= end for begin, end in spans)


def _outside(at: Ints, spans: Spans) -> int:
    left = np.ones(len(at), dtype=bool)
    for begin, end in spans:
        left &= (at < begin) | (at > end)
    return int(left.sum())


def _silences(times: Sequence[int], span: tuple[int, int]) -> Spans:
    """Stretches of the recording without a line of the journal."""
    begin, end = span
    edges = [begin, *sorted(at for at in times if begin <= at <= end), end]
    return [(low, high) for low, high in pairwise(edges) if high - low > QUIET_US]
