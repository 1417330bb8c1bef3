"""Which troubles of a take stand: told when they begin and when they are over, not at every failed write; pure.

Rules
* An alarm comes before loss: ``disk_low``, ``disk_slow``. A defect is when nothing gets to the disk: ``disk_full``,
  ``io_error``. What either means for the lamp and the ledger is control's business.
* A trouble is over when the disk has worked and the trouble was not seen for ``CALM_US``: one that flickers is one.
"""

from __future__ import annotations

import errno
from typing import Final

from recorder.reserve import FULL

CALM_US: Final = 3_000_000
REPEAT_US: Final = 10_000_000
SLOW_US: Final = 2_000_000
LOW_BYTES: Final = 1 << 30


def code_of(error: OSError) -> str:
    return "disk_full" if error.errno in FULL or error.errno == errno.EFBIG else "io_error"


class Troubles:
    """Times in µs of the court clock."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._told: dict[str, int] = {}

    def __contains__(self, code: str) -> bool:
        return code in self._seen

    def seen(self, code: str, now: int) -> bool:
        """Whether it is to be told: it has just begun, or lasts (a writer that says nothing looks dead)."""
        tell = code not in self._seen or now - self._told[code] >= REPEAT_US
        self._seen[code] = now
        if tell:
            self._told[code] = now
        return tell

    def worked(self, now: int) -> list[str]:
        """The disk does what it is told: what is over by that."""
        over = [code for code, at in self._seen.items() if now - at >= CALM_US]
        for code in over:
            del self._seen[code]
        return over
