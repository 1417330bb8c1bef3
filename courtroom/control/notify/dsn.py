"""Reads a delivery status notification (RFC 3464) that a mail server sent back: which letter, and what became of it.

Rules: hostile input; anything that is not a report on one of our letters is ``Refused("not_a_report")``. The letter is
named by the envelope id we gave (RFC 3461 ENVID), never by an address. ``relayed`` and ``expanded`` prove nothing more
than the 250 did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message
from typing import Final

from courtroom.control.notify.letter import letter_key
from courtroom.errors import Refused

MAX_BYTES: Final = 256 * 1024
MAX_PARTS: Final = 32
STATES: Final = {"delivered": "delivered", "failed": "failed"}

_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)


def report_of(content: bytes) -> tuple[tuple[str, str, int], str, str]:
    """``((hearing, seat, notice), state, detail)``."""
    if len(content) > MAX_BYTES:
        raise Refused("not_a_report")
    try:
        blocks = [dict(_fields(block)) for block in _blocks(message_from_bytes(content))]
    except (MessageError, ValueError, LookupError, RecursionError) as error:
        raise Refused("not_a_report") from error
    envelope = next((block["original-envelope-id"] for block in blocks if "original-envelope-id" in block), "")
    actions = [block for block in blocks if "action" in block]
    key = letter_key(envelope)
    if key is None or len(actions) != 1:  # one letter has one reader
        raise Refused("not_a_report")
    state = STATES.get(actions[0]["action"].lower())
    if state is None:
        raise Refused("not_a_report")
    status = _STATUS.search(actions[0].get("status", ""))
    return key, state, f"dsn {status[0] if status else ''}".strip()


def _blocks(message: Message) -> Iterator[Message]:
    """The blocks of fields of the part ``message/delivery-status``."""
    for number, part in enumerate(message.walk()):
        if number >= MAX_PARTS:
            return
        if part.get_content_type() == "message/delivery-status" and isinstance(part.get_payload(), list):
            yield from [one for one in part.get_payload() if isinstance(one, Message)][:MAX_PARTS]


def _fields(block: Message) -> Iterator[tuple[str, str]]:
    for name, value in list(block.items())[:MAX_PARTS]:
        yield name.lower(), str(value).strip()[:256]
