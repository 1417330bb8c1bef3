"""One catalogue for every sentence a person reads, in Chinese and English.

Texts live as data in ``courtroom/texts/*.json``: ``{"key": {"zh": "…", "en": "…"}}``; a key stands in exactly one
file, and both languages are present (checked at import, so a missing sentence stops the server and not a hearing).
Placeholders are ``{name}`` and are filled by ``str.format_map`` with plain strings and integers. A counted noun has
both its forms, as in ICU MessageFormat: ``{n, plural, one {# gap} other {# gaps}}``, with ``#`` for the number; a form
holds no further placeholder. Chinese has one form and writes none.

``text(key, lang, **values)`` is the only way in; browsers get the same catalogue as JSON (``bundle``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Final, Literal

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")

_PLURAL: Final = re.compile(r"\{(\w+), plural, one \{([^{}]*)\} other \{([^{}]*)\}\}")


def _counted(sentence: str, values: Mapping[str, object]) -> str:
    """The forms chosen by ``values``, with the number as an ordinary placeholder again."""

    def form(found: re.Match[str]) -> str:
        return found[2 if str(values[found[1]]) == "1" else 3].replace("#", f"{{{found[1]}}}")

    return _PLURAL.sub(form, sentence)


def _load() -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = {}
    for file in sorted(resources.files("courtroom.texts").iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".json"):
            continue
        for key, entry in json.loads(file.read_text(encoding="utf-8")).items():
            if key in texts:
                raise ValueError(f"text {key!r} stands in two files, the second is {file.name}")
            if set(entry) != set(LANGUAGES):
                raise ValueError(f"text {key!r} in {file.name} must have exactly {LANGUAGES}")
            if any(", plural," in _PLURAL.sub("", entry[lang]) for lang in LANGUAGES):
                raise ValueError(f"text {key!r} in {file.name} has plural forms that cannot be read")
            texts[key] = entry
    return texts


_TEXTS: Final = _load()


def text(key: str, lang: Language = "zh", /, **values: str | int) -> str:
    """The sentence for ``key``; an unknown key is a bug and raises ``KeyError``."""
    return _counted(_TEXTS[key][lang], values).format_map(values)


def known(key: str) -> bool:
    """Whether the catalogue holds ``key``."""
    return key in _TEXTS


def bundle(lang: Language) -> Mapping[str, str]:
    """Every sentence of one language by key, for the browser."""
    return {key: entry[lang] for key, entry in _TEXTS.items()}
