"""The invisible mark as numbers: which sign every cell of the picture has at every time, for one copy; pure.

Rules
* The picture is a grid of 32 × 18 cells; a cell keeps its sign for 50 frames, a fifth of the cells begins a new one
  every 10 frames, so that nothing pulses.
* A sign is one bit of SHAKE-256 (FIPS 202) over a key of the court, the copy's 64-bit id and the number of the group:
  without the key all signs of all copies are coin tosses, whatever a clip shows.
* Therefore the score of a copy that a clip was *not* made from is a sum of coin tosses, and Hoeffding's inequality
  (JASA 58, 1963, theorem 2) bounds it for every clip there is: P(score ≥ t) ≤ exp(−t² / 2). The threshold follows
  from that bound, the number of issued copies and the number of tries, and from nothing that was fitted.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from typing import Final

import numpy as np
import numpy.typing as npt

from courtroom.errors import BadMessage

COLUMNS: Final = 32
ROWS: Final = 18
CELLS: Final = COLUMNS * ROWS
BIN: Final = 10
"""Frames of the programme in one bin: the finest step of time."""
BINS: Final = 5
"""Bins in which a cell keeps its sign."""
KEY_BYTES: Final = 32
FALSE_ACCUSATION: Final = 1e-6
"""How often a clip without a mark of ours, of whatever content, may be said to match any issued copy."""

_ID: Final = re.compile(r"[0-9a-f]{16}")

Signs = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float32]


def copy_id(text: str) -> str:
    """A copy's id, 64 bits as 16 hex digits; ``BadMessage("mark_id")`` for anything else."""
    if not _ID.fullmatch(text):
        raise BadMessage("mark_id")
    return text


def offsets() -> npt.NDArray[np.int64]:
    """By cell, how many bins earlier than bin 0 its group 0 began; neighbours differ."""
    rows, columns = np.divmod(np.arange(CELLS), COLUMNS)
    return np.asarray((2 * rows + columns) % BINS, dtype=np.int64)


def groups_of(bins: range) -> npt.NDArray[np.int64]:
    """``[bin, cell]`` → number of the group the cell is in."""
    return (np.arange(bins.start, bins.stop)[:, None] + offsets()[None, :]) // BINS


class Code:
    """All signs of one copy, made group by group as they are asked for."""

    __slots__ = ("_kept", "_secret")

    def __init__(self, key: bytes, copy: str) -> None:
        if len(key) != KEY_BYTES:
            raise BadMessage("mark_key")
        self._secret = hmac.digest(key, b"courtroom mark 1\0" + bytes.fromhex(copy_id(copy)), "sha256")
        self._kept: dict[int, Signs] = {}

    def group(self, number: int) -> Signs:
        """±1 by cell."""
        found = self._kept.get(number)
        if found is None:
            raw = hashlib.shake_256(self._secret + number.to_bytes(8, "big")).digest(CELLS // 8)
            bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8)).astype(np.int8)
            found = self._kept[number] = bits * np.int8(2) - np.int8(1)
            if len(self._kept) > 64:
                del self._kept[min(self._kept)]
        return found

    def groups(self, numbers: range) -> Signs:
        """``[group, cell]``."""
        return np.stack([self.group(number) for number in numbers])

    def bin(self, number: int) -> Signs:
        """±1 by cell, as the picture has it during one bin."""
        groups = (number + offsets()) // BINS
        first = int(groups.min())
        both = np.stack([self.group(first), self.group(first + 1)])
        return np.asarray(both[groups - first, np.arange(CELLS)], dtype=np.int8)


def score(evidence: Floats, signs: Signs) -> float:
    """How far a copy's signs agree with ``evidence`` (same shape), in standard deviations of coin tosses."""
    norm = float(np.sqrt(np.square(evidence, dtype=np.float64).sum()))
    return 0.0 if norm == 0 else float((evidence.astype(np.float64) * signs).sum()) / norm


def chance(value: float, tries: int = 1) -> float:
    """Upper bound of the chance that coin tosses reach ``value`` in any of ``tries``."""
    return 1.0 if value <= 0 else min(1.0, tries * math.exp(-value * value / 2))


def threshold(tries: int, rate: float = FALSE_ACCUSATION) -> float:
    """The score from which ``chance(score, tries) ≤ rate``."""
    return math.sqrt(2 * math.log(max(1, tries) / rate))
