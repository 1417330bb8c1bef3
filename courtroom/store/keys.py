"""The court's signing key: Ed25519 (RFC 8032), one PEM file (PKCS #8, RFC 5958) in the data directory, mode 0600.

Rules: made once and loaded ever after; the private half never leaves ``SigningKey``; what is signed is
``head_bytes`` of the ledger and the roots of archives, and every signature is published with ``hex``, the raw public
key.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from courtroom.errors import Unavailable
from courtroom.store.files import load_or_create


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
