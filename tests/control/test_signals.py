"""What stands beside a loss: the line before it, the browser's live word, our port, and who dropped together."""

from __future__ import annotations

from dataclasses import replace

from courtroom.control.signals import Port, Reading, Signals
from courtroom.hearing import presence
from courtroom.hearing.commands import ObserveLoss
from courtroom.hearing.model import Cause, Presence, Spell
from courtroom.hearing.presence import Row
from tests.hearing.house import CLERK, DEFENDANT, JUDGE, PLAINTIFF, PLANS, House

S = 1_000_000
PARTIES = (PLAINTIFF, DEFENDANT, "seat-counsel")


def house() -> House:
    """Five seats in session."""
    return House(plans=tuple(plan for plan in PLANS if plan.id in (JUDGE, CLERK, *PARTIES))).in_session()


def facts(rows: tuple[Row, ...]) -> list[str]:
    return [str(row["fact"]) for row in rows]


def read(
    signals: Signals, at: int, loss: int, *, seconds: int = 60, rtt: int = 40_000, last: int | None = None
) -> None:
    for k in range(seconds, 0, -1):
        now = at - k * S
        signals.read(PLAINTIFF, Reading(now, loss if k > 5 or last is None else last, rtt, 3000))


def heard(at: int, *, transports: int = 4, silent_s: int = 0) -> Port:
    """A port as told once a second until ``at``; nothing came in the last ``silent_s`` of them."""
    port = Port()
    for k in range(20, 0, -1):
        port.told(at - k * S + S // 2, 1000 - max(k, silent_s), transports)
    return port


def test_the_last_minute_of_the_line_stands_beside_a_loss() -> None:
    court, signals = house(), Signals()
    read(signals, court.now, 20, seconds=90)
    (row,) = signals.at_loss(court.hearing, PLAINTIFF, court.now, None)
    assert (row["fact"], row["readings"], row["loss_permille"], row["rtt_us"]) == ("line_quality", 60, 20, 40_000)
    assert presence.clean([row], court.now) == (row,)
    assert signals.at_loss(court.hearing, PLAINTIFF, court.now, None) == ()  # each loss has its own minute


def test_a_line_that_was_bad_before_is_called_bad_and_a_cut_is_not() -> None:
    court = house()
    for loss, rtt, last, bad in ((300, 40_000, None, True), (0, 2 * S, None, True), (0, 40_000, 1000, False)):
        signals = Signals()
        read(signals, court.now, loss, rtt=rtt, last=last)
        rows = facts(signals.at_loss(court.hearing, PLAINTIFF, court.now, None))
        assert (presence.HIGH_LOSS in rows) is bad


def test_what_an_earlier_cut_left_in_the_readings_is_not_the_line() -> None:
    court = house()
    for ago, bad in ((60, True), (22, False)):  # read from 40 s, or from 2 s, after the return
        signals, now = Signals(), court.now
        read(signals, now, 300, seconds=20)
        gap = Spell(Presence.INTERRUPTED, now - (ago + 5) * S, now - ago * S, Cause.NETWORK_LOST, (), 7)
        hearing = court.hearing
        seat = replace(hearing.seats[PLAINTIFF], timeline=(gap, Spell(Presence.PRESENT, now - ago * S)))
        hearing = replace(hearing, seats={**hearing.seats, PLAINTIFF: seat})
        rows = facts(signals.at_loss(hearing, PLAINTIFF, now, None))
        assert "line_quality" in rows
        assert (presence.HIGH_LOSS in rows) is bad


def test_a_browsers_word_stands_until_it_says_otherwise_or_is_old() -> None:
    court, signals = house(), Signals()
    now = court.now
    low: Row = {"fact": "battery_low", "at": now, "clock": "client"}
    assert signals.stands(PLAINTIFF, low, now)
    assert signals.stands(PLAINTIFF, {"fact": "page_hidden", "at": now, "clock": "client"}, now)
    assert not signals.stands(PLAINTIFF, {"fact": "page_hide", "at": now, "clock": "client"}, now)
    assert facts(signals.at_loss(court.hearing, PLAINTIFF, now + 600 * S, None)) == ["battery_low", "page_hidden"]
    assert facts(signals.at_loss(court.hearing, PLAINTIFF, now + 1000 * S, None)) == ["page_hidden"]
    signals.stands(PLAINTIFF, {"fact": "page_shown", "at": now, "clock": "client"}, now)
    signals.stands(PLAINTIFF, low, now)
    signals.stands(PLAINTIFF, {"fact": "charging", "at": now, "clock": "client"}, now)
    assert signals.at_loss(court.hearing, PLAINTIFF, now, None) == ()


def test_trouble_of_our_disk_stands_for_a_minute() -> None:
    court, signals = house(), Signals()
    signals.trouble(court.now, "disk_slow")
    assert facts(signals.at_loss(court.hearing, PLAINTIFF, court.now + 59 * S, None)) == ["capture_trouble"]
    assert signals.at_loss(court.hearing, PLAINTIFF, court.now + 61 * S, None) == ()


# --- several at once ----------------------------------------------------------------------------------------------


def drop(court: House, signals: Signals, seat: str, port: Port) -> Cause:
    """One seat's loss as the actor records it."""
    rows = signals.at_loss(court.hearing, seat, court.now, port)
    silent: Row = {"fact": "heartbeat_silent", "at": court.now, "clock": "court"}
    court.do(ObserveLoss(seat=seat, connection=court.seat(seat).connection, evidence=(silent, *rows)))
    cause = court.seat(seat).timeline[-1].cause
    assert cause is not None
    return cause


def seated(court: House, signals: Signals, networks: dict[str, str]) -> None:
    for id_, seat in court.hearing.seats.items():
        if seat.connected:
            signals.network(id_, networks.get(id_, "court"))


def test_a_port_that_hears_nobody_is_our_fault() -> None:
    court, signals = house(), Signals()
    port = heard(court.now, silent_s=3)
    assert port.silent(court.now)
    assert drop(court, signals, PLAINTIFF, port) is Cause.PLATFORM_FAILURE


def test_one_silent_seat_among_heard_ones_is_not() -> None:
    court, signals = house(), Signals()
    port = heard(court.now)
    assert port.alive(court.now)
    assert not port.silent(court.now)
    assert drop(court, signals, PLAINTIFF, port) is Cause.NETWORK_LOST


def test_a_port_with_too_few_to_hear_or_without_news_says_nothing() -> None:
    court = house()
    assert not heard(court.now, silent_s=3, transports=2).silent(court.now)
    old = heard(court.now - 30 * S, silent_s=3)
    assert not old.silent(court.now)
    assert not old.alive(court.now)
    assert not Port().silent(court.now)


def test_three_at_once_behind_one_network_are_that_network_while_others_are_heard() -> None:
    court, signals = house(), Signals()
    seated(court, signals, dict.fromkeys(PARTIES, "carrier"))
    causes = [drop(court, signals, seat, heard(court.now)) for seat in PARTIES]
    assert causes == [Cause.NETWORK_LOST] * 3
    assert presence.SAME_NETWORK in facts(court.seat(PARTIES[-1]).timeline[-1].evidence)


def test_three_at_once_from_several_networks_point_at_us() -> None:
    court, signals = house(), Signals()
    seated(court, signals, {seat: f"carrier-{n}" for n, seat in enumerate(PARTIES)})
    causes = [drop(court, signals, seat, heard(court.now)) for seat in PARTIES]
    assert causes[-1] is Cause.PLATFORM_FAILURE
    assert {court.seat(seat).timeline[-1].cause for seat in PARTIES} == {Cause.PLATFORM_FAILURE}  # the first ones, too


def test_everybody_behind_one_proxy_points_at_us() -> None:
    """Without anybody elsewhere nothing shows that our side was well."""
    court, signals = house(), Signals()
    seated(court, signals, dict.fromkeys(court.hearing.seats, "proxy"))
    causes = [drop(court, signals, seat, heard(court.now)) for seat in (*PARTIES, CLERK, JUDGE)]
    assert causes[2:] == [Cause.PLATFORM_FAILURE] * 3
