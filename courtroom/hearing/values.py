"""Values that come from outside are hostile until they were here.

Rules: every field has the type its command declares (no coercion), every text is bounded, free of control characters
and lone surrogates, every integer fits the ledger. What does not is refused with a code, never with another exception.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, get_origin, get_type_hints

from courtroom.errors import Refused
from courtroom.hearing.commands import COMMANDS, OBSERVATIONS, Command
from courtroom.hearing.refusals import refusal

MAX_INT: Final = 2**53 - 1
MAX_WORD: Final = 128
MAX_REASON: Final = 1000
MAX_REQUEST: Final = 500
MAX_FINDING: Final = 4000
MAX_DETAIL: Final = 32
MAX_STROKE: Final = 8000  # a drawn signature as SVG path data

_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_LIMITS: Final[Mapping[str, int]] = {
    "reason": MAX_REASON, "note": MAX_REQUEST, "text": MAX_REQUEST, "finding": MAX_FINDING, "remark": MAX_FINDING,
    "stroke": MAX_STROKE,
}  # fmt: skip


def _shape(kind: type[Command]) -> tuple[tuple[str, type], ...]:
    hints = get_type_hints(kind)
    return tuple((part.name, get_origin(hints[part.name]) or hints[part.name]) for part in fields(kind))


_SHAPES: Final = {kind: _shape(kind) for kind in (*COMMANDS.values(), *OBSERVATIONS)}


def well_formed(command: Command) -> None:
    """Refuses ``bad_value``, ``bad_text`` or ``text_too_long`` for any field that is not what it was declared as."""
    if type(command) not in _SHAPES:
        raise refusal("unknown_command")
    for name, kind in _SHAPES[type(command)]:
        value: Any = getattr(command, name)
        if type(value) is not kind:
            raise refusal("bad_value", field=name)
        if isinstance(value, str):
            text(value, _LIMITS.get(name, MAX_WORD))
        if type(value) is int and abs(value) > MAX_INT:
            raise refusal("bad_value", field=name)


def text(value: str, limit: int, least: int = 0) -> str:
    """``value`` if it is readable text of ``least`` to ``limit`` characters."""
    if len(value) > limit:
        raise refusal("text_too_long", limit=limit)
    if _FORBIDDEN.search(value):
        raise refusal("bad_text")
    if len(value.strip()) < least:
        raise refusal("text_missing")
    return value


def identifier(value: str) -> bool:
    return _IDENTIFIER.fullmatch(value) is not None


def sha256(value: str) -> bool:
    return _HASH.fullmatch(value) is not None


def detail(value: Mapping[Any, Any]) -> dict[str, str | int]:
    """The detail of a fact noted by our own processes, as the ledger takes it."""
    made: dict[str, str | int] = {}
    for key, item in value.items():
        whole = type(item) is int and abs(item) <= MAX_INT
        if type(key) is not str or len(key) > MAX_WORD or not (whole or type(item) is str) or len(made) >= MAX_DETAIL:
            raise refusal("bad_value", field="detail")
        text(key, MAX_WORD)
        made[key] = item if whole else text(str(item), MAX_REASON)
    return made


def plain_text(value: object, limit: int) -> bool:
    """Whether ``value`` is a text that may stand in the ledger."""
    if type(value) is not str:
        return False
    try:
        text(value, limit)
    except Refused:
        return False
    return True
