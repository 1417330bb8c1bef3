"""The sync core of the writer: what is in the files after every kind of trouble."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from courtroom.errors import BadMessage, BadPacket
from courtroom.sfu.capture import Batch, Chain, End, Header, Note, Packet, Record, Tear, Track, encode, read
from recorder import segment as segment_module
from recorder.reserve import STEP as RESERVE_STEP
from recorder.segment import seal_leftover
from recorder.segmentcheck import segment_faults
from recorder.take import FORGET_US, Take


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_484_520_000_000

    def __call__(self) -> int:
        self.now += 1_000
        return self.now


def track(number: int = 1, worker: str = "w-1", label: str = "s-a") -> Track:
    return Track(number, label, "camera", "h", "vp8", 90_000, 96, worker)


def batch(
    number: int, worker: str = "w-1", tracks: tuple[Track, ...] = (), packets: int = 3, track_number: int = 1
) -> Batch:
    records: list[Record] = [*tracks]
    records += [Packet(track_number, 5_000 + n, f"{worker}/{number}/{n}".encode()) for n in range(packets)]
    return Batch("t-1", worker, number, b"".join(encode(record) for record in records))


def records(folder: Path) -> list[Record | Tear]:
    return [record for path in sorted(folder.iterdir()) for _, record in read(path.read_bytes())]


def payloads(folder: Path) -> list[str]:
    return [record.data.decode() for record in records(folder) if isinstance(record, Packet)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def take(tmp_path: Path, clock: Clock) -> Take:
    made = Take(tmp_path, "t-1", clock)
    made.open(0)
    return made


def test_a_batch_is_in_the_file_when_append_returns(take: Take) -> None:
    assert take.append(batch(1, tracks=(track(),)))
    assert payloads(take.directory) == ["w-1/1/0", "w-1/1/1", "w-1/1/2"]


def test_a_number_that_is_known_is_not_written_again(take: Take) -> None:
    take.append(batch(1, tracks=(track(),)))
    take.append(batch(2))
    assert not take.append(batch(1, tracks=(track(),)))
    assert not take.append(batch(2))
    assert take.append(batch(1, worker="w-2", tracks=(track(2, "w-2"),), track_number=2)), "numbers are per worker run"
    assert payloads(take.directory).count("w-1/2/0") == 1


def test_numbers_are_known_after_a_crash_too(take: Take, tmp_path: Path, clock: Clock) -> None:
    take.append(batch(1, tracks=(track(),)))
    take.append(batch(2))
    again = Take(tmp_path, "t-1", clock)  # the first one was killed: nothing was closed
    assert again.open(0)
    assert not again.append(batch(2))
    assert again.append(batch(3))
    assert payloads(take.directory) == [f"w-1/{b}/{n}" for b in (1, 2, 3) for n in range(3)]


def test_tracks_are_repeated_after_a_crash_and_at_every_segment(take: Take, tmp_path: Path, clock: Clock) -> None:
    take.append(batch(1, tracks=(track(), track(2, label="s-b"))))
    again = Take(tmp_path, "t-1", clock)
    again.open(0)
    clock.now += 61_000_000
    again.tick()
    (done,) = again.finished()
    done.seal()
    heads = [
        [record.label for _, record in read(path.read_bytes()) if isinstance(record, Track)]
        for path in sorted(take.directory.iterdir())
    ]
    assert heads == [["s-a", "s-b"]] * 3


def test_a_worker_that_is_gone_is_forgotten_only_later(take: Take, clock: Clock) -> None:
    take.append(batch(1, tracks=(track(),)))
    take.lost("w-1")
    for repeated in (True, False):
        clock.now += FORGET_US // 2 + 60_000_000
        take.tick()
        (done,) = take.finished()
        done.seal()
        newest = max(take.directory.iterdir())
        assert any(isinstance(record, Track) for _, record in read(newest.read_bytes())) is repeated
    kinds = [record.body["kind"] for record in records(take.directory) if isinstance(record, Note)]
    assert kinds.index("worker_joined") < kinds.index("worker_lost")


def test_two_workers_with_the_same_track_number_are_told_apart(take: Take) -> None:
    take.append(batch(1, tracks=(track(label="s-a"),)))
    take.append(batch(1, worker="w-2", tracks=(track(worker="w-2", label="s-b"),)))
    take.append(batch(2))
    take.append(batch(2, worker="w-2"))
    names: dict[int, str] = {}
    heard: list[tuple[str, str]] = []
    for record in records(take.directory):
        if isinstance(record, Track):
            names[record.track] = record.worker
        if isinstance(record, Packet):
            heard.append((names[record.track], record.data.decode()))
    assert len(heard) == 12
    assert all(data.startswith(worker) for worker, data in heard)


def test_every_segment_ends_in_order_and_its_chain_holds(take: Take, clock: Clock) -> None:
    for number in range(1, 30):
        take.append(batch(number, tracks=(track(),) if number == 1 else ()))
        clock.now += 100_000
        take.tick()
    take.close()
    (done,) = take.finished()
    sealed = done.seal()
    data = (take.directory / sealed.segment).read_bytes()
    assert segment_faults(sealed.segment, data, "t-1") == []
    kinds = [type(record) for _, record in read(data)]
    assert kinds[0] is Header
    assert kinds[-2:] == [Chain, End]
    assert kinds.count(Chain) >= 28
    assert not sealed.torn


def test_a_silent_take_still_says_that_the_writer_lives(take: Take, clock: Clock) -> None:
    for _ in range(50):
        clock.now += 100_000
        take.tick()
    assert sum(isinstance(record, Chain) for record in records(take.directory)) >= 4


def test_a_tear_is_sealed_as_it_is(take: Take, tmp_path: Path, clock: Clock) -> None:
    take.append(batch(1, tracks=(track(),)))
    take.append(batch(2))
    part = next(take.directory.iterdir())
    part.write_bytes(part.read_bytes()[:-40])
    torn = part.read_bytes()
    again = Take(tmp_path, "t-1", clock)
    again.open(0)
    sealed = [seal_leftover(take.directory, number) for number in again.earlier(again.number)]
    assert [(item.segment, item.torn, item.bytes) for item in sealed] == [("seg-00001.cap", True, len(torn))]
    assert (take.directory / "seg-00001.cap").read_bytes() == torn
    assert again.append(batch(2)), "the batch whose end was torn off is taken again"
    assert {"w-1/2/0", "w-1/2/1", "w-1/2/2"} <= set(payloads(take.directory))


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc", ".hidden", "a" * 200, "a\x00b", "a b", "ä"])
def test_a_take_is_never_a_path(tmp_path: Path, clock: Clock, name: str) -> None:
    with pytest.raises(BadMessage):
        Take(tmp_path, name, clock)


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        encode(Chain(1, b"0" * 32)),
        encode(End(1)),
        encode(Header("t", 1, 1)),
        encode(track())[:-1],
        encode(track())[:-1] + b"!",
    ],
)
def test_a_batch_that_is_not_one_leaves_the_file_alone(take: Take, data: bytes) -> None:
    before = next(take.directory.iterdir()).read_bytes()
    with pytest.raises(BadPacket):
        take.append(Batch("t-1", "w-1", 1, encode(Packet(1, 1, b"x")) + data))
    assert next(take.directory.iterdir()).read_bytes() == before


def test_a_full_disk_breaks_into_the_reserve_and_loses_nothing(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Take(tmp_path, "t-1", clock)
    take.open(2 * RESERVE_STEP)
    reserve = tmp_path / "t-1.reserve"
    assert reserve.stat().st_blocks * 512 >= 2 * RESERVE_STEP
    real, full = os.write, [1]

    def write(fd: int, data: bytes) -> int:
        if reserve.stat().st_size > RESERVE_STEP * (2 - full[0]):
            if len(data) > 20:
                return real(fd, data[:20])  # the last bytes that fit
            raise OSError(errno.ENOSPC, "full")
        return real(fd, data)

    monkeypatch.setattr(segment_module.os, "write", write)
    assert take.append(batch(1, tracks=(track(),)))
    assert take.reserve.broken
    assert reserve.stat().st_size == RESERVE_STEP
    assert payloads(take.directory) == ["w-1/1/0", "w-1/1/1", "w-1/1/2"]


def test_a_disk_that_stays_full_owes_and_settles_without_a_tear(take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    real, full = os.write, [True]

    def write(fd: int, data: bytes) -> int:
        if full[0] and len(data) <= 50:
            raise OSError(errno.ENOSPC, "full")
        return real(fd, data[: len(data) - 50] if full[0] else data)

    monkeypatch.setattr(segment_module.os, "write", write)
    first = batch(1, tracks=(track(),))
    with pytest.raises(OSError, match="full"):
        take.append(first)
    with pytest.raises(OSError, match="full"):
        take.append(first)  # the worker sends again: still not in the file, still not acknowledged
    full[0] = False
    assert not take.append(first), "settled now, and known"
    assert take.append(batch(2))
    assert not any(isinstance(record, Tear) for record in records(take.directory))
    assert payloads(take.directory) == [f"w-1/{b}/{n}" for b in (1, 2) for n in range(3)]


def test_a_failing_file_is_given_up_and_the_batch_goes_into_the_next(
    take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    take.append(batch(1, tracks=(track(),)))
    real, broken = os.write, [True]

    def write(fd: int, data: bytes) -> int:
        if broken[0]:
            broken[0] = False
            raise OSError(errno.EIO, "broken")
        return real(fd, data)

    monkeypatch.setattr(segment_module.os, "write", write)
    assert take.append(batch(2))
    assert take.gave_up() == [1]
    assert sorted(path.name for path in take.directory.iterdir()) == ["seg-00001.cap.part", "seg-00002.cap.part"]
    assert payloads(take.directory) == [f"w-1/{b}/{n}" for b in (1, 2) for n in range(3)]


def test_no_room_for_the_reserve_refuses_a_new_take_but_not_a_running_one(tmp_path: Path, clock: Clock) -> None:
    too_much = 1 << 60
    with pytest.raises(OSError, match="space"):
        Take(tmp_path, "t-1", clock).open(too_much)
    Take(tmp_path, "t-1", clock).open(0)
    again = Take(tmp_path, "t-1", clock)
    assert again.open(too_much)
    assert again.reserve.broken


def failing(
    monkeypatch: pytest.MonkeyPatch, code: int, *, spare: Callable[[bytes], bool] = lambda _: False
) -> list[bool]:
    """``write`` fails with ``code`` while the list's only item is true, but for what is spared."""
    real, on = os.write, [True]

    def write(fd: int, data: bytes) -> int:
        if on[0] and not spare(bytes(data)):
            raise OSError(code, os.strerror(code))
        return real(fd, data)

    monkeypatch.setattr(segment_module.os, "write", write)
    return on


def test_a_batch_is_not_known_before_it_stands_in_the_file(
    take: Take, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new segment's head is on disk, the batch that it was opened for is not: then the process is killed."""
    take.append(batch(1, tracks=(track(),)))
    on = failing(monkeypatch, errno.EIO, spare=lambda data: data[:4] == b"COUR" or b"w-1/2/" not in data)
    with pytest.raises(OSError, match="Input/output"):
        take.append(batch(2))
    on[0] = False
    again = Take(tmp_path, "t-1", clock)
    again.open(0)
    assert again.append(batch(2)), "it comes again and is taken"
    assert {"w-1/2/0", "w-1/2/1", "w-1/2/2"} <= set(payloads(take.directory))


def test_a_disk_that_is_full_when_the_minute_ends_loses_no_segment(
    take: Take, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    take.append(batch(1, tracks=(track(),)))
    clock.now += 61_000_000
    on = failing(monkeypatch, errno.ENOSPC)
    for _ in range(3):
        with pytest.raises(OSError, match="space"):
            take.tick()
        with pytest.raises(OSError, match="space"):
            take.append(batch(2))
    on[0] = False
    take.tick()
    (done,) = take.finished()
    assert not done.seal().torn
    assert take.append(batch(2))
    take.close()
    take.finished()[0].seal()
    assert [path.name for path in sorted(take.directory.iterdir())] == ["seg-00001.cap", "seg-00002.cap"]
    for path in take.directory.iterdir():
        assert segment_faults(path.name, path.read_bytes(), "t-1") == []
    assert payloads(take.directory) == [f"w-1/{b}/{n}" for b in (1, 2) for n in range(3)]


def test_a_full_disk_at_the_opening_of_a_segment_is_no_dead_end(
    take: Take, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    take.append(batch(1, tracks=(track(),)))
    clock.now += 61_000_000
    on = failing(monkeypatch, errno.ENOSPC, spare=lambda data: data[:4] != b"COUR")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(OSError, match="space"):
            take.tick()
    assert len(os.listdir("/proc/self/fd")) <= before
    on[0] = False
    assert take.append(batch(2))
    (done,) = take.finished()
    done.seal()
    assert sorted(path.name for path in take.directory.iterdir()) == ["seg-00001.cap", "seg-00002.cap.part"]


def test_a_disk_that_takes_nothing_is_not_strewn_with_files(take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    take.append(batch(1, tracks=(track(),)))
    on = failing(monkeypatch, errno.EIO)
    for _ in range(100):
        with pytest.raises(OSError, match="Input/output"):
            take.append(batch(2))
    assert len(list(take.directory.iterdir())) <= 2
    on[0] = False
    assert not take.append(batch(2)) or payloads(take.directory).count("w-1/2/0") == 1
    assert payloads(take.directory) == [f"w-1/{b}/{n}" for b in (1, 2) for n in range(3)]


def test_a_reserve_is_taken_over_and_made_good_again(tmp_path: Path, clock: Clock) -> None:
    Take(tmp_path, "t-1", clock).open(2 * RESERVE_STEP)
    reserve = tmp_path / "t-1.reserve"
    inode = reserve.stat().st_ino
    take = Take(tmp_path, "t-1", clock)
    take.open(2 * RESERVE_STEP)
    assert reserve.stat().st_ino == inode, "the room is never free for others"
    assert take.reserve.give()
    assert reserve.stat().st_size <= RESERVE_STEP
    take.look_after_reserve()
    assert not take.reserve.broken
    assert reserve.stat().st_size > RESERVE_STEP
    assert reserve.stat().st_blocks * 512 >= reserve.stat().st_size
