"""Early ClientHellos: bounded, a share for each host, and no flood pushes one out for certain or for ever."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from courtroom.worker.datagrams import pack_address
from courtroom.worker.hold import HOLD_US, MAX_HELD, MAX_PER_HOST, Held

VICTIM = pack_address(("192.0.2.1", 5000))


def forged(count: int, seed: int) -> Iterator[bytes]:
    dice = random.Random(seed)
    for _ in range(count):
        host = f"{dice.randrange(1, 224)}.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)}"
        yield pack_address((host, dice.randrange(1, 65536)))


def held(seed: int = 1) -> Held:
    return Held(random.Random(seed).randbytes)


def test_the_first_hello_is_kept_for_a_while_and_handed_out_once() -> None:
    store = held()
    assert store.put(VICTIM, b"hello", 0)
    assert not store.put(VICTIM, b"another", 1)
    assert store.take(VICTIM, HOLD_US - 1) == b"hello"
    assert store.take(VICTIM, HOLD_US - 1) is None
    assert store.put(VICTIM, b"again", HOLD_US)
    assert store.take(VICTIM, 2 * HOLD_US) is None, "too old"


@pytest.mark.parametrize("host", ["192.0.2.9", "2001:db8::9"])
def test_a_host_has_its_share_and_no_more(host: str) -> None:
    store = held()
    where = [pack_address((host, port) if "." in host else (host, port, 0, 0)) for port in range(1000, 1100)]
    assert sum(store.put(address, b"hello", 0) for address in where) == MAX_PER_HOST
    assert store.put(VICTIM, b"hello", 0), "others are not touched by it"
    store.expire(HOLD_US)
    assert len(store) == 0
    assert store.put(where[-1], b"hello", HOLD_US), "a share is given back"


def test_a_flood_from_everywhere_is_bounded() -> None:
    store = held()
    for address in forged(20 * MAX_HELD, 2):
        store.put(address, b"hello", 0)
        assert len(store) <= MAX_HELD
    store.expire(HOLD_US)
    assert (len(store), store._hosts, store._order) == (0, {}, [])


def test_a_flood_as_large_as_the_store_does_not_push_a_victim_out_for_certain() -> None:
    """The oldest of a queue would be gone each time; here about 1/e of them are, and each hello is drawn anew."""
    kept = 0
    for seed in range(60):
        store = held(seed)
        for address in forged(MAX_HELD - 1, seed):
            store.put(address, b"noise", 0)
        store.put(VICTIM, b"hello", 0)
        for address in forged(MAX_HELD, 1000 + seed):
            store.put(address, b"noise", 0)
        kept += store.take(VICTIM, 1) == b"hello"
    assert 10 < kept < 40, kept
