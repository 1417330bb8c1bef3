"""Both ports in memory, for tests and for measuring without a disk; the same contract suite runs against it.

Durability is the one promise it cannot keep: nothing here survives the process. ``bootstrap`` never picks it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from courtroom.errors import Unavailable
from courtroom.hearing.ledger import FIRST, Entry, SignedHead, to_line
from courtroom.store.ports import Contact, JournalTip, NoticeLink, SeatKey, SeatRecord, Shelved
from courtroom.store.secrets import new_key


class MemoryLedgers:
    """See ``store.ports.Ledgers``."""

    def __init__(self) -> None:
        self._fences: dict[str, int] = {}
        self._entries: dict[str, list[Entry]] = {}
        self._heads: dict[str, SignedHead] = {}
        self._shelf: dict[str, Shelved] = {}

    async def claim(self, hearing: str) -> int:
        self._fences[hearing] = self._fences.get(hearing, 0) + 1
        self._entries.setdefault(hearing, [])
        return self._fences[hearing]

    async def append(self, hearing: str, entries: Sequence[Entry], fence: int) -> None:
        if not entries:
            return
        if self._fences.get(hearing) != fence:
            raise Unavailable("not_owner")
        chain = list(self._entries[hearing])
        for one in entries:
            tip = chain[-1].hash if chain else FIRST
            if (one.hearing, one.seq, one.prev) != (hearing, len(chain) + 1, tip):
                raise Unavailable("store_failed")
            chain.append(one)
        self._entries[hearing] = chain

    async def entries(self, hearing: str, after: int = 0) -> list[Entry]:
        return self._entries.get(hearing, [])[after:]

    async def hearings(self) -> list[str]:
        return [hearing for hearing, chain in self._entries.items() if chain]

    async def lines(self, hearing: str) -> AsyncIterator[str]:
        for entry in self._entries.get(hearing, []):
            yield to_line(entry)

    async def entries_of(self, hearing: str, types: Sequence[str]) -> list[Entry]:
        return [entry for entry in self._entries.get(hearing, []) if entry.type in types]

    async def shelve(self, shelved: Shelved, fence: int) -> bool:
        hearing = shelved.hearing
        if self._fences.get(hearing) != fence or len(self._entries[hearing]) != shelved.seq:
            return False
        self._shelf[hearing] = shelved
        return True

    async def shelved(self) -> AsyncIterator[Shelved]:
        for hearing in await self.hearings():
            if self._on_shelf(hearing):
                yield self._shelf[hearing]

    async def unshelved(self) -> list[str]:
        return [hearing for hearing in await self.hearings() if not self._on_shelf(hearing)]

    def _on_shelf(self, hearing: str) -> bool:
        return hearing in self._shelf and self._shelf[hearing].seq == len(self._entries[hearing])

    async def save_head(self, head: SignedHead) -> None:
        if head.hearing not in self._entries:
            raise Unavailable("store_failed")
        held = self._heads.get(head.hearing)
        if held is None or held.seq <= head.seq:
            self._heads[head.hearing] = head

    async def head(self, hearing: str) -> SignedHead | None:
        return self._heads.get(hearing)


class MemoryRegistry:
    """See ``store.ports.Registry``."""

    def __init__(self) -> None:
        self._seats: dict[SeatKey, SeatRecord] = {}
        self._sessions: dict[str, tuple[SeatKey, int]] = {}
        self._staff: dict[str, int] = {}
        self._checks: dict[SeatKey, list[tuple[int, str]]] = {}
        self._contacts: dict[SeatKey, Contact] = {}
        self._links: dict[str, tuple[NoticeLink, int]] = {}
        self._tips: dict[SeatKey, dict[str, JournalTip]] = {}
        self._journals: dict[SeatKey, list[tuple[str, str]]] = {}
        self._keys: dict[str, bytes] = {}

    async def add_seats(self, seats: Sequence[SeatRecord]) -> None:
        tokens = {one.token_hash for one in self._seats.values()}
        fresh: dict[SeatKey, SeatRecord] = {}
        for one in seats:
            key = SeatKey(one.hearing, one.seat)
            if key in self._seats or key in fresh or one.token_hash in tokens:
                raise Unavailable("store_failed")
            tokens.add(one.token_hash)
            fresh[key] = one
        self._seats.update(fresh)

    async def seats(self, hearing: str) -> list[SeatRecord]:
        return [one for one in self._seats.values() if one.hearing == hearing]

    async def seat_by_token(self, token_hash: str) -> SeatKey | None:
        return next((key for key, one in self._seats.items() if one.token_hash == token_hash), None)

    async def erase(self, hearing: str) -> None:
        for key, one in self._seats.items():
            if key.hearing == hearing:
                self._seats[key] = replace(one, name="", code="")
                self._checks.pop(key, None)
                self._contacts.pop(key, None)
                self._tips.pop(key, None)
                self._journals.pop(key, None)
        self._links = {one: held for one, held in self._links.items() if held[0].hearing != hearing}
        self._keys.pop(hearing, None)

    async def attachment_key(self, hearing: str) -> bytes:
        return self._keys.setdefault(hearing, new_key())

    async def add_contacts(self, hearing: str, contacts: Mapping[str, Contact]) -> None:
        self._contacts.update({SeatKey(hearing, seat): one for seat, one in contacts.items()})

    async def contact(self, hearing: str, seat: str) -> Contact:
        return self._contacts.get(SeatKey(hearing, seat), Contact())

    async def add_notice_link(self, token_hash: str, link: NoticeLink, expires_at: int) -> None:
        self._links[token_hash] = (link, expires_at)

    async def notice_link(self, token_hash: str, now: int) -> NoticeLink | None:
        held = self._links.get(token_hash)
        return held[0] if held is not None and held[1] > now else None

    async def read_notice(self, token_hash: str, now: int) -> bool:
        link = await self.notice_link(token_hash, now)
        if link is None or link.read_at:
            return False
        self._links[token_hash] = (replace(link, read_at=now), self._links[token_hash][1])
        return True

    async def add_journal(self, hearing: str, seat: str, tip: JournalTip, first: int, lines: str) -> None:
        del first  # the list keeps the order
        key = SeatKey(hearing, seat)
        self._tips.setdefault(key, {})[tip.chain] = tip
        if lines:
            self._journals.setdefault(key, []).append((tip.chain, lines))

    async def journal_tips(self, hearing: str, seat: str) -> list[JournalTip]:
        return list(self._tips.get(SeatKey(hearing, seat), {}).values())

    async def journal(self, hearing: str, seat: str) -> list[tuple[str, str]]:
        return list(self._journals.get(SeatKey(hearing, seat), []))

    async def add_session(self, session_hash: str, hearing: str, seat: str, expires_at: int) -> None:
        key = SeatKey(hearing, seat)
        self._sessions = {one: held for one, held in self._sessions.items() if held[0] != key}
        self._sessions[session_hash] = (key, expires_at)

    async def session(self, session_hash: str, now: int) -> SeatKey | None:
        held = self._sessions.get(session_hash)
        return held[0] if held is not None and held[1] > now else None

    async def add_staff_session(self, session_hash: str, expires_at: int, now: int) -> None:
        self._staff = {one: until for one, until in self._staff.items() if until > now}
        self._staff[session_hash] = expires_at

    async def staff_session(self, session_hash: str, now: int) -> bool:
        return self._staff.get(session_hash, 0) > now

    async def add_check(self, hearing: str, seat: str, at: int, result: str) -> None:
        self._checks.setdefault(SeatKey(hearing, seat), []).append((at, result))

    async def checks(self, hearing: str, seat: str) -> list[tuple[int, str]]:
        return list(self._checks.get(SeatKey(hearing, seat), []))

    async def writable(self) -> bool:
        return True
