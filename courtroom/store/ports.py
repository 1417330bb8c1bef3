"""What the court needs kept, as small interfaces; adapters stand beside this file, ``bootstrap`` picks them.

Rules
* ``Ledgers.append`` returns only when the entries are durable (they survive SIGKILL and power loss).
* ``(hearing, seq)`` is unique in the database itself, and so is the fencing token's check: an owner whose ``fence``
  is not the newest one gets ``Unavailable("not_owner")`` and nothing is written.
* Names, one-time codes and everything else about a person are encrypted at rest and can be erased; ledgers cannot.
* There is no method that deletes a ledger entry, a recording or an archive.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from courtroom.hearing.ledger import Entry, SignedHead


@dataclass(frozen=True, slots=True)
class SeatRecord:
    """What is kept about a seat outside the ledger. ``token_hash`` is SHA-256 (hex) of the summons token."""

    hearing: str
    seat: str
    name: str = field(repr=False)
    token_hash: str = field(repr=False)
    code: str = field(repr=False)  # one-time code of the second factor


@dataclass(frozen=True, slots=True)
class SeatKey:
    hearing: str
    seat: str


@dataclass(frozen=True, slots=True)
class Contact:
    """Where the court reaches the person of a seat; '' = not given."""

    email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class NoticeLink:
    """What the link of a notice leads to; ``read_at`` 0 = nobody has pressed the button yet."""

    hearing: str
    seat: str
    notice: str
    read_at: int


@dataclass(frozen=True, slots=True)
class JournalTip:
    """How far the journal of one loaded page of a seat's browser has come to the court."""

    chain: str
    n: int
    hash: str
    broken: bool


@dataclass(frozen=True, slots=True)
class Shelved:
    """A hearing to whose record nothing was owed any more when its ledger stood at ``seq``.

    ``sealed``: its archive lies in its place; ``stamped``, ``copied``: with a time-stamp of an authority, and a second
    time elsewhere. ``brief``: what lists show of it, as JSON; no names.
    """

    hearing: str
    seq: int
    sealed: bool
    stamped: bool
    copied: bool
    brief: str


class Ledgers(Protocol):
    async def claim(self, hearing: str) -> int:
        """Become the owner: a new fencing token, larger than any before."""
        ...

    async def append(self, hearing: str, entries: Sequence[Entry], fence: int) -> None:
        """Durable on return, or ``Unavailable("not_owner")`` / ``Unavailable("store_failed")`` and nothing written."""
        ...

    async def entries(self, hearing: str, after: int = 0) -> list[Entry]:
        """Entries with ``seq > after`` in order."""
        ...

    def lines(self, hearing: str) -> AsyncIterator[str]:
        """The same as canonical lines (``hearing.ledger.to_line``) from the first on, read as they are wanted."""
        ...

    async def entries_of(self, hearing: str, types: Sequence[str]) -> list[Entry]:
        """Entries of these types, in order."""
        ...

    async def hearings(self) -> list[str]:
        """Ids of every hearing that has a ledger, oldest first."""
        ...

    async def shelve(self, shelved: Shelved, fence: int) -> bool:
        """Durable on return; False, and nothing is written, when the ledger does not stand at ``seq`` or is no longer
        the asker's. What was said of the hearing before is replaced."""
        ...

    def shelved(self) -> AsyncIterator[Shelved]:
        """Every hearing whose ledger stands where it stood when it was shelved, oldest first, read as they are
        wanted."""
        ...

    async def unshelved(self) -> list[str]:
        """Ids of every other hearing that has a ledger, oldest first."""
        ...

    async def save_head(self, head: SignedHead) -> None: ...

    async def head(self, hearing: str) -> SignedHead | None: ...


class Registry(Protocol):
    async def add_seats(self, seats: Sequence[SeatRecord]) -> None: ...

    async def seats(self, hearing: str) -> list[SeatRecord]: ...

    async def seat_by_token(self, token_hash: str) -> SeatKey | None: ...

    async def add_session(self, session_hash: str, hearing: str, seat: str, expires_at: int) -> None:
        """A browser session of a seat (cookie), hashed; replaces the seat's earlier ones."""
        ...

    async def session(self, session_hash: str, now: int) -> SeatKey | None: ...

    async def add_staff_session(self, session_hash: str, expires_at: int, now: int) -> None:
        """A browser session of the staff, hashed; many may live at once."""
        ...

    async def staff_session(self, session_hash: str, now: int) -> bool: ...

    async def add_check(self, hearing: str, seat: str, at: int, result: str) -> None:
        """A device self-test as JSON text, kept as proof that the person could join."""
        ...

    async def checks(self, hearing: str, seat: str) -> list[tuple[int, str]]:
        """``(at, result)`` of the seat's self-tests in order."""
        ...

    async def add_contacts(self, hearing: str, contacts: Mapping[str, Contact]) -> None:
        """Contacts by seat; a seat's earlier one is replaced."""
        ...

    async def contact(self, hearing: str, seat: str) -> Contact: ...

    async def add_notice_link(self, token_hash: str, link: NoticeLink, expires_at: int) -> None: ...

    async def notice_link(self, token_hash: str, now: int) -> NoticeLink | None:
        """``None`` for an unknown and an expired one alike."""
        ...

    async def read_notice(self, token_hash: str, now: int) -> bool:
        """Marks it as read; whether this was the first time."""
        ...

    async def add_journal(self, hearing: str, seat: str, tip: JournalTip, first: int, lines: str) -> None:
        """Entries of a client's journal as they came (JSON lines from entry ``first``), and the tip they lead to."""
        ...

    async def journal_tips(self, hearing: str, seat: str) -> list[JournalTip]:
        """In the order in which the chains became known."""
        ...

    async def journal(self, hearing: str, seat: str) -> list[tuple[str, str]]:
        """``(chain, JSON lines)`` in the order of the uploads."""
        ...

    async def attachment_key(self, hearing: str) -> bytes:
        """The key under which this hearing's attachments are sealed, made on first use; a new one after ``erase``."""
        ...

    async def erase(self, hearing: str) -> None:
        """Names, codes, contacts, journals and self-tests of a hearing are gone for good, and its attachments cannot be
        opened any more; its ledger, of ids only, stays."""
        ...

    async def writable(self) -> bool:
        """Whether something could be written now."""
        ...
