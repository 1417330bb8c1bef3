"""Places are stable: a source never moves while it is allowed, and never shares."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from courtroom.control.places import PERSON, STAGE, Places, mid, slot

owners = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([PERSON, STAGE])), max_size=20)


@given(st.integers(0, 16), st.lists(owners, max_size=12))
def test_a_source_keeps_its_place_and_nobody_shares(count: int, steps: list[list[tuple[str, str]]]) -> None:
    places = Places(count)
    before: dict[tuple[str, str], int] = {}
    for wanted in steps:
        taken = places.assign(wanted)
        assert len(set(taken.values())) == len(taken) <= count
        assert all(0 <= place < count for place in taken.values())
        assert set(taken) == set(list(dict.fromkeys(wanted))[:count])
        for owner, place in before.items():
            if owner in taken:
                assert taken[owner] == place
        before = taken


def test_a_freed_place_is_taken_again_last() -> None:
    places = Places(3)
    assert places.assign([("a", PERSON)]) == {("a", PERSON): 0}
    places.assign([])
    assert places.assign([("b", PERSON)]) == {("b", PERSON): 1}


def test_kinds_have_their_place_and_line() -> None:
    assert slot("microphone") == slot("camera") == PERSON
    assert slot("screen") == slot("screen_sound") == STAGE
    assert [mid(2, kind) for kind in ("microphone", "camera", "screen", "screen_sound")] == ["a2", "v2", "v2", "a2"]
