"""The media journal: what workers counted, in lines that chain, repeat, and lose nothing while the writer is away."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from courtroom.channel.messages import EdgeCounter, TransportChanged
from courtroom.control.mediajournal import EVERY_US, KEPT_US, LINE, MediaJournal
from courtroom.hearing.ledger import canonical

SECOND = 1_000_000


class Take:
    """What stands in the take; ``open`` says whether there is one."""

    def __init__(self) -> None:
        self.open = True
        self.lines: list[dict[str, Any]] = []

    def mark(self, kind: str, detail: str) -> bool:
        assert kind == "edges"
        assert len(detail) < 60_000
        if self.open:
            self.lines.append(json.loads(detail))
        return self.open


def edge(to: str, packets: int, source: str = "t-b", at: int = SECOND) -> EdgeCounter:
    return EdgeCounter(to, source, "camera", packets, packets * 1000, SECOND, at)


def started(take: Take, transports: int = 1) -> MediaJournal:
    journal = MediaJournal(take.mark)
    for number in range(transports):
        journal.belongs(f"t-{number}", f"s-{number}", "courtroom")
    return journal


def test_lines_are_numbered_and_chained() -> None:
    take = Take()
    journal = started(take)
    for second in range(40):
        journal.counted(second * SECOND, [edge("t-0", second)])
    assert [line["n"] for line in take.lines] == list(range(1, len(take.lines) + 1))
    assert take.lines[0]["prev"] == "0" * 64
    for before, after in zip(take.lines, take.lines[1:], strict=False):
        assert after["prev"] == hashlib.sha256(canonical({**before, "kind": "edges"})).hexdigest()


def test_a_line_stands_at_once_when_a_transport_comes_or_goes_and_else_every_ten_seconds() -> None:
    take = Take()
    journal = started(take)
    journal.counted(0, [])
    assert take.lines[-1]["stays"] == [["t-0", "s-0", "courtroom", 0, 0]]
    journal.changed(TransportChanged("t-0", "connected", 5))
    journal.counted(SECOND, [edge("t-0", 1)])
    assert take.lines[-1]["stays"] == [["t-0", "s-0", "courtroom", 5, 0]]
    count = len(take.lines)
    for second in range(2, 11):
        journal.counted(second * SECOND, [edge("t-0", second)])
    assert len(take.lines) == count
    journal.counted(EVERY_US + SECOND, [edge("t-0", 99)])
    assert take.lines[-1]["edges"] == [["t-0", "t-b", "camera", 99, SECOND, SECOND]]
    journal.changed(TransportChanged("t-0", "closed", 12 * SECOND))
    journal.counted(12 * SECOND, [])
    assert take.lines[-1]["stays"] == [["t-0", "s-0", "courtroom", 5, 12 * SECOND]]


def test_a_silent_hearing_still_has_a_line_a_minute() -> None:
    take = Take()
    journal = started(take)
    for second in range(200):
        journal.counted(second * SECOND, [])
    assert 4 <= len(take.lines) <= 5


def test_edges_of_other_hearings_are_passed_over() -> None:
    take = Take()
    journal = started(take)
    journal.counted(0, [edge("t-elsewhere", 5)])
    journal.flush(1)
    assert all(not line["edges"] for line in take.lines)


def test_what_happens_before_the_take_is_in_its_first_lines() -> None:
    take = Take()
    take.open = False
    journal = started(take)
    for second in range(30):
        journal.counted(second * SECOND, [edge("t-0", second)])
    assert take.lines == []
    take.open = True
    journal.counted(30 * SECOND, [])
    assert take.lines[0]["n"] == 1
    assert take.lines[0]["stays"][0][0] == "t-0"
    assert take.lines[0]["edges"] == [["t-0", "t-b", "camera", 29, SECOND, SECOND]]


def test_a_take_opened_anew_gets_everything_again() -> None:
    take = Take()
    journal = started(take)
    journal.counted(0, [edge("t-0", 4)])
    journal.flush(1)
    take.lines.clear()
    journal.again()
    journal.flush(2)
    assert take.lines[0]["stays"][0][0] == "t-0"
    assert take.lines[0]["edges"][0][3] == 4


def test_what_is_long_over_and_written_is_forgotten() -> None:
    take = Take()
    journal = started(take, 2)
    for name in ("t-0", "t-1"):
        journal.changed(TransportChanged(name, "connected", 5))
    journal.counted(SECOND, [edge("t-0", 9, "t-1"), edge("t-1", 7, "t-0")])
    journal.changed(TransportChanged("t-1", "closed", 2 * SECOND))
    journal.flush(3 * SECOND)
    kept = 2 * SECOND + KEPT_US
    for at, stays, edges in ((kept - 1, 2, 2), (kept, 1, 0)):
        journal.flush(at)
        take.lines.clear()
        journal.again()
        journal.flush(at)
        assert (len(take.lines[0]["stays"]), len(take.lines[0]["edges"])) == (stays, edges)
    assert take.lines[0]["stays"][0][0] == "t-0", "who is here is never forgotten"


def test_a_dead_worker_takes_its_transports_down_at_its_last_word() -> None:
    take = Take()
    journal = started(take)
    journal.changed(TransportChanged("t-0", "connected", 5))
    journal.counted(7 * SECOND, [])
    journal.worker_lost()
    journal.flush(9 * SECOND)
    assert take.lines[-1]["stays"] == [["t-0", "s-0", "courtroom", 5, 7 * SECOND]]


def test_a_great_hearing_is_told_in_lines_that_fit() -> None:
    take = Take()
    journal = started(take, 600)
    journal.counted(0, [edge(f"t-{n}", n + 1, f"t-source-{n:040}") for n in range(600)])
    journal.flush(1)
    assert sum(len(line["stays"]) for line in take.lines) == 600
    assert sum(len(line["edges"]) for line in take.lines) == 600
    assert max(len(line["edges"]) for line in take.lines) == LINE
