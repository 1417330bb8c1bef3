"""The recording of one hearing: its take, its sealed segments, its gaps, and the lamp.

Rules (RecP 1–4, COURT.md 7)
* A take is opened before the hearing is (no disk, no hearing) and closed after its last captured packet is on disk.
* The lamp says ``on`` only while the writer reports bytes on disk; before that ``starting``; a defect shows as
  ``fault`` until the writer says that it is over, and so does a writer that says nothing for ``SILENT_US``.
* An alarm (``ALARMS``) comes before anything is lost: the desk is told, the lamp stays on.
* Every sealed segment goes into the ledger once, under its file name, also when it is found after a crash.
* A gap is from the moment the media stopped to the moment captured routes stand again; it is a ledger line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from courtroom.channel.messages import CaptureDefect, CaptureMended, CaptureProgress, SegmentSealed
from courtroom.control.capture import CaptureWriter
from courtroom.control.second import SecondCopies
from courtroom.hearing.commands import ObserveArchive, ObserveCapture
from courtroom.hearing.ledger import Entry

_BYTES_AN_HOUR: Final = 9 * 200_000 * 3600
"""What a full nine-seat hearing writes in an hour at most; the hours left are told for that."""

ALARMS: Final = frozenset({"disk_low", "disk_slow"})
RESTARTED: Final = "writer_restarted"
SILENT_US: Final = 6_000_000


class Recording:
    """``note`` hands an observation to the hearing's actor, ``changed`` asks for a new view, ``reopen`` for the
    take.
    """

    def __init__(
        self,
        writer: CaptureWriter,
        note: Callable[[ObserveCapture | ObserveArchive], None],
        changed: Callable[[], None],
        reopen: Callable[[], None],
        copies: SecondCopies | None = None,
    ) -> None:
        self._writer = writer
        self._note = note
        self._changed = changed
        self._reopen = reopen
        self._copies = copies
        self._copy_failing_since = 0
        self._sealed: set[str] = set()
        self._uncopied: set[str] = set()
        self._progress: CaptureProgress | None = None
        self._troubles: dict[str, int] = {}  # code → since
        self._gap_from = 0
        self._gap_reason = ""
        self._opened_at = 0
        self._turn = asyncio.Lock()
        self.take = ""

    @property
    def busy(self) -> bool:
        """Whether the writer has a take of this hearing."""
        return bool(self.take)

    @property
    def copies(self) -> bool:
        """Whether this court keeps a second copy of everything."""
        return self._copies is not None

    @property
    def copied(self) -> bool:
        """Whether every sealed segment lies a second time elsewhere."""
        return not self._uncopied

    def remember(self, entries: Iterable[Entry]) -> None:
        """What the ledger already knows (its ``capture_noted``), at start. What has no second copy is copied now; a
        defect that stood when we died is over when bytes are on disk again."""
        to_copy: dict[str, tuple[str, str]] = {}
        for entry in entries:
            detail = entry.body["detail"]
            match entry.body["what"]:
                case "sealed":
                    segment = str(detail["segment"])
                    self._sealed.add(segment)
                    to_copy[segment] = str(detail.get("take", "")), str(detail["sha256"])
                case "copied":
                    to_copy.pop(str(detail["segment"]), None)
                case "defect":
                    self._troubles[RESTARTED] = entry.at
                case "resumed":
                    self._troubles.pop(RESTARTED, None)
                case _:
                    pass
        for segment, (take, sha256) in to_copy.items():
            self._copy(take, segment, sha256)

    def _copy(self, take: str, segment: str, sha256: str) -> None:
        if self._copies is not None:
            self._uncopied.add(segment)
            self._copies.segment(self, take, segment, sha256)

    def copy_bag(self, hearing: str, root: str) -> None:
        """The sealed archive too, once; ``root`` is told with it."""
        if self._copies is not None:
            self._copies.bag(self, hearing, root)

    def on_copied(self, what: str, sha256: str, place: str) -> None:
        if what:
            self._uncopied.discard(what)
            self._note(ObserveCapture(what="copied", detail={"segment": what, "sha256": sha256, "place": place}))
        else:
            self._note(ObserveArchive(what="copied", detail={"root": sha256, "place": place}))
        if self._copy_failing_since:
            self._copy_failing_since = 0
            self._changed()

    def on_copy_failing(self, code: str, place: str) -> None:
        self._copy_failing_since = self._writer.now()
        self._note(ObserveCapture(what="copy_failed", detail={"code": code, "place": place}))

    async def open(self, take: str) -> None:
        """``Refused("recorder_not_ready")`` when there is no place to write to."""
        async with self._turn:
            await self._writer.open(take, self)
            self.take = take
            self._progress = None
            self._opened_at = self._writer.now()

    async def close(self) -> None:
        """``Unavailable`` when the writer died on it or its disk refused: open the take again and close it again."""
        async with self._turn:
            take, self.take = self.take, ""
            if take:
                await self._writer.close(take)

    def mark(self, kind: str, detail: str) -> bool:
        """An event inline in the open take; whether there is one and a writer to write it."""
        if not self.take or not self._writer.up:
            return False
        self._writer.mark(self.take, kind, detail)
        return True

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
        self._copy(sealed.take, sealed.segment, sealed.sha256)

    def on_capture_progress(self, progress: CaptureProgress) -> None:
        first = self._progress is None or not self._progress.synced_bytes
        self._progress = progress
        if first and progress.synced_bytes:
            self._over(RESTARTED, progress.synced_at)
            self._changed()

    def on_capture_defect(self, defect: CaptureDefect) -> None:
        if defect.code not in self._troubles:
            self._troubles[defect.code] = defect.at
            what = "alarm" if defect.code in ALARMS else "defect"
            self._note(ObserveCapture(what=what, detail={"code": defect.code, "at": defect.at}))

    def on_capture_mended(self, mended: CaptureMended) -> None:
        self._over(mended.code, mended.at)

    def _over(self, code: str, at: int) -> None:
        if self._troubles.pop(code, None) is None:
            return
        resumed = code not in ALARMS and self._troubles.keys() <= ALARMS
        self._note(ObserveCapture(what="resumed" if resumed else "mended", detail={"code": code, "at": at}))

    def on_writer_restarted(self) -> None:
        """What it had in trouble it will say again."""
        now = self._writer.now()
        self._progress = None
        for code in sorted(self._troubles.keys() - {RESTARTED}):
            del self._troubles[code]
            self._note(ObserveCapture(what="mended", detail={"code": code, "at": now}))
        self._troubles[RESTARTED] = now
        self._note(ObserveCapture(what="defect", detail={"code": RESTARTED, "at": now}))
        self._reopen()

    @property
    def notices(self) -> dict[str, int]:
        """What the desk is told: code → since (µs)."""
        told = dict(self._troubles) if self.take else {}
        if self._copy_failing_since:
            told["second_copy_failing"] = self._copy_failing_since
        return told

    # --- the lamp ---------------------------------------------------------------------------------

    def lamp(self, ordered: dict[str, Any]) -> dict[str, Any]:
        """``view.recording`` as the court core orders it, corrected by what is really on disk."""
        lamp = dict(ordered)
        if lamp.get("state") in ("on", "fault"):
            fault = self._fault()
            if fault:
                lamp.update(state="fault", reason=fault)
            elif self._progress is None or not self._progress.synced_bytes:
                lamp["state"] = "starting"
        if self._progress is not None:
            lamp["free_hours"] = int(self._progress.free_bytes // _BYTES_AN_HOUR)
        return lamp

    def _fault(self) -> str:
        defects = sorted(self._troubles.keys() - ALARMS)
        if defects or not self._writer.up:
            return defects[0] if defects else RESTARTED
        heard = self._progress.synced_at if self._progress is not None else self._opened_at
        return "writer_silent" if self.take and self._writer.now() - heard > SILENT_US else ""
