"""How control's memory comes back: garbage is found soon, and free pages go to the kernel.

Rules
* Every connection and every hearing that is put back on the shelf leaves its objects in cycles (a transport and its
  protocol, an exception and its frames, an actor and its callbacks): only a full collection frees them.
* CPython begins a full one when what has grown old since the last is a quarter of all that is old. A hundred thousand
  objects of modules let the remains of many hearings wait, and a heap that has once been so large stays so. So what is
  there when the court is up is frozen, and the quarter is one of living hearings.
* A full collection then visits hearings alone, and the work is in proportion to what is made.
* After hearings were put back on the shelf the C library is told to give its free pages away. It only does so by itself
  at the top of a heap, and what lives long lies there (measured: 0.7 MB more held free after six hearings).

https://docs.python.org/3.11/library/gc.html#gc.set_threshold (3.11: three generations)
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable
from typing import Any, Final

THRESHOLDS: Final = (700, 5, 0)
"""Of the young, the middle and the old; the old are also asked for their quarter."""


def settle() -> None:
    """Once, when everything is loaded and open."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.collect()  # the quarter is counted from what the last full collection left, which is nothing now


async def give_back() -> None:
    """When hearings have left. Not in the loop: a large heap takes milliseconds."""
    gc.collect()
    if _TRIM is not None:
        await asyncio.to_thread(_TRIM, 0)


def _trim() -> Callable[[int], Any] | None:
    """glibc's ``malloc_trim``; other C libraries have none."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None


_TRIM: Final = _trim()
