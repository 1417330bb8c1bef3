"""A courtroom without processes: decide, write down, evolve. What control does, on a list in memory."""

from __future__ import annotations

from itertools import count
from typing import Any

from courtroom.errors import Refused
from courtroom.hearing import commands as c
from courtroom.hearing.access import Edge, edges
from courtroom.hearing.decide import decide
from courtroom.hearing.events import Event, InterruptionProposed
from courtroom.hearing.evolve import evolve
from courtroom.hearing.founding import found
from courtroom.hearing.ledger import FIRST, Entry, entry_for
from courtroom.hearing.model import Case, Hearing, Policy, Role, Seat, SeatPlan, Side
from courtroom.hearing.view import view

SECOND = 1_000_000
START = 1_790_000_000 * SECOND
CASE = Case("（2026）测0101民初CASENUMBER号", "测试区人民法院", "SECRETCAUSE纠纷", "simple", True)

PLANS = (
    SeatPlan("seat-judge", Role.PRESIDING_JUDGE),
    SeatPlan("seat-assessor", Role.ASSESSOR, required=False),
    SeatPlan("seat-clerk", Role.CLERK),
    SeatPlan("seat-plaintiff", Role.PLAINTIFF, Side.PLAINTIFF),
    SeatPlan("seat-counsel", Role.COUNSEL, Side.PLAINTIFF, "seat-plaintiff"),
    SeatPlan("seat-defendant", Role.DEFENDANT, Side.DEFENDANT),
    SeatPlan("seat-wang", Role.WITNESS, Side.PLAINTIFF, "seat-plaintiff"),
    SeatPlan("seat-guardian", Role.GUARDIAN, Side.NONE, "seat-wang"),
    SeatPlan("seat-interpreter", Role.INTERPRETER, Side.NONE, "seat-guardian"),
    SeatPlan("seat-li", Role.WITNESS, Side.DEFENDANT),
    SeatPlan("seat-expert", Role.EXPERT),
    SeatPlan("seat-observer", Role.OBSERVER),
)
NAMES = {plan.id: f"姓名{plan.id.removeprefix('seat-').upper()}" for plan in PLANS}
JUDGE, CLERK, PLAINTIFF, DEFENDANT = "seat-judge", "seat-clerk", "seat-plaintiff", "seat-defendant"
WANG, LI, GUARDIAN, INTERPRETER = "seat-wang", "seat-li", "seat-guardian", "seat-interpreter"
SHEET = "5e" * 32
STROKE = "M10 200" + "".join(f"L{20 + 30 * n} {80 + 17 * n % 120}" for n in range(20))
ISOLATED = (WANG, GUARDIAN, INTERPRETER, LI, "seat-expert")


class House:
    """``do`` answers the events of a command, ``refused`` its code. Time moves by ``wait`` and one µs a step."""

    def __init__(self, policy: Policy | None = None, plans: tuple[SeatPlan, ...] = PLANS) -> None:
        self.now = START
        self.entries: list[Entry] = []
        self._numbers = count(1)
        created = found(CASE, policy or Policy("none", "enforce"), START, plans)
        self.hearing: Hearing = self._write(None, created, c.COURT_SYSTEM)

    def _write(self, hearing: Hearing | None, event: Event, actor: str) -> Hearing:
        prev = self.entries[-1].hash if self.entries else FIRST
        entry = entry_for("h-test", len(self.entries) + 1, self.now, actor, event, prev)
        self.entries.append(entry)
        return evolve(hearing, event, self.now, entry.seq, "h-test")

    def new_id(self) -> str:
        return f"id-{next(self._numbers)}"

    def do(self, command: c.Command) -> tuple[Event, ...]:
        self.now += 1
        events = decide(self.hearing, command, self.now, self.new_id)
        for event in events:
            self.hearing = self._write(self.hearing, event, command.actor)
        return events

    def refused(self, command: c.Command) -> str:
        """The code with which ``command`` is refused, '' if it is not (and then it has been done)."""
        try:
            self.do(command)
        except Refused as refusal:
            return refusal.code
        return ""

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)

    def seat(self, id_: str) -> Seat:
        return self.hearing.seats[id_]

    def room(self, id_: str) -> str:
        room = self.seat(id_).room
        return "" if room is None else room.kind.value

    def edges(self) -> frozenset[Edge]:
        return edges(self.hearing)

    def view(self, id_: str) -> dict[str, Any]:
        return view(self.hearing, id_, NAMES, self.now)

    # --- usual steps --------------------------------------------------------------------------

    def arrive(self, *ids: str) -> None:
        for id_ in ids:
            self.do(c.ObserveArrival(seat=id_, connection=self.new_id()))

    def lose(self, id_: str, *facts: str) -> tuple[Event, ...]:
        rows: tuple[dict[str, str | int], ...] = tuple(
            {"fact": fact, "at": self.now, "clock": "court"} for fact in facts
        )
        return self.do(c.ObserveLoss(seat=id_, connection=self.seat(id_).connection, evidence=rows))

    def admit(self, *ids: str) -> None:
        for id_ in ids:
            self.do(c.Admit(actor=CLERK, seat=id_))

    def interrupt(self, ground: str) -> None:
        """The recording rests by the two people it takes: the clerk proposes, the judge confirms."""
        (proposed,) = self.do(c.ProposeInterruption(actor=CLERK, ground=ground))
        assert isinstance(proposed, InterruptionProposed)
        self.do(c.ConfirmInterruption(actor=JUDGE, proposal=proposed.id))

    def in_session(self, phase: str = "investigation") -> House:
        """Everybody here, admitted, opened, in ``phase``."""
        everybody = [id_ for id_ in self.hearing.seats if id_ != "seat-observer"]
        self.arrive(*everybody)
        self.admit(*(id_ for id_ in everybody if self.room(id_) == "waiting"))
        self.do(c.OpenHearing(actor=JUDGE))
        if phase != "open":
            self.do(c.SetPhase(actor=JUDGE, phase=phase))
        return self
