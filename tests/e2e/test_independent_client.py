"""Somebody else's client: written against web/PROTOCOL.md alone, with aiortc and a Socket.IO client, no browser."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp
import pytest
import socketio
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, MediaStreamTrack, VideoStreamTrack

from tests.e2e.court import Court, Issued, until
from tests.e2e.devices import CLERK, JUDGE, PLAINTIFF, Person

pytestmark = pytest.mark.e2e


class Machine:
    """One seat, held by a program."""

    def __init__(self, court: Court, hearing: Issued, person: Person) -> None:
        self.court = court
        self.hearing = hearing.id
        self.token = hearing.seats[person.role]["token"]
        self.view: dict[str, Any] = {}
        self.received = {"audio": 0, "video": 0}
        self._socket = socketio.AsyncClient()
        self._peer = RTCPeerConnection(RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._listening: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Machine:
        self._socket.on("view", self._seen, namespace="/hearing")
        await self._socket.connect(self.court.url, namespaces=["/hearing"], auth={"token": self.token})
        await until(lambda: self.view)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._peer.close()
        for task in self._listening:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._socket.disconnect()

    def _seen(self, view: dict[str, Any]) -> None:
        self.view = view

    async def command(self, name: str, **fields: Any) -> dict[str, Any]:
        return dict(await self._socket.call("command", {"type": name, **fields}, namespace="/hearing"))

    async def join_media(self) -> None:
        """One offer, one answer, candidates in the SDP (PROTOCOL section 5)."""
        who = {"Authorization": f"Bearer {self.token}"}
        wish = {"places": 2, "publish": ["microphone", "camera"]}
        self._peer.on("track", self._track)
        async with aiohttp.ClientSession(self.court.url, headers=who) as http:
            async with http.post(f"/api/v1/hearings/{self.hearing}/media", json=wish) as answer:
                assert (answer.status, answer.content_type) == (201, "application/sdp")
                location, offer = answer.headers["Location"], await answer.text()
            await self._peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            for transceiver in self._peer.getTransceivers():
                if transceiver.mid in ("mic", "cam"):
                    track = AudioStreamTrack() if transceiver.mid == "mic" else VideoStreamTrack()
                    transceiver.sender.replaceTrack(track)
                    transceiver.direction = "sendonly"
            await self._peer.setLocalDescription(await self._peer.createAnswer())
            sdp = {"Content-Type": "application/sdp"}
            async with http.put(location, data=self._peer.localDescription.sdp, headers=sdp) as taken:
                assert taken.status == 204, await taken.text()

    def _track(self, track: MediaStreamTrack) -> None:
        self._listening.append(asyncio.create_task(self._listen(track)))

    async def _listen(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                await track.recv()
                self.received[track.kind] += 1


# aiortc leaves a socket or two to the garbage collector when a connection is closed
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_a_client_written_against_the_protocol_sees_and_hears(court: Court) -> None:
    hearing = await court.create((JUDGE, CLERK, PLAINTIFF))
    async with (
        Machine(court, hearing, JUDGE) as judge,
        Machine(court, hearing, CLERK) as clerk,
        Machine(court, hearing, PLAINTIFF) as plaintiff,
    ):
        assert plaintiff.view["room"] == "waiting"
        assert (await clerk.command("admit", seat=hearing.seat(PLAINTIFF)))["ok"]
        await until(lambda: plaintiff.view["room"] == "courtroom")
        refused = await plaintiff.command("open_hearing")
        assert (refused["ok"], refused["code"]) == (False, "not_allowed")
        await judge.join_media()
        await plaintiff.join_media()
        assert (await judge.command("open_hearing"))["ok"]
        for one, other in ((judge, PLAINTIFF), (plaintiff, JUDGE)):
            await until(lambda one=one: min(one.received.values()) > 20)
            routes = {(route["mid"], route["seat"], route["source"]) for route in one.view["media"]["routes"]}
            seat = hearing.seat(other)
            assert routes == {("a0", seat, "microphone"), ("v0", seat, "camera")}
        assert (await judge.command("mute", seat=hearing.seat(PLAINTIFF), kind="camera"))["ok"]
        await until(lambda: [route["mid"] for route in judge.view["media"]["routes"]] == ["a0"])
