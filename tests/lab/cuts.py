"""``make cuts``: the network is cut and media workers are killed during a hearing; who comes back, and when.

* Recovery runs from the end of a cut (or the kill) to the first of a steady run of pictures (``STEADY``): of the seat
  that was cut on the judge's page (``seen``), and of the judge on that seat's own page (``sees``).
* Whoever comes back late is held back: how long the judge's browser keeps picture and sound afterwards is noted, too.
* A cut is a ``hole`` (a router died: nothing arrives, nobody is told) or an ``unplugged`` interface.
* Hard rules, which end the run with status 1: everybody comes back; no ghosts (one transport and one tile a seat,
  presence timelines closed); not one datagram to the isolated witness, whose sniffer is proven at the end.
* The plan comes from the seed; ``--first``/``--last`` run a piece of it, ``--append`` keeps what earlier pieces found.
* The false-alarm run: ``--alarm-minutes`` at ``--alarm-loss`` per cent both ways; every loss of presence is false.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from tests.e2e.court import until
from tests.e2e.devices import JUDGE, PLAINTIFF, WITNESS
from tests.lab import report
from tests.lab.hall import Hall, sitting
from tests.netlab import hosts
from tests.netlab.line import Profile, line

FPS = 10
STEADY = (4.0, 1.0)
"""A run is steady that lasts for seconds without a longer gap: a picture that is lost again is no recovery."""
PATIENCE_S = 90
HELD_S = 2.0
APART_S = 12
"""Between two kills: a worker that dies sooner is started again with a growing pause, which is not what is measured."""
MULTICAST_DNS = 5353
TILES = "[...document.querySelectorAll('article.tile[data-kind=seat]')].map((tile) => tile.dataset.seat)"
CALM = Profile(delay=15, jitter=3)
"""The line between cuts: a fair home connection."""


@dataclass(frozen=True)
class Blow:
    """One thing that is done to the hearing."""

    number: int
    kind: str  # "hole 5 s", "unplugged 1 s", "worker killed"
    seconds: float = 0.0


@dataclass
class Outcome:
    """What came of it; times in seconds."""

    number: int
    kind: str
    seen: float | None = None
    sees: float | None = None
    held_picture: float | None = None  # afterwards: how long the judge's browser holds them back before they are played
    held_sound: float | None = None
    reported: float | None = None  # from the beginning of the cut to the loss in the ledger
    losses: int = 0  # entries of loss of the seat that was cut
    facts: list[list[str]] = field(default_factory=list)  # of each such entry: the evidence
    told: list[int] = field(default_factory=list)  # seconds missed, as the page says to the person
    links: list[tuple[float, str]] = field(default_factory=list)  # the page's media/socket, from the cut's end
    transports: int = 0
    tiles: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def plan(seed: int, cuts: int, kills: int, seconds: tuple[float, ...]) -> list[Blow]:
    """As many of each length and manner as can be, in an order of chance."""
    chance = random.Random(seed)
    made = [(("hole", "unplugged")[n // len(seconds) % 2], seconds[n % len(seconds)]) for n in range(cuts)]
    blows = [(f"{how} {length:g} s", length) for how, length in made] + [("worker killed", 0.0)] * kills
    chance.shuffle(blows)
    return [Blow(number, kind, length) for number, (kind, length) in enumerate(blows)]


def steady(frames: list[tuple[float, str]], not_by: frozenset[str] = frozenset()) -> float | None:
    """When the first steady run begins, leaving out streams of before."""
    lasting, gap = STEADY
    start = before = None
    for at, stream in frames:
        if stream in not_by:
            continue
        if start is None or before is None or at - before > gap:
            start = at
        before = at
        if at - start >= lasting:
            return start
    return None


class Trial:
    """Blows, one after the other, to one hearing."""

    def __init__(self, hall: Hall, sniffer: hosts.Sniffer) -> None:
        self.hall = hall
        self.sniffer = sniffer
        self._killed = 0.0

    async def strike(self, blow: Blow) -> Outcome:
        hall, outcome = self.hall, Outcome(blow.number, blow.kind)
        await hall.see_each_other(PATIENCE_S)
        before = len(await hall.entries("seat_disconnected", PLAINTIFF))
        if blow.seconds:
            started, streams = time.time(), frozenset[str]()
            await self._cut(blow)
            ended = time.time()
        else:
            started, streams = await self._kill()
            ended = started
        try:
            outcome.seen, outcome.sees = await asyncio.gather(
                self._recovery(hall.judge, PLAINTIFF, ended, streams),
                self._recovery(hall.plaintiff, JUDGE, ended, streams),
            )
        except AssertionError as error:
            outcome.wrong.append(f"did not come back: {error}"[:300])
        await self._look(outcome, before, started, ended)
        outcome.held_picture, outcome.held_sound = await self._held()
        return outcome

    async def _held(self) -> tuple[float | None, float | None]:
        """Seconds that what comes stays in the jitter buffer now (W3C webrtc-stats: jitterBufferDelay), at most."""
        before = {row["id"]: row for row in await self.hall.judge.page.evaluate("window.__stats()")}
        await asyncio.sleep(HELD_S)
        worst: dict[str, float] = {}
        for row in await self.hall.judge.page.evaluate("window.__stats()"):
            earlier = before.get(row["id"], {})
            played = row.get("jitterBufferEmittedCount", 0) - earlier.get("jitterBufferEmittedCount", 0)
            if row["type"] == "inbound-rtp" and played > 0:
                held = (row["jitterBufferDelay"] - earlier.get("jitterBufferDelay", 0)) / played
                worst[row["kind"]] = max(worst.get(row["kind"], 0.0), round(held, 3))
        return worst.get("video"), worst.get("audio")

    async def _cut(self, blow: Blow) -> None:
        wire = self.hall.wire
        hole = blow.kind.startswith("hole")
        (wire.down if hole else wire.unplug)()
        await asyncio.sleep(blow.seconds)
        (wire.up if hole else wire.plug)()

    async def _kill(self) -> tuple[float, frozenset[str]]:
        """When, and the streams of before: a picture that still waits in a page's buffer is no recovery."""
        await asyncio.sleep(max(0.0, self._killed + APART_S - time.monotonic()))
        streams: set[str] = set()
        for at, person in ((self.hall.judge, PLAINTIFF), (self.hall.plaintiff, JUDGE)):
            streams |= {stream for _when, stream in await self.hall.frames(at, person)}
        self.hall.court.kill_child("courtroom.worker")
        self._killed = time.monotonic()
        return time.time(), frozenset(streams)

    async def _recovery(self, at: Any, person: Any, since: float, not_by: frozenset[str]) -> float:
        async def look() -> float | None:
            return steady(await self.hall.frames(at, person, since), not_by)

        return round(await until(look, PATIENCE_S, 0.1) - since, 3)

    async def _look(self, outcome: Outcome, before: int, started: float, ended: float) -> None:
        """Nobody is there twice, nothing is left open, and the page said how long it was away."""
        hall = self.hall
        losses = (await hall.entries("seat_disconnected", PLAINTIFF))[before:]
        outcome.losses = len(losses)
        if losses:
            outcome.reported = round(losses[0]["at"] / 1e6 - started, 3)
        outcome.facts = [[row["fact"] for row in entry["body"]["evidence"]] for entry in losses]
        noted = await hall.plaintiff.page.evaluate("({missed: window.__pulse.missed, media: window.__pulse.media})")
        outcome.told = [seconds for at, seconds in noted["missed"] if at >= started * 1000]
        outcome.links = [(round(at / 1000 - ended, 3), is_) for at, is_ in noted["media"] if at >= started * 1000]

        async def alone() -> bool:
            outcome.transports = int((await hall.gauges())["courtroom_worker_transports"])
            return outcome.transports == 2

        try:
            await until(alone, 15, 0.5)
        except AssertionError:
            outcome.wrong.append(f"{outcome.transports} transports of two seats")
        for name, page in (("judge", hall.judge), ("plaintiff", hall.plaintiff)):
            seats = await page.page.evaluate(TILES)
            outcome.tiles[name] = len(seats)
            if len(seats) != len(set(seats)):
                outcome.wrong.append(f"a seat has two tiles at the {name}")
        for person in (JUDGE, PLAINTIFF, WITNESS):
            spells = await hall.court.timeline(hall.hearing.id, hall.seat(person))
            if any(not one["until"] for one in spells[:-1]) or spells[-1]["until"] or spells[-1]["cause"]:
                outcome.wrong.append(f"timeline of {person.role}: {spells[-2:]}")
        if leaked := court_datagrams(self.sniffer):
            outcome.wrong.append(f"{leaked} datagrams to the witness")


def court_datagrams(sniffer: hosts.Sniffer) -> int:
    """All but multicast DNS, which any browser on this machine sends on every link it has."""
    return sum(len(sent) for port, sent in sniffer.sent.items() if port != MULTICAST_DNS)


async def proven(hall: Hall, sniffer: hosts.Sniffer) -> int:
    """Datagrams the sniffer sees when there is something to see: the witness is called at the end."""
    await hall.judge.act("call", hall.seat(WITNESS))
    assert hall.witness is not None
    await hall.witness.room("courtroom")
    await until(lambda: court_datagrams(sniffer) > 50)
    return court_datagrams(sniffer)


async def alarms(hall: Hall, minutes: float, loss: float) -> dict[str, Any]:
    """Presence lost though nobody was away: ``minutes`` at ``loss`` per cent both ways."""
    await hall.see_each_other(PATIENCE_S)
    kinds = ("seat_disconnected", "seat_connected")
    before = {kind: len(await hall.entries(kind)) for kind in kinds}
    hall.wire.both(Profile(delay=25, jitter=5, loss=loss))
    start = hall.wire.counters()
    started = time.time()
    await asyncio.sleep(minutes * 60)
    lost = (await hall.entries("seat_disconnected"))[before["seat_disconnected"] :]
    counters = hall.wire.counters()
    pictures = {
        "judge": len(await hall.frames(hall.judge, PLAINTIFF, started)),
        "plaintiff": len(await hall.frames(hall.plaintiff, JUDGE, started)),
    }
    hall.wire.both(CALM)
    links = await hall.plaintiff.page.evaluate(
        "since => window.__pulse.media.filter((one) => one[0] >= since)", started * 1000
    )
    facts = [[row["fact"] for row in entry["body"]["evidence"]] for entry in lost]
    return {
        "minutes": minutes, "loss": loss, "false_alarms": len(lost), "facts": facts, "links": links,
        "pictures": pictures,
        "lost_packets": {way: counters[way].lost - start[way].lost for way in counters},
        "sent_packets": {way: counters[way].sent - start[way].sent for way in counters},
    }  # fmt: skip


def summary(outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By kind: how many, and p50, p95 and the worst of each time."""
    rows = []
    for kind in sorted({one["kind"] for one in outcomes}):
        of_kind = [one for one in outcomes if one["kind"] == kind]
        row: dict[str, Any] = {"kind": kind, "times": len(of_kind)}
        for name in ("seen", "sees", "held_picture", "held_sound", "reported"):
            values = [one[name] for one in of_kind if one[name] is not None]
            row |= {f"{name} p50": report.percentile(values, 50), f"{name} p95": report.percentile(values, 95)}
            row |= {f"{name} max": max(values, default=None)}
        row["told"] = sum(bool(one["told"]) for one in of_kind)
        row["wrong"] = sum(bool(one["wrong"]) for one in of_kind)
        rows.append(row)
    return rows


async def run(options: argparse.Namespace) -> dict[str, Any]:
    blows = plan(options.seed, options.cuts, options.kills, options.seconds)
    blows = blows[options.first : options.last]
    found = report.earlier(options.name) if options.append else {}
    if found.get("seed") not in (None, options.seed):
        raise SystemExit(f"build/cuts.json is of seed {found['seed']}")
    outcomes = {one["number"]: one for one in found.get("outcomes", [])}
    result: dict[str, Any] = {"seed": options.seed, "alarm": found.get("alarm")}
    with (
        tempfile.TemporaryDirectory(prefix="court-lab-") as folder,
        line(seed=options.seed) as wire,
        hosts.host() as apart,
    ):
        wire.both(CALM)
        async with (
            async_playwright() as playwright,
            sitting(playwright, Path(folder), wire, fps=FPS, apart=apart) as hall,
        ):
            with hosts.Sniffer(apart.link) as sniffer:
                trial = Trial(hall, sniffer)
                for blow in blows:
                    outcome = await trial.strike(blow)
                    outcomes[blow.number] = asdict(outcome)
                    print(outcome, file=sys.stderr, flush=True)
                if options.alarm_minutes:
                    result["alarm"] = await alarms(hall, options.alarm_minutes, options.alarm_loss)
                result["leaked"] = court_datagrams(sniffer)
                result["sniffer_proven"] = await proven(hall, sniffer)
    result["outcomes"] = [outcomes[number] for number in sorted(outcomes)]
    result["summary"] = summary(result["outcomes"])
    return result


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab.cuts", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds", type=lambda text: tuple(map(float, text.split(","))), default=(1.0, 5.0, 30.0))
    parser.add_argument("--first", type=int, default=0, help="the first blow of the plan to strike")
    parser.add_argument("--last", type=int, default=None, help="the first one not to strike any more")
    parser.add_argument("--append", action="store_true", help="keep what earlier pieces of this seed found")
    parser.add_argument("--alarm-minutes", type=float, default=10.0)
    parser.add_argument("--alarm-loss", type=float, default=10.0)
    parser.add_argument("--name", default="cuts", help="of the file in build/")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    options = arguments(words)
    found = asyncio.run(run(options))
    path = report.save(options.name, found)
    head = list(found["summary"][0]) if found["summary"] else ["kind"]
    print(report.table(head, [list(row.values()) for row in found["summary"]]))
    if found["alarm"]:
        print(f"false alarms: {found['alarm']['false_alarms']} in {found['alarm']['minutes']:g} min")
    print(f"datagrams to the isolated witness: {found['leaked']}; {found['sniffer_proven']} when called\n{path}")
    wrong = [one for one in found["outcomes"] if one["wrong"]]
    for one in wrong:
        print(f"wrong after blow {one['number']} ({one['kind']}): {one['wrong']}")
    return 1 if wrong or found["leaked"] else 0


if __name__ == "__main__":
    sys.exit(main())
