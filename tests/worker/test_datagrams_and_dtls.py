from __future__ import annotations

import contextlib
import datetime
import random
import socket
import time
from collections.abc import Iterator

import pytest
from OpenSSL import SSL

from courtroom.worker import datagrams, dtls
from courtroom.worker.datagrams import IN_SLOTS, OUT_SLOTS, SLOT, Destination, Socket
from courtroom.worker.dtls import Dtls, State


@pytest.fixture(params=[True, False], ids=["batched", "portable"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Socket, socket.socket]]:
    ours = Socket(datagrams.bind("127.0.0.1", 0), batched=request.param)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(2)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        yield ours, other
    ours.close()


def test_batches_keep_contents_lengths_and_addresses(pair: tuple[Socket, socket.socket]) -> None:
    ours, other = pair
    where = ours.sock.getsockname()
    for i in range(IN_SLOTS + 5):
        other.sendto(bytes([i]) * (i + 1), where)
    seen = []
    while count := ours.receive():
        for slot in range(count):
            assert datagrams.unpack_address(ours.addresses[slot]) == other.getsockname()
            seen.append(bytes(ours.incoming[slot * SLOT : slot * SLOT + ours.lengths[slot]]))
    assert seen == [bytes([i]) * (i + 1) for i in range(IN_SLOTS + 5)]


def test_datagram_longer_than_a_slot_counts_as_empty(pair: tuple[Socket, socket.socket]) -> None:
    ours, other = pair
    other.sendto(bytes(SLOT + 1), ours.sock.getsockname())
    other.sendto(b"next", ours.sock.getsockname())
    assert ours.receive() == 2
    assert ours.lengths[:2] == [0, 4]


def test_what_the_kernel_had_no_room_for_is_counted(pair: tuple[Socket, socket.socket]) -> None:
    ours, other = pair
    assert ours.overrun == 0
    ours.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the least there is
    for _ in range(200):
        other.sendto(bytes(1000), ours.sock.getsockname())
    got = 0
    while count := ours.receive():
        got += count
    assert 0 < got < 200
    assert ours.overrun == 200 - got


def test_everything_staged_leaves_with_the_flush(pair: tuple[Socket, socket.socket]) -> None:
    ours, other = pair
    raw = datagrams.pack_address(other.getsockname())
    pinned = Destination(raw)
    for i in range(OUT_SLOTS + 3):
        if i % 2:
            ours.send(b"%d" % i, raw)
        else:
            data = b"%d" % i
            at = ours.reserve(len(data))
            ours.outgoing[at : at + len(data)] = data
            ours.commit(at, at + len(data), len(data), pinned.pointer)
    ours.flush()
    assert [other.recv(100) for _ in range(OUT_SLOTS + 3)] == [b"%d" % i for i in range(OUT_SLOTS + 3)]
    assert (ours.counters.packets_out, ours.counters.unsent) == (OUT_SLOTS + 3, 0)


@pytest.mark.parametrize("cut", [True, False], ids=["by the kernel", "one by one"])
def test_packets_of_one_size_side_by_side_leave_as_single_datagrams(
    pair: tuple[Socket, socket.socket], cut: bool
) -> None:
    ours, other = pair
    ours._segments = ours._segments and cut
    pinned = Destination(datagrams.pack_address(other.getsockname()))
    sent = [bytes([i]) * 1100 for i in range(9)] + [b"short"]
    at = begun = ours.reserve(20_000)
    for data in sent:
        ours.outgoing[at : at + len(data)] = data
        at += len(data)
    ours.commit(begun, at, 1100, pinned.pointer)
    ours.flush()
    assert [other.recv(2000) for _ in sent] == sent
    assert (ours.counters.packets_out, ours.counters.unsent) == (10, 0)


def test_device_that_cannot_cut_gets_the_packets_one_by_one(pair: tuple[Socket, socket.socket]) -> None:
    ours, other = pair
    pinned = Destination(datagrams.pack_address(other.getsockname()))
    at = ours.reserve(100)
    ours.outgoing[at : at + 20] = b"a" * 10 + b"b" * 10
    ours.commit(at, at + 20, 10, pinned.pointer)
    ours.sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)  # without checksums the kernel refuses to cut
    ours.flush()
    assert [other.recv(100), other.recv(100)] == [b"a" * 10, b"b" * 10]
    assert not ours._segments
    assert ours.counters.unsent == 0


def test_one_unreachable_address_does_not_hold_up_the_others(pair: tuple[Socket, socket.socket]) -> None:
    ours, other = pair
    raw = datagrams.pack_address(other.getsockname())
    ours.send(b"one", raw)
    ours.send(b"nowhere", datagrams.pack_address(("127.0.0.1", 0)))  # port 0 is an error of sendmmsg
    ours.send(b"two", raw)
    ours.flush()
    assert [other.recv(100), other.recv(100)] == [b"one", b"two"]
    assert ours.counters.unsent == 1


def test_address_that_is_not_ours_gets_the_wildcard() -> None:
    socks = datagrams.bind_all(["203.0.113.7"], 0)
    assert [sock.getsockname()[0] for sock in socks] == ["0.0.0.0"]
    socks += datagrams.bind_all(["127.0.0.1", "127.0.0.2", "::1"], 0)
    assert len({sock.getsockname()[1] for sock in socks[1:]}) == 1
    with pytest.raises(OSError, match="in use"):
        datagrams.bind_all(["127.0.0.1"], socks[1].getsockname()[1])
    for sock in socks:
        sock.close()


SO_NO_CHECK = 11


class Browser:
    """The client's side of a DTLS handshake, by pyOpenSSL alone."""

    def __init__(self) -> None:
        self.own = dtls.identity(datetime.datetime.now(datetime.UTC))
        self.ssl = SSL.Connection(self.own.context, None)
        self.ssl.set_connect_state()
        self.ssl.set_ciphertext_mtu(1200)

    def step(self, incoming: list[bytes]) -> list[bytes]:
        for data in incoming:
            self.ssl.bio_write(data)
        with contextlib.suppress(SSL.WantReadError):
            self.ssl.do_handshake()
        try:
            return dtls._datagrams(self.ssl.bio_read(65536))
        except SSL.WantReadError:
            return []


def shake(server: Dtls, browser: Browser, noise: list[bytes] = []) -> None:  # noqa: B006
    down: list[bytes] = []
    for _ in range(10):
        up = browser.step(down)
        for data in up:
            for junk in noise:
                server.receive(junk)
            server.receive(data)
        down = server.take()
        if server.state is not State.HANDSHAKE and not down:
            return


def test_handshake_gives_keys_and_the_peers_fingerprint() -> None:
    own = dtls.identity(datetime.datetime.now(datetime.UTC))
    server, browser = Dtls(own), Browser()
    shake(server, browser)
    assert server.state is State.UP
    assert server.keys is not None
    assert server.keys.profile.name == b"SRTP_AEAD_AES_128_GCM"
    assert (len(server.keys.client), len(server.keys.server)) == (28, 28)
    assert server.peer == browser.own.fingerprint
    assert "client" not in repr(server.keys), "keys never get into a log"


def test_datagrams_stay_under_the_mtu() -> None:
    own = dtls.identity(datetime.datetime.now(datetime.UTC))
    server, browser = Dtls(own), Browser()
    for data in browser.step([]):
        server.receive(data)
    flight = server.take()
    assert flight
    assert all(dtls.MIN_RECORD <= len(data) <= dtls.MTU for data in flight)


@pytest.mark.parametrize("junk", [b"", b"\x16", bytes(13), b"\x16\xfe\xfd" + bytes(50), b"\x15\xfe\xfd" + bytes(10)])
def test_junk_between_does_not_stop_the_handshake(junk: bytes) -> None:
    server, browser = Dtls(dtls.identity(datetime.datetime.now(datetime.UTC))), Browser()
    shake(server, browser, [junk])
    assert server.state is State.UP


def test_record_that_takes_a_number_of_the_handshake_only_costs_time() -> None:
    """The real record of that number is then a replay; the client's own timer repairs it, a second later."""
    server, browser = Dtls(dtls.identity(datetime.datetime.now(datetime.UTC))), Browser()
    shake(server, browser, [b"\x14\xfe\xfd" + bytes(8) + b"\0\1\1"])
    while (wait := browser.ssl.DTLSv1_get_timeout()) is not None and server.state is State.HANDSHAKE:
        time.sleep(wait + 0.01)  # OpenSSL's clock cannot be turned
        browser.ssl.DTLSv1_handle_timeout()
        shake(server, browser)
    assert server.state is State.UP


def test_junk_afterwards_changes_nothing_and_close_notify_ends() -> None:
    server, browser = Dtls(dtls.identity(datetime.datetime.now(datetime.UTC))), Browser()
    hello = Browser().step([])[0]
    shake(server, browser)
    dice = random.Random(6347)
    for data in (
        b"",
        b"\x15\xfe\xfd" + bytes(10) + b"\0\2\2\x28",
        hello,
        *(b"\x17\xfe\xfd" + dice.randbytes(60) for _ in range(2000)),
    ):
        server.receive(data)
    assert server.state is State.UP
    browser.ssl.shutdown()
    server.receive(browser.ssl.bio_read(2000))
    assert server.state is State.CLOSED


def test_our_close_notify_is_understood() -> None:
    server, browser = Dtls(dtls.identity(datetime.datetime.now(datetime.UTC))), Browser()
    shake(server, browser)
    server.take()
    server.close()
    (goodbye,) = server.take()
    browser.ssl.bio_write(goodbye)
    with pytest.raises(SSL.ZeroReturnError):
        browser.ssl.recv(100)


def test_lost_flight_is_sent_again() -> None:
    server, browser = Dtls(dtls.identity(datetime.datetime.now(datetime.UTC))), Browser()
    for data in browser.step([]):
        server.receive(data)
    lost = server.take()
    assert lost
    server.tick()
    assert server.take() == [], "not before its time"
    again: list[bytes] = []
    deadline = time.monotonic() + 3
    while not again and time.monotonic() < deadline:
        time.sleep(0.02)  # as the worker's tick does; OpenSSL's clock cannot be turned
        server.tick()
        again = server.take()
    for data in again:
        browser.ssl.bio_write(data)
    shake(server, browser)
    assert server.state is State.UP
