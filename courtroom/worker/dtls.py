"""DTLS as a server on memory buffers: datagrams in, datagrams out, SRTP keys at the end.

Rules
* Always the passive side; the client's certificate is asked for and compared with the fingerprint from its SDP by the
  caller before any media (RFC 8122). OpenSSL's chain check is off: the fingerprint is the trust (RFC 5763 5).
* AES-128-GCM first, then AES-128-CM with SHA-1-80. DTLS 1.2 or later. No tickets, no renegotiation.
* OpenSSL's memory buffer glues records together; ``take`` cuts them again into datagrams of at most ``MTU`` bytes.
* Before the keys are there anybody who can forge an address can speak. Only what a client has to say at that point of a
  handshake reaches OpenSSL: its four messages by number, the change of cipher after them, encrypted records. A
  plaintext alert ends nothing; a client that means one is closed by time.
* Not aiortc's RTCDtlsTransport: it owns a reading task, and one empty datagram ends it. Only pyOpenSSL's public API.

RFC 6347 (DTLS 1.2), RFC 5764 (DTLS-SRTP).
"""

from __future__ import annotations

import datetime
import hashlib
import struct
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto

from courtroom.errors import BadPacket
from courtroom.worker import srtp

MTU: Final = 1200
MIN_RECORD: Final = 13
_DTLS_1_2: Final = 0xFEFD  # pyOpenSSL names the TLS versions only
_LIFETIME: Final = datetime.timedelta(days=30)
_RECORD: Final = struct.Struct(">BHHHIH")  # type, version, epoch, sequence number (two parts), length
_VERSIONS: Final = (0xFEFF, 0xFEFD)
_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE = 20, 21, 22
_CERTIFICATE_VERIFY: Final = (15, 3)
_FROM_CLIENT: Final = frozenset(((1, 0), (11, 1), (16, 2), _CERTIFICATE_VERIFY))  # handshake type and message number
_MESSAGE_HEAD: Final = 12
MAX_MESSAGE: Final = 16384


class State(Enum):
    HANDSHAKE = "handshake"
    UP = "up"
    CLOSED = "closed"  # the peer said close_notify, or we did
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Identity:
    """The certificate of one worker run and what browsers are told about it."""

    context: SSL.Context
    fingerprint: str  # "AB:CD:…", SHA-256


def identity(now: datetime.datetime) -> Identity:
    """A fresh self-signed P-256 certificate, valid from an hour ago (clocks of clients run slow)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "courtroom")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .sign(key, hashes.SHA256())
    )
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(_DTLS_1_2)
    context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.set_tlsext_use_srtp(b":".join(profile.name for profile in srtp.PROFILES))
    return Identity(context, fingerprint(certificate.public_bytes(serialization.Encoding.DER)))


def fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).digest().hex(":").upper()


class Dtls:
    """One connection. ``receive`` and ``tick`` move it; ``take`` is to be sent after either."""

    def __init__(self, own: Identity) -> None:
        self._ssl = SSL.Connection(own.context, None)
        self._ssl.set_accept_state()
        self._ssl.set_ciphertext_mtu(MTU)
        self.state = State.HANDSHAKE
        self.keys: srtp.Keys | None = None
        self.peer = ""  # fingerprint of the peer's certificate once the handshake is done
        self._proven = False  # the last plaintext message of the client has been seen

    def receive(self, datagram: bytes) -> None:
        """Feed one datagram from an address that passed an authenticated check."""
        if self.state in (State.CLOSED, State.FAILED) or len(datagram) < MIN_RECORD:
            return
        if self.state is State.HANDSHAKE:
            datagram = self._expected(datagram)
            if not datagram:
                return
        try:
            self._ssl.bio_write(datagram)
            if self.state is State.HANDSHAKE:
                self._ssl.do_handshake()
                self._established()
            self._ssl.recv(2048)  # we speak no application data: this is how close_notify is noticed
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.state = State.CLOSED
        except (SSL.Error, BadPacket):
            # After the handshake a broken record proves nothing: only close_notify ends the connection.
            if self.state is State.HANDSHAKE:
                self.state = State.FAILED

    def _expected(self, datagram: bytes) -> bytes:
        """The records of a datagram that a client may send before it has keys."""
        passed: list[bytes] = []
        at = 0
        while at + MIN_RECORD <= len(datagram):
            kind, version, epoch, _, _, length = _RECORD.unpack_from(datagram, at)
            end = at + MIN_RECORD + length
            if version not in _VERSIONS or end > len(datagram):
                break
            body = datagram[at + MIN_RECORD : end]
            if epoch == 0:
                good = self._is_expected(body) if kind == _HANDSHAKE else self._may_change(kind, body)
            else:
                good = epoch == 1 and kind in (_ALERT, _HANDSHAKE)
            if good:
                passed.append(datagram[at:end])
            at = end
        return b"".join(passed)

    def _may_change(self, kind: int, body: bytes) -> bool:
        return kind == _CHANGE_CIPHER_SPEC and body == b"\x01" and self._proven

    def _is_expected(self, body: bytes) -> bool:
        """Whether a plaintext record holds whole fragments of a client's messages, and nothing else."""
        at, proven = 0, False
        while at + _MESSAGE_HEAD <= len(body):
            size = int.from_bytes(body[at + 1 : at + 4], "big")
            message = body[at], int.from_bytes(body[at + 4 : at + 6], "big")
            start = int.from_bytes(body[at + 6 : at + 9], "big")
            part = int.from_bytes(body[at + 9 : at + 12], "big")
            if message not in _FROM_CLIENT or size > MAX_MESSAGE or start + part > size:
                return False
            at += _MESSAGE_HEAD + part
            proven |= message == _CERTIFICATE_VERIFY
        whole = at == len(body) > 0
        self._proven |= whole and proven
        return whole

    def _established(self) -> None:
        profile = srtp.profile_named(self._ssl.get_selected_srtp_profile())
        size = 2 * (profile.key + profile.salt)
        self.keys = srtp.split(profile, self._ssl.export_keying_material(srtp.EXPORTER, size))
        certificate = self._ssl.get_peer_certificate()
        if certificate is None:
            raise BadPacket("no_certificate")
        self.peer = fingerprint(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate))
        self.state = State.UP

    def tick(self) -> None:
        """Retransmit the last flight if its time has come (RFC 6347 4.2.4)."""
        if self.state is State.HANDSHAKE and self._ssl.DTLSv1_get_timeout() == 0:
            try:
                self._ssl.DTLSv1_handle_timeout()
            except SSL.Error:
                self.state = State.FAILED

    def close(self) -> None:
        """Say close_notify if there is a connection; ``take`` holds it."""
        if self.state is State.UP:
            try:
                self._ssl.shutdown()
            except SSL.Error:
                self.state = State.FAILED
                return
        self.state = State.CLOSED

    def take(self) -> list[bytes]:
        """Datagrams to be sent now."""
        try:
            data = self._ssl.bio_read(65536)
        except SSL.Error:
            return []
        return _datagrams(data)


def _datagrams(data: bytes) -> list[bytes]:
    """Whole records packed into datagrams; a record is never split."""
    datagrams: list[bytes] = []
    start = offset = 0
    while offset + MIN_RECORD <= len(data):
        end = offset + MIN_RECORD + int.from_bytes(data[offset + 11 : offset + 13], "big")
        if end - start > MTU and offset > start:
            datagrams.append(data[start:offset])
            start = offset
        offset = end
    if start < len(data):
        datagrams.append(data[start:])
    return datagrams
