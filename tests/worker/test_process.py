"""The worker as a process: its protocol, its life, and what strangers get out of it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from courtroom.channel import framing
from courtroom.channel import messages as m
from courtroom.sfu import capture, rtcp
from courtroom.sfu.capture import Packet, Track
from courtroom.worker import stun
from courtroom.worker.transport import QUIET_US
from tests.browser.harness import Writer, wait_for
from tests.sfu import wire
from tests.worker.attack import connected
from tests.worker.client import Client, Control, attribute, start


async def load(control: Control) -> m.WorkerLoad:
    """A report that was made after now."""
    start = len(control.events)
    return await control.until(
        lambda event: event if isinstance(event, m.WorkerLoad) and event in control.events[start:] else None
    )


def spawn() -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-m", "courtroom.worker", "--fd", str(theirs.fileno())]
        return subprocess.Popen(command, pass_fds=[theirs.fileno()]), ours


def test_end_of_stream_ends_the_worker() -> None:
    process, ours = spawn()
    ours.sendall(framing.encode(m.WelcomeWorker(m.VERSION, 0, 0, ["127.0.0.1"])))
    assert ours.recv(65536)
    ours.close()
    assert process.wait(5) == 0


def test_shutdown_ends_the_worker() -> None:
    process, ours = spawn()
    with ours:
        ours.sendall(framing.encode(m.WelcomeWorker(m.VERSION, 0, 0, ["127.0.0.1"])))
        ours.sendall(framing.encode(m.ToWorkerShutdown()))
        assert process.wait(5) == 0


@pytest.mark.parametrize(
    "first",
    [m.WelcomeWorker(m.VERSION + 1, 0, 0, ["127.0.0.1"]), m.OpenRoom(1, "room")],
    ids=["other-version", "no-welcome"],
)
def test_wrong_beginning_ends_the_worker(first: m.Message) -> None:
    process, ours = spawn()
    with ours:
        ours.sendall(framing.encode(first))
        assert process.wait(5) == 2


def test_taken_port_ends_the_worker() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        process, ours = spawn()
        with ours:
            ours.sendall(framing.encode(m.WelcomeWorker(m.VERSION, 0, taken.getsockname()[1], ["127.0.0.1"])))
            assert process.wait(5) == 2


def test_garbage_from_control_ends_the_worker() -> None:
    process, ours = spawn()
    with ours:
        ours.sendall(b"\x00\x00\x00\x04junk")
        assert process.wait(5) == 1


async def test_requests_that_do_not_fit_are_refused_and_change_nothing(control: Control) -> None:
    for make, code in (
        (lambda n: m.OpenRoom(n, "room"), "room_exists"),
        (lambda n: m.CloseRoom(n, "none"), "no_such_room"),
        (lambda n: m.OpenTransport(n, "none", "t", 1, []), "no_such_room"),
        (lambda n: m.OpenTransport(n, "room", "t", 17, []), "too_many_places"),
        (lambda n: m.OpenTransport(n, "room", "t", -1, []), "too_many_places"),
        (lambda n: m.OpenTransport(n, "room", "t", 0, []), "empty_transport"),
        (lambda n: m.OpenTransport(n, "room", "t", 1, ["whiteboard"]), "unknown_kind"),
        (lambda n: m.AcceptAnswer(n, "t", ""), "no_such_transport"),
        (lambda n: m.RestartTransport(n, "t"), "no_such_transport"),
        (lambda n: m.CloseTransport(n, "t"), "no_such_transport"),
        (lambda n: m.SetRoutes(n, "room", 1, [m.Route("a", 0, "b", "whiteboard")], []), "unknown_kind"),
        (lambda n: m.SetRoutes(n, "room", 1, [m.Route("a", 99, "b", "camera")], []), "bad_routes"),
    ):
        assert (await control.ask(make)).code == code
    await control.do(lambda n: m.OpenTransport(n, "room", "t", 1, []))
    assert (await control.ask(lambda n: m.OpenTransport(n, "room", "t", 1, []))).code == "transport_exists"
    assert (await control.ask(lambda n: m.AcceptAnswer(n, "t", "v=0"))).code == "bad_sdp"


async def test_sound_crosses_and_is_counted(control: Control, clients: list[Client]) -> None:
    judge, clerk = await connected(control, clients, "judge", "clerk")
    await control.do(lambda n: m.SetRoutes(n, "room", 1, [m.Route("clerk", 0, "judge", "microphone")], []))
    for i in range(5):
        judge.send_rtp(wire.rtp(i, i * 960, 7, b"sound %d" % i, 111, mid=b"mic", level=b"\x20"))
    got = [wire.fields(await clerk.rtp()) for _ in range(5)]
    assert [payload for *_, payload in got] == [b"sound %d" % i for i in range(5)]
    event = await control.until(lambda event: isinstance(event, m.Journal) and event.edges and event)
    assert isinstance(event, m.Journal)
    (edge,) = event.edges
    assert (edge.receiver, edge.source, edge.kind, edge.packets) == ("clerk", "judge", "microphone", 5)
    assert 0 < edge.first_at <= edge.last_at
    await control.until(lambda event: isinstance(event, m.ProducerChanged) and event.codec == "opus")


async def test_certificate_is_the_one_in_the_offer(control: Control, clients: list[Client]) -> None:
    (judge,) = await connected(control, clients, "judge")
    digest = hashlib.sha256(judge.server_certificate()).digest().hex(":").upper()
    assert attribute(judge.offer, "fingerprint") == f"sha-256 {digest}"


async def test_wrong_certificate_never_gets_media(control: Control, clients: list[Client]) -> None:
    client = await Client.open(control, "judge")
    clients.append(client)
    real, client.fingerprint = client.fingerprint, "AB:" * 31 + "CD"
    assert real != client.fingerprint
    await control.do(lambda n: m.AcceptAnswer(n, "judge", client.answer()))
    await client.check()
    await client.handshake()
    event = await control.changed("judge", "closed")
    assert event.reason == "bad_fingerprint"


async def test_handshake_may_be_done_before_the_answer_is_there(control: Control, clients: list[Client]) -> None:
    client = await Client.open(control, "judge")
    clients.append(client)
    await client.check()
    await client.handshake()
    assert not any(isinstance(event, m.TransportChanged) for event in control.events)
    await control.do(lambda n: m.AcceptAnswer(n, "judge", client.answer()))
    await control.changed("judge", "connected")


async def test_early_hello_is_kept_until_the_check(control: Control, clients: list[Client]) -> None:
    client = await Client.open(control, "judge")
    clients.append(client)
    await control.do(lambda n: m.AcceptAnswer(n, "judge", client.answer()))
    handshake = asyncio.create_task(client.handshake())
    await asyncio.sleep(0)  # the hello is on its way, unanswered
    await control.do(lambda n: m.OpenRoom(n, "other"))  # and has been read by now
    assert client.datagrams == []
    started = time.monotonic()
    await client.check()
    await handshake
    assert time.monotonic() - started < 0.5, "without it the client would only repeat its hello after a second"


async def test_strangers_get_no_answer(control: Control, clients: list[Client]) -> None:
    judge, clerk = await connected(control, clients, "judge", "clerk")
    await control.do(lambda n: m.SetRoutes(n, "room", 1, [m.Route("clerk", 0, "judge", "microphone")], []))
    good = judge.up
    assert good is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.setblocking(False)
        clerk.datagrams.clear()
        name = f"{judge.ufrag}:client".encode()
        for data in (
            b"",
            b"x",
            bytes(20),
            stun.request(os.urandom(12), b"nobody:client", judge.password),
            stun.request(os.urandom(12), name, b"wrong password"),
            stun.request(os.urandom(12), name, judge.password)[:-1] + b"?",
            good.protect(wire.rtp(1, 960, 7, b"from elsewhere", 111, mid=b"mic")),
            b"\x16\xfe\xfd" + bytes(40),
            b"\x50" + bytes(40),
            os.urandom(1200),
        ):
            stranger.sendto(data, judge.server)
        report = await load(control)
        with pytest.raises(BlockingIOError):
            stranger.recv(100)
    assert {"runt", "bad_stun", "unknown_ufrag", "stun_not_authentic", "stranger", "unknown_datagram"} <= set(
        report.dropped
    )
    assert not any(128 <= data[0] <= 191 and not 192 <= data[1] <= 223 for data in clerk.datagrams)


async def test_garbage_from_a_member_hurts_nobody(control: Control, clients: list[Client]) -> None:
    judge, clerk = await connected(control, clients, "judge", "clerk")
    await control.do(lambda n: m.SetRoutes(n, "room", 1, [m.Route("clerk", 0, "judge", "microphone")], []))
    assert judge.up is not None
    for data in (
        b"",
        b"\x16",
        b"\x16\xfe\xfd" + bytes(60),
        b"\x80" + os.urandom(60),
        b"\x80\xc8" + os.urandom(60),
        judge.up.protect(wire.rtp(1, 1, 99, b"who is this", 55)),
        judge.up.protect(b"\xa0\x6f\0\1" + bytes(8) + b"padding of nothing\0"),
        judge.up.protect_rtcp(b"\x80\xc8\0\1\0\0\0\1"),
    ):
        judge.send(data)
    judge.send_rtp(wire.rtp(1, 960, 7, b"still here", 111, mid=b"mic"))
    assert wire.fields(await clerk.rtp())[3] == b"still here"
    report = await load(control)
    assert {"srtp", "unknown_ssrc"} <= set(report.dropped)


async def test_flood_of_strangers_is_limited_and_members_are_not(control: Control, clients: list[Client]) -> None:
    judge, clerk = await connected(control, clients, "judge", "clerk")
    await control.do(lambda n: m.SetRoutes(n, "room", 1, [m.Route("clerk", 0, "judge", "microphone")], []))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for i in range(6000):
            stranger.sendto(stun.request(i.to_bytes(12, "big"), b"nobody:client", b"password"), judge.server)
            if i % 500 == 0:
                await asyncio.sleep(0.01)  # the receive buffer is not what is tested
    judge.send_rtp(wire.rtp(1, 960, 7, b"heard", 111, mid=b"mic"))
    assert wire.fields(await clerk.rtp())[3] == b"heard"
    report = await load(control)
    assert report.dropped["rate_limited"] > 1000


async def test_flood_in_a_hosts_name_does_not_shut_a_newcomer_out(control: Control, clients: list[Client]) -> None:
    """Who forges the address of a court's network uses up its allowance; a check that names a transport passes."""
    newcomer = await Client.open(control, "judge")
    clients.append(newcomer)
    await control.do(lambda n: m.AcceptAnswer(n, "judge", newcomer.answer()))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        flooding = True

        async def flood() -> None:
            number = 0
            while flooding:
                for _ in range(100):
                    number += 1
                    data = stun.request(number.to_bytes(12, "big"), b"nobody:client", b"password")
                    stranger.sendto(data, newcomer.server)
                await asyncio.sleep(0.01)

        task = asyncio.create_task(flood())
        await control.until(
            lambda event: event if isinstance(event, m.WorkerLoad) and event.dropped.get("rate_limited") else None
        )
        await newcomer.check()
        await newcomer.handshake()
        await control.changed("judge", "connected")
        flooding = False
        await task


def test_taken_tcp_port_ends_the_worker() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process, ours = spawn()
        with ours:
            ours.sendall(framing.encode(m.WelcomeWorker(m.VERSION, 0, taken.getsockname()[1], ["127.0.0.1"])))
            assert process.wait(5) == 2


async def test_path_follows_the_client_to_a_new_address(control: Control, clients: list[Client]) -> None:
    judge, clerk = await connected(control, clients, "judge", "clerk")
    await control.do(lambda n: m.SetRoutes(n, "room", 1, [m.Route("clerk", 0, "judge", "microphone")], []))
    old = clerk.sock
    asyncio.get_running_loop().remove_reader(old)
    clerk.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    clerk.sock.bind(("127.0.0.1", 0))
    clerk.sock.setblocking(False)
    asyncio.get_running_loop().add_reader(clerk.sock, clerk._readable)
    await clerk.check()
    judge.send_rtp(wire.rtp(1, 960, 7, b"follows", 111, mid=b"mic"))
    assert wire.fields(await clerk.rtp())[3] == b"follows"
    old.setblocking(False)
    with old:
        while True:
            try:
                assert not 128 <= old.recv(4096)[0] <= 191
            except BlockingIOError:
                break


async def test_forged_source_gets_no_media(control: Control, clients: list[Client]) -> None:
    """A member's own, rightly signed check, as if it came from somebody else: who does not answer is not flooded."""
    judge, clerk = await connected(control, clients, "judge", "clerk")
    await control.do(lambda n: m.SetRoutes(n, "room", 1, [m.Route("clerk", 0, "judge", "microphone")], []))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.bind(("127.0.0.1", 0))
        victim.setblocking(False)
        check = stun.request(os.urandom(12), f"{clerk.ufrag}:client".encode(), clerk.password, use_candidate=True)
        victim.sendto(check, clerk.server)
        for number in range(1, 60):
            judge.send_rtp(wire.rtp(number, number * 960, 7, b"word %d" % number, 111, mid=b"mic"))
            assert wire.fields(await clerk.rtp())[3] == b"word %d" % number
        await asyncio.sleep(0.3)
        got = []
        with contextlib.suppress(BlockingIOError):
            while True:
                got.append(victim.recv(4096))
    assert [data for data in got if data[0] > 3] == [], "no media, no DTLS"
    assert 2 <= len(got) < 10, "the answer to the check, and questions"


async def test_restart_changes_the_credentials_and_keeps_the_keys(control: Control, clients: list[Client]) -> None:
    judge, clerk = await connected(control, clients, "judge", "clerk")
    await control.do(lambda n: m.SetRoutes(n, "room", 1, [m.Route("clerk", 0, "judge", "microphone")], []))
    before = clerk.ufrag, clerk.password
    offer = await control.do(lambda n: m.RestartTransport(n, "clerk"))
    await clerk.check()  # the old credentials still count until the new ones were used
    clerk.offer = offer
    clerk.ufrag, clerk.password = attribute(offer, "ice-ufrag"), attribute(offer, "ice-pwd").encode()
    assert (clerk.ufrag, clerk.password) != before
    await control.do(lambda n: m.AcceptAnswer(n, "clerk", clerk.answer()))
    await clerk.check()
    judge.send_rtp(wire.rtp(1, 960, 7, b"again", 111, mid=b"mic"))
    assert wire.fields(await clerk.rtp())[3] == b"again"
    clerk.ufrag, clerk.password = before
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await clerk.check()


async def test_peer_that_wants_to_be_controlled_is_told_the_roles(control: Control, clients: list[Client]) -> None:
    client = await Client.open(control, "judge")
    clients.append(client)
    request = stun.request(bytes(12), f"{client.ufrag}:c".encode(), client.password, controlled=True)
    client.send(request)
    answer = await client.until(lambda data: data[0] < 4)
    assert answer[:2] == b"\x01\x11"
    assert bytes((0, 0, 4, 87)) in answer


async def test_closing_is_close_notify_and_then_silence(control: Control, clients: list[Client]) -> None:
    judge, clerk = await connected(control, clients, "judge", "clerk")
    await control.do(lambda n: m.SetRoutes(n, "room", 1, [m.Route("clerk", 0, "judge", "microphone")], []))
    clerk.datagrams.clear()
    await control.do(lambda n: m.CloseTransport(n, "clerk"))
    await clerk.until(lambda data: data[0] == 21)
    count = len(clerk.datagrams)
    for i in range(20):
        judge.send_rtp(wire.rtp(i, i * 960, 7, b"secret", 111, mid=b"mic"))
        clerk.send(stun.request(os.urandom(12), f"{clerk.ufrag}:client".encode(), clerk.password))
        clerk.send_rtcp(rtcp.pli(1, 1))
    report = await load(control)
    assert report.dropped["unknown_ufrag"] == 20
    assert report.dropped["stranger"] == 20
    assert len(clerk.datagrams) == count
    event = await control.changed("clerk", "closed")
    assert (event.reason, event.last_in_at > 0, event.last_out_at > 0) == ("asked", True, True)


async def test_hanging_up_is_told(control: Control, clients: list[Client]) -> None:
    (judge,) = await connected(control, clients, "judge")
    judge.hang_up()
    assert (await control.changed("judge", "closed")).reason == "dtls_close"


async def test_closing_the_room_closes_everybody(control: Control, clients: list[Client]) -> None:
    await connected(control, clients, "judge", "clerk")
    await control.do(lambda n: m.CloseRoom(n, "room"))
    for name in ("judge", "clerk"):
        assert (await control.changed(name, "closed")).reason == "room_closed"
    assert (await control.ask(lambda n: m.SetRoutes(n, "room", 9, [], []))).code == "no_such_room"


async def test_silence_is_told_after_two_seconds_and_so_is_the_return(control: Control, clients: list[Client]) -> None:
    (judge,) = await connected(control, clients, "judge")
    judge.answers = False
    judge.send_rtp(wire.rtp(1, 960, 7, b"last words", 111, mid=b"mic"))
    event = await control.changed("judge", "silent", 4)
    assert QUIET_US <= event.at - event.last_in_at < QUIET_US + 200_000
    judge.send_rtp(wire.rtp(2, 1920, 7, b"back", 111, mid=b"mic"))
    back = await control.changed("judge", "back")
    assert back.at > event.at


async def test_ipv6_works_beside_ipv4(clients: list[Client]) -> None:
    async with start(("127.0.0.1", "::1")) as control:
        ready = next(event for event in control.events if isinstance(event, m.WorkerReady))
        where = [where.rpartition(":")[0] for where in ready.media]
        assert where == ["udp:127.0.0.1", "udp:[::1]", "tcp:127.0.0.1", "tcp:[::1]"]
        judge, clerk = await connected(control, clients, "judge", "clerk")
        await control.do(lambda n: m.SetRoutes(n, "room", 1, [m.Route("judge", 0, "clerk", "microphone")], []))
        offer = await control.do(lambda n: m.OpenTransport(n, "room", "six", 1, ["microphone"]))
        for section in offer.split("m=")[1:]:
            lines = [line for line in section.splitlines() if line.startswith("a=candidate:") and " udp " in line]
            assert [line.split()[4] for line in lines] == ["127.0.0.1", "::1"]
        six = Client("\r\n".join(line for line in offer.splitlines() if line != lines[0]))
        clients.append(six)
        six.offer = offer
        await six.connect(control, "six")
        await control.do(lambda n: m.SetRoutes(n, "room", 2, [m.Route("six", 0, "clerk", "microphone")], []))
        clerk.send_rtp(wire.rtp(1, 960, 7, b"to six", 111, mid=b"mic"))
        assert wire.fields(await six.rtp())[3] == b"to six"
        assert judge.datagrams


async def test_answer_comes_from_the_address_that_was_asked(clients: list[Client]) -> None:
    async with start(("127.0.0.2",)) as control:
        client = await Client.open(control, "judge")
        clients.append(client)
        client.sock.connect(client.server)  # a connected socket takes nothing from another address
        client.sock.send(stun.request(bytes(12), f"{client.ufrag}:c".encode(), client.password))
        assert (await client.until(lambda data: data[0] < 4))[:2] == b"\x01\x01"


async def test_recording_survives_the_writer(clients: list[Client], tmp_path: Path) -> None:
    path = tmp_path / "writer"
    async with start(capture=str(path)) as control:
        (judge,) = await connected(control, clients, "judge")
        captures = [m.CaptureRoute("take", "judge", "microphone", "seat-1")]
        await control.do(lambda n: m.SetRoutes(n, "room", 1, [], captures))
        sequence = 0

        async def talk(packets: int) -> None:
            nonlocal sequence
            for _ in range(packets):
                sequence += 1
                judge.send_rtp(wire.rtp(sequence, sequence * 960, 7, b"%d" % sequence, 111, mid=b"mic"))
                await asyncio.sleep(0.01)

        first = Writer(path)
        await talk(20)  # nobody is listening yet
        await first.start()
        await talk(20)

        async def written(writer: Writer) -> int:
            return len(bodies([writer]))

        await wait_for(lambda: written(first), lambda count: count == 40)
        first.answering = False
        await talk(20)
        await wait_for(lambda: written(first), lambda count: count == 60)
        await first.stop()
        path.unlink(missing_ok=True)
        await talk(20)
        report = await load(control)
        assert report.capture_lag_us > 0
        second = Writer(path)
        await second.start()
        await wait_for(lambda: written(second), lambda count: count == 40)
        assert bodies([first])[:40] + bodies([second]) == [b"%d" % i for i in range(1, 81)], (
            "nothing lost, nothing else"
        )
        assert {batch.number for batch in first.batches[:2]}.isdisjoint(batch.number for batch in second.batches)
        await wait_for(lambda: lag(control), lambda us: us == 0)
        await second.stop()
        track = next(record for record in first.records("take") if isinstance(record, Track))
        assert (track.label, track.kind, track.codec, track.layer) == ("seat-1", "microphone", "opus", "")
        assert {batch.worker for batch in second.batches} == {track.worker}


def bodies(writers: list[Writer]) -> list[bytes]:
    records: list[capture.Record] = [record for writer in writers for record in writer.records("take")]
    return [wire.fields(record.data)[3] for record in records if isinstance(record, Packet)]


async def lag(control: Control) -> int:
    return (await load(control)).capture_lag_us


async def test_stopped_worker_is_killed_like_any_other_process(control: Control) -> None:
    control.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(control.process.wait, 5) == -signal.SIGTERM
