"""One capture file while it is being written: an append-only file object that knows its own digest.

Rules
* ``append`` is one ``write(2)`` without a buffer in this process: what it returned from survives SIGKILL of the writer.
* A write that the kernel takes only in part leaves ``owed`` bytes; nothing else goes into the file before ``settle``
  has written them, so a full disk makes a pause and not a tear.
* ``seal`` = fsync of the file, rename ``.part`` → ``.cap``, fsync of the directory. Nothing is truncated or deleted.
* No thread and no loop here; the owner calls ``append…finish`` from one thread and ``sync``/``seal`` from one other.

Format: ``courtroom.sfu.capture``.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from courtroom.sfu.capture import MAGIC, Chain, End, Header, Tear, encode, read
from recorder.names import PART, segment_name


@dataclass(frozen=True, slots=True)
class Sealed:
    """A finished segment. ``torn``: it was found unfinished and sealed as it was."""

    segment: str
    sha256: str
    start_at: int
    end_at: int
    bytes: int
    torn: bool


class SegmentFile:
    """``seg-NNNNN.cap.part`` from its first byte to its seal."""

    def __init__(self, directory: Path, take: str, number: int, opened_at: int) -> None:
        self.number = number
        self.opened_at = opened_at
        self.size = 0
        self.last_at = opened_at
        self.dirty = False
        self._directory = directory
        self._name = segment_name(number)
        self._digest = hashlib.sha256()
        self._owed = b""
        self._ending = 0  # 1: the last CHAIN is written or owed, 2: END too
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        path = directory / (self._name + PART)
        self._fd = os.open(path, flags, 0o600)
        try:
            self.append(MAGIC + encode(Header(take, number, opened_at)), opened_at)
        except OSError:
            self.abandon()
            path.unlink(missing_ok=True)  # not even its header: it holds nothing of anybody
            raise

    def append(self, data: bytes, at: int) -> None:
        """Whole records. On ``OSError`` the unwritten rest is owed: call ``settle`` until it returns."""
        self.settle()
        self._owed = data
        self.last_at = max(self.last_at, at)
        self.dirty = True
        self.settle()

    def settle(self) -> None:
        """Write what is still owed from an append that failed half way."""
        while self._owed:
            count = os.write(self._fd, self._owed)
            self._digest.update(self._owed[:count])
            self.size += count
            self._owed = self._owed[count:]

    def chain(self, at: int) -> None:
        """A flush: the digest of everything so far, written into the file."""
        self.settle()
        self.append(encode(Chain(at, self._digest.digest())), at)
        self.dirty = False

    @property
    def owed(self) -> bool:
        return bool(self._owed)

    @property
    def ending(self) -> bool:
        """``finish`` has begun: nothing but its records may follow."""
        return self._ending > 0

    def finish(self, at: int) -> None:
        """The last two records; afterwards only ``seal``. After an ``OSError`` call again: nothing is written twice."""
        self.settle()
        if self._ending == 0:
            self._ending = 1
            self.chain(at)
        if self._ending == 1:
            self._ending = 2
            self.append(encode(End(at)), at)

    def sync(self) -> int:
        """fdatasync; the bytes that were certainly on disk before it returned. Harmless after ``seal``."""
        size = self.size
        if self._fd >= 0:
            os.fdatasync(self._fd)
        return size

    def seal(self) -> Sealed:
        """Make the name final. After an ``OSError`` the file is closed and left to ``seal_leftover``."""
        try:
            os.fsync(self._fd)
        finally:
            self.abandon()
        _make_final(self._directory, self._name)
        return Sealed(self._name, self._digest.hexdigest(), self.opened_at, self.last_at, self.size, False)

    def abandon(self) -> None:
        """Close without a seal; the ``.part`` stays as it is and is sealed when the take is opened again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)


def _make_final(directory: Path, name: str) -> None:
    if (directory / name).exists():  # rename would replace it; one writer owns the folder, so this is not a race
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
    os.rename(directory / (name + PART), directory / name)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def seal_leftover(directory: Path, number: int) -> Sealed:
    """Seal a ``.part`` that was left behind, byte for byte as it is; one that has its name already is described."""
    name = segment_name(number)
    path = directory / (name + PART)
    if not path.exists() and (directory / name).exists():
        return describe(directory, number)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    _make_final(directory, name)
    return describe(directory, number)


def describe(directory: Path, number: int) -> Sealed:
    """What ``SegmentSealed`` says about a finished file, read back from the file."""
    name = segment_name(number)
    data = (directory / name).read_bytes()
    start_at = end_at = 0
    ended = False
    for _, record in read(data):
        match record:
            case Header():
                start_at = end_at = record.opened_at
            case Tear():
                ended = False
            case End(at):
                end_at, ended = max(end_at, at), True
            case _:
                at = getattr(record, "at", 0)
                end_at, ended = max(end_at, at), False
    return Sealed(name, hashlib.sha256(data).hexdigest(), start_at, end_at, len(data), torn=not ended)
