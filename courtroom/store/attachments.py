"""Files that persons hand in as proof: sealed piece by piece as they come, whole under their digest or not there.

Reference: NIST SP 800-38D (AES-GCM); the pieces are bound together as in STREAM (Hoang et al., CRYPTO 2015).

Rules
* Nothing readable ever touches the disk: a piece is sealed under the hearing's own key before it is written. That key
  stands in the database, itself sealed by the vault, and goes with ``Registry.erase``; then the files cannot be read.
* Every piece is bound to hearing, seat, digest, its number and whether it is the last one: pieces of other files,
  another order or a shortened file do not open.
* A draft has a random name and gets its own by rename, after everything was synced: what has its name is whole. Drafts
  that a crash left behind are swept away at the next start; files under their name are never removed but by the one
  caller that has just put them there and learned that the court does not take them.
* Blocking: called through ``asyncio.to_thread``.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from courtroom.errors import Unavailable
from courtroom.store.secrets import Vault

PIECE: Final = 256 * 1024
PART: Final = ".part"
SEALED: Final = ".sealed"
_FRAME: Final = 4
_MAX_FRAME: Final = PIECE + 64
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Draft:
    """A file on its way in: ``write`` as it comes, then ``finish``, then ``keep`` or ``drop``."""

    def __init__(self, folder: Path, place: tuple[str, str, str], vault: Vault) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.size = 0
        self._folder = folder
        self._place = place
        self._vault = vault
        self._path = folder / f".{secrets.token_hex(16)}{PART}"
        self._digest = hashlib.sha256()
        self._waiting = bytearray()
        self._pieces = 0
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._file: IO[bytes] = os.fdopen(handle, "wb")

    def write(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.size += len(chunk)
        self._waiting += chunk
        try:
            while len(self._waiting) > PIECE:
                self._seal(bytes(self._waiting[:PIECE]), last=False)
                del self._waiting[:PIECE]
        except OSError as error:
            raise Unavailable("store_failed") from error

    def _seal(self, piece: bytes, *, last: bool) -> None:
        sealed = self._vault.seal_bytes(piece, *_bound(self._place, self._pieces, last))
        self._file.write(len(sealed).to_bytes(_FRAME, "big") + sealed)
        self._pieces += 1

    def finish(self) -> str:
        """SHA-256 (hex) of what came; everything is on disk now."""
        try:
            self._seal(bytes(self._waiting), last=True)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise Unavailable("store_failed") from error
        return self._digest.hexdigest()

    def keep(self) -> None:
        """The file has its name when this returns, also after a power cut."""
        try:
            self._path.replace(self._folder / (self._place[2] + SEALED))
            for folder in (self._folder, *list(self._folder.parents)[:3]):  # up to the data directory
                _sync(folder)
        except OSError as error:
            raise Unavailable("store_failed") from error

    def drop(self) -> None:
        """Nothing is left of it; harmless after ``keep``."""
        try:
            self._file.close()
        except OSError:  # what was still to be written found no room: it goes anyway
            pass
        finally:
            self._path.unlink(missing_ok=True)


class AttachmentFiles:
    """The files below one directory: ``<hearing>/<seat>/<sha256>.sealed``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def begin(self, hearing: str, seat: str, sha256: str, key: bytes) -> Draft:
        """A draft for the file that is announced to have this digest."""
        try:
            return Draft(self._folder(hearing, seat), _place(hearing, seat, sha256), Vault(key))
        except OSError as error:
            raise Unavailable("store_failed") from error

    def read(self, hearing: str, seat: str, sha256: str, key: bytes) -> bytes:
        """The whole file, its digest checked; ``Unavailable``: ``attachment_missing``, ``attachment_damaged``."""
        place = _place(hearing, seat, sha256)
        try:
            with (self._folder(hearing, seat) / (sha256 + SEALED)).open("rb") as file:
                content = b"".join(_opened(file, place, Vault(key)))
        except FileNotFoundError as error:
            raise Unavailable("attachment_missing") from error
        except (OSError, Unavailable) as error:
            raise Unavailable("attachment_damaged") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Unavailable("attachment_damaged")
        return content

    def withdraw(self, hearing: str, seat: str, sha256: str) -> None:
        """Undoes ``keep`` of a file that the court did not take."""
        (self._folder(hearing, seat) / (_place(hearing, seat, sha256)[2] + SEALED)).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Removes drafts that nobody writes any more (before the first request is answered); how many there were."""
        drafts = list(self._directory.glob(f"*/*/.*{PART}"))
        for one in drafts:
            one.unlink(missing_ok=True)
        return len(drafts)

    def _folder(self, hearing: str, seat: str) -> Path:
        return self._directory / hearing / seat


def _place(hearing: str, seat: str, sha256: str) -> tuple[str, str, str]:
    """The three names, which become names of files: anything else than ids of ours is a bug of the caller."""
    if not _ID.fullmatch(hearing) or not _ID.fullmatch(seat) or not _SHA256.fullmatch(sha256):
        raise ValueError("not a place for a file")
    return hearing, seat, sha256


def _bound(place: tuple[str, str, str], number: int, last: bool) -> tuple[str, ...]:
    return ("attachment", *place, str(number), "last" if last else "more")


def _opened(file: IO[bytes], place: tuple[str, str, str], vault: Vault) -> Iterator[bytes]:
    number, sealed = 0, _frame(file)
    while sealed is not None:
        following = _frame(file)
        yield vault.open_bytes(sealed, *_bound(place, number, following is None))
        number, sealed = number + 1, following
    if not number:
        raise Unavailable("attachment_damaged")


def _frame(file: IO[bytes]) -> bytes | None:
    head = file.read(_FRAME)
    if not head:
        return None
    length = int.from_bytes(head, "big")
    sealed = file.read(length) if len(head) == _FRAME and length <= _MAX_FRAME else b""
    if not sealed or len(sealed) != length:
        raise Unavailable("attachment_damaged")
    return sealed


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
