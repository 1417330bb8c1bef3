"""What nine seats send, made once: a capture, a ledger and names for us, WebM files of the same packets for ffmpeg.

* VP8 640 x 360 at 25 a second as browsers send it (moving, textured, grainy: decoding costs what it costs), Opus every
  20 ms; a film of ``LOOP_S`` is sent over and over and begins with a key frame.
* Packets arrive without delay: what is measured is composing, not the clock map.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from courtroom.sfu.capture import Packet, Record, SenderReport
from tests.recorder.cast import CAST, names
from tests.recorder.stage import SECOND, START, Script, Sender, packetize, write_segment

SEATS = CAST[:9]
FPS, SOURCE = 25, (640, 360)
LOOP_S = 8
FILMS = 3


def film(seed: int, seconds: int = LOOP_S) -> list[bytes]:
    """VP8 frames: a textured room, somebody moving in it, the grain of a camera."""
    random = np.random.default_rng(seed)
    width, height = SOURCE
    room = _texture(random, width, height, 6, 70)
    body = _texture(random, 240, 300, 3, 110)
    yy, xx = np.mgrid[0:300, 0:240]
    inside = ((xx - 120) / 120) ** 2 + ((yy - 150) / 150) ** 2 < 1
    grain = [random.normal(0, 2.5, (height, width)).astype(np.int16) for _ in range(7)]
    encoder: Any = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.bit_rate = Fraction(1, FPS), Fraction(FPS), 700_000
    encoder.options = {"deadline": "realtime", "cpu-used": "6", "lag-in-frames": "0", "g": "9999"}
    made = []
    for number in range(seconds * FPS):
        t = number / FPS
        luma = room.astype(np.int16)
        x = int(200 + 60 * np.sin(t * 1.7 + seed) + 12 * np.sin(t * 7))
        y = int(60 + 10 * np.sin(t * 2.3))
        part = luma[y : y + 300, x : x + 240]
        part[inside[: part.shape[0]]] = body[: part.shape[0]][inside[: part.shape[0]]]
        picture = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
        picture[:height] = np.clip(luma + grain[number % 7], 16, 235)
        picture[height : height * 5 // 4] = 110 + 10 * seed
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        made += [bytes(packet) for packet in encoder.encode(frame)]
    assert len(made) == seconds * FPS
    return made


def _texture(random: np.random.Generator, width: int, height: int, blur: int, spread: int) -> npt.NDArray[np.uint8]:
    noise = Image.fromarray(random.integers(0, 256, (height, width), dtype=np.uint8))
    soft = np.asarray(noise.filter(ImageFilter.GaussianBlur(blur)), dtype=np.float64)
    soft = (soft - soft.mean()) / soft.std() * spread / 3 + 110
    return np.clip(soft, 20, 230).astype(np.uint8)


def speech(seed: int, seconds: int = LOOP_S) -> list[bytes]:
    """Opus packets: bursts of voiced sound with pauses."""
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 48_000, "mono", "flt", 32_000
    encoder.options = {"application": "voip", "frame_duration": "20"}
    t = np.arange(seconds * 48_000) / 48_000
    pitch = 110 + 30 * seed
    tone = sum(np.sin(2 * np.pi * pitch * k * t + 3 * np.sin(2 * np.pi * 2.1 * t)) / k for k in range(1, 9))
    loud = np.clip(np.sin(2 * np.pi * (0.23 + 0.03 * seed) * t + seed), 0, 1) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))
    sound = (0.08 * tone * loud).astype(np.float32)
    made = []
    for number in range(seconds * 50):
        frame = av.AudioFrame.from_ndarray(sound[number * 960 : (number + 1) * 960].reshape(1, -1), "flt", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 960, Fraction(1, 48_000)
        made += [bytes(packet) for packet in encoder.encode(frame)]
    return made[: seconds * 50]


@dataclass(frozen=True)
class Stage:
    folder: Path
    seconds: int
    films: list[list[bytes]]
    voices: list[list[bytes]]

    def frame(self, seat: int, number: int) -> bytes:
        made = self.films[seat % FILMS]
        return made[number % len(made)]

    def packet(self, seat: int, number: int) -> bytes:
        made = self.voices[seat % FILMS]
        return made[number % len(made)]


def staged(folder: Path, seconds: int) -> Stage:
    """Capture, ledger and names for us; nine WebM files of the same packets for ffmpeg."""
    stage = Stage(folder, seconds, [film(n) for n in range(FILMS)], [speech(n) for n in range(FILMS)])
    senders = [Sender(plan.id, n + 1, 0, n) for n, plan in enumerate(SEATS)]
    (folder / "capture").mkdir(parents=True)
    tracks = [track for sender in senders for track in sender.tracks()]
    for number, begin in enumerate(range(0, seconds, 60)):
        records: list[tuple[int, Record]] = []
        for seat, sender in enumerate(senders):
            records += _sent(stage, seat, sender, begin, min(begin + 60, seconds))
        records.sort(key=lambda item: item[0])
        write_segment(folder / "capture", number + 1, START + begin * SECOND, records, tracks)
    Script(seats=SEATS).open().close(START + seconds * SECOND).save(folder / "ledger.jsonl")
    (folder / "people.json").write_text(json.dumps(names("zh"), ensure_ascii=False), encoding="utf-8")
    for seat in range(len(SEATS)):
        _webm(stage, seat, folder / f"{seat}.webm")
    return stage


def _sent(stage: Stage, seat: int, sender: Sender, begin: int, end: int) -> Iterator[tuple[int, Record]]:
    """Packets as they arrive without delay: what is measured is composing, not the clock map."""
    video = sum(len(packetize("vp8", stage.frame(seat, n))) for n in range(begin * FPS))
    for number in range(begin * FPS, end * FPS):
        at, stamp = START + number * SECOND // FPS, number * 90_000 // FPS
        if number % FPS == 0:
            yield at, SenderReport(sender.track, at, sender._ntp(at), stamp)
        pieces = packetize("vp8", stage.frame(seat, number))
        for line, piece in enumerate(pieces):
            data = sender._packet(sender.track, video, stamp, line == len(pieces) - 1, piece)
            yield at, Packet(sender.track, at, data)
            video += 1
    track = sender.track + 100
    for number in range(begin * 50, end * 50):
        at, stamp = START + number * SECOND // 50, number * 960
        if number % 50 == 25:
            yield at, SenderReport(track, at, sender._ntp(at), stamp)
        yield at, Packet(track, at, sender._packet(track, number, stamp, False, stage.packet(seat, number)))


def _webm(stage: Stage, seat: int, path: Path) -> None:
    with av.open(str(path), "w", format="webm") as container:
        video: Any = container.add_stream("libvpx", rate=FPS)
        video.width, video.height, video.pix_fmt = *SOURCE, "yuv420p"
        audio: Any = container.add_stream("libopus", rate=48_000)
        audio.layout = "mono"
        container.start_encoding()
        for number in range(stage.seconds * 50):
            if number % 2 == 0:
                _mux(container, video, stage.frame(seat, number // 2), Fraction(1, FPS), number // 2)
            _mux(container, audio, stage.packet(seat, number), Fraction(1, 50), number)


def _mux(container: Any, stream: Any, data: bytes, base: Fraction, number: int) -> None:
    packet = av.Packet(data)
    packet.stream, packet.time_base, packet.pts, packet.dts = stream, base, number, number
    packet.is_keyframe = not data[0] & 1 or stream.type == "audio"
    container.mux(packet)
