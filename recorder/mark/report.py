"""What the detector says to a person, in Chinese or English: a copy and its seat, or that nothing was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from courtroom.catalogue import Language, text
from courtroom.errors import BadMessage
from recorder.ledgerfile import read_ledger
from recorder.mark.codes import copy_id
from recorder.mark.detect import MAX_COPIES, Report

BEIJING = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Issued:
    """One line of the ledger: for whom a copy was made; ``at`` in µs."""

    copy: str
    recipient: str
    purpose: str
    by: str
    at: int


def issued_in(ledger: Path) -> dict[str, Issued]:
    """Every copy that a ledger (JSON lines) knows of, by id."""
    found: dict[str, Issued] = {}
    for entry in read_ledger(ledger):
        if entry.type != "archive_noted" or entry.body.get("what") != "copy_issued":
            continue
        detail = entry.body.get("detail")
        if not isinstance(detail, dict) or len(found) >= MAX_COPIES:
            raise BadMessage("ledger_invalid")
        words = {name: str(detail.get(name, "")) for name in ("recipient", "purpose", "by")}
        copy = copy_id(str(detail.get("copy", "")))
        found[copy] = Issued(copy, at=entry.at, **words)
    return found


def as_dict(report: Report, issued: Mapping[str, Issued]) -> dict[str, object]:
    """The report as JSON, each match with its line of the ledger."""
    made = report.as_dict()
    for match in made["found"]:
        line = issued.get(match["copy"])
        if line is not None:
            match.update(recipient=line.recipient, purpose=line.purpose, by=line.by, issued_at=line.at)
    return made


def sentences(report: Report, issued: Mapping[str, Issued], lang: Language) -> list[str]:
    """The report in words, the verdict first. Under the threshold no copy and no seat is named."""
    if not report.registered:
        return [text("mark.not_registered", lang)]
    limit = f"{report.threshold:.1f}"
    said = []
    if len(report.found) > 1:
        said.append(text("mark.found_several", lang, count=len(report.found)))
    for match in report.found:
        line = issued.get(match.copy)
        when = "" if line is None else datetime.fromtimestamp(line.at // 1_000_000, UTC).astimezone(BEIJING)
        seat = text("mark.unknown_seat", lang) if line is None else line.recipient
        said.append(
            text(
                "mark.found", lang, copy=match.copy, seat=seat, issued=f"{when:%Y-%m-%d %H:%M}" if when else "",
                score=f"{match.score:.1f}", threshold=limit,
            )
        )  # fmt: skip
    if not said:
        said.append(text("mark.none", lang, best=f"{report.best:.1f}", threshold=limit))
    begin = timedelta(seconds=round(max(0.0, report.begin)))
    said.append(text("mark.where", lang, begin=str(begin), seconds=round(report.seconds), fit=f"{report.fit:.2f}"))
    return [*said, text("mark.rate", lang, copies=report.copies)]
