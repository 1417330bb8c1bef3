"""Every text that a page or a module names exists, in both languages, with the same placeholders."""

from __future__ import annotations

import json
import re
from pathlib import Path

from courtroom.catalogue import bundle
from tests.web.fixture import WEB

TEXTS = Path(__file__).resolve().parents[2] / "courtroom/texts"
PREFIXES = "page|role|phase|room|cause|presence|device|command|request|checklist|recording|unit|article"
KEY = re.compile(rf"""["'`]((?:{PREFIXES})\.[a-z0-9_.]*[a-z0-9])["'`]""")
FROM_PARTS = re.compile(rf"`((?:{PREFIXES})\.[a-z_.]*)\$\{{")


def _sources() -> dict[str, str]:
    files = [*(WEB / "static/js").glob("*.js"), *(WEB / "templates").glob("*.html")]
    return {file.name: file.read_text(encoding="utf-8") for file in files}


def test_every_key_that_is_written_out_is_in_the_catalogue() -> None:
    texts = bundle("zh")
    missing = {(name, key) for name, source in _sources().items() for key in KEY.findall(source) if key not in texts}
    assert not missing


def test_every_key_made_of_parts_has_at_least_one_text() -> None:
    texts = bundle("zh")
    optional = {"page.notice.", "page.refused."}
    missing = {
        (name, start)
        for name, source in _sources().items()
        for start in FROM_PARTS.findall(source)
        if start not in optional and not any(key.startswith(start) for key in texts)
    }
    assert not missing


def test_closed_sets_of_the_model_are_all_named() -> None:
    from courtroom.hearing import checklist, model

    texts = bundle("en")
    wanted = [
        *(f"role.{role}" for role in model.Role), *(f"phase.{phase}" for phase in model.Phase),
        *(f"phase.{phase}.short" for phase in model.Phase), *(f"cause.{cause}" for cause in model.Cause),
        *(f"presence.{state}" for state in model.Presence), *(f"room.{room}" for room in model.RoomKind),
        *(f"device.{kind}.{state}" for kind in ("microphone", "camera") for state in model.Device),
        *(f"device.{kind}.button.{state}" for kind in ("microphone", "camera") for state in model.Device),
        *(f"checklist.{item}" for item in checklist.ITEMS),
    ]  # fmt: skip
    assert [key for key in wanted if key not in texts] == []


def _entries() -> dict[str, dict[str, str]]:
    """Every text that pages show."""
    return {
        key: entry
        for name in ("pages.json", "archive.json")
        for key, entry in json.loads((TEXTS / name).read_text(encoding="utf-8")).items()
    }


def test_both_languages_use_the_same_placeholders() -> None:
    entries = _entries()

    def holes(sentence: str) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", sentence))

    assert [key for key, entry in entries.items() if holes(entry["zh"]) != holes(entry["en"])] == []


def test_chinese_sentences_carry_full_width_punctuation_and_no_exclamation_marks() -> None:
    entries = _entries()
    wrong = [key for key, entry in entries.items() if re.search(r"[\u4e00-\u9fff][,;!?]|[！!]", entry["zh"])]
    assert wrong == []
