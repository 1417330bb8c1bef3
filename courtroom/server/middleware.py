"""What every request passes: log, headers, rate, origin, and errors made into problems.

Rules
* Security headers stand on every answer, error, file and upgrade alike. The content policy allows nothing from
  elsewhere and nothing inline.
* A request that changes something and says it comes from another site is refused before anybody looks at its cookies.
* The log holds route, status and time: nothing a person typed and nothing that opens a door.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from courtroom.errors import BadMessage, CourtroomError, Refused
from courtroom.server.health import Meters
from courtroom.server.limits import Buckets, Limits
from courtroom.server.logs import log
from courtroom.server.problems import language, not_found, problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self' {sockets}; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]")

ADDRESS: Final = web.RequestKey("address", str)


def address_of(request: web.Request, proxies: tuple[str, ...]) -> str:
    """Who is at the other end; ``X-Forwarded-For`` is believed from our own proxies only, and only its last word."""
    peer = request.remote or ""
    if peer in proxies:
        words = [word.strip() for word in request.headers.get("X-Forwarded-For", "").split(",") if word.strip()]
        return words[-1][:64] if words else peer
    return peer


def same_site(origin: str, host: str, allowed: tuple[str, ...]) -> bool:
    """Whether ``Origin`` (RFC 6454) is this court: its own host, or one it was told of."""
    if origin.lower() in allowed:
        return True
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == host.lower()


def secured(secure: bool) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """The ``on_response_prepare`` signal that puts the headers on everything."""

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        host = request.host if request.host and _HOST.issuperset(request.host) else ""
        # older browsers do not count ws: under 'self', so the one host is named
        sockets = f"ws://{host} wss://{host}" if host else ""
        response.headers["Content-Security-Policy"] = CSP.format(sockets=sockets).replace(" ;", ";")
        for name, value in HEADERS.items():
            response.headers[name] = value
        static = request.path.startswith("/static/")
        response.headers.setdefault("Cache-Control", "no-cache" if static else "no-store")
        response.headers.setdefault("Vary", "Cookie, Accept-Language")
        response.headers.popall("Server", None)
        if secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"

    return prepare


def passed(
    limits: Limits,
    meters: Meters,
    origins: tuple[str, ...],
    proxies: tuple[str, ...],
    page: Callable[[web.Request, CourtroomError], web.StreamResponse | None],
) -> Middleware:
    """The one middleware. ``page`` draws an error for those who asked for a page, or says ``None``."""
    rate = Buckets(limits.address)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.monotonic()
        request[ADDRESS] = address_of(request, proxies)
        status = 0
        try:
            response = await _answer(request, handler, rate, origins, page)
            status = response.status
            return response
        except asyncio.CancelledError:
            status = 499  # the asker went away
            raise
        finally:
            route = route_of(request)
            took = time.monotonic() - began
            meters.request(request.method, route, status, took)
            log.info("request", method=request.method, route=route, status=status, ms=round(took * 1000))

    return middleware


def _from_here(request: web.Request, origins: tuple[str, ...]) -> bool:
    """Whether a request that changes something comes from our own pages, or from no page at all."""
    if request.method in SAFE and not request.path.startswith("/socket.io/"):
        return True
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin is None:
        return site != "cross-site"
    if origin == "null":
        # our pages send no referrer, so browsers hide the origin of their forms and beacons (Fetch 3.2); those that are
        # too old to say Sec-Fetch-Site may post where the secret is in the request itself or a fact is merely noted
        secret = request.path.startswith(("/j/", "/n/")) or request.path == "/staff" or request.path.endswith("/beacon")
        return site == "same-origin" or (site is None and secret)
    return same_site(origin, request.host, origins)


async def _answer(
    request: web.Request,
    handler: Handler,
    rate: Buckets,
    origins: tuple[str, ...],
    page: Callable[[web.Request, CourtroomError], web.StreamResponse | None],
) -> web.StreamResponse:
    headers: dict[str, str] = {}
    try:
        if not rate.take(request[ADDRESS]):
            raise Refused("too_fast")
        if not _from_here(request, origins):
            raise Refused("origin_refused")
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            return error
        wrong = _of_http(error)
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    except CourtroomError as error:
        wrong = error
    except (ConnectionResetError, asyncio.CancelledError):
        raise
    except Exception as error:
        log.error("bug", route=route_of(request), fault=error)
        wrong = CourtroomError("internal_error")
    answer = page(request, wrong) or problem(wrong, language(request))
    answer.headers.update(headers)
    return answer


def _of_http(error: web.HTTPException) -> CourtroomError:
    """aiohttp's own errors in our words."""
    match error.status:
        case 404:
            return not_found()
        case 405:
            return Refused("method_not_allowed")
        case 413:
            return BadMessage("body_too_large")
        case _:
            return BadMessage("bad_request")


def route_of(request: web.Request) -> str:
    """The route a request matched, never its address."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "(none)"


async def body_of(request: web.Request, limit: int, seconds: float) -> bytes:
    """The whole body, bounded in size and time."""
    if request.content_length is not None and request.content_length > limit:
        raise BadMessage("body_too_large")
    try:
        async with asyncio.timeout(seconds):
            content = await request.read()
    except TimeoutError as error:
        raise BadMessage("body_too_slow") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise BadMessage("body_too_large") from error
    if len(content) > limit:
        raise BadMessage("body_too_large")
    return content
