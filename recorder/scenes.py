"""From the ledger's state at a moment, and whether pictures arrive, to what the recorded frame says; pure.

Rules
* A seat is shown while it has a place in the courtroom; a required seat that is absent keeps an empty place with its
  nameplate; a called witness is shown only while called; observers never.
* States are facts with times: 连接中断 since when, 准许暂离 until when. No word here concludes anything about a person.
* "Speaking" is what the microphones say (``recorder.voices``), not a guess from the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from courtroom import catalogue
from courtroom.catalogue import Language
from courtroom.hearing.evolve import settle
from courtroom.hearing.model import Cause, Device, Hearing, Kind, Presence, Role, RoomKind, Seat, Side, Spell
from recorder.picture.clock import beijing, time_text
from recorder.picture.layout import BENCH, CALLED, place
from recorder.picture.scene import Notice, Scene, TileState, TileView
from recorder.timeline import Gap, Recording, States

FRESH: Final = 0  # a picture within the last second
STALE: Final = 1  # within the last five
NONE: Final = 2
AWAITED: Final = 3  # none yet since there could be one
PATIENCE_US: Final = 10_000_000  # after that a picture that never came is missing, not on its way
MAX_SCENES: Final = 4096

_AWAY: Final = {
    Presence.ABSENT: "absent",
    Presence.WAITING: "waiting",
    Presence.OFFLINE_SEAT: "offline_seat",
    Presence.LEFT: "left",
    Presence.REMOVED: "removed",
}


@dataclass(frozen=True, slots=True)
class Sights:
    """What the media show at a moment: picture freshness by seat (missing = ``NONE``), and the seats speaking."""

    pictures: tuple[tuple[str, int], ...] = ()
    speaking: frozenset[str] = frozenset()


class SceneMaker:
    """Scenes by moment; equal moments give the same object, so that the renderer draws each only once."""

    def __init__(self, states: States, recording: Recording, people: Mapping[str, str], lang: Language = "zh") -> None:
        self._states = states
        self._recording = recording
        self._people = people
        self._lang: Language = lang
        self._made: dict[tuple[object, ...], Scene] = {}

    def _say(self, key: str, **values: str | int) -> str:
        return catalogue.text(f"recorder.{key}", self._lang, **values)

    def seats_at(self, at: int) -> list[Seat]:
        """Seats that have a place in the picture, in the hearing's order."""
        return [seat for seat in self._states.at(at).seats.values() if _has_place(seat)]

    def notice(self, at: int, gap: Gap) -> Scene:
        """The plate of a lawful interruption."""
        key = ("notice", gap)
        if key not in self._made:
            known = gap.reason in {"recess", "not_public", "mediation"}
            span = self._say(
                "notice.span",
                start=time_text(gap.start),
                end=time_text(gap.end),
                length=self._length(gap.end - gap.start),
            )
            notice = Notice(self._say(f"notice.{gap.reason if known else 'other'}"), (span,))
            self._made[key] = self._scene(self._states.at(at), at, Sights(), notice)
        return self._made[key]

    def live(self, at: int, sights: Sights) -> Scene:
        gap = self._recording.fault_at(at)
        lapsed = [seat.id for seat in self._states.at(at).seats.values() if 0 < seat.excused_until <= at]
        key = (self._states.index_at(at), sights, gap, *lapsed)
        if key not in self._made:
            if len(self._made) > MAX_SCENES:
                self._made.clear()
            self._made[key] = self._scene(settle(self._states.at(at), at), at, sights, None, in_gap=gap is not None)
        return self._made[key]

    def awaited(self, seat: Seat, at: int, newest: int | None) -> bool:
        """Whether the first picture of a seat is still on its way. ``newest``: when its last one was made."""
        spell = seat.timeline[-1] if seat.timeline else None
        since = max([self._recording.start, *(gap.end for gap in self._recording.gaps if gap.end <= at)])
        since = max(since, spell.since) if spell else since
        return at - since < PATIENCE_US and (newest is None or newest < since)

    def _scene(self, hearing: Hearing, at: int, sights: Sights, notice: Notice | None, in_gap: bool = False) -> Scene:
        seats = [seat for seat in hearing.seats.values() if _has_place(seat)]
        exhibit = bool(hearing.presenting)
        layout = place([seat.plan for seat in seats], exhibit)
        pictures = dict(sights.pictures)
        tiles = tuple(
            self._tile(hearing, at, seat, pictures.get(seat.id, NONE), seat.id in sights.speaking, in_gap)
            for seat in seats
        )
        hidden = len(layout.unplaced)
        return Scene(
            court=hearing.case.court,
            case=self._say("case", number=hearing.case.number, cause=hearing.case.cause),
            phase=self._say(f"phase.{hearing.phase.value}"),
            step=self._step(hearing, seats),
            clock_note=self._say("clock"),
            layout=layout,
            tiles=tiles,
            exhibit=self._exhibit(hearing) if exhibit else "",
            more=self._say("more", count=hidden) if hidden else "",
            notice=notice,
            mark=self._say("mark.unchecked") if hearing.policy.unchecked else "",
        )

    # --- words ---

    def role(self, hearing: Hearing, seat: Seat) -> str:
        role = seat.role
        if role is Role.PRESIDING_JUDGE and sum(other.role in BENCH for other in hearing.seats.values()) == 1:
            return self._say("role.sole_judge")
        if role is Role.COUNSEL:
            criminal = any(other.role is Role.ACCUSED for other in hearing.seats.values())
            match seat.plan.side:
                case Side.DEFENDANT if criminal:
                    return self._say("role.defender")
                case Side.NONE:
                    return self._say("role.counsel")
                case side:
                    return self._say(f"role.counsel_{side.value}")
        return self._say(f"role.{role.value}")

    def _name(self, seat: Seat) -> str:
        return self._people.get(seat.id, seat.id)

    def _step(self, hearing: Hearing, seats: list[Seat]) -> str:
        if hearing.presenting:
            return self._say("step.exhibit")
        called = next((seat for seat in seats if seat.role in CALLED), None)
        if called is not None and called.role is Role.WITNESS:
            return self._say("step.witness")
        if called is not None:
            return self._say("step.called", role=self.role(hearing, called))
        return self._say("step.public" if hearing.case.public else "step.closed")

    def _exhibit(self, hearing: Hearing) -> str:
        seat = hearing.seats.get(hearing.presenting)
        if seat is None:
            return self._say("step.exhibit")
        return self._say("exhibit", role=self.role(hearing, seat), name=self._name(seat))

    def _length(self, us: int) -> str:
        seconds = us // 1_000_000
        hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
        unit = "hours" if hours else "minutes" if minutes else "seconds"
        return self._say(f"length.{unit}", hours=hours, minutes=minutes, seconds=seconds)

    # --- tiles ---

    def _tile(self, hearing: Hearing, at: int, seat: Seat, picture: int, speaking: bool, in_gap: bool) -> TileView:
        state, words, flag = (TileState.PLATFORM, self._say("state.gap"), "") if in_gap else self._state(seat, picture)
        speaking = speaking and not in_gap
        return TileView(
            seat=seat.id,
            role=self.role(hearing, seat),
            name=self._name(seat),
            state=state,
            words=words,
            note=self._note(seat, speaking, state),
            flag=flag,
            speaking=speaking,
            facts=self._facts(seat, at) if seat.role in CALLED else (),
        )

    def _state(self, seat: Seat, picture: int) -> tuple[TileState, str, str]:
        spell = seat.timeline[-1] if seat.timeline else None
        if picture == FRESH and seat.connected:
            return TileState.LIVE, "", ""
        if spell is not None and (spell.state is Presence.EXCUSED or seat.excused_until):
            back = beijing(seat.excused_until).strftime("%H:%M") if seat.excused_until else "--:--"
            return TileState.EXCUSED, self._say("state.excused", time=back), ""
        if not seat.connected:
            return self._gone(spell)
        if _in_court(seat) and (Kind.CAMERA in seat.muted or seat.camera in (Device.OFF, Device.NONE, Device.DENIED)):
            key = "camera_muted" if Kind.CAMERA in seat.muted else "camera_off"
            return TileState.CAMERA_OFF, self._say(f"state.{key}"), ""
        if picture == STALE:
            return TileState.LIVE, "", self._say("flag.unstable")
        if _in_court(seat) and picture == AWAITED:
            return TileState.AWAITED, self._say("state.awaited"), ""
        if _in_court(seat):
            return TileState.FROZEN, self._say("state.frozen"), ""
        return self._gone(spell)

    def _gone(self, spell: Spell | None) -> tuple[TileState, str, str]:
        if spell is None:
            return TileState.ABSENT, self._say("state.absent"), ""
        if spell.state is Presence.INTERRUPTED and spell.cause is Cause.PLATFORM_FAILURE:
            return TileState.PLATFORM, self._say("state.platform"), ""
        word = _AWAY.get(spell.state)
        if word is None:
            return TileState.DISCONNECTED, self._say("state.disconnected", time=time_text(spell.since)), ""
        return TileState.ABSENT, self._say(f"state.{word}", time=time_text(spell.since)), ""

    def _note(self, seat: Seat, speaking: bool, state: TileState) -> str:
        if Kind.MICROPHONE in seat.muted:
            return self._say("muted_by_court")
        if speaking:
            return self._say("speaking")
        if state in (TileState.LIVE, TileState.CAMERA_OFF, TileState.AWAITED) and seat.microphone is Device.OFF:
            return self._say("muted_by_self")
        return ""

    def _facts(self, seat: Seat, at: int) -> tuple[tuple[str, str], ...]:
        called = self._states.called_at(seat.id, at)
        verified = "fact.verified" if seat.identity_verified else "fact.not_verified"
        since = ((self._say("fact.called"), time_text(called)),) if called else ()
        return (*since, (self._say("fact.identity"), self._say(verified)))


def _in_court(seat: Seat) -> bool:
    return seat.room is not None and seat.room.kind is RoomKind.COURTROOM


def _has_place(seat: Seat) -> bool:
    if seat.role is Role.OBSERVER:
        return False
    if _in_court(seat):
        return True
    return seat.plan.required and seat.role not in CALLED and not seat.plan.linked_to
