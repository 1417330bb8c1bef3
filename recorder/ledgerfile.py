"""Reads a ledger, a head and the names from files that anybody may have written.

Bounded: lines by ``ledger.MAX_LINE``, entries by ``MAX_ENTRIES``, people in ``sealedjson``. What does not parse is
``BadMessage`` with the line's number, never a traceback.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from courtroom.errors import BadMessage
from courtroom.hearing.ledger import MAX_LINE, Entry, SignedHead, canonical, from_line
from recorder.examined import Anchors
from recorder.sealedjson import checked_people

MAX_ENTRIES: Final = 2_000_000
MAX_SMALL: Final = 4 << 20


def read_ledger(path: Path) -> list[Entry]:
    entries: list[Entry] = []
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE + 2):
            if len(entries) >= MAX_ENTRIES:
                raise BadMessage("ledger_too_long")
            try:
                entries.append(from_line(line))
            except BadMessage as error:
                raise BadMessage("ledger_line", {"line": len(entries) + 1}) from error
    if not entries:
        raise BadMessage("ledger_empty")
    return entries


def small_json(path: Path, limit: int = MAX_SMALL) -> Any:
    """A JSON file of bounded size; ``BadMessage("json")`` for anything else."""
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise BadMessage("json_too_large", {"file": path.name})
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadMessage("json", {"file": path.name}) from error


def read_people(path: Path) -> dict[str, str]:
    """``{seat id: name}``; ``BadMessage("people")`` when it is no such list."""
    try:
        return checked_people(small_json(path))
    except BadMessage as error:
        raise BadMessage(error.code, {"file": path.name}) from error


def anchors_of(key: str, trust: Path | None, authorities: Sequence[Path], ledger: Path | None) -> Anchors:
    """What a verifier was given from elsewhere; ``BadMessage`` and ``OSError`` when it cannot be read."""
    return Anchors(
        key.lower(),
        small_json(trust) if trust is not None else None,
        tuple(path.read_bytes()[:MAX_SMALL] for path in authorities),
        tuple(read_ledger(ledger)) if ledger is not None else (),
    )


def read_head(path: Path) -> SignedHead:
    """A signed head as JSON object, whatever its spacing."""
    return head_of(small_json(path))


def head_of(value: Any) -> SignedHead:
    names = [part.name for part in fields(SignedHead)]
    if not isinstance(value, dict) or set(value) != set(names):
        raise BadMessage("head")
    kinds = {"seq": int, "at": int}
    if any(type(value[name]) is not kinds.get(name, str) for name in names):
        raise BadMessage("head")
    try:
        canonical(value)
    except TypeError as error:
        raise BadMessage("head") from error
    return SignedHead(**value)
