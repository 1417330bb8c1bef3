"""Fake cameras and microphones as files: one solid colour and one pulsed tone a person.

Tones are pulsed (200 ms on, 100 ms off), since the browser's noise suppression, which stays on, takes a steady tone for
noise. Frequencies are bins of a 2048-point FFT at 48 kHz apart enough to be told from each other and from harmonics.
"""

from __future__ import annotations

import math
import struct
import wave
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT, FPS = 320, 240, 5


@dataclass(frozen=True)
class Person:
    """Who sits on a seat in the tests; ``colour`` is RGB of the camera, ``tone`` Hz of the microphone."""

    role: str
    name: str
    side: str
    colour: tuple[int, int, int]
    tone: int


JUDGE = Person("presiding_judge", "顾明远", "none", (200, 40, 40), 656)
CLERK = Person("clerk", "苏雨桐", "none", (40, 160, 60), 891)
PLAINTIFF = Person("plaintiff", "林晓芸", "plaintiff", (40, 60, 200), 1172)
DEFENDANT = Person("defendant", "何建国", "defendant", (200, 190, 40), 1523)
WITNESS = Person("witness", "秦大海", "none", (170, 50, 180), 1992)
EVERYBODY = (JUDGE, CLERK, PLAINTIFF, DEFENDANT, WITNESS)


def yuv(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """BT.601 limited range, as a camera gives it."""
    r, g, b = rgb
    return (
        round(16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255),
        round(128 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255),
        round(128 + (112.0 * r - 93.786 * g - 18.214 * b) / 255),
    )


def write_camera(path: Path, colour: tuple[int, int, int], seconds: int = 2) -> Path:
    """A y4m file of one colour; the browser plays it in a loop."""
    y, u, v = yuv(colour)
    frame = b"FRAME\n" + bytes((y,)) * (WIDTH * HEIGHT) + bytes((u,)) * (WIDTH * HEIGHT // 4)
    frame += bytes((v,)) * (WIDTH * HEIGHT // 4)
    head = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(head + frame * (FPS * seconds))
    return path


def write_microphone(path: Path, tone: int, seconds: int = 6) -> Path:
    """A mono 48 kHz WAV file of a pulsed tone; the browser plays it in a loop."""
    rate = 48000
    period, on, ramp = int(rate * 0.3), int(rate * 0.2), int(rate * 0.01)
    samples = bytearray()
    for number in range(rate * seconds):
        at = number % period
        level = 0.0 if at >= on else min(1.0, at / ramp, (on - at) / ramp)
        samples += struct.pack("<h", int(12000 * level * math.sin(2 * math.pi * tone * number / rate)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(samples))
    return path
