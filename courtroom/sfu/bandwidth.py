"""Telling publishers when their packets arrived, so that they can judge their line.

Rules
* ``Arrivals`` notes the transport-wide number of each packet and writes feedback at most every 100 ms; without it a
  Chromium publisher stays at its first guess of 300 kbit/s. At most ``MAX_STATUS`` numbers a message.

draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1.
"""

from __future__ import annotations

import struct
from typing import Final

from courtroom.sfu.sequence import Unwrapper

FEEDBACK_US: Final = 100_000
MAX_STATUS: Final = 500  # so that a message fits into a datagram whatever the pattern
MAX_GAP: Final = 200
MAX_PENDING: Final = 1000
MAX_MESSAGES: Final = 8  # numbers that jump about are somebody's game

_HEAD: Final = struct.Struct(">BBHIIHHI")
_DELTA_US: Final = 250
_REFERENCE_US: Final = 64_000


class Arrivals:
    """Arrival times of one publisher's packets by transport-wide sequence number."""

    __slots__ = ("_count", "_next", "_pending", "_sent_at", "_unwrap")

    def __init__(self) -> None:
        self._unwrap = Unwrapper()
        self._pending: dict[int, int] = {}
        self._next = -1  # first number not yet reported
        self._count = 0
        self._sent_at = 0

    def note(self, number: int, now: int) -> None:
        index = self._unwrap(number)
        if self._next < 0:
            self._next = index
        if len(self._pending) < MAX_PENDING:
            self._pending.setdefault(index, now)

    def feedback(self, sender: int, media: int, now: int) -> list[bytes]:
        """RTCP messages due now, none when nothing came or it is too early."""
        if not self._pending or now - self._sent_at < FEEDBACK_US:
            return []
        self._sent_at = now
        pending, self._pending = self._pending, {}
        indexes = sorted(pending)
        messages: list[bytes] = []
        at = 0
        while at < len(indexes) and len(messages) < MAX_MESSAGES:
            # what was lost since the last report is reported too; a wild jump or a straggler starts a count of its own
            start = indexes[at]
            if 0 <= start - self._next <= MAX_GAP:
                start = self._next
            message, at = self._message(sender, media, pending, indexes, at, start)
            messages.append(message)
            self._next = indexes[at - 1] + 1
        return messages

    def _message(
        self, sender: int, media: int, pending: dict[int, int], indexes: list[int], at: int, start: int
    ) -> tuple[bytes, int]:
        """One message from ``start`` on, and how far in ``indexes`` it got."""
        reference = pending[indexes[at]] // _REFERENCE_US
        clock = reference * _REFERENCE_US
        symbols: list[int] = []
        deltas = bytearray()
        expected = start
        for index in indexes[at:]:
            gap = index - expected
            delta = (pending[index] - clock) // _DELTA_US
            if gap > MAX_GAP or len(symbols) + gap >= MAX_STATUS or not -32768 <= delta <= 32767:
                break  # too far for one message: the next one starts with its own reference
            if gap:
                symbols += [0] * gap
            if 0 <= delta <= 255:
                symbols.append(1)
                deltas.append(delta)
            else:
                symbols.append(2)
                deltas += struct.pack(">h", delta)
            clock += delta * _DELTA_US
            expected = index + 1
            at += 1
        body = _chunks(symbols) + deltas
        padding = -len(body) % 4
        if padding:
            body += bytes(padding - 1) + bytes((padding,))
        words = (len(body) + 16) // 4
        head = _HEAD.pack(
            0x8F | (0x20 if padding else 0), 205, words, sender, media, start & 0xFFFF, len(symbols),
            ((reference & 0xFFFFFF) << 8) | self._count,
        )  # fmt: skip
        self._count = (self._count + 1) & 0xFF
        return head + body, at


def _chunks(symbols: list[int]) -> bytes:
    """Run-length chunks for long runs, two-bit vectors of seven for the rest."""
    out = bytearray()
    at = 0
    while at < len(symbols):
        run = at
        while run < len(symbols) and symbols[run] == symbols[at] and run - at < 0x1FFF:
            run += 1
        if run - at >= 7:
            out += struct.pack(">H", (symbols[at] << 13) | (run - at))
            at = run
            continue
        word = 0xC000
        for i, symbol in enumerate(symbols[at : at + 7]):
            word |= symbol << (12 - 2 * i)
        out += struct.pack(">H", word)
        at += 7
    return bytes(out)
