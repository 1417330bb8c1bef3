"""What is known of a seat's line and devices at the moment it is lost: our readings, and its browser's live word.

Rules
* The worker's reading of a line (loss, round trip, jitter) is kept for the last 60 s and stands beside every loss. What
  was bad before the last seconds is called bad; the last seconds are the cut itself, those of an earlier cut that one.
* What a browser said of itself (battery, device, permission, hidden page) stands until it says otherwise or is too old.
* Our media port: if nobody was received on it in the last seconds, that is our fault to explain; if others were, that
  is said too.
* Seats that drop together: all behind one network, while seats elsewhere stay connected and are received on the same
  port, speaks of that network; anything less clear stays ours to explain (COURT.md 6: our own fault comes first).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median_low
from typing import Final

from courtroom.hearing import presence
from courtroom.hearing.model import Hearing, Presence, Seat
from courtroom.hearing.presence import Row

KEPT_US: Final = 60_000_000
LEAST_READINGS: Final = 10  # seconds; what a line does right after it has come up says little about it
HIGH_LOSS_PERMILLE: Final = 100
HIGH_RTT_US: Final = 1_500_000
HIGH_JITTER_US: Final = 200_000
HEARD_US: Final = 1_200_000  # a worker speaks once a second
SILENT_US: Final = 1_500_000
TROUBLE_US: Final = 60_000_000

STANDS_US: Final[Mapping[str, int]] = {
    presence.BATTERY_LOW: 900_000_000,
    "page_hidden": 3600_000_000,
    presence.CAMERA_LOST: 60_000_000,
    presence.MICROPHONE_LOST: 60_000_000,
    presence.PERMISSION_REVOKED: 60_000_000,
}
"""Live facts and how long they stand."""
ENDS: Final[Mapping[str, str]] = {"charging": presence.BATTERY_LOW, "page_shown": "page_hidden"}
"""Facts that only end another one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One second of one line; −1 = not known."""

    at: int
    loss_permille: int
    rtt_us: int
    jitter_us: int


class Port:
    """Whether the media port of one worker receives at all: ``packets`` is its counter, told once a second."""

    __slots__ = ("_packets", "heard_at", "told_at", "transports")

    def __init__(self) -> None:
        self._packets = 0
        self.heard_at = self.told_at = self.transports = 0

    def told(self, at: int, packets: int, transports: int) -> None:
        if packets != self._packets:
            self.heard_at = at
        self._packets, self.told_at, self.transports = packets, at, transports

    def alive(self, at: int) -> bool:
        """Somebody was received in the last second that is known."""
        return 0 < self.heard_at == self.told_at and at - self.told_at < HEARD_US

    def silent(self, at: int) -> bool:
        """Nothing came from anybody for a whole second and more, though several should be heard and the worker itself
        speaks."""
        speaks = self.heard_at < self.told_at and at - self.told_at < HEARD_US
        return speaks and self.transports >= presence.TOGETHER_SEATS and at - self.heard_at >= SILENT_US


class Signals:
    """Of one hearing; every method is called by its actor, or by its media plane in the same loop."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Reading]] = {}
        self._standing: dict[str, dict[str, Row]] = {}
        self._networks: dict[str, str] = {}
        self._trouble: tuple[int, str] = (0, "")

    # --- collecting -------------------------------------------------------------------------------

    def read(self, seat: str, reading: Reading) -> None:
        line = self._lines.setdefault(seat, deque(maxlen=KEPT_US // 1_000_000))
        if not line or line[-1].at != reading.at:
            line.append(reading)

    def stands(self, seat: str, row: Row, now: int) -> bool:
        """Keeps a live fact of a seat's browser; whether it was one."""
        fact = str(row.get("fact"))
        held = self._standing.setdefault(seat, {})
        if fact in ENDS:
            held.pop(ENDS[fact], None)
            return True
        if fact not in STANDS_US:
            return False
        held[fact] = {**row, "received_at": now}
        return True

    def devices(self, seat: str, microphone: str, camera: str) -> None:
        """A device that works again explains no later loss."""
        held = self._standing.get(seat, {})
        if camera == "on":
            held.pop(presence.CAMERA_LOST, None)
        if microphone == "on":
            held.pop(presence.MICROPHONE_LOST, None)
        if camera == microphone == "on":
            held.pop(presence.PERMISSION_REVOKED, None)

    def network(self, seat: str, name: str) -> None:
        """Where a seat's client came from; ``name`` is opaque, '' unknown."""
        self._networks[seat] = name

    def trouble(self, at: int, code: str) -> None:
        """Our disk or writer had a defect."""
        self._trouble = (at, code)

    # --- at a loss --------------------------------------------------------------------------------

    def at_loss(self, hearing: Hearing, seat: str, at: int, port: Port | None) -> tuple[Row, ...]:
        rows = [*self._line(hearing.seats[seat], at), *self._live(seat, at)]
        if at - self._trouble[0] < TROUBLE_US:
            rows.append(_row(presence.CAPTURE_TROUBLE, at, code=self._trouble[1]))
        together = presence.context_of(hearing, hearing.seats[seat], at).together
        if port is not None and port.silent(at):
            rows.append(_row(presence.MEDIA_PORT_SILENT, at, last_in_at=port.heard_at))
        elif port is not None and together and port.alive(at):
            rows.append(_row(presence.MEDIA_PORT_ALIVE, at, last_in_at=port.heard_at))
            if together + 1 >= presence.TOGETHER_SEATS and self._one_network(hearing, seat, at):
                rows.append(_row(presence.SAME_NETWORK, at, seats=together + 1))
        return tuple(rows)

    def _line(self, seat: Seat, at: int) -> list[Row]:
        readings = [one for one in self._lines.pop(seat.id, ()) if at - one.at <= KEPT_US]
        if not readings:
            return []
        loss = [one.loss_permille for one in readings if one.loss_permille >= 0] or [-1]
        rtt = [one.rtt_us for one in readings if one.rtt_us >= 0] or [-1]
        jitter = [one.jitter_us for one in readings if one.jitter_us >= 0] or [-1]
        rows = [
            _row(
                "line_quality", at, readings=len(readings), loss_permille=sum(loss) // len(loss),
                worst_permille=max(loss), rtt_us=median_low(rtt), jitter_us=max(jitter),
            )
        ]  # fmt: skip
        before = [one for one in readings if at - one.at > presence.CUT_US and presence.tells_of_line(seat, one.at)]
        if len(before) >= LEAST_READINGS and (bad := _bad(before)):
            rows.append(bad)
        return rows

    def _live(self, seat: str, at: int) -> list[Row]:
        held = self._standing.get(seat, {})
        return [row for fact, row in held.items() if at - int(row["received_at"]) < STANDS_US[fact]]

    def _one_network(self, hearing: Hearing, seat: str, at: int) -> bool:
        """Everybody who dropped is behind one network, and somebody behind another one is still here."""
        gone, here = {self._networks.get(seat, "")}, set()
        for other in hearing.seats.values():
            if other.id == seat or not other.timeline:
                continue
            last, name = other.timeline[-1], self._networks.get(other.id, "")
            if other.connected:
                here.add(name)
            elif last.state is Presence.INTERRUPTED and not last.until and at - last.since <= presence.TOGETHER_US:
                gone.add(name)
        return len(gone) == 1 and "" not in gone and bool(here - gone - {""})


def _bad(readings: list[Reading]) -> Row | None:
    """The row that says that a line was bad before it was cut."""
    at = readings[-1].at
    loss = sum(max(0, one.loss_permille) for one in readings) // len(readings)
    rtt = median_low(one.rtt_us for one in readings)
    jitter = median_low(one.jitter_us for one in readings)
    if loss > HIGH_LOSS_PERMILLE or rtt > HIGH_RTT_US or jitter > HIGH_JITTER_US:
        return _row(presence.HIGH_LOSS, at, permille=loss, rtt_us=rtt, jitter_us=jitter)
    return None


def _row(fact: str, at: int, **more: str | int) -> Row:
    return {"fact": fact, "at": at, "clock": "court", **more}
