"""How a class of ours is called outside: its name in snake_case, on the wire and in the ledger.

A class that is renamed changes what old ledgers say; its name is part of the format (INTERFACE.md, Socket.IO).
"""

from __future__ import annotations

import re


def snake_case(kind: type) -> str:
    """``GiveFloor`` → ``give_floor``."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", kind.__name__).lower()
