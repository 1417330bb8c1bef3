"""Which layer each place of one receiver gets now: what its tiles want, what is alive, what its line carries.

Rules
* A picture that had to stop for want of room does not come back within ``RESUME_US``: each return costs a key frame.
* Sound goes whatever the line says; its cost is taken off the budget first. Presentations come before faces, large
  tiles before small ones. A picture that no longer fits stops and stays as it is; sound does not.
* While nothing is scarce a change keeps the old layer until the new one's key frame is here. When the queue on the line
  is long (``Downlink.hard``), who has to shrink stops at once.
"""

from __future__ import annotations

from typing import Final

from courtroom.sfu import layers
from courtroom.sfu.allocation import divide
from courtroom.sfu.consumer import Place
from courtroom.sfu.downlink import UNLIMITED
from courtroom.sfu.kinds import Kind
from courtroom.sfu.member import Member
from courtroom.sfu.producer import LIVE_US, Layer

NOMINAL: Final = {"l": 180_000, "h": 1_000_000, "": 1_000_000}  # of a layer not yet measured
SOUND: Final = 30_000
RESUME_US: Final = 2_000_000


def select(member: Member, now: int) -> None:
    """Choose for every place of the member."""
    member.selected_at = now
    sound = 0
    for place in member.audio:
        if place.source is not None:
            layer = next(iter(place.source.layers.values()), None)
            if layer is not None and layer.codec.payload_type in member.receives:
                place.wait_for(layer)
                sound += max(layer.rate * (1 + place.redundancy), SOUND)
    places = [place for place in member.video if place.source is not None]
    places.sort(key=_importance)
    wishes = [_acceptable(place, now) for place in places]
    rates = [[layer.rate or NOMINAL[layer.rid] for layer in wish] for wish in wishes]
    line = member.downlink
    line.wanted = sound + sum(wish[-1] for wish in rates if wish)
    line.least = sound + sum(wish[0] for wish in rates if wish)
    budget = line.spendable
    if budget >= UNLIMITED:
        given = [len(wish) - 1 for wish in wishes]
    else:
        present = [_present(place, wish) for place, wish in zip(places, wishes, strict=True)]
        shut = [now - place.shut_at < RESUME_US for place in places]
        given = divide(budget - sound, [[] if late else wish for late, wish in zip(shut, rates, strict=True)], present)
    for place in places:
        place.paced = budget < UNLIMITED or len(member.pacer) > 0
    member.sound = sound
    hard, line.hard = line.hard, False
    for place, wish, index in zip(places, wishes, given, strict=True):
        if index < 0 and wish and place.layer is not None:
            place.shut_at = now
        _apply(place, wish, index, hard=hard)


def _importance(place: Place) -> tuple[bool, int, int]:
    return place.source is None or place.source.kind is not Kind.SCREEN, -place.width, place.number


def _acceptable(place: Place, now: int) -> list[Layer]:
    producer = place.source
    assert producer is not None
    live = producer.live_layers(now, layers.ALIVE_US if len(producer.layers) > 1 else LIVE_US)
    names = layers.acceptable(place.width, live)
    found = [producer.layers[name] for name in names]
    return [layer for layer in found if layer.codec.payload_type in place.member.receives]


def _present(place: Place, wish: list[Layer]) -> int:
    layer = place.layer
    return wish.index(layer) if layer is not None and layer in wish else -1


def _apply(place: Place, wish: list[Layer], index: int, *, hard: bool) -> None:
    if index < 0:
        if place.width == 0 or wish:  # not wanted, or too much for the line; a layer that pauses may come back
            place.stop()
        return
    layer = wish[index]
    if hard and place.layer is not None and layers.size_of(place.layer.rid) > layers.size_of(layer.rid):
        place.stop()
    if place.layer is None and place.waits_for is None:
        for smaller in wish[:index]:
            smaller.demand.wish()
    place.wait_for(layer)
