"""A sealed archive as one tar file, made while it is sent: nothing is packed before, and nothing is kept in memory.

Rules
* Regular files below the bag's folder, in the order of their names, under the bag's own name; nothing else is followed.
* Names, times and owners say nothing of this machine. The same archive is the same tar, byte by byte: a download that
  broke off goes on where it stopped.
* Blocking: ``pieces`` is read through ``asyncio.to_thread``.

Format: GNU tar (sizes beyond 8 GiB), by the standard library; BagIt RFC 8493 section 4.1 (serialization).
"""

from __future__ import annotations

import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from courtroom.errors import Unavailable

PIECE: Final = 256 * 1024
MAX_FILES: Final = 100_000
_BLOCK: Final = tarfile.BLOCKSIZE


@dataclass(frozen=True, slots=True)
class Member:
    """``head``: what stands before the file in the tar; ``size`` in bytes."""

    path: Path
    head: bytes
    size: int

    @property
    def tail(self) -> int:
        return -self.size % _BLOCK

    @property
    def length(self) -> int:
        return len(self.head) + self.size + self.tail


def members(bag: Path) -> list[Member]:
    """Every file of the bag; ``Unavailable("archive_unreadable")``."""
    try:
        found = sorted(islice(bag.rglob("*"), MAX_FILES + 1))
        made = [_member(path, bag) for path in found if stat.S_ISREG(path.lstat().st_mode)]
    except OSError as error:
        raise Unavailable("archive_unreadable") from error
    if len(found) > MAX_FILES or not made:
        raise Unavailable("archive_unreadable")
    return made


def _member(path: Path, bag: Path) -> Member:
    info = tarfile.TarInfo(f"{bag.name}/{path.relative_to(bag).as_posix()}")
    info.size, info.mode = path.lstat().st_size, 0o444
    return Member(path, info.tobuf(tarfile.GNU_FORMAT), info.size)


def length(listed: Sequence[Member]) -> int:
    """Bytes of the whole tar with its end (two empty blocks)."""
    return sum(one.length for one in listed) + 2 * _BLOCK


def pieces(listed: Sequence[Member], begin: int, end: int) -> Iterator[bytes]:
    """The tar's bytes ``[begin, end)``, at most ``PIECE`` at once; ``Unavailable("archive_unreadable")`` for a file
    that is not as long as it was listed."""
    at = 0
    for one in listed:
        if at < end and begin < at + one.length:
            yield from _cut(_member_pieces(one, max(0, begin - at - len(one.head))), at, begin, end)
        at += one.length
    close = bytes(2 * _BLOCK)[max(0, begin - at) : max(0, end - at)]
    if close:
        yield close


def _member_pieces(one: Member, skip: int) -> Iterator[tuple[int, bytes]]:
    """Where in the member a piece stands, and the piece; the first ``skip`` bytes of the file are left out."""
    yield 0, one.head
    at = min(skip, one.size)
    try:
        with one.path.open("rb") as file:
            file.seek(at)
            while at < one.size:
                piece = file.read(min(PIECE, one.size - at))
                if not piece:
                    raise Unavailable("archive_unreadable")
                yield len(one.head) + at, piece
                at += len(piece)
    except OSError as error:
        raise Unavailable("archive_unreadable") from error
    yield len(one.head) + one.size, bytes(one.tail)


def _cut(found: Iterator[tuple[int, bytes]], base: int, begin: int, end: int) -> Iterator[bytes]:
    for offset, piece in found:
        first = base + offset
        if first >= end:
            return
        wanted = piece[max(0, begin - first) : end - first]
        if wanted:
            yield wanted
