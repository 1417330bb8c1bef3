"""``python -m tests.bench.client``: the load generator, one process with every seat of every room in it.

Rules
* Its own loop: an epoll, a timerfd and a heap of what is due, so that bursts leave when they are due to the µs and the
  generator does not itself gather what a server then reads as one batch.
* Each stream has a phase of its own (seeded): nine cameras do not tick together.
* Everything it says of a window is counted between two ``Count`` words; the bench reads the servers' CPU meanwhile.

timerfd_create(2).
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import gc
import heapq
import os
import random
import resource
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from courtroom.worker import dtls
from tests.bench.batch import Slots
from tests.bench.media import Stream
from tests.bench.peer import PROFILE, Peer
from tests.bench.words import Answer, Close, Connect, Count, Counted, Play, Watched, Word

PATIENCE_NS = 20_000_000_000
POLL_NS = 2_000_000
SWEEP_NS = 1_000_000
IDLE_SWEEP_NS = 100_000_000
_libc = ctypes.CDLL(None, use_errno=True)


class Client:
    def __init__(self, host: str) -> None:
        self.host = host
        self.peers: dict[str, Peer] = {}
        self.playing: frozenset[str] = frozenset()
        self.tally = Counted()
        self._by_fd: dict[int, Peer] = {}
        self._swept: list[Peer] = []
        self._playing: list[Peer] = []
        self._slots = (Slots(control=True), Slots(control=False))
        self._own = dtls.identity(datetime.datetime.now(datetime.UTC))
        self._own.context.set_tlsext_use_srtp(PROFILE.name)
        self._epoll = select.epoll()
        self._timer = _libc.timerfd_create(0, os.O_NONBLOCK)
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._number = 0
        self._armed = 0
        self._random = random.Random(25)
        self._started: dict[str, int] = {}  # how often each room was told to play
        self._lines = msgspec.json.Decoder(Word)
        self._half = b""
        self._since = (time.time_ns(), self._cpu(), self._drops())
        self._epoll.register(self._timer, select.EPOLLIN)
        self.later(time.time_ns(), self._sweep)
        self.later(time.time_ns(), self._sweep_all)
        self._epoll.register(0, select.EPOLLIN)

    # --- the clockwork ---

    def later(self, at: int, do: Callable[[int], None]) -> None:
        self._number += 1
        heapq.heappush(self._due, (at, self._number, do))

    def _arm(self) -> None:
        at = self._due[0][0] if self._due else 0
        if at != self._armed:
            self._armed = at
            spec = (ctypes.c_long * 4)(0, 0, *divmod(max(at, 1), 1_000_000_000))
            _libc.timerfd_settime(self._timer, 1, ctypes.byref(spec), None)  # 1: absolute

    def run(self) -> None:
        self._say(Answer(fingerprint=self._own.fingerprint))
        while True:
            self._arm()
            for fd, _ in self._epoll.poll():
                peer = self._by_fd.get(fd)
                if peer is not None:
                    peer.readable(time.time_ns())
                elif fd == self._timer:
                    os.read(fd, 8)
                    self._armed = 0
                    self._ticks()
                elif fd == 0 and not self._read_words():
                    return

    def _read_words(self) -> bool:
        """Unbuffered: two words that come in one read must not leave one in a buffer that no epoll knows of."""
        data = os.read(0, 1 << 16)
        *lines, self._half = (self._half + data).split(b"\n")
        for line in lines:
            self._word(self._lines.decode(line))
        return bool(data)

    def _ticks(self) -> None:
        while self._due:
            now = time.time_ns()
            if self._due[0][0] > now:
                return
            at, _, do = heapq.heappop(self._due)
            self.tally.late_us = max(self.tally.late_us, (now - at) // 1000)
            do(now)

    def _sweep(self, now: int) -> None:
        """Read whoever is up. They are not in the epoll: a datagram for somebody who waits in one would make the
        server's own system call wake our core, a price that no packet to another machine has."""
        self.later(now + SWEEP_NS, self._sweep)
        for peer in self._playing:
            peer.readable(now)

    def _choose(self) -> None:
        self._playing = [peer for peer in self._swept if peer.spec.room in self.playing]

    def _sweep_all(self, now: int) -> None:
        """Those whose room does not play get reports and checks only."""
        self.later(now + IDLE_SWEEP_NS, self._sweep_all)
        for peer in self._swept:
            peer.readable(now)

    # --- words ---

    def _word(self, word: Word) -> None:
        match word:
            case Connect(specs):
                for spec in specs:
                    peer = Peer(spec, self.host, self._own, self._slots, self.tally, self._is_up)
                    self.peers[spec.name] = peer
                    self._by_fd[peer.fd] = peer
                    self._epoll.register(peer.fd, select.EPOLLIN)
                    peer.start(self.later, time.time_ns())
                names = tuple(spec.name for spec in specs)
                self._when(names, lambda peer: peer.up)
            case Close(names):
                for name in names:
                    peer = self.peers.pop(name)
                    if peer in self._swept:
                        self._swept.remove(peer)
                        self._choose()
                    else:
                        self._epoll.unregister(peer.fd)
                    del self._by_fd[peer.fd]
                    peer.close()
                self._say(Answer())
            case Play(rooms):
                self.playing, before = frozenset(rooms), self.playing
                self._choose()
                for room in self.playing - before:
                    self._started[room] = self._started.get(room, 0) + 1
                for peer in self.peers.values():
                    if peer.spec.room in self.playing - before:
                        self._begin(peer)
                self._say(Answer())
            case Count():
                self._say(Answer(counted=self._count()))
            case Watched(names):
                self._when(names, lambda peer: bool(peer.key_frame_at))

    def _say(self, answer: Answer) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()

    def _when(self, names: tuple[str, ...], good: Callable[[Peer], bool]) -> None:
        """Answer once all of ``names`` are good."""
        peers = [self.peers[name] for name in names]
        deadline = time.time_ns() + PATIENCE_NS

        def look(now: int) -> None:
            missing = [peer for peer in peers if not good(peer)]
            if missing and now < deadline:
                self.later(now + POLL_NS, look)
                return
            error = ""
            if missing:
                error = f"{len(missing)} of {len(peers)} not there, e.g. {missing[0].spec.name} {missing[0].error}"
            self._say(Answer(error=error, at={peer.spec.name: peer.key_frame_at for peer in peers}))

        look(time.time_ns())

    def _is_up(self, peer: Peer) -> None:
        """From now on it is swept, and sends if its room plays."""
        self._epoll.unregister(peer.fd)
        self._swept.append(peer)
        self._choose()
        if peer.spec.room in self.playing:
            self._begin(peer)

    def _begin(self, peer: Peer) -> None:
        for stream in peer.streams:
            every = stream.shape.every_ns
            self._stream(peer, stream, time.time_ns() + self._random.randrange(every))

    def _stream(self, peer: Peer, stream: Stream, due: int) -> None:
        room, name = peer.spec.room, peer.spec.name

        def tick(now: int) -> None:
            if room in self.playing and self._started.get(room) == started and self.peers.get(name) is peer:
                peer.burst(stream, due)
                self._stream(peer, stream, due + stream.shape.every_ns)

        started = self._started[room]

        self.later(due, tick)

    # --- counting ---

    @staticmethod
    def _cpu() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    def _drops(self) -> int:
        """Datagrams that our own receive buffers had no room for: the last column of the kernel's table."""
        rows = (line.split() for line in Path("/proc/self/net/udp").read_text(encoding="ascii").splitlines()[1:])
        own = {f"{peer.spec.port:04X}" for peer in self.peers.values()}
        return sum(int(row[-1]) for row in rows if row[1].rpartition(":")[2] in own)

    def _count(self) -> Counted:
        at, cpu, drops = time.time_ns(), self._cpu(), self._drops()
        tally = msgspec.structs.replace(self.tally)
        tally.latencies_us, self.tally.latencies_us = self.tally.latencies_us, []
        tally.seconds, tally.cpu_s, tally.dropped = (
            (at - self._since[0]) / 1e9,
            cpu - self._since[1],
            drops - self._since[2],
        )
        for peer in self.peers.values():
            tally.lost += sum(stream.lost() for stream in peer.incoming.values())
        for name in ("sent", "unsent", "received", "repairs", "octets", "late_us", "checked", "wrong", "key_frames"):
            setattr(self.tally, name, 0)
        self._since = (at, cpu, drops)
        return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True, help="our own address")
    parser.add_argument("--core", type=int, required=True)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})
    client = Client(arguments.host)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    client.run()


if __name__ == "__main__":
    main()
