"""Structure-aware mutation: what breaks readers of lengths, counts and nested parts, from seeds that are whole.

Rules: everything comes out of one seeded generator, so a run can be repeated; outputs have at most ``largest`` octets.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

EDGES: Final = (0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 129, 192, 200, 205, 206, 223, 254, 255)
WORDS: Final = (0, 1, 0x7F, 0xFF, 0x100, 0x3FFF, 0x7FFF, 0x8000, 0xBEDE, 0x1000, 0xFFFE, 0xFFFF)


class Mutator:
    """Endless variations of ``seeds``."""

    def __init__(self, seeds: Sequence[bytes], seed: int, largest: int) -> None:
        self._seeds = list(seeds)
        self._largest = largest
        self._dice = random.Random(seed)

    def next(self) -> bytes:
        roll = self._dice.random
        seeds = self._seeds
        data = bytearray(seeds[int(roll() * len(seeds))])
        for _ in range(1 + int(roll() * roll() * 6)):
            size = len(data)
            at = int(roll() * (size + 1))
            kind = int(roll() * 12)
            if at >= size:
                kind = 6 + kind % 6
            if kind <= 1:
                data[at] ^= 1 << int(roll() * 8)
            elif kind == 2:
                data[at] = EDGES[int(roll() * len(EDGES))]
            elif kind == 3:
                data[at] = int(roll() * 256)
            elif kind == 4:  # a number a little off: lengths and counts
                data[at] = (data[at] + int(roll() * 9) - 4) & 0xFF
            elif kind == 5:
                word = WORDS[int(roll() * len(WORDS))]
                data[at : at + 2] = word.to_bytes(2, "big")
            elif kind == 6:
                del data[at:]
            elif kind == 7:
                del data[at : at + 1 + int(roll() * 12)]
            elif kind == 8:  # a part twice
                end = at + 1 + int(roll() * 40)
                data[at:at] = data[at:end]
            elif kind == 9:  # a part many times: what grows with what it is given
                data[at:at] = data[at : at + 1 + int(roll() * 24)] * int(roll() * roll() * 60)
            elif kind == 10:  # into another one
                other = seeds[int(roll() * len(seeds))]
                data[at:] = other[int(roll() * (len(other) + 1)) :]
            else:
                data[at:at] = self._dice.randbytes(1 + int(roll() * 8))
        return bytes(data[: self._largest])
