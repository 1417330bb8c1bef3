"""An answer of JSON lines, longer than should ever lie in memory: read, sent and forgotten, some hundred at once.

Rules
* What is short is an ordinary answer; a store that fails before the first line has left is an ordinary error.
* Once headers are out, a store that fails or a reader that takes nothing for ``STALL_S`` ends the connection without
  the last chunk (RFC 9112 section 8): nobody takes such an answer for a whole one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

from aiohttp import web

from courtroom.errors import Unavailable
from courtroom.server.logs import log

LINES_AT_ONCE: Final = 500
STALL_S: Final = 60.0


async def answer(request: web.Request, lines: AsyncIterator[str], headers: Mapping[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    waiting: list[str] = []
    try:
        async for line in lines:
            waiting.append(line + "\n")
            if len(waiting) >= LINES_AT_ONCE:
                if not response.prepared:
                    await response.prepare(request)
                await _write(response, waiting)
        if not response.prepared:
            return web.Response(body="".join(waiting).encode(), headers=headers)
        await _write(response, waiting)
        await response.write_eof()
    except (TimeoutError, Unavailable) as error:
        if not response.prepared:
            raise
        log.error("lines_broken_off", code=getattr(error, "code", "stalled"))
        if request.transport is not None:
            request.transport.abort()
    return response


async def _write(response: web.StreamResponse, lines: list[str]) -> None:
    async with asyncio.timeout(STALL_S):
        await response.write("".join(lines).encode())
    lines.clear()
