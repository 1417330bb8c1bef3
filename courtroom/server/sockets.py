"""python-socketio, made strict: the one module that knows its private names.

Rules
* A client may emit ``command`` and nothing else. (The library would run the handlers of ``connect`` and
  ``disconnect`` for events of these names, with the client's own arguments: forged evidence.)
* One namespace, one CONNECT a connection.
* How a WebSocket ended is kept: the close code (RFC 6455 7.4), or that it fell silent. The library says "transport
  close" for both.
* A dead peer holds nothing: the closing handshake waits half a second, unacknowledged TCP data ten.

The private names (``_handle_connect``, ``_handle_event``, ``eio._async``, ``AsyncSocket.session``) are held by
``tests/server/test_sockets.py``; python-socketio 5.18, python-engineio 4.15.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from typing import Any, Final

import socketio
from aiohttp import WSMsgType, web
from engineio.async_drivers import aiohttp as driver

NAMESPACE: Final = "/hearing"
EVENT: Final = "command"
CLOSE_CODE: Final = "courtroom.close_code"
SILENT: Final = -1
CLEAN_CODES: Final = frozenset({1000, 1001, 1005})
PACKET_TYPES: Final = frozenset("0123456")
CLOSING_S: Final = 0.5
UNACKNOWLEDGED_MS: Final = 10_000


class Json:
    """Chinese text as it is (a third of the bytes of ``\\u`` escapes) and no NaN in."""

    @staticmethod
    def dumps(value: object, **_: object) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def loads(text: str | bytes, **_: object) -> Any:
        return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class _WebSocket(driver.WebSocket):  # type: ignore[misc]
    """The driver's WebSocket with short good-byes and a memory of how it ended."""

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        request: web.Request = environ["aiohttp.request"]
        self._fate: dict[str, Any] = self.handler.__self__.session
        self._sock = web.WebSocketResponse(max_msg_size=self.server.max_http_buffer_size, timeout=CLOSING_S)
        await self._sock.prepare(request)
        _bound_unacknowledged(request)
        self.environ = environ
        await self.handler(self)
        return self._sock

    async def wait(self) -> str | bytes:
        try:
            message = await self._sock.receive()
        except asyncio.CancelledError:
            self._fate.setdefault(CLOSE_CODE, SILENT)  # nothing came for ping interval + ping timeout
            raise
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            # a plain number: what the library found itself is an enumeration, which the ledger does not take
            self._fate.setdefault(CLOSE_CODE, int(self._sock.close_code or 1006))
            raise OSError("websocket ended")
        data: str | bytes = message.data
        if not data or (isinstance(data, str) and data[0] not in PACKET_TYPES):
            # the library parses this outside its guard and would leave the session behind
            self._fate.setdefault(CLOSE_CODE, int(self._sock.close_code or 1002))
            raise OSError("not Engine.IO")
        return data


def _bound_unacknowledged(request: web.Request) -> None:
    """Linux closes the connection when sent bytes stay unacknowledged (tcp(7), TCP_USER_TIMEOUT)."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    sock = request.transport.get_extra_info("socket") if request.transport is not None else None
    if option is not None and sock is not None:
        sock.setsockopt(socket.IPPROTO_TCP, option, UNACKNOWLEDGED_MS)


class CourtSocketServer(socketio.AsyncServer):  # type: ignore[misc]
    """An ``AsyncServer`` that accepts what ``NAMESPACE`` speaks."""

    def __init__(self, max_message: int, ping_s: float) -> None:
        log = logging.getLogger("courtroom.sockets")
        log.setLevel(logging.CRITICAL)  # the library's lines quote what clients send; ours are in ``signalling``
        super().__init__(
            async_mode="aiohttp",
            namespaces=[NAMESPACE],
            cors_allowed_origins=[],  # origins are checked in ``middleware``, for every route alike
            cors_credentials=False,
            max_http_buffer_size=max_message,
            ping_interval=ping_s,
            ping_timeout=ping_s,
            json=Json,
            logger=log,
            engineio_logger=log,
        )
        self.eio._async = {**self.eio._async, "websocket": _WebSocket}

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        if namespace != NAMESPACE or self.manager.sid_from_eio_sid(eio_sid, NAMESPACE) is not None:
            await self.eio.disconnect(eio_sid)
            return
        await super()._handle_connect(eio_sid, namespace, data)

    async def _handle_event(self, eio_sid: str, namespace: str | None, id: int | None, data: Any) -> None:
        if namespace != NAMESPACE or not isinstance(data, list) or not 1 <= len(data) <= 2 or data[0] != EVENT:
            return  # not our protocol: nothing happens, nobody is told
        if self.manager.sid_from_eio_sid(eio_sid, NAMESPACE) is None:
            return
        await super()._handle_event(eio_sid, namespace, id, data)

    def engine_of(self, sid: str) -> Any:
        """The Engine.IO socket under a session, ``None`` when it is gone."""
        eio_sid = self.manager.eio_sid_from_sid(sid, NAMESPACE)
        return self.eio.sockets.get(eio_sid) if eio_sid is not None else None

    def seated(self) -> set[str]:
        """Engine.IO ids that have joined the namespace."""
        rooms = self.manager.rooms.get(NAMESPACE, {}).get(None, {})
        return set(rooms.values())
