"""The capture writer of this control process: takes are opened, watched and closed here.

Rules: a take is opened (disk set aside) before a hearing opens, closed after its last captured packet is written; a
writer that dies is started again and every open take is opened again; what it reports (sealed segments, defects,
progress) goes to the hearing that owns the take. Take ids are chosen by the hearing and mean nothing here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, Protocol

import msgspec

from courtroom.channel.messages import (
    VERSION,
    CaptureDefect,
    CaptureMended,
    CaptureProgress,
    CloseTake,
    FromWriter,
    Mark,
    OpenTake,
    SegmentSealed,
    WelcomeWriter,
    WriterReady,
)
from courtroom.control.clock import CourtClock
from courtroom.control.supervisor import Supervisor
from courtroom.errors import Refused, Unavailable

ARGV: Final = (sys.executable, "-m", "recorder", "writer")
RESERVE_BYTES: Final = 256 * 1024 * 1024
"""Set aside before a hearing opens: about twenty minutes of nine seats at 200 kB/s; the writer warns long before."""

PATIENCE_S: Final = 60.0
"""Of silence, before a writer that owes an answer is killed. A slow disk is no reason to: the writer says that it is
slow, and what it holds would be torn."""


class TakeOwner(Protocol):
    """The hearing whose take it is."""

    def on_segment_sealed(self, sealed: SegmentSealed) -> None: ...

    def on_capture_progress(self, progress: CaptureProgress) -> None: ...

    def on_capture_defect(self, defect: CaptureDefect) -> None: ...

    def on_capture_mended(self, mended: CaptureMended) -> None: ...

    def on_writer_restarted(self) -> None: ...


class CaptureWriter:
    """The writer process and the takes open in it."""

    def __init__(self, clock: CourtClock, socket: Path, directory: Path) -> None:
        self.directory = directory
        self.socket = str(socket)
        self._clock = clock
        self._owners: dict[str, TakeOwner] = {}
        self._was_up = False
        self._supervisor: Supervisor[FromWriter] = Supervisor(
            "writer",
            ARGV,
            FromWriter,
            lambda: WelcomeWriter(
                version=VERSION, clock_offset_us=clock.offset_us, capture_socket=self.socket, directory=str(directory)
            ),
            WriterReady,
            on_message=self._on_message,
            on_up=self._on_up,
            on_down=lambda: None,
        )

    @property
    def up(self) -> bool:
        return self._supervisor.up

    @property
    def pid(self) -> int:
        return self._supervisor.pid

    def now(self) -> int:
        return self._clock.now()

    async def start(self) -> None:
        await self._supervisor.start()

    async def stop(self) -> None:
        await self._supervisor.stop()

    async def open(self, take: str, owner: TakeOwner) -> None:
        """``Refused("recorder_not_ready")`` when disk or writer are not there: no hearing opens without its record."""
        self._owners[take] = owner
        try:
            reply = await self._supervisor.child.ask(
                lambda number: OpenTake(number, take, RESERVE_BYTES), PATIENCE_S, while_heard=True
            )
        except Unavailable as error:
            del self._owners[take]
            raise Refused("recorder_not_ready") from error
        if reply.code:
            del self._owners[take]
            raise Refused("recorder_not_ready", {"why": reply.code})

    async def close(self, take: str) -> None:
        """Returns when every segment is sealed and reported."""
        reply = await self._supervisor.child.ask(lambda number: CloseTake(number, take), PATIENCE_S, while_heard=True)
        if reply.code:
            raise Unavailable(reply.code)
        self._owners.pop(take, None)

    def mark(self, take: str, kind: str, detail: str) -> None:
        """A control event inline in the take; lost if the writer is down, the ledger has it anyway."""
        if self.up:
            self._supervisor.child.send(Mark(take, self._clock.now(), kind, detail))

    def _on_up(self, _ready: msgspec.Struct) -> None:
        if self._was_up:
            for owner in list(self._owners.values()):
                owner.on_writer_restarted()
        self._was_up = True

    def _on_message(self, message: FromWriter) -> None:
        match message:
            case SegmentSealed(take=take):
                if owner := self._owners.get(take):
                    owner.on_segment_sealed(message)
            case CaptureProgress(take=take):
                if owner := self._owners.get(take):
                    owner.on_capture_progress(message)
            case CaptureDefect(take=take):
                if owner := self._owners.get(take):
                    owner.on_capture_defect(message)
            case CaptureMended(take=take):
                if owner := self._owners.get(take):
                    owner.on_capture_mended(message)
            case _:
                pass  # a late Reply
