"""Places, fonts, emblem, colours: what the picture promises for 2 to 64 seats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from courtroom import catalogue
from courtroom.errors import Unavailable
from courtroom.hearing.model import Role, SeatPlan, Side
from recorder.picture.canvas import Overlay, Rect, blank, from_rgb, planes
from recorder.picture.colours import BAND, HEIGHT, WIDTH
from recorder.picture.fonts import find_fonts
from recorder.picture.frame import FrameRenderer, mark_alpha
from recorder.picture.layout import Layout, place
from recorder.picture.scene import Scene, TileView

ORDER = (
    (Role.PRESIDING_JUDGE, Side.NONE), (Role.PLAINTIFF, Side.PLAINTIFF), (Role.DEFENDANT, Side.DEFENDANT),
    (Role.CLERK, Side.NONE), (Role.COUNSEL, Side.PLAINTIFF), (Role.COUNSEL, Side.DEFENDANT), (Role.JUDGE, Side.NONE),
    (Role.ASSESSOR, Side.NONE), (Role.WITNESS, Side.NONE), (Role.THIRD_PARTY, Side.THIRD),
    (Role.COUNSEL, Side.PLAINTIFF), (Role.COUNSEL, Side.DEFENDANT),
)  # fmt: skip


def seats(count: int) -> list[SeatPlan]:
    return [SeatPlan(f"s-{n}", *ORDER[n % len(ORDER)]) for n in range(count)]


def overlap(a: Rect, b: Rect) -> bool:
    return a.x < b.right and b.x < a.right and a.y < b.bottom and b.y < a.bottom


@pytest.mark.parametrize("count", [*range(1, 13), 20, 64])
@pytest.mark.parametrize("exhibit", [False, True])
def test_places_never_overlap_and_never_reach_into_the_band(count: int, exhibit: bool) -> None:
    plans = [plan for plan in seats(count) if count <= 12 or plan.role is not Role.PRESIDING_JUDGE or plan.id == "s-0"]
    layout = place(plans, exhibit)
    assert {cell.seat for cell in layout.cells} | set(layout.unplaced) == {plan.id for plan in plans}
    if count <= 12:
        assert not layout.unplaced
    for line, cell in enumerate(layout.cells):
        for area in (cell.area, cell.picture, cell.plate):
            assert all(value % 2 == 0 for value in (area.x, area.y, area.width, area.height))
            assert area.width > 0
            assert area.height >= 30
            assert area.y >= BAND + 4
            assert area.right <= WIDTH - 4
            assert area.bottom <= HEIGHT - 4
        assert not any(overlap(cell.area, other.area) for other in layout.cells[line + 1 :])
        if cell.shape != "stage":
            assert not overlap(cell.area, layout.stage)
        assert not overlap(cell.picture, cell.plate), "a plate never covers a face"


def middle(layout: Layout, seat: str) -> float:
    cell = layout.cell(seat)
    assert cell is not None
    return cell.area.x + cell.area.width / 2


def test_places_follow_from_role_and_side() -> None:
    layout = place(seats(12))
    assert abs(middle(layout, "s-0") - WIDTH / 2) <= 2, "the presiding judge in the middle"
    assert middle(layout, "s-6") < WIDTH / 2 < middle(layout, "s-7")
    assert middle(layout, "s-1") < WIDTH / 3 < 2 * WIDTH / 3 < middle(layout, "s-2")
    party, counsel = layout.cell("s-1"), layout.cell("s-4")
    assert party is not None
    assert counsel is not None
    assert party.area.bottom < counsel.area.y
    witness = layout.cell("s-8")
    assert witness is not None
    assert witness.shape == "stage"
    shown = place(seats(12), exhibit=True).cell("s-8")
    assert shown is not None
    assert shown.shape != "stage"


def test_who_is_linked_sits_beside_whom_they_serve() -> None:
    plans = [*seats(6), SeatPlan("i", Role.INTERPRETER, Side.NONE, linked_to="s-2")]
    assert middle(place(plans), "i") == middle(place(plans), "s-2")
    circle = [SeatPlan("a", Role.INTERPRETER, linked_to="b"), SeatPlan("b", Role.GUARDIAN, linked_to="a")]
    assert len(place(circle).cells) == 2


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (19, 35, 59)])
def test_colours_come_back_from_the_planes(colour: tuple[int, int, int]) -> None:
    import av

    made = from_rgb(Image.new("RGB", (16, 16), colour))
    picture = blank(16, 16)
    onto = planes(picture)
    onto.y[:], onto.u[:], onto.v[:] = made.y, made.u, made.v
    frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
    assert np.abs(frame.to_ndarray(format="rgb24")[8, 8].astype(int) - colour).max() <= 4


def test_the_mark_is_faint_and_spares_the_band() -> None:
    alpha = mark_alpha("演示　未核验", find_fonts())
    assert alpha[:BAND].max() == 0
    assert alpha.max() <= 0.16 * 255
    assert (alpha > 0).mean() > 0.01
    picture = blank(WIDTH, HEIGHT)
    before = picture.copy()
    Overlay(alpha, 235).lay(picture)
    changed = planes(picture).y != planes(before).y
    assert not changed[:BAND].any()
    assert changed[BAND:].any()


def test_without_a_chinese_font_nothing_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="font_missing"):
        find_fonts(None, system=[tmp_path], packages=tmp_path)
    with pytest.raises(Unavailable, match="font_missing"):
        find_fonts(tmp_path)
    broken = tmp_path / "x.ttf"
    broken.write_bytes(b"no font")
    with pytest.raises(Unavailable, match="font_missing"):
        find_fonts(broken)


def test_a_collection_gives_its_simplified_face() -> None:
    assert find_fonts().regular.at(16).getname()[0].endswith("SC")


def test_a_frame_does_not_depend_on_what_was_drawn_before() -> None:
    fonts = find_fonts()
    plans = seats(5)
    tiles = tuple(TileView(plan.id, "原告", "林晓芸") for plan in plans)
    scene = Scene("法院", "案号", "开庭", "公开", "法庭时间", place(plans), tiles, mark="演示")
    fresh = FrameRenderer(fonts).frame(scene, 1_795_484_520_000_000, {})
    used = FrameRenderer(fonts)
    other = Scene("法院", "案号", "休庭", "公开", "法庭时间", place(plans), tiles)
    used.frame(other, 1_795_484_000_000_000, {})
    used.frame(scene, 1_795_484_521_000_000, {})
    assert np.array_equal(used.frame(scene, 1_795_484_520_999_999, {}), fresh)


@pytest.mark.parametrize("role", list(Role))
def test_every_role_has_a_nameplate_in_both_languages(role: Role) -> None:
    if role is not Role.COUNSEL:
        assert catalogue.known(f"recorder.role.{role.value}")
