"""Evidence at rest: the rows of an interruption that is over, as one short string of bytes until somebody asks again.

Rules
* What comes out is what went in, row by row; it reads like the tuple of rows that it stands for, and equals it.
* A long hearing with a bad line has hundreds of interruptions, and nearly all of them are over: as dictionaries their
  rows were two thirds of what such a hearing keeps in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import overload

Row = dict[str, str | int]


class AtRest(Sequence[Row]):
    """``rows``: words to integers and strings (``presence.clean``)."""

    __slots__ = ("_content", "_count")

    def __init__(self, rows: Sequence[Row]) -> None:
        self._content = json.dumps(list(rows), ensure_ascii=False, separators=(",", ":")).encode()
        self._count = len(rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows())

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        return self._rows()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AtRest | tuple) and self._rows() == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # like the rows themselves

    def __repr__(self) -> str:
        return repr(self._rows())

    def _rows(self) -> tuple[Row, ...]:
        return tuple(json.loads(self._content))


def at_rest(rows: Sequence[Row]) -> Sequence[Row]:
    return rows if isinstance(rows, AtRest) or not rows else AtRest(rows)
