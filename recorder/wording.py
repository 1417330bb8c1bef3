"""What an archive holds by code, in words: seats, grounds, moments, lengths, files; for the reports that people read.

Rules
* A code stays in the JSON and never reaches a sentence; a sentence has its words from the catalogue (``Said``).
* A seat is called by its role and, while the archive's own list of names is unharmed, by its name. A code that nobody
  knows is said to be unknown.
* Moments are the court's clock (UTC+8). Whatever comes out of an archive may be hostile: only printable characters
  leave here, and only so many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from courtroom import catalogue
from courtroom.catalogue import LANGUAGES, Language, known
from courtroom.hearing import roles
from courtroom.hearing.events import HearingCreated
from courtroom.hearing.ledger import Entry, event_of
from courtroom.hearing.model import SeatPlan
from recorder.names import segment_number
from recorder.picture.clock import beijing

US: Final = 1_000_000
MAX_WORDS: Final = 600
_UNITS: Final = ("B", "KB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Said:
    """One value: its code for programs, its words for people."""

    code: str | int
    words: tuple[str, ...]

    def text(self, lang: Language) -> str:
        return self.words[LANGUAGES.index(lang)]


Value = str | int | Said


def said(code: str | int, words: Callable[[Language], str]) -> Said:
    return Said(code, tuple(words(lang) for lang in LANGUAGES))


def plain(text: str, limit: int = MAX_WORDS) -> str:
    """What may stand in a report: no control characters, and an end."""
    kept = "".join(c for c in text[: limit + 1] if c.isprintable())
    return kept if len(kept) <= limit else kept[:limit] + "…"


# --- moments, lengths, sizes --------------------------------------------------------------------------------------


def day(at: int, lang: Language) -> str:
    date = beijing(at)
    month = catalogue.text(f"unit.month.{date.month}", lang)
    return catalogue.text("unit.date", lang, year=date.year, month=month, day=date.day)


def clock(at: int) -> str:
    return beijing(at).strftime("%H:%M:%S")


def stretch(begin: int, end: int, lang: Language, today: str = "") -> str:
    """From second to second, a day said only where it is not the one before (``today``)."""
    first, last = day(begin, lang), day(end, lang)
    told = clock(begin) if first == today else f"{first} {clock(begin)}"
    if begin // US == end // US:
        return told
    return catalogue.text("verify.span", lang, begin=told, end=clock(end) if last == first else f"{last} {clock(end)}")


def moment(at: int) -> Said:
    """µs of the court clock with its day."""
    return said(at, lambda lang: f"{day(at, lang)} {clock(at)}")


def length(us: int) -> Said:
    """A stretch of time; its code is seconds with one decimal."""
    tenths = max(0, us) // 100_000
    hours, minutes, seconds = tenths // 36_000, tenths // 600 % 60, tenths // 10 % 60

    def words(lang: Language) -> str:
        if hours:
            return catalogue.text("recorder.length.hours", lang, hours=hours, minutes=minutes, seconds=seconds)
        if minutes:
            return catalogue.text("recorder.length.minutes", lang, minutes=minutes, seconds=seconds)
        return catalogue.text("recorder.length.seconds", lang, seconds=f"{tenths / 10:.1f}")

    return said(f"{us / US:.1f}", words)


def size(count: int) -> str:
    """Bytes as people read them, ``1.4 MB``; powers of 1000."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit and value < 99.95 else f"{value:.0f} {_UNITS[unit]}"


# --- codes --------------------------------------------------------------------------------------------------------


def named(starts: Sequence[str], code: str, other: str) -> Said:
    """The words of a code under the first of ``starts`` that knows it, else those of ``other``."""
    key = next((f"{start}.{code}" for start in starts if known(f"{start}.{code}")), other)
    return said(code, lambda lang: catalogue.text(key, lang))


def ground(code: str) -> Said:
    """Why nothing was recorded: a lawful ground, or what failed."""
    return named(("recording.gap", "explanation.missing"), code, "verify.ground.other")


def file_words(name: str, lang: Language) -> str:
    """A file of an archive: what it is, and its name."""
    base = name.removeprefix("data/")
    if name.startswith("capture/") and (number := segment_number(name.rsplit("/", 1)[1])):
        return catalogue.text("verify.file.segment", lang, n=number, file=plain(name))
    key = f"verify.file.{base}"
    return catalogue.text(key if known(key) else "verify.file.other", lang, file=plain(name))


class People:
    """Who sat where, by the ledger's first entry and the archive's list of names (empty when it cannot be used)."""

    def __init__(self, entries: Sequence[Entry], names: Mapping[str, str]) -> None:
        created = event_of(entries[0]) if entries else None
        self._seats: dict[str, SeatPlan] = {}
        self._names = names
        if isinstance(created, HearingCreated):
            self._seats = {plan.id: plan for plan in created.seats}

    def who(self, seat: str) -> Said:
        """Role and name; two of the same role without names are counted."""
        plan = self._seats.get(seat)
        if plan is None:
            return named(("verify.who",), seat, "verify.who.unknown")
        title = self._title(plan)
        alike = [other.id for other in self._seats.values() if self._title(other) == title]
        name = self._names.get(seat, "") or (str(alike.index(seat) + 1) if len(alike) > 1 else "")
        return said(seat, lambda lang: f"{catalogue.text(f'role.{title}', lang)} {name}".strip())

    def both(self, proposer: str, confirmer: str) -> Said:
        """The two people an interruption takes; the code is the one who made it so."""
        first, second = self.who(proposer), self.who(confirmer)
        return said(
            confirmer,
            lambda lang: catalogue.text("verify.two_people", lang, first=first.text(lang), second=second.text(lang)),
        )

    def _title(self, plan: SeatPlan) -> str:
        return roles.title(plan.role, plan.side, [other.role for other in self._seats.values()])
