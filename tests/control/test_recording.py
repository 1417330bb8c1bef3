"""The lamp, the troubles and the ledger lines of one recording, from what the writer says."""

from __future__ import annotations

from typing import Any

import pytest

from courtroom.channel.messages import CaptureDefect, CaptureMended, CaptureProgress, SegmentSealed
from courtroom.control.recording import SILENT_US, Recording
from courtroom.hearing.commands import ObserveArchive, ObserveCapture
from courtroom.hearing.ledger import FIRST, Entry, entry_for
from tests.hearing.house import House

ON = {"state": "on", "reason": None, "since": 0}
FAULT = {"state": "fault", "reason": "fault", "since": 0}


class Writer:
    """The writer's end as a recording sees it."""

    def __init__(self) -> None:
        self.up = True
        self.time = 1_000_000_000

    def now(self) -> int:
        return self.time

    async def open(self, take: str, owner: object) -> None:
        pass

    def mark(self, take: str, kind: str, detail: str) -> None:
        pass


class Copies:
    def __init__(self) -> None:
        self.ordered: list[tuple[str, str, str]] = []

    def segment(self, owner: object, take: str, segment: str, sha256: str) -> None:
        self.ordered.append((take, segment, sha256))

    def bag(self, owner: object, hearing: str, root: str) -> None:
        self.ordered.append((hearing, "", root))


class Case:
    def __init__(self) -> None:
        self.writer, self.copies = Writer(), Copies()
        self.noted: list[ObserveCapture | ObserveArchive] = []
        self.recording = Recording(
            self.writer,  # type: ignore[arg-type]
            note=self.noted.append,
            changed=lambda: None,
            reopen=lambda: None,
            copies=self.copies,  # type: ignore[arg-type]
        )

    def progress(self) -> None:
        self.recording.on_capture_progress(CaptureProgress("t", 5_000, self.writer.time, 1 << 40))

    def defect(self, code: str) -> None:
        self.recording.on_capture_defect(CaptureDefect("t", code, self.writer.time))

    def mended(self, code: str) -> None:
        self.recording.on_capture_mended(CaptureMended("t", code, self.writer.time))

    def facts(self) -> list[tuple[str, Any]]:
        return [(one.what, one.detail.get("code")) for one in self.noted]


@pytest.fixture
async def case() -> Case:
    made = Case()
    await made.recording.open("t")
    return made


async def test_the_lamp_is_on_only_with_bytes_on_disk_and_while_the_writer_speaks(case: Case) -> None:
    assert case.recording.lamp(ON)["state"] == "starting"
    case.progress()
    assert case.recording.lamp(ON)["state"] == "on"
    case.writer.time += SILENT_US + 1
    assert case.recording.lamp(ON) | {"free_hours": 0} == {**FAULT, "reason": "writer_silent", "free_hours": 0}
    case.progress()
    assert case.recording.lamp(ON)["state"] == "on"
    case.writer.up = False
    assert case.recording.lamp(ON)["reason"] == "writer_restarted"


async def test_an_alarm_is_told_and_the_lamp_stays_on(case: Case) -> None:
    case.progress()
    case.defect("disk_low")
    case.defect("disk_low")  # the writer repeats what lasts
    assert case.recording.lamp(ON)["state"] == "on"
    assert list(case.recording.notices) == ["disk_low"]
    case.mended("disk_low")
    assert case.recording.notices == {}
    assert case.facts() == [("alarm", "disk_low"), ("mended", "disk_low")]


async def test_a_defect_is_a_fault_until_the_last_one_is_over(case: Case) -> None:
    case.progress()
    case.defect("disk_full")
    case.defect("io_error")
    case.progress()  # syncing an old file works on a full disk too: that proves nothing
    assert case.recording.lamp(FAULT)["state"] == "fault"
    case.mended("disk_full")
    assert case.recording.lamp(FAULT)["reason"] == "io_error"
    case.mended("io_error")
    assert case.facts() == [
        ("defect", "disk_full"),
        ("defect", "io_error"),
        ("mended", "disk_full"),
        ("resumed", "io_error"),
    ]
    assert case.recording.lamp(ON)["state"] == "on"


async def test_a_restarted_writer_is_a_defect_until_bytes_are_on_disk_again(case: Case) -> None:
    case.progress()
    case.defect("disk_slow")
    case.recording.on_writer_restarted()
    assert list(case.recording.notices) == ["writer_restarted"]
    case.progress()
    assert case.facts()[1:] == [
        ("mended", "disk_slow"),
        ("defect", "writer_restarted"),
        ("resumed", "writer_restarted"),
    ]


def noted(what: str, seq: int, **detail: str | int) -> Entry:
    house = House()
    (event,) = house.do(ObserveCapture(what=what, detail=detail))
    return entry_for("h", seq, 1_000 + seq, "system", event, FIRST)


async def test_after_a_restart_of_control_only_what_has_no_second_copy_is_copied() -> None:
    case = Case()
    case.recording.remember(
        [
            noted("sealed", 1, take="t", segment="seg-00001.cap", sha256="a" * 64),
            noted("sealed", 2, take="t", segment="seg-00002.cap", sha256="b" * 64),
            noted("copied", 3, segment="seg-00001.cap", sha256="a" * 64, place="second"),
            noted("copy_failed", 4, code="copy_unreachable", place="second"),
            noted("defect", 5, code="disk_full", at=7),
        ]
    )
    assert case.copies.ordered == [("t", "seg-00002.cap", "b" * 64)]
    await case.recording.open("t")
    case.recording.on_segment_sealed(SegmentSealed("t", "seg-00002.cap", "b" * 64, 1, 2, 3, torn=False))
    assert case.noted == [], "told before"
    case.progress()
    assert case.facts() == [("resumed", "writer_restarted")], "the defect that stood when we died"


async def test_a_copy_that_fails_is_told_until_one_succeeds(case: Case) -> None:
    case.recording.on_copy_failing("copy_unreachable", "second")
    assert list(case.recording.notices) == ["second_copy_failing"]
    case.recording.on_copied("seg-00001.cap", "a" * 64, "second")
    case.recording.copy_bag("h-1", "r" * 64)
    case.recording.on_copied("", "r" * 64, "second")
    assert case.recording.notices == {}
    assert [(type(one).__name__, one.what) for one in case.noted] == [
        ("ObserveCapture", "copy_failed"),
        ("ObserveCapture", "copied"),
        ("ObserveArchive", "copied"),
    ]
    assert case.copies.ordered == [("h-1", "", "r" * 64)]
