"""Drafts the written explanation of a defective recording (技术说明) out of the record itself; the judge signs it.

Rules (RecP art. 4, COURT.md 7)
* Facts only: which stretches are missing and for how long, what the recorder reported and when, which take is kept.
  Nobody is blamed and nothing is concluded; what the judge has to add is the judge's own remark.
* A draft is canonical JSON (integers, strings), so its digest is what is signed in whatever language it is read; the
  sentences come from the catalogue (``explanation.<what>``).
* A draft depends on the seal and on the ledger up to the seal: it does not change afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from courtroom.hearing.ledger import Entry
from courtroom.hearing.signing import digest_of, is_fault

MAX_LINES: Final = 500

REASONS: Final = frozenset({"writer", "worker", "no_media", "fault"})
"""Reasons of a missing stretch that have a sentence of their own; any other is called by its code."""


def draft(hearing_id: str, seal: Mapping[str, Any], entries: Iterable[Entry]) -> dict[str, Any]:
    """The explanation of everything that is defective; ``missing`` and ``reports`` are empty when nothing is."""
    missing: list[dict[str, Any]] = [
        {
            "from_at": int(gap["from_at"]),
            "to_at": int(gap["to_at"]),
            "length_us": int(gap["to_at"]) - int(gap["from_at"]),
            "reason": str(gap["reason"]),
        }
        for gap in seal.get("gaps", [])
        if is_fault(gap)
    ]
    take, reports = "", []
    for entry in entries:
        if entry.type == "recording_started":
            take = take or str(entry.body.get("take", ""))
        elif entry.type == "archive_noted" and entry.body.get("what") == "sealed":
            break
        elif entry.type == "capture_noted" and entry.body.get("what") in ("defect", "gap"):
            reports.append(_report(entry))
    return {
        "hearing": hearing_id,
        "take": take,
        "root_sha256": str(seal.get("root_sha256", "")),
        "started_at": int(seal.get("started_at", 0)),
        "ended_at": int(seal.get("ended_at", 0)),
        "missing": missing[:MAX_LINES],
        "missing_count": len(missing),
        "missing_us": sum(int(gap["length_us"]) for gap in missing),
        "reports": reports[:MAX_LINES],
        "reports_count": len(reports),
    }


def _report(entry: Entry) -> dict[str, Any]:
    """One line of what the recorder said, with the ledger entry that says it."""
    detail = entry.body.get("detail")
    known: Mapping[str, Any] = detail if isinstance(detail, Mapping) else {}
    code = known.get("code", known.get("reason", ""))
    return {"seq": entry.seq, "at": entry.at, "what": str(entry.body.get("what")), "code": str(code)}


def digest(made: Mapping[str, Any]) -> str:
    """SHA-256 of the draft's canonical JSON: what the presiding judge signs under."""
    return digest_of(made)
