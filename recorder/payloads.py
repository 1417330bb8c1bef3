"""Payload bytes of a capture by (file, offset, size), read where they lie.

Rules
* Files are opened read-only and never followed through links; one larger than ``MAX_SEGMENT_BYTES`` is ``BadMessage``.
* Mapped, not read: at most ``_OPEN_MAPS`` at a time, the one that was used longest ago goes first.
"""

from __future__ import annotations

import mmap
import os
from collections import OrderedDict
from pathlib import Path
from typing import Final

from courtroom.errors import BadMessage

MAX_SEGMENT_BYTES: Final = 1 << 30  # a minute of a hundred seats at 100 Mbit/s together
_OPEN_MAPS: Final = 64


class Payloads:
    """Payload bytes by (file, offset, size); at most ``_OPEN_MAPS`` files are mapped at a time."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._maps: OrderedDict[int, mmap.mmap | bytes] = OrderedDict()
        self._last: tuple[int, mmap.mmap | bytes] = -1, b""  # the file most readings go on in

    def __enter__(self) -> Payloads:
        return self

    def __exit__(self, *_: object) -> None:
        while self._maps:
            self._drop()

    def _drop(self) -> None:
        file, old = self._maps.popitem(last=False)
        if file == self._last[0]:
            self._last = -1, b""
        if isinstance(old, mmap.mmap):
            old.close()

    def _map(self, file: int) -> mmap.mmap | bytes:
        found = self._maps.get(file)
        if found is None:
            fd = os.open(self._paths[file], os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                size = os.fstat(fd).st_size
                if size > MAX_SEGMENT_BYTES:
                    raise BadMessage("segment_too_large")
                found = mmap.mmap(fd, 0, access=mmap.ACCESS_READ) if size else b""
            finally:
                os.close(fd)
            if len(self._maps) >= _OPEN_MAPS:
                self._drop()
            self._maps[file] = found
        self._maps.move_to_end(file)
        return found

    def whole(self, file: int) -> bytes:
        return self._map(file)[:]

    def read(self, file: int, offset: int, size: int) -> bytes:
        if file != self._last[0]:
            self._last = file, self._map(file)
        return self._last[1][offset : offset + size]
