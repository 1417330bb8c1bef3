"""What the verifier found: one ``Check`` a finding, one ``Report`` an archive; pure.

``level`` says how to read a finding: ``ok`` (it holds), ``note`` (a fact a reader must know, which harms nothing: a
lawful interruption, a missing trust anchor), ``fail`` (it does not hold). An archive is in order when nothing failed.
A finding keeps its codes for programs (``as_dict``) and says them in words to people (``recorder.wording``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from courtroom import catalogue
from courtroom.catalogue import Language
from recorder.wording import US, Said, Value, day, file_words, plain, stretch

MAX_SECONDS: Final = 200
MAX_RUNS: Final = 8
MAX_SECOND: Final = 1 << 37  # no calendar goes further

Level = Literal["ok", "note", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``second``: first Unix second of the court clock it is about; ``seconds``: all of them (bounded)."""

    name: str
    ok: bool
    file: str = ""
    second: int | None = None
    seconds: tuple[int, ...] = ()
    values: tuple[tuple[str, Value], ...] = ()
    note: bool = False

    @property
    def level(self) -> Level:
        return "fail" if not self.ok else "note" if self.note else "ok"

    def text(self, lang: Language) -> str:
        where = catalogue.text("verify.at", lang, seconds=spans_text(self.seconds, lang)) if self.seconds else ""
        values = {name: _words(value, lang) for name, value in self.values}
        return catalogue.text(f"verify.{self.name}", lang, file=file_words(self.file, lang), **values) + where

    def part(self, lang: Language) -> str:
        """What of the archive this is about, in a word or two."""
        return catalogue.text(f"page.verify.{self.name}", lang)

    @property
    def text_zh(self) -> str:
        return self.text("zh")

    @property
    def text_en(self) -> str:
        return self.text("en")

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name, "ok": self.ok, "level": self.level, "file": self.file, "second": self.second,
            "seconds": list(self.seconds), "text": self.text_zh, "text_zh": self.text_zh, "text_en": self.text_en,
            "values": {name: value.code if isinstance(value, Said) else value for name, value in self.values},
        }  # fmt: skip


def check(
    name: str, ok: bool, file: str = "", seconds: Iterable[int] = (), *, note: bool = False, **values: Value
) -> Check:
    """A finding about the ``seconds`` that a calendar knows."""
    known = tuple(sorted({second for second in seconds if 0 <= second < MAX_SECOND})[:MAX_SECONDS])
    return Check(name, ok, file, known[0] if known else None, known, tuple(values.items()), note)


@dataclass(frozen=True, slots=True)
class Report:
    """``readable`` is False when there was no archive to check. ``seconds``: what is ``changed`` or ``missing`` by
    Unix second, and the stretches ``lawfully_absent`` and ``absent`` (faults) as the recording log has them.
    ``about``: what the archive says it is, as far as what says so was found unharmed."""

    checks: tuple[Check, ...]
    seal: dict[str, Any] = field(default_factory=dict)
    readable: bool = True
    seconds: dict[str, Any] = field(default_factory=dict)
    about: tuple[Said, ...] = ()

    @property
    def ok(self) -> bool:
        return self.readable and all(check.ok for check in self.checks)

    @property
    def exit_code(self) -> int:
        return 2 if not self.readable else 0 if self.ok else 1

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok, "checks": [check.as_dict() for check in self.checks], "seconds": self.seconds,
            "seal": self.seal,
        }  # fmt: skip


def _words(value: Value, lang: Language) -> str | int:
    if isinstance(value, Said):
        return plain(value.text(lang))
    return plain(value) if isinstance(value, str) else value


def spans_text(seconds: Iterable[int], lang: Language = "zh") -> str:
    """Seconds of the court clock, runs as stretches, each day said once; what is left out is counted."""
    runs: list[list[int]] = []
    for second in sorted(set(seconds)):
        if runs and second == runs[-1][1] + 1:
            runs[-1][1] = second
        else:
            runs.append([second, second])
    out: list[str] = []
    today = ""
    for first, end in runs[:MAX_RUNS]:
        out.append(stretch(first * US, end * US, lang, today))
        today = day(end * US, lang)
    left = catalogue.text("verify.span_more", lang, n=len(runs) - MAX_RUNS) if len(runs) > MAX_RUNS else ""
    return catalogue.text("verify.span_comma", lang).join(out) + left
