"""Who may receive whom: the one rule that media, rosters and recordings obey.

Rules
* ``edges`` starts empty and only adds; there is no rule that takes an edge away again, so taking any permission from
  anybody can never add one (invariant 11).
* Media stays in its room: source and receiver are in the same shared room. Waiting and witness rooms have no edges.
* What may sound in a room depends on the phase (``_SENT``): in recess nobody is heard or seen, because nobody shall be
  overheard in a pause; in a technical hold microphones are cut for everybody, pictures stay, the recording goes on;
  while the bench deliberates the courtroom is still.
* The recorder is a receiver like any other, of the courtroom only, and only while the recording is on.
* Observers neither send nor receive here (the gallery gets the programme picture, COURT.md 2).
* Whether a source is connected does not matter: routes stand ready for its return.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from courtroom.hearing import phases, rooms
from courtroom.hearing.model import Hearing, Kind, Phase, Role, RoomKind, Seat
from courtroom.hearing.roles import PARTIES, STAFF

RECORDER: Final = "recorder"


class Edge(NamedTuple):
    """``receiver`` (a seat, or ``RECORDER``) may receive what ``source`` sends of ``kind``."""

    source: str
    receiver: str
    kind: Kind


_ALL: Final = frozenset(Kind)
_PICTURES: Final = frozenset({Kind.CAMERA, Kind.SCREEN})
_STAGE: Final = frozenset({Kind.SCREEN, Kind.SCREEN_SOUND})

_SENT: Final[Mapping[tuple[RoomKind, Phase], frozenset[Kind]]] = {
    **{(RoomKind.COURTROOM, phase): _ALL for phase in phases.SESSION - {Phase.DELIBERATION}},
    (RoomKind.COURTROOM, Phase.CHECK_IN): _ALL,
    (RoomKind.COURTROOM, Phase.TECHNICAL_HOLD): _PICTURES,
    (RoomKind.DELIBERATION, Phase.DELIBERATION): _ALL,
    (RoomKind.DELIBERATION, Phase.TECHNICAL_HOLD): _PICTURES,
}
"""What a phase lets be sent in a room; what does not stand here is nothing."""


def _sent(hearing: Hearing, seat: Seat) -> frozenset[Kind]:
    """What ``seat`` sends to others in its room now."""
    if seat.room is None or seat.role is Role.OBSERVER or seat.removed:
        return frozenset()
    if seat.room.kind is RoomKind.COURTROOM and hearing.resumes_to is Phase.DELIBERATION:
        return frozenset()
    kinds = _SENT.get((seat.room.kind, hearing.phase), frozenset()) - seat.muted
    return kinds if hearing.presenting == seat.id else kinds - _STAGE


def edges(hearing: Hearing) -> frozenset[Edge]:
    """Every edge that is allowed now."""
    found: set[Edge] = set()
    recording = phases.recording_on(hearing)
    present = [seat for seat in hearing.seats.values() if rooms.in_court(seat) and seat.role is not Role.OBSERVER]
    for source in present:
        kinds = _sent(hearing, source)
        for receiver in present:
            if receiver.room == source.room and receiver.id != source.id and not receiver.removed:
                found.update(Edge(source.id, receiver.id, kind) for kind in kinds)
        if recording and rooms.in_courtroom(source):
            found.update(Edge(source.id, RECORDER, kind) for kind in kinds)
    return frozenset(found)


def media_room(hearing: Hearing, seat_id: str) -> str | None:
    """The key of the router for this seat's media; ``None`` where it has none. A waiting room is one's own."""
    seat = hearing.seats.get(seat_id)
    if seat is None or seat.room is None or seat.role is Role.OBSERVER or hearing.phase in phases.OVER:
        return None
    match seat.room.kind:
        case RoomKind.COURTROOM | RoomKind.DELIBERATION:
            return seat.room.kind.value
        case RoomKind.WAITING:
            return f"waiting/{seat.id}"
        case RoomKind.WITNESS_ROOM:
            return None


def may_know(hearing: Hearing, viewer_id: str, subject_id: str) -> bool:
    """Whether ``viewer`` may know anything of ``subject``: that it exists, its name, where it is.

    Observers and the isolated know nobody, not even themselves; who waits, left or was removed knows itself; a witness
    in court knows who is in court; parties also know of every place of the court that is not isolated; the bench and
    the clerk know everybody, also after the hearing.
    """
    viewer, subject = hearing.seats.get(viewer_id), hearing.seats.get(subject_id)
    if viewer is None or subject is None or viewer.role is Role.OBSERVER or rooms.cut_off(hearing, viewer):
        return False
    if viewer.id == subject.id or at_desk(hearing, viewer):
        return True
    if not rooms.in_court(viewer) or subject.role is Role.OBSERVER:
        return False
    if rooms.in_court(subject):
        return True
    return not rooms.must_be_isolated(hearing, viewer) and not rooms.must_be_isolated(hearing, subject)


def at_desk(hearing: Hearing, seat: Seat) -> bool:
    """Bench or clerk at their place: sees the whole court. After the hearing they still do, unless removed."""
    if seat.role not in STAFF or seat.removed:
        return False
    return rooms.in_court(seat) or hearing.phase in phases.OVER


def may_see_attachments(hearing: Hearing, viewer_id: str, owner_id: str) -> bool:
    """Whether ``viewer`` may be given what ``owner`` handed in as proof: the desk everybody's, the others their own."""
    viewer = hearing.seats.get(viewer_id)
    if viewer is None or viewer.removed or owner_id not in hearing.seats:
        return False
    return viewer_id == owner_id or at_desk(hearing, viewer)


_COPIED: Final = STAFF | PARTIES | {Role.COUNSEL}
"""For whom a copy of the sealed recording may be made (COURT.md 7); helpers, the isolated and observers never."""


def may_have_copy(hearing: Hearing, seat_id: str) -> bool:
    """Whether a copy may be made for this seat. Who was removed has lost the recording too."""
    seat = hearing.seats.get(seat_id)
    return seat is not None and seat.role in _COPIED and not seat.removed


def may_grant_copy(hearing: Hearing, seat_id: str) -> bool:
    """Whether this seat may order copies, and see whose there are: bench and clerk."""
    seat = hearing.seats.get(seat_id)
    return seat is not None and seat.role in STAFF and not seat.removed


def may_see_copy(hearing: Hearing, viewer_id: str, recipient_id: str) -> bool:
    """Whether ``viewer`` may know of and download a copy made for ``recipient``: the desk all, the others their own."""
    if may_grant_copy(hearing, viewer_id):
        return True
    return viewer_id == recipient_id and may_have_copy(hearing, viewer_id)
