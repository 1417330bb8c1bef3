"""Whose copy a clip was made from: registration, moment, evidence, and one score for every issued copy.

Rules
* The court compares with the sealed programme, which it has; the person who asks marks nothing and enters no time.
* A copy is named only when its score passes ``codes.threshold`` for all copies and all readings together: at most one
  clip in a million that was not made from any of them names anybody, whatever it shows. Below it nobody is named.
* Several names mean several copies were mixed. That the mark is not found says nothing about who leaked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from courtroom.errors import BadMessage
from recorder.mark import align, register, video
from recorder.mark.codes import FALSE_ACCUSATION, Code, chance, score, threshold
from recorder.mark.evidence import READINGS, SIZE, Said, gather, readings
from recorder.mark.geometry import Floats, resized, through
from recorder.mark.register import Place

MAX_SECONDS: Final = 40.0
MAX_COPIES: Final = 100_000
TRIES: Final = 2 * READINGS  # as it lies and mirrored
_LAYOUTS: Final = 3
_LOOKED_AT: Final = 48
_FIT: Final = 0.15
_MOVES: Final = 0.05
_BEHIND: Final = 0.1  # which way round a clip lies is not in doubt when the other fits so much worse


@dataclass(frozen=True, slots=True)
class Match:
    copy: str
    score: float
    chance: float


@dataclass(frozen=True, slots=True)
class Report:
    """``found``: registered, best first. ``fit`` and ``moved`` tell how well the clip lies on the programme in space
    and time (1 is exact), ``begin`` the programme's second of the clip's first picture."""

    found: tuple[Match, ...]
    best: float
    threshold: float
    rate: float
    copies: int
    registered: bool
    fit: float
    moved: float
    begin: float
    seconds: float
    mirrored: bool
    corners: tuple[tuple[float, float], ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values; numbers rounded."""
        return {
            "found": [
                {"copy": one.copy, "score": round(one.score, 2), "false_positive_bound": one.chance}
                for one in self.found
            ],
            "registered": self.registered,
            "best_score": round(self.best, 2),
            "threshold": round(self.threshold, 2),
            "false_accusation_rate": self.rate,
            "copies": self.copies,
            "fit": round(self.fit, 3),
            "moved": round(self.moved, 3),
            "begin_s": round(self.begin, 2),
            "seconds": round(self.seconds, 2),
            "mirrored": self.mirrored,
            "corners": [[round(x, 4), round(y, 4)] for x, y in self.corners],
        }


class Programme:
    """A sealed programme as the detector needs it; reading its key pictures is done once for many clips."""

    def __init__(self, path: Path) -> None:
        self.path = path
        found = video.keys(path, 384, 216, align.MAX_KEYS)
        every = max(1, len(found.luma) // _LOOKED_AT)
        self.layouts = layouts(found.luma[::every])
        small = np.stack([resized(one.astype(np.float32), *align.SMALL) for one in found.luma])
        self.keys = video.Pictures(np.rint(small).astype(np.uint8), found.times)


def layouts(pictures: video.Bytes) -> list[Floats]:
    """Up to three pictures that stand for all: the medians of those that look alike, the commonest first."""
    small = np.stack([resized(one.astype(np.float32), 96, 54).ravel() for one in pictures])
    centres = [0]
    while len(centres) < _LAYOUTS:
        far = np.min([np.abs(small - small[one]).mean(axis=1) for one in centres], axis=0)
        if far.max() < 6:
            break
        centres.append(int(far.argmax()))
    nearest = np.argmin([np.abs(small - small[one]).mean(axis=1) for one in centres], axis=0)
    groups = sorted((np.flatnonzero(nearest == n) for n in range(len(centres))), key=len, reverse=True)
    medians = (np.median(pictures[group], axis=0) for group in groups if len(group))
    return [np.asarray(median, dtype=np.float32) for median in medians]


def detect(path: Path, programme: Programme, key: bytes, copies: Sequence[str], begin: float = 0.0) -> Report:
    """Looks at up to 40 s of the clip at ``path`` from its second ``begin``."""
    if len(copies) > MAX_COPIES:
        raise BadMessage("too_many_copies")
    clip = video.read(path, SIZE[0], begin, MAX_SECONDS)
    still = _still(clip)
    places = [(register.find(still, programme.layouts, mirrored), mirrored) for mirrored in (False, True)]
    places.sort(key=lambda one: -one[0].fit)
    reports: list[Report] = []
    for place, mirrored in places:
        if reports and place.fit <= places[0][0].fit - _BEHIND:
            break
        reports.append(_read(clip, programme, key, copies, place, mirrored))
        if reports[-1].found:
            return reports[-1]
    return next((report for report in reports if report.registered), reports[0])


def _read(
    clip: video.Pictures, programme: Programme, key: bytes, copies: Sequence[str], place: Place, mirrored: bool
) -> Report:
    place, moment, said = read_mark(clip, programme, place)
    limit = threshold(TRIES * len(copies))
    scores = scores_of(said, key, copies) if said is not None else {}
    found = sorted((one for one in scores.items() if one[1] >= limit), key=lambda one: -one[1])
    corners = np.linalg.inv(place.homography)
    return Report(
        tuple(Match(copy, value, chance(value, TRIES * len(copies))) for copy, value in found),
        max(scores.values(), default=0.0),
        limit,
        FALSE_ACCUSATION,
        len(copies),
        said is not None,
        place.fit,
        moment.fit,
        moment.shift + float(clip.times[0]),
        float(clip.times[-1] - clip.times[0]),
        mirrored,
        _corners(corners),
    )


def _corners(back: np.ndarray) -> tuple[tuple[float, float], ...]:
    points = through(back, np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]))
    return tuple((float(x), float(y)) for x, y in points)


def read_mark(
    clip: video.Pictures, programme: Programme, place: Place | None = None
) -> tuple[Place, align.Moment, Said | None]:
    """Where and when the clip is, and what it says; nothing when it does not lie on the programme. ``place``: where it
    was found already."""
    still = _still(clip)
    place = place or register.find(still, programme.layouts)
    if place.fit < _FIT:
        return place, align.Moment(0.0, 0.0), None
    moment = align.find(programme.path, programme.keys, clip, place.homography)
    if moment.fit < _MOVES:
        return place, moment, None
    begin = max(0.0, moment.shift + float(clip.times[0]) - 0.2)
    length = float(clip.times[-1] - clip.times[0]) + 0.6
    part = video.read(programme.path, SIZE[0], begin, length, SIZE[1])
    place = register.refined(still, _still(part), place, register.LEVELS[1:])
    return place, moment, gather(clip, part, moment.shift, place)


def _still(pictures: video.Pictures) -> Floats:
    """What stands still in them."""
    chosen = pictures.luma[:: max(1, len(pictures.luma) // 25)]
    return np.asarray(np.median(chosen, axis=0), dtype=np.float32)


def scores_of(said: Said, key: bytes, copies: Sequence[str]) -> dict[str, float]:
    """The best of all readings for every copy."""
    ways = readings(said)
    first = min(way.first for way in ways)
    last = max(way.groups.stop for way in ways)
    made = {}
    for copy in copies:
        signs = Code(key, copy).groups(range(first, last))
        made[copy] = max(
            score(way.values, signs[way.first - first : way.groups.stop - first]) for way in ways if way.values.size
        )
    return made
