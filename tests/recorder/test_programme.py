"""The composed MP4, looked at and listened to: places, clock, emblem, words, sync, tones."""

from __future__ import annotations

import json
from collections.abc import Iterator

import av
import numpy as np
import pytest

from recorder.compose import Order, compose
from recorder.picture.canvas import Bytes, Planes, planes
from recorder.picture.clock import ClockAtlas, clock_text
from recorder.picture.colours import BAND
from recorder.picture.emblem import emblem
from recorder.picture.fonts import find_fonts
from recorder.picture.frame import EMBLEM
from recorder.picture.layout import place
from tests.recorder.conftest import LENGTH, Stage
from tests.recorder.stage import COLOURS, SEATS, SECOND, START, TONES

ATLAS = ClockAtlas(find_fonts())


@pytest.fixture(scope="module")
def pictures(staged: Stage) -> list[Bytes]:
    with av.open(str(staged.programme)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def sound(staged: Stage) -> np.ndarray:
    with av.open(str(staged.programme)) as container:
        frames = list(container.decode(audio=0))
    assert frames[0].time == 0
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def colour(picture: Planes, seat: str) -> tuple[float, float, float]:
    """Mean Y'CbCr in the middle of a seat's picture."""
    cell = place(list(SEATS)).cell(seat)
    assert cell is not None
    x, y = cell.picture.x + cell.picture.width // 2, cell.picture.y + cell.picture.height // 2
    half = slice(y // 2 - 8, y // 2 + 8), slice(x // 2 - 8, x // 2 + 8)
    return picture.y[y - 16 : y + 16, x - 16 : x + 16].mean(), picture.u[half].mean(), picture.v[half].mean()


def expected(seat: str) -> tuple[float, float, float]:
    red, green, blue = COLOURS[seat]
    return (
        16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255,
        128 + (-37.797 * red - 74.203 * green + 112 * blue) / 255,
        128 + (112 * red - 93.786 * green - 18.214 * blue) / 255,
    )


def test_every_seat_is_seen_in_its_place(pictures: list[Bytes]) -> None:
    for seat in ("s-judge", "s-plaintiff", "s-defendant", "s-clerk"):
        got = colour(planes(pictures[60]), seat)
        assert np.allclose(got, expected(seat), atol=10), (seat, got, expected(seat))


def test_a_camera_that_is_off_leaves_no_picture(pictures: list[Bytes]) -> None:
    luma, u, v = colour(planes(pictures[LENGTH * 25 - 5]), "s-clerk")
    assert not np.allclose((luma, u, v), expected("s-clerk"), atol=20)
    assert np.allclose(colour(planes(pictures[LENGTH * 25 - 5]), "s-plaintiff"), expected("s-plaintiff"), atol=10)


def test_the_clock_shows_the_second_of_the_court(pictures: list[Bytes]) -> None:
    for number in range(0, len(pictures), 5):
        assert ATLAS.read_back(planes(pictures[number])) == clock_text(START + number * 40_000)


def test_the_emblem_stands_in_every_picture_and_nothing_covers_the_band(pictures: list[Bytes]) -> None:
    alpha = np.asarray(emblem(EMBLEM.width).getchannel("A"))
    solid, ground = alpha > 240, alpha == 0
    for picture in pictures[:: len(pictures) // 10]:
        seen = planes(picture).y[EMBLEM.y : EMBLEM.bottom, EMBLEM.x : EMBLEM.right].astype(float)
        assert seen[solid].mean() - seen[ground].mean() > 80
        line = planes(picture).y[BAND - 2 : BAND].astype(float)
        assert line.std() < 8
        assert line.mean() > 130


def test_the_mark_of_an_unchecked_hearing_lies_on_the_picture(pictures: list[Bytes], staged: Stage) -> None:
    below = planes(pictures[10]).y[BAND + 10 :, :]
    floor = planes(pictures[10]).y[100:300, 30:160].astype(float)  # nothing but the room and the mark
    assert floor.max() - floor.min() > 15
    assert below.shape[0] == 720 - BAND - 10


def onsets(levels: np.ndarray, step: float, threshold: float) -> list[float]:
    loud = levels > threshold
    return [float(line) * step for line in np.flatnonzero(loud[1:] & ~loud[:-1]) + 1]


def tone(sound: np.ndarray, hertz: float, window: int = 480, step: int = 120) -> np.ndarray:
    wave = np.exp(-2j * np.pi * hertz * np.arange(window) / 48_000)
    return np.array(
        [abs((sound[at : at + window] * wave).sum()) * 2 / window for at in range(0, len(sound) - window, step)]
    )


def test_a_flash_and_a_beep_come_out_together(pictures: list[Bytes], sound: np.ndarray) -> None:
    seen = onsets(np.array([colour(planes(picture), "s-judge")[0] for picture in pictures]), 1 / 25, 150)
    heard = [at + 0.005 for at in onsets(tone(sound, TONES["s-judge"]), 120 / 48_000, 0.25)]
    assert len(seen) == len(heard) == 5
    for flash, beep in zip(seen, heard, strict=True):
        assert abs(flash - beep) <= 0.040, (seen, heard)
    for beep, true in zip(heard, (1, 3, 5, 7, 9), strict=True):
        assert 0 <= beep - true <= 0.06, "the court clock is the sender's plus the shortest network delay"


def test_the_mix_holds_each_voice_when_it_spoke_and_only_then(sound: np.ndarray) -> None:
    def level(seat: str, second: float) -> float:
        piece = sound[int(second * 48_000) : int((second + 0.4) * 48_000)]
        return float(tone(piece, TONES[seat], 4800, 1200).mean())  # whole waves of every tone: no leaking

    assert level("s-plaintiff", 2) > 0.1 > 20 * level("s-plaintiff", 8)
    assert level("s-defendant", 8) > 0.1 > 20 * level("s-defendant", 2)
    assert level("s-clerk", 4) < 0.005


def test_who_speaks_is_framed(pictures: list[Bytes]) -> None:
    def framed(number: int, seat: str) -> bool:
        cell = place(list(SEATS)).cell(seat)
        assert cell is not None
        return float(planes(pictures[number]).y[cell.area.y + 20 : cell.area.bottom - 20, cell.area.x - 2].mean()) > 110

    def who(number: int) -> list[str]:
        return [seat.id for seat in SEATS if framed(number, seat.id)]

    assert who(70) == ["s-plaintiff"]
    assert who(80) == ["s-judge", "s-plaintiff"]  # the beep at 3.0 s
    assert who(215) == ["s-defendant"]


def test_the_file_starts_with_its_index_and_is_what_it_says(staged: Stage) -> None:
    data = staged.programme.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(staged.programme)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.width, video.height, video.average_rate) == ("h264", 1280, 720, 25)
        assert (audio.codec_context.name, audio.rate) == ("aac", 48_000)
        assert video.frames == LENGTH * 25


def test_progress_is_told_in_lines(staged: Stage) -> None:
    lines = [json.loads(line) for line in (staged.folder / "progress.txt").read_text().splitlines()]
    assert all(line["event"] == "progress" and 0 <= line["percent"] <= 100 for line in lines)
    assert lines[-1] == {"event": "progress", "stage": "seal", "percent": 100, "eta_s": 0}
    assert [line["percent"] for line in lines if line["stage"] == "compose"][-1] == 100


def frames_of(path: str) -> Iterator[tuple[int, bytes]]:
    with av.open(path) as container:
        for packet in container.demux(video=0):
            if packet.size:
                yield packet.pts or 0, bytes(packet)


def test_chunks_join_without_a_seam_and_a_killed_job_goes_on(
    staged: Stage, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pathlib

    from recorder import compose as module

    assert isinstance(tmp_path, pathlib.Path)
    monkeypatch.setattr(module, "CHUNK_FRAMES", 75)
    order = Order(
        staged.folder / "capture", staged.folder / "ledger.jsonl", staged.folder / "people.json", tmp_path / "p.mp4",
        workers=1,
    )  # fmt: skip
    made: list[int] = []

    class Killed(Exception):
        pass

    def die(_percent: int, _eta: int | None) -> None:
        made.append(1)

    real = module.Studio.picture

    def picture(self: module.Studio, frames: range, *rest: object) -> None:
        if frames.start >= 150 and not made_before:
            raise Killed
        rendered.append(frames)
        real(self, frames, *rest)  # type: ignore[arg-type]

    made_before: list[int] = []
    rendered: list[range] = []
    monkeypatch.setattr(module.Studio, "picture", picture)
    with pytest.raises(Killed):
        compose(order, die)
    assert rendered == [range(75), range(75, 150)]
    assert not order.out.exists()
    made_before.append(1)
    recording = compose(order, die)
    assert rendered[2:] == [range(150, 225), range(225, 250)]
    stamps = [pts for pts, _ in frames_of(str(order.out))]
    assert len(stamps) == recording.frames == 250
    assert len(set(stamps)) == 250
    with av.open(str(order.out)) as container:
        shown = [frame.to_ndarray() for frame in container.decode(video=0)]
    for number in (0, 74, 75, 149, 150, 224, 225, 249):
        assert ATLAS.read_back(planes(shown[number])) == clock_text(START + number * 40_000)
    for number in (160, 230):
        assert np.allclose(colour(planes(shown[number]), "s-plaintiff"), expected("s-plaintiff"), atol=10)
    before = order.out.stat().st_mtime_ns
    compose(order, die)
    assert order.out.stat().st_mtime_ns == before, "a second run with the same inputs does nothing"


def test_start_is_a_second_of_the_court() -> None:
    assert clock_text(START) == "2026-11-24   09:42:00"
    assert clock_text(START + 59 * SECOND) == "2026-11-24   09:42:59"
