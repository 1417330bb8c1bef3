"""Packs an archive as BagIt 1.0 (RFC 8493): a folder that any library can check without our software.

Rules
* The folder is made beside its place and gets its name last, by rename, after everything was synced: a bag that has its
  name is whole. ``tagmanifest-sha256.txt`` is written last inside it.
* Payload files are copied, never linked or moved: the captures stay where they are (two copies in two places).
* An archive that is there already is left alone.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from courtroom.errors import BadMessage
from courtroom.hearing.ledger import SignedHead, canonical
from recorder import VERSION
from recorder.index import read_capture
from recorder.ledgerfile import head_of, read_ledger, read_people, small_json
from recorder.names import PART
from recorder.seal import Digests, Sealing, digests, load_key, manifest_of, sign
from recorder.timeline import recording_log, recording_of

BAGIT: Final = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
LAST: Final = "tagmanifest-sha256.txt"
PROGRAMME: Final = "programme.mp4"


@dataclass(frozen=True, slots=True)
class Contents:
    """Where the parts of an archive lie now. ``sealed_at`` µs."""

    capture: Path
    ledger: Path
    head: Path
    people: Path
    programme: Path
    key: Path
    sealed_at: int


def is_sealed(out: Path) -> bool:
    return (out / LAST).is_file()


def heads_of(path: Path) -> list[SignedHead]:
    """One signed head, or a list of them."""
    value = small_json(path)
    return [head_of(item) for item in (value if isinstance(value, list) else [value])]


def pack(contents: Contents, out: Path, making: Path) -> None:
    """Make the bag ``out``; ``making`` is a folder of ours on the same file system for the unfinished one."""
    if is_sealed(out):
        return
    if out.exists():
        raise BadMessage("archive_in_the_way")
    key = load_key(contents.key)
    entries = read_ledger(contents.ledger)
    heads = heads_of(contents.head)
    people = read_people(contents.people)
    capture = read_capture(contents.capture)
    recording = recording_of(entries, capture)
    shutil.rmtree(making, ignore_errors=True)
    payload = making / "data"
    (payload / "capture").mkdir(parents=True, mode=0o700)
    files = {
        f"capture/{_final(segment.path.name)}": _copy(segment.path, payload / "capture" / _final(segment.path.name))
        for segment in capture.segments
    }
    segments = list(files)
    files["ledger.jsonl"] = _copy(contents.ledger, payload / "ledger.jsonl")
    files[PROGRAMME] = _copy(contents.programme, payload / PROGRAMME)
    for name, value in (
        ("heads.json", [asdict(head) for head in heads]),
        ("people.json", dict(sorted(people.items()))),
        ("recording-log.json", recording_log(recording)),
    ):
        files[name] = _write(payload / name, canonical(value) + b"\n")
    tears = {f"capture/{_final(segment.path.name)}": segment.tear for segment in capture.segments}
    sealing = Sealing(
        recording, entries, dict(files), payload, segments, tears, PROGRAMME, contents.sealed_at, key.public_key()
    )
    manifest = canonical(manifest_of(sealing))
    files["manifest.json"] = _write(payload / "manifest.json", manifest)
    files["signature.json"] = _write(payload / "signature.json", sign(manifest, key))
    _tags(making, files, recording.hearing, contents.sealed_at)
    _sync_folders([payload / "capture", payload, making])
    os.rename(making, out)
    _sync_folders([out.parent])


def _final(name: str) -> str:
    """A ``.part`` that nobody came back for goes into the archive under its final name, byte for byte."""
    return name.removesuffix(PART)


def _tags(bag: Path, files: Mapping[str, Digests], hearing: str, sealed_at: int) -> None:
    total = sum(made.bytes for made in files.values())
    date = datetime.fromtimestamp(sealed_at // 1_000_000, UTC).strftime("%Y-%m-%d")
    tags = {
        "bagit.txt": BAGIT,
        "bag-info.txt": (
            f"Bag-Software-Agent: recorder {VERSION}\nBagging-Date: {date}\nExternal-Identifier: {hearing}\n"
            f"Payload-Oxum: {total}.{len(files)}\n"
        ),
        "manifest-sha256.txt": "".join(f"{made.sha256}  data/{name}\n" for name, made in sorted(files.items())),
    }
    written = {name: _write(bag / name, text.encode()) for name, text in tags.items()}
    _write(bag / LAST, "".join(f"{made.sha256}  {name}\n" for name, made in sorted(written.items())).encode())


def _write(path: Path, data: bytes) -> Digests:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return digests(path)


def _copy(source: Path, target: Path) -> Digests:
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(fd, "rb") as read_from, target.open("xb") as write_to:
        shutil.copyfileobj(read_from, write_to, 1 << 20)
        write_to.flush()
        os.fsync(write_to.fileno())
    return digests(target)


def _sync_folders(folders: Sequence[Path]) -> None:
    for folder in folders:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def write_log(path: Path, log: Mapping[str, object]) -> None:
    """A recording log beside a composed programme, readable by people."""
    path.write_text(json.dumps(log, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
