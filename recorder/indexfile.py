"""The index of a capture on disk, so that many processes read it once: numpy columns, shared as memory maps.

Rules
* One ``.npy`` file a column with all runs one after another, opened read-only and never as objects; ``index.json``
  comes last and says where each run begins. A folder without it holds no index.
* The folder is the composer's own work folder; whether the index is of these inputs is the composer's fingerprint.
  What does not fit together is ``BadMessage("index_damaged")``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from courtroom.errors import BadMessage
from courtroom.sfu.capture import Note, Track
from recorder.columns import Ints
from recorder.runs import Capture, Run, SegmentInfo

_COLUMNS: Final = ("seq", "rtp", "at", "marker", "flags", "file", "offset", "size")
_META: Final = "index.json"
MAX_META: Final = 64 << 20


def save_index(folder: Path, capture: Capture, court: Sequence[Ints]) -> None:
    """Write the index and the court time of every packet (parallel to ``capture.runs``)."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / _META).unlink(missing_ok=True)
    for column in _COLUMNS:
        _write(folder, column, [getattr(run, column) for run in capture.runs])
    _write(folder, "court", court)
    _write(folder, "reports", [run.reports for run in capture.runs])
    _write(folder, "beats", [capture.beats])
    _write(folder, "packets", [capture.packets])
    meta = {
        "segments": [asdict(segment) | {"path": str(segment.path)} for segment in capture.segments],
        "runs": [
            {"track": asdict(run.track), "ssrc": run.ssrc, "packets": len(run.seq), "reports": len(run.reports)}
            for run in capture.runs
        ],
        "notes": [{"at": note.at, "body": note.body} for note in capture.notes],
        "unreadable": capture.unreadable,
    }
    partial = folder / (_META + ".tmp")
    partial.write_text(json.dumps(meta), encoding="utf-8")
    os.replace(partial, folder / _META)


def _write(folder: Path, name: str, arrays: Sequence[Any]) -> None:
    """Run by run: an hour's column never stands in memory twice."""
    path, rows = folder / f"{name}.npy", sum(len(array) for array in arrays)
    if not rows:
        np.save(path, np.zeros(0, dtype=np.int64), allow_pickle=False)
        return
    shape = (rows, *arrays[0].shape[1:])
    whole = np.lib.format.open_memmap(path, mode="w+", dtype=arrays[0].dtype, shape=shape)
    at = 0
    for array in arrays:
        whole[at : at + len(array)] = array
        at += len(array)
    whole.flush()


def load_index(folder: Path) -> tuple[Capture, list[Ints]] | None:
    """What ``save_index`` wrote; ``None`` where there is nothing."""
    path = folder / _META
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > MAX_META:
            raise BadMessage("index_damaged")
        meta = json.loads(path.read_text(encoding="utf-8"))
        columns = {name: _read(folder, name) for name in (*_COLUMNS, "court", "reports", "beats", "packets")}
        return _capture(meta, columns)
    except (ValueError, KeyError, TypeError, OSError, AttributeError) as error:
        raise BadMessage("index_damaged") from error


def _read(folder: Path, name: str) -> Any:
    path = folder / f"{name}.npy"
    small = path.stat().st_size <= 256  # nothing cannot be mapped
    return np.asarray(np.load(path, allow_pickle=False, mmap_mode=None if small else "r"))


def _capture(meta: dict[str, Any], columns: dict[str, Any]) -> tuple[Capture, list[Ints]]:
    runs: list[Run] = []
    court: list[Ints] = []
    packet = report = 0
    for said in meta["runs"]:
        here = slice(packet, packet + int(said["packets"]))
        rows = slice(report, report + int(said["reports"]))
        values = {name: columns[name][here] for name in _COLUMNS}
        reports = columns["reports"][rows].reshape(-1, 3)
        runs.append(Run(track=Track(**said["track"]), ssrc=int(said["ssrc"]), reports=reports, **values))
        court.append(columns["court"][here])
        packet, report = here.stop, rows.stop
    if any(len(columns[name]) != packet for name in (*_COLUMNS, "court")) or len(columns["reports"]) != report:
        raise BadMessage("index_damaged")
    segments = tuple(SegmentInfo(**(said | {"path": Path(said["path"])})) for said in meta["segments"])
    notes = tuple(Note(int(said["at"]), said["body"]) for said in meta["notes"])
    return Capture(
        segments, tuple(runs), notes, columns["beats"], columns["packets"], int(meta["unreadable"])
    ), court  # fmt: skip
