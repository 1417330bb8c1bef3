"""A browser's journal: chains, clocks, and what its facts may and may not do."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courtroom.hearing import clientjournal as j
from courtroom.hearing import presence
from courtroom.hearing.model import Cause, Presence, Seat, Spell
from tests.hearing.house import PLANS

S = 1_000_000
AT = 1_790_000_000 * S
EXACT = j.Clock(0, 1000)


def chain(*kinds: str, first: str = "f" * 64, start: int = 1) -> list[j.Note]:
    notes: list[j.Note] = []
    before = first
    for n, kind in enumerate(kinds, start):
        blank = j.Note(n, n * 1000, n * 1000, kind, {"n": n, "word": "a b"}, "")
        before = j.hash_of(before, blank)
        notes.append(j.Note(blank.n, blank.at, blank.up, kind, blank.detail, before))
    return notes


def note(kind: str, at_us: int, **detail: int | str) -> j.Note:
    return j.Note(1, at_us // 1000, 0, kind, detail, "0" * 64)


# --- chains -------------------------------------------------------------------------------------------------------


def test_a_chain_holds_from_its_first_hash_alone() -> None:
    notes = chain("a", "b", "c")
    assert j.holding(0, "f" * 64, notes) == 3
    assert j.holding(0, "e" * 64, notes) == 0
    assert j.holding(1, notes[0].hash, notes[1:]) == 2
    assert j.holding(0, "f" * 64, notes[1:]) == 0


@given(st.integers(0, 2), st.sampled_from(["at", "up", "kind", "detail", "hash", "n"]))
def test_any_change_ends_the_chain_where_it_is(place: int, what: str) -> None:
    notes = chain("a", "b", "c")
    was = notes[place]
    other: dict[str, Any] = {
        "at": was.at + 1, "up": was.up + 1, "kind": "x", "detail": {**was.detail, "n": 9},
        "hash": "1" * 64, "n": was.n + 1,
    }  # fmt: skip
    changed = {name: getattr(was, name) for name in ("n", "at", "up", "kind", "detail", "hash")} | {what: other[what]}
    notes[place] = j.Note(**changed)
    assert j.holding(0, "f" * 64, notes) == place


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 0}, {"at": -1}, {"up": 2**60}, {"kind": ""}, {"kind": "Ü"}, {"kind": "a" * 40}, {"detail": {"x": True}},
        {"detail": {"x": "你"}}, {"detail": {"x": '"'}}, {"detail": {"x": "a" * 200}}, {"detail": {"x": 2**60}},
        {"detail": {"X": 1}}, {"detail": {f"k{n}": n for n in range(20)}}, {"hash": "x"},
    ],
)  # fmt: skip
def test_what_has_two_spellings_is_no_entry(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"n": 1, "at": 1, "up": 1, "kind": "a", "detail": {}, "hash": "0" * 64}
    assert j.readable(j.Note(**right))
    assert not j.readable(j.Note(**{**right, **wrong}))


def test_a_first_hash_is_of_one_seat() -> None:
    hashes = {j.first_hash(c, h, s) for c in ("a", "b") for h in ("h-1", "h-2") for s in ("s-1", "s-2")}
    assert len(hashes) == 8


def test_a_clock_that_falls_back_is_seen_and_sleep_is_not_taken_for_it() -> None:
    awake = [j.Note(1, 10_000, 0, "a", {}, ""), j.Note(2, 11_000, 1000, "a", {}, "")]
    slept = [*awake, j.Note(3, 900_000, 2000, "a", {}, "")]
    assert j.stepped(slept) == 0
    assert j.stepped([*awake, j.Note(3, 5000, 2000, "a", {}, "")]) == 7000


# --- clocks -------------------------------------------------------------------------------------------------------


@given(
    st.integers(-(10**12), 10**12),
    st.lists(
        st.tuples(st.integers(0, 400_000), st.integers(0, 400_000), st.integers(0, 50_000)), min_size=1, max_size=8
    ),
)
def test_the_true_offset_lies_within_the_bound(offset: int, trips: list[tuple[int, int, int]]) -> None:
    samples = []
    for k, (there, back, work) in enumerate(trips):
        t1 = AT + k * S + there
        samples.append((AT + k * S - offset, t1, t1 + work, t1 + work + back - offset))
    clock = j.clock_of(samples)
    assert clock is not None
    assert abs(clock.offset_us - offset) <= clock.error_us
    assert clock.error_us <= 400_000 + 1


def test_exchanges_that_cannot_be_are_not_counted() -> None:
    assert j.clock_of([]) is None
    assert j.clock_of([(10, 0, 5, 11), (0, 10, 5, 20), (0, 0, 0, j.NO_CLOCK_US + 1)]) is None


# --- facts --------------------------------------------------------------------------------------------------------


def everything() -> set[str]:
    """Every fact that any entry can become."""
    found: set[str] = set()
    for kind in j.KINDS:
        for detail in (
            {}, {"hidden": 0}, {"hidden": 1}, {"percent": 3, "charging": 0}, {"device": "camera", "is": "ended"},
            {"device": "microphone", "is": "lost"}, {"is": "denied"}, {"is": "down"}, {"ms": 10**6, "hidden": 1},
            {"loss_permille": 900}, {"rtt_ms": 9000}, {"is": "worker_died"}, {"device": "leave_click", "is": "ended"},
        ):  # fmt: skip
            row = j.row_of(note(kind, AT, **detail), EXACT)
            if row is not None:
                found.add(str(row["fact"]))
    return found


def test_no_word_of_a_client_speaks_of_a_will_or_of_our_fault() -> None:
    facts = everything()
    assert {"client_offline", "client_slept", "battery_low", "page_crashed", "high_loss"} <= facts
    assert not facts & presence.VOLUNTARY
    assert not any(Cause.PLATFORM_FAILURE in presence.FACTS.get(fact, ()) for fact in facts - {presence.CLIENT_OFFLINE})


def test_whatever_a_client_says_no_leaving_becomes_deliberate() -> None:
    facts = sorted(everything())
    for count in range(4):
        for some in combinations(facts, count):
            for seen in ((), ("socket_dropped",), ("socket_closed_clean",), ("media_silent", "heartbeat_silent")):
                rows = [{"fact": fact, "at": AT, "clock": "client"} for fact in (*some, *seen)]
                assert presence.attribute(rows) not in (Cause.LEFT_DELIBERATELY, Cause.PLATFORM_FAILURE)


def test_our_own_fault_stays_first_whatever_a_client_adds() -> None:
    for ours in ("worker_died", "control_restarted", "host_overloaded", "media_port_silent"):
        rows = [{"fact": fact, "at": AT, "clock": "client"} for fact in everything()]
        assert presence.attribute([*rows, {"fact": ours, "at": AT}]) is Cause.PLATFORM_FAILURE


@pytest.mark.parametrize(
    ("kind", "detail", "fact"),
    [
        ("battery", {"percent": 20, "charging": 0}, ""), ("battery", {"percent": 10, "charging": 0}, "battery_low"),
        ("battery", {"percent": 3, "charging": 1}, ""), ("sleep", {"ms": 9000, "hidden": 0}, "client_slept"),
        ("sleep", {"ms": 60_000, "hidden": 1}, ""), ("sleep", {"ms": 600_000, "hidden": 1}, "client_slept"),
        ("permission", {"is": "granted"}, ""), ("track", {"device": "camera", "is": "muted"}, ""),
        ("quality", {"loss_permille": 90, "rtt_ms": 30}, ""), ("online", {}, "client_online"), ("begun", {}, ""),
    ],
)  # fmt: skip
def test_kinds_become_facts(kind: str, detail: dict[str, int | str], fact: str) -> None:
    row = j.row_of(note(kind, AT, **detail), EXACT)
    assert (row["fact"] if row else "") == fact
    if row is not None:
        assert presence.clean([row], AT) == (row,)  # fit for the ledger as it is


# --- interruptions ------------------------------------------------------------------------------------------------


def away(*spans: tuple[int, int]) -> Seat:
    spells = [
        Spell(Presence.INTERRUPTED, AT + since * S, AT + until * S if until else 0, Cause.NETWORK_LOST, (), 10 + k)
        for k, (since, until) in enumerate(spans)
    ]
    return Seat(PLANS[3], timeline=tuple(spells))


def belongs(seat: Seat, kind: str, at_s: float, clock: j.Clock = EXACT, **detail: int | str) -> list[int]:
    found = j.by_interruption(seat, [note(kind, AT + int(at_s * S), **detail)], clock, AT + 10_000 * S)
    return list(found)


def test_an_entry_belongs_to_the_interruption_it_lies_in_or_leads_to() -> None:
    seat = away((100, 130), (300, 0))
    assert belongs(seat, "offline", 99) == [10]
    assert belongs(seat, "offline", 120) == [10]
    assert belongs(seat, "offline", 200) == []
    assert belongs(seat, "offline", 295) == [11]
    assert belongs(seat, "offline", 9_000) == [11]
    assert belongs(seat, "offline", 50) == []


def test_a_low_battery_reaches_far_ahead_and_a_bad_line_only_back() -> None:
    seat = away((1000, 1030))
    assert belongs(seat, "battery", 400, percent=4, charging=0) == [10]
    assert belongs(seat, "quality", 980, loss_permille=500, rtt_ms=1) == [10]
    assert belongs(seat, "quality", 997, loss_permille=500, rtt_ms=1) == []  # noticed two seconds after it began
    assert belongs(seat, "quality", 1010, loss_permille=500, rtt_ms=1) == []  # that is the cut itself


def test_what_an_earlier_cut_left_in_the_readings_is_no_bad_line() -> None:
    seat = away((100, 110), (150, 160))
    for at, found in ((97, []), (105, []), (124, []), (127, [11]), (146, [])):
        assert belongs(seat, "quality", at, loss_permille=500, rtt_ms=1) == found, at
    assert belongs(seat, "quality", 127, j.Clock(0, 3 * S), loss_permille=500, rtt_ms=1) == []  # 3 s either way


def test_a_sleep_and_a_crash_count_from_their_beginning() -> None:
    seat = away((100, 130))
    assert belongs(seat, "sleep", 130, ms=31_000, hidden=0) == [10]
    assert belongs(seat, "crashed", 700, last=(AT + 99 * S) // 1000) == [10]
    assert belongs(seat, "crashed", 700, last=(AT + 400 * S) // 1000) == []


def test_of_two_interruptions_close_together_the_one_that_followed_counts() -> None:
    """As Chromium wrote it: stopped half a second after coming back, crashed two seconds after the next return."""
    seat = away((100, 104), (109, 113), (115, 117))
    assert belongs(seat, "sleep", 112.5, ms=8000, hidden=0) == [11]
    assert belongs(seat, "crashed", 116, last=(AT + 112 * S) // 1000) == [12]
    assert belongs(seat, "offline", 104.5) == [11]
    assert belongs(seat, "offline", 103.5) == [10]
    assert belongs(seat, "offline", 118.5) == [12]


def test_a_crashed_page_is_a_failure_of_the_device_though_its_browser_said_good_bye() -> None:
    def cause(*facts: str) -> Cause:
        return presence.attribute([{"fact": fact, "at": AT, "clock": "court"} for fact in facts])

    assert cause("socket_closed_clean", "page_crashed") is Cause.DEVICE_FAILURE
    assert cause("socket_dropped", "page_crashed") is Cause.DEVICE_FAILURE
    assert cause("socket_closed_clean", "page_hide", "page_crashed") is Cause.CLOSED_PAGE
    assert cause("leave_click", "page_crashed") is Cause.LEFT_DELIBERATELY


def test_the_bound_of_the_clock_widens_the_search_and_a_hopeless_clock_says_nothing() -> None:
    seat = away((100, 130))
    assert belongs(seat, "offline", 70) == []
    assert belongs(seat, "offline", 70, j.Clock(0, 15 * S)) == [10]
    assert belongs(seat, "offline", 100 - 3600, j.Clock(3600 * S, S)) == [10]
    assert belongs(seat, "offline", 100, j.Clock(0, j.NO_CLOCK_US)) == []


def test_one_upload_gives_an_interruption_a_bounded_number_of_rows() -> None:
    seat = away((100, 130))
    notes = [note("offline", AT + 110 * S) for _ in range(500)]
    assert len(j.by_interruption(seat, notes, EXACT, AT)[10]) == j.MAX_ROWS
