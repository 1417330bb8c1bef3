"""What every adapter of ``store.ports.Ledgers`` and ``store.ports.Registry`` must do; subclass and give the fixtures.

An adapter's test file defines ``class TestX(LedgersContract)`` with a fixture ``ledgers`` (and ``RegistryContract``
with ``registry``); pytest then runs the whole suite against it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from courtroom.errors import Unavailable
from courtroom.hearing.events import HandLowered, HandRaised, RequestMade
from courtroom.hearing.ledger import FIRST, Entry, SignedHead, entry_for, to_line
from courtroom.store.ports import Contact, JournalTip, Ledgers, NoticeLink, Registry, SeatKey, SeatRecord, Shelved


def chain(hearing: str, count: int, after: Entry | None = None, seat: str = "s-1") -> list[Entry]:
    """``count`` entries that go on from ``after``."""
    made: list[Entry] = []
    seq, prev = (after.seq, after.hash) if after else (0, FIRST)
    for _ in range(count):
        seq += 1
        made.append(entry_for(hearing, seq, 1_000_000 * seq, seat, HandRaised(seat=seat), prev))
        prev = made[-1].hash
    return made


def head_of(entry: Entry) -> SignedHead:
    return SignedHead(entry.hearing, entry.seq, entry.hash, entry.at + 1, "ab" * 64, "cd" * 32)


def shelved(hearing: str, seq: int, brief: str = "{}") -> Shelved:
    return Shelved(hearing, seq, sealed=True, stamped=False, copied=True, brief=brief)


class LedgersContract:
    async def test_what_was_appended_comes_back_in_order(self, ledgers: Ledgers) -> None:
        fence = await ledgers.claim("h-1")
        first = chain("h-1", 3)
        await ledgers.append("h-1", first, fence)
        second = chain("h-1", 2, after=first[-1])
        await ledgers.append("h-1", second, fence)
        assert await ledgers.entries("h-1") == first + second
        assert await ledgers.entries("h-1", after=3) == second
        assert await ledgers.entries("h-1", after=5) == []

    async def test_an_unknown_hearing_has_an_empty_ledger_and_no_head(self, ledgers: Ledgers) -> None:
        assert await ledgers.entries("h-none") == []
        assert await ledgers.head("h-none") is None
        assert await ledgers.hearings() == []

    async def test_appending_nothing_changes_nothing(self, ledgers: Ledgers) -> None:
        fence = await ledgers.claim("h-1")
        await ledgers.append("h-1", [], fence)
        assert await ledgers.entries("h-1") == []

    async def test_every_claim_is_larger_than_the_one_before(self, ledgers: Ledgers) -> None:
        fences = [await ledgers.claim("h-1") for _ in range(4)]
        assert fences == sorted(set(fences))

    async def test_concurrent_claims_are_all_different(self, ledgers: Ledgers) -> None:
        fences = await asyncio.gather(*(ledgers.claim("h-new") for _ in range(12)))
        assert len(set(fences)) == 12

    async def test_an_earlier_owner_writes_nothing(self, ledgers: Ledgers) -> None:
        stale = await ledgers.claim("h-1")
        entries = chain("h-1", 2)
        await ledgers.append("h-1", entries[:1], stale)
        fresh = await ledgers.claim("h-1")
        with pytest.raises(Unavailable) as refused:
            await ledgers.append("h-1", entries[1:], stale)
        assert refused.value.code == "not_owner"
        assert await ledgers.entries("h-1") == entries[:1]
        await ledgers.append("h-1", entries[1:], fresh)
        assert await ledgers.entries("h-1") == entries

    async def test_a_fence_that_was_never_given_out_writes_nothing(self, ledgers: Ledgers) -> None:
        fence = await ledgers.claim("h-1")
        for wrong in (0, -1, fence + 1):
            with pytest.raises(Unavailable) as refused:
                await ledgers.append("h-1", chain("h-1", 1), wrong)
            assert refused.value.code == "not_owner"
        with pytest.raises(Unavailable):
            await ledgers.append("h-never-claimed", chain("h-never-claimed", 1), fence)
        assert await ledgers.entries("h-1") == []

    async def test_a_sequence_number_exists_once(self, ledgers: Ledgers) -> None:
        fence = await ledgers.claim("h-1")
        entries = chain("h-1", 2)
        await ledgers.append("h-1", entries, fence)
        for again in (entries, entries[1:], chain("h-1", 1, seat="s-2")):
            with pytest.raises(Unavailable) as refused:
                await ledgers.append("h-1", again, fence)
            assert refused.value.code == "store_failed"
        assert await ledgers.entries("h-1") == entries

    async def test_a_gap_or_a_foreign_link_is_refused_whole(self, ledgers: Ledgers) -> None:
        fence = await ledgers.claim("h-1")
        entries = chain("h-1", 4)
        await ledgers.append("h-1", entries[:1], fence)
        foreign = replace(entries[1], prev="f" * 64)
        other_hearing = chain("h-2", 2)[1:]
        for wrong in (entries[2:], [entries[1], entries[3]], [foreign], other_hearing):
            with pytest.raises(Unavailable) as refused:
                await ledgers.append("h-1", wrong, fence)
            assert refused.value.code == "store_failed"
        assert await ledgers.entries("h-1") == entries[:1]

    async def test_two_owners_race_and_one_chain_comes_out(self, ledgers: Ledgers) -> None:
        stale = await ledgers.claim("h-1")
        fresh = await ledgers.claim("h-1")
        entries = chain("h-1", 20)

        async def write(fence: int) -> int:
            done = 0
            for entry in entries:
                try:
                    await ledgers.append("h-1", [entry], fence)
                    done += 1
                except Unavailable:
                    continue
            return done

        assert tuple(await asyncio.gather(write(stale), write(fresh))) == (0, 20)
        assert await ledgers.entries("h-1") == entries

    async def test_hearings_come_oldest_first_and_only_with_a_ledger(self, ledgers: Ledgers) -> None:
        for hearing in ("h-b", "h-a", "h-empty", "h-c"):
            fence = await ledgers.claim(hearing)
            if hearing != "h-empty":
                await ledgers.append(hearing, chain(hearing, 1), fence)
        assert await ledgers.hearings() == ["h-b", "h-a", "h-c"]

    async def test_a_long_ledger_comes_line_by_line(self, ledgers: Ledgers) -> None:
        fence = await ledgers.claim("h-1")
        entries = chain("h-1", 450)
        await ledgers.append("h-1", entries, fence)
        assert [line async for line in ledgers.lines("h-1")] == [to_line(entry) for entry in entries]
        assert [line async for line in ledgers.lines("h-none")] == []

    async def test_entries_are_found_by_what_they_are_and_not_by_what_they_say(self, ledgers: Ledgers) -> None:
        fence = await ledgers.claim("h-1")
        quoting = RequestMade(id="r-1", seat="s-1", kind="speak", text=',"type":"hand_lowered","v":1}')
        entries: list[Entry] = []
        for seq, event in enumerate((HandRaised(seat="s-1"), quoting, HandLowered(seat="s-1")), 1):
            prev = entries[-1].hash if entries else FIRST
            entries.append(entry_for("h-1", seq, seq, "s-1", event, prev))
        await ledgers.append("h-1", entries, fence)
        assert await ledgers.entries_of("h-1", ("hand_lowered",)) == entries[2:]
        assert await ledgers.entries_of("h-1", ("request_made", "hand_raised")) == entries[:2]
        assert await ledgers.entries_of("h-2", ("hand_raised",)) == []

    async def test_a_hearing_stays_on_the_shelf_until_its_ledger_goes_on(self, ledgers: Ledgers) -> None:
        fences = {}
        for hearing in ("h-2", "h-1", "h-empty"):
            fences[hearing] = await ledgers.claim(hearing)
            if hearing != "h-empty":
                await ledgers.append(hearing, chain(hearing, 2), fences[hearing])
        assert await ledgers.unshelved() == ["h-2", "h-1"]
        for hearing in ("h-1", "h-2"):
            assert await ledgers.shelve(shelved(hearing, 2), fences[hearing])
        assert await ledgers.unshelved() == []
        assert [one async for one in ledgers.shelved()] == [shelved("h-2", 2), shelved("h-1", 2)]

        fence = await ledgers.claim("h-1")  # reading it again changes nothing
        assert [one.hearing async for one in ledgers.shelved()] == ["h-2", "h-1"]
        await ledgers.append("h-1", chain("h-1", 1, after=chain("h-1", 2)[-1]), fence)
        assert await ledgers.unshelved() == ["h-1"]
        assert [one.hearing async for one in ledgers.shelved()] == ["h-2"]
        assert await ledgers.shelve(shelved("h-1", 3, "{1}"), fence)
        assert [one.brief async for one in ledgers.shelved()] == ["{}", "{1}"]

    async def test_only_the_owner_shelves_and_only_what_it_knows_to_the_end(self, ledgers: Ledgers) -> None:
        stale = await ledgers.claim("h-1")
        await ledgers.append("h-1", chain("h-1", 3), stale)
        fence = await ledgers.claim("h-1")
        assert not await ledgers.shelve(shelved("h-1", 3), stale)
        assert not await ledgers.shelve(shelved("h-1", 2), fence)
        assert not await ledgers.shelve(shelved("h-1", 4), fence)
        assert not await ledgers.shelve(shelved("h-none", 0), fence)
        assert await ledgers.unshelved() == ["h-1"]
        assert [one async for one in ledgers.shelved()] == []

    @pytest.mark.parametrize("count", [0, 9, 10, 21])
    async def test_a_long_shelf_is_read_whole(
        self, ledgers: Ledgers, count: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("courtroom.store.ledgers.PAGE", 10)
        names = [f"h-{number:03}" for number in range(count)]
        for hearing in names:
            fence = await ledgers.claim(hearing)
            await ledgers.append(hearing, chain(hearing, 1), fence)
            assert await ledgers.shelve(shelved(hearing, 1), fence)
        assert [one.hearing async for one in ledgers.shelved()] == names

    async def test_the_newest_head_stays(self, ledgers: Ledgers) -> None:
        fence = await ledgers.claim("h-1")
        entries = chain("h-1", 3)
        await ledgers.append("h-1", entries, fence)
        await ledgers.save_head(head_of(entries[1]))
        await ledgers.save_head(head_of(entries[2]))
        await ledgers.save_head(head_of(entries[0]))  # comes late, would hide a truncation
        assert await ledgers.head("h-1") == head_of(entries[2])

    async def test_a_head_without_a_ledger_is_refused(self, ledgers: Ledgers) -> None:
        with pytest.raises(Unavailable):
            await ledgers.save_head(head_of(chain("h-none", 1)[0]))

    async def test_an_asker_that_goes_away_leaves_the_store_whole(self, ledgers: Ledgers) -> None:
        fence = await ledgers.claim("h-1")
        entries = chain("h-1", 200)
        task = asyncio.ensure_future(ledgers.append("h-1", entries, fence))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        kept = await ledgers.entries("h-1")
        if len(kept) not in (0, 200):  # in flight, or never begun: wait behind it for the writer's turn
            pytest.fail("half an append was seen")
        await ledgers.claim("h-1")
        kept = await ledgers.entries("h-1")
        assert kept in ([], entries)


def seat(number: int, hearing: str = "h-1") -> SeatRecord:
    return SeatRecord(hearing, f"s-{number}", f"示范人{number}", f"{number:064x}", f"{number:06d}")


class RegistryContract:
    async def test_seats_come_back_as_they_were(self, registry: Registry) -> None:
        records = [seat(3), seat(1), seat(2)]
        await registry.add_seats(records)
        assert await registry.seats("h-1") == records
        assert await registry.seats("h-2") == []

    async def test_a_seat_is_found_by_the_hash_of_its_token_only(self, registry: Registry) -> None:
        await registry.add_seats([seat(1), seat(2)])
        assert await registry.seat_by_token(seat(2).token_hash) == SeatKey("h-1", "s-2")
        assert await registry.seat_by_token("f" * 64) is None
        assert await registry.seat_by_token("") is None

    async def test_a_second_seat_with_the_same_token_or_id_is_refused_whole(self, registry: Registry) -> None:
        await registry.add_seats([seat(1)])
        same_token = replace(seat(2), token_hash=seat(1).token_hash)
        for wrong in ([seat(3), same_token], [seat(4), replace(seat(1), token_hash="e" * 64)]):
            with pytest.raises(Unavailable):
                await registry.add_seats(wrong)
        assert await registry.seats("h-1") == [seat(1)]

    async def test_a_new_session_replaces_the_seats_earlier_one(self, registry: Registry) -> None:
        await registry.add_session("a" * 64, "h-1", "s-1", 100)
        await registry.add_session("b" * 64, "h-1", "s-2", 100)
        await registry.add_session("c" * 64, "h-1", "s-1", 100)
        assert await registry.session("a" * 64, 1) is None
        assert await registry.session("b" * 64, 1) == SeatKey("h-1", "s-2")
        assert await registry.session("c" * 64, 1) == SeatKey("h-1", "s-1")

    async def test_a_session_ends_at_its_time(self, registry: Registry) -> None:
        await registry.add_session("a" * 64, "h-1", "s-1", 100)
        assert await registry.session("a" * 64, 99) is not None
        assert await registry.session("a" * 64, 100) is None

    async def test_staff_sessions_live_side_by_side_and_end(self, registry: Registry) -> None:
        await registry.add_staff_session("a" * 64, 100, 1)
        await registry.add_staff_session("b" * 64, 200, 1)
        assert await registry.staff_session("a" * 64, 50)
        assert await registry.staff_session("b" * 64, 150)
        assert not await registry.staff_session("a" * 64, 100)
        assert not await registry.staff_session("c" * 64, 1)

    async def test_device_checks_are_kept_in_order(self, registry: Registry) -> None:
        await registry.add_check("h-1", "s-1", 5, '{"udp":true}')
        await registry.add_check("h-1", "s-1", 9, '{"udp":false}')
        assert await registry.checks("h-1", "s-1") == [(5, '{"udp":true}'), (9, '{"udp":false}')]
        assert await registry.checks("h-1", "s-2") == []

    async def test_contacts_are_of_one_seat_and_may_be_corrected(self, registry: Registry) -> None:
        assert await registry.contact("h-1", "s-1") == Contact()
        await registry.add_contacts("h-1", {"s-1": Contact("a@example.com", "+861"), "s-2": Contact(phone="110")})
        await registry.add_contacts("h-1", {"s-1": Contact("b@example.com")})
        assert await registry.contact("h-1", "s-1") == Contact("b@example.com", "")
        assert await registry.contact("h-1", "s-2") == Contact("", "110")
        assert await registry.contact("h-2", "s-1") == Contact()
        await registry.add_contacts("h-1", {})

    async def test_a_notices_link_is_read_once_and_runs_out(self, registry: Registry) -> None:
        link = NoticeLink("h-1", "s-1", "41", 0)
        await registry.add_notice_link("a" * 64, link, 100)
        assert await registry.notice_link("a" * 64, 50) == link
        assert await registry.read_notice("a" * 64, 60)
        assert not await registry.read_notice("a" * 64, 61)
        assert await registry.notice_link("a" * 64, 99) == replace(link, read_at=60)
        assert await registry.notice_link("a" * 64, 100) is None
        assert await registry.notice_link("b" * 64, 50) is None
        assert not await registry.read_notice("b" * 64, 50)

    async def test_journals_are_kept_as_they_came_with_their_tips(self, registry: Registry) -> None:
        one, two = JournalTip("c1", 2, "a" * 64, broken=False), JournalTip("c2", 1, "b" * 64, broken=False)
        await registry.add_journal("h-1", "s-1", one, 1, "1\n2\n")
        await registry.add_journal("h-1", "s-1", two, 1, "x\n")
        await registry.add_journal("h-1", "s-1", replace(one, n=3, hash="c" * 64, broken=True), 3, "")
        assert await registry.journal("h-1", "s-1") == [("c1", "1\n2\n"), ("c2", "x\n")]
        assert await registry.journal_tips("h-1", "s-1") == [replace(one, n=3, hash="c" * 64, broken=True), two]
        assert await registry.journal("h-1", "s-2") == []
        assert await registry.journal_tips("h-2", "s-1") == []

    async def test_attachments_of_a_hearing_have_one_key_until_they_are_erased(self, registry: Registry) -> None:
        key, other = await registry.attachment_key("h-1"), await registry.attachment_key("h-2")
        assert (len(key), len({key, other})) == (32, 2)
        assert await registry.attachment_key("h-1") == key
        await registry.erase("h-1")
        assert await registry.attachment_key("h-1") != key
        assert await registry.attachment_key("h-2") == other

    async def test_erasing_takes_the_person_and_leaves_the_seat(self, registry: Registry) -> None:
        await registry.add_seats([seat(1), seat(2, hearing="h-2")])
        await registry.add_contacts("h-1", {"s-1": Contact("a@example.com")})
        await registry.add_notice_link("a" * 64, NoticeLink("h-1", "s-1", "41", 0), 100)
        await registry.add_journal("h-1", "s-1", JournalTip("c1", 1, "a" * 64, broken=False), 1, "1\n")
        await registry.add_check("h-1", "s-1", 5, "{}")
        await registry.erase("h-1")
        (left,) = await registry.seats("h-1")
        assert (left.seat, left.name, left.code) == ("s-1", "", "")
        assert await registry.checks("h-1", "s-1") == []
        assert await registry.contact("h-1", "s-1") == Contact()
        assert await registry.notice_link("a" * 64, 50) is None
        assert await registry.journal("h-1", "s-1") == []
        assert await registry.journal_tips("h-1", "s-1") == []
        assert await registry.seats("h-2") == [seat(2, hearing="h-2")]
