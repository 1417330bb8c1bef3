"""Who sent this: HMAC-SHA256 (RFC 2104) over a time and a body, for the notice gateway in both directions.

Rules: header ``Courtroom-Signature: t=<seconds of Unix time>,v1=<hex>`` over ``<t>.<body>``; compared in constant time;
a time further off than ``FRESH_S`` is refused, so that a report that was listened to is of no use later.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

HEADER: Final = "Courtroom-Signature"
FRESH_S: Final = 300

_FORM: Final = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})", re.ASCII)


def sign(secret: str, at_s: int, body: bytes) -> str:
    return f"t={at_s},v1={_mac(secret, at_s, body)}"


def holds(secret: str, header: str, body: bytes, now_s: int) -> bool:
    match = _FORM.fullmatch(header)
    if match is None or not secret:
        return False
    at_s = int(match[1])
    return abs(now_s - at_s) <= FRESH_S and hmac.compare_digest(_mac(secret, at_s, body), match[2])


def _mac(secret: str, at_s: int, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
