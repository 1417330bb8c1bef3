"""A seat's transports: one that counts, one on its way, and nothing that is being closed."""

from __future__ import annotations

from courtroom.control.places import Places
from courtroom.control.routing import Stay
from courtroom.control.stays import Stays


def stay(seat: str, transport: str, key: str = "courtroom") -> Stay:
    return Stay(seat, transport, key, Places(1))


def test_transport_on_its_way_is_known_but_does_not_count() -> None:
    stays = Stays()
    stays.pending["anna"] = stay("anna", "t-1")
    assert stays.seat_of("t-1") == "anna"
    assert stays.owns("anna", "t-1")
    assert not stays.owns("bert", "t-1")
    assert not stays.is_current("t-1")
    assert stays.by_transport() == {}
    arrived = stays.connected("t-1")
    assert arrived is not None
    assert not stays, "the caller says from when it counts"
    assert stays.connected("t-1") is None


def test_closed_transport_names_the_seat_only_when_it_counted() -> None:
    stays = Stays()
    stays.current["anna"] = stay("anna", "t-1")
    stays.pending["anna"] = stay("anna", "t-2")
    assert stays.gone("t-2") is None
    assert stays.gone("t-1") == "anna"
    assert not stays


def test_what_is_handed_out_to_be_closed_is_no_longer_here() -> None:
    stays = Stays()
    for seat in ("anna", "bert"):
        stays.current[seat] = stay(seat, f"{seat}-1")
        stays.pending[seat] = stay(seat, f"{seat}-2", "waiting")
    for one in stays.misplaced({"anna": "waiting", "bert": None}):
        assert stays.seat_of(one.transport) is None
    assert stays.seat_of("anna-2") == "anna"
    assert stays.by_transport() == {}
    assert [one.transport for one in stays.leaving("anna")] == ["anna-2"]
    assert not stays
