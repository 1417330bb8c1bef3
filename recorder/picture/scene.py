"""What one recorded picture says, as frozen data: the renderer draws exactly this and nothing it thinks of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from recorder.picture.layout import Layout


class TileState(StrEnum):
    LIVE = "live"
    CAMERA_OFF = "camera_off"
    AWAITED = "awaited"  # its first picture is on the way
    FROZEN = "frozen"  # says it sends, nothing comes
    DISCONNECTED = "disconnected"
    EXCUSED = "excused"
    PLATFORM = "platform"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class TileView:
    """One nameplate and what stands in place of the picture. ``words`` are of the state, ``note`` is right on the
    plate,
    ``flag`` lies in the picture's corner, ``facts`` fill the panel beside a stage picture."""

    seat: str
    role: str
    name: str
    state: TileState = TileState.LIVE
    words: str = ""
    note: str = ""
    flag: str = ""
    speaking: bool = False
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """A full plate in place of the courtroom while the recording is lawfully interrupted."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    court: str
    case: str
    phase: str
    step: str
    clock_note: str
    layout: Layout
    tiles: tuple[TileView, ...]
    exhibit: str = ""  # caption of what is presented on the stage
    more: str = ""  # words for those who have no place any more
    notice: Notice | None = None
    mark: str = ""  # diagonal mark over everything but the band
