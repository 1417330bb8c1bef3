"""From a layer to its places: what came in one wake-up, once for each receiver that gets it.

Rules
* ``Turn`` knows what a wake-up has left to do; when its ``take`` returns nothing waits here.
* Packets of one picture come together, so what a place adds to all of them is looked up once.
* ``_one`` says the whole of it; the loops below it are the same for the two usual shapes, and a test holds them
  against each other.

Sizes are octets, times µs of the court clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from courtroom.sfu import munger
from courtroom.sfu.cache import KEPT
from courtroom.sfu.munger import BLOCK, FULL, MIDDLE, NUMBERED, PICTURE, PLAIN_HEAD, STAMP
from courtroom.sfu.packet import PLAIN, VP8_FULL, Rtp
from courtroom.sfu.receiver import Receiver
from courtroom.sfu.sent import HEADERS, MASK, Sent
from courtroom.sfu.stats import Edge


class Fed(Protocol):
    """A place, as far as passing packets on to it goes."""

    member: Receiver
    edge: Edge
    sent: Sent
    outbox: list[bytes]
    kept: list[tuple[int, bytes]]
    paced: bool
    redundancy: int
    ssrc: int
    start: int
    ticket: int
    index_offset: int
    timestamp_offset: int
    picture_offset: int
    tl0_offset: int

    def write(self, packet: Rtp, when: int, number: int) -> bytes: ...

    def send(self, packet: Rtp, when: int, now: int) -> bytes: ...

    def again(self, index: int, now: int) -> list[bytes]: ...

    def put(self, data: bytes, full: list[Receiver]) -> None: ...

    def count(self, size: int, now: int) -> None: ...


class Due(Protocol):
    """A layer with packets to pass on."""

    def forward(self) -> None: ...


class Turn:
    """What one wake-up has left to do in a room: layers with packets to pass on, receivers with some to be sent."""

    __slots__ = ("due", "full")

    def __init__(self) -> None:
        self.due: list[Due] = []
        self.full: list[Receiver] = []

    def take(self) -> list[Receiver]:
        """Everything is passed on; who has something in its outbox now."""
        if self.due:
            due, self.due = self.due, []
            for layer in due:
                layer.forward()
        full, self.full = self.full, []
        return full


def forward(packets: list[Rtp], places: Sequence[Fed], now: int, full: list[Receiver]) -> None:
    """Packets of one layer to each of its places; who had nothing in its outbox before is added to ``full``."""
    when = munger.send_time(now)
    first, count = 0, len(packets)
    while first < count:
        packet = packets[first]
        end = first + 1
        if packet.shape == VP8_FULL:
            timestamp, picture, tl0 = packet.timestamp, packet.picture, packet.tl0
            while end < count:
                other = packets[end]
                if (
                    other.timestamp != timestamp
                    or other.shape != VP8_FULL
                    or other.picture != picture
                    or other.tl0 != tl0
                ):
                    break
                end += 1
            _picture(packets[first:end], places, now, when, full)
        elif packet.shape == PLAIN:
            _plain(packet, places, now, when, full)
        else:
            for place in places:
                _one(packet, place, now, when, full)
        first = end


def _one(packet: Rtp, place: Fed, now: int, when: int, full: list[Receiver]) -> None:
    if packet.index < place.start:
        return
    if place.paced:
        place.member.pacer.put(place, place.write(packet, when, 0))
    else:
        place.put(place.send(packet, when, now), full)
        if place.redundancy:
            place.outbox += place.again(packet.index, now)


def _picture(packets: list[Rtp], places: Sequence[Fed], now: int, when: int, full: list[Receiver]) -> None:
    """VP8 packets of one picture, the hottest loop: what they or the receivers share stands outside of it."""
    timestamp, picture, tl0 = packets[0].timestamp, packets[0].picture, packets[0].tl0
    shared, octets, oldest, count = [], 0, packets[0].index, len(packets)
    for packet in packets:
        tail = packet.tail
        size = FULL.size + len(tail)
        octets += size
        oldest = min(oldest, packet.index)
        head = bytes((packet.first, packet.marker_type))
        shared.append((packet.index, head, packet.descriptor, tail, munger.full(len(tail)), now << 12 | size + HEADERS))
    for place in places:
        if place.paced or oldest < place.start:
            for packet in packets:
                _one(packet, place, now, when, full)
            continue
        middle = MIDDLE.pack((timestamp + place.timestamp_offset) & 0xFFFFFFFF, place.ssrc, BLOCK, when, NUMBERED)
        numbers = PICTURE.pack(((picture + place.picture_offset) & 0x7FFF) | 0x8000, (tl0 + place.tl0_offset) & 0xFF)
        offset, sent, outbox = place.index_offset, place.sent, place.outbox
        number, entries = sent.next, sent.entries
        if not outbox:
            full.append(place.member)
        for index, head, descriptor, tail, pack, entry in shared:
            entries[number & MASK] = entry
            sequence = (index + offset) & 0xFFFF
            outbox.append(pack(head, sequence, middle, number & 0xFFFF, descriptor, numbers, tail))
            number += 1
        sent.next = number
        edge = place.edge
        edge.packets += count
        edge.octets += octets
        edge.last_at = now


def _plain(packet: Rtp, places: Sequence[Fed], now: int, when: int, full: list[Receiver]) -> None:
    """Sound, and H.264: nothing of the payload changes."""
    index, timestamp, tail = packet.index, packet.timestamp, packet.tail
    head, stamp = bytes((packet.first, packet.marker_type)), STAMP.pack(BLOCK, when, NUMBERED)
    size, pack, slot = PLAIN_HEAD.size + len(tail), munger.plain(len(tail)), index % KEPT
    entry = now << 12 | size + HEADERS
    for place in places:
        if place.paced or place.redundancy or index < place.start:
            _one(packet, place, now, when, full)
            continue
        sent = place.sent
        number = sent.next
        sent.next = number + 1
        sent.entries[number & MASK] = entry
        sequence, time = (index + place.index_offset) & 0xFFFF, (timestamp + place.timestamp_offset) & 0xFFFFFFFF
        data = pack(head, sequence, time, place.ssrc, stamp, number & 0xFFFF, tail)
        outbox = place.outbox
        if not outbox:
            full.append(place.member)
        outbox.append(data)
        if place.kept:
            place.kept[slot] = (index, data)
        edge = place.edge
        edge.packets += 1
        edge.octets += size
        edge.last_at = now
