"""How long an archive is kept and who forbade its removal: read from the ledger, shown, never acted upon; pure.

Rules
* Nothing in this product removes an archive. A period that has run out changes nothing but a sentence.
* A *hold* (who, why, until when; until 0 = until it is lifted) is an ``archive_noted`` entry ``hold`` with an ``id``;
  it ends by an entry ``hold_lifted`` with the same ``id``, or by its own date.
* The *period* 保管期限 is set by an entry ``retention``; until then the archive counts as ``UNCLASSIFIED``. ``PERIODS``
  are data: 《关于人民法院诉讼档案保管期限的规定》 art. 3 (permanent, long: 60 years, short: 30 years).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from courtroom.hearing.ledger import Entry

SOURCE: Final = "《关于人民法院诉讼档案保管期限的规定》第三条"
PERIODS: Final[Mapping[str, int]] = {"permanent": 0, "long": 60, "short": 30}
"""Years by name, 0 = for ever."""
UNCLASSIFIED: Final = "permanent"
MAX_HOLDS: Final = 1000
YEAR_US: Final = 31_556_952 * 1_000_000  # mean Gregorian year


@dataclass(frozen=True, slots=True)
class Hold:
    """``lifted_at`` 0 while it lasts; ``seq`` of the entry that made it; who lifted it and why."""

    id: str
    by: str
    reason: str
    since: int
    until: int
    seq: int
    lifted_at: int = 0
    lifted_by: str = ""
    lifted_why: str = ""

    def in_force(self, at: int) -> bool:
        return not self.lifted_at and (not self.until or at < self.until)


def _text(value: object) -> str:
    return "".join(c for c in str(value) if c.isprintable())[:500]


def _whole(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 53 else 0


def _noted(entries: Sequence[Entry]) -> list[tuple[Entry, str, dict[str, Any]]]:
    return [
        (entry, str(entry.body.get("what")), entry.body["detail"])
        for entry in entries
        if entry.type == "archive_noted" and isinstance(entry.body.get("detail"), dict)
    ]


def holds_of(entries: Sequence[Entry]) -> list[Hold]:
    """Every hold the ledger tells of, oldest first."""
    found: dict[str, Hold] = {}
    for entry, what, detail in _noted(entries):
        name = _text(detail.get("id", ""))
        if what == "hold" and name not in found and len(found) < MAX_HOLDS:
            by, reason = _text(detail.get("by", "")), _text(detail.get("reason", ""))
            found[name] = Hold(name, by, reason, entry.at, _whole(detail.get("until")), entry.seq)
        elif what == "hold_lifted" and name in found and not found[name].lifted_at:
            by, why = _text(detail.get("by", "")), _text(detail.get("reason", ""))
            found[name] = replace(found[name], lifted_at=entry.at, lifted_by=by, lifted_why=why)
    return list(found.values())


def retention_of(entries: Sequence[Entry], closed_at: int) -> dict[str, str | int]:
    """``{period, years, until, source, seq}``; ``years`` and ``until`` 0 = for ever, ``seq`` 0 = not classified."""
    period, seq = UNCLASSIFIED, 0
    for entry, what, detail in _noted(entries):
        if what == "retention" and detail.get("period") in PERIODS:
            period, seq = str(detail["period"]), entry.seq
    years = PERIODS[period]
    until = closed_at + years * YEAR_US if years else 0
    return {"period": period, "years": years, "until": until, "source": SOURCE, "seq": seq}
