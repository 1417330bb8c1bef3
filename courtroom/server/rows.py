"""What the docket page shows of a courtroom, as plain values for the template. No behaviour, no wording but alerts.

The archive's pages are in ``archive_rows``.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import asdict
from itertools import count
from typing import Any, Final, Generic, TypeVar

from courtroom.catalogue import Language, text
from courtroom.control.api import Listed
from courtroom.hearing import roles
from courtroom.hearing.model import Hearing, Phase, Presence, Role

T = TypeVar("T")

_URGENT: Final = frozenset({"help", "urgent"})
_OVER: Final = frozenset({Phase.CLOSED, Phase.MOVED_OFFLINE})


class Newest(Generic[T]):
    """The ``most`` rows with the largest ``at``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[int, int, T]] = []
        self._count = count()

    def add(self, at: int, row: T) -> None:
        keep = heapq.heappush if len(self._heap) < self._most else heapq.heappushpop
        keep(self._heap, (at, -next(self._count), row))

    def listed(self) -> list[T]:
        """Newest first; as they came where they are as old."""
        return [row for _, _, row in sorted(self._heap, key=lambda one: one[:2], reverse=True)]


def docket_row(listed: Listed, names: Mapping[str, str], lang: Language) -> dict[str, Any]:
    hearing = listed.hearing
    required = [one for one in hearing.seats.values() if one.plan.required]
    return {
        "id": hearing.id,
        "case": asdict(hearing.case),
        "scheduled_at": hearing.scheduled_at,
        "phase": hearing.phase.value,
        "seats": len(hearing.seats),
        "parties": _named(hearing, names, roles.PARTIES, lang),
        "bench": _named(hearing, names, roles.BENCH, lang),
        "connected": sum(one.connected for one in required),
        "required": len(required),
        "alerts": _alerts(listed, lang),
        "archive": listed.archive.state,
    }


def _named(hearing: Hearing, names: Mapping[str, str], wanted: frozenset[Role], lang: Language) -> str:
    seats = [one for one in hearing.seats.values() if one.role in wanted]
    return text("file.comma", lang).join(name for one in seats if (name := names.get(one.id, "")))


def _alerts(listed: Listed, lang: Language) -> list[dict[str, str]]:
    hearing, found = listed.hearing, []
    if hearing.phase not in _OVER:
        lost = [
            one for one in hearing.seats.values() if one.timeline and one.timeline[-1].state is Presence.INTERRUPTED
        ]
        asking = [one for one in hearing.requests if one.granted is None and one.kind in _URGENT]
        if asking:
            found.append({"level": "bad", "text": text("docket.alert.help", lang, n=len(asking))})
        if lost:
            found.append({"level": "warn", "text": text("docket.alert.interrupted", lang, n=len(lost))})
        if hearing.phase is Phase.TECHNICAL_HOLD:
            found.append({"level": "warn", "text": text("docket.alert.hold", lang)})
    if listed.archive.state == "failed":
        found.append({"level": "bad", "text": text("docket.alert.archive_failed", lang)})
    if listed.archive.state == "sealed":
        found.append({"level": "good", "text": text("docket.alert.sealed", lang)})
    return found
