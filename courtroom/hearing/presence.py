"""Why a seat is not here: facts are weighed, a cause of the closed set is attributed (COURT.md 6; OLR art. 25).

Rules
* Our own fault is considered first and never charged to a party.
* Asymmetric: without a positive voluntary act (``VOLUNTARY``) the cause is never ``left_deliberately``.
* Evidence rows are ``{"fact", "at" µs, "clock": "court|client", "weighs": "for|against"}``, maybe with further
  integers and short strings. Facts outside the vocabulary are kept and weigh nothing.
* ``weighs`` is written here, relative to the attributed cause; what a row said about itself before is not believed.
* Nothing is overwritten: later evidence leads to a new attribution beside the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from courtroom.hearing.model import Cause, Hearing, Kind, Presence, Seat, Spell

Row = dict[str, str | int]

MAX_ROWS: Final = 64
MAX_KEYS: Final = 8
MAX_TEXT: Final = 200
MAX_INT: Final = 2**53 - 1
TOGETHER_US: Final = 3_000_000
"""Seats that drop within this time drop together."""
TOGETHER_SEATS: Final = 3
CUT_US: Final = 5_000_000
"""A loss is noticed after two seconds, and a reading looks back over some: those taken so near are of the cut."""
SETTLING_US: Final = 15_000_000
"""What a connection that has just come back says of loss is still of the cut: repairs asked for, rates found anew."""

LEAVE_CLICK: Final = "leave_click"  # the leave button
HUNG_UP: Final = "hung_up"  # the explicit DELETE of the media resource
PAGE_HIDE: Final = "page_hide"  # beacon of a page that is being closed
SOCKET_CLOSED_CLEAN: Final = "socket_closed_clean"  # the page's own goodbye on the signalling socket
SOCKET_DROPPED: Final = "socket_dropped"
HEARTBEAT_SILENT: Final = "heartbeat_silent"
MEDIA_SILENT: Final = "media_silent"  # no valid packet for 2 s
DTLS_CLOSE: Final = "dtls_close"
WORKER_DIED: Final = "worker_died"
CONTROL_RESTARTED: Final = "control_restarted"
HOST_OVERLOADED: Final = "host_overloaded"  # our own processes were late in the seconds before
CLOSED_BY_SERVER: Final = "closed_by_server"  # our side hung up for reasons of its own
SECOND_LOGIN: Final = "second_login"
REMOVED: Final = "removed"
CAMERA_LOST: Final = "camera_lost"
MICROPHONE_LOST: Final = "microphone_lost"
PERMISSION_REVOKED: Final = "permission_revoked"
HIGH_LOSS: Final = "high_loss"  # loss, delay or jitter of the last 60 s out of bounds
BATTERY_LOW: Final = "battery_low"
CLIENT_OFFLINE: Final = "client_offline"  # the client's own journal: the browser was offline
NETWORK_CHANGED: Final = "network_changed"
CLIENT_SLEPT: Final = "client_slept"  # its clock ran on while its page stood still: the machine slept or was stopped
PAGE_CRASHED: Final = "page_crashed"  # the page before ended without a goodbye
PEERS_DROPPED_TOGETHER: Final = "peers_dropped_together"
MEDIA_PORT_SILENT: Final = "media_port_silent"  # our media port received nothing from anybody in those seconds
CAPTURE_TROUBLE: Final = "capture_trouble"  # our disk or writer had a defect in the minute before
MEDIA_PORT_ALIVE: Final = "media_port_alive"  # others were received on the same port in the same seconds
SAME_NETWORK: Final = "same_network"  # every seat that dropped was behind one network, others elsewhere stayed

_OURS: Final = frozenset({Cause.PLATFORM_FAILURE})
_NETWORK: Final = frozenset({Cause.NETWORK_LOST, Cause.NETWORK_DEGRADED})
_SILENCE: Final = _NETWORK | {Cause.POWER_SUSPECTED, Cause.PLATFORM_FAILURE, Cause.DEVICE_FAILURE}
_WILLED: Final = frozenset({Cause.LEFT_DELIBERATELY, Cause.CLOSED_PAGE})

FACTS: Final[Mapping[str, frozenset[Cause]]] = {
    LEAVE_CLICK: frozenset({Cause.LEFT_DELIBERATELY}),
    HUNG_UP: frozenset({Cause.LEFT_DELIBERATELY}),
    PAGE_HIDE: _WILLED,
    SOCKET_CLOSED_CLEAN: _WILLED,
    SOCKET_DROPPED: _SILENCE | {Cause.CLOSED_PAGE},
    HEARTBEAT_SILENT: _SILENCE,
    MEDIA_SILENT: _SILENCE,
    DTLS_CLOSE: _WILLED,
    WORKER_DIED: _OURS,
    CONTROL_RESTARTED: _OURS,
    CLOSED_BY_SERVER: _OURS,
    HOST_OVERLOADED: _OURS,
    SECOND_LOGIN: frozenset({Cause.REPLACED_BY_SECOND_LOGIN}),
    REMOVED: frozenset({Cause.REMOVED_BY_COURT}),
    CAMERA_LOST: frozenset({Cause.DEVICE_FAILURE}),
    MICROPHONE_LOST: frozenset({Cause.DEVICE_FAILURE}),
    PERMISSION_REVOKED: frozenset({Cause.DEVICE_FAILURE}),
    HIGH_LOSS: _NETWORK,
    BATTERY_LOW: frozenset({Cause.POWER_SUSPECTED}),
    CLIENT_OFFLINE: _NETWORK,
    NETWORK_CHANGED: _NETWORK,
    CLIENT_SLEPT: frozenset({Cause.POWER_SUSPECTED, Cause.DEVICE_FAILURE}),
    PAGE_CRASHED: frozenset({Cause.POWER_SUSPECTED, Cause.DEVICE_FAILURE}),
    PEERS_DROPPED_TOGETHER: _OURS,
    MEDIA_PORT_SILENT: _OURS,
    CAPTURE_TROUBLE: _OURS,
    SAME_NETWORK: _NETWORK,
}
"""Fact → the causes it speaks for; it speaks against every other one."""

VOLUNTARY: Final = frozenset({LEAVE_CLICK, HUNG_UP})
_SILENT: Final = frozenset({SOCKET_DROPPED, HEARTBEAT_SILENT, MEDIA_SILENT, CLIENT_OFFLINE})
_ENDED: Final = _SILENT | {SOCKET_CLOSED_CLEAN}  # a browser says good-bye for a page of its own that has crashed


@dataclass(frozen=True, slots=True)
class Context:
    """What the hearing itself knows: ``together`` = seats that dropped in the same seconds, of ``connected``."""

    together: int = 0
    connected: int = 0

    @property
    def points_at_us(self) -> bool:
        return self.together >= TOGETHER_SEATS - 1 and 2 * self.together >= self.connected


def attribute(evidence: Iterable[Mapping[str, str | int]], context: Context | None = None) -> Cause:
    """The cause that the facts carry; the order of the questions is the rule."""
    rows = tuple(evidence)
    facts = frozenset(fact for row in rows if isinstance(fact := row.get("fact"), str))
    # a browser drops the socket of a page that has said goodbye; a journal may tell of a page loaded anew while away
    live = frozenset(row.get("fact") for row in rows if "court_at" not in row)
    context = context or Context()
    together = PEERS_DROPPED_TOGETHER in facts or context.points_at_us
    questions: tuple[tuple[bool, Cause], ...] = (
        (bool(facts & {WORKER_DIED, CONTROL_RESTARTED, CLOSED_BY_SERVER}), Cause.PLATFORM_FAILURE),
        (REMOVED in facts, Cause.REMOVED_BY_COURT),
        (SECOND_LOGIN in facts, Cause.REPLACED_BY_SECOND_LOGIN),
        (bool(facts & VOLUNTARY), Cause.LEFT_DELIBERATELY),
        (bool(facts & {HOST_OVERLOADED, MEDIA_PORT_SILENT}), Cause.PLATFORM_FAILURE),
        (together and SAME_NETWORK not in facts, Cause.PLATFORM_FAILURE),
        (PAGE_HIDE in facts and bool(facts & {SOCKET_CLOSED_CLEAN, DTLS_CLOSE}), Cause.CLOSED_PAGE),
        (PAGE_HIDE in live and SOCKET_DROPPED in live, Cause.CLOSED_PAGE),
        (bool(facts & {BATTERY_LOW, CLIENT_SLEPT}) and bool(facts & _SILENT), Cause.POWER_SUSPECTED),
        (PAGE_CRASHED in facts and PAGE_HIDE not in facts and bool(facts & _ENDED), Cause.DEVICE_FAILURE),
        # a browser without any network knows: however bad the line was before, then it was gone
        (CLIENT_OFFLINE in facts and PAGE_HIDE not in facts, Cause.NETWORK_LOST),
        (HIGH_LOSS in facts, Cause.NETWORK_DEGRADED),
        (bool(facts & _SILENT) and PAGE_HIDE not in facts, Cause.NETWORK_LOST),
        (bool(facts & {CAMERA_LOST, MICROPHONE_LOST, PERMISSION_REVOKED}), Cause.DEVICE_FAILURE),
    )
    return next((cause for holds, cause in questions if holds), Cause.UNKNOWN)


def fell_with(hearing: Hearing, seat: Seat, at: int) -> tuple[Seat, ...]:
    """Other seats that dropped in the seconds before ``at`` and are not back."""
    others = (other for other in hearing.seats.values() if other.id != seat.id and other.timeline)
    return tuple(
        other
        for other in others
        if (last := other.timeline[-1]).state is Presence.INTERRUPTED
        and last.until == 0
        and at - last.since <= TOGETHER_US
    )


def context_of(hearing: Hearing, seat: Seat, at: int) -> Context:
    """Who else dropped in the seconds around ``at``."""
    dropped = len(fell_with(hearing, seat, at))
    here = sum(other.connected for other in hearing.seats.values() if other.id != seat.id and other.timeline)
    return Context(dropped, dropped + here)


def clean(evidence: Iterable[object], at: int) -> tuple[Row, ...]:
    """Rows fit for the ledger: bounded in number and size. What cannot be kept is counted in a row of its own."""
    kept: list[Row] = []
    lost = 0
    for row in evidence:
        fit = _fit(row, at)
        if fit is None or len(kept) >= MAX_ROWS - 1:
            lost += 1
        else:
            kept.append(fit)
    if lost:
        kept.append({"fact": "evidence_unreadable", "at": at, "clock": "court", "count": min(lost, MAX_INT)})
    return tuple(kept)


def _fit(row: object, at: int) -> Row | None:
    if not isinstance(row, dict) or len(row) > MAX_KEYS or not _is_word(row.get("fact")):
        return None
    made: Row = {}
    for key, value in row.items():
        whole = type(value) is int and abs(value) <= MAX_INT
        if not _is_word(key) or not (whole or (isinstance(value, str) and len(value) <= MAX_TEXT and _is_text(value))):
            return None
        made[key] = value
    if type(made.setdefault("at", at)) is not int or made.setdefault("clock", "court") not in ("court", "client"):
        return None
    return made


def _is_text(value: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64 and value.isascii() and value.replace("_", "").isalnum()


def weighed(evidence: Iterable[Mapping[str, str | int]], cause: Cause) -> tuple[Row, ...]:
    """The rows with ``weighs`` set relative to ``cause``; facts outside the vocabulary carry no weight."""
    rows: list[Row] = []
    for row in evidence:
        made = {key: value for key, value in row.items() if key != "weighs"}
        speaks_for = FACTS.get(str(row.get("fact")))
        if speaks_for is not None:
            made["weighs"] = "for" if cause in speaks_for else "against"
        rows.append(made)
    return tuple(rows)


def gaps(seat: Seat) -> tuple[Spell, ...]:
    """The seat's interruptions and leavings in order, over or not."""
    return tuple(spell for spell in seat.timeline if spell.cause is not None and spell.state is not Presence.REMOVED)


def tells_of_line(seat: Seat, at: int, error: int = 0) -> bool:
    """Whether a reading of the seat's line at ``at`` (µs, known to ``error``) speaks of the line, and not of a cut.

    What is read shortly before an interruption is noticed, in it, or while the connection finds its rate again,
    measures that interruption: a later one must not be called a bad line for it.
    """
    return not any(
        gap.since - CUT_US - error <= at and (not gap.until or at <= gap.until + SETTLING_US + error)
        for gap in gaps(seat)
    )


def gap_of(seat: Seat, began: int = 0) -> Spell | None:
    """The interruption that the ledger entry ``began`` began; 0 = the last one."""
    return next((spell for spell in reversed(gaps(seat)) if began in (0, spell.seq)), None)


def last_gap(seat: Seat) -> Spell | None:
    """The seat's last interruption or leaving, over or not."""
    return gap_of(seat)


def state(seat: Seat) -> Presence:
    """The seat's state now; absent before the timeline begins."""
    return seat.timeline[-1].state if seat.timeline else Presence.ABSENT


_AWAY: Final = frozenset({Presence.ABSENT, Presence.INTERRUPTED, Presence.LEFT})


def is_missing(seat: Seat) -> bool:
    """Whether a prompt has an object: not here, or here with the camera switched off by hand (脱离画面)."""
    if seat.offline and not seat.connected:
        return False
    if state(seat) in _AWAY:
        return True
    return state(seat) is Presence.PRESENT and seat.camera == "off" and Kind.CAMERA not in seat.muted
