from __future__ import annotations

from courtroom.sfu import capture, rtcp, takes
from courtroom.sfu.capture import MAGIC, Batch, Note, Packet, SenderReport, Tear, Track, decode_batch
from courtroom.sfu.takes import MAX_AGE_US, Spool, Take
from tests.sfu import wire
from tests.sfu.room import Camera, Room


def batches(spool: Spool) -> list[Batch]:
    found = []
    while (data := spool.next()) is not None:
        assert int.from_bytes(data[:4], "big") == len(data) - 4
        found.append(decode_batch(data[4:]))
    return found


def records(found: list[Batch], take: str = "take") -> list[capture.Record]:
    data = MAGIC + b"".join(batch.records for batch in found if batch.take == take)
    result = [record for _, record in capture.read(data)]
    assert not any(isinstance(record, Tear) for record in result)
    return result  # type: ignore[return-value]


def test_quick_encoding_of_packets_is_the_formats() -> None:
    take = Take("take", "worker")
    take.packet(3, 123456789, b"\x80packet")
    assert take.cut() == capture.encode(Packet(3, 123456789, b"\x80packet"))


def test_packets_are_written_once_unwrapped_and_with_their_reports() -> None:
    room = Room()
    judge = room.add("judge")
    room.route(captures=(("take", "judge", "camera", "seat-1"),))
    first, second = Camera(11).frame()
    room.send(judge, first)
    room.send(judge, first)
    sequence, timestamp, _, payload = wire.fields(second)
    room.send(judge, wire.rtx(9, timestamp, 12, sequence, payload, mid=b"cam"))
    room.router.receive_rtcp(judge, rtcp.sender_report(11, 5 << 32, 77, 1, 1), room.now)
    room.spool.cut(room.now + 200_000)
    track, one, two, report = records(batches(room.spool))
    assert track == Track(1, "seat-1", "camera", "", "vp8", 90000, 96, "worker-1")
    assert isinstance(one, Packet)
    assert one.data == first
    assert isinstance(two, Packet)
    assert wire.fields(two.data) == wire.fields(second)
    assert report == SenderReport(1, room.now, 5 << 32, 77)


def test_capture_asks_for_key_frames_now_and_then() -> None:
    room = Room()
    judge = room.add("judge")
    room.route(captures=(("take", "judge", "camera", "seat-1"),))
    camera = Camera(11)
    asked = []
    for _ in range(1600):
        for packet in camera.frame():
            room.send(judge, packet)
        room.tick()
        asked += [room.now for _, report in room.rtcp() if isinstance(report, rtcp.Pli)]
        camera.key = bool(asked) and asked[-1] == room.now
    assert 3 <= len(asked) <= 5, "32 s: at the beginning and each ten seconds"


def test_best_layer_is_written_and_changes_at_its_key_frame() -> None:
    room = Room()
    judge = room.add("judge")
    room.route(captures=(("take", "judge", "camera", "seat-1"),))
    small, large = Camera(11, "l"), Camera(12, "h")
    found: list[Batch] = []

    def step(*cameras: Camera) -> None:
        room.tick(50_000)
        for _, report in room.rtcp():
            if isinstance(report, rtcp.Pli):
                for camera in (small, large):
                    camera.key = camera.key or camera.ssrc == report.media
        for camera in cameras:
            for packet in camera.frame():
                room.send(judge, packet)
        room.spool.cut(room.now)
        found.extend(batches(room.spool))

    for _ in range(20):
        step(small)
    for _ in range(60):
        step(small, large)
    for _ in range(60):
        step(small)
    tracks = {record.track: record.layer for record in records(found) if isinstance(record, Track)}
    written = [(tracks[record.track], record.data) for record in records(found) if isinstance(record, Packet)]
    layers = [layer for layer, _ in written]
    changes = [layer for i, layer in enumerate(layers) if i == 0 or layers[i - 1] != layer]
    assert changes == ["l", "h", "l"]
    for i, (layer, data) in enumerate(written):
        if i and layers[i - 1] != layer:
            payload = wire.fields(data)[3]
            assert payload[0] & 0x10
            assert not payload[6] & 1, "a change begins with a key frame"


def test_removed_capture_gets_nothing_more() -> None:
    room = Room()
    judge = room.add("judge")
    room.route(captures=(("take", "judge", "camera", "seat-1"),))
    camera = Camera(11)
    for packet in camera.frame():
        room.send(judge, packet)
    room.route()
    for packet in camera.frame():
        room.send(judge, packet)
    room.spool.cut(room.now + 200_000)
    assert sum(isinstance(record, Packet) for record in records(batches(room.spool))) == 2


def test_unanswered_batches_go_out_again_after_a_reconnect() -> None:
    spool = Spool("worker")
    for i in range(5):
        spool.take("take").packet(1, i, b"packet")
        spool.cut((i + 1) * takes.CUT_US)
    assert [batch.number for batch in batches(spool)] == [1, 2, 3, 4, 5]
    spool.answered(1)
    spool.answered(2)
    assert batches(spool) == []
    spool.reconnected()
    assert [batch.number for batch in batches(spool)] == [3, 4, 5]
    for number in (3, 4, 5):
        spool.answered(number)
    spool.reconnected()
    assert batches(spool) == []
    assert spool.lag(10_000_000) == 0


def test_answer_for_what_was_never_sent_is_ignored() -> None:
    spool = Spool("worker")
    spool.take("take").packet(1, 0, b"packet")
    spool.cut(takes.CUT_US)
    spool.answered(99)
    assert len(batches(spool)) == 1


def test_an_answer_is_for_its_own_batch_alone() -> None:
    spool = Spool("worker")
    for name, now in (("not open yet", takes.CUT_US), ("open", 2 * takes.CUT_US)):
        spool.take(name).packet(1, now, b"packet")
        spool.cut(now)
    assert len(batches(spool)) == 2
    spool.answered(2)
    assert spool.lag(3 * takes.CUT_US) > 0
    spool.reconnected()
    assert [batch.take for batch in batches(spool)] == ["not open yet"]


def test_writer_that_stays_away_costs_bounded_memory_and_a_note_in_the_take() -> None:
    spool = Spool("worker")
    now = 0
    big = bytes(400_000)
    for _ in range(300):
        now += takes.CUT_US
        spool.take("take").packet(1, now, big)
        spool.cut(now)
    assert spool.overflowed > 0
    assert spool.lag(now) <= MAX_AGE_US
    spool.reconnected()
    found = batches(spool)
    assert sum(len(batch.records) for batch in found) <= takes.MAX_BYTES
    notes = [record for record in records(found) if isinstance(record, Note)]
    assert notes
    assert all(note.body["kind"] == "capture_overflow" for note in notes)
    missing = set(range(takes.CUT_US, now + 1, takes.CUT_US)) - {
        record.at for record in records(found) if isinstance(record, Packet)
    }
    for note in notes:
        begin, end = int(str(note.body["from_at"])), int(str(note.body["to_at"]))
        assert set(range(begin + takes.CUT_US, end + 1, takes.CUT_US)) <= missing, "the note says where the hole is"


def test_a_take_that_has_ended_sends_its_last_records_and_gives_no_number_twice() -> None:
    spool = Spool("worker")
    first = spool.take("take").track("seat-1", "camera", "h", 11, "vp8", 90000, 96)
    spool.take("take").packet(first, 5, b"packet")
    spool.end("take", 6)
    spool.end("take", 7)
    found = batches(spool)
    assert [batch.number for batch in found] == [1]
    assert [type(record) for record in records(found)] == [Track, Packet]
    again = spool.take("take").track("seat-1", "camera", "h", 11, "vp8", 90000, 96)
    assert (first, again) == (1, 2)


def test_of_takes_that_have_ended_nothing_stays_but_some_numbers() -> None:
    spool = Spool("worker")
    for number in range(takes.MAX_ENDED + 1):
        spool.take(f"take-{number}").track("seat-1", "camera", "h", number, "vp8", 90000, 96)
        spool.end(f"take-{number}", number)
    assert spool._takes == {}
    assert list(spool._ended) == [f"take-{number}" for number in range(1, takes.MAX_ENDED + 1)]
    one = spool.take("take-0").track("seat-1", "camera", "h", 9999, "vp8", 90000, 96)
    assert one == 2, "not even of one that is too long ago to be remembered"
