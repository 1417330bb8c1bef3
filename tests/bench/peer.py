"""One connection of the load generator: ICE, DTLS, SRTP on one connected socket, and what it sends and counts.

Rules
* Independent of what is measured: OpenSSL and libsrtp by the worker's thin modules, STUN by its codec, all else here.
* Always the DTLS client; AES-128-GCM only, so every server has the same work.
* Every packet that comes is counted by its header; one in ``SAMPLE`` is decrypted, its content and stamp checked.
* Reports as a browser sends them: transport-cc each 100 ms where it was offered, SR, RR and REMB once a second, a
  check of the path every 2.5 s.

RFC 8445, RFC 5764, RFC 3550 6.4.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Callable

from OpenSSL import SSL

from courtroom.errors import BadPacket
from courtroom.sfu import rtcp
from courtroom.sfu.bandwidth import Arrivals
from courtroom.sfu.kinds import OPUS
from courtroom.worker import dtls, srtp, stun
from courtroom.worker.datagrams import pack_address
from tests.bench.batch import SLOT, SLOTS, Slots, open_socket
from tests.bench.film import film
from tests.bench.incoming import Incoming, transport_wide
from tests.bench.media import NOISE, STAMP, Numbers, Stream
from tests.bench.words import Counted, Spec

PROFILE = srtp.PROFILES[0]
SAMPLE = 16
TAG = 16
CHECK_NS, CONSENT_NS, REPORT_NS = 50_000_000, 2_500_000_000, 1_000_000_000
DTLS_NS = 50_000_000
FEEDBACK_NS = 101_000_000  # a little more than what ``Arrivals`` waits at least
_HEAD = struct.Struct(">BBHII")

Later = Callable[[int, Callable[[int], None]], None]


class Peer:
    def __init__(
        self,
        spec: Spec,
        host: str,
        own: dtls.Identity,
        slots: tuple[Slots, Slots],
        tally: Counted,
        is_up: Callable[[Peer], None],
    ) -> None:
        self.spec = spec
        self.sock = open_socket((host, spec.port), spec.server)
        self.fd = self.sock.fileno()
        self.up = False
        self.key_frame_at = 0
        self.error = ""
        self.tally = tally
        numbers = Numbers()
        self.streams = [
            Stream(send.shape, send.ssrc, send.payload_type, send.mid, numbers, film(send.shape)) for send in spec.sends
        ]
        self.incoming: dict[int, Incoming] = {}
        self._in, self._out = slots
        self._own = own
        self._is_up = is_up
        self._ssl: SSL.Connection | None = None
        self._encrypt: srtp.Cipher | None = None
        self._decrypt: srtp.Cipher | None = None
        self._until_sample = 1
        self._key: tuple[int, int] | None = None  # SSRC and next sequence number of the key frame that is coming
        self._closed = False
        self._answered = False
        self._arrivals = Arrivals()
        self._flight: list[bytes] = []  # our first, until it is answered
        self._patience = DTLS_NS
        self._later: Later = lambda _at, _do: None

    # --- coming up ---

    def start(self, later: Later, now: int) -> None:
        self._later = later
        self._check(now)

    def _check(self, now: int) -> None:
        if self._closed:
            return
        spec = self.spec
        if spec.hello:
            if not self.up:
                self._send(spec.hello.encode())
                self._later(now + CHECK_NS, self._check)
            return
        username = f"{spec.their_ufrag}:{spec.ufrag}".encode()
        mine = not spec.controlled
        request = stun.request(
            os.urandom(12), username, spec.their_password.encode(), use_candidate=mine, controlled=spec.controlled
        )
        self._send(request)
        self._later(now + (CONSENT_NS if self._ssl else CHECK_NS), self._check)

    def _stun(self, data: bytes, now: int) -> None:
        if data[:2] == b"\x00\x01":
            try:
                request = stun.parse(data)
            except BadPacket:
                return
            self._send(stun.success(request, pack_address(self.spec.server), self.spec.password.encode()))
        elif data[:2] == b"\x01\x01" and self._ssl is None:
            self._ssl = SSL.Connection(self._own.context, None)
            self._ssl.set_connect_state()
            self._ssl.set_ciphertext_mtu(1200)
            self._shake(b"", now)
            self._later(now + self._patience, self._repeat)

    def _repeat(self, now: int) -> None:
        """As libwebrtc does, a first flight that nobody answers goes again after 50 ms, then twice that, and so on."""
        if self._closed or self.up or self._ssl is None:
            return
        if self._answered:
            if self._ssl.DTLSv1_get_timeout() == 0:
                self._ssl.DTLSv1_handle_timeout()
                self._flush()
            self._later(now + DTLS_NS, self._repeat)
            return
        for datagram in self._flight:
            self._send(datagram)
        self._patience *= 2
        self._later(now + self._patience, self._repeat)

    def _shake(self, data: bytes, now: int) -> None:
        if self._ssl is None:
            return
        if data:
            self._answered = True
            self._ssl.bio_write(data)
        if not self.up:
            try:
                self._ssl.do_handshake()
            except SSL.WantReadError:
                self._flush()
                return
            except SSL.Error as error:
                self.error = f"DTLS: {error}"
                return
            self._established(now)
            self._flush()
            self._is_up(self)
            return
        self._flush()

    def _established(self, now: int) -> None:
        assert self._ssl is not None
        profile = srtp.profile_named(self._ssl.get_selected_srtp_profile())
        size = 2 * (profile.key + profile.salt)
        keys = srtp.split(profile, self._ssl.export_keying_material(srtp.EXPORTER, size))
        self._encrypt = srtp.Cipher(profile, keys.client, inbound=False)
        self._decrypt = srtp.Cipher(profile, keys.server, inbound=True)
        self.up = True
        if self.spec.wide:
            self._later(now + FEEDBACK_NS, self._feedback)
        self._later(now + REPORT_NS // 2 + zlib.crc32(self.spec.name.encode()) % REPORT_NS, self._report)

    def _flush(self) -> None:
        assert self._ssl is not None
        try:
            data = self._ssl.bio_read(65536)
        except SSL.WantReadError:
            return
        for datagram in dtls._datagrams(data):
            self._send(datagram)
            if not self._answered:
                self._flight.append(datagram)

    def _send(self, data: bytes) -> None:
        try:
            self.sock.send(data)
        except (BlockingIOError, ConnectionRefusedError):
            self.tally.unsent += 1

    # --- sending ---

    def burst(self, stream: Stream, due: int) -> None:
        """The next frame of ``stream``, all of it at once."""
        if stream.film:
            self._real(stream, due)
            return
        sizes, key = stream.frame(due)
        slots, cipher = self._out, self._encrypt
        last = len(sizes) - 1
        for number, size in enumerate(sizes):
            slot = number % SLOTS
            now = time.time_ns()
            length = stream.write(slots.view, slot * SLOT, size, (number, last), key, due, now)
            if cipher is not None:
                length = cipher.protect(slots.pointers[slot], length)
            else:
                length += TAG
            slots.stage(slot, length)
            if slot == SLOTS - 1 or number == last:
                sent = slots.send(self.fd, slot + 1)
                self.tally.sent += sent
                self.tally.unsent += slot + 1 - sent
        self.tally.key_frames += key

    def _real(self, stream: Stream, due: int) -> None:
        slots, cipher = self._out, self._encrypt
        assert cipher is not None
        packets = stream.real(due, time.time_ns())[:SLOTS]
        for slot, data in enumerate(packets):
            slots.view[slot * SLOT : slot * SLOT + len(data)] = data
            slots.stage(slot, cipher.protect(slots.pointers[slot], len(data)))
        self.tally.sent += slots.send(self.fd, len(packets))

    def _report(self, now: int) -> None:
        if self._closed:
            return
        self._later(now + REPORT_NS, self._report)
        ntp = rtcp.to_ntp(now // 1000)
        data = b"".join(
            rtcp.sender_report(one.ssrc, ntp, one.timestamp(now), one.packets, one.octets) for one in self.streams
        )
        blocks = [rtcp.Block(ssrc, 0, 0, one.highest & 0xFFFFFFFF, 10, 0, 0) for ssrc, one in self.incoming.items()]
        own = self.streams[0].ssrc if self.streams else 1
        if blocks or not data:
            data += rtcp.receiver_report(own, blocks)
        if blocks:
            data += rtcp.remb(own, 50_000_000, [block.ssrc for block in blocks[:31]])
        self._send_rtcp(data)

    def _feedback(self, now: int) -> None:
        """When each packet came, for a server that numbers what it sends."""
        if self._closed:
            return
        self._later(now + FEEDBACK_NS, self._feedback)
        own = self.streams[0].ssrc if self.streams else 1
        for message in self._arrivals.feedback(own, next(iter(self.incoming), 0), now // 1000):
            self._send_rtcp(message)

    def _send_rtcp(self, data: bytes) -> None:
        assert self._encrypt is not None
        slots = self._out
        slots.view[: len(data)] = data
        slots.stage(0, self._encrypt.protect_rtcp(slots.pointers[0], len(data)))
        slots.send(self.fd, 1)

    # --- receiving ---

    def readable(self, now: int) -> None:
        slots = self._in
        while count := slots.receive(self.fd):
            for slot in range(count):
                self._one(slot, now)
            if count < SLOTS:
                return

    def _one(self, slot: int, now: int) -> None:
        slots = self._in
        at = slot * SLOT
        length = slots.length(slot)
        if length < 12:
            return
        first, kind, sequence, _, ssrc = _HEAD.unpack_from(slots.memory, at)
        if 128 <= first <= 191:
            if 192 <= kind <= 223:
                self._rtcp(slot, length)
                return
            if self.spec.wide and first & 0x10:
                number = transport_wide(slots.memory, at + 16, self.spec.wide)
                self._arrivals.note(number, slots.arrived(slot) // 1000)
            if kind & 0x7F in self.spec.repairs:
                self.tally.repairs += 1  # repeats and probes are not what anybody sent
                return
            stream = self.incoming.get(ssrc)
            if stream is None:
                stream = self.incoming[ssrc] = Incoming(sequence)
            stream.count(sequence)
            self.tally.received += 1
            self.tally.octets += length
            if self.spec.watch and not self.key_frame_at:
                self._watch(slot, length)
                return
            self._until_sample -= 1
            if not self._until_sample:
                self._until_sample = SAMPLE
                self._sample(slot, length)
        elif first <= 3:
            if self.spec.hello:
                if not self.up:
                    self.up = True
                    self._is_up(self)
            else:
                self._stun(bytes(slots.view[at : at + length]), now)
        elif 20 <= first <= 63:
            self._shake(bytes(slots.view[at : at + length]), now)

    def _plain(self, slot: int, length: int) -> tuple[int, int] | None:
        """Decrypt in place; where the payload starts and ends."""
        if self._decrypt is not None:
            length = self._decrypt.unprotect(self._in.pointers[slot], length)
        elif not self.spec.hello:
            return None
        else:
            length -= TAG
        at = slot * SLOT
        if length < 12:
            self.tally.wrong += 1
            return None
        start = at + 12
        if self._in.memory[at] & 0x10:
            start += 4 + 4 * int.from_bytes(self._in.view[at + 14 : at + 16], "big")
        padding = self._in.memory[at + length - 1] if self._in.memory[at] & 0x20 else 0
        return start, at + length - padding

    def _sample(self, slot: int, length: int) -> None:
        place = self._plain(slot, length)
        if place is None:
            return
        start, end = place
        self.tally.checked += 1
        sent, sender, _ = STAMP.unpack_from(self._in.memory, end - STAMP.size)
        # the first octets are the descriptor, which a server may rewrite
        body = self._in.view[start + 8 : end - STAMP.size]
        own = any(stream.ssrc == sender for stream in self.streams)
        if own or not sender or body != memoryview(NOISE)[8 : 8 + len(body)]:
            self.tally.wrong += 1
            return
        self.tally.latencies_us.append((self._in.arrived(slot) - sent) // 1000)

    def _watch(self, slot: int, length: int) -> None:
        """The first whole key frame: from the packet that begins one to its marker, none missing."""
        place = self._plain(slot, length)
        if place is None:
            return
        start, end = place
        _, kind, sequence, _, ssrc = _HEAD.unpack_from(self._in.memory, slot * SLOT)
        if kind & 0x7F == OPUS.payload_type or end - start < 8:
            return
        payload = self._in.view[start:end]
        if payload[0] & 0x1F == 0x10 and not payload[6] & 1:
            self._key = (ssrc, sequence)
        if self._key == (ssrc, sequence):
            self._key = (ssrc, (sequence + 1) & 0xFFFF)
            if kind & 0x80:
                self.key_frame_at = self._in.arrived(slot)

    def _rtcp(self, slot: int, length: int) -> None:
        if self._decrypt is None:
            return
        size = self._decrypt.unprotect_rtcp(self._in.pointers[slot], length)
        if size < 0:
            self.tally.wrong += 1
            return
        at = slot * SLOT
        try:
            reports = rtcp.parse(bytes(self._in.view[at : at + size]))
        except BadPacket:
            return
        for report in reports:
            match report:
                case rtcp.Pli(ssrc):
                    self._wanted((ssrc,))
                case rtcp.Fir(ssrcs):
                    self._wanted(ssrcs)

    def _wanted(self, ssrcs: tuple[int, ...]) -> None:
        for stream in self.streams:
            if stream.ssrc in ssrcs:
                stream.ask()

    def close(self) -> None:
        self._closed = True
        if self._ssl is not None and self.up:
            try:
                self._ssl.shutdown()
                self._flush()
            except SSL.Error:
                self.error = "close_notify failed"
        self.sock.close()
