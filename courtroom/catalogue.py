"""One catalogue for every sentence a person reads, in Chinese and English.

Texts live as data in ``courtroom/texts/*.json``: ``{"key": {"zh": "…", "en": "…"}}``; a key stands in exactly one
file, and both languages are present (checked at import, so a missing sentence stops the server and not a hearing).
Placeholders are ``{name}`` and are filled by ``str.format_map`` with plain strings and integers.

``text(key, lang, **values)`` is the only way in; browsers get the same catalogue as JSON (``bundle``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Final, Literal

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")


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
            texts[key] = entry
    return texts


_TEXTS: Final = _load()


def text(key: str, lang: Language = "zh", /, **values: str | int) -> str:
    """The sentence for ``key``; an unknown key is a bug and raises ``KeyError``."""
    return _TEXTS[key][lang].format_map(values)


def known(key: str) -> bool:
    """Whether the catalogue holds ``key``."""
    return key in _TEXTS


def bundle(lang: Language) -> Mapping[str, str]:
    """Every sentence of one language by key, for the browser."""
    return {key: entry[lang] for key, entry in _TEXTS.items()}
