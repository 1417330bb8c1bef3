"""Time-stamps of a third party over the seal of an archive: asked for, kept, checked (RFC 3161, RFC 5816).

Rules
* What is stamped is SHA-256 of ``signature.json``: who has that has the manifest, and with it every byte.
* The answer is kept as it came (``timestamp.tsr``, DER) beside the payload, with the authority's certificate
  (``timestamp-ca.pem``), so that an archive can be stamped after it was sealed. It is checked before it is kept.
* An authority that cannot be reached stops nothing: the archive is sealed without a stamp, says so, and is stamped
  later. Stamping twice changes nothing.
* Certificates are judged at the time that the token states (RFC 3161 appendix B), not at the time of reading.
* Signature, certificate chain and key usage are judged by ``rfc3161-client`` (OpenSSL); nothing of CMS is parsed here.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, VerifierBuilder, decode_timestamp_response
from rfc3161_client.errors import VerificationError

from courtroom.errors import BadMessage, Unavailable

TOKEN: Final = "timestamp.tsr"  # noqa: S105 - a file name
AUTHORITY: Final = "timestamp-ca.pem"
TIMEOUT_S: Final = 20.0
MAX_ANSWER: Final = 256 * 1024
MAX_CERTIFICATES: Final = 32
_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_HOSTILE: Final = (ValueError, TypeError, KeyError, OverflowError, x509.InvalidVersion, x509.ExtensionNotFound)
"""What the libraries raise over bytes that are no answer."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A token that holds: ``at`` µs since 1970 by the authority's clock, ``authority`` its name as it signs."""

    at: int
    authority: str
    serial: str


def certificates(pem: bytes) -> list[x509.Certificate]:
    """Trust anchors in PEM; ``BadMessage("timestamp_authority")`` when there is none or one cannot be read."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise BadMessage("timestamp_authority") from error
    if len(found) > MAX_CERTIFICATES:
        raise BadMessage("timestamp_authority")
    return found


def ask(url: str, content: bytes, authority: bytes) -> bytes:
    """A fresh token over ``content``, checked against ``authority`` (PEM); DER as it came.

    ``Unavailable("timestamp_unavailable")`` when the authority is not reached or refuses, ``BadMessage`` when what it
    says does not hold.
    """
    request = TimestampRequestBuilder().data(content).hash_algorithm(HashAlgorithm.SHA256).build()
    answer = _post(url, request.as_bytes())
    judge(answer, content, authority, request.nonce)
    return answer


def judge(answer: bytes, content: bytes, authority: bytes, nonce: int | None = None) -> Stamp:
    """The stamp in ``answer`` if it is over ``content`` and signed under ``authority``; ``BadMessage`` with ``why``.

    ``why``: form | imprint | chain.
    """
    anchors = certificates(authority)
    digest = hashlib.sha256(content).digest()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd certificates are refused or not; the library's opinion is no finding
        try:
            made = _parsed(answer)
            imprint = made.info.message_imprint
            serial = f"{made.info.serial_number:x}"[:40]
            same = imprint.hash_algorithm.dotted_string == _SHA256 and imprint.message == digest
            whole = made.response.as_bytes() == answer  # bytes behind the answer are nobody's
        except _HOSTILE as error:
            raise BadMessage("timestamp", {"why": "form"}) from error
        if not same or not whole:
            raise BadMessage("timestamp", {"why": "form" if same else "imprint"})
        verifier = VerifierBuilder(roots=list(dict.fromkeys(anchors)), nonce=nonce).build()
        try:
            verifier.verify(made.response, digest)
        except (VerificationError, *_HOSTILE) as error:
            raise BadMessage("timestamp", {"why": "chain"}) from error
    return Stamp(made.at, made.authority, serial)


@dataclass(frozen=True, slots=True)
class _Parsed:
    response: Any
    info: Any
    at: int
    authority: str


def _parsed(answer: bytes) -> _Parsed:
    if len(answer) > MAX_ANSWER:
        raise BadMessage("timestamp", {"why": "form"})
    response = decode_timestamp_response(answer)
    info = response.tst_info
    return _Parsed(response, info, (info.gen_time - _EPOCH) // timedelta(microseconds=1), _name(response.signed_data))


def _name(signed: Any) -> str:
    """The signing certificate's subject, '' where the certificate is not in the answer."""
    for signer in signed.signer_infos:
        for der in signed.certificates:
            certificate = x509.load_der_x509_certificate(der)
            if (certificate.issuer, certificate.serial_number) == (signer.issuer, signer.serial_number):
                return "".join(c for c in certificate.subject.rfc4514_string() if c.isprintable())[:120]
    return ""


def _post(url: str, body: bytes) -> bytes:
    """RFC 3161 3.4: the request by HTTP POST."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Unavailable("timestamp_unavailable", {"why": "url"})
    connection = (
        http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT_S, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, body, {"Content-Type": "application/timestamp-query"})
        response = connection.getresponse()
        answer = response.read(MAX_ANSWER + 1)
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable("timestamp_unavailable", {"why": type(error).__name__}) from error
    finally:
        connection.close()
    if response.status != 200 or len(answer) > MAX_ANSWER:
        raise Unavailable("timestamp_unavailable", {"why": str(response.status)})
    return answer
