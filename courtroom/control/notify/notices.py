"""Prompts and warnings leave the house: every way at once, tried again for a while, each outcome in the ledger.

Rules
* A notice goes out by every notifier that has an address for the seat. In-page delivery is the page's own matter.
* Bounded: ``PENDING`` letters a hearing, ``AFTER_S`` attempts and no more. A letter that is given up is a failure in
  the ledger, where the bench sees it; so is one that found no room.
* An attempt that failed is a ledger line too (the court core drops mere repetitions).
* The link of a letter is a fresh random token, kept as its hash, good for ``LINK_S``.
* After a restart, notices of the absence that lasts which had not been handed over are sent again under the same id.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import structlog

from courtroom.control.api import Courtroom
from courtroom.control.notify.letter import Letter, Notifier
from courtroom.errors import CourtroomError, Refused, Unavailable
from courtroom.hearing.commands import ObserveDelivery
from courtroom.hearing.ledger import Entry
from courtroom.hearing.model import DeliveryState, Notice
from courtroom.store.ports import NoticeLink, Registry
from courtroom.store.secrets import new_token, token_hash

PENDING: Final = 64
AFTER_S: Final = (0.0, 3.0, 12.0, 45.0, 120.0, 300.0)
LINK_S: Final = 12 * 3600
FRESH_US: Final = 15 * 60 * 1_000_000
"""An older notice is not sent again after a restart: it would come as a surprise."""

log = structlog.get_logger()


class Notices:
    """The post of one control process."""

    def __init__(
        self,
        notifiers: Sequence[Notifier],
        registry: Registry,
        now: Callable[[], int],
        after_s: Sequence[float] = AFTER_S,
    ) -> None:
        self._notifiers = notifiers
        self._registry = registry
        self._now = now
        self._after_s = after_s
        self._base = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._pending: Counter[str] = Counter()

    def reachable_at(self, url: str) -> None:
        """The public address of the pages: what links in letters begin with."""
        self._base = url.rstrip("/")

    @property
    def pending(self) -> int:
        return len(self._tasks)

    def post(self, courtroom: Courtroom, seat: str, notice: int, step: str) -> None:
        """Sends notice ``notice`` (its ledger number) to the person on ``seat``; returns at once."""
        for notifier in self._notifiers:
            if self._pending[courtroom.id] >= PENDING:
                self._spawn(self._tell(courtroom, seat, notice, notifier.channel, "failed", "queue_full"))
                continue
            self._pending[courtroom.id] += 1
            self._spawn(self._deliver(courtroom, seat, notice, step, notifier))

    def recorded(self, courtroom: Courtroom, entries: Sequence[Entry]) -> None:
        """Prompts and warnings leave the house as soon as they stand in the ledger."""
        for entry in entries:
            step = {"prompted": "prompt", "warned": "warning"}.get(entry.type)
            if step is not None:
                self.post(courtroom, entry.body["seat"], entry.seq, step)

    def resume(self, courtroom: Courtroom) -> None:
        """After a restart: what was not handed over is sent."""
        for seat, one in self._undelivered(courtroom):
            self.post(courtroom, seat, one.seq, one.step.value)

    def owes(self, courtroom: Courtroom) -> bool:
        """Whether a letter of this hearing is on its way, or would be sent after a restart."""
        return self._pending[courtroom.id] > 0 or bool(self._notifiers and self._undelivered(courtroom))

    def _undelivered(self, courtroom: Courtroom) -> list[tuple[str, Notice]]:
        hearing, now = courtroom.hearing, self._now()
        if hearing.closed_at:
            return []
        return [
            (seat.id, one)
            for seat in hearing.seats.values()
            for one in seat.notices
            if not one.ended_at and now - one.at < FRESH_US and not _handed_over(one)
        ]

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for notifier in self._notifiers:
            await notifier.close()

    # --- one letter by one way --------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("notice_bug", fault=type(error).__name__)

    async def _deliver(self, courtroom: Courtroom, seat: str, notice: int, step: str, notifier: Notifier) -> None:
        try:
            letter = await self._letter(courtroom, seat, notice, step)
            if notifier.reaches(letter):
                await self._try(courtroom, letter, notifier)
        finally:
            self._pending[courtroom.id] -= 1
            if not self._pending[courtroom.id]:
                del self._pending[courtroom.id]

    async def _letter(self, courtroom: Courtroom, seat: str, notice: int, step: str) -> Letter:
        hearing = courtroom.hearing
        contact = await self._registry.contact(hearing.id, seat)
        link = ""
        if contact.email or contact.phone:
            token = new_token()
            link = f"{self._base}/n/{token}"
            expires_at = self._now() + LINK_S * 1_000_000
            await self._registry.add_notice_link(
                token_hash(token), NoticeLink(hearing.id, seat, str(notice), 0), expires_at
            )
        return Letter(
            hearing.id, seat, notice, step, hearing.case.court, hearing.scheduled_at, link, contact.email, contact.phone
        )

    async def _try(self, courtroom: Courtroom, letter: Letter, notifier: Notifier) -> None:
        """Until it is handed over, refused, given up, or not wanted any more."""
        for attempt, pause in enumerate(self._after_s, 1):
            await asyncio.sleep(pause)
            if attempt > 1 and not _wanted(courtroom, letter):
                return
            try:
                proof = await notifier.send(letter)
            except Unavailable as error:
                await self._report(courtroom, letter, notifier, "failed", f"{error.code} attempt {attempt}")
            except Refused as error:
                await self._report(courtroom, letter, notifier, "failed", error.code)
                return
            else:
                await self._report(courtroom, letter, notifier, proof.state, proof.detail)
                return
        log.warning("notice_given_up", hearing=letter.hearing, channel=notifier.channel, notice=letter.notice)

    async def _report(
        self, courtroom: Courtroom, letter: Letter, notifier: Notifier, state: str, detail: str
    ) -> None:  # fmt: skip
        await self._tell(courtroom, letter.seat, letter.notice, notifier.channel, state, detail)

    async def _tell(
        self, courtroom: Courtroom, seat: str, notice: int, channel: str, state: str, detail: str
    ) -> None:  # fmt: skip
        command = ObserveDelivery(seat=seat, notice=notice, channel=channel, state=state, detail=detail[:128])
        try:
            await courtroom.submit(command)
        except CourtroomError as error:
            log.warning("delivery_not_noted", hearing=courtroom.id, notice=notice, channel=channel, code=error.code)


def _handed_over(notice: Notice) -> bool:
    """Whether it left by some way out of the house."""
    gone = (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ)
    return any(one.state in gone and one.channel.value in ("email", "webhook") for one in notice.deliveries)


def _wanted(courtroom: Courtroom, letter: Letter) -> bool:
    """Whether the absence still lasts: nobody is called who is back."""
    seat = courtroom.hearing.seats.get(letter.seat)
    return seat is not None and any(one.seq == letter.notice and not one.ended_at for one in seat.notices)
