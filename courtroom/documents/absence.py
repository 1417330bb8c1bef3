"""The absence document of one seat: JSON for machines and offices, PDF for the judge; both from the same draft.

Shapes: ``absence_json`` is ``{"version", "digest", "seq", "case", "name", "draft", "texts": {"zh", "en"}, "rulings",
"head"}``.
Rules: blocking (replay and typesetting); callers run it in a thread. A ledger head that is signed stands in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from courtroom.catalogue import LANGUAGES, Language
from courtroom.documents import sheet
from courtroom.documents.law import rule_table
from courtroom.documents.lines import Limits
from courtroom.documents.wording import Subject, Words
from courtroom.hearing import drafts
from courtroom.hearing.drafts import Draft
from courtroom.hearing.ledger import Entry, SignedHead, replay

EVERYTHING = Limits(10_000, 10_000, 10_000, 10_000, 10_000, 10_000)


@dataclass(frozen=True, slots=True)
class Absence:
    """One seat's draft and what it is to be shown with."""

    draft: Draft
    subject: Subject


def absence_of(entries: Sequence[Entry], seat: str, names: Mapping[str, str], head: SignedHead) -> Absence:
    """``Refused("unknown_seat")`` for a stranger; the draft knows the ledger up to ``head``."""
    known = entries[: head.seq]
    hearing = replay(known)
    draft = drafts.made(hearing, known, seat, rule_table())
    digest = drafts.digest(draft)
    return Absence(draft, Subject(hearing.case, names.get(seat, ""), head, digest, drafts.rulings(known, seat)))


def absence_json(absence: Absence) -> dict[str, Any]:
    """Everything, unabridged."""
    draft, subject = absence.draft, absence.subject
    return {
        "version": draft.version,
        "digest": subject.digest,
        "seq": draft.seq,
        "case": asdict(subject.case),
        "name": subject.name,
        "draft": drafts.plain(draft),
        "texts": {lang: _texts(absence, lang) for lang in LANGUAGES},
        "rulings": drafts.plain(subject.rulings),
        "head": asdict(subject.head),
    }


def _texts(absence: Absence, lang: Language) -> dict[str, Any]:
    words = Words(absence.draft, rule_table(), absence.subject, lang, EVERYTHING)
    return {
        "first_line": words.first_line(),
        "preconditions": words.preconditions()["rows"],
        "proposals": words.proposals()["rows"],
    }


def absence_pdf(absence: Absence, lang: Language, font: Path | None = None) -> bytes:
    """Two pages, PDF/A."""
    return sheet.pdf(absence.draft, rule_table(), absence.subject, lang, font)
