"""What the server may ask of the docket: the seam between pages and courtrooms.

Rules
* Everything raises ``Refused`` (answer it), ``BadMessage`` (close the session) or ``Unavailable`` (try again).
* ``submit`` returns only when the command's entries are durable and the media plane obeys (narrow, record, widen,
  tell).
* A ``Session`` never blocks its courtroom: pushes are hand-overs, the newest view wins, a slow reader loses old ones.

Constructor used by ``bootstrap``: ``control.docket.open_docket(ledgers, registry, sign, key_hex, key_file, settings)
-> Docket`` (async), where ``sign(bytes) -> bytes`` is Ed25519 and ``settings`` is ``config.Settings``; ``await
docket.close()`` at the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from courtroom.hearing.commands import Command
from courtroom.hearing.ledger import Entry, SignedHead
from courtroom.hearing.model import Case, Hearing, Policy, SeatPlan
from courtroom.store.ports import Contact


@dataclass(frozen=True, slots=True)
class PlannedSeat:
    """One ordered seat and the person on it; ``plan.id`` is already chosen (``s-`` + random), ``plan.linked_to`` an
    id.
    """

    plan: SeatPlan
    name: str
    contact: Contact = field(default_factory=Contact)


@dataclass(frozen=True, slots=True)
class HearingPlan:
    case: Case
    policy: Policy
    scheduled_at: int
    seats: tuple[PlannedSeat, ...]


@dataclass(frozen=True, slots=True)
class IssuedSeat:
    """What is told once, to the staff that created the hearing; afterwards only the token's hash is known."""

    id: str
    role: str
    name: str
    token: str
    code: str


@dataclass(frozen=True, slots=True)
class Created:
    id: str
    seats: tuple[IssuedSeat, ...]


class Session(Protocol):
    """One signalling connection of a seat."""

    @property
    def id(self) -> str: ...

    @property
    def page(self) -> str:
        """One loaded page of one browser, the same after it has reconnected; '' when the client does not say."""
        ...

    def push_view(self, view: dict[str, Any]) -> None: ...

    def push_signal(self, signal: dict[str, Any]) -> None: ...

    def close(self, reason: str) -> None:
        """``replaced`` | ``resumed`` | ``removed`` | ``closing``; the session tells its client and hangs up."""
        ...


@dataclass(frozen=True, slots=True)
class Archive:
    """``state``: none | queued | composing | sealing | sealed | failed; ``progress`` 0–100; ``bag`` once sealed."""

    state: str = "none"
    progress: int = 0
    eta_s: int | None = None
    bag: Path | None = None
    seal: Mapping[str, Any] = field(default_factory=dict)  # root sha256/sm3, signature key, duration_us, gaps, phases


@dataclass(frozen=True, slots=True)
class Copy:
    """A marked copy; ``recipient`` is a seat, ``state``: queued | making | ready | failed; ``made_at`` µs."""

    id: str
    recipient: str
    purpose: str
    state: str = "queued"
    percent: int = 0
    eta_s: int | None = None
    made_at: int | None = None


class Copies(Protocol):
    """The marked copies of one hearing."""

    def listed(self) -> Sequence[Copy]:
        """Every recipient's copy, the oldest first; who may see which is ``hearing.access.may_see_copy``."""
        ...

    async def issue(self, recipient: str, purpose: str, by: str) -> Copy:
        """Orders a copy, on record before it is begun. ``Refused``: ``no_archive``, ``copy_recipient``,
        ``too_many_copies``.
        """
        ...

    async def read(self, copy: str, reader: str) -> Path:
        """Path of a finished copy after the download is in the ledger. ``Refused``: ``not_found``,
        ``copy_not_ready``.
        """
        ...


class Listed(Protocol):
    """What lists show of a hearing, open or not; ``hearing`` may lack what only its own pages show, ``names`` too."""

    @property
    def hearing(self) -> Hearing: ...

    @property
    def names(self) -> Mapping[str, str]: ...

    @property
    def archive(self) -> Archive: ...


class Courtroom(Protocol):
    """One hearing and everybody connected to it.

    Not to be kept over minutes: when nobody is connected and nobody has asked for it for a while it is let out of
    memory, and this object answers ``Unavailable("court_busy")``. ``Docket.open`` gives the one that holds.
    """

    @property
    def id(self) -> str: ...

    @property
    def hearing(self) -> Hearing:
        """The newest state; frozen."""
        ...

    @property
    def names(self) -> Mapping[str, str]: ...

    @property
    def archive(self) -> Archive: ...

    async def submit(self, command: Command) -> int:
        """Carry out a command; the ledger's seq after it."""
        ...

    async def attach(self, seat: str, session: Session) -> None:
        """A client of this seat is here: replaces an earlier session, pushes the first view."""
        ...

    async def detach(self, seat: str, session: Session, evidence: Sequence[Mapping[str, str | int]]) -> None:
        """The signalling connection is gone; rows as in ``hearing.model.Spell.evidence``."""
        ...

    async def note_evidence(self, seat: str, evidence: Sequence[Mapping[str, str | int]]) -> None:
        """A fact from elsewhere (page-hide beacon, client's journal); may come before or after the loss."""
        ...

    async def open_media(self, seat: str, places: int, publish: Sequence[str]) -> tuple[str, str]:
        """``(transport id, offer SDP)`` for the seat's present room; replaces the seat's earlier transport at
        connect.
        """
        ...

    async def answer_media(self, seat: str, transport: str, sdp: str) -> None: ...

    async def restart_media(self, seat: str, transport: str) -> str: ...

    async def hang_up(self, seat: str, transport: str) -> None:
        """DELETE of the media resource: the same as the leave button when it is the seat's transport of the
        courtroom.
        """
        ...

    def set_preferences(self, seat: str, places: Sequence[Mapping[str, Any]]) -> None: ...

    def presence(self) -> dict[str, Any]: ...

    async def ledger(self) -> list[Entry]:
        """The whole of it, for those who must go through it more than once."""
        ...

    def lines(self) -> AsyncIterator[str]:
        """The same as canonical lines, read as they are wanted."""
        ...

    async def entries_of(self, *types: str) -> list[Entry]:
        """Entries of these types, in order."""
        ...

    async def head(self) -> SignedHead: ...

    async def verify_archive(self) -> dict[str, Any]:
        """Runs the verifier in its own process; ``{"ok", "checks": [...]}``. ``Refused("no_archive")`` before the
        seal.
        """
        ...

    async def read_archive(self, reader: str) -> Path:
        """Path of the programme MP4 after the read is in the ledger (invariant 10). ``reader``: seat id or
        ``staff``.
        """
        ...

    async def export_archive(self, reader: str) -> Path:
        """Folder of the sealed bag after the export is in the ledger. ``Refused("no_archive")`` before the seal."""
        ...

    @property
    def copies(self) -> Copies: ...

    async def speakers(self) -> dict[str, Any]:
        """Who spoke when: ``{"state": none | working | ready | failed, "speakers": [{"seat", "spans"}]}``."""
        ...


class Docket(Protocol):
    """Every hearing of this control process."""

    async def create(self, plan: HearingPlan) -> Created: ...

    def listed(self) -> AsyncIterator[Listed]:
        """Every hearing once: those on the shelf, oldest first, then those that are open."""
        ...

    async def names(self, hearing: str) -> Mapping[str, str]:
        """Names by seat."""
        ...

    async def open(self, hearing: str) -> Courtroom | None:
        """The hearing of this id, brought back from the ledger when it is not open; ``None`` when there is none."""
        ...

    def reachable_at(self, url: str) -> None:
        """The pages are served at ``url``: notices may go out with links to them."""
        ...

    def media(self) -> list[str]:
        """Addresses of the media ports, ``udp:ip:port``."""
        ...

    def health(self) -> dict[str, bool]:
        """``{"workers", "writer", "store", "disk"}``."""
        ...

    def metrics(self) -> dict[str, float]:
        """Gauges by name for the metrics page."""
        ...

    async def close(self) -> None: ...
