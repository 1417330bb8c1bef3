"""What the ledger and the media together say about a recording: its span, its gaps, its parts; pure.

Rules
* The programme begins at ``recording_started`` and ends at ``recording_ended`` (at the last record when the end is
  missing).
* A lawful interruption (recess, not_public, mediation; RecP 4) is what the ledger says it is; the media must be
  silent in it.
* A gap is a stretch of more than ``SILENT_US`` without any packet outside a lawful interruption. Its reason is read
  from the media: nothing written at all → ``writer``; a worker that was lost → ``worker``; otherwise ``no_media``.
  All of them are the platform's until somebody shows otherwise; none is charged to a person. Around the moments at
  which media is known to be missing (``_TOLD``: a worker was lost, the writer came back, a worker could not keep what
  the writer did not take; and where a worker's media ends and another's follows, which nobody is there to note when
  the writer died with it) the silence counts from ``LOST_US`` on, however soon things went on.
* In the programme a lawful interruption longer than ``PLATE_US`` becomes a plate of 3 s and the clock jumps; a gap
  keeps its real length. Both stand in the recording log 录制情况记录 with who, why and how long.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from courtroom.errors import BadMessage
from courtroom.hearing.events import (
    InterruptionConfirmed,
    PhaseChanged,
    RecordingEnded,
    RecordingInterrupted,
    RecordingResumed,
    RecordingStarted,
    SeatMoved,
)
from courtroom.hearing.ledger import Entry, apply, event_of
from courtroom.hearing.model import Hearing
from courtroom.sfu.capture import Note
from recorder.columns import Ints
from recorder.index import MAX_AT
from recorder.runs import Capture

SILENT_US: Final = 2_000_000
LOST_US: Final = 200_000
GRACE_US: Final = 1_000_000  # packets on their way when an interruption begins
PLATE_US: Final = 5_000_000
PLATE_LENGTH_US: Final = 3_000_000
FRAME_US: Final = 40_000


@dataclass(frozen=True, slots=True)
class Gap:
    """``[start, end)`` without recording. ``kind``: lawful | fault; ``by``: seat id or ``system``; ``seq``: ledger
    entry or 0; ``proposed_by``: the other one of the two people, where it took two.

    ``silent_from``/``silent_to``: the stretch without packets as the media shows it (0 when there was none).
    """

    start: int
    end: int
    kind: Literal["lawful", "fault"]
    reason: str
    by: str
    seq: int = 0
    silent_from: int = 0
    silent_to: int = 0
    proposed_by: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the programme: ``frames`` pictures of 40 ms that show ``[court, court + frames · 40 ms)``."""

    kind: Literal["live", "plate"]
    court: int
    frames: int
    first: int  # number of its first frame in the programme
    gap: Gap | None = None  # of a plate


@dataclass(frozen=True, slots=True)
class Recording:
    """Everything the composer and the seal have to know about time."""

    hearing: str
    take: str
    start: int
    end: int
    started_by: str
    ended_by: str
    gaps: tuple[Gap, ...]
    parts: tuple[Part, ...]

    @property
    def frames(self) -> int:
        return self.parts[-1].first + self.parts[-1].frames if self.parts else 0

    def part_of(self, frame: int) -> Part:
        firsts = [part.first for part in self.parts]
        return self.parts[bisect_right(firsts, frame) - 1]

    def court_of(self, frame: int) -> int:
        part = self.part_of(frame)
        return part.court + (frame - part.first) * FRAME_US

    def fault_at(self, at: int) -> Gap | None:
        return next((gap for gap in self.gaps if gap.kind == "fault" and gap.start <= at < gap.end), None)


@dataclass(frozen=True, slots=True)
class _Span:
    take: str
    start: int
    end: int
    started_by: str
    ended_by: str
    lawful: tuple[Gap, ...]


def recording_of(entries: Sequence[Entry], capture: Capture) -> Recording:
    """``BadMessage("no_recording")`` when the ledger never started one."""
    span = _span(entries, capture.last_at)
    gaps = sorted([*_measured(span.lawful, span, capture.packets), *faults(span, capture)], key=lambda gap: gap.start)
    return Recording(
        entries[0].hearing, span.take, span.start, span.end, span.started_by, span.ended_by, tuple(gaps),
        _parts(span.start, span.end, span.lawful),
    )  # fmt: skip


def _span(entries: Sequence[Entry], last_at: int) -> _Span:
    take, start, end, by, ended_by = "", 0, 0, "", "system"
    lawful: list[Gap] = []
    open_gap: Gap | None = None
    proposer = ""
    for entry in entries:
        match event_of(entry):
            case InterruptionConfirmed(proposer=proposer):
                continue  # ``RecordingInterrupted`` is the next entry
            case RecordingStarted(take=name) if not take:
                take, start, by = name, entry.at, entry.actor
            case RecordingInterrupted(reason=reason) if take and not end:
                if open_gap is not None:  # a recess turns into a mediation: the first reason ends where the next begins
                    lawful.append(_closed(open_gap, entry.at))
                open_gap = Gap(entry.at, 0, "lawful", reason, entry.actor, entry.seq, proposed_by=proposer)
            case RecordingResumed() if open_gap is not None:
                lawful.append(_closed(open_gap, entry.at))
                open_gap = None
            case RecordingEnded() if take and not end:
                end, ended_by = entry.at, entry.actor
            case _:
                pass
        proposer = ""
    if not take:
        raise BadMessage("no_recording")
    end = end or max(last_at, start + FRAME_US)
    if open_gap is not None and open_gap.start < end:
        lawful.append(_closed(open_gap, end))
    return _Span(take, start, end, by, ended_by, tuple(gap for gap in lawful if gap.end > gap.start))


def _closed(gap: Gap, end: int) -> Gap:
    return replace(gap, end=end)


def _silences(span: _Span, packets: Ints) -> list[tuple[int, int]]:
    """Stretches of the span with no packet for longer than ``SILENT_US``."""
    inside = packets[(packets >= span.start) & (packets <= span.end)]
    edges = np.concatenate(([span.start], inside, [span.end]))
    where = np.flatnonzero(np.diff(edges) > SILENT_US)
    return [(int(edges[line]), int(edges[line + 1])) for line in where]


def _measured(lawful: Sequence[Gap], span: _Span, packets: Ints) -> list[Gap]:
    """The lawful interruptions with the silence the media shows for each."""
    out = []
    for gap in lawful:
        best = (0, 0)
        for low, high in _silences(span, packets):
            if low < gap.end and high > gap.start and high - low > best[1] - best[0]:
                best = (low, high)
        out.append(replace(gap, silent_from=best[0], silent_to=best[1]))
    return out


_TOLD: Final = {"worker_lost": "worker", "writer_restarted": "writer", "capture_overflow": "writer"}


def _losses(span: _Span, capture: Capture) -> list[tuple[int, int, str]]:
    """Stretches without a packet around each moment at which media is known to be missing, too short for
    ``_silences``, and whose it was."""
    packets = capture.packets[(capture.packets >= span.start) & (capture.packets <= span.end)]
    moments = _ends(capture)
    for note in capture.notes:
        if (told := _TOLD.get(str(note.body.get("kind")))) is not None:
            moments += [(at, told) for at in _moments(note)]
    found: dict[tuple[int, int], str] = {}
    for at, reason in moments:
        where = int(np.searchsorted(packets, at, side="right"))
        low = int(packets[where - 1]) if where else span.start
        high = int(packets[where]) if where < len(packets) else span.end
        if span.start < at < span.end and LOST_US < high - low <= SILENT_US:
            found.setdefault((low, high), reason)
    return [(low, high, reason) for (low, high), reason in found.items()]


def _ends(capture: Capture) -> list[tuple[int, str]]:
    """Where the media of each worker ends but for the last one's."""
    ends: dict[str, int] = {}
    for run in capture.runs:
        ends[run.track.worker] = max(ends.get(run.track.worker, 0), int(run.at.max()))
    return [(at, "worker") for at in sorted(ends.values())[:-1]]


def _moments(note: Note) -> tuple[int, ...]:
    """Where a note says that something is missing: its own time, or the stretch that it names."""
    begin, end = note.body.get("from_at"), note.body.get("to_at")
    if isinstance(begin, int) and isinstance(end, int) and 0 < begin < end < MAX_AT:
        return (begin + end) // 2, begin, end
    return (note.at,)


def faults(span: _Span, capture: Capture) -> list[Gap]:
    """Silences that no lawful interruption covers."""
    found = [
        Gap(low, high, "fault", reason, "system", 0, low, high)
        for low, high, reason in _losses(span, capture)
        if not any(low < gap.end + GRACE_US and high > gap.start for gap in span.lawful)
    ]
    for low, high in _silences(span, capture.packets):
        pieces = [(low, high)]
        for gap in span.lawful:
            pieces = [piece for old in pieces for piece in _without(old, gap.start, gap.end + GRACE_US)]
        for begin, end in pieces:
            if end - begin > SILENT_US:
                found.append(Gap(begin, end, "fault", _reason(begin, end, capture), "system", 0, low, high))
    return found


def _without(piece: tuple[int, int], start: int, end: int) -> list[tuple[int, int]]:
    low, high = piece
    rest = [(low, min(high, start)), (max(low, end), high)]
    return [(begin, stop) for begin, stop in rest if stop > begin]


def _reason(begin: int, end: int, capture: Capture) -> str:
    beats = capture.beats[(capture.beats > begin) & (capture.beats < end)]
    edges = np.concatenate(([begin], beats, [end]))
    if int(np.diff(edges).max()) > SILENT_US:
        return "writer"
    lost = any(note.body.get("kind") == "worker_lost" and begin - SILENT_US <= note.at <= end for note in capture.notes)
    return "worker" if lost else "no_media"


def _parts(start: int, end: int, lawful: Sequence[Gap]) -> tuple[Part, ...]:
    parts: list[Part] = []
    at = start

    def add(kind: Literal["live", "plate"], court: int, length: int, gap: Gap | None = None) -> None:
        frames = -(-length // FRAME_US)
        if frames > 0:
            first = parts[-1].first + parts[-1].frames if parts else 0
            parts.append(Part(kind, court, frames, first, gap))

    for gap in lawful:
        add("live", at, gap.start - at)
        length = gap.end - gap.start
        add("plate", gap.start, PLATE_LENGTH_US if length > PLATE_US else length, gap)
        at = gap.end
    add("live", at, end - at)
    return tuple(parts)


def recording_log(recording: Recording) -> dict[str, Any]:
    """录制情况记录 (RecP 4, 5): canonical JSON values, integers in µs of the court clock."""
    return {
        "version": 1,
        "hearing": recording.hearing,
        "take": recording.take,
        "clock": "µs since 1970-01-01T00:00:00Z on the court clock; shown as Beijing time (UTC+8)",
        "started_at": recording.start,
        "started_by": recording.started_by,
        "ended_at": recording.end,
        "ended_by": recording.ended_by,
        "span_us": recording.end - recording.start,
        "programme_us": recording.frames * FRAME_US,
        "gaps": [
            {
                "from_at": gap.start,
                "to_at": gap.end,
                "length_us": gap.end - gap.start,
                "kind": gap.kind,
                "reason": gap.reason,
                "by": gap.by,
                "seq": gap.seq,
                "silent_from": gap.silent_from,
                "silent_to": gap.silent_to,
                **({"proposed_by": gap.proposed_by} if gap.proposed_by else {}),
            }
            for gap in recording.gaps
        ],
    }


def phases_of(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """When each phase began, for the archive's timeline."""
    return [
        {"at": entry.at, "phase": event.phase}
        for entry in entries
        if isinstance(event := event_of(entry), PhaseChanged)
    ]


class States:
    """The hearing at any moment, by replaying the ledger once."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._times: list[int] = []
        self._states: list[Hearing] = []
        self._called: dict[str, list[int]] = {}
        hearing: Hearing | None = None
        for entry in entries:
            hearing = apply(hearing, entry)
            match event_of(entry):
                case SeatMoved(seat=seat, why="called"):
                    self._called.setdefault(seat, []).append(entry.at)
                case _:
                    pass
            self._times.append(entry.at)
            self._states.append(hearing)

    def at(self, moment: int) -> Hearing:
        """The newest state that was true at ``moment`` (the first one before the ledger begins)."""
        return self._states[max(0, bisect_right(self._times, moment) - 1)]

    def called_at(self, seat: str, moment: int) -> int:
        """When the seat was last called into the courtroom (传唤), 0 when it was not."""
        times = self._called.get(seat, [])
        place = bisect_right(times, moment)
        return times[place - 1] if place else 0

    def index_at(self, moment: int) -> int:
        """A number that changes exactly when the state does."""
        return max(0, bisect_right(self._times, moment) - 1)
