"""Whether a peer that says nothing is still there: it is asked, and what counts is a signed answer.

Rules
* Asked only when nothing authenticated has come for ``AFTER_US``; then every ``EVERY_US``, and every ``SLOW_US`` once
  the silence has been told. A peer that sends media or its own checks is never asked.
* An answer counts if it carries the id of a question that is still open (``OPEN_US``), comes from the address that was
  asked, and is signed with the peer's password (the caller checks that). Ids are 96 random bits: nobody guesses one,
  and who holds an answer back cannot make a dead peer look alive later.
* After ``EXPIRES_US`` without a word nothing is sent to that path any more until the peer's next check (RFC 7675 5.1).
* Bounds: ``MAX_OPEN`` questions, the oldest is forgotten first.

A lite agent need not ask: consent is the sender's business, and browsers check a settled path every 2.5 s. That is too
seldom for a court, where an absence has to be known within two seconds. A full agent has to answer whoever asks with
its credentials (RFC 8445 7.3). False alarms: a question is lost on the way there or back with probability q = 1 − (1 −
p)²; with p = 10 % and a round trip of 100 ms twelve questions fit between 0.6 s and ``transport.QUIET_US``, so a
silence of ours needs q¹² = 2·10⁻⁹; ten minutes have at most 857 of them: 2·10⁻⁶ (tests/worker/test_consent.py).

RFC 7675 (consent freshness), RFC 8445 2.5 (lite).
"""

from __future__ import annotations

from typing import Final

AFTER_US: Final = 600_000
EVERY_US: Final = 90_000  # with a tick of 20 ms that is each 100 ms
SLOW_US: Final = 490_000
OPEN_US: Final = 2_000_000
EXPIRES_US: Final = 30_000_000
MAX_OPEN: Final = 32


class Consent:
    """The questions of one transport."""

    __slots__ = ("_asked_at", "_open")

    def __init__(self) -> None:
        self._asked_at = 0
        self._open: dict[bytes, tuple[bytes, int]] = {}  # transaction id → address, when; oldest first

    def due(self, now: int, last_in_at: int, *, told: bool) -> bool:
        """Whether to ask now; ``told``: that the peer is silent has been told already."""
        return now - last_in_at >= AFTER_US and now - self._asked_at >= (SLOW_US if told else EVERY_US)

    def may(self, now: int) -> bool:
        """Whether the last question is long enough ago for another one."""
        return now - self._asked_at >= EVERY_US

    def asked(self, transaction: bytes, address: bytes, now: int) -> None:
        self._asked_at = now
        if len(self._open) >= MAX_OPEN:
            del self._open[next(iter(self._open))]
        self._open[transaction] = (address, now)

    def answers(self, transaction: bytes, address: bytes, now: int) -> bool:
        """Whether this answers an open question to that address; its signature is the caller's next step."""
        asked = self._open.get(transaction)
        return asked is not None and asked[0] == address and now - asked[1] < OPEN_US

    def heard(self) -> None:
        """The peer is there: answers to earlier questions say nothing new."""
        self._open.clear()
