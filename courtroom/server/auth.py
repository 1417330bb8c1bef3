"""Who is asking: staff or a seat, by token or by cookie; everybody else hears ``not_found``.

Rules
* Tokens and sessions are random, ≥ 128 bits, compared and looked up as SHA-256 only; the staff token in constant time.
* A seat's bearer token alone is enough under ``checkin`` ``none`` and ``clerk``; under ``full`` the one-time code
  comes with it (``Courtroom-Code``, or ``auth.code``), as it does on the join page: a stolen link is not a seat
  (COURT.md 9).
* A cookie acts only for the seat that the request names, and only in its own hearing.
* Wrong codes and wrong staff tokens are counted per seat and per address.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from courtroom.control.api import Courtroom, Docket
from courtroom.errors import Refused
from courtroom.server.limits import Buckets, Limits
from courtroom.server.problems import not_found
from courtroom.store.ports import Registry, SeatKey
from courtroom.store.secrets import new_token, token_hash

STAFF_COOKIE: Final = "staff"
STAFF: Final = "staff"
SEAT_HEADER: Final = "Courtroom-Seat"
CODE_HEADER: Final = "Courtroom-Code"
SEAT_SESSION_S: Final = 30 * 24 * 3600
STAFF_SESSION_S: Final = 12 * 3600
MAX_TOKEN: Final = 256

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def court_now() -> int:
    """µs of Unix time."""
    return time.time_ns() // 1000


def seat_cookie(seat: str) -> str:
    return f"seat-{seat}"


def is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Seated:
    """A seat that has proved to be itself, and its courtroom."""

    courtroom: Courtroom
    seat: str

    @property
    def role(self) -> str:
        return self.courtroom.hearing.seats[self.seat].role.value


class Doors:
    """Every question of who somebody is goes through here."""

    def __init__(
        self, docket: Docket, registry: Registry, staff_token: str, limits: Limits, now: Callable[[], int] = court_now
    ) -> None:
        self._docket = docket
        self._registry = registry
        self._staff_hash = token_hash(staff_token)
        self._wrong = Buckets(limits.secret)
        self._seat_rate = Buckets(limits.seat)
        self._now = now

    # --- staff ------------------------------------------------------------------------------------

    def is_staff_token(self, token: str) -> bool:
        return len(token) <= MAX_TOKEN and hmac.compare_digest(token_hash(token), self._staff_hash)

    async def is_staff(self, request: web.Request) -> bool:
        bearer = bearer_of(request)
        if bearer is not None:
            return self.is_staff_token(bearer)
        session = request.cookies.get(STAFF_COOKIE, "")
        if not 0 < len(session) <= MAX_TOKEN:
            return False
        return await self._registry.staff_session(token_hash(session), self._now())

    async def staff(self, request: web.Request) -> None:
        if not await self.is_staff(request):
            raise not_found()

    async def sign_in(self, token: str, address: str) -> str:
        """A new staff session for the right token; ``Refused``: ``too_fast``, ``staff_token_wrong``."""
        if self._wrong.empty(f"staff {address}"):
            raise Refused("too_fast")
        if not self.is_staff_token(token):
            self._wrong.take(f"staff {address}")
            raise Refused("staff_token_wrong")
        session, now = new_token(), self._now()
        await self._registry.add_staff_session(token_hash(session), now + STAFF_SESSION_S * 1_000_000, now)
        return session

    # --- seats ------------------------------------------------------------------------------------

    async def by_token(self, token: str) -> Seated:
        """The seat a summons link was made for; no second factor is asked here."""
        key = await self._registry.seat_by_token(token_hash(token)) if 0 < len(token) <= MAX_TOKEN else None
        return await self._seated(key)

    async def by_summons(self, token: str) -> Seated:
        """For the join page alone: the summons link, or the link of a notice whose button was pressed."""
        try:
            return await self.by_token(token)
        except Refused:
            known = 0 < len(token) <= MAX_TOKEN
            link = await self._registry.notice_link(token_hash(token), self._now()) if known else None
            if link is None or not link.read_at:
                raise
            return await self._seated(SeatKey(link.hearing, link.seat))

    async def by_token_and_code(self, token: str, code: str | None) -> Seated:
        seated = await self.by_token(token)
        await self.check_code(seated, code)
        return seated

    async def check_code(self, seated: Seated, code: str | None) -> None:
        """Under ``full``: ``Refused`` ``code_required``, ``code_wrong``, or ``too_fast`` after too many wrong ones."""
        if seated.courtroom.hearing.policy.checkin != "full":
            return
        if not code:
            raise Refused("code_required")
        if self._wrong.empty(f"code {seated.seat}"):
            raise Refused("too_fast")
        records = await self._registry.seats(seated.courtroom.id)
        right = next((one.code for one in records if one.seat == seated.seat), "")
        if not right or not hmac.compare_digest(token_hash(code.strip()[:MAX_TOKEN]), token_hash(right)):
            self._wrong.take(f"code {seated.seat}")
            raise Refused("code_wrong")

    async def by_cookie(self, seat: object, cookies: Mapping[str, str]) -> Seated:
        if not is_id(seat):
            raise not_found()
        session = cookies.get(seat_cookie(str(seat)), "")
        if not 0 < len(session) <= MAX_TOKEN:
            raise not_found()
        key = await self._registry.session(token_hash(session), self._now())
        return await self._seated(key if key is not None and key.seat == seat else None)

    async def new_session(self, seated: Seated) -> str:
        """A browser session; the seat's earlier one ends."""
        session = new_token()
        until = self._now() + SEAT_SESSION_S * 1_000_000
        await self._registry.add_session(token_hash(session), seated.courtroom.id, seated.seat, until)
        return session

    async def seat(self, request: web.Request) -> Seated:
        """The seat of an HTTP request to ``/…/{id}/…``, within its rate."""
        bearer = bearer_of(request)
        if bearer is not None:
            seated = await self.by_token_and_code(bearer, request.headers.get(CODE_HEADER))
        else:
            named = request.headers.get(SEAT_HEADER) or request.query.get("seat")
            seated = await self.by_cookie(named, request.cookies)
        if seated.courtroom.id != request.match_info.get("id", seated.courtroom.id):
            raise not_found()
        if not self._seat_rate.take(seated.seat):
            raise Refused("too_fast")
        return seated

    async def _seated(self, key: SeatKey | None) -> Seated:
        courtroom = await self._docket.open(key.hearing) if key is not None else None
        if key is None or courtroom is None or key.seat not in courtroom.hearing.seats:
            raise not_found()
        return Seated(courtroom, key.seat)


def bearer_of(request: web.Request) -> str | None:
    """The token of ``Authorization: Bearer`` (RFC 6750); ``None`` when the header is not there."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
