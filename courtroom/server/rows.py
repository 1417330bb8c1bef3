"""What the docket page shows of a courtroom, as plain values for the template. No behaviour, no wording but alerts.

The archive's pages are in ``archive_rows``.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from courtroom.catalogue import Language, text
from courtroom.control.api import Courtroom
from courtroom.hearing import roles
from courtroom.hearing.model import Phase, Presence, Role

_URGENT: Final = frozenset({"help", "urgent"})
_OVER: Final = frozenset({Phase.CLOSED, Phase.MOVED_OFFLINE})


def docket_row(courtroom: Courtroom, lang: Language) -> dict[str, Any]:
    hearing = courtroom.hearing
    required = [one for one in hearing.seats.values() if one.plan.required]
    return {
        "id": hearing.id,
        "case": asdict(hearing.case),
        "scheduled_at": hearing.scheduled_at,
        "phase": hearing.phase.value,
        "seats": len(hearing.seats),
        "parties": _named(courtroom, roles.PARTIES),
        "bench": _named(courtroom, roles.BENCH),
        "connected": sum(one.connected for one in required),
        "required": len(required),
        "alerts": _alerts(courtroom, lang),
        "archive": courtroom.archive.state,
    }


def _named(courtroom: Courtroom, wanted: frozenset[Role]) -> str:
    seats = [one for one in courtroom.hearing.seats.values() if one.role in wanted]
    return "、".join(name for one in seats if (name := courtroom.names.get(one.id, "")))


def _alerts(courtroom: Courtroom, lang: Language) -> list[dict[str, str]]:
    hearing, found = courtroom.hearing, []
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
    if courtroom.archive.state == "failed":
        found.append({"level": "bad", "text": text("docket.alert.archive_failed", lang)})
    if courtroom.archive.state == "sealed":
        found.append({"level": "good", "text": text("docket.alert.sealed", lang)})
    return found
