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

Staff who speak with the seat in its own waiting or witness room are counted apart (``from_staff``). How packets are
counted: ``courtroom.hearing.isolation``.
What the journal cannot show is said: ``unjournalled`` stretches, and transports that no line names (``unknown``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np

from courtroom.hearing.isolation import FOREVER, LEAVING_US, Isolated, Spans, Stay, isolated_seats, staff_of, tally
from courtroom.hearing.ledger import canonical
from courtroom.sfu.capture import Note
from recorder.columns import Ints

__all__ = ["Isolated", "certificates", "isolated_seats", "journal_of", "staff_of"]

KIND: Final = "edges"
QUIET_US: Final = 90_000_000  # a line stands at least once a minute
MAX_EDGES: Final = 1_000_000
_FIRST: Final = "0" * 64


# --- the journal --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Journal:
    """Newest word on each transport and edge. ``runs``: how often control began anew; ``broken``: lines missing by
    number or not chained to the one before."""

    lines: int = 0
    runs: int = 0
    broken: int = 0
    last: str = _FIRST
    times: list[int] = field(default_factory=list)
    stays: dict[str, Stay] = field(default_factory=dict)
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
                journal.stays[transport] = Stay(seat, room, up_at, down_at)
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
    made = tally(who, journal.stays, journal.edges, staff)
    captured = _outside(recorded.get(who.seat, np.zeros(0, np.int64)), who.left)
    return {
        "seat": who.seat,
        "role": who.role,
        "inside": [[begin, end if end < FOREVER else 0] for begin, end in who.inside],
        "packets_in_testimony": made.inside,
        "packets_outside": made.outside,
        "packets_from_staff": made.from_staff,
        "sources_outside": dict(sorted(made.sources.items())),
        "transports_outside": made.transports,
        "recorded_outside": captured,
        "holds": not (made.outside or made.transports or captured) and journal.lines > 0 and not _unknown(journal),
    }


def _unknown(journal: Journal) -> bool:
    return any(to not in journal.stays for to, _, _ in journal.edges)


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
