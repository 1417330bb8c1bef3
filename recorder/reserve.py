"""Room on the disk set aside for one take: a real file of allocated blocks beside it.

Rules
* It shrinks as the take grows; the last ``STEP`` is kept for a full disk, and given up piece by piece then, so the disk
  is full for everybody else before it is full for the court.
* A writer that comes back takes over what its predecessor had set aside: the room is never free for others in between.
* Once broken into it is made good again (``mend``) when the disk has room for it.

Blocking calls, like everything about files here.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

STEP: Final = 16 << 20
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Reserve:
    """``broken``: part of it had to be given up, or could not be had."""

    def __init__(self, path: Path) -> None:
        self.broken = False
        self.size = 0
        self._path = path
        self._ordered = 0

    def order(self, size: int, used: int) -> None:
        """Set ``size`` aside for a take that has written ``used`` of it; ``OSError`` when there is no room."""
        self._ordered = max(0, size)
        if self._ordered:
            self._allocate(self._wanted(used))
        else:
            self._path.unlink(missing_ok=True)

    def _wanted(self, used: int) -> int:
        return max(self._ordered - used, min(self._ordered, STEP))

    def _allocate(self, size: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        fd = os.open(self._path, flags, 0o600)
        try:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
            # Asked first: where the file system cannot allocate, the C library would fill the disk to find out.
            if self._free() + about.st_blocks * 512 < size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.posix_fallocate(fd, 0, size)
            os.ftruncate(fd, size)
            self.size = size
        finally:
            os.close(fd)

    def shrink(self, used: int) -> None:
        """What the take has used is no longer set aside."""
        wanted = self._wanted(used)
        if not self.broken and self.size - wanted >= STEP:
            self._cut(wanted)

    def give(self) -> bool:
        """A piece for the take itself, on a full disk; ``False`` when nothing is left."""
        if self.size <= 0:
            return False
        self.broken = True
        self._cut(max(0, self.size - STEP))
        return True

    def mend(self, used: int) -> None:
        """Make good what was given up, once there is twice the room for it."""
        wanted = self._wanted(used)
        if self.broken and self._ordered and self._free() >= 2 * (wanted - self.size):
            try:
                self._allocate(wanted)
            except OSError as error:
                if error.errno not in FULL:
                    raise
            else:
                self.broken = False

    def give_back(self) -> None:
        self._path.unlink(missing_ok=True)
        self.size = 0

    def _cut(self, size: int) -> None:
        os.truncate(self._path, size)
        self.size = size

    def _free(self) -> int:
        about = os.statvfs(self._path.parent)
        return about.f_bavail * about.f_frsize

    def room(self) -> int:
        """Room for the take: free blocks of the file system and what is still set aside."""
        return self._free() + self.size
