"""STUN as our server needs it: read signed binding requests, answer them, ask signed ones and read their answers.

Rules
* A request counts only with USERNAME, MESSAGE-INTEGRITY and FINGERPRINT, in that order of trust; the check of the
  fingerprint is cheap and comes first, the HMAC is the caller's second step because it needs the password.
* Attributes after MESSAGE-INTEGRITY are not read (RFC 8489 14.5); at most ``MAX_ATTRIBUTES`` are.
* Addresses stay raw ``sockaddr`` bytes (with one more octet for TCP, see ``tcp``): no text, no resolver.

Our own parser and not ``aioice.stun``: that one decodes every attribute of every stranger's datagram into Python
objects before anything is authenticated, and raises six different exceptions doing it. This reads four attributes.
RFC 8489 (STUN), RFC 8445 (ICE), section 7.3; RFC 7675 (consent), section 5.1.
"""

from __future__ import annotations

import hmac
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from courtroom.errors import BadPacket

COOKIE: Final = 0x2112A442
MAX_SIZE: Final = 1280
MAX_ATTRIBUTES: Final = 24
MAX_USERNAME: Final = 513
MIN_IPV6: Final = 28  # a raw IPv4 address has 16 octets, or 17 with TCP's mark

_HEADER: Final = struct.Struct(">HHI12s")
_ATTRIBUTE: Final = struct.Struct(">HH")
_BINDING_REQUEST: Final = 0x0001
_BINDING_SUCCESS: Final = 0x0101
_BINDING_ERROR: Final = 0x0111

_USERNAME: Final = 0x0006
_INTEGRITY: Final = 0x0008
_ERROR_CODE: Final = 0x0009
_XOR_MAPPED: Final = 0x0020
_PRIORITY: Final = 0x0024
_USE_CANDIDATE: Final = 0x0025
_FINGERPRINT: Final = 0x8028
_CONTROLLED: Final = 0x8029
_FINGERPRINT_XOR: Final = 0x5354554E
_UNDERSTOOD: Final = frozenset((_USERNAME, _INTEGRITY, _PRIORITY, _USE_CANDIDATE))


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """One request that is whole and has a right fingerprint; nobody has checked its signature yet."""

    transaction: bytes
    local: bytes  # our half of USERNAME: the user fragment of one of our transports
    remote: bytes
    use_candidate: bool
    controlled: bool  # the peer believes that we are in control; we never are
    signed: bytes  # what MESSAGE-INTEGRITY covers, header length already set for it
    integrity: bytes


@dataclass(frozen=True, slots=True)
class BindingAnswer:
    """A success that is whole and has a right fingerprint; nobody has checked its signature yet."""

    transaction: bytes
    signed: bytes
    integrity: bytes


def is_answer(data: bytes) -> bool:
    return data[:2] == b"\x01\x01"


def parse(data: bytes) -> BindingRequest:
    """The binding request in one datagram; ``BadPacket("bad_stun")`` for anything else."""
    return _request(data, _whole(data, _BINDING_REQUEST))


def parse_answer(data: bytes) -> BindingAnswer:
    """The binding success in one datagram; ``BadPacket("bad_stun")`` for anything else."""
    transaction = _whole(data, _BINDING_SUCCESS)
    for kind, start, size in _attributes(data):
        if kind == _INTEGRITY and size == 20:
            return BindingAnswer(transaction, _signed_part(data, start), data[start : start + size])
    raise BadPacket("bad_stun")


def names(data: bytes) -> bytes:
    """Our half of USERNAME in what may be a request; nothing else is looked at. b"" when there is none."""
    if len(data) > MAX_SIZE:
        return b""
    try:
        for kind, start, size in _attributes(data):
            if kind == _USERNAME:
                return data[start : start + size].partition(b":")[0]
    except BadPacket:
        pass  # a stranger's: it names nobody
    return b""


def _whole(data: bytes, wanted: int) -> bytes:
    """The transaction id of a message of one kind, its frame and fingerprint being right."""
    if not 20 <= len(data) <= MAX_SIZE or len(data) % 4:
        raise BadPacket("bad_stun")
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind != wanted or cookie != COOKIE or length + 20 != len(data):
        raise BadPacket("bad_stun")
    if len(data) < 28 or _ATTRIBUTE.unpack_from(data, len(data) - 8) != (_FINGERPRINT, 4):
        raise BadPacket("bad_stun")
    if zlib.crc32(data[:-8]) ^ _FINGERPRINT_XOR != int.from_bytes(data[-4:], "big"):
        raise BadPacket("bad_stun")
    return bytes(transaction)


def _attributes(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Type, where the value starts, its length; up to the fingerprint."""
    offset, end = 20, len(data) - 8
    for _ in range(MAX_ATTRIBUTES):
        if offset + 4 > end:
            return
        kind, size = _ATTRIBUTE.unpack_from(data, offset)
        if offset + 4 + size > end:
            raise BadPacket("bad_stun")
        yield kind, offset + 4, size
        offset += 4 + size + (-size % 4)


def _signed_part(data: bytes, integrity: int) -> bytes:
    """What MESSAGE-INTEGRITY whose value starts at ``integrity`` covers (RFC 8489 14.5)."""
    return data[:2] + struct.pack(">H", integrity) + data[4 : integrity - 4]


def _request(data: bytes, transaction: bytes) -> BindingRequest:
    username = b""
    use_candidate = controlled = False
    for kind, start, size in _attributes(data):
        if kind == _INTEGRITY:
            local, separator, remote = username.partition(b":")
            if size != 20 or not separator or not local:
                break
            return BindingRequest(
                transaction, local, remote, use_candidate, controlled, _signed_part(data, start),
                data[start : start + size],
            )  # fmt: skip
        if kind == _USERNAME:
            if size > MAX_USERNAME:
                break
            username = data[start : start + size]
        elif kind == _USE_CANDIDATE:
            use_candidate = True
        elif kind == _CONTROLLED:
            controlled = True
        elif kind < 0x8000 and kind not in _UNDERSTOOD:
            break
    raise BadPacket("bad_stun")


def authentic(message: BindingRequest | BindingAnswer, password: bytes) -> bool:
    """Whether the message was signed with ``password``."""
    return hmac.compare_digest(hmac.digest(password, message.signed, "sha1"), message.integrity)


def success(request: BindingRequest, address: bytes, password: bytes) -> bytes:
    """The answer that tells the peer the address we see; ``address`` is a raw ``sockaddr``."""
    return _signed(_BINDING_SUCCESS, request.transaction, _mapped(address, request.transaction), password)


def role_conflict(request: BindingRequest, password: bytes) -> bytes:
    """487: the peer has to take control, we are lite (RFC 8445 7.3.1.1)."""
    reason = b"Role Conflict"
    value = struct.pack(">HBB", 0, 4, 87) + reason
    body = _ATTRIBUTE.pack(_ERROR_CODE, len(value)) + value + bytes(-len(value) % 4)
    return _signed(_BINDING_ERROR, request.transaction, body, password)


def _mapped(address: bytes, transaction: bytes) -> bytes:
    port, host = address[2:4], address[4:8] if len(address) < MIN_IPV6 else address[8:24]
    pad = struct.pack(">I", COOKIE) + transaction
    family = 1 if len(host) == 4 else 2
    value = struct.pack(">BB", 0, family) + _xor(port, pad) + _xor(host, pad)
    return _ATTRIBUTE.pack(_XOR_MAPPED, len(value)) + value


def _xor(data: bytes, pad: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, pad, strict=False))


def _signed(kind: int, transaction: bytes, body: bytes, password: bytes) -> bytes:
    head = _HEADER.pack(kind, len(body) + 24, COOKIE, transaction) + body
    message = head + _ATTRIBUTE.pack(_INTEGRITY, 20) + hmac.digest(password, head, "sha1")
    message = message[:2] + struct.pack(">H", len(message) - 20 + 8) + message[4:]
    return message + _ATTRIBUTE.pack(_FINGERPRINT, 4) + struct.pack(">I", zlib.crc32(message) ^ _FINGERPRINT_XOR)


def request(
    transaction: bytes, username: bytes, password: bytes, *, use_candidate: bool = False, controlled: bool = False
) -> bytes:
    """A signed binding request; ``controlled`` as we ask them, controlling as clients do."""
    body = _ATTRIBUTE.pack(_USERNAME, len(username)) + username + bytes(-len(username) % 4)
    body += _ATTRIBUTE.pack(_PRIORITY, 4) + struct.pack(">I", 1845501695)
    body += _ATTRIBUTE.pack(_CONTROLLED if controlled else _CONTROLLED + 1, 8) + bytes(8)
    if use_candidate:
        body += _ATTRIBUTE.pack(_USE_CANDIDATE, 0)
    return _signed(_BINDING_REQUEST, transaction, body, password)
