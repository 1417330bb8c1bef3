"""Which layer of a camera goes where: the best that is wanted, allowed and alive.

Rules
* Layers are ordered small to large (``l``, ``h``); a picture without simulcast is one layer named ''.
* A wanted layer may not exist or may have stopped: then the next smaller live one, then any live one, then none. Which
  of the acceptable ones it is, the receiver's budget says (``selection``).
* Who shows nothing yet takes the first key frame of the wanted layer or of a smaller one (``Producer.offer``).
* A tile narrower than ``SMALL`` CSS pixels wants ``l``; width 0 wants nothing at all.

RFC 8853.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

ORDER: Final = ("l", "h")
SMALL: Final = 400
ALIVE_US: Final = 700_000  # a camera that is silent for longer has dropped this layer


def size_of(name: str) -> int:
    """0 for the smallest; a picture without simulcast counts as the smallest."""
    return ORDER.index(name) if name in ORDER else 0


def acceptable(width: int, live: Collection[str]) -> tuple[str, ...]:
    """The layers that a tile of ``width`` may get, small to large; none when it wants no picture or there is none."""
    if width == 0 or not live:
        return ()
    wanted = ORDER if width >= SMALL else ORDER[:1]
    found = tuple(name for name in wanted if name in live)
    return found or tuple(name for name in ("", *ORDER) if name in live)[:1]
