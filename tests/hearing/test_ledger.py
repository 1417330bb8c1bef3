from __future__ import annotations

import dataclasses
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from courtroom.errors import BadMessage
from courtroom.hearing import commands as c
from courtroom.hearing import ledger
from courtroom.hearing.events import EVENTS, Event
from courtroom.hearing.founding import found
from courtroom.hearing.model import Case, Phase, Policy, SeatPlan
from tests.hearing.house import CASE, CLERK, JUDGE, LI, PLAINTIFF, PLANS, WANG, House

texts = st.text(st.characters(codec="utf-8"), max_size=40)
integers = st.integers(-ledger.MAX_INT, ledger.MAX_INT)
rows = st.dictionaries(texts, texts | integers, max_size=4)
values = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)

_FIELDS = {
    "str": texts,
    "int": integers,
    "bool": st.booleans(),
    "tuple[str, ...]": st.lists(texts, max_size=3).map(tuple),
    "dict[str, str | int]": rows,
    "tuple[dict[str, str | int], ...]": st.lists(rows, max_size=3).map(tuple),
    "Case": st.builds(Case),
    "Policy": st.builds(Policy),
    "tuple[SeatPlan, ...]": st.lists(st.builds(SeatPlan), max_size=3).map(tuple),
}


def an_event(kind: type[Event]) -> st.SearchStrategy[Event]:
    return st.builds(kind, **{part.name: _FIELDS[str(part.type)] for part in dataclasses.fields(kind)})


any_event = st.sampled_from(sorted(EVENTS.values(), key=lambda kind: kind.__name__)).flatmap(an_event)


def a_sitting() -> House:
    house = House()
    house.in_session()
    house.do(c.Call(actor=JUDGE, seat=WANG))
    house.lose(PLAINTIFF, "media_silent")
    house.do(c.MakeRequest(actor=LI, kind="speak", text="我想发言 “now” \n ☃"))
    house.do(c.CloseHearing(actor=JUDGE))
    return house


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_survives_the_ledger(name: str) -> None:
    @settings(max_examples=25, deadline=None)
    @given(an_event(EVENTS[name]))
    def round_trip(event: Event) -> None:
        entry = ledger.entry_for("h", 1, 5, "system", event, ledger.FIRST)
        line = ledger.to_line(entry)
        assert ledger.event_of(ledger.from_line(line)) == event
        assert ledger.from_line(line.encode() + b"\n") == entry
        assert entry.type == name

    round_trip()


@given(values)
def test_canonical_has_one_spelling_and_loses_nothing(value: object) -> None:
    spelled = ledger.canonical(value)
    assert json.loads(spelled) == value
    assert ledger.canonical(json.loads(spelled)) == spelled


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), (1,), {1: 2}, 2**53, -(2**53), b"x", {"a": [0.5]}, "\ud800", {1, 2}]
)
def test_what_has_no_one_spelling_has_no_place(value: object) -> None:
    with pytest.raises(TypeError):
        ledger.canonical(value)


def test_nesting_is_bounded() -> None:
    value: list[object] = []
    for _ in range(40):
        value = [value]
    with pytest.raises(TypeError):
        ledger.canonical(value)
    with pytest.raises(BadMessage):
        ledger.from_line("[" * 100_000)


def test_hash_is_what_the_docstring_says() -> None:
    import hashlib

    entry = House().entries[0]
    content = {key: getattr(entry, key) for key in ("hearing", "seq", "at", "actor", "type", "v", "body")}
    spelled = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert entry.prev == "0" * 64
    assert entry.hash == hashlib.sha256(("0" * 64 + spelled).encode()).hexdigest()


def test_a_sitting_verifies_and_replays_to_the_same_state() -> None:
    house = a_sitting()
    lines = [ledger.to_line(entry) for entry in house.entries]
    entries = [ledger.from_line(line) for line in lines]
    assert ledger.verify_chain(entries) is None
    assert ledger.replay(entries) == house.hearing
    assert house.hearing.phase is Phase.CLOSED


def test_each_changed_byte_of_each_line_is_found() -> None:
    entries = a_sitting().entries[:24]
    lines = [ledger.to_line(entry).encode() for entry in entries]
    tried = 0
    for number, line in enumerate(lines):
        for offset in range(0, len(line), 1 if number < 2 else 7):
            forged = line[:offset] + bytes([line[offset] ^ 1]) + line[offset + 1 :]
            try:
                read = ledger.from_line(forged)
            except BadMessage:
                continue
            problem = ledger.verify_chain([*entries[:number], read, *entries[number + 1 :]])
            assert problem is not None, (number, offset)
            assert problem.seq in (number + 1, number + 2), (number, offset)
            tried += 1
    assert tried > 300


@pytest.mark.parametrize("field", [part.name for part in dataclasses.fields(ledger.Entry)])
def test_each_changed_field_is_found_at_its_entry(field: str) -> None:
    entries = a_sitting().entries
    old = entries[5]
    forged: dict[str, Any] = {
        "hearing": "h-other", "seq": 7, "at": old.at + 1, "actor": "seat-li", "type": "hand_raised", "v": 2,
        "body": {**old.body, "seat": LI}, "prev": "f" * 64, "hash": "e" * 64,
    }  # fmt: skip
    problem = ledger.verify_chain([*entries[:5], dataclasses.replace(old, **{field: forged[field]}), *entries[6:]])
    assert problem is not None
    assert problem.seq == 6


def test_missing_doubled_and_swapped_entries_are_found() -> None:
    entries = a_sitting().entries
    assert ledger.verify_chain(entries[1:]) == ledger.Problem(1, "seq")
    assert ledger.verify_chain([*entries[:4], *entries[5:]]) == ledger.Problem(5, "seq")
    assert ledger.verify_chain([*entries[:5], entries[4], *entries[5:]]) == ledger.Problem(6, "seq")
    assert ledger.verify_chain([entries[1], entries[0], *entries[2:]]) == ledger.Problem(1, "seq")


def test_a_shortened_ledger_is_found_by_its_signed_head() -> None:
    entries = a_sitting().entries
    last = entries[-1]
    head = ledger.SignedHead("h-test", last.seq, last.hash, last.at, "ab", "cd")
    assert ledger.verify_chain(entries[:-1]) is None
    assert ledger.verify_head(entries, head) is None
    assert ledger.verify_head(entries[:-1], head) == ledger.Problem(last.seq, "head")
    assert ledger.head_from_line(ledger.to_line(head)) == head
    assert ledger.head_bytes("h", 1, "a", 2) != ledger.head_bytes("h", 1, "a", 3)


@given(st.text(max_size=200) | values.map(json.dumps))
def test_no_line_breaks_the_reader(line: str) -> None:
    with pytest.raises(BadMessage):
        ledger.from_line(line)


def test_duplicate_keys_other_spellings_and_floats_are_no_lines() -> None:
    line = ledger.to_line(House().entries[0])
    swaps = {
        '"seq":1,': ('"seq":1,"seq":1,', '"seq":1.0,', '"seq":true,', '"seq": 1,', ""),
        "测": ("\\u6d4b",),
        '"v":3}': ('"v":3,"x":1}', '"v":3} ', '"v":3}\n\n'),
    }
    for forged in (" " + line, *(line.replace(old, new, 1) for old, news in swaps.items() for new in news)):
        assert forged != line
        with pytest.raises(BadMessage):
            ledger.from_line(forged)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "hearing_deleted"}, "ledger_event_unknown"),
        ({"v": 2}, "ledger_event_version"),
        ({"v": 0}, "ledger_event_version"),
        ({"body": {}}, "ledger_event_fields"),
        ({"body": {"seat": 5}}, "ledger_event_fields"),
        ({"body": {"seat": "a", "more": 1}}, "ledger_event_fields"),
    ],
)
def test_unknown_events_and_wrong_bodies_are_refused(change: dict[str, Any], code: str) -> None:
    from courtroom.hearing.events import HandRaised

    entry = dataclasses.replace(ledger.entry_for("h", 1, 1, "s", HandRaised(seat="s"), ledger.FIRST), **change)
    with pytest.raises(BadMessage) as refusal:
        ledger.event_of(entry)
    assert refusal.value.code == code


def test_a_ledger_that_does_not_begin_with_its_creation_is_refused() -> None:
    entries = a_sitting().entries
    with pytest.raises(BadMessage):
        ledger.replay([])
    with pytest.raises(BadMessage):
        ledger.replay(entries[1:])


def test_a_forged_word_is_a_bad_message_and_no_crash() -> None:
    from courtroom.hearing.events import PhaseChanged

    first = House().entries[0]
    forged = ledger.entry_for("h-test", 2, first.at, "system", PhaseChanged(phase="party", previous=""), first.hash)
    with pytest.raises(BadMessage):
        ledger.replay([first, forged])


def test_names_are_not_in_the_ledger() -> None:
    from tests.hearing.house import NAMES

    written = "".join(ledger.to_line(entry) for entry in a_sitting().entries)
    assert not any(name in written for name in NAMES.values())


def test_the_creation_is_the_first_event() -> None:
    created = found(CASE, Policy(), 5, PLANS)
    assert ledger.replay([ledger.entry_for("h", 1, 1, "system", created, ledger.FIRST)]).id == "h"
    assert CLERK in ledger.replay([ledger.entry_for("h", 1, 1, "system", created, ledger.FIRST)]).seats


MUTATIONS = 100_000


def test_a_hundred_thousand_mutated_lines_give_our_own_error_and_nothing_else() -> None:
    dice = random.Random(20260801)
    lines = [ledger.to_line(entry).encode() for entry in a_sitting().entries]
    pieces = [
        b"",
        b"\xff",
        b'"',
        b"{",
        b"}",
        b"[" * 40,
        b"]",
        b",",
        b"\\ud800",
        b"1e999",
        b"NaN",
        b"-0",
        b"\x00",
        b"null",
    ]
    refused = 0
    for _ in range(MUTATIONS):
        line = dice.choice(lines)
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(line) + 1)
            line = line[:at] + dice.choice(pieces) + line[at + dice.randrange(4) :]
        try:
            ledger.event_of(ledger.from_line(line.decode("utf-8", "surrogateescape")))
        except BadMessage:
            refused += 1
    # The rest was not changed at all, or to another well-formed line: those are found by their hash (tests above)
    assert refused > 0.9 * MUTATIONS
