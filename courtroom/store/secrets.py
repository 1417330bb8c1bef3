"""What must not be readable in the database: AES-256-GCM (NIST SP 800-38D) under a key file, and tokens kept as hashes.

Rules
* Every sealed value carries its own random 96-bit nonce, and is bound by associated data to the place it stands in
  (table, hearing, seat, field): moved elsewhere it does not open.
* Tokens (summons, sessions, staff) are random, at least 128 bits, and only their SHA-256 is stored: a fast hash is
  right for a random token and wrong for a password.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from courtroom.errors import Unavailable
from courtroom.store.files import load_or_create

NONCE: Final = 12
VERSION: Final = b"\x01"
TOKEN_BYTES: Final = 24  # 192 bits


class Vault:
    """Seals and opens short texts and pieces of files; ``place`` is the associated data."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def load(cls, path: Path) -> Vault:
        """The vault of the key file ``path``, made there on first use."""
        key = load_or_create(path, new_key)
        if len(key) != 32:
            raise Unavailable("vault_key", {"file": path.name})
        return cls(key)

    def seal(self, value: str, *place: str) -> bytes:
        return self.seal_bytes(value.encode(), *place)

    def open(self, sealed: bytes, *place: str) -> str:
        """``Unavailable("vault_closed")`` for another key, another place or changed bytes."""
        return self.open_bytes(sealed, *place).decode()

    def seal_bytes(self, value: bytes, *place: str) -> bytes:
        nonce = os.urandom(NONCE)
        return VERSION + nonce + self._cipher.encrypt(nonce, value, _associated(place))

    def open_bytes(self, sealed: bytes, *place: str) -> bytes:
        if sealed[:1] != VERSION or len(sealed) < 1 + NONCE:
            raise Unavailable("vault_closed")
        try:
            return self._cipher.decrypt(sealed[1 : 1 + NONCE], sealed[1 + NONCE :], _associated(place))
        except InvalidTag as error:
            raise Unavailable("vault_closed") from error


def _associated(place: tuple[str, ...]) -> bytes:
    # lengths in front: ("ab", "c") and ("a", "bc") are different places
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in place)


def new_key() -> bytes:
    """A fresh key of a vault."""
    return AESGCM.generate_key(256)


def new_token() -> str:
    """A fresh URL-safe token."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> str:
    """SHA-256 (hex) of a token: what is stored and looked up."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def staff_token(path: Path, given: str) -> str:
    """The staff token: the one that was given, else the one in ``path``, generated on first use."""
    if given:
        return given
    return load_or_create(path, lambda: new_token().encode()).decode("ascii")
