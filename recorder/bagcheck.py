"""Reads a folder that claims to be a bag and may be anything: names, links, sizes, digests (RFC 8493 2, 3).

Rules
* Nothing outside the folder is ever opened: links and special files are reported and not followed, names in manifests
  are matched against what a bag of ours may hold, and files are opened with ``O_NOFOLLOW`` after each parent was seen
  to be a folder.
* Bounded: entries, depth, and the size of every text that is read whole.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from courtroom.errors import BadMessage

MAX_ENTRIES: Final = 120_000
MAX_DEPTH: Final = 4
MAX_TAG: Final = 32 << 20
_LINE: Final = re.compile(r"([0-9A-Fa-f]{64})[ \t]+\*?([^\r\n]+)")
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


@dataclass(frozen=True, slots=True)
class Listing:
    """Regular files by path (with ``/``) and size; ``unsafe``: links, devices, odd names, and how they are wrong."""

    files: dict[str, int]
    unsafe: tuple[str, ...]


def list_bag(root: Path) -> Listing:
    """``BadMessage("not_a_bag")`` when ``root`` is no folder, or holds more than a bag ever does."""
    try:
        if not stat.S_ISDIR(os.lstat(root).st_mode):
            raise BadMessage("not_a_bag")
        files: dict[str, int] = {}
        unsafe: list[str] = []
        for name, entry in _walk(root, "", 0):
            if entry is None:
                unsafe.append(name)
            else:
                files[name] = entry.st_size
            if len(files) + len(unsafe) > MAX_ENTRIES:
                raise BadMessage("not_a_bag", {"why": "too_many"})
    except OSError as error:
        why = "nothing" if isinstance(error, FileNotFoundError) else "unreadable"
        raise BadMessage("not_a_bag", {"why": why}) from error
    return Listing(files, tuple(sorted(unsafe)))


def _walk(folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, os.stat_result | None]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            found = entry.stat(follow_symlinks=False)
            if not _NAME.fullmatch(name):
                yield ascii(name)[1:-1], None
            elif stat.S_ISDIR(found.st_mode) and depth < MAX_DEPTH:
                yield from _walk(Path(entry.path), name + "/", depth + 1)
            elif stat.S_ISREG(found.st_mode):
                yield name, found
            else:
                yield name, None


def safe_name(name: str) -> bool:
    """Whether a name from inside a bag may be joined to its root."""
    return bool(_NAME.fullmatch(name)) and len(name) <= 255


def open_inside(root: Path, name: str) -> int:
    """A read-only descriptor of a listed file, refusing links on the way."""
    if not safe_name(name):
        raise BadMessage("unsafe_name")
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        *parents, last = name.split("/")
        for parent in parents:
            inner = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)


def read_inside(root: Path, name: str, limit: int = MAX_TAG) -> bytes:
    """A small file whole; ``BadMessage("too_large")`` when it is not small."""
    with os.fdopen(open_inside(root, name), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise BadMessage("too_large", {"file": name})
    return data


def parse_manifest(data: bytes, inside: str) -> tuple[dict[str, str], list[str]]:
    """``({name: sha256}, bad lines)`` of a manifest whose names must begin with ``inside``."""
    found: dict[str, str] = {}
    bad: list[str] = []
    for line in data.decode("utf-8", "replace").splitlines():
        match = _LINE.fullmatch(line.rstrip())
        if not match or not safe_name(match[2]) or not match[2].startswith(inside) or match[2] in found:
            bad.append(line[:120])
            continue
        found[match[2]] = match[1].lower()
    return found, bad
