"""Who spoke when, out of a sealed archive: the same measure that outlines a tile in the composed picture.

Rules
* Computed from the archive alone, by decoding every microphone (``voices``); what a browser said about its own level is
  not asked. Anybody can compute it again; it is an index to find a place by, and no finding about anybody.
* Pauses up to ``PAUSE_US`` inside one speech are speech; a sound shorter than ``LEAST_US`` is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from recorder.clockmap import court_times
from recorder.index import read_capture
from recorder.ledgerfile import read_ledger
from recorder.payloads import Payloads
from recorder.timeline import recording_of
from recorder.voices import Mixer, Voice

WINDOW_US: Final = 100_000
CHUNK_US: Final = 10_000_000
PAUSE_US: Final = 1_000_000
LEAST_US: Final = 200_000
MAX_SPANS: Final = 20_000  # of one seat: a sitting of a day with a word every four seconds

Span = tuple[int, int]


def speakers(bag: Path) -> dict[str, Any]:
    """``{"window_us", "speakers": [{"seat", "spans": [[from_at, to_at], …]}]}``, µs of the court clock."""
    data = bag / "data"
    capture = read_capture(data / "capture")
    recording = recording_of(read_ledger(data / "ledger.jsonl"), capture)
    spans: dict[str, list[Span]] = {}
    with Payloads([segment.path for segment in capture.segments]) as payloads:
        voices = [
            Voice(run, court, payloads)
            for run, court in zip(capture.runs, court_times(capture.runs), strict=True)
            if run.track.codec == "opus" and run.track.kind == "microphone"
        ]
        for seat, at in _loud(Mixer(voices), recording.start, recording.end):
            _grow(spans.setdefault(seat, []), at)
    return {
        "window_us": WINDOW_US,
        "speakers": [
            {"seat": seat, "spans": [list(span) for span in found if span[1] - span[0] >= LEAST_US][:MAX_SPANS]}
            for seat, found in sorted(spans.items())
        ],
    }


def _loud(mixer: Mixer, start: int, end: int) -> Iterator[tuple[str, int]]:
    """Every window in which a seat is heard, in order."""
    begin = start // WINDOW_US * WINDOW_US
    while begin < end:
        stop = begin + CHUNK_US
        mixer.render(begin, stop)
        for at in range(begin, min(stop, end), WINDOW_US):
            for seat in mixer.speaking(at):
                yield seat, at
        begin = stop


def _grow(spans: list[Span], at: int) -> None:
    if spans and at - spans[-1][1] <= PAUSE_US:
        spans[-1] = (spans[-1][0], at + WINDOW_US)
    else:
        spans.append((at, at + WINDOW_US))
