"""Packs an archive as BagIt 1.0 (RFC 8493): a folder that any library can check without our software.

Rules
* The folder is made beside its place and gets its name last, by rename, after everything was synced: a bag that has its
  name is whole. ``tagmanifest-sha256.txt`` is written last inside it.
* Payload files are copied, never linked or moved: the captures stay where they are (two copies in two places).
* An archive that is there already is left alone. The one thing that may be added later is a time-stamp, beside the
  payload and never inside it (``stamp``).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from courtroom.errors import BadMessage
from courtroom.hearing import keyring
from courtroom.hearing.ledger import Entry, SignedHead, canonical
from recorder import VERSION, isolation, timestamp
from recorder.bagcheck import list_bag, parse_manifest, read_inside
from recorder.index import segment_paths
from recorder.ledgerfile import head_of, read_ledger, read_people, small_json
from recorder.names import PART
from recorder.scan import Scan, capture_of, recorded, scan_all
from recorder.seal import Digests, Sealing, digests, load_key, manifest_of, public_hex, sign
from recorder.timeline import Recording, recording_log, recording_of

BAGIT: Final = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
LAST: Final = "tagmanifest-sha256.txt"
PROGRAMME: Final = "programme.mp4"
ISOLATION: Final = "isolation.json"
KEYS: Final = "keys.json"


@dataclass(frozen=True, slots=True)
class Contents:
    """Where the parts of an archive lie now. ``sealed_at`` µs; ``keys``: the court's keyring, ``None`` where there is
    none."""

    capture: Path
    ledger: Path
    head: Path
    people: Path
    programme: Path
    key: Path
    sealed_at: int
    keys: Path | None = None


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
    keys = _keys(contents.keys, public_hex(key.public_key()))
    shutil.rmtree(making, ignore_errors=True)
    payload = making / "data"
    (payload / "capture").mkdir(parents=True, mode=0o700)
    scans = _copy_capture(contents.capture, making)
    capture = capture_of(making, scans)
    recording = recording_of(entries, capture)
    files = {one.name.removeprefix("data/"): Digests(one.size, one.sha256, one.sm3) for one in scans}
    segments = list(files)
    files["ledger.jsonl"] = _copy(contents.ledger, payload / "ledger.jsonl")
    files[PROGRAMME] = _copy(contents.programme, payload / PROGRAMME)
    for name, value in (
        ("heads.json", [asdict(head) for head in heads]),
        ("people.json", dict(sorted(people.items()))),
        ("recording-log.json", recording_log(recording)),
        (ISOLATION, certificates_of(entries, scans, recording)),
        *([(KEYS, keyring.to_value(keys))] if keys else []),
    ):
        files[name] = _write(payload / name, canonical(value) + b"\n")
    tears = {one.name.removeprefix("data/"): one.tear for one in scans}
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


def certificates_of(entries: Sequence[Entry], scans: Sequence[Scan], recording: Recording) -> dict[str, Any]:
    """The isolation certificates of an archive, from what lies in it and nothing else."""
    seats = isolation.isolated_seats(entries)
    packets = recorded(scans, frozenset(one.seat for one in seats))
    notes = [note for one in scans for note in one.notes]
    staff = isolation.staff_of(entries)
    return isolation.certificates(seats, staff, notes, packets, (recording.start, recording.end))


def _keys(path: Path | None, signing: str) -> tuple[keyring.CourtKey, ...]:
    """The keyring up to the signing key: what came after has no business in this archive."""
    if path is None:
        return ()
    keys = keyring.keyring_of(small_json(path))
    if signing not in {one.key for one in keys}:
        raise BadMessage("keyring")
    return keys[: [one.key for one in keys].index(signing) + 1]


def _final(name: str) -> str:
    """A ``.part`` that nobody came back for goes into the archive under its final name, byte for byte."""
    return name.removesuffix(PART)


def _copy_capture(source: Path, making: Path) -> list[Scan]:
    """Copies every segment and reads the copies back."""
    names = []
    for _, path in segment_paths(source):
        name = f"data/capture/{_final(path.name)}"
        _copy_file(path, making / name)
        names.append(name)
    if not names:
        raise BadMessage("capture_empty")
    sizes = {name: (making / name).stat().st_size for name in names}
    scans = scan_all(making, sizes, "", True)
    if len(scans) != len(names):
        raise OSError("a copied segment cannot be read")
    return [scans[name] for name in names]


def bag_info(tool: str, sealed_at: int, hearing: str, total: int, count: int) -> str:
    """``bag-info.txt``: everything in it follows from the signed manifest and the sizes (RFC 8493 2.2.2)."""
    date = datetime.fromtimestamp(sealed_at // 1_000_000, UTC).strftime("%Y-%m-%d")
    return (
        f"Bag-Software-Agent: {tool}\nBagging-Date: {date}\nExternal-Identifier: {hearing}\n"
        f"Payload-Oxum: {total}.{count}\n"
    )


def _tags(bag: Path, files: Mapping[str, Digests], hearing: str, sealed_at: int) -> None:
    total = sum(made.bytes for made in files.values())
    tags = {
        "bagit.txt": BAGIT,
        "bag-info.txt": bag_info(f"recorder {VERSION}", sealed_at, hearing, total, len(files)),
        "manifest-sha256.txt": "".join(f"{made.sha256}  data/{name}\n" for name, made in sorted(files.items())),
    }
    written = {name: _write(bag / name, text.encode()).sha256 for name, text in tags.items()}
    _write(bag / LAST, tag_lines(written))


def tag_lines(digests_of: Mapping[str, str]) -> bytes:
    """A manifest of the bag (RFC 8493 2.1.3): path → SHA-256."""
    return "".join(f"{sha}  {name}\n" for name, sha in sorted(digests_of.items())).encode()


# --- the time-stamp, whenever it can be had -----------------------------------------------------------------------


def stamp(bag: Path, url: str, authority: bytes) -> timestamp.Stamp:
    """Time-stamp the sealed archive ``bag`` by the authority at ``url``, trusted through ``authority`` (PEM).

    One that is stamped is left as it is. ``Unavailable`` and ``BadMessage`` as ``timestamp.ask``; ``BadMessage`` also
    for a folder that is no archive, or whose kept stamp is none.
    """
    if not is_sealed(bag):
        raise BadMessage("not_a_bag")
    listing = list_bag(bag).files
    content = read_inside(bag, "data/signature.json")
    if timestamp.TOKEN in listing and timestamp.AUTHORITY in listing:
        answer, authority = read_inside(bag, timestamp.TOKEN), read_inside(bag, timestamp.AUTHORITY)
    else:
        answer = timestamp.ask(url, content, authority)
    made = timestamp.judge(answer, content, authority)
    _keep(bag, {timestamp.AUTHORITY: authority, timestamp.TOKEN: answer})
    return made


def _keep(bag: Path, tags: Mapping[str, bytes]) -> None:
    """Put tag files into a finished bag, each whole or not at all, their list last. Doing it again is harmless."""
    listed, _ = parse_manifest(read_inside(bag, LAST), "")
    folder = bag.with_name(bag.name + ".stamping")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    written = {name: _write(folder / name, data).sha256 for name, data in tags.items()}
    if written.items() <= listed.items():
        shutil.rmtree(folder)
        return
    _write(folder / LAST, tag_lines({**listed, **written}))
    for name in (*tags, LAST):
        os.replace(folder / name, bag / name)
    _sync_folders([bag])
    folder.rmdir()


# --- files --------------------------------------------------------------------------------------------------------


def _write(path: Path, data: bytes) -> Digests:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return digests(path)


def _copy_file(source: Path, target: Path) -> None:
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(fd, "rb") as read_from, target.open("xb") as write_to:
        shutil.copyfileobj(read_from, write_to, 1 << 20)
        write_to.flush()
        os.fsync(write_to.fileno())


def _copy(source: Path, target: Path) -> Digests:
    _copy_file(source, target)
    return digests(target)


def _sync_folders(folders: Iterable[Path]) -> None:
    for folder in folders:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def write_log(path: Path, log: Mapping[str, object]) -> None:
    """A recording log beside a composed programme, readable by people."""
    path.write_text(json.dumps(log, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
