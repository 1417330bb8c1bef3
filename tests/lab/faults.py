"""``make faults``: fifteen faults, done to real browsers, networks and processes; which cause does the court name?

* ``FAULTS`` says before any run which cause is exact and why (COURT.md 6; "own fault first", "never deliberate without
  a voluntary act"); ``harms`` does them. An outcome is exact when every interruption of those who were hit ends with
  that cause (or there is none, where staying connected is right) and nobody else is interrupted at all.
* Two moments count: the cause named at once, and the final one, when the person is back and has handed in what its own
  machine noted. Exactness is judged by the final one; blame by both.
* Hard rules, which end the run with status 1: no fault is ever called deliberate, a fault of ours is in the end charged
  to nobody, everybody comes back, and at least ``EXACT`` of each hundred outcomes are exact.
* The plan comes from the seed; ``--only``, ``--first``, ``--last``, ``--minutes`` run a piece of it, ``--append`` keeps
  the earlier pieces and goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Error, async_playwright

from courtroom.hearing.model import Cause
from tests.e2e.devices import Person
from tests.lab import report
from tests.lab.carrier import carrier
from tests.lab.harms import HARMS
from tests.lab.stage import EVERYBODY, PARTIES, Stage, staged

EXACT = 95
ONE, SOME, ALL = "one party", "the parties", "everybody"


@dataclass(frozen=True)
class Fault:
    """``stays``: no interruption at all is right too. ``device``: what the ledger must say of the camera meanwhile."""

    cause: Cause
    why: str
    hits: str = ONE
    ours: bool = False
    stays: bool = False
    device: str = ""


FAULTS: Mapping[str, Fault] = {
    "leave_click": Fault(Cause.LEFT_DELIBERATELY, "the leave button is the voluntary act itself"),
    "tab_closed": Fault(
        Cause.CLOSED_PAGE, "page-hide and the page's own goodbye: an act, but not one that says it leaves the hearing"
    ),
    "browser_killed": Fault(
        Cause.DEVICE_FAILURE, "no goodbye, and the journal on return ends open: the program died, the line stood"
    ),
    "lid_closed": Fault(
        Cause.POWER_SUSPECTED, "silence on every channel, and the journal on return: its clock ran on, its page did not"
    ),
    "wifi_off": Fault(Cause.NETWORK_LOST, "silence on every channel without goodbye; the journal says offline"),
    "wifi_to_4g": Fault(
        Cause.NETWORK_LOST, "silence until the new address is proven; a quick change is no interruption", stays=True
    ),
    "loss_30": Fault(
        Cause.NETWORK_DEGRADED, "silence after measured loss out of bounds; staying connected is right too", stays=True
    ),
    "upstream_dead": Fault(Cause.NETWORK_LOST, "nothing comes from the seat: it cannot be heard, whatever it hears"),
    "camera_unplugged": Fault(
        Cause.DEVICE_FAILURE, "no interruption: sound goes on; the ledger has the camera as lost", stays=True,
        device="lost",
    ),
    "permission_revoked": Fault(
        Cause.DEVICE_FAILURE, "no interruption: sound goes on; the ledger has the camera as refused", stays=True,
        device="denied",
    ),
    "second_login": Fault(Cause.REPLACED_BY_SECOND_LOGIN, "the seat's link was opened a second time"),
    "worker_killed": Fault(Cause.PLATFORM_FAILURE, "our process died", hits=ALL, ours=True),
    "control_killed": Fault(Cause.PLATFORM_FAILURE, "our process died", hits=ALL, ours=True),
    "proxy_restarted": Fault(
        Cause.PLATFORM_FAILURE, "our proxy cut every socket at once while media went on; quickly back is none",
        hits=SOME, ours=True, stays=True,
    ),
    "carrier_out": Fault(
        Cause.NETWORK_LOST, "our own fault is considered first, and refuted: those who fell shared one network, others "
        "were received on the same port in the same seconds", hits=SOME,
    ),
}  # fmt: skip
LOSSY = "loss_30"
INDIFFERENT = (
    "leave_click", "tab_closed", "second_login", "worker_killed", "control_killed", "proxy_restarted",
    "camera_unplugged", "permission_revoked",
)  # fmt: skip
SHORT = ("tab_closed", "wifi_off", "worker_killed", "proxy_restarted")


@dataclass(frozen=True)
class Trial:
    number: int
    fault: str
    victim: str  # role
    seed: str
    pause: float


@dataclass
class Outcome:
    number: int
    fault: str
    victim: str
    expected: str
    interruptions: list[dict[str, Any]] = field(default_factory=list)  # role, at_once, final, facts
    elsewhere: list[dict[str, Any]] = field(default_factory=list)  # the same, of seats that were not hit
    camera: list[str] = field(default_factory=list)
    seconds: float = 0.0
    exact: bool = False
    deliberate: bool = False
    charged: bool = False  # a fault of ours, in the end laid at somebody's door
    charged_at_once: bool = False  # the same, until it was corrected
    wrong: list[str] = field(default_factory=list)


def plan(seed: int, runs: int) -> list[Trial]:
    """Rounds of each fault once, in an order of chance; what was measured of a lossy line speaks for a minute, so it
    comes last and those follow whom it says nothing about."""
    chance = random.Random(seed)
    kinds: list[str] = []
    for _ in range(runs):
        groups = [list(INDIFFERENT), [name for name in FAULTS if name not in (*INDIFFERENT, LOSSY)], [LOSSY]]
        for group in groups:
            chance.shuffle(group)
            kinds += group
    return [
        Trial(number, kind, chance.choice(PARTIES).role, f"{seed} {number}", round(chance.uniform(0, 1.5), 3))
        for number, kind in enumerate(kinds)
    ]


def hit(trial: Trial) -> frozenset[str]:
    """Roles of the seats that the fault is done to."""
    people: Iterable[Person] = {ALL: EVERYBODY, SOME: PARTIES}.get(FAULTS[trial.fault].hits, ())
    return frozenset(person.role for person in people) or frozenset({trial.victim})


def interruptions(entries: Sequence[Mapping[str, Any]], role: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each loss of presence in a piece of the ledger, with the cause named at once and the one named last."""
    found: dict[int, dict[str, Any]] = {}
    for entry in entries:
        body = entry["body"]
        if entry["type"] == "seat_disconnected":
            found[entry["seq"]] = {
                "role": role[body["seat"]], "at": entry["at"], "at_once": body["cause"], "final": body["cause"],
                "facts": _facts(body["evidence"]),
            }  # fmt: skip
        elif entry["type"] == "cause_attributed":
            of_seat = [seq for seq, one in found.items() if one["role"] == role[body["seat"]]]
            began = body.get("spell") or max(of_seat, default=0)
            if began in found:
                found[began]["final"] = body["cause"]
                found[began]["facts"] += [f"later {fact}" for fact in _facts(body["evidence"])]
    return list(found.values())


def _facts(evidence: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each with its weight, and what was measured where that says how bad a line, or we, were."""
    found = []
    for row in evidence:
        measured = (f"{key}={row[key]}" for key in ("permille", "rtt_us", "jitter_us", "late_ms") if key in row)
        found.append(" ".join(filter(None, (row["fact"], row.get("weighs"), *measured))))
    return found


def judge(outcome: Outcome, found: Sequence[dict[str, Any]], victims: frozenset[str]) -> None:
    """Fills in the verdict."""
    fault = FAULTS[outcome.fault]
    outcome.interruptions = [one for one in found if one["role"] in victims]
    outcome.elsewhere = [one for one in found if one["role"] not in victims]
    named = [one for one in outcome.interruptions if one["final"] == fault.cause]
    silent = victims - {one["role"] for one in outcome.interruptions}
    device = not fault.device or fault.device in outcome.camera
    outcome.exact = (
        len(named) == len(outcome.interruptions)
        and (fault.stays or not silent)
        and not outcome.elsewhere
        and device
        and not outcome.wrong
    )
    if outcome.fault != "leave_click":
        outcome.deliberate = any(Cause.LEFT_DELIBERATELY in (one["at_once"], one["final"]) for one in found)
    if fault.ours:
        outcome.charged = any(one["final"] != Cause.PLATFORM_FAILURE for one in found)
        outcome.charged_at_once = any(one["at_once"] != Cause.PLATFORM_FAILURE for one in found)


async def run_one(stage: Stage, trial: Trial) -> Outcome:
    """Everybody is whole, the fault is done, everybody is whole again."""
    outcome = Outcome(trial.number, trial.fault, trial.victim, FAULTS[trial.fault].cause.value)
    started, before = time.monotonic(), len(await stage.ledger())
    victim = next(person for person in PARTIES if person.role == trial.victim)
    await asyncio.sleep(trial.pause)
    try:
        await HARMS[trial.fault](stage, victim, random.Random(trial.seed), before)
        await stage.whole()
        await stage.quiet()
    except (AssertionError, Error) as error:
        outcome.wrong.append(str(error)[:300])
    entries = (await stage.ledger())[before:]
    seats = {seat["id"]: role for role, seat in stage.hearing.seats.items()}
    outcome.camera = [one["camera"] for one in await stage.devices(victim, before)]
    judge(outcome, interruptions(entries, seats), hit(trial))
    await _as_reported(stage, outcome)
    outcome.seconds = round(time.monotonic() - started, 1)
    return outcome


async def _as_reported(stage: Stage, outcome: Outcome) -> None:
    """What the judge is shown must say what the ledger says."""
    rows = await stage.report()
    for one in (*outcome.interruptions, *outcome.elsewhere):
        spells = [spell for spell in rows[one["role"]]["timeline"] if spell["since"] == one["at"] and spell["cause"]]
        if [spell["cause"] for spell in spells] != [one["final"]]:
            outcome.wrong.append(f"the report has {spells} for {one}"[:300])
            outcome.exact = False


def summary(outcomes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for name, fault in FAULTS.items():
        of_kind = [one for one in outcomes if one["fault"] == name]
        if not of_kind:
            continue
        causes = [one["final"] for each in of_kind for one in each["interruptions"]]
        rows.append({
            "fault": name, "expected": fault.cause.value + (" / none" if fault.stays else ""), "runs": len(of_kind),
            "exact": sum(one["exact"] for one in of_kind),
            "uninterrupted": sum(not one["interruptions"] for one in of_kind),
            "at once": _counted(one["at_once"] for each in of_kind for one in each["interruptions"]),
            "final": _counted(causes),
            "charged at once": sum(one["charged_at_once"] for one in of_kind),
            "charged": sum(one["charged"] for one in of_kind),
            "deliberate": sum(one["deliberate"] for one in of_kind),
            "others hit": sum(bool(one["elsewhere"]) for one in of_kind),
        })  # fmt: skip
    return rows


def _counted(causes: Iterable[str]) -> str:
    found = list(causes)
    return ", ".join(f"{found.count(one)} {one}" for one in sorted(set(found), key=found.count, reverse=True)) or "-"


async def run(options: argparse.Namespace) -> dict[str, Any]:
    trials = [one for one in plan(options.seed, options.runs) if not options.only or one.fault in options.only]
    trials = trials[options.first : options.last]
    found = report.earlier(options.name) if options.append else {}
    if found.get("plan") not in (None, [options.seed, options.runs]):
        raise SystemExit(f"build/{options.name}.json is of another plan: seed and runs {found['plan']}")
    outcomes = {one["number"]: one for one in found.get("outcomes", [])}
    waiting = deque(one for one in trials if one.number not in outcomes)
    end = time.monotonic() + options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="court-lab-") as folder, carrier(len(PARTIES)) as line:
        async with async_playwright() as playwright:
            while waiting and time.monotonic() < end:
                place = Path(folder) / str(waiting[0].number)
                place.mkdir()
                async with staged(playwright, place, line) as stage:
                    while waiting and time.monotonic() < end:
                        outcome = await run_one(stage, waiting.popleft())
                        outcomes[outcome.number] = asdict(outcome)
                        print(outcome, file=sys.stderr, flush=True)
                        report.save(options.name, result_of(options, outcomes))  # a run that is cut short is not lost
                        if outcome.wrong:
                            await stage.keep(report.BUILD / f"{options.name}-{outcome.number}")
                            line.mended()
                            break  # the next one begins in a fresh hearing
    return result_of(options, outcomes)


def result_of(options: argparse.Namespace, outcomes: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    rows = [outcomes[number] for number in sorted(outcomes)]
    return {
        "plan": [options.seed, options.runs], "outcomes": rows, "summary": summary(rows),
        "why": {name: fault.why for name, fault in FAULTS.items()},
    }  # fmt: skip


def failures(found: Mapping[str, Any]) -> list[str]:
    """Sentences on the hard rules that were broken."""
    outcomes = found["outcomes"]
    said = [f"fault {one['number']} ({one['fault']}) called deliberate" for one in outcomes if one["deliberate"]]
    said += [f"fault {one['number']} ({one['fault']}) of ours was charged" for one in outcomes if one["charged"]]
    said += [f"fault {one['number']} ({one['fault']}): {one['wrong']}" for one in outcomes if one["wrong"]]
    exact = sum(one["exact"] for one in outcomes)
    if exact * 100 < EXACT * len(outcomes):
        said.append(f"{exact} of {len(outcomes)} exact: less than {EXACT} per cent")
    return said


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=10, help="of each fault")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="names of faults, with commas")
    parser.add_argument("--first", type=int, default=0, help="the first of these trials to run")
    parser.add_argument("--last", type=int, default=None, help="the first one not to run any more")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no trial after so many")
    parser.add_argument("--append", action="store_true", help="keep what earlier pieces of this plan found, and go on")
    parser.add_argument("--name", default="faults", help="of the file in build/")
    options = parser.parse_args(words)
    if unknown := set(options.only) - set(FAULTS):
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    return options


def main(words: list[str] | None = None) -> int:
    options = arguments(words)
    found = asyncio.run(run(options))
    path = report.save(options.name, found)
    text = report.table(list(found["summary"][0]), [list(row.values()) for row in found["summary"]])
    path.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    broken = failures(found)
    print(text, path, *broken, sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
