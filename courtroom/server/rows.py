"""What the docket and archive pages show of a courtroom, as plain values for the templates. No behaviour, no
wording but alerts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from courtroom.catalogue import Language, text
from courtroom.control.api import Courtroom
from courtroom.hearing import roles
from courtroom.hearing.ledger import SignedHead
from courtroom.hearing.model import Hearing, Phase, Presence, Role
from courtroom.server.auth import STAFF

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


def archive_row(courtroom: Courtroom) -> dict[str, Any]:
    hearing, archive = courtroom.hearing, courtroom.archive
    return {
        "id": hearing.id,
        "case": asdict(hearing.case),
        "opened_at": hearing.opened_at,
        "closed_at": hearing.closed_at,
        "duration_us": _duration(courtroom),
        "gaps": len(_gaps(courtroom)),
        "state": archive.state,
        "defects": sum(one.reason == "fault" for one in hearing.interruptions),
    }


def archive_page(courtroom: Courtroom, reader: str, head: SignedHead) -> dict[str, Any]:
    """The context of ``archive_hearing.html``; a seat's links carry the seat."""
    hearing, archive = courtroom.hearing, courtroom.archive
    query = "" if reader == STAFF else f"?seat={reader}"
    base = f"/api/v1/hearings/{hearing.id}/archive"
    video = f"{base}/video{query}" if archive.state == "sealed" else ""
    gaps, duration = _gaps(courtroom), _duration(courtroom)
    return {
        "case": asdict(hearing.case),
        "opened_at": hearing.opened_at,
        "closed_at": hearing.closed_at,
        "archive": {
            "state": archive.state,
            "progress": archive.progress,
            "eta_s": archive.eta_s,
            "duration_us": duration,
            "video_url": video,
            "seal": _shown_seal(archive.seal),
            "gaps": gaps,
        },
        "head": asdict(head),
        "page": {
            "hearing": hearing.id,
            "seat": "" if reader == STAFF else reader,
            "state": archive.state,
            "opened_at": hearing.opened_at,
            "duration_us": duration,
            "phases": phases(courtroom),
            "gaps": gaps,
            "video_url": video,
            "verify_url": f"{base}/verify{query}",
            "status_url": f"{base}{query}",
        },
    }


def _shown_seal(seal: Mapping[str, Any]) -> dict[str, Any]:
    """The integrity values under the names the page shows them by; what is missing is not shown."""
    names = {"sha256": "root_sha256", "sm3": "root_sm3", "key": "signature_key"}
    return {**seal, **{shown: seal[name] for shown, name in names.items() if name in seal}}


def phases(courtroom: Courtroom) -> list[dict[str, Any]]:
    """``[{"phase", "from_at", "to_at"}]`` within the recording, from the moments the seal lists."""
    seal, hearing = courtroom.archive.seal, courtroom.hearing
    begin, end = int(seal.get("started_at", hearing.opened_at)), int(seal.get("ended_at", _end(hearing)))
    listed = [(int(one["at"]), str(one["phase"])) for one in seal.get("phases", [])]
    until = [at for at, _ in listed[1:]] + [end]
    spans = [(phase, max(at, begin), min(to, end)) for (at, phase), to in zip(listed, until, strict=False)]
    return [{"phase": phase, "from_at": at, "to_at": to} for phase, at, to in spans if at < to]


def _gaps(courtroom: Courtroom) -> list[dict[str, Any]]:
    """Of the seal once there is one; of the ledger until then."""
    if "gaps" in courtroom.archive.seal:
        return list(courtroom.archive.seal["gaps"])
    hearing = courtroom.hearing
    return [
        {"from_at": one.since, "to_at": one.until or _end(hearing), "reason": one.reason}
        for one in hearing.interruptions
    ]


def _duration(courtroom: Courtroom) -> int:
    if "duration_us" in courtroom.archive.seal:
        return int(courtroom.archive.seal["duration_us"])
    hearing = courtroom.hearing
    return max(0, _end(hearing) - hearing.opened_at) if hearing.opened_at else 0


def _end(hearing: Hearing) -> int:
    return hearing.closed_at or hearing.at
