"""The ledger of one hearing: what happened, in order, each line bound to the one before it.

Rules
* ``hash`` = SHA-256 (FIPS 180-4) over the hex of ``prev`` followed by ``canonical`` of
  ``{hearing, seq, at, actor, type, v, body}``; the first entry has ``seq`` 1 and ``prev`` = 64 zeros.
* ``canonical`` is one spelling per value: UTF-8 JSON, keys in code point order, no spaces, integers within ±(2^53−1) so
  that every JSON reader agrees on them, never a float, never a lone surrogate.
* A line that is not spelled canonically is not a line of ours: whatever byte is changed, it is found.
* Reading is guarded: whatever does not parse, or holds an event this court does not know, is ``BadMessage``.
* A chain alone misses truncation and rewriting; heads are signed elsewhere (Ed25519) over ``head_bytes``.
"""

from __future__ import annotations

import hashlib
import json
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple, Union, cast, get_args, get_origin, get_type_hints

from courtroom.errors import BadMessage
from courtroom.hearing.events import EVENTS, Event, wire_name
from courtroom.hearing.evolve import evolve
from courtroom.hearing.model import Hearing

FIRST: Final = "0" * 64
MAX_INT: Final = 2**53 - 1
MAX_DEPTH: Final = 16
MAX_LINE: Final = 4 * 1024 * 1024

_HASH: Final = re.compile(r"[0-9a-f]{64}")

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. ``at`` µs of the court clock; ``actor`` seat id or ``system``; ``prev`` and ``hash`` 64 hex digits."""

    hearing: str
    seq: int
    at: int
    actor: str
    type: str
    v: int
    body: Body
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The newest entry known to a court at ``at``; ``signature`` and ``key`` are hex (Ed25519 over ``head_bytes``)."""

    hearing: str
    seq: int
    hash: str
    at: int
    signature: str
    key: str


class Problem(NamedTuple):
    """The first entry that does not hold. ``reason``: ``hearing seq prev hash event time head``."""

    seq: int
    reason: str


# --- canonical bytes ----------------------------------------------------------------------------------------------


def _check(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TypeError("nested too deeply for the ledger")
    match value:
        case None | bool() | str():
            return
        case int():
            if abs(value) > MAX_INT:
                raise TypeError("integer outside ±(2^53−1)")
        case list():
            for item in value:
                _check(item, depth + 1)
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise TypeError("object keys are strings")
                _check(item, depth + 1)
        case _:
            raise TypeError(f"{type(value).__name__} has no place in the ledger")


def canonical(value: object) -> bytes:
    """The one spelling of ``value``; ``TypeError`` for floats, tuples, foreign types, big integers, lone surrogates."""
    _check(value, 0)
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise TypeError("a lone surrogate is not text") from error


# --- events ⇄ bodies ----------------------------------------------------------------------------------------------


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
    match value:
        case StrEnum():
            return value.value
        case tuple() | list():
            return [_plain(item) for item in value]
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case _:
            return value


def body_of(event: Event) -> Body:
    """The event's fields as plain JSON values."""
    return cast(Body, _plain(event))


def _typed(wanted: Any, value: object) -> Any:
    """``value`` as ``wanted``, or ``ValueError``: no coercion, no missing and no unknown field."""
    if wanted in (str, int, bool):
        if type(value) is not wanted:
            raise ValueError("wrong type")
        return value
    if get_origin(wanted) in (Union, types.UnionType):
        if type(value) not in get_args(wanted):
            raise ValueError("wrong type")
        return value
    if get_origin(wanted) is tuple and isinstance(value, list):
        return tuple(_typed(get_args(wanted)[0], item) for item in value)
    if get_origin(wanted) is dict and isinstance(value, dict):
        return {_typed(str, key): _typed(get_args(wanted)[1], item) for key, item in value.items()}
    if isinstance(wanted, type) and issubclass(wanted, StrEnum) and type(value) is str:
        return wanted(value)
    if isinstance(wanted, type) and is_dataclass(wanted) and isinstance(value, dict):
        hints = _HINTS[wanted]
        if hints.keys() != value.keys():
            raise ValueError("wrong fields")
        return wanted(**{name: _typed(hint, value[name]) for name, hint in hints.items()})
    raise ValueError("wrong type")


def _hints(kinds: Iterable[type]) -> dict[type, dict[str, Any]]:
    """Field types by class for every event and every record inside one."""
    found: dict[type, dict[str, Any]] = {}
    waiting: list[Any] = list(kinds)
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and is_dataclass(kind):
            hints = get_type_hints(kind)
            found[kind] = {part.name: hints[part.name] for part in fields(kind)}
            waiting += found[kind].values()
        else:
            waiting += get_args(kind)
    return found


_HINTS: Final = _hints(EVENTS.values())


def _created_2(body: Body) -> Body:
    """Before 2 there was one fixed interval, and nothing about service was on file here."""
    policy = {"warn_after_s": 60, **body["policy"]}
    return {**body, "policy": policy, "seats": [{"service": [], **seat} for seat in body["seats"]]}


def _created_3(body: Body) -> Body:
    """Before 3 nothing was known about claims."""
    return {**body, "seats": [{**seat, "claims": []} for seat in body["seats"]]}


def _notice_2(body: Body) -> Body:
    """Before 2 "delivered" was our own guess: without a proof such a notice counts as not delivered."""
    return {"seat": body["seat"]}


def _ruled_2(body: Body) -> Body:
    return {**body, "draft": "", "draft_seq": 0}


UPCASTS: Final[Mapping[tuple[str, int], Callable[[Body], Body]]] = {
    ("hearing_created", 1): _created_2,
    ("hearing_created", 2): _created_3,
    ("prompted", 1): _notice_2,
    ("warned", 1): _notice_2,
    ("ruled", 1): _ruled_2,
    ("cause_attributed", 1): lambda body: {**body, "spell": 0},
}
"""How a body of an older version becomes one of the next version; one line per step, never removed."""


def event_of(entry: Entry) -> Event:
    """The event an entry holds; ``BadMessage`` for unknown types, newer versions, wrong or missing fields."""
    kind = EVENTS.get(entry.type)
    if kind is None:
        raise BadMessage("ledger_event_unknown", {"seq": entry.seq})
    body, version = entry.body, entry.v
    try:
        while version < kind.V and (step := UPCASTS.get((entry.type, version))) is not None:
            body, version = step(body), version + 1
    except (KeyError, TypeError) as error:
        raise BadMessage("ledger_event_fields", {"seq": entry.seq}) from error
    if version != kind.V:
        raise BadMessage("ledger_event_version", {"seq": entry.seq, "v": entry.v})
    try:
        return cast(Event, _typed(kind, body))
    except ValueError as error:
        raise BadMessage("ledger_event_fields", {"seq": entry.seq}) from error


# --- the chain ----------------------------------------------------------------------------------------------------


def _digest(entry: Entry) -> str:
    content = {name: getattr(entry, name) for name in ("hearing", "seq", "at", "actor", "type", "v", "body")}
    return hashlib.sha256(entry.prev.encode() + canonical(content)).hexdigest()


def entry_for(hearing_id: str, seq: int, at: int, actor: str, event: Event, prev: str) -> Entry:
    """The entry that records ``event`` after the entry whose hash is ``prev`` (``FIRST`` for seq 1)."""
    entry = Entry(hearing_id, seq, at, actor, wire_name(type(event)), event.V, body_of(event), prev, "")
    return replace(entry, hash=_digest(entry))


def verify_chain(entries: Iterable[Entry]) -> Problem | None:
    """Checks a whole ledger from its first entry: one hearing, gapless, never back in time, hashes and events right."""
    prev, at, hearing = FIRST, 0, None
    for seq, entry in enumerate(entries, 1):
        hearing = entry.hearing if hearing is None else hearing
        reason = _fault(entry, hearing, seq, at, prev)
        if reason:
            return Problem(seq, reason)
        prev, at = entry.hash, entry.at
    return None


def _fault(entry: Entry, hearing: str, seq: int, at: int, prev: str) -> str:
    if entry.hearing != hearing:
        return "hearing"
    if entry.seq != seq:
        return "seq"
    if entry.prev != prev:
        return "prev"
    try:
        if entry.hash != _digest(entry):
            return "hash"
        event_of(entry)
    except (TypeError, BadMessage):
        return "event"
    return "time" if entry.at < at else ""


def replay(entries: Iterable[Entry]) -> Hearing:
    """The hearing that a ledger tells of; ``BadMessage`` when it is empty or does not begin with its creation."""
    hearing: Hearing | None = None
    for entry in entries:
        hearing = apply(hearing, entry)
    if hearing is None:
        raise BadMessage("ledger_empty")
    return hearing


def apply(hearing: Hearing | None, entry: Entry) -> Hearing:
    """One step of ``replay``."""
    event = event_of(entry)
    try:
        return evolve(hearing, event, entry.at, entry.seq, entry.hearing)
    except ValueError as error:
        raise BadMessage("ledger_event_values", {"seq": entry.seq}) from error


# --- lines --------------------------------------------------------------------------------------------------------


def _object(pairs: list[tuple[str, Any]]) -> Body:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice")
    return made


def _no_number(text: str) -> None:
    raise ValueError(f"{text[:20]} is not an integer")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_no_number, parse_constant=_no_number)


_RECORDS: Final = {kind: get_type_hints(kind) for kind in (Entry, SignedHead)}


def _record(kind: type[Any], line: str | bytes) -> Any:
    if len(line) > MAX_LINE:
        raise BadMessage("ledger_line", {"why": "size"})
    try:
        body = line.decode() if isinstance(line, bytes) else line
        body = body.removesuffix("\n")
        value = _DECODER.decode(body)
        hints = _RECORDS[kind]
        if not isinstance(value, dict) or value.keys() != hints.keys():
            raise ValueError("wrong fields")
        if canonical(value) != body.encode():
            raise ValueError("not canonical")
        if any(type(value[name]) is not (dict if name == "body" else hint) for name, hint in hints.items()):
            raise ValueError("wrong type")
        if not all(_HASH.fullmatch(value[name]) for name in ("prev", "hash") if name in value):
            raise ValueError("not a hash")
    except (ValueError, TypeError, RecursionError) as error:
        raise BadMessage("ledger_line", {"why": "syntax"}) from error
    return kind(**value)


def to_line(entry: Entry | SignedHead) -> str:
    """Canonical JSON without a newline; of a head also what the header ``Courtroom-Head`` carries."""
    return canonical(_plain(entry)).decode()


def from_line(line: str | bytes) -> Entry:
    """The entry of one line (a final newline is allowed); ``BadMessage`` for everything else."""
    return cast(Entry, _record(Entry, line))


# --- heads --------------------------------------------------------------------------------------------------------


def head_bytes(hearing: str, seq: int, hash: str, at: int) -> bytes:
    """What a head's signature covers; the first line keeps it from ever meaning anything else."""
    return b"courtroom ledger head 1\n" + canonical({"hearing": hearing, "seq": seq, "hash": hash, "at": at})


def head_from_line(line: str | bytes) -> SignedHead:
    return cast(SignedHead, _record(SignedHead, line))


def verify_head(entries: Iterable[Entry], head: SignedHead) -> Problem | None:
    """Whether the chain still contains what ``head`` was signed over (the signature itself is checked elsewhere)."""
    for entry in entries:
        if entry.seq == head.seq:
            same = entry.hearing == head.hearing and entry.hash == head.hash
            return None if same else Problem(head.seq, "head")
    return Problem(head.seq, "head")
