"""A notice on its way out of the house: what it says, to whom, and what proves that it arrived.

Rules
* A letter says that the court waits, which court, when, and where to press: no case number, no cause, no name. It is
  in Chinese and English, since whoever opens it may read only one.
* ``id`` is the same for every attempt: receivers recognise a repetition by it.
* ``Notifier.send`` returns a ``Proof`` or raises: ``Unavailable`` = trying again may help, ``Refused`` = it will not.
* Addresses are held in memory while a letter is on its way and never stand in a log, an error or the ledger.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, Protocol

from courtroom.catalogue import LANGUAGES, text

BEIJING: Final = timezone(timedelta(hours=8))

_ID: Final = re.compile(r"([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.(\d{1,10})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Letter:
    """``step``: prompt | warning; ``notice``: its ledger number; ``link``: one person's, secret."""

    hearing: str
    seat: str
    notice: int
    step: str
    court: str
    scheduled_at: int
    link: str = field(repr=False)
    email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)

    @property
    def id(self) -> str:
        return f"{self.hearing}.{self.seat}.{self.notice}"

    @property
    def subject(self) -> str:
        return text(f"letter.subject.{self.step}", "zh", court=self.court)

    @property
    def body(self) -> str:
        local = datetime.fromtimestamp(self.scheduled_at / 1_000_000, UTC).astimezone(BEIJING)
        parts: list[str] = []
        for lang in LANGUAGES:
            when = text("letter.time", lang, time=f"{local:%Y-%m-%d %H:%M} (UTC+8)")
            said = text(f"letter.body.{self.step}", lang, link=self.link)
            parts.append(f"{self.court}\n{when}\n\n{said}\n")
        return "\n----------\n\n".join(parts)


@dataclass(frozen=True, slots=True)
class Proof:
    """``state``: sent (handed over) | delivered; ``detail``: the receipt."""

    state: str
    detail: str


class Notifier(Protocol):
    """One way out of the house."""

    @property
    def channel(self) -> str:
        """``email`` or ``webhook``, as in ``hearing.model.Channel``."""
        ...

    def reaches(self, letter: Letter) -> bool:
        """Whether there is an address for this way."""
        ...

    async def send(self, letter: Letter) -> Proof: ...

    async def close(self) -> None: ...


def letter_key(value: str) -> tuple[str, str, int] | None:
    """``(hearing, seat, notice)`` out of a letter's id; ``None`` when it is no such id."""
    match = _ID.fullmatch(value)
    return (match[1], match[2], int(match[3])) if match else None
