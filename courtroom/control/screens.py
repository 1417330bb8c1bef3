"""What one seat's screen is told: the court core's view, completed with what only the running court knows.

``hearing.view`` decides what a seat may know. Here are added, for what it may know anyway: media routes as they are
forwarded, connection quality, who is speaking, the lamp as the disk has it, the archive's progress and our own troubles
(desk only).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from courtroom.control.api import Archive
from courtroom.control.media import MediaPlane
from courtroom.control.recording import Recording
from courtroom.control.relay import Relay
from courtroom.hearing.access import at_desk, media_room
from courtroom.hearing.model import Cause, Hearing
from courtroom.hearing.view import view

DEFAULT_PLACES: Final = 10


def screen(
    hearing: Hearing,
    seat: str,
    names: Mapping[str, str],
    at: int,
    *,
    media: MediaPlane,
    recording: Recording,
    archive: Archive,
    faults: Mapping[str, int],
    relay: Relay,
) -> dict[str, Any]:
    """The view of web/PROTOCOL.md 4. ``faults``: our own troubles, code → since (µs)."""
    picture = view(hearing, seat, names, at)
    picture["media"] = _media(hearing, seat, picture["media"], media, relay.servers(hearing.id, seat, at))
    quality = media.quality()
    for row in picture["roster"] or []:
        row["connection"] = _connection(hearing, row["seat"], quality)
    visible = {row["seat"] for row in picture["roster"] or []}
    picture["speaking"] = [name for name in media.speaking if name in visible]
    if not picture["isolated"]:
        picture["recording"] = recording.lamp(picture["recording"])
    if at_desk(hearing, hearing.seats[seat]):
        picture["archive"] = {"state": archive.state, "progress": archive.progress, "eta_s": archive.eta_s}
        picture["notices"] = [
            *picture["notices"],
            *(
                {"id": f"fault-{code}", "level": "fault", "code": code, "values": {}, "at": since}
                for code, since in faults.items()
            ),
        ]
    return picture


def _media(
    hearing: Hearing, seat: str, ordered: object, media: MediaPlane, ice_servers: list[dict[str, Any]]
) -> dict[str, Any] | None:
    key = media_room(hearing, seat)
    if key is None or ordered is None:
        return None
    return {
        **cast("dict[str, Any]", ordered),
        "room": media.room_name(key),
        "places": min(DEFAULT_PLACES, len(hearing.seats) + 1),
        "ice_servers": ice_servers,
        "transport": media.transport_of(seat),
        "routes": media.routes_of(seat),
    }


def _connection(hearing: Hearing, seat: str, quality: Mapping[str, str]) -> str:
    """``good | unstable | lost | platform``."""
    state = hearing.seats[seat]
    if state.connected:
        return quality.get(seat, "good")
    last = state.timeline[-1] if state.timeline else None
    return "platform" if last is not None and last.cause is Cause.PLATFORM_FAILURE else "lost"
