"""What is signed about an archive: a canonical manifest of every file, the Merkle root of the media, seconds to bytes.

Rules
* ``manifest.json`` is canonical JSON (``courtroom.hearing.ledger.canonical``: integers and strings only); the
  signature covers its bytes behind a first line that keeps it from ever meaning anything else. Ed25519, RFC 8032.
* Every file has SHA-256 (FIPS 180-4) and SM3 (GB/T 32905); the roots are Merkle trees over the segments' digests in
  order, hashed as in RFC 6962 2.1 (leaf 0x00, node 0x01), once with each.
* For each second of the court clock the manifest names a byte range of the media and 128 bits of its SHA-256. This is
  for *finding* a damaged second; whether a file is unharmed is decided by its whole digest alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from courtroom.errors import BadMessage
from courtroom.hearing.holds import retention_of
from courtroom.hearing.ledger import Entry, canonical
from recorder import VERSION
from recorder.picture.colours import FPS
from recorder.scan import moments
from recorder.timeline import FRAME_US, Recording, phases_of, recording_log

PREFIX: Final = b"courtroom archive manifest 1\n"
HEAD: Final = -1
"""Second of a range that belongs to no moment: file headers and indexes."""
_BLOCK: Final = 1 << 20

Span = tuple[int, int, int]
"""``(second, start, end)``: bytes ``[start, end)`` hold what belongs to that Unix second of the court clock."""


@dataclass(frozen=True, slots=True)
class Digests:
    bytes: int
    sha256: str
    sm3: str


def digests(path: Path) -> Digests:
    """Both digests of a file in one reading."""
    sha, sm3, size = hashlib.sha256(), hashlib.new("sm3"), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
            sm3.update(block)
            size += len(block)
    return Digests(size, sha.hexdigest(), sm3.hexdigest())


def merkle_root(leaves: Sequence[bytes], algorithm: str = "sha256") -> str:
    """Hex of the RFC 6962 tree head over ``leaves``; of nothing: the digest of nothing."""

    def digest(data: bytes) -> bytes:
        return hashlib.new(algorithm, data).digest()

    def head(part: Sequence[bytes]) -> bytes:
        if len(part) == 1:
            return digest(b"\x00" + part[0])
        split = 1 << (len(part) - 1).bit_length() - 1
        return digest(b"\x01" + head(part[:split]) + head(part[split:]))

    return (head(leaves) if leaves else digest(b"")).hex()


# --- seconds ------------------------------------------------------------------------------------------------------


def segment_spans(path: Path) -> list[Span]:
    """A segment's bytes by second; records stand in order of arrival, so a second is one range. Covers every byte."""
    data = path.read_bytes()
    offsets, seconds = moments(data)
    steps = np.flatnonzero(np.diff(seconds)) + 1
    cuts = [(int(seconds[step]), int(offsets[step])) for step in steps if seconds[step - 1] != HEAD]
    first = next((int(second) for second in seconds if second != HEAD), HEAD)
    begins = [(first, 0), *cuts]
    ends = [*(offset for _, offset in cuts), len(data)]
    return [(second, start, end) for (second, start), end in zip(begins, ends, strict=True) if end > start]


def programme_spans(path: Path, recording: Recording) -> list[Span]:
    """The programme's bytes by the court second they show, in the order of the file; the index is ``HEAD``."""
    places: list[tuple[int, int, int]] = []
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.pos is None or packet.pts is None or packet.time_base is None or not packet.size:
                continue
            frame = int(packet.pts * packet.time_base * FPS)
            second = recording.court_of(max(0, min(frame, recording.frames - 1))) // 1_000_000
            places.append((packet.pos, packet.pos + packet.size, second))
    places.sort()
    size = path.stat().st_size
    spans: list[Span] = []
    second, start = HEAD, 0
    for begin, _, now in places:
        if now != second:
            if begin > start:
                spans.append((second, start, begin))
            second, start = now, begin
    if places:
        end = places[-1][1]
        spans.append((second, start, end))
        start = end
    if start < size:
        spans.append((HEAD, start, size))
    return spans


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a programme, as its file says."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.width, stream.height


def span_digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _with_digests(path: Path, spans: Iterable[Span]) -> list[list[Any]]:
    out: list[list[Any]] = []
    with path.open("rb") as file:
        for second, start, end in spans:
            file.seek(start)
            out.append([second, start, end, span_digest(file.read(end - start))])
    return out


# --- manifest and signature ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sealing:
    """What the manifest is made of. ``files``: digests by path below ``data/``; ``segments`` in order of their
    numbers."""

    recording: Recording
    entries: Sequence[Entry]
    files: dict[str, Digests]
    payload: Path
    segments: Sequence[str]
    tears: dict[str, str]
    programme: str
    sealed_at: int
    key: Ed25519PublicKey


def manifest_of(sealing: Sealing) -> dict[str, Any]:
    recording, files = sealing.recording, sealing.files
    sha = [bytes.fromhex(files[name].sha256) for name in sealing.segments]
    sm3 = [bytes.fromhex(files[name].sm3) for name in sealing.segments]
    log = recording_log(recording)
    programme = sealing.payload / sealing.programme
    width, height = picture_size(programme)
    return {
        "version": 2,
        "tool": f"recorder {VERSION}",
        "sealed_at": sealing.sealed_at,
        "hearing": recording.hearing,
        "take": recording.take,
        "files": {
            name: {"bytes": made.bytes, "sha256": made.sha256, "sm3": made.sm3} for name, made in sorted(files.items())
        },
        "segments": [
            {
                "file": name,
                "sha256": files[name].sha256,
                "tear": sealing.tears.get(name, ""),
                "seconds": _with_digests(sealing.payload / name, segment_spans(sealing.payload / name)),
            }
            for name in sealing.segments
        ],
        "programme": {
            "file": sealing.programme,
            "width": width,
            "height": height,
            "fps": FPS,
            "frames": recording.frames,
            "parts": [
                {"kind": part.kind, "court_at": part.court, "first_frame": part.first, "frames": part.frames}
                for part in recording.parts
            ],
            "seconds": _with_digests(programme, programme_spans(programme, recording)),
        },
        "ledger": {"entries": len(sealing.entries), "last_hash": sealing.entries[-1].hash},
        "seal": {
            "root_sha256": merkle_root(sha),
            "root_sm3": merkle_root(sm3, "sm3"),
            "signature_key": public_hex(sealing.key),
            "duration_us": recording.frames * FRAME_US,
            "started_at": recording.start,
            "ended_at": recording.end,
            "gaps": log["gaps"],
            "phases": phases_of(sealing.entries),
        },
        "retention": retention_of(sealing.entries, recording.end),
    }


def load_key(path: Path) -> Ed25519PrivateKey:
    """An Ed25519 private key in PEM without a password; ``BadMessage("signing_key")`` for everything else."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadMessage("signing_key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadMessage("signing_key")
    return key


def public_hex(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def sign(manifest: bytes, key: Ed25519PrivateKey) -> bytes:
    """``signature.json`` for the bytes of a manifest."""
    return signature_file(public_hex(key.public_key()), key.sign(PREFIX + manifest).hex())


def signature_file(key: str, signature: str) -> bytes:
    """The one spelling of ``signature.json``."""
    return canonical(
        {
            "algorithm": "Ed25519",
            "key": key,
            "signature": signature,
            "signed": "manifest.json",
            "prefix": PREFIX.decode(),
        }
    )


def signed_by(message: bytes, signature: str, key: str) -> bool:
    """Whether the hex ``signature`` of ``message`` is by the hex Ed25519 ``key``."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True
