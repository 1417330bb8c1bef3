"""Protecting and staging what a room has made: all arrive whole and in order, in as few messages as may be."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from courtroom.sfu.cache import KEPT
from courtroom.sfu.munger import PLAIN_HEAD
from courtroom.sfu.producer import RING
from courtroom.sfu.router import Counters
from courtroom.worker import datagrams, srtp
from courtroom.worker.datagrams import RUN, Destination, Socket
from courtroom.worker.outgoing import MAX_OUT, Outgoing

PROFILE = srtp.PROFILES[0]


class Line:
    """One receiver: a room that has packets for it, and the far end, which decrypts them."""

    def __init__(self, ours: Socket, other: socket.socket) -> None:
        self.other = other
        self.counters = Counters()
        self.out = Outgoing(self.counters)
        self.out.add(ours)
        self.ours = ours
        key = os.urandom(PROFILE.key + PROFILE.salt)
        self.transport: Any = SimpleNamespace(
            outbound=srtp.Cipher(PROFILE, key, inbound=False), socket=ours, last_out_at=0,
            destination=Destination(datagrams.pack_address(other.getsockname())),
        )  # fmt: skip
        self.decrypt = srtp.Cipher(PROFILE, key, inbound=True)
        self.messages: list[int] = []  # segments of each
        self.sequence = 0
        commit = ours.commit

        def counted(begin: int, end: int, segment: int, destination: int) -> None:
            self.messages.append(-(-(end - begin) // segment))
            commit(begin, end, segment, destination)

        ours.commit = counted  # type: ignore[method-assign]

    def packet(self, size: int) -> bytes:
        self.sequence += 1
        head = PLAIN_HEAD.pack(0x90, 96, self.sequence, 1, 77, 0xBEDE0002, 0, 0)
        return head + bytes([self.sequence & 0xFF]) * (size - len(head))

    def send(self, packets: list[bytes]) -> None:
        member = SimpleNamespace(tag=self.transport, outbox=list(packets))
        router: Any = SimpleNamespace(take=lambda: [member], rtcp=[])
        self.out.drain(router, 5)
        self.out.flush()
        assert member.outbox == []

    def receive(self, count: int) -> list[bytes]:
        got = []
        for _ in range(count):
            data = bytearray(self.other.recv(4096))
            size = self.decrypt.unprotect(srtp.pointer(data), len(data))
            assert size >= 0
            got.append(bytes(data[:size]))
        return got


@pytest.fixture(params=["cut by the kernel", "one by one", "portable"])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    ours = Socket(datagrams.bind("127.0.0.1", 0), batched=request.param != "portable")
    ours._segments = ours._segments and request.param == "cut by the kernel"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(2)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        yield Line(ours, other)
    ours.close()


def test_equal_packets_and_a_shorter_one_after_them_are_one_message(line: Line) -> None:
    sent = [line.packet(size) for size in (900, 900, 900, 120, 800, 800, 130, 125, 140, 140)]
    line.send(sent)
    assert line.receive(len(sent)) == sent
    if line.ours._segments:
        assert line.messages == [4, 3, 1, 2]
    assert (line.ours.counters.packets_out, line.ours.counters.unsent, line.counters.dropped) == (len(sent), 0, {})


def test_any_sizes_arrive_whole_and_in_order(line: Line) -> None:
    dice = random.Random(11)
    for _ in range(30):
        sizes = [dice.choice((60, 61, 100, 900, 916, 1200)) for _ in range(dice.randrange(1, 2 * RUN + 5))]
        sent = [line.packet(size) for size in sizes]
        line.send(sent)
        assert line.receive(len(sent)) == sent
    assert (line.ours.counters.unsent, line.counters.dropped) == (0, {})


def test_packet_that_is_too_long_or_cannot_be_protected_takes_no_other_with_it(line: Line) -> None:
    old = line.packet(200)
    line.sequence += 1500
    sent = [line.packet(200), line.packet(MAX_OUT + 1), line.packet(200), old, line.packet(100)]
    line.send(sent)
    assert line.receive(3) == [sent[0], sent[2], sent[4]]
    assert line.counters.dropped == {"too_long": 1, "srtp_out": 1}


def test_sound_goes_again_octet_by_octet_as_far_back_as_it_is_kept(line: Line) -> None:
    sent = [line.packet(100) for _ in range(KEPT + 1)]
    line.send(sent)
    first = [line.other.recv(4096) for _ in sent]
    line.send(sent[1:])
    again = [line.other.recv(4096) for _ in sent[1:]]
    assert again == first[1:], "the same nonce may only ever carry the same text"
    assert line.counters.dropped == {}


def test_picture_that_its_sender_had_to_repeat_leaves_late_under_its_own_number(line: Line) -> None:
    """A gap is filled as long as anybody asks for it: the receiver's picture stands until then."""
    late = line.packet(900)
    sent = [line.packet(200) for _ in range(RING["video"])]
    line.send(sent)
    assert line.receive(len(sent)) == sent
    line.send([late])
    assert line.receive(1) == [late]
    assert line.counters.dropped == {}
