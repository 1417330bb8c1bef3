"""Fixed places by role, 2 to 12 seats and more: bench on top, sides left and right, clerk below; pure.

Rules (COURT.md 8, OLR 24): the place follows from role and side, never from loudness; the presiding judge sits in the
middle; a party sits above its counsel and next to whoever is linked to it; the centre stage is the called
witness's and shows the emblem when nobody is on it. What is presented is shown large, with everybody in a rail beside
it, in the same order: bench, plaintiff's side, defendant's side, clerk and the others. Nothing reaches into the band.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from courtroom.hearing.model import Role, SeatPlan, Side
from recorder.picture.canvas import Rect
from recorder.picture.colours import BAND, HEIGHT, WIDTH

Shape = Literal["tile", "row", "stage"]

GAP: Final = 10
EDGE: Final = 24
BOTTOM: Final = HEIGHT - 12
PLATE: Final = 34
STAGE_PLATE: Final = 40
MAX_COLUMN: Final = 7
MAX_BENCH: Final = 7
MAX_LOW: Final = 6
MAX_RAIL: Final = 14
RAIL: Final = 244
RAIL_GAP: Final = 8

BENCH: Final = frozenset({Role.PRESIDING_JUDGE, Role.JUDGE, Role.ASSESSOR})
CALLED: Final = frozenset({Role.WITNESS, Role.EXPERT, Role.INSPECTOR, Role.SPECIALIST})
_PARTIES: Final = frozenset({Role.PLAINTIFF, Role.DEFENDANT, Role.THIRD_PARTY, Role.PROSECUTOR, Role.ACCUSED})


@dataclass(frozen=True, slots=True)
class Cell:
    """A seat's place. ``picture`` and ``plate`` lie inside ``area``; all coordinates are even."""

    seat: str
    shape: Shape
    area: Rect
    picture: Rect
    plate: Rect


@dataclass(frozen=True, slots=True)
class Layout:
    """``stage`` is where the emblem or an exhibit goes when no cell has the shape ``stage``; ``unplaced`` have no
    room."""

    cells: tuple[Cell, ...]
    stage: Rect
    unplaced: tuple[str, ...] = ()

    def cell(self, seat: str) -> Cell | None:
        return next((cell for cell in self.cells if cell.seat == seat), None)


def side_of(plan: SeatPlan, plans: Mapping[str, SeatPlan]) -> Side:
    """A linked seat (interpreter, guardian) sits where the seat it serves sits."""
    seen: set[str] = set()
    while plan.side is Side.NONE and plan.linked_to in plans and plan.id not in seen:
        seen.add(plan.id)
        plan = plans[plan.linked_to]
    return plan.side


def _even(value: float) -> int:
    return int(value) // 2 * 2


def place(seats: Sequence[SeatPlan], exhibit: bool = False) -> Layout:
    """Where everybody sits. ``seats``: those to be shown, in the order of the hearing; ``exhibit``: the stage is
    taken."""
    plans = {seat.id: seat for seat in seats}
    bench = _bench_order([seat for seat in seats if seat.role in BENCH])
    called = [seat for seat in seats if seat.role in CALLED]
    on_stage = "" if exhibit or not called else called[0].id
    left: list[SeatPlan] = []
    right: list[SeatPlan] = []
    low: list[SeatPlan] = []
    for seat in seats:
        if seat.role in BENCH or seat.id == on_stage:
            continue
        side = Side.NONE if seat.role in CALLED or seat.role is Role.CLERK else side_of(seat, plans)
        {Side.PLAINTIFF: left, Side.DEFENDANT: right}.get(side, low).append(seat)
    if exhibit:
        return _rail([*bench, *_column_order(left), *_column_order(right), *_low_order(low)])
    return _arrange(len(seats), bench, _column_order(left), _column_order(right), _low_order(low), on_stage)


def _rail(seats: list[SeatPlan]) -> Layout:
    """The stage as large as it can be, the seats under one another at its right."""
    top = BAND + GAP
    shown = seats[:MAX_RAIL]
    stage = Rect(EDGE, top, WIDTH - 2 * EDGE - RAIL - GAP, BOTTOM - top)
    room = BOTTOM - top - RAIL_GAP * (len(shown) - 1)
    height = _even(min(112, room / max(1, len(shown))))
    cells = (
        _row(seat.id, Rect(WIDTH - EDGE - RAIL, top + line * (height + RAIL_GAP), RAIL, height))
        for line, seat in enumerate(shown)
    )
    return Layout(tuple(cells), stage, tuple(seat.id for seat in seats[MAX_RAIL:]))


def _bench_order(bench: list[SeatPlan]) -> list[SeatPlan]:
    """The presiding judge in the middle, the others alternately left and right."""
    chief = [seat for seat in bench if seat.role is Role.PRESIDING_JUDGE]
    others = sorted(
        (seat for seat in bench if seat.role is not Role.PRESIDING_JUDGE), key=lambda s: s.role is Role.ASSESSOR
    )
    half = (len(others) + 1) // 2
    return others[:half] + chief + others[half:]


def _column_order(seats: list[SeatPlan]) -> list[SeatPlan]:
    """Party, those linked to it, its counsel; then the next party."""
    parties = [seat for seat in seats if seat.role in _PARTIES]
    counsel = [seat for seat in seats if seat.role is Role.COUNSEL]
    rest = [seat for seat in seats if seat not in parties and seat not in counsel]
    ordered: list[SeatPlan] = []
    for seat in [*parties, *counsel]:
        if seat not in ordered:
            ordered.append(seat)
            linked = [other for other in [*counsel, *rest] if other.linked_to == seat.id]
            ordered += [other for other in linked if other not in ordered]
    return ordered + [seat for seat in rest if seat not in ordered]


def _low_order(seats: list[SeatPlan]) -> list[SeatPlan]:
    return sorted(seats, key=lambda seat: (seat.role is not Role.CLERK, seat.role not in _PARTIES))


def _arrange(
    count: int, bench: list[SeatPlan], left: list[SeatPlan], right: list[SeatPlan], low: list[SeatPlan], on_stage: str
) -> Layout:
    few = count <= 4
    side_width = 302 if few else 284
    bench_height = 226 if few else 190
    cells = _bench_cells(bench[:MAX_BENCH], bench_height, 344 if few else 304)
    top = BAND + GAP + (bench_height + GAP if bench else 0)
    alike = max(len(left), len(right)) if max(len(left), len(right)) <= 3 else 0  # both sides equally large
    cells += _column(left[:MAX_COLUMN], EDGE, top, side_width, alike)
    cells += _column(right[:MAX_COLUMN], WIDTH - EDGE - side_width, top, side_width, alike)
    middle = Rect(EDGE + side_width + GAP, top, WIDTH - 2 * (EDGE + side_width + GAP), BOTTOM - top)
    shown = low[:MAX_LOW]
    low_height = 0 if not shown else 88 if count > 8 else 150
    stage = Rect(middle.x, middle.y, middle.width, middle.height - (low_height + GAP if shown else 0))
    if on_stage:
        cells.append(_stage_cell(on_stage, stage))
    cells += _low_cells(shown, Rect(middle.x, BOTTOM - low_height, middle.width, low_height), count > 8)
    hidden = [*bench[MAX_BENCH:], *left[MAX_COLUMN:], *right[MAX_COLUMN:], *low[MAX_LOW:]]
    return Layout(tuple(cells), stage, tuple(seat.id for seat in hidden))


def _tile(seat: str, area: Rect) -> Cell:
    picture = Rect(area.x, area.y, area.width, area.height - PLATE)
    return Cell(seat, "tile", area, picture, Rect(area.x, picture.bottom, area.width, PLATE))


def _row(seat: str, area: Rect) -> Cell:
    """Picture left, plate right: for places too low for a plate under the picture."""
    width = _even(min(area.width * 0.4, max(104, area.height * 4 / 3), area.height * 16 / 9))
    picture = Rect(area.x, area.y, width, area.height)
    return Cell(seat, "row", area, picture, Rect(area.x + width, area.y, area.width - width, area.height))


def _bench_cells(bench: list[SeatPlan], height: int, wished: int) -> list[Cell]:
    if not bench:
        return []
    room = WIDTH - 2 * EDGE
    width = _even(min(wished, (room - GAP * (len(bench) - 1)) / len(bench)))
    start = _even((WIDTH - len(bench) * width - GAP * (len(bench) - 1)) / 2)
    return [
        _tile(seat.id, Rect(start + line * (width + GAP), BAND + GAP, width, height)) for line, seat in enumerate(bench)
    ]


def _column(seats: list[SeatPlan], x: int, top: int, width: int, rows: int) -> list[Cell]:
    if not seats:
        return []
    room, rows = BOTTOM - top, rows or len(seats)
    height = _even((room - GAP * (rows - 1)) / rows)
    full = _even(width * 0.62 + PLATE)  # between 16:9 and 4:3: hands stay in the picture
    shape = _tile if height >= 170 else _row
    height = min(height, full)
    return [shape(seat.id, Rect(x, top + line * (height + GAP), width, height)) for line, seat in enumerate(seats)]


def _stage_cell(seat: str, stage: Rect) -> Cell:
    """*Split*: the picture no wider than 5:3, facts beside it; the plate under both."""
    height = stage.height - STAGE_PLATE
    picture = Rect(stage.x, stage.y, _even(min(stage.width, height * 5 / 3)), height)
    return Cell(seat, "stage", stage, picture, Rect(stage.x, picture.bottom, stage.width, STAGE_PLATE))


def _low_cells(seats: list[SeatPlan], room: Rect, flat: bool) -> list[Cell]:
    if not seats:
        return []
    share = (room.width - GAP * (len(seats) - 1)) / len(seats)
    narrow = flat and len(seats) > 3
    width = _even(min(share, 318 if flat else 212))
    start = room.x + _even((room.width - len(seats) * width - GAP * (len(seats) - 1)) / 2)
    shape = _row if flat and not narrow else _tile
    return [
        shape(seat.id, Rect(start + line * (width + GAP), room.y, width, room.height))
        for line, seat in enumerate(seats)
    ]
