"""A ruling before a real court: the draft it names is checked, and the head over it is signed at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from courtroom.control.courtroom import CourtroomActor
from courtroom.documents.law import rule_table
from courtroom.errors import Refused
from courtroom.hearing import commands as c
from courtroom.hearing import drafts
from courtroom.hearing.model import Role
from courtroom.server.schemas import CaseBody, HearingBody, PolicyBody, SeatBody, plan_of
from tests.recorder.sitting import Page, court

TABLE = rule_table()  # reads a file: not in the loop
PEOPLE = [
    SeatBody(Role.PRESIDING_JUDGE, "周示范"),
    SeatBody(Role.CLERK, "吴示例"),
    SeatBody(Role.DEFENDANT, "郑样例"),
]


async def test_a_ruling_names_a_draft_that_holds_and_is_signed_for(tmp_path: Path) -> None:
    async with court(tmp_path) as house:
        now = house.docket.clock.now
        body = HearingBody(
            case=CaseBody("（2026）示范0101民初124号", "示范市示范区人民法院"),
            seats=PEOPLE,
            policy=PolicyBody("none", "record", 0),
        )
        created = await house.docket.create(plan_of(body, True, now()))
        room = house.docket.find(created.id)
        assert isinstance(room, CourtroomActor)
        judge, clerk, defendant = (seat.id for seat in created.seats)
        for seat in (judge, clerk):
            await room.attach(seat, Page(seat, now))
        await room.submit(c.OpenHearing(actor=judge))
        await room.submit(c.Prompt(actor=clerk, seat=defendant, note="电话告知本人"))

        ruling = c.Rule(actor=judge, seat=defendant, finding="认定")
        with pytest.raises(Refused, match="warning_required"):
            await room.submit(ruling)
        await room.submit(c.Warn(actor=judge, seat=defendant, note="电话告知本人"))

        before = await room.ledger()
        shown = drafts.draft(before, defendant, TABLE)
        for draft, seq in (("ab" * 32, shown.seq), (drafts.digest(shown), 3), (drafts.digest(shown), 10**6)):
            with pytest.raises(Refused, match="draft_unknown"):
                await room.submit(c.Rule(actor=judge, seat=defendant, finding="认定", draft=draft, draft_seq=seq))
        with pytest.raises(Refused, match="not_allowed"):
            await room.submit(c.Rule(actor=clerk, seat=defendant, finding="认定"))

        for named in (True, False):
            digest, seq = (drafts.digest(shown), shown.seq) if named else ("", 0)
            at = await room.submit(c.Rule(actor=judge, seat=defendant, finding="认定", draft=digest, draft_seq=seq))
            entries = await room.ledger()
            ruled = next(entry for entry in reversed(entries) if entry.type == "ruled")
            lay_before = drafts.draft(entries[: ruled.body["draft_seq"]], defendant, TABLE)
            assert ruled.seq == at
            assert ruled.body["draft"] == drafts.digest(lay_before)
            assert ruled.body["draft_seq"] == (shown.seq if named else ruled.seq - 1)
            head = room._heads._newest
            assert head is not None
            assert head.seq >= ruled.seq
        await room.submit(c.CloseHearing(actor=judge))
