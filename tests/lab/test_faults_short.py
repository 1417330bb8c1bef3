"""The fault matrix in short: its instruments tell the truth, and a handful of faults is attributed as it says."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.lab import carrier as carriers
from tests.lab import faults, proxy, report
from tests.lab.carrier import Subscriber
from tests.lab.test_short import laboratory

needs_carrier = pytest.mark.skipif(bool(carriers.available()), reason=carriers.available() or "a carrier")

ASK = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.settimeout(0.3)
heard = set()
for number in range(int(sys.argv[3])):
    try:
        one.sendto(b"%d" % number, (sys.argv[1], int(sys.argv[2])))
    except OSError:
        break  # no way there
    one.setblocking(False)
    try:
        heard.add(one.recv(64))
    except OSError:
        pass
one.settimeout(0.3)
try:
    while True:
        heard.add(one.recv(64))
except OSError:
    pass
print(len(heard))
"""


@contextmanager
def echo(address: str) -> Iterator[tuple[int, list[str]]]:
    """A port of ours that answers, and from whom it heard."""
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ours.bind((address, 0))
    heard: list[str] = []

    def answer() -> None:
        while True:
            data, peer = ours.recvfrom(64)
            if data == b"end":
                return
            heard.append(peer[0])
            ours.sendto(data, peer)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield ours.getsockname()[1], heard
    finally:
        ours.sendto(b"end", ours.getsockname())
        thread.join()
        ours.close()


# --- pure parts -----------------------------------------------------------------------------------


def test_a_plan_is_of_its_seed_and_has_every_fault_as_often() -> None:
    made = faults.plan(3, 4)
    assert made == faults.plan(3, 4) != faults.plan(4, 4)
    assert sorted(one.fault for one in made) == sorted(name for name in faults.FAULTS for _ in range(4))
    assert len({one.victim for one in made}) == 3
    assert set(faults.HARMS) == set(faults.FAULTS)


def loss(seq: int, seat: str, cause: str, *facts: str) -> dict[str, Any]:
    body = {"seat": seat, "cause": cause, "evidence": [{"fact": fact, "weighs": "for"} for fact in facts]}
    return {"seq": seq, "at": seq, "type": "seat_disconnected", "body": body}


def later(seq: int, seat: str, cause: str, spell: int) -> dict[str, Any]:
    body = {"seat": seat, "cause": cause, "evidence": [{"fact": "client_slept"}], "spell": spell}
    return {"seq": seq, "at": seq, "type": "cause_attributed", "body": body}


def verdict(fault: str, *entries: dict[str, Any], camera: tuple[str, ...] = ()) -> faults.Outcome:
    outcome = faults.Outcome(0, fault, "plaintiff", faults.FAULTS[fault].cause.value, camera=list(camera))
    trial = faults.Trial(0, fault, "plaintiff", "", 0)
    seats = {"p": "plaintiff", "d": "defendant", "t": "third_party", "j": "presiding_judge"}
    faults.judge(outcome, faults.interruptions(entries, seats), faults.hit(trial))
    return outcome


def test_the_last_word_on_each_interruption_counts() -> None:
    first, second = loss(1, "p", "network_lost", "media_silent"), loss(2, "p", "network_lost")
    assert not verdict("lid_closed", first).exact
    found = verdict("lid_closed", first, later(3, "p", "power_suspected", 1))
    assert found.exact
    assert found.interruptions[0]["facts"] == ["media_silent for", "later client_slept"]
    assert not verdict("lid_closed", first, second, later(3, "p", "power_suspected", 1)).exact
    assert verdict(
        "lid_closed", first, second, later(3, "p", "power_suspected", 1), later(4, "p", "power_suspected", 0)
    ).exact


def test_staying_counts_only_where_it_is_right_and_others_must_not_be_hit() -> None:
    assert not verdict("wifi_off").exact
    assert verdict("loss_30").exact
    assert not verdict("loss_30", loss(1, "d", "network_degraded")).exact
    three = [loss(at, seat, "network_lost") for at, seat in enumerate("pdt", 1)]
    assert verdict("carrier_out", *three).exact
    assert not verdict("carrier_out", *three[:2]).exact
    assert not verdict("camera_unplugged").exact
    assert verdict("camera_unplugged", camera=("on", "lost")).exact


def test_blame_is_seen_at_once_and_in_the_end() -> None:
    mended = verdict("proxy_restarted", loss(1, "p", "network_lost"), later(2, "p", "platform_failure", 1))
    assert (mended.exact, mended.charged_at_once, mended.charged) == (True, True, False)
    assert verdict("proxy_restarted", loss(1, "p", "network_lost")).charged
    assert verdict("wifi_off", loss(1, "p", "left_deliberately"), later(2, "p", "network_lost", 1)).deliberate
    assert not verdict("leave_click", loss(1, "p", "left_deliberately")).deliberate


# --- the carrier ----------------------------------------------------------------------------------


@needs_carrier
def test_a_carrier_loses_cuts_and_moves_whom_it_is_told_to() -> None:
    with carriers.carrier(2) as line, echo(line.near) as (port, heard):
        one, other = line.subscribers

        def asks(who: Subscriber, times: int) -> int:
            """How many answers came back."""
            heard.clear()
            words = ["ip", "netns", "exec", who.name, sys.executable, "-c", ASK, line.near, str(port), str(times)]
            return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[-1])

        assert asks(one, 20) == 20
        assert set(heard) == {one.addresses[0]}
        line.loses(one, 30)
        assert 60 <= asks(one, 200) <= 136, "0.7 of 0.7 of 200 is 98"
        assert asks(other, 20) == 20
        line.well()
        line.deaf_to(one)
        assert asks(one, 5) == 0
        assert not heard
        line.well()
        line.out()
        assert asks(one, 5) == asks(other, 5) == 0
        line.well()
        one.off()
        assert asks(one, 5) == 0
        one.other_link()
        one.on()
        assert asks(one, 20) == 20
        assert set(heard) == {one.addresses[1]}


# --- real courts ----------------------------------------------------------------------------------


@pytest.mark.e2e
@needs_carrier
@pytest.mark.skipif(bool(proxy.available()), reason=proxy.available() or "a proxy")
def test_a_handful_of_faults_is_named_and_nobody_is_blamed() -> None:
    laboratory("faults", "--name", "faults-short", "--runs", "1", "--only", ",".join(faults.SHORT))
    found = report.earlier("faults-short")
    assert {one["fault"] for one in found["outcomes"]} == set(faults.SHORT)
    for one in found["outcomes"]:
        assert one["exact"], one
        assert not any(one[blame] for blame in ("deliberate", "charged", "charged_at_once")), one
