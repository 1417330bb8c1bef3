"""A seat held by a program at next to no cost: real signalling, ICE, DTLS and SRTP, invented pictures and sound.

* Written against web/PROTOCOL.md: the view says which room; a new ``media.room`` means a new offer is asked for.
* What is received is counted and thrown away; what is sent is small (a soak is about time, not about load).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Callable
from typing import Any

import aiohttp
import socketio

from courtroom.worker import stun
from tests.e2e.court import Court, Issued, until
from tests.e2e.devices import Person
from tests.sfu import wire
from tests.worker.client import Client

AUDIO_S = 0.02
CHECK_S = 2.5
PICTURES = 5  # sound packets between two pictures
KEY_EVERY = 20  # pictures


class Media(Client):
    """One transport; ``received`` counts SRTP packets."""

    def __init__(self, offer: str) -> None:
        self.received = 0
        super().__init__(offer)
        self._sends = "a=mid:mic" in offer
        self._opus = int(_payload_type(offer, "opus/48000/2"))
        self._vp8 = int(_payload_type(offer, "VP8/90000"))
        self._task: asyncio.Task[None] | None = None

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while True:
                data = self.sock.recv(4096)
                if data[0] >= 128:
                    self.received += 1
                elif self._task is None:
                    self.datagrams.append(data)  # the handshake's
        self._news.set()

    async def rise(self) -> None:
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await self.check()
                        break
            await self.handshake()
        self.datagrams.clear()
        self._task = asyncio.create_task(self._send_on())

    async def _send_on(self) -> None:
        """Sound every 20 ms, a picture every 100, a check of the path every 2.5 s."""
        ssrcs = int.from_bytes(os.urandom(2), "big") << 8
        loop = asyncio.get_running_loop()
        due, number = loop.time(), 0
        while True:
            if number % round(CHECK_S / AUDIO_S) == 0:
                name = f"{self.ufrag}:client".encode()
                self.send(stun.request(os.urandom(12), name, self.password, use_candidate=True))
            if self._sends:
                self._say(number, ssrcs)
            number += 1
            due += AUDIO_S
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _say(self, number: int, ssrcs: int) -> None:
        sound = b"\x78" + bytes(60)
        self.send_rtp(wire.rtp(number, number * 960, ssrcs | 1, sound, self._opus, mid=b"mic", level=b"\xa0"))
        if number % PICTURES == 0:
            picture = number // PICTURES
            frame = wire.vp8(picture, picture, key=picture % KEY_EVERY == 0, body=bytes(200))
            packet = wire.rtp(picture, number * 1800, ssrcs | 2, frame, self._vp8, marker=True, mid=b"cam", rid=b"h")
            self.send_rtp(packet)

    async def fall(self) -> None:
        """Gone without a word: what a closed lid does."""
        try:
            await _ended(self._task)
        finally:
            self.close()


async def _ended(task: asyncio.Task[None] | None) -> None:
    """Cancels a task. (To await it and to suppress its CancelledError would swallow one that is meant for us.)"""
    if task is not None:
        task.cancel()
        await asyncio.wait({task})


def _payload_type(offer: str, codec: str) -> str:
    found = re.search(rf"^a=rtpmap:(\d+) {re.escape(codec)}\r?$", offer, re.MULTILINE)
    assert found is not None, codec
    return found[1]


class Seat:
    """One seat; ``failed`` hears of what went wrong while nobody was asking."""

    def __init__(self, court: Court, hearing: Issued, person: Person, failed: Callable[[str], None]) -> None:
        self.court = court
        self.hearing = hearing.id
        self.person = person
        self.id = hearing.seat(person)
        self.token = hearing.seats[person.role]["token"]
        self.view: dict[str, Any] = {}
        self.media: Media | None = None
        self._room = ""
        self._failed = failed
        self._news = asyncio.Event()
        self._socket: socketio.AsyncClient | None = None
        self._http: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def here(self) -> bool:
        """Whether signalling stands."""
        return self._socket is not None and self._socket.connected

    @property
    def room(self) -> str | None:
        return self.view.get("room")

    async def arrive(self) -> None:
        self.view = {}
        self._socket = socketio.AsyncClient(reconnection=False)
        self._socket.on("view", self._seen, namespace="/hearing")
        self._socket.on("disconnect", self._ended, namespace="/hearing")
        self._http = aiohttp.ClientSession(self.court.url, headers={"Authorization": f"Bearer {self.token}"})
        await self._socket.connect(
            self.court.url,
            namespaces=["/hearing"],
            auth={"token": self.token},
            transports=["websocket"],
            wait_timeout=30,
        )
        self._task = asyncio.create_task(self._tend())
        await until(lambda: self.view)

    async def go(self) -> None:
        """The page is closed: no word to anybody."""
        await _ended(self._task)
        await self.hush()
        if self._socket is not None:
            await self._socket.disconnect()
        if self._http is not None:
            await self._http.close()
        self._task = self._socket = self._http = None

    async def hush(self) -> None:
        """Drops the transport; ``_tend`` opens another if the view asks for one."""
        media, self.media, self._room = self.media, None, ""
        if media is not None:
            await media.fall()
        self._news.set()

    def _ended(self, reason: str) -> None:
        if reason != socketio.AsyncClient.reason.CLIENT_DISCONNECT:
            self._failed(f"{self.person.role} signalling: {reason}")

    def _seen(self, view: dict[str, Any]) -> None:
        self.view = view
        self._news.set()

    async def command(self, name: str, **fields: Any) -> None:
        assert self._socket is not None
        answer = await self._socket.call("command", {"type": name, **fields}, namespace="/hearing", timeout=20)
        if not answer["ok"]:
            self._failed(f"{self.person.role} {name}: {answer['code']}")

    async def _tend(self) -> None:
        while True:
            self._news.clear()
            wanted = (self.view.get("media") or {}).get("room", "")
            if wanted != self._room:
                await self.hush()
                if wanted:
                    await self._open(wanted)
                continue
            await self._news.wait()

    async def _open(self, room: str) -> None:
        self._room = room
        try:
            self.media = await self._offered()
        except (AssertionError, TimeoutError, aiohttp.ClientError) as error:
            await asyncio.sleep(0.5)  # that we were moved meanwhile may be told after the refusal
            if (self.view.get("media") or {}).get("room", "") == room:  # else moved on meanwhile, which is no fault
                self._failed(f"{self.person.role} media: {error!r}"[:300])
            self._room = ""
            self._news.set()

    async def _offered(self) -> Media:
        assert self._http is not None
        wish = {"places": self.view["media"]["places"], "publish": ["microphone", "camera"]}
        async with self._http.post(f"/api/v1/hearings/{self.hearing}/media", json=wish) as answer:
            assert answer.status == 201, (answer.status, await answer.text())
            location, offer = answer.headers["Location"], await answer.text()
        media = Media(offer)
        try:
            sdp = {"Content-Type": "application/sdp"}
            async with self._http.put(location, data=media.answer(), headers=sdp) as taken:
                assert taken.status == 204, await taken.text()
            await media.rise()
        except BaseException:
            await media.fall()
            raise
        return media
