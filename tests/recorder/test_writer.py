"""The writer as a process: real sockets, real SIGKILL, what was acknowledged is in the files."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from courtroom.channel.framing import Decoder
from courtroom.channel.framing import encode as frame
from courtroom.channel.messages import (
    VERSION,
    CaptureDefect,
    CaptureMended,
    CaptureProgress,
    CloseTake,
    FromWriter,
    Mark,
    OpenTake,
    Reply,
    SegmentSealed,
    ToWriterShutdown,
    WelcomeWriter,
    WriterReady,
)
from courtroom.control.capture import PATIENCE_S
from courtroom.sfu.capture import Batch, End, Note, Packet, Record, SenderReport, Track, encode, encode_batch, read
from courtroom.sfu.takes import Spool
from recorder import segment as segment_module
from recorder import writer as writer_module
from recorder.segmentcheck import segment_faults
from recorder.trouble import CALM_US, REPEAT_US, Troubles
from recorder.writer import Writer

WAIT = 20.0
OPEN: list[asyncio.StreamWriter] = []


@pytest.fixture(autouse=True)
async def _hang_up() -> AsyncIterator[None]:
    """Closes what a test left open, so that no socket outlives its loop."""
    yield
    while OPEN:
        writer = OPEN.pop()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


class Control:
    """The other end of the inherited socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = str(folder / "w.sock")
        self.seen: list[Any] = []

    async def start(self, version: int = VERSION) -> None:
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "recorder", "writer", "--fd", str(theirs.fileno())], pass_fds=[theirs.fileno()]
        )
        theirs.close()
        ours.setblocking(False)
        self.reader, self.writer = await asyncio.open_connection(sock=ours)
        OPEN.append(self.writer)
        self.decoder: Decoder[Any] = Decoder(FromWriter)
        offset = time.time_ns() // 1000 - time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.send(
            WelcomeWriter(
                version=version, clock_offset_us=offset, capture_socket=self.path, directory=str(self.folder / "cap")
            )
        )

    def send(self, message: Any) -> None:
        self.writer.write(frame(message))

    async def wait(self, kind: type, **wanted: Any) -> Any:
        """The next message of a kind; others are kept in ``seen``."""
        for message in self.seen:
            if isinstance(message, kind) and all(getattr(message, k) == v for k, v in wanted.items()):
                self.seen.remove(message)
                return message
        async with asyncio.timeout(WAIT):
            while True:
                data = await self.reader.read(65536)
                assert data, "the writer has hung up"
                self.seen += list(self.decoder.feed(data))
                for message in self.seen:
                    if isinstance(message, kind) and all(getattr(message, k) == v for k, v in wanted.items()):
                        self.seen.remove(message)
                        return message

    async def open(self, take: str = "t-1", request: int = 1, reserve: int = 1 << 20) -> None:
        self.send(OpenTake(request=request, take=take, reserve_bytes=reserve))
        assert (await self.wait(Reply, request=request)).code == ""

    async def exited(self) -> int:
        async with asyncio.timeout(WAIT):
            while self.process.poll() is None:
                await asyncio.sleep(0.01)
        return self.process.returncode

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.exited()
        self.writer.close()


class Worker:
    """A media worker's end of the capture socket."""

    def __init__(self, name: str = "w-1") -> None:
        self.name = name
        self.acknowledged = 0
        self.sent: list[tuple[int, bytes]] = []

    async def connect(self, path: str) -> None:
        async with asyncio.timeout(WAIT):
            while True:
                try:
                    self.reader, self.writer = await asyncio.open_unix_connection(path)
                    OPEN.append(self.writer)
                    return
                except OSError:
                    await asyncio.sleep(0.02)

    def batch(self, number: int, take: str = "t-1") -> bytes:
        records: list[Record] = [Track(1, "s-a", "camera", "h", "vp8", 90_000, 96, self.name)] if number == 1 else []
        records += [Packet(1, number * 1000 + n, f"{number}/{n}".encode() * 20) for n in range(5)]
        records.append(SenderReport(1, number * 1000, 1, 2))
        return encode_batch(Batch(take, self.name, number, b"".join(map(encode, records))))

    def send(self, number: int, take: str = "t-1") -> None:
        data = self.batch(number, take)
        self.sent.append((number, data))
        self.writer.write(data)

    async def answer(self) -> int:
        async with asyncio.timeout(WAIT):
            self.acknowledged = int.from_bytes(await self.reader.readexactly(8), "big")
        return self.acknowledged


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[Control]:
    control = Control(tmp_path)
    await control.start()
    ready = await control.wait(WriterReady)
    assert (ready.version, ready.pid) == (VERSION, control.process.pid)
    try:
        yield control
    finally:
        control.writer.close()
        if control.process.poll() is None:
            await control.exited()


def heard(folder: Path) -> list[bytes]:
    found = []
    for path in sorted(folder.iterdir()):
        found += [record.data for _, record in read(path.read_bytes()) if isinstance(record, Packet)]
    return found


def packets(*numbers: int) -> list[bytes]:
    return [f"{number}/{n}".encode() * 20 for number in numbers for n in range(5)]


async def test_an_acknowledged_batch_survives_sigkill(tmp_path: Path) -> None:
    async with running(tmp_path) as control:
        await control.open()
        worker = Worker()
        await worker.connect(control.path)
        for number in range(1, 200):
            worker.send(number)
            if await worker.answer() == 60:
                os.kill(control.process.pid, signal.SIGKILL)  # at once, without a flush, a sync or a good-bye
                break
        await control.exited()
        got = heard(tmp_path / "cap" / "t-1")
        assert got[: 60 * 5] == packets(*range(1, 61))


async def test_a_restarted_writer_gets_again_what_was_not_answered_and_keeps_it_once(tmp_path: Path) -> None:
    async with running(tmp_path) as control:
        await control.open()
        worker = Worker()
        await worker.connect(control.path)
        for number in range(1, 31):
            worker.send(number)
        while await worker.answer() < 10:
            pass
        await control.kill()
        again = Control(tmp_path)
        await again.start()
        await again.wait(WriterReady)
        await worker.connect(again.path)  # before the take is open: the batches wait for it
        for number in range(8, 31):  # answered ones among them, as after a lost answer
            worker.send(number)
        await again.open()
        while await worker.answer() < 30:
            pass
        torn = await again.wait(SegmentSealed, segment="seg-00001.cap")
        assert torn.torn
        assert torn.sha256 == hashlib.sha256((tmp_path / "cap/t-1/seg-00001.cap").read_bytes()).hexdigest()
        again.send(CloseTake(request=9, take="t-1"))
        sealed = await again.wait(SegmentSealed, segment="seg-00002.cap")
        assert (await again.wait(Reply, request=9)).code == ""
        assert not sealed.torn
        got = heard(tmp_path / "cap" / "t-1")
        assert set(got) == set(packets(*range(1, 31))), "nothing is missing"
        assert len(got) <= 5 * 31, "and at most the batch in flight is there twice"
        again.send(ToWriterShutdown())
        assert await again.exited() == 0
        again.writer.close()


async def test_sealed_messages_say_what_lies_on_disk(tmp_path: Path) -> None:
    async with running(tmp_path) as control:
        await control.open()
        worker = Worker()
        await worker.connect(control.path)
        worker.send(1)
        await worker.answer()
        control.send(Mark(take="t-1", at=77, kind="phase", detail='{"phase": "debate"}'))
        progress = await control.wait(CaptureProgress, take="t-1")
        assert progress.synced_bytes > 0
        assert progress.free_bytes > 0
        control.send(CloseTake(request=2, take="t-1"))
        sealed = await control.wait(SegmentSealed)
        assert (await control.wait(Reply, request=2)).code == ""
        data = (tmp_path / "cap" / "t-1" / sealed.segment).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (sealed.sha256, sealed.bytes)
        assert segment_faults(sealed.segment, data, "t-1") == []
        assert sealed.start_at <= sealed.end_at <= time.time_ns() // 1000 + 1_000_000
        notes = [record for _, record in read(data) if isinstance(record, Note)]
        assert Note(77, {"kind": "phase", "phase": "debate"}) in notes
        assert [path.name for path in (tmp_path / "cap").iterdir()] == ["t-1"], "the reserve was given back"


async def test_a_late_batch_for_a_closed_take_is_answered_and_dropped(tmp_path: Path) -> None:
    async with running(tmp_path) as control:
        await control.open()
        worker = Worker()
        await worker.connect(control.path)
        worker.send(1)
        await worker.answer()
        control.send(CloseTake(request=2, take="t-1"))
        await control.wait(Reply, request=2)
        worker.send(2)
        assert await worker.answer() == 2
        assert heard(tmp_path / "cap" / "t-1") == packets(1)


async def test_the_take_says_when_a_worker_was_lost_and_came_back(tmp_path: Path) -> None:
    async with running(tmp_path) as control:
        await control.open()
        worker = Worker()
        await worker.connect(control.path)
        worker.send(1)
        await worker.answer()
        worker.writer.close()
        folder = tmp_path / "cap" / "t-1"

        def notes() -> list[object]:
            (path,) = folder.iterdir()
            kinds = [r.body["kind"] for _, r in read(path.read_bytes()) if isinstance(r, Note)]
            return [kind for kind in kinds if kind != "batch"]

        async with asyncio.timeout(WAIT):
            while "worker_lost" not in notes():
                await asyncio.sleep(0.02)
        await worker.connect(control.path)
        worker.send(2)
        await worker.answer()
        assert notes() == ["worker_joined", "worker_lost", "worker_joined"]


async def test_the_end_of_control_seals_everything_and_ends_the_process(tmp_path: Path) -> None:
    async with running(tmp_path) as control:
        await control.open("t-1", 1)
        await control.open("t-2", 2)
        worker = Worker()
        await worker.connect(control.path)
        worker.send(1)
        await worker.answer()
        worker.send(2)  # in flight when control dies
        control.writer.close()
        worker.writer.write_eof()
        assert await control.exited() == 0
        for take in ("t-1", "t-2"):
            (path,) = (tmp_path / "cap" / take).iterdir()
            assert path.name == "seg-00001.cap"
            assert isinstance([record for _, record in read(path.read_bytes())][-1], End)
        assert heard(tmp_path / "cap" / "t-1") == packets(1, 2)
        assert not Path(control.path).exists()


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x04abcd", b"\x00\x00\x00\x09" + b"\x00\x03t-1\x00\x01w\x00"]
)
async def test_nonsense_closes_one_connection_and_harms_no_other(tmp_path: Path, data: bytes) -> None:
    async with running(tmp_path) as control:
        await control.open()
        good, bad = Worker("w-1"), Worker("w-2")
        await good.connect(control.path)
        await bad.connect(control.path)
        bad.writer.write(data)
        async with asyncio.timeout(WAIT):
            assert await bad.reader.read() == b""
        bad.writer.close()
        good.send(1)
        assert await good.answer() == 1


@pytest.mark.parametrize("take", ["../evil", "a/b", "", ".x"])
async def test_a_take_that_is_a_path_is_refused(tmp_path: Path, take: str) -> None:
    async with running(tmp_path) as control:
        control.send(OpenTake(request=1, take=take, reserve_bytes=0))
        assert (await control.wait(Reply, request=1)).code == "take_name"
        assert list((tmp_path / "cap").iterdir()) == []


async def test_no_room_is_said_and_nothing_is_opened(tmp_path: Path) -> None:
    async with running(tmp_path) as control:
        control.send(OpenTake(request=1, take="t-1", reserve_bytes=1 << 60))
        assert (await control.wait(Reply, request=1)).code == "disk_full"
        assert not list((tmp_path / "cap").glob("*.reserve"))


async def test_another_version_ends_the_writer(tmp_path: Path) -> None:
    control = Control(tmp_path)
    await control.start(version=VERSION + 1)
    assert await control.exited() == 2
    control.writer.close()


async def test_segments_follow_one_another_while_packets_flow(tmp_path: Path) -> None:
    """The shell in this process, with segments of a fifth of a second instead of a minute."""
    told: list[Any] = []
    writer = Writer(told.append, segment_us=200_000)
    path = str(tmp_path / "w.sock")
    await writer.start(WelcomeWriter(VERSION, 0, path, str(tmp_path / "cap")))
    await writer.obey(OpenTake(1, "t-1", 0))
    worker = Worker()
    await worker.connect(path)
    number = 0
    async with asyncio.timeout(WAIT):
        while sum(isinstance(message, SegmentSealed) for message in told) < 3:
            number += 1
            worker.send(number)
            await worker.answer()
            await asyncio.sleep(0.01)
    await writer.obey(CloseTake(2, "t-1"))
    await writer.stop()
    sealed = [message for message in told if isinstance(message, SegmentSealed)]
    assert [message.segment for message in sealed] == [f"seg-{n + 1:05d}.cap" for n in range(len(sealed))]
    for message in sealed:
        data = (tmp_path / "cap" / "t-1" / message.segment).read_bytes()
        assert hashlib.sha256(data).hexdigest() == message.sha256
        assert segment_faults(message.segment, data, "t-1") == []
        assert any(isinstance(record, Track) for _, record in read(data)), "each segment can be read alone"
    assert heard(tmp_path / "cap" / "t-1") == packets(*range(1, number + 1))
    assert told[-1] == Reply(2)


async def test_what_a_media_worker_spools_is_in_the_files_once(tmp_path: Path) -> None:
    """The worker's own spool against the writer, with the writer killed in between."""
    spool = Spool("w-real")
    take = spool.take("t-1")
    track = take.track("s-a", "camera", "h", 7, "vp8", 90_000, 96)
    now = 1_000_000

    async def pump(worker: Worker) -> None:
        while (data := spool.next()) is not None:
            worker.writer.write(data)
        async with asyncio.timeout(WAIT):
            while spool.lag(now):
                spool.answered(int.from_bytes(await worker.reader.readexactly(8), "big"))

    def speak(count: int) -> None:
        nonlocal now
        for _ in range(count):
            now += 20_000
            take.packet(track, now, b"rtp" + now.to_bytes(8, "big"))
            spool.cut(now)
        now += 100_000
        spool.cut(now)

    async with running(tmp_path) as control:
        await control.open()
        worker = Worker()
        await worker.connect(control.path)
        speak(50)
        await pump(worker)
        speak(50)
        while (data := spool.next()) is not None:
            worker.writer.write(data)  # written, and perhaps in the file, but never answered
        await control.kill()
        speak(50)
        again = Control(tmp_path)
        await again.start()
        await again.wait(WriterReady)
        await again.open()
        await worker.connect(again.path)
        spool.reconnected()
        await pump(worker)
        again.send(CloseTake(request=9, take="t-1"))
        await again.wait(Reply, request=9)
        again.send(ToWriterShutdown())
        assert await again.exited() == 0
    got = heard(tmp_path / "cap" / "t-1")
    said = [b"rtp" + int.from_bytes(data[3:], "big").to_bytes(8, "big") for data in got]
    assert len(set(said)) == 150
    assert len(got) < 150 + 50, "what was in the file before the kill is known by its number"
    for path in sorted((tmp_path / "cap" / "t-1").iterdir()):
        labels = {record.label for _, record in read(path.read_bytes()) if isinstance(record, Track)}
        assert labels == {"s-a"}, "the worker does not declare its track again; the writer has remembered it"


@asynccontextmanager
async def writing(tmp_path: Path) -> AsyncIterator[tuple[Writer, list[Any], Worker]]:
    """The shell in this process, one take open, one worker connected."""
    told: list[Any] = []
    writer = Writer(told.append)
    path = str(tmp_path / "w.sock")
    await writer.start(WelcomeWriter(VERSION, 0, path, str(tmp_path / "cap")))
    await writer.obey(OpenTake(1, "t-1", 0))
    worker = Worker()
    await worker.connect(path)
    yield writer, told, worker
    await writer.stop()


async def until_told(told: list[Any], kind: type, code: str) -> None:
    async with asyncio.timeout(WAIT):
        while not any(isinstance(message, kind) and message.code == code for message in told):
            await asyncio.sleep(0.01)


async def test_a_disk_that_hangs_is_told_while_it_hangs_and_holds_up_no_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, hanging = os.fdatasync, threading.Event()

    def fdatasync(fd: int) -> None:
        hanging.wait(WAIT)
        real(fd)

    monkeypatch.setattr(segment_module.os, "fdatasync", fdatasync)
    async with writing(tmp_path) as (_, told, worker):
        await until_told(told, CaptureDefect, "disk_slow")
        worker.send(1)
        assert await worker.answer() == 1, "batches are written beside a sync that hangs"
        assert not any(isinstance(message, CaptureProgress) for message in told), "nothing is said to be on disk"
        hanging.set()
        await until_told(told, CaptureMended, "disk_slow")
        assert any(isinstance(message, CaptureProgress) for message in told)
    assert heard(tmp_path / "cap" / "t-1") == packets(1)


async def test_a_write_that_hangs_is_told_and_orders_for_others_are_carried_out_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, hanging = os.write, threading.Event()

    def write(fd: int, data: bytes) -> int:
        if b"1/0" in bytes(data):
            hanging.wait(WAIT)
        return real(fd, data)

    monkeypatch.setattr(segment_module.os, "write", write)
    async with writing(tmp_path) as (_, told, worker):
        worker.send(1)
        await until_told(told, CaptureDefect, "disk_slow")
        assert not worker.reader._buffer, "what is not written is not answered"  # type: ignore[attr-defined]
        hanging.set()
        assert await worker.answer() == 1
        await until_told(told, CaptureMended, "disk_slow")


async def test_a_mark_on_a_full_disk_holds_up_no_other_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, full = os.write, [True]

    def write(fd: int, data: bytes) -> int:
        if full[0] and b"of the first" in bytes(data):
            raise OSError(errno.ENOSPC, "full")
        return real(fd, data)

    monkeypatch.setattr(segment_module.os, "write", write)
    async with writing(tmp_path) as (writer, told, _):
        writer.order(Mark("t-1", 7, "phase", '{"text": "of the first"}'))
        await until_told(told, CaptureDefect, "disk_full")
        writer.order(OpenTake(2, "t-2", 0))
        writer.order(CloseTake(3, "t-2"))
        async with asyncio.timeout(WAIT):
            while not {Reply(2), Reply(3)} <= {message for message in told if isinstance(message, Reply)}:
                await asyncio.sleep(0.01)
        full[0] = False
        await until_told(told, CaptureMended, "disk_full")


async def test_a_seal_that_fails_is_made_up_for_before_the_close_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, broken = os.fsync, [True]

    def fsync(fd: int) -> None:
        if broken[0]:
            raise OSError(errno.EIO, "broken")
        real(fd)

    monkeypatch.setattr(segment_module.os, "fsync", fsync)
    async with writing(tmp_path) as (writer, told, worker):
        worker.send(1)
        await worker.answer()
        await writer.obey(CloseTake(2, "t-1"))
        assert told[-1] == Reply(2, "io_error")
        assert not any(isinstance(message, SegmentSealed) for message in told)
        worker.send(2)
        assert await worker.answer() == 2, "the take is closed all the same"
        broken[0] = False
        await writer.obey(CloseTake(3, "t-1"))
        assert told[-1] == Reply(3)
        (sealed,) = [message for message in told if isinstance(message, SegmentSealed)]
        data = (tmp_path / "cap" / "t-1" / sealed.segment).read_bytes()
        assert (sealed.sha256, sealed.torn) == (hashlib.sha256(data).hexdigest(), False)


async def test_what_was_passed_over_comes_again_when_its_take_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "PATIENCE_S", 0.1)
    async with writing(tmp_path) as (writer, _, worker):
        worker.send(1, "t-late")
        worker.send(2)
        assert await worker.answer() == 2, "another take does not wait for it, and it is not answered"
        await writer.obey(OpenTake(2, "t-late", 0))
        async with asyncio.timeout(WAIT):
            assert await worker.reader.read() == b"", "the worker is asked to come back"
        await worker.connect(str(tmp_path / "w.sock"))
        worker.send(1, "t-late")
        assert await worker.answer() == 1
    assert heard(tmp_path / "cap" / "t-late") == packets(1)
    assert heard(tmp_path / "cap" / "t-1") == packets(2)


async def test_a_close_that_failed_can_be_taken_back_with_what_was_pending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, full = os.write, [False]

    def write(fd: int, data: bytes) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, "full")
        return real(fd, data)

    monkeypatch.setattr(segment_module.os, "write", write)
    async with writing(tmp_path) as (writer, told, worker):
        worker.send(1)
        await worker.answer()
        full[0] = True
        worker.send(2)
        await until_told(told, CaptureDefect, "disk_full")
        await writer.obey(CloseTake(2, "t-1"))
        assert told[-1] == Reply(2, "disk_full")
        full[0] = False
        await writer.obey(OpenTake(3, "t-1", 0))
        await writer.obey(CloseTake(4, "t-1"))
        assert [message for message in told if isinstance(message, Reply)][-2:] == [Reply(3), Reply(4)]
    assert heard(tmp_path / "cap" / "t-1") == packets(1, 2)
    assert not list((tmp_path / "cap" / "t-1").glob("*.part"))


def test_a_trouble_is_told_when_it_begins_while_it_lasts_and_when_it_is_over() -> None:
    troubles = Troubles()
    assert troubles.seen("disk_slow", 0)
    assert not troubles.seen("disk_slow", REPEAT_US - 1), "told once"
    assert troubles.seen("disk_slow", REPEAT_US), "a writer that says nothing looks dead"
    assert troubles.worked(REPEAT_US + CALM_US - 1) == [], "one that flickers is one"
    assert troubles.worked(REPEAT_US + CALM_US) == ["disk_slow"]
    assert troubles.worked(10 * REPEAT_US) == []
    assert troubles.seen("disk_slow", 11 * REPEAT_US)
    assert REPEAT_US / 1e6 < PATIENCE_S, "before control takes silence for death"
