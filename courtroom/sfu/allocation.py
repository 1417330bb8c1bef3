"""Dividing one receiver's budget among its pictures: everybody small before anybody large.

Rules
* Sound is not divided: its cost is taken off before. Pictures come in order of importance, each with the rates of the
  layers it could have, small to large.
* First each gets its smallest layer as long as the budget lasts, then the most important are made larger.
* Whoever would go up needs ``MARGIN`` percent of the rate, and who is there already stays for ``SLACK`` percent of it:
  rates swing, and pictures should not come and go with them.

Rates in bit/s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MARGIN: Final = 115
SLACK: Final = 80


def divide(budget: int, wishes: Sequence[Sequence[int]], now: Sequence[int]) -> list[int]:
    """For each wish the index of its layer, −1 = no picture. ``now`` is the index each one has at present."""
    given = [-1] * len(wishes)
    left = budget
    for level in range(max((len(rates) for rates in wishes), default=0)):
        for i, rates in enumerate(wishes):
            if level >= len(rates) or given[i] != level - 1:
                continue
            before = rates[level - 1] if level else 0
            price = rates[level] * (SLACK if level <= now[i] else MARGIN) // 100 - before
            if price <= left:
                given[i] = level
                left -= max(0, rates[level] - before)
    return given
