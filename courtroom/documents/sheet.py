"""Sets the two pages of an absence draft as PDF/A (ISO 19005-2), with typst and the fonts that the recorder uses.

Rules
* Exactly two pages, whatever there is to say: tables get shorter until both fit, and say what they leave out.
* The template is ours and fixed; what is said comes in as data. Nothing is fetched: no packages, no files but the
  template and the fonts. The same draft gives the same bytes.
* Blocking and bounded: callers run it in a thread.
"""

from __future__ import annotations

import json
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import typst

from courtroom.catalogue import Language
from courtroom.documents.lines import Limits
from courtroom.documents.wording import Subject, Words
from courtroom.errors import Unavailable
from courtroom.hearing.drafts import Draft
from courtroom.hearing.rules import RuleTable
from recorder.picture.fonts import find_fonts

PAGES: Final = 2
MAX_TRIES: Final = 48
TEMPLATE: Final = Path(__file__).resolve().parent / "templates" / "absence.typ"
_ONE_AT_A_TIME: Final = threading.Lock()


@lru_cache(maxsize=4)
def _fonts(given: Path | None) -> tuple[typst.Fonts, tuple[str, ...]]:
    """The font book and the families to use, simplified Chinese first."""
    found = find_fonts(given)
    folders = sorted({str(Path(face.path).parent) for face in (found.regular, found.bold)})
    book = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=list(folders))
    paths = {found.regular.path, found.bold.path}
    here = [one.family for one in book.fonts() if one.path in paths]
    families = tuple(dict.fromkeys([name for name in here if name.endswith(" SC") and "Mono" not in name] or here))
    if not families:
        raise Unavailable("font_missing")
    return book, families[:2]


def pdf(
    draft: Draft,
    table: RuleTable,
    subject: Subject,
    lang: Language,
    font: Path | None = None,
    limits: Limits | None = None,
) -> bytes:
    """The document; ``Unavailable``: ``font_missing``, ``document_failed``."""
    book, families = _fonts(font)
    limits = limits or Limits()
    with _ONE_AT_A_TIME:
        for _ in range(MAX_TRIES):
            data = Words(draft, table, subject, lang, limits).sheet()
            inputs = {"data": json.dumps(data, ensure_ascii=False), "fonts": json.dumps(families)}
            one, two = _ends(book, inputs)
            if (one, two) == (1, PAGES):
                return _compile(book, inputs, draft.at // 1_000_000)
            limits = limits.tighter(1) if one > 1 else limits.tighter(2)
    raise Unavailable("document_failed")


def _compiler(book: typst.Fonts, inputs: dict[str, str]) -> typst.Compiler:
    return typst.Compiler(
        str(TEMPLATE), root=str(TEMPLATE.parent), font_paths=book, ignore_system_fonts=True, sys_inputs=inputs
    )


def _ends(book: typst.Fonts, inputs: dict[str, str]) -> tuple[int, int]:
    """The pages on which the two parts end."""
    try:
        compiler = _compiler(book, inputs)
        one, two = (_value(compiler.query(f"<end-{name}>", field="value")) for name in ("one", "two"))
    except (typst.TypstError, ValueError, IndexError) as error:
        raise Unavailable("document_failed") from error
    return one, two


def _value(found: Any) -> int:
    return int(json.loads(found)[0]) if isinstance(found, str | bytes) else int(found[0])


def _compile(book: typst.Fonts, inputs: dict[str, str], at_s: int) -> bytes:
    try:
        made = _compiler(book, inputs).compile(format="pdf", pdf_standards="a-2u", timestamp=at_s)
    except typst.TypstError as error:
        raise Unavailable("document_failed") from error
    if not isinstance(made, bytes):
        raise Unavailable("document_failed")
    return made
