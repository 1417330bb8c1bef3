"""Credentials for the relay: what the TURN REST API asks for, good for a while, and saying nothing about the seat."""

from __future__ import annotations

import base64
import hashlib
import hmac

from courtroom.control.relay import GOOD_FOR_S, STEP_S, Relay

URLS = ("turn:relay.example:3478?transport=udp", "turns:relay.example:5349")
SECRET = "a-secret-of-the-tests"
AT = 1_790_000_000_000_000


def test_without_relays_there_is_nothing_to_tell() -> None:
    assert Relay().servers("h-1", "s-1", AT) == []


def test_the_password_is_the_hmac_of_the_name() -> None:
    (server,) = Relay(URLS, SECRET).servers("h-1", "s-1", AT)
    assert server["urls"] == list(URLS)
    mac = hmac.new(SECRET.encode(), server["username"].encode(), hashlib.sha1).digest()
    assert base64.b64decode(server["credential"]) == mac


def test_credentials_end_and_are_renewed_in_time() -> None:
    relay = Relay(URLS, SECRET)
    names = []
    for second in range(0, 3 * STEP_S, 7):
        (server,) = relay.servers("h-1", "s-1", AT + second * 1_000_000)
        end = int(server["username"].partition(":")[0])
        now = AT // 1_000_000 + second
        assert GOOD_FOR_S <= end - now <= GOOD_FOR_S + STEP_S
        names.append(server["username"])
    assert 3 <= len(set(names)) <= 4, "a view is not changed by each look at it"


def test_a_name_is_one_persons_and_tells_nobody_whose() -> None:
    relay = Relay(URLS, SECRET)
    names = {
        (hearing, seat): relay.servers(hearing, seat, AT)[0]["username"].partition(":")[2]
        for hearing in ("h-1", "h-2")
        for seat in ("s-1", "s-2")
    }
    assert len(set(names.values())) == 4
    assert Relay(URLS, SECRET).servers("h-1", "s-1", AT)[0]["username"].endswith(names["h-1", "s-1"])
    for (hearing, seat), name in names.items():
        assert hearing not in name
        assert seat not in name
    assert SECRET not in repr(relay)
