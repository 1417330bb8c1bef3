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

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from courtroom.catalogue import text
from courtroom.errors import BadMessage
from courtroom.hearing.events import HearingCreated
from courtroom.hearing.ledger import event_of
from recorder import recordcheck, sealcheck
from recorder.bag import ISOLATION, KEYS, PROGRAMME
from recorder.examined import Anchors, Examined
from recorder.findings import MAX_SECONDS, Check, Report, check, spans_text
from recorder.timeline import FRAME_US
from recorder.timestamp import TOKEN
from recorder.wording import Said, length, moment, named, plain, said, size, stretch

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
        why = named(("verify.why",), str(error.detail.get("why", "")) or error.code, "verify.why.not_a_bag")
        return Report((check("not_a_bag", False, why=why),), readable=False)


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
    seal = seen.signed.get("seal", {})
    return Report(tuple(seen.checks), seal, seconds={**_seconds(seen.checks), **absent}, about=tuple(_about(seen)))


def _about(seen: Examined) -> Iterator[Said]:
    """Which case, which sitting, sealed when: only what was found to be as it was sealed."""
    created = event_of(seen.entries[0]) if seen.entries else None
    if isinstance(created, HearingCreated):
        case = {name: plain(getattr(created.case, name)) for name in ("court", "number", "cause")}
        yield said("case", lambda lang: text("verify.about.case", lang, **case))
    try:
        recording = seen.recording() if recordcheck.unharmed(seen) else None
    except BadMessage:
        recording = None
    if recording is not None:
        begin, end = recording.start, recording.end
        long, gaps = length(recording.frames * FRAME_US), len(recording.gaps)
        yield said("sitting", lambda lang: text(
            "verify.about.sitting", lang, time=stretch(begin, end, lang), length=long.text(lang), gaps=gaps,
        ))  # fmt: skip
    if seen.signed:
        at, total = moment(int(seen.signed["sealed_at"])), size(sum(seen.files.values()))
        yield said("sealed", lambda lang: text(
            "verify.about.sealed", lang, at=at.text(lang), files=len(seen.files), size=total,
        ))  # fmt: skip


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
