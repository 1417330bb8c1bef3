"""The load generator's own ``recvmmsg`` and ``sendmmsg``: connected sockets, and the kernel's time of each arrival.

Rules
* One set of slots serves every socket of the process; what ``receive`` left is valid until the next call.
* Times are the kernel's (SO_TIMESTAMPNS, CLOCK_REALTIME, taken when the datagram reaches the socket), so how late this
  process wakes up is no part of a measured latency.

recvmmsg(2), sendmmsg(2), socket(7).
"""

from __future__ import annotations

import ctypes
import socket
from typing import Final

from courtroom.worker import srtp

SLOT: Final = 2048
SLOTS: Final = 64
_CONTROL: Final = 32  # one cmsghdr and one timespec
_WORDS: Final = 8
_IOV, _IOV_LENGTH, _CONTROL_AT, _CONTROL_LENGTH, _LENGTH = 2, 3, 4, 5, 7
_SO_TIMESTAMPNS: Final = 35
_SO_RCVBUFFORCE: Final = 33
_BUFFER: Final = 8 << 20
_libc: Final = ctypes.CDLL(None, use_errno=True)


def _address_of(memory: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


class Slots:
    """``SLOTS`` message headers, one buffer each, without names: every socket here is connected."""

    def __init__(self, *, control: bool) -> None:
        self.memory = bytearray(SLOTS * SLOT)
        self.view = memoryview(self.memory)
        self.pointers = srtp.pointers(self.memory, SLOT)
        self._heads = bytearray(SLOTS * _WORDS * 8)
        self._parts = bytearray(SLOTS * 16)
        self._controls = bytearray(SLOTS * _CONTROL)
        self._words = memoryview(self._heads).cast("Q")
        self._iovs = memoryview(self._parts).cast("Q")
        self._times = memoryview(self._controls).cast("Q")
        self._start = ctypes.c_void_p(_address_of(self._heads))
        memory, parts, controls = _address_of(self.memory), _address_of(self._parts), _address_of(self._controls)
        for i in range(SLOTS):
            self._words[i * _WORDS + _IOV] = parts + i * 16
            self._words[i * _WORDS + _IOV_LENGTH] = 1
            self._iovs[i * 2], self._iovs[i * 2 + 1] = memory + i * SLOT, SLOT
            if control:
                self._words[i * _WORDS + _CONTROL_AT] = controls + i * _CONTROL
                self._words[i * _WORDS + _CONTROL_LENGTH] = _CONTROL

    def receive(self, fd: int) -> int:
        """How many datagrams now stand in the slots."""
        count: int = _libc.recvmmsg(fd, self._start, SLOTS, socket.MSG_DONTWAIT, None)
        if count <= 0:
            return 0
        words = self._words
        for i in range(count):
            words[i * _WORDS + _CONTROL_LENGTH] = _CONTROL
        return count

    def length(self, slot: int) -> int:
        return self._words[slot * _WORDS + _LENGTH] & 0xFFFFFFFF

    def arrived(self, slot: int) -> int:
        """When the kernel had it, ns of Unix time."""
        return self._times[slot * 4 + 2] * 1_000_000_000 + self._times[slot * 4 + 3]

    def stage(self, slot: int, length: int) -> None:
        self._iovs[slot * 2 + 1] = length

    def send(self, fd: int, count: int) -> int:
        """Send the first ``count`` slots in one call; how many left."""
        done: int = _libc.sendmmsg(fd, self._start, count, socket.MSG_DONTWAIT)
        return max(0, done)


def open_socket(local: tuple[str, int], remote: tuple[str, int]) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.bind(local)
    sock.connect(remote)
    sock.setblocking(False)
    return sock
