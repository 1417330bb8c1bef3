"""What a client is told about relays: TURN servers and a user name that is good for a while.

Rules
* The credentials are those of the TURN REST API (coturn's ``use-auth-secret``): the user name is the second of its end
  and an id, the password an HMAC-SHA1 over it with the secret that this court and the relay share. Nothing is stored.
* The id is the same for one seat of one hearing, so the relay's quota counts people, and is a keyed hash: whoever reads
  the relay's log learns neither.
* Every view made gets credentials that are good for at least ``GOOD_FOR_S`` from then; they change each ``STEP_S`` and
  not with each view, so that an unchanged view stays unchanged. An allocation that stands outlives them.
* The secret stands in no log, no view and no ``repr``.

draft-uberti-behave-turn-rest-00; RFC 8656 (TURN), RFC 7065 (TURN URIs).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

GOOD_FOR_S: Final = 3600
STEP_S: Final = 1800
_ID_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Relay:
    """``urls`` as browsers take them; empty: no relay."""

    urls: Sequence[str] = ()
    secret: str = field(default="", repr=False)

    def servers(self, hearing: str, seat: str, at: int) -> list[dict[str, Any]]:
        """``view.media.ice_servers`` of a seat; ``at`` in µs of the court clock, which is the world's."""
        if not self.urls:
            return []
        end = (at // 1_000_000 // STEP_S + 1) * STEP_S + GOOD_FOR_S
        name = f"{end}:{self._id(hearing, seat)}"
        mac = hmac.digest(self.secret.encode(), name.encode(), "sha1")
        return [{"urls": list(self.urls), "username": name, "credential": base64.b64encode(mac).decode()}]

    def _id(self, hearing: str, seat: str) -> str:
        text = f"relay id\0{hearing}\0{seat}".encode()
        return hmac.new(self.secret.encode(), text, hashlib.sha256).hexdigest()[:_ID_LENGTH]
