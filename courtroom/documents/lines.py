"""How a line of a document is written: a moment, a length of time, a reference into the ledger, a quotation, a table.

Rules
* Sentences come from the catalogue; what a person wrote is quoted on one line, bounded, and never becomes markup.
* Every table is bounded by ``Limits``; what does not fit is counted and said where it is.
* Times are the court's clock, UTC+8, to the second. References are ledger numbers, ``#12``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from courtroom.catalogue import Language, known, text

BEIJING: Final = timezone(timedelta(hours=8))
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rows of each table, and characters of each quotation, fit on the two pages."""

    spells: int = 14
    evidence: int = 22
    notices: int = 8
    quotations: int = 8
    characters: int = 160
    finding: int = 1200

    def tighter(self, page: int) -> Limits:
        """The next smaller ones for what stands on ``page`` (1 or 2)."""
        if page == 1:
            return replace(self, spells=max(1, self.spells - 1), evidence=max(1, self.evidence - 2))
        if self.characters > 70:
            return replace(self, characters=self.characters * 3 // 4)
        if max(self.quotations, self.notices) <= 2 and self.finding > 200:
            return replace(self, finding=self.finding * 3 // 4)
        if self.quotations > self.notices:
            return replace(self, quotations=self.quotations - 1)
        return replace(self, notices=max(1, self.notices - 1))


def day_time(at: int) -> str:
    """``2026-11-22 09:30:05``; a dash for 0."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S") if at else "—"


def clock(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000, UTC).astimezone(BEIJING).strftime("%H:%M:%S") if at else "—"


def length(micros: int) -> str:
    """``h:mm:ss``."""
    seconds = max(0, micros) // 1_000_000
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def refs(numbers: Iterable[int]) -> str:
    return " ".join(f"#{one}" for one in numbers if one) or "—"


def cited(said: str, numbers: Iterable[int]) -> str:
    known_ones = [one for one in numbers if one]
    return f"{said} {refs(known_ones)}" if known_ones else said


class Lines:
    """Lines in one language, under the catalogue's ``absence`` keys."""

    def __init__(self, lang: Language, limits: Limits) -> None:
        self._lang: Language = lang
        self._limits = limits

    def say(self, key: str, /, **values: str | int) -> str:
        return text(f"absence.{key}", self._lang, **values)

    def word(self, key: str, fallback: str) -> str:
        """A word of a closed set from elsewhere in the catalogue; the code itself where it has none."""
        return text(key, self._lang) if known(key) else fallback

    def quoted(self, said: str, seq: int, most: int = 0) -> str:
        """A person's own words, on one line and bounded."""
        line = " ".join(said.split())
        most = most or self._limits.characters
        return line if len(line) <= most else line[:most] + self.say("shortened", seq=seq)

    def _table_of(self, name: str, columns: Sequence[str], rows: Sequence[Row], most: int) -> Row:
        """The newest ``most`` rows; the older ones are counted and said where they are."""
        left = rows[: max(0, len(rows) - most)]
        numbers = [row["seq"] for row in left if row["seq"]]
        more = ""
        if left and numbers:
            more = self.say("more", n=len(left), first=min(numbers), last=max(numbers))
        elif left:
            more = self.say("more_plain", n=len(left))
        return {
            "title": self.say(name), "head": [self.say(f"col.{one}") for one in columns],
            "rows": [row["cells"] for row in rows[len(left) :]], "more": more, "none": self.say("none"),
        }  # fmt: skip
