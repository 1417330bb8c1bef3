"""What lists show of a hearing is the same from its brief as from the hearing itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from courtroom.control.api import Archive
from courtroom.control.shelf import brief_of, read_brief
from courtroom.hearing import commands as c
from courtroom.hearing.model import Hearing
from courtroom.server.api import summary
from courtroom.server.archive_rows import archive_row
from courtroom.server.rows import docket_row
from courtroom.store.ports import Shelved
from tests.hearing.house import CLERK, JUDGE, NAMES, PLAINTIFF, SHEET, STROKE, House

GAPS = [{"from_at": 5, "to_at": 9, "reason": "recess", "by": JUDGE}, {"from_at": 11, "to_at": 12, "reason": "writer"}]
SEALED = Archive(
    "sealed", 100, None, Path("somewhere"), {"duration_us": 61, "gaps": GAPS, "root_sha256": "ab" * 32, "more": "x" * 9}
)  # fmt: skip


def held() -> Hearing:
    house = House().in_session()
    house.lose(PLAINTIFF, "socket_dropped", "line_quality")
    house.arrive(PLAINTIFF)
    house.do(c.Recess(actor=JUDGE, reason="休息"))
    house.do(c.Resume(actor=JUDGE))
    house.do(c.CloseHearing(actor=JUDGE))
    detail: dict[str, str | int] = {"root": "ab" * 32, "sheet": SHEET, "faults": 1}
    house.do(c.ObserveArchive(what="sealed", detail=detail))
    house.do(c.SignRecording(actor=PLAINTIFF, sheet=SHEET, stroke=STROKE))
    house.do(c.NoteSignature(actor=CLERK, seat="seat-defendant", outcome="refused", reason="拒签原因"))
    hold: dict[str, str | int] = {"id": "hold-1", "by": "staff", "reason": "再审", "until": 0}
    house.do(c.ObserveArchive(what="hold", detail=hold))
    return house.hearing


@pytest.mark.parametrize(("hearing", "archive"), [(held(), SEALED), (House().hearing, Archive())])
def test_lists_show_the_same_from_the_brief(hearing: Hearing, archive: Archive) -> None:
    brief = read_brief(Shelved(hearing.id, hearing.seq, True, True, True, brief_of(hearing, archive)))
    assert brief is not None
    open_one: Any = SimpleNamespace(hearing=hearing, archive=archive, names=NAMES)
    assert summary(brief.hearing) == summary(hearing)
    assert archive_row(brief, 7) == archive_row(open_one, 7)
    for lang in ("zh", "en"):
        assert docket_row(brief, NAMES, lang) == docket_row(open_one, NAMES, lang)  # type: ignore[arg-type]


def test_a_brief_is_short_and_names_nobody() -> None:
    written = brief_of(held(), SEALED)
    assert len(written) < 4000
    assert not any(name in written for name in NAMES.values())
    assert "拒签原因" not in written
    assert STROKE not in written
    assert "somewhere" not in written


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"id":1}', "another", "older"])
def test_a_brief_that_does_not_fit_is_none(damage: str) -> None:
    hearing = held()
    whole = brief_of(hearing, SEALED)
    one, seq = hearing.id, hearing.seq
    match damage:
        case "another":
            one, damage = "h-other", whole
        case "older":
            seq, damage = seq + 1, whole
    assert read_brief(Shelved(one, seq, True, True, True, damage)) is None
    assert read_brief(Shelved(hearing.id, hearing.seq, True, True, True, whole)) is not None
