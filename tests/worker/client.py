"""A WebRTC client of plain parts: ICE checks, DTLS by pyOpenSSL, SRTP by pylibsrtp's public interface.

It speaks to a real worker process over loopback, so what it sees is what a foreign client would see.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Self

from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL
from pylibsrtp import Policy, Session

from courtroom.channel import messages as m
from courtroom.worker import dtls, srtp, stun
from courtroom.worker.datagrams import pack_address
from tests.browser.harness import Control

__all__ = ["Client", "Control", "start"]


@contextlib.asynccontextmanager
async def start(
    addresses: tuple[str, ...] = ("127.0.0.1",), capture: str = "", **environment: str
) -> AsyncIterator[Control]:
    """A worker process, its control end, and room ``room``."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", "courtroom.worker", "--fd", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env=os.environ | environment,
    )
    theirs.close()
    ours.setblocking(False)
    control = Control(process, ours)
    offset = time.time_ns() // 1000 - time.monotonic_ns() // 1000
    try:
        await control.send(m.WelcomeWorker(m.VERSION, offset, 0, list(addresses), capture))
        await control.until(lambda event: event if isinstance(event, m.WorkerReady) else None)
        await control.do(lambda n: m.OpenRoom(n, "room"))
        yield control
    finally:
        await control.close()


def attribute(sdp: str, name: str) -> str:
    return next(line for line in sdp.splitlines() if line.startswith(f"a={name}:")).partition(":")[2]


class Client:
    """One connection. ``datagrams`` holds everything that came, raw."""

    own_password = b"p" * 24
    answers = True

    def __init__(self, offer: str) -> None:
        self.offer = offer
        self.ufrag = attribute(offer, "ice-ufrag")
        self.password = attribute(offer, "ice-pwd").encode()
        candidate = attribute(offer, "candidate").split()
        self.server = (candidate[4], int(candidate[5]))
        family = socket.AF_INET6 if ":" in self.server[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.sock.setblocking(False)
        self.datagrams: list[bytes] = []
        own = dtls.identity(datetime.datetime.now(datetime.UTC))
        self.fingerprint = own.fingerprint
        self._ssl = SSL.Connection(own.context, None)
        self._ssl.set_connect_state()
        self._ssl.set_ciphertext_mtu(1200)
        self.up: Session | None = None
        self.down: Session | None = None
        self.between_flights: Callable[[], object] = lambda: None  # before each flight of the handshake but the first
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.sock, self._readable)

    @classmethod
    async def open(
        cls, control: Control, name: str, places: int = 1, publish: tuple[str, ...] = ("microphone",)
    ) -> Self:
        return cls(await control.do(lambda n: m.OpenTransport(n, "room", name, places, list(publish))))

    def answer(self) -> str:
        """Accepts every line of the offer as a browser would."""
        return "\r\n".join(filter(None, map(self._answered, self.offer.splitlines()))) + "\r\n"

    def _answered(self, line: str) -> str:
        name, _, value = line.partition(":")
        match name:
            case "a=ice-ufrag":
                return "a=ice-ufrag:client"
            case "a=ice-pwd":
                return "a=ice-pwd:" + self.own_password.decode()
            case "a=fingerprint":
                return f"a=fingerprint:sha-256 {self.fingerprint}"
            case "a=setup":
                return "a=setup:active"
            case "a=recvonly":
                return "a=sendonly"
            case "a=sendonly":
                return "a=recvonly"
            case "a=rid":
                return f"a=rid:{value.replace('recv', 'send')}"
            case "a=candidate" | "a=end-of-candidates" | "a=ice-lite" | "a=ssrc" | "a=ssrc-group" | "a=msid":
                return ""
        return line

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._came(self.sock.recv(4096))
        self._news.set()

    def _came(self, data: bytes) -> None:
        """As a browser does, it answers whoever asks with its credentials (RFC 8445 7.3)."""
        self.datagrams.append(data)
        if self.answers and data[:2] == b"\0\1":
            request = stun.parse(data)
            if stun.authentic(request, self.own_password):
                self.send(stun.success(request, pack_address(self.server), self.own_password))

    def send(self, data: bytes) -> None:
        self.sock.sendto(data, self.server)

    async def until(self, good: Callable[[bytes], bool], timeout: float = 30) -> bytes:
        """The first datagram, of all that came or will come, that is good."""
        seen = 0
        async with asyncio.timeout(timeout):
            while True:
                while seen < len(self.datagrams):
                    seen += 1
                    if good(self.datagrams[seen - 1]):
                        return self.datagrams[seen - 1]
                self._news.clear()
                if seen == len(self.datagrams):
                    await self._news.wait()

    async def check(self, *, use_candidate: bool = True) -> bytes:
        transaction = os.urandom(12)
        self.send(
            stun.request(transaction, f"{self.ufrag}:client".encode(), self.password, use_candidate=use_candidate)
        )
        return await self.until(lambda data: data[0] < 4 and data[8:20] == transaction)

    def _flush(self) -> None:
        with contextlib.suppress(SSL.WantReadError):
            for datagram in dtls._datagrams(self._ssl.bio_read(65536)):
                self.send(datagram)

    def hello(self) -> bytes:
        """The ClientHello that ``handshake`` would begin with, not sent."""
        with contextlib.suppress(SSL.WantReadError):
            self._ssl.do_handshake()
        return self._ssl.bio_read(65536)

    async def _more(self) -> bool:
        """Whether something came before the last flight has to be sent again."""
        try:
            async with asyncio.timeout(self._ssl.DTLSv1_get_timeout()):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def handshake(self) -> None:
        seen = len(self.datagrams)
        async with asyncio.timeout(30):
            while True:
                try:
                    self._ssl.do_handshake()
                except SSL.WantReadError:
                    self._flush()
                    self._news.clear()
                    if seen == len(self.datagrams) and not await self._more():
                        self._ssl.DTLSv1_handle_timeout()
                        continue
                    self.between_flights()
                    for data in self.datagrams[seen:]:
                        seen += 1
                        if 20 <= data[0] <= 63:
                            self._ssl.bio_write(data)
                    continue
                break
        self._flush()
        profile = srtp.profile_named(self._ssl.get_selected_srtp_profile())
        keys = srtp.split(profile, self._ssl.export_keying_material(srtp.EXPORTER, 2 * (profile.key + profile.salt)))
        self.up = Session(Policy(key=keys.client, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile.policy))
        self.down = Session(Policy(key=keys.server, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile.policy))

    def server_certificate(self) -> bytes:
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        return certificate.public_bytes(serialization.Encoding.DER)

    async def connect(self, control: Control, name: str) -> None:
        await control.do(lambda n: m.AcceptAnswer(n, name, self.answer()))
        await self.check()
        await self.handshake()
        await control.changed(name, "connected")

    def send_rtp(self, packet: bytes) -> None:
        assert self.up is not None
        self.send(self.up.protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        assert self.up is not None
        self.send(self.up.protect_rtcp(packet))

    async def rtp(self) -> bytes:
        """The next RTP packet for us, decrypted."""
        assert self.down is not None
        data = await self.until(lambda data: 128 <= data[0] <= 191 and not 192 <= data[1] <= 223)
        self.datagrams.remove(data)
        return self.down.unprotect(data)

    def hang_up(self) -> None:
        with contextlib.suppress(SSL.Error):
            self._ssl.shutdown()
        self._flush()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.sock)
        self.sock.close()
