"""Who was heard speaking in the courtroom, noted in the ledger about once a minute (COURT.md 6, fairness).

Rules: only while the recording runs, only the courtroom; a breath between two words does not end a span, a cough makes
none. Bounded: a note is made early when ``MAX_SPANS`` are together, and holds no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from courtroom.hearing.commands import ObserveSpeech

EVERY_US: Final = 60_000_000
JOIN_US: Final = 800_000
LEAST_US: Final = 300_000
MAX_SPANS: Final = 200

Span = dict[str, str | int]


class Speech:
    """Fed with who is speaking at each change; ``note`` gives what is to be written down, ``None`` for nothing."""

    def __init__(self) -> None:
        self._since = 0
        self._speaking: dict[str, int] = {}
        self._spans: dict[str, list[tuple[int, int]]] = {}

    def changed(self, seats: Iterable[str], at: int) -> None:
        now = set(seats)
        self._since = self._since or at
        for seat in [seat for seat in self._speaking if seat not in now]:
            self._add(seat, self._speaking.pop(seat), at)
        for seat in now - self._speaking.keys():
            self._speaking[seat] = at

    def due(self, at: int) -> bool:
        full = sum(len(spans) for spans in self._spans.values()) >= MAX_SPANS
        return self._since > 0 and (full or at - self._since >= EVERY_US)

    def note(self, at: int) -> ObserveSpeech | None:
        """Everything since the last note; whoever still speaks goes on in the next one."""
        since, self._since = self._since, at
        for seat, begun in self._speaking.items():
            self._add(seat, begun, at)
            self._speaking[seat] = at
        rows: list[Span] = [
            {"seat": seat, "from": begun, "to": ended}
            for seat, spans in self._spans.items()
            for begun, ended in spans
            if ended - begun >= LEAST_US
        ]
        self._spans = {}
        if not self._speaking:
            self._since = 0
        if not rows or not 0 < since < at:
            return None
        rows.sort(key=lambda row: (int(row["from"]), str(row["seat"])))
        return ObserveSpeech(since=since, until=at, spans=tuple(rows[:MAX_SPANS]))

    def _add(self, seat: str, begun: int, ended: int) -> None:
        if ended <= begun:
            return
        spans = self._spans.setdefault(seat, [])
        if spans and begun - spans[-1][1] <= JOIN_US:
            spans[-1] = (spans[-1][0], ended)
        else:
            spans.append((begun, ended))
