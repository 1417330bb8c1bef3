"""From what a client sent to a command of the court: closed table, strict types, bounded values, actor from the
session.

Rules: an unknown ``type`` is ``Refused("unknown_command")``; any field that is missing, surplus, of the wrong type,
too long, out of range or not text (control characters, lone surrogates) is ``Refused("bad_command")``. The client
never names the actor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Final, Literal

import msgspec

from courtroom.errors import Refused
from courtroom.hearing.commands import COMMANDS, Command

MAX_TEXT: Final = 4000
MAX_INT: Final = 2**53 - 1
MAX_PLACES: Final = 32

_FIELDS: Final = {name: frozenset(one.name for one in fields(kind)) - {"actor"} for name, kind in COMMANDS.items()}


class PlaceWidth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``mid`` of a video place and the width of its tile in CSS pixels; 0 stops the place."""

    mid: Annotated[str, msgspec.Meta(min_length=1, max_length=16, pattern=r"^[A-Za-z0-9]+$")]
    width: Annotated[int, msgspec.Meta(ge=0, le=7680)]


class MediaPreferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    places: Annotated[list[PlaceWidth], msgspec.Meta(max_length=MAX_PLACES)]


class ClientFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the seat's own browser notices now; ``at`` is µs of its clock."""

    kind: Literal[
        "battery_low",
        "charging",
        "camera_lost",
        "microphone_lost",
        "permission_revoked",
        "page_hidden",
        "page_shown",
    ]
    at: Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)]


def plain_text(value: str, limit: int = MAX_TEXT) -> bool:
    """Whether ``value`` is text a court can keep: no control characters but line breaks, no lone surrogates."""
    if len(value) > limit:
        return False
    return all((c >= " " or c in "\n\t") and c != "\x7f" and not "\ud800" <= c <= "\udfff" for c in value)


def parse(message: object, actor: str) -> Command | MediaPreferences | ClientFact:
    """The command in ``message`` = ``{"type": …, fields}``, asked by the seat ``actor``."""
    if not isinstance(message, Mapping) or not isinstance(message.get("type"), str):
        raise Refused("bad_command")
    values = {name: value for name, value in message.items() if name != "type"}
    if message["type"] == "media_preferences":
        preferences: MediaPreferences = _convert(values, MediaPreferences)
        return preferences
    if message["type"] == "fact":
        fact: ClientFact = _convert(values, ClientFact)
        return fact
    kind = COMMANDS.get(message["type"])
    if kind is None:
        raise Refused("unknown_command")
    if not _FIELDS[message["type"]].issuperset(values) or not all(_bounded(value) for value in values.values()):
        raise Refused("bad_command")
    command: Command = _convert({**values, "actor": actor}, kind)
    return command


def _bounded(value: object) -> bool:
    match value:
        case bool():
            return True
        case int():
            return 0 <= value <= MAX_INT
        case str():
            return plain_text(value)
        case _:
            return False


def _convert(values: dict[Any, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise Refused("bad_command") from error
