"""Who is seen in which place of one receiver: stable numbers, pure.

A place is a pair of audio and video m-lines negotiated once (ARCHITECTURE.md 4). A person takes one place for camera
and microphone together; a shared screen takes another with its sound. Rules: a source keeps its place as long as it is
allowed; a place that falls free is taken again last (its last picture must not be mistaken for the next person); when
there are more sources than places, those earlier in the given order win.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from courtroom.hearing.model import Kind

PERSON = "person"
STAGE = "stage"


def slot(kind: str) -> str:
    """Which place of its seat a kind belongs to."""
    return STAGE if kind in (Kind.SCREEN, Kind.SCREEN_SOUND) else PERSON


def mid(place: int, kind: str) -> str:
    """The m-line of a kind in a place (web/PROTOCOL.md 5)."""
    return f"{'a' if kind in (Kind.MICROPHONE, Kind.SCREEN_SOUND) else 'v'}{place}"


@dataclass(slots=True)
class Places:
    """The places of one transport; ``count`` is what its client asked for."""

    count: int
    taken: dict[tuple[str, str], int] = field(default_factory=dict)
    _order: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._order = list(range(self.count))

    def assign(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Places for ``(seat, slot)`` pairs in order of importance."""
        keep = list(dict.fromkeys(wanted))[: self.count]
        for gone in [owner for owner in self.taken if owner not in keep]:
            self._order.append(self.taken.pop(gone))
        for owner in keep:
            if owner not in self.taken:
                self.taken[owner] = self._order.pop(0)
        return dict(self.taken)
