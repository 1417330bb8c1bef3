"""The journal a seat's own browser keeps: is its chain whole, when was that by the court's clock, what does it say?

Rules
* ``hash`` = SHA-256 over the hex of the hash before, followed by the canonical JSON of ``{at, detail, kind, n, up}``;
  before entry 1 stands the SHA-256 of the canonical JSON of ``{chain, hearing, seat}``. One chain per loaded page.
* ``at`` is ms of Unix time by the client's clock, ``up`` ms since its page was loaded. Details hold whole numbers and
  plain ASCII words, so that one value has one spelling in every language.
* Offset and its bound as in NTP (RFC 5905 section 8): of ``(t0, t1, t2, t3)`` the offset is ((t1−t0)+(t2−t3))/2 and
  cannot be wrong by more than half of what the exchange took. The median of the quickest exchanges counts.
* What a client says of itself is evidence with its own clock named: it never makes a leaving deliberate and never
  speaks of our own fault (``KINDS`` holds no such fact; a test keeps it so).
* An entry belongs to the interruption it can have been in, or before, by its time and the bound of the offset.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low
from typing import Final

from courtroom.hearing import presence
from courtroom.hearing.ledger import canonical
from courtroom.hearing.model import Seat, Spell
from courtroom.hearing.presence import Row

Detail = Mapping[str, int | str]
Sample = tuple[int, int, int, int]

MAX_KEYS: Final = 12
MAX_DETAIL: Final = 128
MAX_MS: Final = 2**43
MAX_SAMPLES: Final = 16
MAX_GAPS: Final = 32
MAX_ROWS: Final = 24
"""Client rows that one interruption takes from one upload; the whole journal is kept beside the ledger."""
NO_CLOCK_US: Final = 600_000_000
"""An offset that is known no better than this tells nothing."""
STEP_MS: Final = 2_000

LOW_PERCENT: Final = 10
HIGH_LOSS_PERMILLE: Final = 100
HIGH_RTT_MS: Final = 1_500
THROTTLED_MS: Final = 90_000
"""A hidden page's timers run once a minute: only more than that is sleep there."""

LEAD_US: Final = 20_000_000
"""How long before the court noticed a loss its beginning may lie."""
LAG_US: Final = 2_000_000
EARLIER_US: Final[Mapping[str, int]] = {presence.BATTERY_LOW: 900_000_000, presence.HIGH_LOSS: 60_000_000}
"""Facts that speak of a loss that came later."""

_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TEXT: Final = re.compile(r"[A-Za-z0-9 _.:/+-]*")
_HEX: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Note:
    """One entry of a client's journal."""

    n: int
    at: int
    up: int
    kind: str
    detail: Detail
    hash: str


@dataclass(frozen=True, slots=True)
class Clock:
    """Court = client + ``offset_us``, wrong by at most ``error_us``."""

    offset_us: int
    error_us: int


# --- the chain ----------------------------------------------------------------------------------------------------


def readable(note: Note) -> bool:
    """Whether an entry is one of this form at all."""
    whole = 0 < note.n <= 2**31 and 0 <= note.at <= MAX_MS and 0 <= note.up <= MAX_MS
    return (
        whole
        and _WORD.fullmatch(note.kind) is not None
        and _HEX.fullmatch(note.hash) is not None
        and len(note.detail) <= MAX_KEYS
        and all(_WORD.fullmatch(key) is not None and _plain(value) for key, value in note.detail.items())
    )


def _plain(value: int | str) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_DETAIL and _TEXT.fullmatch(value) is not None
    return type(value) is int and abs(value) <= presence.MAX_INT


def first_hash(chain: str, hearing: str, seat: str) -> str:
    """What stands before entry 1: a chain cannot be handed in for another seat."""
    return hashlib.sha256(canonical({"chain": chain, "hearing": hearing, "seat": seat})).hexdigest()


def hash_of(before: str, note: Note) -> str:
    content = {"at": note.at, "detail": dict(note.detail), "kind": note.kind, "n": note.n, "up": note.up}
    return hashlib.sha256(before.encode() + canonical(content)).hexdigest()


def holding(n: int, before: str, notes: Sequence[Note]) -> int:
    """How many of ``notes`` continue the chain whose entry ``n`` has the hash ``before``."""
    for count, note in enumerate(notes):
        if not readable(note) or note.n != n + 1 or hash_of(before, note) != note.hash:
            return count
        n, before = note.n, note.hash
    return len(notes)


def stepped(notes: Sequence[Note]) -> int:
    """ms by which the client's clock was set back within ``notes``, 0 when it was not.

    Sleeping makes ``at`` run ahead of ``up``; only a clock that was changed makes it fall back.
    """
    worst = 0
    for earlier, later in pairwise(notes):
        worst = max(worst, (later.up - earlier.up) - (later.at - earlier.at))
    return worst if worst > STEP_MS else 0


# --- the clock ----------------------------------------------------------------------------------------------------


def clock_of(samples: Iterable[Sample]) -> Clock | None:
    """The offset out of exchanges ``(t0, t1, t2, t3)``: µs, t0 and t3 read by the client, t1 and t2 by the court."""
    found: list[tuple[int, int]] = []
    for t0, t1, t2, t3 in list(samples)[-MAX_SAMPLES:]:
        took = (t3 - t0) - (t2 - t1)
        if 0 <= took <= NO_CLOCK_US and t1 <= t2:
            found.append((took, ((t1 - t0) + (t2 - t3)) // 2))
    if not found:
        return None
    quickest = min(took for took, _ in found)
    good = [(took, offset) for took, offset in found if took <= 2 * quickest + 10_000]
    offset = median_low(offset for _, offset in good)
    return Clock(offset, min(-(-took // 2) + abs(other - offset) for took, other in good) + 1)


# --- what it says -------------------------------------------------------------------------------------------------


def _offline(_: Detail) -> tuple[str, Detail]:
    return presence.CLIENT_OFFLINE, {}


def _visibility(detail: Detail) -> tuple[str, Detail]:
    return ("page_hidden" if detail.get("hidden") else "page_shown"), {}


def _battery(detail: Detail) -> tuple[str, Detail]:
    percent = detail.get("percent")
    low = isinstance(percent, int) and percent <= LOW_PERCENT and detail.get("charging") == 0
    return (presence.BATTERY_LOW if low else ""), {"percent": percent if isinstance(percent, int) else -1}


def _track(detail: Detail) -> tuple[str, Detail]:
    lost = {"camera": presence.CAMERA_LOST, "microphone": presence.MICROPHONE_LOST}.get(str(detail.get("device")), "")
    return (lost if detail.get("is") in ("ended", "lost") else ""), {}


def _permission(detail: Detail) -> tuple[str, Detail]:
    return (presence.PERMISSION_REVOKED if detail.get("is") == "denied" else ""), {}


def _sleep(detail: Detail) -> tuple[str, Detail]:
    ms = detail.get("ms")
    length = ms if isinstance(ms, int) else 0
    slept = length > (THROTTLED_MS if detail.get("hidden") else 0)
    return (presence.CLIENT_SLEPT if slept else ""), {"seconds": length // 1000}


def _quality(detail: Detail) -> tuple[str, Detail]:
    loss, rtt = detail.get("loss_permille"), detail.get("rtt_ms")
    bad = (isinstance(loss, int) and loss > HIGH_LOSS_PERMILLE) or (isinstance(rtt, int) and rtt > HIGH_RTT_MS)
    return (presence.HIGH_LOSS if bad else ""), {"permille": loss if isinstance(loss, int) else -1}


KINDS: Final = {
    "offline": _offline,
    "online": lambda _: ("client_online", {}),
    "network": lambda detail: (presence.NETWORK_CHANGED, {"type": str(detail.get("type", ""))}),
    "visibility": _visibility,
    "freeze": lambda _: ("page_frozen", {}),
    "pagehide": lambda _: (presence.PAGE_HIDE, {}),
    "battery": _battery,
    "track": _track,
    "permission": _permission,
    "sleep": _sleep,
    "crashed": lambda _: (presence.PAGE_CRASHED, {}),
    "socket": lambda detail: (f"client_socket_{detail.get('is')}" if detail.get("is") == "down" else "", {}),
    "media": lambda detail: (f"client_media_{detail.get('is')}" if detail.get("is") == "down" else "", {}),
    "quality": _quality,
}
"""Kind of entry → ``(fact, details)``; fact '' says nothing worth a row. Kinds that are not here say nothing."""


def row_of(note: Note, clock: Clock) -> Row | None:
    """The line of evidence in an entry; ``at`` as the client read it, ``court_at`` what that was here."""
    reader = KINDS.get(note.kind)
    fact, more = reader(note.detail) if reader is not None else ("", {})
    if not fact:
        return None
    at = 1000 * _began(note)
    row: Row = {"fact": fact, "at": at, "clock": "client", "court_at": at + clock.offset_us}
    return {**row, "error_us": clock.error_us, "n": note.n, **more}


def _began(note: Note) -> int:
    """When it happened: a sleep and a crash are noted after the event."""
    match note.kind, note.detail.get("ms"), note.detail.get("last"):
        case "sleep", int() as length, _:
            return max(0, note.at - length)
        case "crashed", _, int() as last if 0 < last <= note.at:
            return last
    return note.at


def by_interruption(seat: Seat, notes: Iterable[Note], clock: Clock, now: int) -> dict[int, tuple[Row, ...]]:
    """Lines of evidence by the interruption (ledger entry that began it) that they belong to."""
    found: dict[int, list[Row]] = {}
    spells = presence.gaps(seat)[-MAX_GAPS:]
    for note in notes:
        row = row_of(note, clock)
        if row is not None and row["fact"] == presence.HIGH_LOSS and not _tells_of_line(seat, row, clock):
            continue
        spell = _spell_of(note, row, spells, clock, now) if row is not None else None
        if row is not None and spell is not None:
            found.setdefault(spell.seq, []).append(row)
    return {began: tuple(rows[:MAX_ROWS]) for began, rows in found.items()}


def _tells_of_line(seat: Seat, row: Row, clock: Clock) -> bool:
    return presence.tells_of_line(seat, int(row["court_at"]), clock.error_us)


def _spell_of(note: Note, row: Row, spells: Sequence[Spell], clock: Clock, now: int) -> Spell | None:
    """A cause comes before its effect: the loss it lasted into counts first, then the one it lies in, then the next."""
    if clock.error_us >= NO_CLOCK_US:
        return None
    begin, end, fact = int(row["court_at"]), 1000 * note.at + clock.offset_us, str(row["fact"])
    ranked = [
        (rank, abs(spell.since - begin), spell.seq, spell)
        for spell in spells
        if (rank := _rank(spell, fact, begin, end, clock.error_us, now)) is not None
    ]
    return min(ranked)[3] if ranked else None


def _rank(spell: Spell, fact: str, begin: int, end: int, error: int, now: int) -> int | None:
    """0 it lasted into the loss · 1 it lies in the interruption · 2 it leads to it · 3 it came just after."""
    until = spell.until or now
    if fact == presence.HIGH_LOSS:
        return 2 if spell.since - EARLIER_US[fact] - error <= begin <= spell.since else None
    if begin < end and begin - error <= spell.since <= end + error:
        return 0
    if spell.since <= begin <= until:
        return 1
    if spell.since - EARLIER_US.get(fact, LEAD_US) - error <= begin <= spell.since:
        return 2
    return 3 if until < begin <= until + LAG_US + error else None
