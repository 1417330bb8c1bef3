"""SRTP on preallocated memory: libsrtp through pylibsrtp's own binding, the one place that knows its private names.

Rules
* A ``Cipher`` works in place on memory the caller owns; ``pointers`` turns one buffer into slots once, at start.
  pylibsrtp's public ``Session`` copies each packet twice and allocates; that doubles the price of forwarding.
* Return values: the new length, or a negative libsrtp status. Nothing is raised on the packet path.
* libsrtp keeps state for every SSRC that was ever authentic; ``forget`` takes one out again, the bound is the caller's.
* Private names used: ``pylibsrtp._binding.ffi``, ``.lib.srtp_protect``, ``.srtp_unprotect``, ``.srtp_protect_rtcp``,
  ``.srtp_unprotect_rtcp``, ``Session._srtp``. Pinned in pyproject and by tests/contract/test_private_names.py.

RFC 3711 (SRTP), RFC 7714 (AES-GCM), RFC 5764 4.2 (keys out of DTLS).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pylibsrtp import Error, Policy, Session
from pylibsrtp._binding import ffi, lib

from courtroom.errors import BadPacket

TRAILER: Final = 16 + 4 + 16  # most that protecting adds: tag, SRTCP index, head room
REPLAY_WINDOW: Final = 1024  # both ways: what a publisher had to repeat leaves late too, under the number of its gap


@dataclass(frozen=True, slots=True)
class Profile:
    """One DTLS-SRTP protection profile (RFC 5764 4.1.2, RFC 7714 14.2)."""

    name: bytes
    policy: int
    key: int
    salt: int
    tag: int


PROFILES: Final = (
    Profile(b"SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, 16),
    Profile(b"SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, 10),
)
EXPORTER: Final = b"EXTRACTOR-dtls_srtp"


def profile_named(name: bytes) -> Profile:
    for profile in PROFILES:
        if profile.name == name:
            return profile
    raise BadPacket("no_srtp_profile")


@dataclass(frozen=True, slots=True)
class Keys:
    """Master keys of one DTLS connection, ``client`` protecting what the client writes. Never logged."""

    profile: Profile
    client: bytes
    server: bytes

    def __repr__(self) -> str:
        return f"Keys({self.profile.name.decode()})"


def split(profile: Profile, material: bytes) -> Keys:
    """Client key, server key, client salt, server salt, in this order (RFC 5764 4.2)."""
    key, salt = profile.key, profile.salt
    client_key, server_key = material[:key], material[key : 2 * key]
    client_salt, server_salt = material[2 * key : 2 * key + salt], material[2 * key + salt : 2 * (key + salt)]
    return Keys(profile, client_key + client_salt, server_key + server_salt)


def pointers(memory: bytearray, size: int) -> list[Any]:
    """Pointers to the equal slots of one buffer; they keep it alive."""
    start = ffi.from_buffer("char[]", memory, require_writable=True)
    owners = [ffi.from_buffer("char[]", memoryview(memory)[at : at + size], True) for at in range(0, len(memory), size)]
    assert len(owners) * size == len(start)
    return owners


def pointer(memory: bytearray) -> Any:
    """A pointer to the beginning of a buffer, which it keeps alive; add octets to it to get further."""
    return ffi.from_buffer("char[]", memory, require_writable=True)


# For the hot loop of ``port``, which saves one call a packet: protect_rtp(context, pointer, length_cell) → 0 is good.
protect_rtp: Callable[[Any, Any, Any], int] = lib.srtp_protect
length_cell: Any = ffi.new("int *")


class Cipher:
    """One direction of one transport: every SSRC of that direction under one master key.

    ``context`` is libsrtp's; ``overhead`` what protecting an RTP packet adds.
    """

    def __init__(self, profile: Profile, key: bytes, *, inbound: bool) -> None:
        policy = Policy(
            key=key,
            ssrc_type=Policy.SSRC_ANY_INBOUND if inbound else Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=profile.policy,
        )
        policy.window_size = REPLAY_WINDOW
        # lost sound is sent again octet by octet (sfu.consumer): the same packet under the same nonce tells nobody more
        policy.allow_repeat_tx = not inbound
        self._session = Session(policy)
        self.context: Any = self._session._srtp[0]
        self.overhead = profile.tag
        self._length: Any = ffi.new("int *")

    def protect(self, pointer: Any, length: int) -> int:
        size = self._length
        size[0] = length
        status = lib.srtp_protect(self.context, pointer, size)
        return -status if status else int(size[0])

    def unprotect(self, pointer: Any, length: int) -> int:
        size = self._length
        size[0] = length
        status = lib.srtp_unprotect(self.context, pointer, size)
        return -status if status else int(size[0])

    def protect_rtcp(self, pointer: Any, length: int) -> int:
        size = self._length
        size[0] = length
        status = lib.srtp_protect_rtcp(self.context, pointer, size)
        return -status if status else int(size[0])

    def unprotect_rtcp(self, pointer: Any, length: int) -> int:
        size = self._length
        size[0] = length
        status = lib.srtp_unprotect_rtcp(self.context, pointer, size)
        return -status if status else int(size[0])

    def forget(self, ssrc: bytes) -> None:
        """Drop the state of one SSRC, four octets as on the wire."""
        with contextlib.suppress(Error):  # it had none
            self._session.remove_stream(int.from_bytes(ssrc, "big"))
