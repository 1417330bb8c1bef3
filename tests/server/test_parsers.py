"""What strangers may send is read to the end or refused with our own errors: mutated 10^5 times each."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from courtroom.errors import Refused
from courtroom.hearing.commands import COMMANDS, Command
from courtroom.server.commands import MediaPreferences, parse
from courtroom.server.limits import MAX_KEYS, Buckets, Rate
from courtroom.server.schemas import BeaconBody, HearingBody, MediaBody, check_result, decode, plan_of
from tests.server.court import body

BODIES = 100_000
MESSAGES = 100_000
ODD: list[Any] = [
    None, True, False, 0, -1, 1.5, 2**53, 2**80, -(2**70), "", " ", "\x00", "\u202e", "x" * 100, [], {}, [[]], {"": 0},
    "presiding_judge", "none", ["microphone"], {"type": "admit"}, "system",
]  # fmt: skip
BYTES = [
    b"",
    b"\xff",
    b"\x00",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\ud800",
    b"1e999",
    b"-",
    b"NaN",
    b"\xed\xa0\x80",
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*path, key))
    elif isinstance(value, list):
        for number in range(len(value)):
            found += places(value[number], (*path, number))
    return found


def mutated(value: Any, dice: random.Random) -> Any:
    """A copy with one to three things replaced, removed, doubled or added."""
    fresh = json.loads(json.dumps(value))
    for _ in range(dice.randint(1, 3)):
        path = dice.choice(places(fresh))
        if not path:
            continue
        parent: Any = fresh
        for step in path[:-1]:
            parent = parent[step]
        match dice.randrange(4):
            case 0:
                del parent[path[-1]]
            case 1 if isinstance(parent, list):
                parent.append(copy.deepcopy(parent[path[-1]]))
            case 2 if isinstance(parent, dict):
                parent[dice.choice(["actor", "id", "x", "", "role"])] = copy.deepcopy(dice.choice(ODD))
            case _:
                parent[path[-1]] = copy.deepcopy(dice.choice(ODD))
    return fresh


def torn(content: bytes, dice: random.Random) -> bytes:
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(content) + 1)
        content = content[:at] + dice.choice(BYTES) + content[at + dice.randrange(4) :]
    return content


def test_create_bodies_are_plans_or_refusals() -> None:
    dice = random.Random(7)
    whole, refused, codes = 0, 0, set()
    for number in range(BODIES):
        content = json.dumps(mutated(body(), dice), ensure_ascii=False).encode("utf-8", "surrogatepass")
        if number % 4 == 0:
            content = torn(content, dice)
        try:
            plan = plan_of(decode(content, HearingBody), allow_unchecked=True, now=1)
            ids = {one.plan.id for one in plan.seats}
            assert len(ids) == len(plan.seats) <= 64
            assert sum(one.plan.role == "presiding_judge" for one in plan.seats) == 1
            assert all(one.plan.linked_to in ids | {""} for one in plan.seats)
            whole += 1
        except Refused as error:
            codes.add(error.code)
            refused += 1
    assert codes == {"bad_body", "bad_link", "one_presiding_judge"}
    assert whole > 1000
    assert refused > 5_000


def test_small_bodies_are_read_or_refused() -> None:
    dice = random.Random(8)
    examples = ({"places": 4, "publish": ["microphone", "camera"]}, {"kind": "page_hide", "at": 1})
    codes = set()
    for _ in range(BODIES):
        content = torn(json.dumps(mutated(dice.choice(examples), dice)).encode(), dice)
        for read in (_media, _beacon, check_result):
            try:
                read(content)
            except Refused as error:
                codes.add(error.code)
    assert codes == {"bad_body"}


def _media(content: bytes) -> MediaBody:
    return decode(content, MediaBody)


def _beacon(content: bytes) -> BeaconBody:
    return decode(content, BeaconBody)


def test_commands_are_of_the_court_or_refusals_and_the_actor_is_ours() -> None:
    dice = random.Random(9)
    examples: list[dict[str, Any]] = [
        {"type": "admit", "seat": "s-1"}, {"type": "excuse", "seat": "s-1", "until": 5}, {"type": "raise_hand"},
        {"type": "answer_request", "request": "r-1", "granted": True, "reason": "可以"},
        {"type": "recess", "reason": "休息"},
        {"type": "request", "kind": "speak", "text": "我要发言"},
        {"type": "set_devices", "microphone": "on", "camera": "off"},
        {"type": "media_preferences", "places": [{"mid": "v0", "width": 320}]}, {"type": "consent", "agreed": True},
    ]  # fmt: skip
    whole, codes = 0, set()
    for _ in range(MESSAGES):
        example = dict(dice.choice(examples))
        if dice.randrange(3) == 0:
            example["type"] = dice.choice([*COMMANDS, "observe_arrival", "", "OpenHearing"])
        try:
            found = parse(mutated(example, dice), "s-me")
        except Refused as error:
            codes.add(error.code)
            continue
        whole += 1
        if not isinstance(found, MediaPreferences):
            assert isinstance(found, Command)
            assert found.actor == "s-me"
    assert codes == {"bad_command", "unknown_command"}
    assert whole > 1000


@pytest.mark.parametrize("type_", sorted(COMMANDS))
def test_no_client_names_the_actor(type_: str) -> None:
    with pytest.raises(Refused, match="bad_command"):
        parse({"type": type_, "actor": "system"}, "s-me")


def test_buckets_fill_with_time_and_stay_bounded() -> None:
    clock = [0.0]
    buckets = Buckets(Rate(2, 3), lambda: clock[0])
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]
    clock[0] = 0.5
    assert [buckets.take("a"), buckets.take("a")] == [True, False]
    clock[0] = 100.0
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]
    for number in range(MAX_KEYS + 500):
        buckets.take(str(number))
    assert len(buckets) == MAX_KEYS
