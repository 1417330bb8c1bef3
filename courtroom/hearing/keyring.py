"""The court's signing keys over the years: which key was in force when, and who vouches for the next one; pure.

Rules
* A key's id is the first 16 hex digits of SHA-256 over its 32 raw bytes (Ed25519, RFC 8032).
* A new key is *endorsed*: the key before it signs ``endorsement_bytes``. The old key ends where the new one begins.
* The first key has no endorsement: it must be known from elsewhere, as must any key that one wants to rely on.
* ``known`` follows endorsements forwards only: an old key vouches for a newer one, never the other way round.
* A keyring and a court's *trust file* are one format: ``{"version": 1, "keys": [{key, since, endorsed_by,
  signature}]}``, times in µs of the court clock. Reading is guarded: everything else is ``BadMessage("keyring")``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from courtroom.errors import BadMessage
from courtroom.hearing.ledger import canonical

MAX_KEYS: Final = 1000
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")
_FIRST_LINE: Final = b"courtroom key endorsement 1\n"

Verify = Callable[[bytes, str, str], bool]
"""``(message, signature, key) -> bool``, all hex but the message."""


@dataclass(frozen=True, slots=True)
class CourtKey:
    """``key`` raw public key, ``since`` in force from; ``endorsed_by`` '' and ``signature`` '' for the first one."""

    key: str
    since: int
    endorsed_by: str = ""
    signature: str = ""

    @property
    def id(self) -> str:
        return key_id(self.key)


def key_id(key: str) -> str:
    return hashlib.sha256(bytes.fromhex(key)).hexdigest()[:16]


def endorsement_bytes(key: str, since: int, by: str) -> bytes:
    """What the key ``by`` signs when ``key`` takes over at ``since``; the first line keeps it from meaning more."""
    return _FIRST_LINE + canonical({"key": key, "since": since, "by": by})


def to_value(keys: Sequence[CourtKey]) -> dict[str, Any]:
    """As JSON value, oldest key first."""
    return {"version": 1, "keys": [asdict(one) for one in keys]}


def keyring_of(value: object) -> tuple[CourtKey, ...]:
    """The keys in a JSON value of that shape; further fields are ignored."""
    found = value.get("keys") if isinstance(value, dict) and value.get("version") == 1 else None
    if not isinstance(found, list) or not 0 < len(found) <= MAX_KEYS:
        raise BadMessage("keyring")
    keys = tuple(_key_of(item) for item in found)
    if len({one.key for one in keys}) != len(keys) or any(b.since < a.since for a, b in zip(keys, keys[1:])):  # noqa: B905,RUF007
        raise BadMessage("keyring")
    return keys


def _key_of(item: object) -> CourtKey:
    if not isinstance(item, dict):
        raise BadMessage("keyring")
    key, since, by, signature = (item.get(name) for name in ("key", "since", "endorsed_by", "signature"))
    endorsed = isinstance(by, str) and isinstance(signature, str) and (
        (not by and not signature) or bool(_KEY.fullmatch(by) and _SIGNATURE.fullmatch(signature))
    )  # fmt: skip
    if not (isinstance(key, str) and _KEY.fullmatch(key) and type(since) is int and 0 <= since < 1 << 53 and endorsed):
        raise BadMessage("keyring")
    return CourtKey(key, since, str(by), str(signature))


def known(keys: Iterable[CourtKey], anchors: Iterable[str], verify: Verify) -> frozenset[str]:
    """The anchors, and every key that one of them vouches for, over any number of rotations."""
    found = set(anchors)
    for one in sorted(keys, key=lambda key: key.since):
        if one.endorsed_by in found and verify(
            endorsement_bytes(one.key, one.since, one.endorsed_by), one.signature, one.endorsed_by
        ):
            found.add(one.key)
    return frozenset(found)


def in_force(keys: Sequence[CourtKey], key: str, at: int) -> bool:
    """Whether ``key`` was the court's at ``at``: from its own beginning to that of the key it endorsed."""
    mine = next((one for one in keys if one.key == key), None)
    if mine is None or at < mine.since:
        return False
    return not any(one.endorsed_by == key and one.since < at for one in keys)
