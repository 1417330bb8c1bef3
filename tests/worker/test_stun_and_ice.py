from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest
from aioice import stun as theirs

from courtroom.errors import BadPacket
from courtroom.worker import ice, limits, stun
from courtroom.worker.datagrams import pack_address, unpack_address
from courtroom.worker.ice import MAX_ADDRESSES, Agent
from tests.sfu.test_hostile import COUNT, mutated

PASSWORD = b"p" * 24
HERE, THERE = pack_address(("192.0.2.1", 5000)), pack_address(("2001:db8::1", 5000, 0, 0))


def request(name: bytes = b"ours:theirs", **options: bool) -> bytes:
    return stun.request(bytes(range(12)), name, PASSWORD, **options)


def test_requests_of_others_are_read_and_checked() -> None:
    message = theirs.Message(theirs.Method.BINDING, theirs.Class.REQUEST)
    message.attributes.update({"USERNAME": "ours:theirs", "PRIORITY": 1, "ICE-CONTROLLING": 5, "USE-CANDIDATE": None})
    message.add_message_integrity(PASSWORD)
    parsed = stun.parse(bytes(message))
    assert (parsed.local, parsed.remote, parsed.use_candidate, parsed.controlled) == (b"ours", b"theirs", True, False)
    assert stun.authentic(parsed, PASSWORD)
    assert not stun.authentic(parsed, b"q" * 24)


@pytest.mark.parametrize("address", [HERE, THERE], ids=["v4", "v6"])
def test_answers_are_read_by_others(address: bytes) -> None:
    message = theirs.parse_message(stun.success(stun.parse(request()), address, PASSWORD))
    assert message.message_class == theirs.Class.RESPONSE
    assert message.transaction_id == bytes(range(12))
    assert message.attributes["XOR-MAPPED-ADDRESS"] == unpack_address(address)[:2]
    assert message.check_message_integrity(PASSWORD)
    conflict = theirs.parse_message(stun.role_conflict(stun.parse(request()), PASSWORD))
    assert conflict.error_code == 487


def test_addresses_go_there_and_back() -> None:
    for address in (("192.0.2.1", 5000), ("2001:db8::1", 5000, 0, 3)):
        assert unpack_address(pack_address(address)) == address


def test_only_whole_signed_requests_count() -> None:
    good = request()
    for bad in (good[:-8], good[:-1] + b"\0", good + bytes(4), b"\x01" + good[1:], request(b"nocolon"), request(b":x")):
        with pytest.raises(BadPacket):
            stun.parse(bad)


def test_mutated_requests_are_refused_or_unsigned() -> None:
    """A stranger can repair the fingerprint; the signature still fails unless what is signed is unchanged."""
    good = stun.parse(request())
    passed = 0
    for data in mutated([request(), request(use_candidate=True), stun.success(good, HERE, PASSWORD)]):
        try:
            parsed = stun.parse(_refinished(data))
        except BadPacket:
            continue
        if stun.authentic(parsed, PASSWORD):
            assert (parsed.local, parsed.remote) == (b"ours", b"theirs")
        passed += 1
    assert 0 < passed < COUNT


def test_mutated_answers_are_refused_or_unsigned() -> None:
    question = stun.parse(request())
    good = [stun.success(question, HERE, PASSWORD), stun.success(question, THERE, PASSWORD)]
    passed = 0
    for data in mutated(good):
        stun.names(data)
        try:
            parsed = stun.parse_answer(_refinished(data))
        except BadPacket:
            continue
        if stun.authentic(parsed, PASSWORD):
            assert parsed.transaction == bytes(range(12))
        passed += 1
    assert 0 < passed < COUNT


def test_an_address_that_is_no_more_leaves_the_path_to_the_next_check() -> None:
    agent: Agent[str] = Agent()
    own = next(randoms())
    peer = agent.add("judge", own)
    agent.check(check(own), HERE)
    agent.check(check(own), THERE)
    assert agent.forget(THERE) is None, "it was not the path"
    assert agent.forget(HERE) is peer
    assert (peer.path, peer.addresses, agent.by_address) == (b"", [], {})
    assert agent.check(check(own), THERE).moved
    assert agent.forget(HERE) is None


def test_questions_are_asked_with_the_credentials_of_the_path_in_use() -> None:
    agent: Agent[str] = Agent()
    credentials = randoms()
    old, new = next(credentials), next(credentials)
    peer = agent.add("judge", old)
    agent.check(check(old), HERE)
    assert peer.question(bytes(12)) is None, "the answer is not there yet"
    peer.learn("x", "p" * 24)
    assert stun.parse(peer.question(bytes(12)) or b"").local == b"x"
    agent.restart(peer, new)
    peer.learn("y", "q" * 24)
    asked = stun.parse(peer.question(bytes(12)) or b"")
    assert (asked.local, asked.remote) == (b"x", old.ufrag.encode()), "until a new check has passed"
    agent.check(stun.request(bytes(12), f"{new.ufrag}:y".encode(), new.password.encode()), HERE)
    asked = stun.parse(peer.question(bytes(12)) or b"")
    assert (asked.local, asked.remote) == (b"y", new.ufrag.encode())
    assert stun.authentic(asked, b"q" * 24)
    for number in range(9):
        peer.learn(f"name{number}", "r" * 24)
    assert len(peer.remotes) == ice.MAX_REMOTES


def _refinished(data: bytes) -> bytes:
    import struct
    import zlib

    if len(data) < 28:
        return data
    body = data[:2] + struct.pack(">H", len(data) - 20) + data[4:-8]
    return body + struct.pack(">HHI", 0x8028, 4, zlib.crc32(body) ^ 0x5354554E)


def randoms() -> Iterator[ice.Credentials]:
    dice = random.Random(1)
    while True:
        yield ice.credentials(dice.randbytes)


_transactions = itertools.count(1)


def check(own: ice.Credentials, **options: bool) -> bytes:
    transaction = next(_transactions).to_bytes(12, "little")
    return stun.request(transaction, f"{own.ufrag}:x".encode(), own.password.encode(), **options)


def test_first_check_chooses_the_path_and_nomination_moves_it() -> None:
    agent: Agent[str] = Agent()
    own = next(randoms())
    peer = agent.add("judge", own)
    assert agent.check(check(own), HERE).moved
    assert peer.path == HERE
    other = pack_address(("192.0.2.2", 5000))
    assert not agent.check(check(own), other).moved
    assert agent.check(check(own, use_candidate=True), other).moved
    assert peer.path == other
    assert agent.by_address[HERE] is peer, "the first address may still send"


def test_unsigned_checks_move_nothing() -> None:
    agent: Agent[str] = Agent()
    own = next(randoms())
    peer = agent.add("judge", own)
    with pytest.raises(BadPacket):
        agent.check(stun.request(bytes(12), f"{own.ufrag}:x".encode(), b"guess", use_candidate=True), HERE)
    assert (peer.path, agent.by_address) == (b"", {})
    assert agent.check(stun.request(bytes(12), b"nobody:x", b"guess"), HERE) is None


def test_address_belongs_to_one_transport() -> None:
    agent: Agent[str] = Agent()
    credentials = randoms()
    one, two = next(credentials), next(credentials)
    first, second = agent.add("one", one), agent.add("two", two)
    agent.check(check(one), HERE)
    checked = agent.check(check(two), HERE)
    assert checked is not None
    assert checked.displaced is first
    assert (first.path, second.path) == (b"", HERE)
    agent.remove(second)
    assert agent.by_address == {}
    assert agent.check(check(two), HERE) is None


def test_addresses_of_a_transport_are_bounded_and_the_path_stays() -> None:
    agent: Agent[str] = Agent()
    own = next(randoms())
    peer = agent.add("judge", own)
    for port in range(1000, 1100):
        agent.check(check(own), pack_address(("192.0.2.1", port)))
    assert len(peer.addresses) == len(agent.by_address) == MAX_ADDRESSES
    assert peer.path == pack_address(("192.0.2.1", 1000))


def test_restart_keeps_the_old_credentials_until_the_new_ones_are_used() -> None:
    agent: Agent[str] = Agent()
    credentials = randoms()
    old, new, newest = next(credentials), next(credentials), next(credentials)
    peer = agent.add("judge", old)
    agent.check(check(old), HERE)
    agent.restart(peer, new)
    assert agent.check(check(old), HERE) is not None
    agent.restart(peer, newest)
    assert agent.check(check(old), HERE) is None, "two restarts back is forgotten"
    assert agent.check(check(newest), HERE).moved
    assert agent.check(check(new), HERE) is None
    agent.remove(peer)
    assert agent.check(check(newest), HERE) is None


def test_strangers_are_limited_by_host_and_forget_nothing_of_others() -> None:
    strangers = limits.Strangers()
    flood = [strangers.allow(pack_address(("192.0.2.9", port)), 0) for port in range(1024, 9024)]
    assert sum(flood) == limits.BURST
    assert strangers.allow(HERE, 0)
    assert sum(strangers.allow(pack_address(("192.0.2.9", 1)), 1_000_000) for _ in range(5000)) == limits.RATE
    for i in range(3 * limits.MAX_HOSTS):
        strangers.allow(pack_address((f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", 1)), 0)
    assert len(strangers._hosts) <= limits.MAX_HOSTS


def test_replayed_check_moves_nothing_and_a_repeated_one_is_answered() -> None:
    agent: Agent[str] = Agent()
    own = next(randoms())
    peer = agent.add("judge", own)
    original = check(own, use_candidate=True)
    assert agent.check(original, HERE).moved
    assert agent.check(original, HERE) is not None, "a client repeats what was not answered in time"
    for _ in range(2 * limits.GENERATION - 2):
        agent.check(check(own), HERE)
    with pytest.raises(BadPacket, match="stun_replay"):
        agent.check(original, pack_address(("192.0.2.66", 5000)))
    assert (peer.path, peer.addresses) == (HERE, [HERE])


def test_fresh_checks_are_hardly_ever_taken_for_replays() -> None:
    dice, seen = random.Random(2), limits.Seen()
    for _ in range(3 * limits.GENERATION):
        seen.add(dice.randbytes(12))
    assert sum(dice.randbytes(12) in seen for _ in range(20_000)) < 100


def test_address_in_use_is_not_given_away() -> None:
    agent: Agent[str] = Agent(lambda owner, address: owner == "judge" and address == HERE)
    credentials = randoms()
    one, two = next(credentials), next(credentials)
    first, second = agent.add("judge", one), agent.add("mallory", two)
    agent.check(check(one), HERE)
    with pytest.raises(BadPacket, match="address_in_use"):
        agent.check(check(two, use_candidate=True), HERE)
    assert (first.path, second.path, agent.by_address[HERE]) == (HERE, b"", first)


def test_budget_takes_a_meeting_and_stops_a_flood() -> None:
    def spend(packets: int, size: int, seconds: int) -> int:
        budget, taken = limits.Budget(), 0
        for i in range(packets * seconds):
            cost = size + limits.PACKET
            budget.left -= cost
            taken += budget.left >= 0 or budget.earns(cost, 1_790_000_000_000_000 + i * 1_000_000 // packets)
        return taken

    assert spend(1300, 1200, 20) == 26_000, "a large camera, a screen and a probe"
    assert spend(3500, 100, 20) == 70_000
    cost = 1200 + limits.PACKET
    earned = 20 * limits.MEDIA_RATE // cost
    assert earned <= spend(20_000, 1200, 20) <= earned + 2 * limits.MEDIA_BURST // cost


def test_bucket_lets_a_burst_and_then_its_rate_through() -> None:
    bucket = limits.Bucket(100, 50)
    assert sum(bucket.allow(1_000_000) for _ in range(1000)) == 50
    assert sum(bucket.allow(1_000_000 + i * 1000) for i in range(1000)) in (99, 100)
