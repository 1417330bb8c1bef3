"""What members say about the media they send and get: RTCP in, and what follows from it.

Rules: a sender report is passed on to those who get the layer, at most every ``PASS_ON_US``; requests count only for
places of who asks; whatever is asked for, other members notice nothing.

RFC 3550 6.4, RFC 4585 6, RFC 5104 4.3.1.
"""

from __future__ import annotations

from typing import Final

from courtroom.sfu import rtcp, selection, upkeep
from courtroom.sfu.consumer import Place
from courtroom.sfu.member import Member
from courtroom.sfu.munger import send_time
from courtroom.sfu.upkeep import Room

PASS_ON_US: Final = 100_000  # between two sender reports of one layer that are passed on
MAX_FIR: Final = 16


def receive(room: Room, member: Member, data: bytes, now: int) -> None:
    """One decrypted RTCP datagram of ``member``; ``BadPacket`` when it is none."""
    for report in rtcp.parse(data):
        match report:
            case rtcp.SenderReport(ssrc, ntp, timestamp):
                layer = member.streams.get(ssrc)
                if layer is not None:
                    fresh = now - layer.reported_at >= PASS_ON_US
                    layer.report(ntp, rtcp.from_ntp(ntp), timestamp, now)
                    for place in layer.places if fresh else ():
                        upkeep.report_on(room, place, now)
                _heard(member, report.blocks, now)
            case rtcp.ReceiverReport(_, blocks):
                _heard(member, blocks, now)
            case rtcp.Nack(media, lost):
                _repeat(room, _own(member, media), lost, now)
            case rtcp.Pli(media):
                _wish(_own(member, media))
            case rtcp.Fir(ssrcs):
                for media in ssrcs[:MAX_FIR]:
                    _wish(_own(member, media))
            case rtcp.Arrivals():
                member.downlink.arrived(report, now)
                if member.downlink.hard:
                    selection.select(member, now)
            case rtcp.Remb(bitrate):
                member.downlink.remb(bitrate, member.sending, now)
            case rtcp.Bye():
                pass  # silence and DTLS say it better


def _own(member: Member, ssrc: int) -> Place | None:
    for place in member.places():
        if place.ssrc == ssrc:
            return place
    return None


def _repeat(room: Room, place: Place | None, lost: tuple[int, ...], now: int) -> None:
    if place is not None:
        room.put(place.member, place.repeats(lost, now, send_time(now)))


def _wish(place: Place | None) -> None:
    if place is not None and place.layer is not None and place.media == "video":
        place.layer.demand.wish()


def _heard(member: Member, blocks: tuple[rtcp.Block, ...], now: int) -> None:
    for block in blocks:
        member.round_trip.heard(block, now)
        for place in member.places():
            if place.ssrc == block.ssrc:
                place.fraction, place.jitter = block.fraction, block.jitter
    video = [place.fraction for place in member.video if place.layer is not None]
    if video:
        member.downlink.reported(max(video), member.sending, now)
