"""The media journal of one hearing: what its workers counted on every edge, line by line into the capture.

Rules (COURT.md 5, ARCHITECTURE.md 4)
* Counters are the worker's own, totals since a transport was opened; here they only get the seats that the transports
  belong to. A line repeats what changed since the line before, so a lost line costs nothing once a later one stands.
* Lines are numbered and chained (SHA-256 over the canonical line before). They stand in the take as EVENT records of
  kind ``edges`` and are sealed with it. Before the take is open, and while the writer is away, they wait as totals.
* A line at once when a transport comes or goes, every ``EVERY_US`` while anything is forwarded, and every ``QUIET_US``
  otherwise: a journal that is silent for longer was interrupted.
* What is long over and written is forgotten: a transport that has been gone for ``KEPT_US``, and its edges. Until then
  it is repeated when the take is opened anew, since what was marked last may not have reached the disk.
* Times are the worker's, µs of the court clock. Bounds: ``MAX_STAYS``, ``MAX_EDGES``, ``LINE`` items in a line.

Line: ``{n, prev, at, stays: [[transport, seat, room, up_at, down_at]], edges: [[to, from, kind, packets, first_at,
last_at]]}``; ``up_at``/``down_at`` 0 while that has not happened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from sys import intern
from typing import Any, Final

from courtroom.channel.messages import EdgeCounter, TransportChanged
from courtroom.hearing.ledger import canonical

KIND: Final = "edges"
EVERY_US: Final = 10_000_000
QUIET_US: Final = 60_000_000
LINE: Final = 250
KEPT_US: Final = 600_000_000
MAX_STAYS: Final = 20_000
MAX_EDGES: Final = 200_000
_FIRST: Final = "0" * 64


@dataclass(slots=True)
class _Stay:
    seat: str
    room: str
    up_at: int = 0
    down_at: int = 0


class MediaJournal:
    """``mark`` writes a line (canonical JSON) into the open take and says whether there was one to write to."""

    def __init__(self, mark: Callable[[str, str], bool]) -> None:
        self._mark = mark
        self._stays: dict[str, _Stay] = {}
        self._edges: dict[tuple[str, str, str], tuple[int, int, int]] = {}
        self._new_stays: dict[str, None] = {}
        self._new_edges: dict[tuple[str, str, str], None] = {}
        self._written_at = self._heard_at = 0
        self._number = 1
        self._last = _FIRST

    def belongs(self, transport: str, seat: str, room: str) -> None:
        """A transport was made for a seat in a room (as ``hearing.access`` names it)."""
        self._stays[transport] = _Stay(seat, room)
        self._new_stays[transport] = None
        while len(self._stays) > MAX_STAYS:
            self._forget({next(iter(self._stays))})

    def changed(self, change: TransportChanged) -> None:
        stay = self._stays.get(change.transport)
        if stay is None or change.state not in ("connected", "closed"):
            return
        if change.state == "connected":
            stay.up_at = stay.up_at or change.at
        else:
            stay.down_at = change.at
        self._new_stays[change.transport] = None

    def counted(self, at: int, edges: Iterable[EdgeCounter]) -> None:
        """A second of a worker; edges of other hearings on it are passed over."""
        for edge in edges:
            if edge.receiver in self._stays and len(self._edges) < MAX_EDGES:
                key = (intern(edge.receiver), intern(edge.source), intern(edge.kind))
                self._edges[key] = (edge.packets, edge.first_at, edge.last_at)
                self._new_edges[key] = None
        self._heard_at = at
        since = at - self._written_at
        if self._new_stays or since >= QUIET_US or (self._new_edges and since >= EVERY_US):
            self.flush(at)

    def worker_lost(self) -> None:
        """Whatever was up went down with it, after its last word; what it did since is not counted."""
        for name, stay in self._stays.items():
            if not stay.down_at and self._heard_at:
                stay.down_at = self._heard_at
                self._new_stays[name] = None

    def again(self) -> None:
        """The take was opened anew: what was marked last may not have been written."""
        self._new_stays = dict.fromkeys(self._stays)
        self._new_edges = dict.fromkeys(self._edges)

    def flush(self, at: int) -> None:
        """Everything that changed, in as many lines as it takes; at least one once there was a transport."""
        while self._stays:
            stays = list(islice(self._new_stays, LINE))
            edges = list(islice(self._new_edges, LINE))
            if not self._write(at, stays, edges):
                return
            for name in stays:
                del self._new_stays[name]
            for key in edges:
                del self._new_edges[key]
            if not self._new_stays and not self._new_edges:
                self._forget_over(at)
                return

    def _write(self, at: int, stays: list[str], edges: list[tuple[str, str, str]]) -> bool:
        named = [(name, self._stays[name]) for name in stays]
        body: dict[str, Any] = {
            "n": self._number,
            "prev": self._last,
            "at": at,
            "stays": [[name, stay.seat, stay.room, stay.up_at, stay.down_at] for name, stay in named],
            "edges": [[*key, *self._edges[key]] for key in edges],
        }
        if not self._mark(KIND, canonical(body).decode()):
            return False
        self._last = hashlib.sha256(canonical({**body, "kind": KIND})).hexdigest()
        self._number += 1
        self._written_at = at
        return True

    def _forget_over(self, at: int) -> None:
        over = {name for name, stay in self._stays.items() if 0 < stay.down_at <= at - KEPT_US}
        if over:
            self._forget(over)

    def _forget(self, transports: set[str]) -> None:
        for name in transports:
            del self._stays[name]
            self._new_stays.pop(name, None)
        for key in [key for key in self._edges if not transports.isdisjoint(key[:2])]:
            del self._edges[key]
            self._new_edges.pop(key, None)
