"""What a room owes each member by itself, every tick: requests, reports, padding, and how well sound is protected.

Rules
* Gaps are asked for, key frames demanded, arrivals told; each receiver gets the clock of every place it looks at.
* A budget that is being tried is filled with padding; what waits for a narrow line leaves at its pace.
* Sound carries its predecessors again as long as the line loses packets and has room for them.

RFC 3550 6.4, RFC 4585 6.2, RFC 2198.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from courtroom.sfu import rtcp, selection
from courtroom.sfu.consumer import PADDING
from courtroom.sfu.downlink import BURST
from courtroom.sfu.member import Member
from courtroom.sfu.munger import send_time
from courtroom.sfu.producer import Output
from courtroom.sfu.receiver import Receiver
from courtroom.sfu.sent import HEADERS

REPORT_US: Final = 1_000_000
PAD_US: Final = 100_000  # more than that is not made up for
MAX_PADDING: Final = 100  # packets at once
FILL: Final = 90  # percent of what is tried: what is told of a queue is told late
PADDED: Final = PADDING + 24 + HEADERS  # octets of one, on the line
MOST_OWED: Final = 5_000  # octets: media that came as one burst is made up for so far
REDUNDANT_FROM: Final = 10  # permille of loss
REDUNDANT_TWICE: Final = 50
CALM_US: Final = 10_000_000
ROOMY: Final = 500_000  # bit/s: a budget below has no room for saying things twice
_OWN_SSRC: Final = 1  # sender of our RTCP


class Room(Protocol):
    """Where what is owed is put."""

    def put(self, member: Receiver, packets: Sequence[bytes]) -> None: ...

    def tell(self, member: Receiver, report: bytes) -> None: ...

    def drop(self, why: str) -> None: ...


def tick(room: Room, member: Member, now: int) -> None:
    """Everything that time makes due for one connected member."""
    _ask(room, member, now)
    for place in member.places():
        if place.report_due:
            report_on(room, place, now)
    if member.pacer:
        _release(room, member, now)
    if now >= member.report_at:
        _report(room, member, now)
    if member.downlink.trying:
        _pad(room, member, now)
    elif member.downlink.burst_due(now):
        _padding(room, member, BURST, now)


def revive(member: Member) -> None:
    """The member is back after a silence: what it sends and what it gets begins with a key frame."""
    for layer in member.streams.values():
        if layer.media == "video" and layer.places:
            layer.demand.wish()
    for place in member.video:
        if place.layer is not None:
            place.layer.demand.wish()


def _ask(room: Room, member: Member, now: int) -> None:
    media = 0
    for layer in member.streams.values():
        media = layer.ssrc
        lost = layer.gaps.due(now, member.round_trip.us)
        layer.lost_for_good(layer.gaps.forsaken)
        if lost:
            room.tell(member, rtcp.nack(_OWN_SSRC, layer.ssrc, [index & 0xFFFF for index in lost]))
        if layer.demand.due(now):
            room.tell(member, rtcp.pli(_OWN_SSRC, layer.ssrc))
    for message in member.arrivals.feedback(_OWN_SSRC, media, now):
        room.tell(member, message)


def report_on(room: Room, place: Output, now: int) -> None:
    report = place.sender_report(now)
    if report is not None:
        room.tell(place.member, report)


def _report(room: Room, member: Member, now: int) -> None:
    member.report_at = now + REPORT_US
    blocks = [layer.reception.block(layer.ssrc, now) for layer in member.streams.values()]
    if blocks:
        room.tell(member, rtcp.receiver_report(_OWN_SSRC, blocks))
    octets = sum(place.octets for place in member.places())
    member.sending, member.sent_octets = (octets - member.sent_octets) * 8, octets


def _release(room: Room, member: Member, now: int) -> None:
    if member.pacer.overfull(now):
        room.drop("paced_out")
        member.pacer.clear()
        for place in member.video:
            place.stop()  # what was thrown away is missing: on with a key frame
        selection.select(member, now)
    room.put(member, member.pacer.release(send_time(now), now, sound=member.sound))


def _pad(room: Room, member: Member, now: int) -> None:
    """Fill the budget that is being tried: what media did not use since the last time, and what was too little then for
    a packet."""
    line = member.downlink
    line.tick(now)
    passed, member.padded_at = now - member.padded_at, now
    used = line.sent.octets(member.padded_number)
    if 0 < passed <= PAD_US:
        member.unpadded += min(line.budget, line.wanted * 6 // 5) * FILL // 100 * passed // 8_000_000 - used
        count = max(0, member.unpadded // PADDED)
        _padding(room, member, count, now)
        member.unpadded = max(member.unpadded - count * PADDED, -MOST_OWED)
    else:
        member.unpadded = 0
    member.padded_number = line.sent.next


def _padding(room: Room, member: Member, count: int, now: int) -> None:
    when = send_time(now)
    if member.video:
        room.put(member, [member.video[0].padding(when, now) for _ in range(min(count, MAX_PADDING))])


def protect_sound(member: Member, now: int) -> None:
    """How often each packet of sound is sent again, by what the line loses; taken back slowly."""
    line = member.downlink
    loss = line.losses.permille
    level = 0 if loss < REDUNDANT_FROM else 1 if loss < REDUNDANT_TWICE else 2
    if line.full or line.budget < ROOMY:
        # what is lost now is lost because too much is sent
        member.redundancy, member.lossy_at = 0, now
    elif level >= member.redundancy:
        member.redundancy, member.lossy_at = level, now
    elif now - member.lossy_at >= CALM_US:
        member.redundancy, member.lossy_at = member.redundancy - 1, now
    for place in member.audio:
        place.redundancy = member.redundancy
