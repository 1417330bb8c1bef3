"""Signalling with the real Socket.IO client, and with clients that do not play by the rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio
from socketio.exceptions import ConnectionError as NotConnected

from courtroom.hearing import presence
from courtroom.server.limits import Limits, Rate
from tests.server.conftest import Made, make
from tests.server.court import serving, settings
from tests.server.test_pages import joined

PATIENCE = 5.0


class Client:
    """A seat's own client: the views and signals it was sent."""

    def __init__(self) -> None:
        self.io = socketio.AsyncClient(reconnection=False)
        self.views: list[dict[str, Any]] = []
        self.signals: list[dict[str, Any]] = []
        self.refused: list[Any] = []
        self.gone = asyncio.Event()
        self._changed = asyncio.Condition()
        self.io.on("view", self._on(self.views), namespace="/hearing")
        self.io.on("signal", self._on(self.signals), namespace="/hearing")
        self.io.on("connect_error", self._on(self.refused), namespace="/hearing")
        self.io.on("disconnect", self._gone, namespace="/hearing")

    def _on(self, kept: list[Any]) -> Callable[[Any], Any]:
        async def handler(data: Any) -> None:
            async with self._changed:
                kept.append(data)
                self._changed.notify_all()

        return handler

    async def _gone(self, *_: object) -> None:
        self.gone.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(condition)

    async def command(self, type_: str, **fields: Any) -> dict[str, Any]:
        return await self.raw({"type": type_, **fields})

    async def raw(self, message: object) -> dict[str, Any]:
        answer: dict[str, Any] = await self.io.call("command", message, namespace="/hearing", timeout=PATIENCE)
        return answer


@asynccontextmanager
async def client(made: Made, headers: dict[str, str] | None = None, **auth: Any) -> AsyncIterator[Client]:
    one = Client()
    try:
        await one.io.connect(
            made.running.url, namespaces=["/hearing"], auth=auth, headers=headers or {}, wait_timeout=5
        )
        yield one
    finally:
        await one.io.disconnect()
        await one.io.shutdown()


def seated(made: Made, role: str, **auth: Any) -> Any:
    return client(made, token=made.seats[role]["token"], **auth)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE * 2):
        while not condition():
            await asyncio.sleep(0.01)


# --- coming ------------------------------------------------------------------------------------------------------


async def test_a_seat_gets_its_view_at_once_and_after_each_change(made: Made) -> None:
    async with seated(made, "presiding_judge") as judge, seated(made, "plaintiff") as plaintiff:
        await judge.until(lambda: bool(judge.views))
        await plaintiff.until(lambda: bool(plaintiff.views))
        assert judge.views[0]["seat"]["role"] == "presiding_judge"
        assert plaintiff.views[0]["room"] == "waiting"
        answer = await judge.command("admit", seat=made.seats["plaintiff"]["id"])
        assert answer == {"ok": True, "seq": made.room.hearing.seq}
        await plaintiff.until(lambda: plaintiff.views[-1]["room"] == "courtroom")
        await judge.until(lambda: judge.views[-1]["seq"] == answer["seq"])


async def test_a_cookie_opens_the_seat_it_was_given_for(made: Made, http: aiohttp.ClientSession) -> None:
    _, pair = await joined(made, http, "plaintiff")
    seat, other = made.seats["plaintiff"]["id"], made.seats["defendant"]["id"]
    async with client(made, {"Cookie": pair}, seat=seat) as one:
        await one.until(lambda: bool(one.views))
        assert one.views[0]["seat"]["id"] == seat
    for wrong in (other, "", None, 7, [seat]):
        with pytest.raises(NotConnected):
            async with client(made, {"Cookie": pair}, seat=wrong):
                pytest.fail("was let in")


@pytest.mark.parametrize(("lang", "word"), [("zh", "没有找到"), ("en", "nothing here"), ("xx", "没有找到")])
async def test_a_stranger_is_refused_in_their_language(made: Made, lang: str, word: str) -> None:
    one = Client()
    with pytest.raises(NotConnected):
        await one.io.connect(made.running.url, namespaces=["/hearing"], auth={"token": "nobody", "lang": lang})
    assert one.refused[0]["data"]["code"] == "not_found"
    assert word in one.refused[0]["message"]
    await one.io.disconnect()
    assert not made.room.sessions


@pytest.mark.parametrize("auth", [{}, {"token": None}, {"token": 5}, {"token": "x" * 9000}, {"seat": "../../x"}])
async def test_whatever_is_said_instead_of_a_token_is_not_found(made: Made, auth: dict[str, Any]) -> None:
    with pytest.raises(NotConnected):
        async with client(made, **auth):
            pytest.fail("was let in")


async def test_under_full_check_in_the_code_comes_with_the_token(made: Made, http: aiohttp.ClientSession) -> None:
    full = await make(made.running, http, checkin="full", checklist="enforce")
    with pytest.raises(NotConnected):
        async with seated(full, "plaintiff"):
            pytest.fail("was let in")
    async with seated(full, "plaintiff", code=full.seats["plaintiff"]["code"]) as one:
        await one.until(lambda: bool(one.views))


async def test_a_foreign_page_cannot_open_a_socket(made: Made) -> None:
    for origin, passes in (("https://evil.example", False), (made.running.url, True), ("null", False)):
        one = Client()
        auth = {"token": made.seats["clerk"]["token"]}
        if passes:
            await one.io.connect(made.running.url, namespaces=["/hearing"], auth=auth, headers={"Origin": origin})
        else:
            with pytest.raises(NotConnected):
                await one.io.connect(made.running.url, namespaces=["/hearing"], auth=auth, headers={"Origin": origin})
        await one.io.disconnect()


async def test_a_second_login_replaces_the_first_which_is_told(made: Made) -> None:
    async with seated(made, "plaintiff") as first:
        await first.until(lambda: bool(first.views))
        async with seated(made, "plaintiff") as second:
            await second.until(lambda: bool(second.views))
            async with asyncio.timeout(PATIENCE):
                await first.gone.wait()
            assert first.signals == [{"kind": "replaced"}]
            assert (await second.command("raise_hand"))["code"] != "not_found"
    assert len(made.room.sessions) <= 1


# --- commands ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lang", "word"), [("zh", "。"), ("en", "a")])
async def test_a_refusal_has_a_code_and_a_sentence(made: Made, lang: str, word: str) -> None:
    async with seated(made, "plaintiff", lang=lang) as one:
        answer = await one.command("open_hearing")
        assert (answer["ok"], answer["code"]) == (False, "not_allowed")
        assert word in answer["message"]
        assert answer["message"].isascii() == (lang == "en")
    assert made.room.hearing.phase != "open"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "observe_loss", "seat": "s", "connection": "c"}, "unknown_command"),
        ({"type": "make_request", "kind": "speak"}, "unknown_command"),
        ({"type": "__class__"}, "unknown_command"),
        ({"type": "raise_hand", "actor": "system"}, "bad_command"),
        ({"type": "raise_hand", "more": 1}, "bad_command"),
        ({"type": "admit"}, "bad_command"),
        ({"type": "admit", "seat": 5}, "bad_command"),
        ({"type": "admit", "seat": "\x00"}, "bad_command"),
        ({"type": "admit", "seat": {"$ne": ""}}, "bad_command"),
        ({"type": "excuse", "seat": "s", "until": True}, "bad_command"),
        ({"type": "excuse", "seat": "s", "until": 2**70}, "bad_command"),
        ({"type": "recess", "reason": "x" * 5000}, "bad_command"),
        ({"type": ["admit"]}, "bad_command"),
        ({}, "bad_command"),
        ([], "bad_command"),
        ("admit", "bad_command"),
        (None, "bad_command"),
        ({"type": "media_preferences", "places": [{"mid": "v0", "width": -1}]}, "bad_command"),
        ({"type": "media_preferences", "places": "v0"}, "bad_command"),
    ],
)
async def test_what_is_not_a_command_is_refused(made: Made, message: object, code: str) -> None:
    async with seated(made, "presiding_judge") as one:
        before = made.room.hearing.seq
        answer = await one.raw(message)
        assert (answer["ok"], answer["code"]) == (False, code)
        assert answer["message"]
        assert made.room.hearing.seq == before


async def test_a_command_that_is_sent_again_is_carried_out_once(made: Made) -> None:
    """By the same connection while it is being worked out, and by the next one afterwards."""
    order = {"type": "admit", "seat": made.seats["plaintiff"]["id"], "id": "k-1"}
    too_early = {"type": "resume", "id": "k-2"}
    async with seated(made, "plaintiff"):
        async with seated(made, "presiding_judge") as judge:
            first, again = await asyncio.gather(judge.raw(order), judge.raw(order))
            refused = await judge.raw(too_early)
        assert first["ok"]
        assert first == again
        async with seated(made, "presiding_judge") as judge:
            assert await judge.raw(order) == first
            assert await judge.raw(too_early) == refused
    admitted = [entry for entry in made.room.entries if entry.body.get("why") == "admitted"]
    assert len(admitted) == 1
    assert not refused["ok"]


@pytest.mark.parametrize("name", ["", "x" * 33, "a b", 5, None, ["k"], "k\n"])
async def test_an_id_that_is_none_is_refused(made: Made, name: object) -> None:
    async with seated(made, "plaintiff") as one:
        assert (await one.raw({"type": "raise_hand", "id": name}))["code"] == "bad_command"


async def test_one_id_is_one_command_of_one_seat(made: Made) -> None:
    async with seated(made, "presiding_judge") as judge, seated(made, "plaintiff") as plaintiff:
        assert (await judge.raw({"type": "admit", "seat": made.seats["plaintiff"]["id"], "id": "k"}))["ok"]
        other = await judge.raw({"type": "admit", "seat": made.seats["defendant"]["id"], "id": "k"})
        assert other["code"] == "bad_command"
        assert (await plaintiff.raw({"type": "open_hearing", "id": "k"}))["code"] == "not_allowed"


async def test_a_lone_surrogate_is_not_text(made: Made, http: aiohttp.ClientSession) -> None:
    ws = await raw_socket(made, http, "presiding_judge")
    await ws.send_str('42/hearing,7["command",{"type":"recess","reason":"\\ud800"}]')
    async with asyncio.timeout(PATIENCE):
        while not (text := await ws.receive_str()).startswith("43/hearing,7["):
            pass
    assert json.loads(text.removeprefix("43/hearing,7"))[0]["code"] == "bad_command"
    await ws.close()


async def test_media_preferences_go_to_the_media_plane(made: Made) -> None:
    async with seated(made, "clerk") as one:
        answer = await one.command("media_preferences", places=[{"mid": "v0", "width": 320}])
        assert answer["ok"]
    assert made.room.preferences == [(made.seats["clerk"]["id"], [{"mid": "v0", "width": 320}])]


async def test_too_many_commands_are_told_so_and_nothing_breaks(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with serving(settings(tmp_path), Limits(socket=Rate(0.001, 5))) as running:
        made = await make(running, http)
        async with seated(made, "clerk") as one:
            answers = [await one.command("nonsense") for _ in range(8)]
        assert [one["code"] for one in answers] == ["unknown_command"] * 5 + ["too_fast"] * 3


async def test_a_bug_answers_and_hides_its_message(made: Made) -> None:
    async with seated(made, "presiding_judge") as one:
        made.room.bug = RuntimeError
        answer = await one.command("raise_hand")
        made.room.bug = None
        assert answer["code"] == "internal_error"
        assert "secret" not in answer["message"]


# --- going -------------------------------------------------------------------------------------------------------


async def test_good_bye_is_a_clean_close(made: Made) -> None:
    async with seated(made, "plaintiff") as one:
        await one.until(lambda: bool(one.views))
    await eventually(lambda: bool(made.room.lost))
    (seat, (row,)) = made.room.lost[0]
    assert (seat, row["fact"], row["clock"]) == (made.seats["plaintiff"]["id"], "socket_closed_clean", "court")


async def raw_socket(made: Made, http: aiohttp.ClientSession, role: str) -> aiohttp.ClientWebSocketResponse:
    """A seat on a bare WebSocket: Engine.IO 4 and Socket.IO 5 by hand."""
    ws = await http.ws_connect(f"{made.running.url}/socket.io/?EIO=4&transport=websocket", autoping=False)
    assert (await ws.receive_str()).startswith("0{")
    auth = json.dumps({"token": made.seats[role]["token"]})
    await ws.send_str(f"40/hearing,{auth}")
    assert (await ws.receive_str()).startswith("40/hearing,{")
    return ws


async def test_closing_the_page_is_a_clean_close(made: Made, http: aiohttp.ClientSession) -> None:
    ws = await raw_socket(made, http, "plaintiff")
    await ws.close(code=1001)
    await eventually(lambda: bool(made.room.lost))
    row = made.room.lost[0][1][0]
    assert (row["fact"], row["close_code"]) == ("socket_closed_clean", 1001)


async def test_a_torn_connection_is_a_drop(made: Made, http: aiohttp.ClientSession) -> None:
    ws = await raw_socket(made, http, "plaintiff")
    transport = ws._response.connection.transport  # type: ignore[union-attr]
    transport.abort()  # type: ignore[union-attr]
    await eventually(lambda: bool(made.room.lost))
    assert made.room.lost[0][1][0]["fact"] == "socket_dropped"
    await ws.close()
    (row,) = made.room.lost[0][1]
    assert (row["close_code"], type(row["close_code"])) == (1006, int)
    assert presence.clean([row], row["at"]) == (row,), "the ledger takes it"


async def test_a_silent_peer_is_noticed_within_five_seconds(made: Made, http: aiohttp.ClientSession) -> None:
    ws = await raw_socket(made, http, "plaintiff")
    loop = asyncio.get_running_loop()
    began = loop.time()
    transport = ws._response.connection.transport  # type: ignore[union-attr]
    transport.pause_reading()  # type: ignore[union-attr]
    await eventually(lambda: bool(made.room.lost))
    assert made.room.lost[0][1][0]["fact"] == "heartbeat_silent"
    assert loop.time() - began <= 5.0
    transport.abort()  # type: ignore[union-attr]
    await ws.close()


async def test_a_client_cannot_forge_how_it_went_or_that_it_came(made: Made, http: aiohttp.ClientSession) -> None:
    ws = await raw_socket(made, http, "plaintiff")
    for forged in (
        ["disconnect", "ping timeout"], ["connect", {"token": made.seats["presiding_judge"]["token"]}], ["*", 1],
        ["connect_error", 1], [], [["command"]], [{"a": 1}, 2], ["command"], ["command", {}, {}], {"command": 1},
    ):  # fmt: skip
        await ws.send_str("42/hearing," + json.dumps(forged))
    await ws.send_str(f'40/hearing,{{"token":"{made.seats["presiding_judge"]["token"]}"}}')  # a second CONNECT
    async for message in ws:
        if message.type is not aiohttp.WSMsgType.TEXT or message.data == "1":
            break
    await eventually(lambda: bool(made.room.lost))
    assert [seat for seat, _ in made.room.lost] == [made.seats["plaintiff"]["id"]]
    assert made.room.lost[0][1][0]["fact"] != "heartbeat_silent"
    assert not any(entry.actor == made.seats["presiding_judge"]["id"] for entry in made.room.entries)
    await ws.close()


@pytest.mark.parametrize(
    "garbage",
    ["", "x", "9", "42", "42/hearing,", "42/hearing,[", "42/hearing,[NaN]", "42/hearing," + "[" * 60_000,
     "451-/hearing,[]",
     "4\x00", "42/hearing,999999999999[]", "2" * 100, "451-/hearing,[\"command\",{\"_placeholder\":true,\"num\":0}]",
     "40/other,{}", "41/hearing,", "43/hearing,1[]", "44/hearing,{}", "5"],
)  # fmt: skip
async def test_garbage_hurts_nobody_else(made: Made, http: aiohttp.ClientSession, garbage: str) -> None:
    async with seated(made, "clerk") as clerk:
        ws = await raw_socket(made, http, "plaintiff")
        await ws.send_str(garbage)
        assert (await clerk.command("nonsense"))["code"] == "unknown_command"
        await ws.close()
        await eventually(lambda: bool(made.room.lost))


async def test_an_oversized_packet_ends_its_sender_only(made: Made, http: aiohttp.ClientSession) -> None:
    async with seated(made, "clerk") as clerk:
        ws = await raw_socket(made, http, "plaintiff")
        await ws.send_str('42/hearing,["command","' + "x" * 70_000 + '"]')
        await eventually(lambda: bool(made.room.lost))
        assert (await clerk.command("nonsense"))["code"] == "unknown_command"
        await ws.close()


async def test_a_socket_that_never_says_who_it_is_is_closed(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with serving(settings(tmp_path), Limits(unseated_s=0.2)) as running:
        ws = await http.ws_connect(f"{running.url}/socket.io/?EIO=4&transport=websocket")
        async with asyncio.timeout(PATIENCE * 2):
            async for message in ws:
                if message.data == "2":
                    await ws.send_str("3")
        assert ws.closed


async def test_a_slow_reader_never_queues_more_than_one_view(made: Made, http: aiohttp.ClientSession) -> None:
    ws = await raw_socket(made, http, "clerk")
    transport = ws._response.connection.transport  # type: ignore[union-attr]
    transport.pause_reading()  # type: ignore[union-attr]
    session: Any = made.room.sessions[made.seats["clerk"]["id"]]
    engine = session._sockets.engine_of(session._sid)
    most = 0
    # several times what socket buffers can hold, pushed much faster than any client reads
    for number in range(400):
        session.push_view({"seq": number, "filling": [str(number) * 20] * 2000})
        for _ in range(5):
            await asyncio.sleep(0)
        most = max(most, engine.queue.qsize())
    assert most <= 2  # a view, and a ping beside it
    assert session._view is not None, "the newest one waits here"
    assert session._view["seq"] == 399
    transport.resume_reading()  # type: ignore[union-attr]
    seen: list[int] = []
    async with asyncio.timeout(PATIENCE):
        while not seen or seen[-1] != 399:
            text = await ws.receive_str()
            if text.startswith('42/hearing,["view"'):
                seen.append(json.loads(text.removeprefix("42/hearing,"))[1]["seq"])
    assert seen == sorted(seen)
    assert len(seen) < 400
    await ws.close()


async def test_stopping_the_server_tells_everybody(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with serving(settings(tmp_path)) as running:
        made = await make(running, http)
        one = Client()
        auth = {"token": made.seats["clerk"]["token"]}
        await one.io.connect(running.url, namespaces=["/hearing"], auth=auth)
        await one.until(lambda: bool(one.views))
        room = made.room
    await one.until(lambda: {"kind": "closing"} in one.signals)
    await one.io.disconnect()
    assert [rows[0]["fact"] for _, rows in room.lost] == ["closed_by_server"]


async def test_polling_alone_is_enough(made: Made) -> None:
    one = Client()
    auth = {"token": made.seats["plaintiff"]["token"]}
    await one.io.connect(made.running.url, namespaces=["/hearing"], auth=auth, transports=["polling"])
    await one.until(lambda: bool(one.views))
    assert (await one.command("nonsense"))["code"] == "unknown_command"
    await one.io.disconnect()
    await eventually(lambda: bool(made.room.lost))
