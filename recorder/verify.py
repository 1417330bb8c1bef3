"""The offline verifier: needs one folder and nothing else, and names what was changed, down to the second.

What is checked, each on its own so that one damage does not hide another: the bag's shape and manifests (RFC 8493); the
signature over our manifest (Ed25519) and whose key it is; the time-stamp (RFC 3161); SHA-256 and SM3 of every file;
the Merkle roots; the ledger's chain and its signed heads; that the ledger names every segment with its digest; the
segments' own records and chains; that every interruption was a lawful one (RecP art. 3); the recording log and the
isolation certificates against what media and ledger say; the programme. Nothing is written anywhere, nothing outside
the folder is read.

The order matters in two places: what was signed is read before anything is compared with it, and the segments before
what is computed from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from courtroom.errors import BadMessage
from recorder import recordcheck, sealcheck
from recorder.bag import ISOLATION, KEYS, PROGRAMME
from recorder.examined import Anchors, Examined
from recorder.findings import MAX_SECONDS, Check, Report, check, spans_text
from recorder.timestamp import TOKEN

__all__ = ["Anchors", "Check", "Report", "spans_text", "verify"]


def verify(path: Path, key: str = "", anchors: Anchors | None = None, full: bool = False) -> Report:
    """Check the archive at ``path``; with ``key`` (hex) it must also be signed with it.

    ``full``: SM3 of every file also in large archives, where otherwise SHA-256 alone is computed of the contents.
    """
    known = anchors or Anchors()
    known = Anchors(key.lower() or known.key, known.trust, known.authorities, known.ledger)
    try:
        return _verified(Examined(Path(path), known, full))
    except BadMessage as error:
        why = str(error.detail.get("why", ""))
        return Report((check("not_a_bag", False, why=why or error.code),), readable=False)


def _verified(seen: Examined) -> Report:
    if "bagit.txt" not in seen.files and "data/manifest.json" not in seen.files:
        raise BadMessage("not_a_bag")
    for name in seen.unsafe:
        seen.add("unsafe_entry", False, name)
    seen.guarded("manifest.json", sealcheck.signature)
    seen.read_all(f"data/{name}" for name in [*_media(seen), *seen.signed.get("files", ())])
    seen.guarded(KEYS, sealcheck.trust)
    seen.guarded("manifest-sha256.txt", sealcheck.bag)
    sealcheck.files(seen)
    seen.guarded("manifest.json", sealcheck.merkle)
    seen.guarded("ledger.jsonl", recordcheck.ledger)
    seen.guarded("heads.json", recordcheck.heads)
    recordcheck.later_ledger(seen)
    seen.guarded(TOKEN, sealcheck.stamped)
    recordcheck.sealed_in_ledger(seen)
    recordcheck.segments(seen)
    seen.guarded("recording-log.json", recordcheck.log)
    seen.guarded("ledger.jsonl", recordcheck.law)
    seen.guarded(ISOLATION, recordcheck.isolated)
    seen.guarded(PROGRAMME, recordcheck.programme)
    absent = recordcheck.absences(seen)
    recordcheck.kept(seen)
    return Report(tuple(seen.checks), seen.signed.get("seal", {}), seconds={**_seconds(seen.checks), **absent})


def _media(seen: Examined) -> list[str]:
    return [name.removeprefix("data/") for name in seen.capture_names()]


def _seconds(checks: Iterable[Check]) -> dict[str, Any]:
    """Unix seconds of the court clock whose bytes were changed or are missing."""
    changed: set[int] = set()
    missing: set[int] = set()
    for found in checks:
        if not found.ok:
            (missing if found.name == "missing" else changed).update(found.seconds)
    return {"changed": sorted(changed)[:MAX_SECONDS], "missing": sorted(missing)[:MAX_SECONDS]}
