"""The court's signing keys: Ed25519 (RFC 8032), the present one as PEM (PKCS #8, RFC 5958) in the data directory, 0600.

Rules
* Made once and loaded ever after; the private half never leaves ``SigningKey``. What is signed is ``head_bytes`` of
  the ledger and the seals of archives, and every signature is published with ``hex``, the raw public key.
* ``keys.json`` is the keyring (``courtroom.hearing.keyring``): every key the court ever had, each endorsed by the one
  before. It is public, and is the court's trust file.
* ``rotate`` makes a new key and lets the old one endorse it; then the old private half is gone. A crash in between is
  finished, or undone, by the next ``open_keys``: what counts is what stands in the keyring.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from courtroom.errors import BadMessage, Unavailable
from courtroom.hearing.keyring import CourtKey, endorsement_bytes, keyring_of, to_value
from courtroom.hearing.ledger import canonical
from courtroom.store.files import load_or_create, read_secret, write_secret

KEY: Final = "court.pem"
NEXT: Final = "court.next.pem"
RING: Final = "keys.json"


def _new() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class SigningKey:
    """``sign(bytes) -> 64 bytes``; ``hex`` is the public key, 64 hex digits."""

    __slots__ = ("_key", "hex")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.hex = key.public_key().public_bytes_raw().hex()

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """The key in ``path``, made there on first use; ``Unavailable("signing_key")`` if the file is another thing."""
        try:
            key = serialization.load_pem_private_key(load_or_create(path, _new), password=None)
        except (ValueError, TypeError) as error:
            raise Unavailable("signing_key", {"file": path.name}) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise Unavailable("signing_key", {"file": path.name})
        return cls(key)

    def sign(self, content: bytes) -> bytes:
        return self._key.sign(content)


def read_ring(data: Path) -> tuple[CourtKey, ...]:
    """The keyring in the data directory ``data``, () when there is none yet; ``Unavailable("signing_key")``."""
    content = read_secret(data / RING)
    if content is None:
        return ()
    try:
        return keyring_of(json.loads(content))
    except (ValueError, RecursionError, BadMessage) as error:
        raise Unavailable("signing_key", {"file": RING}) from error


def _write_ring(data: Path, keys: tuple[CourtKey, ...]) -> None:
    write_secret(data / RING, canonical(to_value(keys)) + b"\n")


def open_keys(data: Path) -> SigningKey:
    """The court's present key, after whatever a crash left undone; the keyring is there when this returns."""
    key, ring = SigningKey.load(data / KEY), read_ring(data)
    if not ring:
        _write_ring(data, (CourtKey(key.hex, 0),))
    elif ring[-1].key != key.hex:
        if not (data / NEXT).exists() or SigningKey.load(data / NEXT).hex != ring[-1].key:
            raise Unavailable("signing_key", {"file": RING})
        (data / NEXT).replace(data / KEY)
        key = SigningKey.load(data / KEY)
    (data / NEXT).unlink(missing_ok=True)
    return key


def rotate(data: Path, now: int) -> CourtKey:
    """A new key in force from ``now`` (µs); for a data directory that no court is using."""
    old = open_keys(data)
    ring = read_ring(data)
    since = max(now, ring[-1].since)
    write_secret(data / NEXT, _new())
    new = SigningKey.load(data / NEXT)
    made = CourtKey(new.hex, since, old.hex, old.sign(endorsement_bytes(new.hex, since, old.hex)).hex())
    _write_ring(data, (*ring, made))
    open_keys(data)
    return made
