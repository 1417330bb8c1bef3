"""UDP in batches: one ``recvmmsg`` and one ``sendmmsg`` per wake-up instead of one system call per packet.

Rules
* ``Socket.receive`` fills fixed slots; what they hold is valid until the next call. ``stage`` fills fixed slots on the
  way out, ``flush`` sends them all; nothing waits in user space after ``flush``: what is not sent is lost and counted.
* What is staged for one address in a row and of one size, the last maybe shorter, leaves as one message that the kernel
  cuts (UDP_SEGMENT): one way through its stack instead of one per packet. Where a device cannot do that they are
  sent one by one.
* Addresses are raw ``sockaddr`` bytes, 16 for IPv4 and 28 for IPv6; they are dictionary keys and never become text.
* Linux on 64 bits has ``recvmmsg`` and ``sendmmsg``; anywhere else the same class speaks ``recvfrom`` and ``sendto``.
* The kernel keeps up to ``_BUFFER`` octets for us while we are busy, where we may ask for it also beyond the machine's
  usual limit; what it had to throw away all the same is counted (``overrun``): that loss is ours, not the sender's.
* Bounds: ``IN_SLOTS`` datagrams of ``SLOT`` bytes a read; longer ones are truncated by the kernel, dropped here.

recvmmsg(2), sendmmsg(2), socket(7).
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SLOT: Final = 2048
IN_SLOTS: Final = 64
OUT_SLOTS: Final = 256
RUN: Final = 32  # packets to one receiver that may stand side by side
ARENA: Final = OUT_SLOTS * SLOT
_ADDRESS: Final = 32
_BUFFER: Final = 4 << 20
# of asm-generic/socket.h; Python has no names for them
_RCVBUFFORCE: Final = 33
_SNDBUFFORCE: Final = 32
_MEMINFO: Final = 55
_MEMORY: Final = struct.Struct("=9I")  # linux/sock_diag.h: SK_MEMINFO_*, the last of them is what was dropped

# struct mmsghdr on 64-bit Linux, in 8-byte words: name, namelen, iov, iovlen, control, controllen, flags, len.
_WORDS: Final = 8
_NAME, _NAME_LENGTH, _IOV, _IOV_LENGTH, _CONTROL_AT, _CONTROL_LENGTH, _LENGTH = 0, 1, 2, 3, 4, 5, 7
# struct cmsghdr and one 16-bit number: the size of a segment
_SEGMENT: Final = struct.Struct("=QiiH")
_CONTROL: Final = 24
_UDP_SEGMENT: Final = 103  # linux/udp.h
_TRUNC, _DONTWAIT = int(socket.MSG_TRUNC), int(socket.MSG_DONTWAIT)  # plain numbers: a flag costs a call each
_PORT: Final = struct.Struct(">H")


def _libc() -> ctypes.CDLL | None:
    if sys.platform != "linux" or sys.byteorder != "little" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    library = ctypes.CDLL(None, use_errno=True)
    return library if hasattr(library, "recvmmsg") and hasattr(library, "sendmmsg") else None


def _address_of(memory: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


@dataclass(slots=True)
class Counters:
    packets_in: int = 0
    packets_out: int = 0
    unsent: int = 0


class Destination:
    """A raw ``sockaddr`` at a fixed place in memory, so that sending to it writes one word."""

    __slots__ = ("_memory", "address", "pointer")

    def __init__(self, address: bytes) -> None:
        self.address = address
        self._memory = bytearray(address)
        self.pointer = _address_of(self._memory)


class _Vector:
    """``slots`` message headers with one buffer each, as flat words that Python can write without an object each."""

    def __init__(self, slots: int, name_length: int) -> None:
        self.memory = bytearray(slots * SLOT)
        self._controls = bytearray(slots * _CONTROL)
        self.names = bytearray(slots * _ADDRESS)
        self._heads = bytearray(slots * _WORDS * 8)
        self._parts = bytearray(slots * 16)
        self.heads = memoryview(self._heads).cast("Q")
        self.parts = memoryview(self._parts).cast("Q")
        self.address = _address_of(self._heads)
        memory, names, parts = _address_of(self.memory), _address_of(self.names), _address_of(self._parts)
        for i in range(slots):
            self.heads[i * _WORDS + _NAME] = names + i * _ADDRESS
            self.heads[i * _WORDS + _NAME_LENGTH] = name_length
            self.heads[i * _WORDS + _IOV] = parts + i * 16
            self.heads[i * _WORDS + _IOV_LENGTH] = 1
            self.parts[i * 2] = memory + i * SLOT
            self.parts[i * 2 + 1] = SLOT
            self.heads[i * _WORDS + _CONTROL_AT] = _address_of(self._controls) + i * _CONTROL
            _SEGMENT.pack_into(self._controls, i * _CONTROL, _SEGMENT.size, socket.IPPROTO_UDP, _UDP_SEGMENT, 0)
        self.sizes = memoryview(self._controls).cast("H")

    def cut(self, i: int, segment: int) -> None:
        """Message ``i`` is to be cut into datagrams of ``segment`` octets."""
        self.sizes[i * _CONTROL // 2 + 8] = segment
        self.heads[i * _WORDS + _CONTROL_LENGTH] = _CONTROL

    def is_cut(self, i: int) -> bool:
        return self.heads[i * _WORDS + _CONTROL_LENGTH] != 0

    def segment(self, i: int) -> int:
        """The size of each datagram of message ``i`` but the last, which may be shorter."""
        return self.sizes[i * _CONTROL // 2 + 8] if self.is_cut(i) else max(1, self.parts[i * 2 + 1])

    def packets(self, i: int) -> int:
        return -(-self.parts[i * 2 + 1] // self.segment(i))


class Socket:
    """One UDP socket of one family."""

    def __init__(self, sock: socket.socket, *, batched: bool = True) -> None:
        sock.setblocking(False)
        for option, forced in ((socket.SO_RCVBUF, _RCVBUFFORCE), (socket.SO_SNDBUF, _SNDBUFFORCE)):
            try:
                sock.setsockopt(socket.SOL_SOCKET, forced, _BUFFER)
            except OSError:  # not Linux, or without the right to: as much as the machine grants
                sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        self.sock = sock
        self.counters = Counters()
        self._libc = _libc() if batched else None
        self._fd = sock.fileno()
        self._in = _Vector(IN_SLOTS, _ADDRESS)
        self._out = _Vector(OUT_SLOTS, 28 if sock.family == socket.AF_INET6 else 16)
        self._staged = self._count = self._used = 0
        self._segments = self._libc is not None
        self._arena = _address_of(self._out.memory)
        self._heads, self._parts = self._out.heads, self._out.parts
        self._own_names = _address_of(self._out.names)
        self.incoming = memoryview(self._in.memory)
        self.outgoing = memoryview(self._out.memory)
        self.lengths = [0] * IN_SLOTS
        self.addresses = [b""] * IN_SLOTS

    @property
    def overrun(self) -> int:
        """Datagrams that came and found no room, because we read too slowly; 0 where the kernel does not say."""
        try:
            told = self.sock.getsockopt(socket.SOL_SOCKET, _MEMINFO, _MEMORY.size)
        except OSError:
            return 0
        return int(_MEMORY.unpack(told)[-1]) if len(told) == _MEMORY.size else 0

    @property
    def incoming_memory(self) -> bytearray:
        return self._in.memory

    @property
    def outgoing_memory(self) -> bytearray:
        return self._out.memory

    def receive(self) -> int:
        """How many datagrams now stand in ``incoming`` (slot i at ``i * SLOT``), 0 when there is nothing."""
        count = self._receive_batch() if self._libc is not None else self._receive_each()
        self.counters.packets_in += count
        return count

    def _receive_batch(self) -> int:
        assert self._libc is not None
        heads = self._in.heads
        count: int = self._libc.recvmmsg(self._fd, ctypes.c_void_p(self._in.address), IN_SLOTS, _DONTWAIT, None)
        if count <= 0:
            return 0
        names = self._in.names
        for i in range(count):
            word = i * _WORDS
            size = heads[word + _NAME_LENGTH] & 0xFFFFFFFF
            self.addresses[i] = bytes(names[i * _ADDRESS : i * _ADDRESS + size])
            # msg_flags stands in the low half of word 6: a truncated datagram counts as empty
            truncated = heads[word + 6] & _TRUNC
            self.lengths[i] = 0 if truncated else heads[word + _LENGTH] & 0xFFFFFFFF
            heads[word + _NAME_LENGTH] = _ADDRESS
        return count

    def _receive_each(self) -> int:
        for i in range(IN_SLOTS):
            try:
                size, _, flags, address = self.sock.recvmsg_into([self.incoming[i * SLOT : (i + 1) * SLOT]])
            except (BlockingIOError, InterruptedError, ConnectionError):
                return i
            self.lengths[i] = 0 if flags & socket.MSG_TRUNC else size
            self.addresses[i] = pack_address(address)
        return IN_SLOTS

    def reserve(self, size: int) -> int:
        """Where in ``outgoing`` to write up to ``size`` octets; flushes when there is no room."""
        if self._used + size > ARENA or self._staged > OUT_SLOTS - RUN:
            self.flush()
        return self._used

    def commit(self, begin: int, end: int, segment: int, destination: int) -> None:
        """``outgoing[begin:end]`` holds datagrams of ``segment`` octets each, the last one maybe fewer, for a pinned
        ``destination``."""
        i, size = self._staged, end - begin
        if size <= segment:
            self._heads[i * _WORDS + _CONTROL_LENGTH] = 0
            self._count += 1
        elif self._segments:
            self._out.cut(i, segment)
            self._count -= -size // segment
        else:
            for at in range(begin, end, segment):
                self.commit(at, min(at + segment, end), segment, destination)
            return
        self._heads[i * _WORDS] = destination
        self._parts[i * 2] = self._arena + begin
        self._parts[i * 2 + 1] = size
        self._staged, self._used = i + 1, end

    def send(self, data: bytes, address: bytes) -> None:
        """Stage one datagram that is already whole, to an address that need not be pinned."""
        at = self.reserve(len(data))
        i = self._staged
        self.outgoing[at : at + len(data)] = data
        self._out.names[i * _ADDRESS : i * _ADDRESS + len(address)] = address
        self.commit(at, at + len(data), len(data), self._own_names + i * _ADDRESS)

    def flush(self) -> None:
        messages, self._staged = self._staged, 0
        packets, self._count, self._used = self._count, 0, 0
        if messages:
            unsent = self._send_batch(messages) if self._libc is not None else self._send_each(0, messages)
            self.counters.packets_out += packets - unsent
            self.counters.unsent += unsent

    def _send_batch(self, messages: int) -> int:
        """How many packets could not be sent."""
        assert self._libc is not None
        first = unsent = 0
        while first < messages:
            address = ctypes.c_void_p(self._out.address + first * _WORDS * 8)
            done: int = self._libc.sendmmsg(self._fd, address, messages - first, _DONTWAIT)
            if done > 0:
                first += done
                continue
            error = ctypes.get_errno()
            if error == errno.EINTR:
                continue
            if error in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS):
                break  # media that cannot leave now is late: the receiver asks again
            if self._out.is_cut(first):
                self._segments = error not in (errno.EIO, errno.EINVAL, errno.EOPNOTSUPP) and self._segments
                unsent += self._send_each(first, first + 1)
            else:
                unsent += 1  # this one address does not work; the others must not suffer
            first += 1
        return unsent + sum(self._out.packets(i) for i in range(first, messages))

    def _send_each(self, first: int, end: int) -> int:
        """The same by one system call a packet; how many could not be sent."""
        unsent = 0
        for i in range(first, end):
            size = self._out.heads[i * _WORDS + _NAME_LENGTH]
            address = unpack_address(ctypes.string_at(self._out.heads[i * _WORDS + _NAME], size))
            begin = self._out.parts[i * 2] - self._arena
            end = begin + self._out.parts[i * 2 + 1]
            segment = self._out.segment(i)
            for at in range(begin, end, segment):
                try:
                    self.sock.sendto(self.outgoing[at : min(at + segment, end)], address)
                except OSError:
                    unsent += 1
        return unsent

    def close(self) -> None:
        self._staged = self._count = self._used = 0
        self.sock.close()


def pack_address(address: tuple[str, int] | tuple[str, int, int, int]) -> bytes:
    """A ``sockaddr`` as the kernel writes it."""
    if len(address) == 2:
        family = struct.pack("=H", socket.AF_INET)
        return family + _PORT.pack(address[1]) + socket.inet_pton(socket.AF_INET, address[0]) + bytes(8)
    host, port, flow, scope = address
    family = struct.pack("=H", socket.AF_INET6)
    packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    return family + _PORT.pack(port) + struct.pack(">I", flow) + packed + struct.pack("=I", scope)


def unpack_address(raw: bytes) -> tuple[str, int] | tuple[str, int, int, int]:
    (port,) = _PORT.unpack_from(raw, 2)
    if len(raw) == 16:
        return socket.inet_ntop(socket.AF_INET, raw[4:8]), port
    (flow,), (scope,) = struct.unpack_from(">I", raw, 4), struct.unpack_from("=I", raw, 24)
    return socket.inet_ntop(socket.AF_INET6, raw[8:24]), port, flow, scope


def bind(address: str, port: int) -> socket.socket:
    """A UDP socket on one address; IPv6 leaves IPv4 to its own socket."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def bind_all(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """One socket per address, all on one port (the first one's when ``port`` is 0); ``OSError`` if that is taken.

    An answer has to come from the address that was asked, and on a wildcard socket of a machine with several
    addresses the kernel chooses another one: so each address gets its own socket. Where one is not this machine's (a
    public address in front of NAT, a host name), its family gets the wildcard instead.
    """
    bound: list[socket.socket] = []
    try:
        for family, wildcard in (("v4", "0.0.0.0"), ("v6", "::")):  # noqa: S104 - the media port is public
            mine = [address for address in addresses if (":" in address) == (family == "v6")]
            if not mine:
                continue
            sockets = _bind_each(mine, port) or [bind(wildcard, port)]
            bound += sockets
            port = sockets[0].getsockname()[1]
    except OSError:
        for sock in bound:
            sock.close()
        raise
    return bound


def _bind_each(addresses: Sequence[str], port: int) -> list[socket.socket]:
    """A socket per address, or none at all when one of them is not an address of this machine."""
    sockets: list[socket.socket] = []
    try:
        for address in addresses:
            sockets.append(bind(address, port))
            port = sockets[0].getsockname()[1]
    except OSError as error:
        for sock in sockets:
            sock.close()
        if error.errno != errno.EADDRNOTAVAIL and not isinstance(error, socket.gaierror):
            raise
        return []
    return sockets
