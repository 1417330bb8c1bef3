"""The court's own words to one seat: what happened, what it means, what to do (texts: ``notice.<code>``).

Rules: a notice to an isolated or waiting person speaks of that person alone. Notices state facts and conclude nothing.
``CODES`` is every code that can come out of here. Levels: ``info warn fault ask``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from courtroom.hearing import access, checklist, deliveries, phases, presence, rooms
from courtroom.hearing.model import Hearing, Kind, Phase, Presence, RoomKind, Seat, Step

Row = dict[str, Any]

LEVELS: Final[Mapping[str, str]] = {
    "removed": "warn",
    "over": "info",
    "moved_offline": "info",
    "consent_missing": "ask",
    "identity_pending": "info",
    "muted_microphone": "info",
    "muted_camera": "info",
    "muted_screen": "info",
    "floor": "info",
    "excused": "info",
    "prompted": "warn",
    "warned": "warn",
    "help_wanted": "ask",
    "urgent": "ask",
    "not_delivered": "warn",
    "leave_over": "warn",
}
CODES: Final = frozenset(LEVELS)

_MUTES: Final = {Kind.MICROPHONE: "muted_microphone", Kind.CAMERA: "muted_camera", Kind.SCREEN: "muted_screen"}
_CALLS: Final = {"help": "help_wanted", "urgent": "urgent"}


def notices(hearing: Hearing, seat: Seat, names: Mapping[str, str], *, desk: bool) -> list[Row]:
    """What stands on this seat's screen now, most weighty first."""
    if hearing.phase in phases.OVER:
        moved = hearing.phase is Phase.MOVED_OFFLINE and not rooms.must_be_isolated(hearing, seat)
        return [_notice("moved_offline" if moved else "over", seat, hearing.closed_at)]
    if seat.removed:
        return [_notice("removed", seat, seat.timeline[-1].since if seat.timeline else 0)]
    return [*_own(hearing, seat), *(_desk(hearing, seat, names) if desk else ())]


def _notice(code: str, seat: Seat, at: int, **values: str | int) -> Row:
    return {"id": f"{code}-{seat.id}-{at}", "level": LEVELS[code], "code": code, "values": values, "at": at}


def _own(hearing: Hearing, seat: Seat) -> list[Row]:
    found: list[Row] = []
    since = seat.timeline[-1].since if seat.timeline else 0
    if running := deliveries.current(seat):
        newest = max(running, key=lambda one: (one.step is Step.WARNING, one.seq))
        code = "warned" if newest.step is Step.WARNING else "prompted"
        found.append(_notice(code, seat, newest.at, notice=newest.seq, read=int(newest.read_at > 0)))
    if seat.room is not None and seat.room.kind is RoomKind.WAITING:
        if checklist.needs_consent(hearing, seat) and not seat.consented:
            found.append(_notice("consent_missing", seat, since))
        if checklist.needs_identity(hearing, seat) and not seat.identity_verified:
            found.append(_notice("identity_pending", seat, since))
    if seat.excused_until:
        found.append(_notice("excused", seat, since, until=seat.excused_until))
    if rooms.in_court(seat):
        found += [_notice(code, seat, 0) for kind, code in _MUTES.items() if kind in seat.muted]
        if seat.floor:
            found.append(_notice("floor", seat, 0))
    return found


def _desk(hearing: Hearing, viewer: Seat, names: Mapping[str, str]) -> list[Row]:
    found: list[Row] = []
    for request in hearing.requests:
        asker = hearing.seats.get(request.seat)
        if request.granted is None and request.kind in _CALLS and asker is not None:
            found.append(_notice(_CALLS[request.kind], asker, request.at, name=names.get(asker.id, "")))
    for seat in hearing.seats.values():
        if not access.may_know(hearing, viewer.id, seat.id) or not presence.is_missing(seat):
            continue
        name = names.get(seat.id, "")
        waiting = [one for one in deliveries.current(seat) if not one.delivered_at]
        if waiting:
            found.append(_notice("not_delivered", seat, waiting[-1].at, name=name, notice=waiting[-1].seq))
        if len(seat.timeline) > 1 and seat.timeline[-2].state is Presence.EXCUSED:
            found.append(_notice("leave_over", seat, seat.timeline[-1].since, name=name))
    return found
