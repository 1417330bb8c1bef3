"""Statements and the proof handed in with them: what counts as held, who may have it, and that replay needs no file."""

from __future__ import annotations

from typing import Any

import pytest

from courtroom.hearing import commands as c
from courtroom.hearing import events as e
from courtroom.hearing import ledger, statements
from courtroom.hearing.access import may_see_attachments
from tests.hearing.house import CLERK, DEFENDANT, JUDGE, PLAINTIFF, WANG, House

FILE = "ab" * 32


def reply(**more: Any) -> c.Reply:
    return c.Reply(actor=DEFENDANT, reason="power_cut", text="停电", attachment=FILE, name="通知.pdf", size=900, **more)


def received(seat: str = DEFENDANT, sha256: str = FILE, size: int = 900, kind: str = "pdf") -> c.ObserveAttachment:
    return c.ObserveAttachment(seat=seat, sha256=sha256, size=size, kind=kind)


@pytest.mark.parametrize("first", ["file", "statement"])
def test_a_statement_knows_its_file_whichever_comes_first(first: str) -> None:
    house = House().in_session()
    steps = [received(), reply()] if first == "file" else [reply(), received()]
    for step in steps:
        house.do(step)
    entry = next(one for one in house.entries if one.type == "attachment_received")
    (said,) = house.seat(DEFENDANT).statements
    assert (said.held, said.kind) == (entry.seq, "pdf")
    row = next(one for one in house.view(JUDGE)["attendance"] if one["seat"] == DEFENDANT)
    assert row["statements"][0]["attachment"] == {
        "sha256": FILE, "name": "通知.pdf", "size": 900, "held": entry.seq, "kind": "pdf",
    }  # fmt: skip
    assert ledger.replay(house.entries) == house.hearing


def test_a_file_that_was_only_named_is_not_held() -> None:
    house = House().in_session()
    house.do(reply())
    house.do(received(PLAINTIFF))  # the same bytes of somebody else are another file
    assert house.seat(DEFENDANT).statements[0].held == 0


def test_the_same_file_again_is_no_news() -> None:
    house = House().in_session()
    assert len(house.do(received())) == 1
    assert house.do(received()) == ()


def test_a_statement_and_its_file_agree_on_the_size() -> None:
    house = House().in_session()
    house.do(received(size=901))
    assert house.refused(reply()) == "bad_attachment"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"seat": "nobody"}, "unknown_seat"), ({"sha256": "AB" * 32}, "bad_hash"), ({"kind": "exe"}, "bad_kind"),
        ({"size": 0}, "attachment_too_large"), ({"size": statements.MAX_ATTACHMENT + 1}, "attachment_too_large"),
        ({"seat": JUDGE}, "not_allowed"),
    ],
)  # fmt: skip
def test_what_is_no_proof_is_not_noted(change: dict[str, Any], code: str) -> None:
    assert House().in_session().refused(received(**change)) == code


def test_files_of_a_seat_and_bytes_of_a_hearing_are_bounded() -> None:
    house = House().in_session()
    for number in range(statements.MAX_ATTACHMENTS):
        house.do(received(sha256=f"{number:064x}", size=statements.MAX_ATTACHMENT))
    assert house.refused(received()) == "too_many_attachments"
    left = statements.MAX_HELD - statements.held(house.hearing)
    for number in range(left // statements.MAX_ATTACHMENT):
        house.do(received(PLAINTIFF, f"{number:064x}", statements.MAX_ATTACHMENT))
    assert house.refused(received(PLAINTIFF, size=statements.MAX_ATTACHMENT)) == "too_many_attachments"
    assert statements.held(house.hearing) <= statements.MAX_HELD


def test_nothing_is_taken_from_who_was_removed() -> None:
    house = House().in_session()
    house.do(c.Remove(actor=JUDGE, seat=DEFENDANT, reason="秩序"))
    assert house.refused(received()) == "removed_by_court"
    house.do(c.CloseHearing(actor=JUDGE))
    assert (house.refused(received()), house.refused(reply())) == ("removed_by_court", "removed_by_court")


def test_who_was_cut_off_to_the_end_says_why_afterwards() -> None:
    house = House().in_session()
    house.lose(DEFENDANT, "media_silent")
    house.do(c.CloseHearing(actor=JUDGE))
    assert house.view(DEFENDANT)["may"]["reply"]
    house.do(received())
    house.do(reply())
    assert house.seat(DEFENDANT).statements[0].held
    assert house.refused(c.AskLeave(actor=DEFENDANT, reason="x", until=house.now + 60_000_000)) == "hearing_closed"
    assert not house.view(JUDGE)["may"]["reply"]


@pytest.mark.parametrize("command", [received(), c.ObserveAttachmentRead(seat=DEFENDANT, sha256=FILE, reader=JUDGE)])
def test_no_client_says_that_a_file_is_there_or_was_read(command: c.Command) -> None:
    from dataclasses import replace

    house = House().in_session()
    house.do(received())
    assert house.refused(replace(command, actor=DEFENDANT)) == "not_allowed"


def test_a_reading_is_on_record_and_invisible_to_the_isolated() -> None:
    house = House().in_session()
    house.do(received(WANG))
    before = house.view(WANG)
    (read,) = house.do(c.ObserveAttachmentRead(seat=WANG, sha256=FILE, reader=JUDGE))
    assert read == e.AttachmentRead(owner=WANG, sha256=FILE, reader=JUDGE)
    assert {**house.view(WANG), "clock": 0} == {**before, "clock": 0}
    assert house.refused(c.ObserveAttachmentRead(seat=DEFENDANT, sha256=FILE, reader=JUDGE)) == "bad_attachment"


def test_proof_is_for_the_desk_and_its_own_person() -> None:
    house = House().in_session()
    seen = {seat for seat in house.hearing.seats if may_see_attachments(house.hearing, seat, DEFENDANT)}
    assert seen == {JUDGE, CLERK, "seat-assessor", DEFENDANT}
    house.do(c.Remove(actor=JUDGE, seat=DEFENDANT, reason="秩序"))
    assert not may_see_attachments(house.hearing, DEFENDANT, DEFENDANT)
    assert not may_see_attachments(house.hearing, JUDGE, "nobody")
    house.do(c.CloseHearing(actor=JUDGE))
    assert may_see_attachments(house.hearing, CLERK, DEFENDANT)
