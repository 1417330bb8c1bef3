"""The floor: what the kernel alone asks for moving the same datagrams, ``python -m tests.bench.floor`` and its handle.

Rules
* No crypto, no RTP, no RTCP, no ICE: ``recvmmsg``, and the same bytes to every other member by one ``sendmmsg``.
* Nothing is copied: the message headers of all receivers point at the slot the datagram came into.
* A member says hello with a datagram that begins with a zero octet: ``\\0 hello-floor room receives``; it gets it back.

recvmmsg(2), sendmmsg(2).
"""

from __future__ import annotations

import argparse
import ctypes
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.bench.load import Load, Place, Plan
from tests.bench.server import Server, on_core
from tests.bench.words import Spec

SLOT, SLOTS, MOST = 2048, 64, 1024  # UIO_MAXIOV bounds one sendmmsg
_WORDS = 8
_libc = ctypes.CDLL(None, use_errno=True)


def _address_of(memory: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


class Forwarder:
    def __init__(self, address: str) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self.sock.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
        self.sock.bind((address, 0))
        self.sock.setblocking(False)
        self._memory = bytearray(SLOT * SLOTS)
        self._names = bytearray(16 * SLOTS)
        self._parts = bytearray(16 * SLOTS)
        self._in = bytearray(64 * SLOTS)
        self._out = bytearray(64 * MOST)
        self._in_words = memoryview(self._in).cast("Q")
        self._part_words = memoryview(self._parts).cast("Q")
        self._out_parts = bytearray(16 * SLOTS)
        self._out_part_words = memoryview(self._out_parts).cast("Q")
        self._in_at, self._out_at = _address_of(self._in), _address_of(self._out)
        memory, names, parts = _address_of(self._memory), _address_of(self._names), _address_of(self._parts)
        self._out_parts_at = _address_of(self._out_parts)
        for i in range(SLOTS):
            self._in_words[i * _WORDS : i * _WORDS + 4] = memoryview(
                bytearray(b"".join(n.to_bytes(8, "little") for n in (names + i * 16, 16, parts + i * 16, 1)))
            ).cast("Q")
            self._part_words[i * 2], self._part_words[i * 2 + 1] = memory + i * SLOT, SLOT
            self._out_part_words[i * 2] = memory + i * SLOT
        self._rooms: dict[str, dict[bytes, bytearray]] = {}
        self._room_of: dict[bytes, tuple[str, str]] = {}
        self._heads: dict[tuple[bytes, int], bytes] = {}  # headers for a sender's datagram in a slot

    def _headers(self, sender: bytes, slot: int) -> bytes:
        known = self._heads.get((sender, slot))
        if known is None:
            room, _ = self._room_of[sender]
            part = self._out_parts_at + slot * 16
            known = self._heads[(sender, slot)] = b"".join(
                b"".join(n.to_bytes(8, "little") for n in (_address_of(name), 16, part, 1, 0, 0, 0, 0))
                for address, name in self._rooms[room].items()
                if address != sender
            )
        return known

    def _hello(self, data: bytes, address: bytes) -> None:
        _, _, room, receives = data.decode().split()
        self._room_of[address] = (room, receives)
        members = self._rooms.setdefault(room, {})
        if receives == "1":
            members[address] = bytearray(address)
        self._heads.clear()

    def readable(self) -> None:
        count = _libc.recvmmsg(self.sock.fileno(), ctypes.c_void_p(self._in_at), SLOTS, socket.MSG_DONTWAIT, None)
        staged = 0
        for slot in range(max(0, count)):
            length = self._in_words[slot * _WORDS + 7] & 0xFFFFFFFF
            address = bytes(self._names[slot * 16 : slot * 16 + 16])
            at = slot * SLOT
            if self._memory[at] == 0:
                self._hello(bytes(self._memory[at : at + length]), address)
                self.sock.sendto(self._memory[at : at + length], (socket.inet_ntoa(address[4:8]),
                                 int.from_bytes(address[2:4], "big")))  # fmt: skip
                continue
            if address not in self._room_of:
                continue
            heads = self._headers(address, slot)
            size = len(heads) // 64
            if staged + size > MOST:
                self._send(staged)
                staged = 0
            self._out_part_words[slot * 2 + 1] = length
            self._out[staged * 64 : (staged + size) * 64] = heads
            staged += size
        self._send(staged)

    def _send(self, count: int) -> None:
        first = 0
        while first < count:
            done = _libc.sendmmsg(self.sock.fileno(), ctypes.c_void_p(self._out_at + first * 64), count - first, 0)
            first += max(1, done)


class Floor(Server):
    name = "floor"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._process: subprocess.Popen[bytes]
        self._port = 0

    async def start(self) -> None:
        self._process = subprocess.Popen(
            on_core(self.place.core, sys.executable, "-m", "tests.bench.floor", "--address", self.place.address),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def pids(self) -> list[int]:
        return [self._process.pid]

    async def seat(self, load: Load, plan: Plan, seats: Sequence[str], *, watch: bool = False) -> dict[str, int]:
        specs = [
            Spec(
                seat, plan.room, (self.place.address, self._port), load.port(), "", "",
                hello=f"\0 hello-floor {plan.room} {int(bool(plan.heard(seat)))}",
                sends=load.sends(plan.picture) if seat in plan.senders else (), watch=watch,
            )
            for seat in seats
        ]  # fmt: skip
        since = time.time_ns()
        await load.connect(specs)
        return dict.fromkeys(seats, since)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    forwarder = Forwarder(parser.parse_args().address)
    print(forwarder.sock.getsockname()[1], flush=True)
    epoll = select.epoll()
    epoll.register(forwarder.sock, select.EPOLLIN)
    epoll.register(0, select.EPOLLIN)
    while True:
        for fd, _ in epoll.poll():
            if fd == 0:
                return
            forwarder.readable()


if __name__ == "__main__":
    main()
