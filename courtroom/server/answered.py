"""A command is carried out once, however often it is sent.

A line may break after a command has gone out and before its answer is back: nobody on that side knows whether the court
heard it. So a client may give its command an ``id`` and send it again by another connection; who asks twice is told the
answer of the first time, and waits for it if it is still being worked out.

Rules
* ``id`` is the client's: 1 to 32 letters, digits, ``-`` or ``_``; it counts within one seat only.
* The same id with other contents is ``Refused("bad_command")``.
* ``KEPT`` newest of a seat, ``KEEP_S`` seconds long; not kept across a restart of the server.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

from courtroom.errors import Refused

KEPT: Final = 32
KEEP_S: Final = 60.0
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")

Answer = dict[str, Any]
CarryOut = Callable[[object], Coroutine[Any, Any, Answer]]


@dataclass(frozen=True, slots=True)
class _Known:
    digest: bytes
    until: float
    answer: asyncio.Task[Answer]


class Answered:
    """What was answered of late, by seat and id."""

    __slots__ = ("_clock", "_seats")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seats: dict[str, OrderedDict[str, _Known]] = {}

    async def once(self, seat: str, message: object, carry_out: CarryOut) -> Answer:
        """The answer to ``message``; ``carry_out`` gets it without its id and answers, it does not raise."""
        if not isinstance(message, Mapping) or "id" not in message:
            return await carry_out(message)
        name = message["id"]
        if not isinstance(name, str) or not _ID.fullmatch(name):
            raise Refused("bad_command")
        digest = _digest(message)
        known = self._seats.setdefault(seat, OrderedDict())
        found = known.get(name)
        if found is None:
            plain = {key: value for key, value in message.items() if key != "id"}
            found = known[name] = _Known(digest, self._clock() + KEEP_S, asyncio.create_task(carry_out(plain)))
            while len(known) > KEPT:
                known.popitem(last=False)
        elif found.digest != digest:
            raise Refused("bad_command")
        return await asyncio.shield(found.answer)

    def forget(self) -> None:
        """Lets go of what is too old to be asked for again; call every few seconds."""
        now = self._clock()
        for seat, known in list(self._seats.items()):
            while known and next(iter(known.values())).until <= now:
                known.popitem(last=False)
            if not known:
                del self._seats[seat]

    def __len__(self) -> int:
        return sum(len(known) for known in self._seats.values())


def _digest(message: object) -> bytes:
    try:
        return hashlib.sha256(json.dumps(message, sort_keys=True).encode("ascii")).digest()
    except (TypeError, ValueError, RecursionError) as error:  # bytes, NaN, nested without end
        raise Refused("bad_command") from error
