"""Private names of libraries that are used: if an upgrade changes one, this fails and not a hearing."""

from __future__ import annotations

import inspect
from importlib.metadata import version

import pylibsrtp
import pytest
import socketio
from engineio.async_drivers import aiohttp as driver
from engineio.async_socket import AsyncSocket
from OpenSSL import SSL
from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

from courtroom.worker import srtp

KEY = bytes(range(28))
PACKET = b"\x80\x60\x00\x01" + bytes(8) + b"payload of a packet"


def test_pylibsrtp_is_the_version_that_was_looked_into() -> None:
    assert version("pylibsrtp").startswith("1.0.")
    assert pylibsrtp.__version__ == version("pylibsrtp")


@pytest.mark.parametrize("name", ["srtp_protect", "srtp_unprotect", "srtp_protect_rtcp", "srtp_unprotect_rtcp"])
def test_binding_takes_context_pointer_and_length(name: str) -> None:
    assert str(ffi.typeof(getattr(lib, name))) == "<ctype 'srtp_err_status_t(*)(struct srtp_ctx_t_ *, void *, int *)'>"


def test_session_holds_the_context_where_we_take_it() -> None:
    session = Session(Policy(key=bytes(30), ssrc_type=Policy.SSRC_ANY_OUTBOUND))
    assert str(ffi.typeof(session._srtp[0])) == "<ctype 'struct srtp_ctx_t_ *'>"


@pytest.mark.parametrize("profile", srtp.PROFILES, ids=lambda profile: profile.name.decode())
def test_in_place_and_public_interface_understand_each_other(profile: srtp.Profile) -> None:
    key = KEY + bytes(2)
    ours = srtp.Cipher(profile, key[: profile.key + profile.salt], inbound=False)
    theirs = Session(
        Policy(key=key[: profile.key + profile.salt], ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile.policy)
    )
    memory = bytearray(2048 * 2)
    slots = srtp.pointers(memory, 2048)
    memory[2048 : 2048 + len(PACKET)] = PACKET
    size = ours.protect(slots[1], len(PACKET))
    assert size == len(PACKET) + ours.overhead
    wire = bytes(memory[2048 : 2048 + size])
    assert wire[12:size] != PACKET[12:]
    assert theirs.unprotect(wire) == PACKET
    memory[2048 : 2048 + len(PACKET)] = PACKET
    assert ours.protect(slots[1], len(PACKET)) == size
    assert bytes(memory[2048 : 2048 + size]) == wire, "the same packet again is the same octets again"
    back = srtp.Cipher(profile, key[: profile.key + profile.salt], inbound=True)
    memory[:size] = wire
    assert back.unprotect(slots[0], size) == len(PACKET)
    assert bytes(memory[: len(PACKET)]) == PACKET
    memory[:size] = wire
    assert back.unprotect(slots[0], size) < 0, "a replay is refused"
    memory[: size - 1] = wire[1:]
    assert back.unprotect(slots[0], size - 1) < 0


def test_pyopenssl_has_what_dtls_needs_in_public() -> None:
    for name in ("bio_read", "bio_write", "DTLSv1_get_timeout", "DTLSv1_handle_timeout", "export_keying_material",
                 "get_selected_srtp_profile", "set_ciphertext_mtu"):  # fmt: skip
        assert callable(getattr(SSL.Connection, name))
    for name in ("OP_NO_QUERY_MTU", "OP_NO_TICKET", "OP_NO_RENEGOTIATION", "DTLS_METHOD"):
        assert isinstance(getattr(SSL, name), int)


@pytest.mark.parametrize(
    ("method", "takes"),
    [
        (socketio.AsyncServer._handle_connect, ["self", "eio_sid", "namespace", "data"]),
        (socketio.AsyncServer._handle_event, ["self", "eio_sid", "namespace", "id", "data"]),
    ],
)
def test_socketio_hands_client_packets_to_these(method: object, takes: list[str]) -> None:
    """``server.sockets`` stands in front of both, so that a client cannot run our connect and disconnect handlers."""
    assert callable(method)
    assert list(inspect.signature(method).parameters) == takes


def test_engineio_makes_its_websocket_from_where_ours_is_put() -> None:
    server = socketio.AsyncServer(async_mode="aiohttp")
    assert server.eio._async["websocket"] is driver.WebSocket
    assert {"__call__", "wait", "send", "close"} <= set(dir(driver.WebSocket))
    assert AsyncSocket(server.eio, "x").session == {}
