"""The demo hearing: fictional people before a fictional court, made once for a data directory and found again.

Rule: its tokens are kept in a 0600 file beside the store, so a second start prints the same links; without check-in,
which every page and document of it says.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from courtroom.control.api import Docket
from courtroom.hearing.model import Role
from courtroom.server.auth import court_now
from courtroom.server.schemas import CaseBody, HearingBody, PolicyBody, SeatBody, plan_of
from courtroom.store.files import read_secret, write_secret

DEMO: Final = HearingBody(
    case=CaseBody(
        number="（2026）示范0101民初123号",
        court="示范市示范区人民法院",
        cause="买卖合同纠纷",
        procedure="ordinary",
        public=True,
    ),
    seats=[
        SeatBody(Role.PRESIDING_JUDGE, "周示范"),
        SeatBody(Role.CLERK, "吴示例"),
        SeatBody(Role.PLAINTIFF, "示范商贸有限公司"),
        SeatBody(Role.DEFENDANT, "郑样例"),
        SeatBody(Role.WITNESS, "冯例证"),
    ],
    policy=PolicyBody(checkin="none", checklist="record"),
)


class DemoSeat(msgspec.Struct, frozen=True):
    role: str
    name: str
    token: str


class _Kept(msgspec.Struct, frozen=True):
    hearing: str
    seats: list[DemoSeat]


async def demo_hearing(docket: Docket, path: Path) -> list[DemoSeat]:
    """Its seats; made when ``path`` names no hearing that still exists."""
    content = await asyncio.to_thread(read_secret, path)
    if content is not None:
        kept = msgspec.json.decode(content, type=_Kept)
        if await docket.open(kept.hearing) is not None:
            return kept.seats
    created = await docket.create(plan_of(DEMO, True, court_now()))
    seats = [DemoSeat(str(one.role), one.name, one.token) for one in created.seats]
    await asyncio.to_thread(write_secret, path, msgspec.json.encode(_Kept(created.id, seats)))
    return seats
