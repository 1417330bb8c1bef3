"""Every layout of the recorded picture as PNG files, to be looked at: ``python -m tests.recorder.sheet``.

2 to 12 seats, a witness on the stage, an exhibit with the seats in a rail, absences and faults, the plate of a recess;
in both languages and both sizes. Illustrated people stand in for video; everything else is the product's own drawing.
``--out`` (``build/sheet``) gets one picture a case and ``index-*.png``, nine at a glance.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from courtroom.catalogue import LANGUAGES, Language
from courtroom.hearing import events as e
from courtroom.hearing.model import Policy, SeatPlan
from recorder.picture.canvas import Planes, Rect, from_rgb
from recorder.picture.fonts import find_fonts
from recorder.picture.frame import STAGE, FrameRenderer, exhibit_area
from recorder.picture.scene import Scene, TileState
from recorder.picture.screen import SCREENS, Screen
from recorder.scenes import AWAITED, FRESH, STALE, SceneMaker, Sights
from recorder.timeline import Gap, Recording, States
from tests.recorder.cast import CAST, WITNESS, names
from tests.recorder.stage import HEARING, SECOND, START, Script

NOW = START + 1038 * SECOND


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    scene: Scene


def cases(lang: Language) -> Iterator[Case]:
    """Scenes as the composer makes them, out of ledgers."""
    for count in range(2, 13):
        yield Case(f"{count:02d}-seats", _scene(lang, CAST[:count], speaking=CAST[min(1, count - 1)].id))
    for count in (4, 7, 10, 11):
        yield Case(f"witness-{count:02d}", _scene(lang, (*CAST[:count], WITNESS), called=True, speaking=WITNESS.id))
    for count in (4, 9, 11):
        yield Case(f"exhibit-{count:02d}", _scene(lang, (*CAST[:count], WITNESS), called=True, presenting="s-counsel-1"
                                                  if count > 4 else "s-plaintiff"))  # fmt: skip
    for count in (4, 9, 12):
        yield Case(f"troubles-{count:02d}", _troubles(lang, CAST[:count]))
    yield Case("recess", _recess(lang))
    yield Case("gap", _scene(lang, CAST[:6], gap=True))


def _hearing(seats: tuple[SeatPlan, ...], unchecked: bool = False) -> Script:
    script = Script(Policy("none", "record") if unchecked else None, seats).open()
    return script.say(START + 60 * SECOND, e.PhaseChanged(phase="investigation", previous="open"), "s-judge")


def _maker(script: Script, lang: Language, gaps: tuple[Gap, ...] = ()) -> SceneMaker:
    recording = Recording(HEARING, "t", START, START + 3600 * SECOND, "", "", gaps, ())
    return SceneMaker(States(script.entries), recording, names(lang), lang)


def _scene(
    lang: Language, seats: tuple[SeatPlan, ...], *, called: bool = False, presenting: str = "", speaking: str = "",
    gap: bool = False,
) -> Scene:  # fmt: skip
    script = _hearing(seats)
    if called:
        moved = e.SeatMoved(seat=WITNESS.id, room="courtroom", owner="", why="called")
        script.say(START + 560 * SECOND, moved, "s-judge")
    if presenting:
        script.say(START + 700 * SECOND, e.PresentingChanged(seat=presenting, exhibit="x-1"), "s-judge")
    gaps = (Gap(NOW - SECOND, NOW + 9 * SECOND, "fault", "worker", "system"),) if gap else ()
    pictures = () if gap else tuple((seat.id, FRESH) for seat in seats)
    sights = Sights(pictures, frozenset({speaking} if speaking else ()))
    return _maker(script, lang, gaps).live(NOW, sights)


def _troubles(lang: Language, seats: tuple[SeatPlan, ...]) -> Scene:
    """Somebody gone, somebody excused, a fault of ours, a camera off, a picture on its way, a weak line, a court's
    mute."""
    script = _hearing(seats, unchecked=True)

    def gone(seat: str, cause: str) -> e.SeatDisconnected:
        return e.SeatDisconnected(seat=seat, connection=f"c-{seat}", cause=cause, evidence=())

    script.say(NOW - 938 * SECOND, gone("s-plaintiff", "network_lost"))
    script.say(NOW - 20 * SECOND, gone("s-clerk", "platform_failure"))
    pictures = {seat.id: FRESH for seat in seats} | {"s-defendant": STALE, "s-judge": FRESH}
    ids = {seat.id for seat in seats}
    if "s-counsel-1" in ids:
        script.say(NOW - 400 * SECOND, e.Excused(seat="s-counsel-1", until=NOW + 600 * SECOND), "s-judge")
        script.say(NOW - 90 * SECOND, e.DevicesChanged(seat="s-counsel-2", microphone="on", camera="off"))
        script.say(NOW - 90 * SECOND, e.SeatMuted(seat="s-judge-2", kind="microphone"), "s-judge")
        script.say(NOW - 90 * SECOND, e.DevicesChanged(seat="s-third", microphone="off", camera="on"))
        pictures |= {"s-assessor": AWAITED}
        for seat in ("s-counsel-1", "s-counsel-2", "s-counsel-3"):
            pictures.pop(seat, None)
    for seat in ("s-plaintiff", "s-clerk"):
        pictures.pop(seat)
    return _maker(script, lang).live(NOW, Sights(tuple(pictures.items()), frozenset({"s-judge"})))


def _recess(lang: Language) -> Scene:
    gap = Gap(NOW - 5 * SECOND, NOW + 1195 * SECOND, "lawful", "recess", "s-judge", 40)
    script = _hearing(CAST[:6])
    script.say(NOW - 5 * SECOND, e.PhaseChanged(phase="recess", previous="investigation"), "s-judge")
    return _maker(script, lang).notice(NOW, gap)


# --- stand-ins for video ------------------------------------------------------------------------------------------


def person(number: int, area: Rect) -> Planes:
    """Somebody in front of a wall, as wide as the place."""
    width, height = area.width, area.height
    image = Image.new(
        "RGB", (width, height), ((118, 98, 78), (196, 188, 172), (150, 164, 176), (88, 72, 60))[number % 4]
    )
    draw = ImageDraw.Draw(image)
    middle, size = width // 2, min(width, height)
    coat = ((34, 34, 40), (60, 84, 96), (92, 60, 60), (40, 52, 80), (120, 116, 108))[number % 5]
    skin = ((232, 190, 160), (214, 168, 136), (226, 182, 150))[number % 3]
    draw.ellipse((middle - size * 0.42, height * 0.68, middle + size * 0.42, height * 1.5), fill=coat)
    draw.rectangle((middle - size * 0.07, height * 0.55, middle + size * 0.07, height * 0.74), fill=skin)
    draw.ellipse((middle - size * 0.2, height * 0.14, middle + size * 0.2, height * 0.64), fill=(40, 32, 28))
    draw.ellipse((middle - size * 0.17, height * 0.22, middle + size * 0.17, height * 0.64), fill=skin)
    return from_rgb(image)


def page(area: Rect) -> Planes:
    """A contract page, shown whole."""
    height = area.height // 2 * 2
    width = int(height / 1.414) // 2 * 2
    image = Image.new("RGB", (width, height), (255, 253, 248))
    draw = ImageDraw.Draw(image)
    step = height // 28
    for line in range(3, 26):
        end = width * (0.5 if line % 6 == 5 else 0.88)
        draw.rectangle((width * 0.12, line * step, end, line * step + step // 3), fill=(70, 74, 84))
    return from_rgb(image)


def picture(case: Case, screen: Screen) -> Image.Image:
    """One case as the programme shows it."""
    renderer = FrameRenderer(find_fonts(), screen)
    layout = renderer.layout(case.scene)
    views = {view.seat: view for view in case.scene.tiles}
    live: dict[str, Planes] = {
        cell.seat: person(number, cell.picture)
        for number, cell in enumerate(layout.cells)
        if views[cell.seat].state is TileState.LIVE
    }
    if case.scene.exhibit:
        live[STAGE] = page(renderer.area(exhibit_area(case.scene.layout.stage)))
    frame = av.VideoFrame.from_ndarray(renderer.frame(case.scene, NOW, live), format="yuv420p")
    return Image.fromarray(np.asarray(frame.to_ndarray(format="rgb24")))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/sheet"))
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    for lang in LANGUAGES:
        for size, screen in SCREENS.items():
            shown = []
            for case in cases(lang):
                image = picture(case, screen)
                image.save(chosen.out / f"{lang}-{size}-{case.name}.png")
                shown.append(image.resize((640, 360), Image.Resampling.LANCZOS))
            for sheet in range(0, len(shown), 9):
                whole = Image.new("RGB", (3 * 648, 3 * 368), (90, 90, 90))
                for line, image in enumerate(shown[sheet : sheet + 9]):
                    whole.paste(image, (line % 3 * 648 + 4, line // 3 * 368 + 4))
                whole.save(chosen.out / f"index-{lang}-{size}-{sheet // 9 + 1}.png")


if __name__ == "__main__":
    main()
