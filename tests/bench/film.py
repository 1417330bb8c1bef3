"""Two seconds of real VP8 and Opus, for the one server that decodes what it gets.

Rules: made once a process by FFmpeg's own encoders, from moving noise over a gradient and a tone; the first picture is
a key frame, and playing it in a circle brings one every two seconds.
"""

from __future__ import annotations

import functools
from fractions import Fraction

import numpy as np


@functools.cache
def film(shape: str) -> tuple[bytes, ...]:
    """The frames of a shape; none for those that are only noise in the right size."""
    if shape == "film":
        return _picture()
    return _sound() if shape == "sound" else ()


def _picture() -> tuple[bytes, ...]:
    import av

    codec = av.CodecContext.create("libvpx", "w")
    codec.width, codec.height, codec.pix_fmt = 640, 360, "yuv420p"
    codec.time_base, codec.framerate, codec.bit_rate = Fraction(1, 25), Fraction(25), 700_000
    codec.options = {
        "deadline": "realtime",
        "cpu-used": "8",
        "lag-in-frames": "0",
        "g": "500",
        "max-intra-rate": "300",
        "static-thresh": "0",
    }
    noise = np.random.default_rng(25)
    gradient = np.add.outer(np.arange(360), np.arange(640)) // 5
    frames = []
    for i in range(50):
        luma = np.roll(gradient, 8 * i, axis=1) + noise.integers(0, 5, (360, 640))
        picture = np.full((540, 640), 128, np.uint8)
        picture[:360] = np.clip(luma, 0, 255)
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = i
        frames += [bytes(packet) for packet in codec.encode(frame)]
    return tuple(frames)


def _sound() -> tuple[bytes, ...]:
    import av

    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format, codec.bit_rate = 48000, "stereo", "s16", 36_000
    codec.options = {"frame_duration": "20", "vbr": "off"}
    packets = []
    for i in range(100):
        samples = np.sin(np.arange(i * 960, (i + 1) * 960) * (2 * np.pi * 440 / 48000)) * 9000
        frame = av.AudioFrame.from_ndarray(np.repeat(samples, 2).astype(np.int16)[None], format="s16", layout="stereo")
        frame.sample_rate, frame.pts = 48000, i * 960
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return tuple(packets)
