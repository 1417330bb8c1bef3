from __future__ import annotations

import random
import struct

import pytest
from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpRrPacket, RtcpRtpfbPacket, RtcpSrPacket

from courtroom.errors import BadPacket
from courtroom.sfu import rtcp
from courtroom.sfu.bandwidth import MAX_PENDING, MAX_STATUS, Arrivals
from courtroom.sfu.rtcp import Block, Nack, Pli, ReceiverReport, Remb, SenderReport


def test_reports_are_read_by_somebody_elses_code() -> None:
    block = Block(77, 12, 345, 67890, 11, 22, 33)
    data = rtcp.sender_report(1, 2 << 32, 3, 4, 5) + rtcp.receiver_report(9, [block])
    sender, receiver = RtcpPacket.parse(data)
    assert isinstance(sender, RtcpSrPacket)
    assert (sender.ssrc, sender.sender_info.ntp_timestamp, sender.sender_info.rtp_timestamp) == (1, 2 << 32, 3)
    assert isinstance(receiver, RtcpRrPacket)
    report = receiver.reports[0]
    assert (report.ssrc, report.fraction_lost, report.packets_lost, report.highest_sequence) == (77, 12, 345, 67890)
    assert rtcp.parse(data) == [SenderReport(1, 2 << 32, 3, 4, 5, ()), ReceiverReport(9, (block,))]


def test_requests_are_read_by_somebody_elses_code() -> None:
    lost = [65534, 65535, 0, 14, 17, 200]
    nack, pli, remb = RtcpPacket.parse(rtcp.nack(1, 2, lost) + rtcp.pli(1, 2) + rtcp.remb(1, 1_234_567, [8, 9]))
    assert isinstance(nack, RtcpRtpfbPacket)
    assert [number & 0xFFFF for number in nack.lost] == lost  # theirs counts on past the wrap
    assert isinstance(pli, RtcpPsfbPacket)
    assert isinstance(remb, RtcpPsfbPacket)
    ours = rtcp.parse(rtcp.nack(1, 2, lost) + rtcp.pli(1, 2) + rtcp.remb(1, 1_234_567, [8, 9]))
    assert ours[:2] == [Nack(2, tuple(lost)), Pli(2)]
    assert isinstance(ours[2], Remb)
    assert abs(ours[2].bitrate - 1_234_567) < 16
    assert ours[2].ssrcs == (8, 9)


def test_negative_loss_survives() -> None:
    (report,) = rtcp.parse(rtcp.receiver_report(1, [Block(2, 0, -3, 4, 5, 6, 7)]))
    assert isinstance(report, ReceiverReport)
    assert report.blocks[0].lost == -3


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\xc8\x00\x06" + bytes(8),  # shorter than it says
        b"\x40\xc8\x00\x01" + bytes(4),  # version
        b"\x80\xc8\x00\x01" + bytes(4),  # a sender report without its fields
        b"\x9f\xc9\x00\x01" + bytes(4),  # thirty-one blocks, none there
        b"\x80",
        b"\x80\xc9\x00\x00" + bytes(4),
    ],
)
def test_broken_reports_are_refused(data: bytes) -> None:
    with pytest.raises(BadPacket):
        rtcp.parse(data)


def test_unknown_types_are_skipped() -> None:
    assert rtcp.parse(b"\x80\xcc\x00\x02" + bytes(8) + rtcp.pli(1, 2)) == [Pli(2)]


def test_ntp_goes_there_and_back() -> None:
    for us in (0, 1, 1_790_000_000_123_456, 999_999):
        assert abs(rtcp.from_ntp(rtcp.to_ntp(us)) - us) <= 1


def _read_feedback(message: bytes) -> tuple[dict[int, int], int]:
    """Arrival times by number (µs, relative to the reference), and the feedback count, by the draft's text."""
    first, kind, words, _, _, base, count, reference = struct.unpack_from(">BBHIIHHI", message)
    assert (first & 0x1F, kind, 4 + 4 * words) == (15, 205, len(message))
    symbols: list[int] = []
    at = 20
    while len(symbols) < count:
        (chunk,) = struct.unpack_from(">H", message, at)
        at += 2
        if chunk & 0x8000:
            assert chunk & 0x4000
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:
            symbols += [chunk >> 13] * (chunk & 0x1FFF)
    clock, times = (reference >> 8) * 64_000, {}
    for i, symbol in enumerate(symbols[:count]):
        if symbol == 1:
            clock += message[at] * 250
            at += 1
        elif symbol == 2:
            clock += struct.unpack_from(">h", message, at)[0] * 250
            at += 2
        if symbol:
            times[(base + i) & 0xFFFF] = clock
    padding = message[-1] if first & 0x20 else 0
    assert at + padding == len(message)
    return times, reference & 0xFF


def test_arrivals_are_told_to_the_quarter_millisecond() -> None:
    arrivals = Arrivals()
    base = 1_790_000_000_000_000
    told = {
        65530: base,
        65531: base + 1000,
        65534: base + 90_000,
        65533: base + 91_000,
        65535: base + 91_100,
        2: base + 99_000,
    }
    for number, at in told.items():
        arrivals.note(number, at)
    (message,) = arrivals.feedback(1, 2, base + 100_000)
    times, _ = _read_feedback(message)
    assert set(times) == set(told)
    # 24 bits of 64 ms wrap; only distances count
    for number, at in told.items():
        assert abs((times[number] - times[65530]) - (at - base)) <= 250


def test_feedback_is_due_each_tenth_of_a_second_and_says_what_was_lost_between() -> None:
    arrivals = Arrivals()
    now = 1_790_000_000_000_000
    arrivals.note(10, now)
    assert len(arrivals.feedback(1, 2, now)) == 1
    arrivals.note(14, now + 50_000)
    assert arrivals.feedback(1, 2, now + 50_000) == []
    (message,) = arrivals.feedback(1, 2, now + 100_000)
    assert struct.unpack_from(">HH", message, 12) == (11, 4), "11 to 13 are reported as not received"
    assert _read_feedback(message)[1] == 1


def test_long_silence_and_long_bursts_make_several_messages() -> None:
    arrivals = Arrivals()
    now = 1_790_000_000_000_000
    for i in range(MAX_STATUS + 10):
        arrivals.note(i, now)
    arrivals.note(MAX_STATUS + 10, now + 20_000_000)
    messages = arrivals.feedback(1, 2, now + 20_000_000)
    assert len(messages) == 3
    seen = [number for message in messages for number in _read_feedback(message)[0]]
    assert seen == list(range(MAX_STATUS + 11))


def test_wild_numbers_cost_one_message_each_and_no_more() -> None:
    """A publisher that jumps through the numbers must not make us report millions of losses."""
    arrivals = Arrivals()
    now = 1_790_000_000_000_000
    for i in range(5000):
        arrivals.note(i * 32_000 & 0xFFFF, now + i)
    messages = arrivals.feedback(1, 2, now + 100_000)
    assert len(messages) <= MAX_PENDING
    assert max(map(len, messages)) < 1200
    dice = random.Random(4)
    for round_ in range(200):
        now += 1_000_000
        for _ in range(300):
            arrivals.note(dice.randrange(65536), now + dice.randrange(-50_000_000, 50_000_000))
        for message in arrivals.feedback(1, 2, now + 100_000 + round_):
            _read_feedback(message)
            assert len(message) < 1500


def test_feedback_is_read_as_it_was_written() -> None:
    dice = random.Random(5)
    ours = Arrivals()
    came: dict[int, int] = {}
    now = 1_000_000_000
    for number in range(65_400, 65_800):
        now += dice.choice((0, 250, 1_000, 40_000))
        if dice.random() < 0.8:
            came[number] = now
            ours.note(number & 0xFFFF, now)
    read: dict[int, int] = {}
    for message in ours.feedback(1, 2, now + 1_000_000):
        (report,) = rtcp.parse(message)
        assert isinstance(report, rtcp.Arrivals)
        first = report.first if report.first > 65_000 else report.first + 65_536
        read |= {first + i: at for i, at in enumerate(report.times) if at >= 0}
    assert read.keys() == came.keys()
    assert all(abs((read[n] - read[65_400 + min(read) - 65_400]) - (came[n] - came[min(came)])) < 500 for n in read)


def test_feedback_of_nonsense_is_refused() -> None:
    head = bytes((0x8F, 205))
    for body in (
        b"\0" * 8 + b"\0\1\xff\xff" + b"\0\0\0\0",  # more statuses than anybody sends
        b"\0" * 8 + b"\0\1\0\5" + b"\0\0\0\0" + b"\0\0\0\0",  # a run of none
        b"\0" * 8 + b"\0\1\0\5" + b"\0\0\0\0" + b"\x20\5\1\1",  # fewer steps than packets
    ):
        with pytest.raises(BadPacket):
            rtcp.parse(head + (len(body) // 4).to_bytes(2, "big") + body)
