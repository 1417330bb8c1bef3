"""The recording of one hearing: its take, its sealed segments, its gaps, and the lamp.

Rules (RecP 1–4, COURT.md 7)
* A take is opened before the hearing is (no disk, no hearing) and closed after its last captured packet is on disk.
* The lamp says ``on`` only while the writer reports bytes on disk; before that ``starting``; a defect shows as
  ``fault``.
* Every sealed segment goes into the ledger once, under its file name, also when it is found after a crash.
* A gap is from the moment the media stopped to the moment captured routes stand again; it is a ledger line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from courtroom.channel.messages import CaptureDefect, CaptureProgress, SegmentSealed
from courtroom.control.capture import CaptureWriter
from courtroom.hearing.commands import ObserveCapture
from courtroom.hearing.ledger import Entry

_BYTES_AN_HOUR: Final = 9 * 200_000 * 3600
"""What a full nine-seat hearing writes in an hour at most; the hours left are told for that."""


class Recording:
    """``note`` hands an observation to the hearing's actor, ``changed`` asks for a new view, ``reopen`` for the
    take.
    """

    def __init__(
        self,
        writer: CaptureWriter,
        note: Callable[[ObserveCapture], None],
        changed: Callable[[], None],
        reopen: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._note = note
        self._changed = changed
        self._reopen = reopen
        self._sealed: set[str] = set()
        self._progress: CaptureProgress | None = None
        self._defect = ""
        self._gap_from = 0
        self._gap_reason = ""
        self.take = ""

    def remember(self, entries: Iterable[Entry]) -> None:
        """What the ledger already knows, at start."""
        for entry in entries:
            if entry.type == "capture_noted" and entry.body.get("what") == "sealed":
                self._sealed.add(str(entry.body["detail"]["segment"]))

    async def open(self, take: str) -> None:
        """``Refused("recorder_not_ready")`` when there is no place to write to."""
        await self._writer.open(take, self)
        self.take = take
        self._progress = None

    async def close(self) -> None:
        """``Unavailable`` when the writer died on it or its disk refused: open the take again and close it again."""
        take, self.take = self.take, ""
        if take:
            await self._writer.close(take)

    # --- gaps -------------------------------------------------------------------------------------

    def media_lost(self, at: int, reason: str) -> None:
        """Captured media stopped through our own fault."""
        if self.take and not self._gap_from:
            self._gap_from = at
            self._gap_reason = reason
            self._writer.mark(self.take, reason, "{}")

    def media_back(self, at: int) -> None:
        """Captured routes stand again after ``media_lost``."""
        if self._gap_from:
            detail: dict[str, str | int] = {"from_at": self._gap_from, "to_at": at, "reason": self._gap_reason}
            self._gap_from = 0
            self._note(ObserveCapture(what="gap", detail=detail))

    # --- what the writer says ---------------------------------------------------------------------

    def on_segment_sealed(self, sealed: SegmentSealed) -> None:
        if sealed.segment in self._sealed:
            return
        self._sealed.add(sealed.segment)
        detail: dict[str, str | int] = {
            "take": sealed.take,
            "segment": sealed.segment,
            "sha256": sealed.sha256,
            "start_at": sealed.start_at,
            "end_at": sealed.end_at,
            "bytes": sealed.bytes,
            "torn": int(sealed.torn),
        }
        self._note(ObserveCapture(what="sealed", detail=detail))

    def on_capture_progress(self, progress: CaptureProgress) -> None:
        first = self._progress is None or not self._progress.synced_bytes
        self._progress = progress
        if (first and progress.synced_bytes) or self._defect:
            self._defect = ""
            self._changed()

    def on_capture_defect(self, defect: CaptureDefect) -> None:
        if defect.code != self._defect:
            self._defect = defect.code
            self._note(ObserveCapture(what="defect", detail={"code": defect.code, "at": defect.at}))

    def on_writer_restarted(self) -> None:
        self._progress = None
        self._note(ObserveCapture(what="defect", detail={"code": "writer_restarted"}))
        self._reopen()

    # --- the lamp ---------------------------------------------------------------------------------

    def lamp(self, ordered: dict[str, Any]) -> dict[str, Any]:
        """``view.recording`` as the court core orders it, corrected by what is really on disk."""
        lamp = dict(ordered)
        if lamp.get("state") == "on":
            if self._defect or not self._writer.up:
                lamp.update(state="fault", reason=self._defect or "writer_restarted")
            elif self._progress is None or not self._progress.synced_bytes:
                lamp["state"] = "starting"
        if self._progress is not None:
            lamp["free_hours"] = int(self._progress.free_bytes // _BYTES_AN_HOUR)
        return lamp
