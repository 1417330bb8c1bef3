"""Small secret files: created once, readable by their owner only, never written through a link.

Rules: created with ``O_EXCL | O_NOFOLLOW`` and mode 0600 under another name, then renamed, so a crash leaves no half
key; a file that others may read is refused (``Unavailable("secret_file_open")``) rather than quietly repaired.
Blocking: called before the event loop serves anybody, or through ``asyncio.to_thread``.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from courtroom.errors import Unavailable

OWNER_ONLY: Final = 0o600
MAX_SECRET_FILE: Final = 64 * 1024


def write_secret(path: Path, content: bytes) -> None:
    """Puts ``content`` at ``path`` with mode 0600, whole or not at all, on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, OWNER_ONLY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_secret(path: Path) -> bytes | None:
    """The content, ``None`` when there is no such file; ``Unavailable`` when its mode lets others in."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o077:
            raise Unavailable("secret_file_open", {"file": path.name})
        return file.read(MAX_SECRET_FILE)


def load_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """What the file holds; what ``make`` gives, kept, when it does not exist yet."""
    content = read_secret(path)
    if content is None:
        content = make()
        write_secret(path, content)
    return content
