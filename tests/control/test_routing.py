"""Edges as routes, and what happens to a worker that does not take an order to forward less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from courtroom.channel.messages import OpenTransport, Reply, Route, SetRoutes
from courtroom.control.media import MediaPlane
from courtroom.control.places import Places
from courtroom.control.routing import Applied, Desired, Stay, narrowed, wanted
from courtroom.hearing.access import RECORDER, Edge
from courtroom.hearing.model import Kind

ROOM = "courtroom"
VOICES = frozenset({Edge("judge", "clerk", Kind.MICROPHONE), Edge("clerk", "judge", Kind.MICROPHONE)})
RECORDED = frozenset(Edge(seat, RECORDER, Kind.MICROPHONE) for seat in ("judge", "clerk"))
SEATS: dict[str, str | None] = {"judge": ROOM, "clerk": ROOM}
SITTING = Desired(VOICES | RECORDED, SEATS, "take-1", ("judge", "clerk"))
INTERRUPTED = Desired(VOICES, SEATS, "take-1", ("judge", "clerk"))


def members(places: int = 2) -> dict[str, Stay]:
    return {seat: Stay(seat, f"t-{seat}", ROOM, Places(places)) for seat in ("judge", "clerk")}


def test_an_edge_is_a_route_only_between_transports() -> None:
    routes, captures = wanted(members(), SITTING)
    assert set(routes) == {
        Route("t-judge", 0, "t-clerk", "microphone"), Route("t-clerk", 0, "t-judge", "microphone")
    }  # fmt: skip
    assert [(one.take, one.label) for one in captures] == [("take-1", "clerk"), ("take-1", "judge")]
    alone = {"judge": members()["judge"]}
    assert wanted(alone, INTERRUPTED) == ((), ())


def test_a_screen_takes_a_place_before_faces() -> None:
    edges = {Edge("clerk", "judge", Kind.CAMERA), Edge("clerk", "judge", Kind.SCREEN)}
    routes, _ = wanted(members(places=1), Desired(frozenset(edges), SEATS, ""))
    assert routes == (Route("t-judge", 0, "t-clerk", "screen"),)


def test_narrowing_adds_nothing() -> None:
    full = Applied(1, *wanted(members(), SITTING))
    seats = {"t-judge": "judge", "t-clerk": "clerk"}
    assert narrowed(full, SITTING, seats) == full.forwarded
    assert narrowed(full, INTERRUPTED, seats) == (full.routes, ())
    assert narrowed(full, SITTING, {"t-judge": "judge"}) == ((), full.captures[1:])
    assert narrowed(Applied(), SITTING, seats) == ((), ())
    later = Desired(SITTING.edges, SEATS, "take-2")
    assert narrowed(full, later, seats) == (full.routes, ()), "a new take begins with nothing"


class Deaf:
    """A worker that from some moment on refuses every set of routes; in the place of its pool, too."""

    up = True
    deaths = 0
    load = None

    def __init__(self) -> None:
        self.refuses = False
        self.killed = False

    def pick(self, *, running: bool = False) -> Deaf:
        return self

    def move_in(self, tenant: object) -> None: ...

    def claim_room(self, room: str, tenant: object) -> None: ...

    def claim_transport(self, transport: str, tenant: object) -> None: ...

    async def ask(self, question: Callable[[int], Any]) -> Reply:
        match question(7):
            case OpenTransport():
                return Reply(7, sdp="v=0")
            case SetRoutes() if self.refuses:
                return Reply(7, "bad_routes")
        return Reply(7)

    def kill(self) -> None:
        self.killed = True


@pytest.mark.parametrize(
    "less",
    [INTERRUPTED, Desired(RECORDED, SEATS, "take-1"), Desired(VOICES | RECORDED, SEATS, "take-2")],
    ids=["captures", "routes", "take"],
)
async def test_a_worker_that_will_not_forward_less_is_killed(less: Desired) -> None:
    worker = Deaf()
    plane = MediaPlane("h-1", worker, lambda _: None)  # type: ignore[arg-type]
    for seat in ("judge", "clerk"):
        transport, _ = await plane.open(seat, ROOM, 2, ["microphone"])
        await plane.promote(transport)
    assert await plane.settle(SITTING)
    await plane.narrow(SITTING)
    worker.refuses = True
    await plane.narrow(SITTING)
    assert not worker.killed, "nothing had to be taken away"
    await plane.narrow(less)
    assert worker.killed
