"""What every event has: a version of its form on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    V: ClassVar[int] = 1
