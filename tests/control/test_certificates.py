"""The isolation certificate at a dismissal: counted by the worker, given at once, for the stretch since the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from courtroom.channel.messages import EdgeCounter, TransportChanged
from courtroom.control import certificates
from courtroom.control.certificates import Certificates
from courtroom.hearing import commands as c
from courtroom.hearing.ledger import Entry
from courtroom.hearing.rooms import must_be_isolated
from tests.hearing.house import CLERK, GUARDIAN, INTERPRETER, JUDGE, WANG, House

SECOND = 1_000_000


class Court:
    """A hearing in session, its ledger, and a worker made of numbers."""

    def __init__(self) -> None:
        self.house = House().in_session()
        self.noted: list[dict[str, Any]] = []
        hearing = self.house.hearing
        isolated = frozenset(seat.id for seat in hearing.seats.values() if must_be_isolated(hearing, seat))
        self.made = Certificates(self._note, self._ledger, lambda: isolated)
        self.up("t-judge", JUDGE, "courtroom")
        self.up("t-own", WANG, f"witness_room/{WANG}")
        self.up("t-clerk-there", CLERK, f"witness_room/{WANG}")
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}

    def _note(self, command: c.ObserveCapture) -> None:
        assert command.what == "isolation"
        self.house.do(command)
        self.noted.append(dict(command.detail))

    async def _ledger(self) -> AsyncIterator[Entry]:
        for entry in list(self.house.entries):
            yield entry

    def up(self, transport: str, seat: str, room: str) -> None:
        self.made.belongs(transport, seat, room)
        self.made.changed(TransportChanged(transport, "connected", self.house.now))

    def down(self, transport: str) -> None:
        self.made.changed(TransportChanged(transport, "closed", self.house.now))

    def crossed(self, to: str, source: str, packets: int) -> None:
        """So many more packets, and the worker's next word."""
        before, first = self._counts.get((to, source), (0, self.house.now))
        self._counts[to, source] = before + packets, first
        self.house.wait(1)
        self.made.counted(self.house.now, [
            EdgeCounter(to, source, "camera", before + packets, 0, first, self.house.now - SECOND // 2)
        ])  # fmt: skip

    def call(self, transport: str) -> None:
        self.house.do(c.Call(actor=JUDGE, seat=WANG))
        self.house.wait(0.1)
        self.up(transport, WANG, "courtroom")

    def dismiss(self, transport: str = "") -> tuple[str, ...]:
        seats = Certificates.dismissed(self.house.do(c.Dismiss(actor=JUDGE, seat=WANG)))
        self.house.wait(0.1)
        if transport:
            self.down(transport)
        return seats

    def of(self, seat: str) -> dict[str, Any]:
        return [one for one in self.noted if one["seat"] == seat][-1]


async def test_a_dismissal_gives_a_certificate_that_counts_testimony_staff_and_nothing_else() -> None:
    court = Court()
    court.crossed("t-own", "t-clerk-there", 40)
    court.call("t-in")
    court.crossed("t-in", "t-judge", 500)
    seats = court.dismiss("t-in")
    assert set(seats) == {WANG, GUARDIAN, INTERPRETER}
    issuing = asyncio.create_task(court.made.issue(seats))
    await asyncio.sleep(0)
    assert court.noted == [], "not before the worker has counted to the end"
    court.crossed("t-in", "t-judge", 3)
    await issuing
    assert {one["seat"] for one in court.noted} == set(seats)
    told = court.of(WANG)
    assert (told["packets_in_testimony"], told["packets_from_staff"], told["packets_outside"]) == (503, 40, 0)
    assert (told["transports_outside"], told["complete"], told["holds"], told["since"]) == (0, 1, 1, 0)
    entry = court.house.entries[-1]
    assert (entry.type, entry.body["what"]) == ("capture_noted", "isolation")
    moved = [entry for entry in court.house.entries if entry.body.get("seat") == WANG and entry.type == "seat_moved"]
    assert told["to_at"] == moved[-1].at
    assert told["from_at"] == moved[-2].at


async def test_what_reached_the_seat_outside_is_counted_and_nothing_holds() -> None:
    court = Court()
    court.call("t-in")
    seats = court.dismiss()
    court.house.wait(30)
    court.crossed("t-in", "t-judge", 7)
    court.down("t-in")
    court.crossed("t-in", "t-judge", 1)
    await court.made.issue(seats)
    told = court.of(WANG)
    assert (told["packets_outside"], told["holds"], told["complete"]) == (8, 0, 1)
    assert told["transports_outside"] == 1, "and so is a transport that stayed up"


async def test_the_next_certificate_begins_where_the_last_one_ended() -> None:
    court = Court()
    for number, packets in enumerate((100, 20)):
        court.call(f"t-{number}")
        court.crossed(f"t-{number}", "t-judge", packets)
        seats = court.dismiss(f"t-{number}")
        court.crossed("t-own", "t-clerk-there", 5)
        await court.made.issue(seats)
        assert court.of(WANG)["packets_in_testimony"] == packets
        assert court.of(WANG)["packets_from_staff"] == 5
    first, second = [one for one in court.noted if one["seat"] == WANG]
    assert second["since"] == first["to_at"] > 0


async def test_without_the_workers_last_word_it_is_given_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "WAIT_S", 0.01)
    court = Court()
    court.call("t-in")
    court.crossed("t-in", "t-judge", 9)
    await court.made.issue(court.dismiss())
    told = court.of(WANG)
    assert (told["complete"], told["holds"], told["packets_in_testimony"]) == (0, 0, 9)


async def test_a_worker_that_died_in_the_testimony_makes_it_incomplete_and_the_next_is_whole_again() -> None:
    court = Court()
    court.call("t-in")
    court.crossed("t-in", "t-judge", 9)
    court.made.worker_lost()
    court.up("t-again", WANG, "courtroom")
    court.crossed("t-again", "t-judge", 4)
    seats = court.dismiss("t-again")
    court.crossed("t-again", "t-judge", 1)
    await court.made.issue(seats)
    assert (court.of(WANG)["complete"], court.of(WANG)["packets_in_testimony"]) == (0, 14)
    court.call("t-next")
    seats = court.dismiss("t-next")
    court.crossed("t-own", "t-clerk-there", 1)
    await court.made.issue(seats)
    assert (court.of(WANG)["complete"], court.of(WANG)["holds"]) == (1, 1)


@pytest.mark.parametrize(("late", "complete"), [(False, 1), (True, 0)])
async def test_a_restart_counts_against_it_only_after_the_opening(late: bool, complete: int) -> None:
    court = Court()
    opened = next(entry.at for entry in court.house.entries if entry.body.get("phase") == "open")
    court.made.recovered(court.house.now if late else opened - 1)
    court.call("t-in")
    seats = court.dismiss("t-in")
    court.crossed("t-own", "t-clerk-there", 1)
    await court.made.issue(seats)
    assert court.of(WANG)["complete"] == complete
