"""Every text that a page or a module names exists, in both languages, with the same placeholders."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from courtroom.catalogue import LANGUAGES, bundle, text
from tests.web.fixture import WEB

TEXTS = Path(__file__).resolve().parents[2] / "courtroom/texts"
PREFIXES = "page|role|phase|room|cause|presence|device|command|request|checklist|recording|unit|article"
KEY = re.compile(rf"""["'`]((?:{PREFIXES})\.[a-z0-9_.]*[a-z0-9])["'`]""")
PLURAL = re.compile(r"\{(\w+), plural, one \{([^{}]*)\} other \{([^{}]*)\}\}")
COUNTED = re.compile(r"\{(\w+)\} (?:[a-z-]+ ){0,2}?([a-z]+s|people|children|are|were|have|need)\b")
SINGULAR = {"is", "was", "has", "does", "as", "asks", "interrupts", "names", "proposes", "speaks", "this", "its", "ms"}
"""Words in s after a name, and one unit."""
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
        return set(re.findall(r"\{(\w+)[,}]", sentence))

    assert [key for key, entry in entries.items() if holes(entry["zh"]) != holes(entry["en"])] == []


def _uncounted(sentence: str) -> list[str]:
    """Where a number would stand before a noun or verb that has one form only."""
    rest = PLURAL.sub("", sentence)
    return [found[0] for found in COUNTED.finditer(rest) if found[2] not in SINGULAR]


@pytest.mark.parametrize(
    ("sentence", "wrong"),
    [
        ("{n} gaps", ["{n} gaps"]), ("All {n} checks passed", ["{n} checks"]), ("{n} recorded hearings", 1),
        ("{n} more lines are not shown", 1), (", {n} need attention", 1), ("{n} people wait", 1),
        ("{n} were sealed", 1),
        ("{n, plural, one {# gap} other {# gaps}}", []), ("{name} asks for help.", []), ("{n} of {all} found", []),
        ("{rtt} ms", []), ("entry {seq} is not valid", []), ("{n, plural, one {# gap} other {# gaps}}, {m} seats", 1),
    ],
)  # fmt: skip
def test_the_walk_below_finds_a_counted_text_without_forms(sentence: str, wrong: list[str] | int) -> None:
    found = _uncounted(sentence)
    assert len(found) == wrong if isinstance(wrong, int) else found == wrong


def test_whatever_is_counted_in_english_has_both_its_forms() -> None:
    assert {key: found for key, sentence in bundle("en").items() if (found := _uncounted(sentence))} == {}
    assert [key for key, sentence in bundle("zh").items() if ", plural," in sentence] == []
    forms = [found for sentence in bundle("en").values() for found in PLURAL.findall(sentence)]
    assert len(forms) > 40
    assert [found for found in forms if found[1] == found[2]] == []


def test_a_form_is_chosen_by_the_number() -> None:
    assert [text("page.archive.gap_count", "en", n=n) for n in (0, 1, 2, 21)] == [
        "0 gaps",
        "1 gap",
        "2 gaps",
        "21 gaps",
    ]
    assert text("page.archive.gap_count", "en", n="1") == "1 gap"
    assert text("page.archive.gap_count", "zh", n=1) == "间断 1处"
    assert text("page.archive.some_bad", "en", n=1, all=1) == "1 of 1 check failed"
    with pytest.raises(KeyError):
        text("page.archive.gap_count", "en")


async def test_browser_and_court_read_the_catalogue_alike(tmp_path: Path) -> None:
    """``texts.js`` itself, under Node, over every text of both languages and some numbers."""
    numbers = (0, 1, 2, "1.0")
    asked = []
    for lang in LANGUAGES:
        for key, sentence in bundle(lang).items():
            for number in numbers if ", plural," in sentence else numbers[1:2]:
                asked.append((lang, key, dict.fromkeys(re.findall(r"\{(\w+)[,}]", sentence), number)))
    (tmp_path / "texts.mjs").write_text((WEB / "static/js/texts.js").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "asked.json").write_text(
        json.dumps({"texts": {lang: bundle(lang) for lang in LANGUAGES}, "asked": asked})
    )
    process = await asyncio.create_subprocess_exec(
        "node", str(Path(__file__).parent / "texts.mjs"), str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0
    assert json.loads(out) == [text(key, lang, **values) for lang, key, values in asked]


def test_chinese_sentences_carry_full_width_punctuation_and_no_exclamation_marks() -> None:
    entries = _entries()
    wrong = [key for key, entry in entries.items() if re.search(r"[\u4e00-\u9fff][,;!?]|[！!]", entry["zh"])]
    assert wrong == []
