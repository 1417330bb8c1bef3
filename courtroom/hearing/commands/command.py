"""What every command carries: who asks.

``actor`` is the seat that asks, or ``COURT_SYSTEM`` for what the court's own processes observe; clients never set it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

COURT_SYSTEM: Final = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    actor: str = COURT_SYSTEM
