"""The signed head of one hearing's ledger: Ed25519 (RFC 8032) over the newest entry.

A chain alone misses truncation and rewriting; a head that was signed and kept does not. Signed at least every
``EVERY_S`` seconds while things happen, at the close, and whenever somebody asks; never twice for the same entry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from courtroom.control.clock import CourtClock
from courtroom.hearing.ledger import Entry, SignedHead, head_bytes
from courtroom.store.ports import Ledgers

EVERY_S: Final = 10.0


class Heads:
    """``sign`` is the court's private key at work, ``key_hex`` its public half."""

    def __init__(self, ledgers: Ledgers, clock: CourtClock, sign: Callable[[bytes], bytes], key_hex: str) -> None:
        self._ledgers = ledgers
        self._clock = clock
        self._sign = sign
        self._key_hex = key_hex
        self._newest: SignedHead | None = None

    async def of(self, last: Entry) -> SignedHead:
        """The kept head of ``last``; ``Unavailable("store_failed")`` when it cannot be kept."""
        if self._newest is None:
            kept = await self._ledgers.head(last.hearing)
            self._newest = kept if kept is not None and (kept.hash, kept.key) == (last.hash, self._key_hex) else None
        if self._newest is None or self._newest.seq != last.seq:
            at = self._clock.now()
            signature = self._sign(head_bytes(last.hearing, last.seq, last.hash, at)).hex()
            head = SignedHead(last.hearing, last.seq, last.hash, at, signature, self._key_hex)
            await self._ledgers.save_head(head)
            self._newest = head
        return self._newest
