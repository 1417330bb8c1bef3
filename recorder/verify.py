"""The offline verifier: needs one folder and nothing else, and names what was changed, down to the second.

What is checked, each on its own so that one damage does not hide another: the bag's shape and manifests (RFC 8493); the
signature over our manifest (Ed25519); SHA-256 and SM3 of every file; the Merkle roots; the ledger's chain and its
signed heads; that the ledger names every segment with its digest; the segments' own records and chains; the recording
log against what media and ledger say; the programme. Nothing is written anywhere, nothing outside the folder is read.

A signature proves that the holder of a key sealed this; whose key it is must be known from elsewhere (``key``).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import av

from courtroom import catalogue
from courtroom.catalogue import Language
from courtroom.errors import BadMessage
from courtroom.hearing.events import CaptureNoted
from courtroom.hearing.ledger import Entry, canonical, event_of, from_line, head_bytes, verify_chain, verify_head
from recorder.bag import BAGIT, LAST, PROGRAMME
from recorder.bagcheck import list_bag, open_inside, parse_manifest, read_inside, safe_name
from recorder.index import MAX_SEGMENT_BYTES, read_capture
from recorder.ledgerfile import head_of
from recorder.picture.clock import beijing
from recorder.seal import PREFIX, Digests, merkle_root, signed_by, span_digest
from recorder.sealedjson import bounded_json, checked_manifest, checked_signature
from recorder.segmentcheck import segment_faults
from recorder.timeline import recording_log, recording_of

MAX_SECONDS: Final = 200
MAX_SECOND: Final = 1 << 37  # no calendar goes further
_BLOCK: Final = 1 << 20
_UNSIGNED: Final = frozenset({"manifest.json", "signature.json"})


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``second``: first Unix second of the court clock it is about; ``seconds``: all of them (bounded)."""

    name: str
    ok: bool
    file: str = ""
    second: int | None = None
    seconds: tuple[int, ...] = ()
    values: tuple[tuple[str, str | int], ...] = ()

    def text(self, lang: Language) -> str:
        where = catalogue.text("verify.at", lang, seconds=spans_text(self.seconds)) if self.seconds else ""
        return catalogue.text(f"verify.{self.name}", lang, file=self.file, **dict(self.values)) + where

    @property
    def text_zh(self) -> str:
        return self.text("zh")

    @property
    def text_en(self) -> str:
        return self.text("en")

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name, "ok": self.ok, "file": self.file, "second": self.second, "seconds": list(self.seconds),
            "text": self.text_zh, "text_zh": self.text_zh, "text_en": self.text_en,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """``readable`` is False when there was no archive to check."""

    checks: tuple[Check, ...]
    seal: dict[str, Any] = field(default_factory=dict)
    readable: bool = True

    @property
    def ok(self) -> bool:
        return self.readable and all(check.ok for check in self.checks)

    @property
    def exit_code(self) -> int:
        return 2 if not self.readable else 0 if self.ok else 1

    def as_dict(self) -> dict[str, Any]:
        return {"ok": self.ok, "checks": [check.as_dict() for check in self.checks], "seal": self.seal}


def spans_text(seconds: Iterable[int]) -> str:
    """``2026-11-24 09:42:18``, runs as ``09:42:18–09:43:00``."""
    runs: list[list[int]] = []
    for second in sorted(set(seconds)):
        if runs and second == runs[-1][1] + 1:
            runs[-1][1] = second
        else:
            runs.append([second, second])
    out: list[str] = []
    for first, last in runs[:8]:
        begin = beijing(first * 1_000_000)
        text = begin.strftime("%H:%M:%S") if out else begin.strftime("%Y-%m-%d %H:%M:%S")
        out.append(text if first == last else f"{text}–{beijing(last * 1_000_000).strftime('%H:%M:%S')}")
    return "，".join(out) + ("…" if len(runs) > 8 else "")


def verify(path: Path, key: str = "") -> Report:
    """Check the archive at ``path``; with ``key`` (hex) it must also be signed with it."""
    try:
        return _Verifier(Path(path), key.lower()).run()
    except BadMessage as error:
        why = str(error.detail.get("why", ""))
        return Report((Check("not_a_bag", False, "", None, (), (("why", why or error.code),)),), readable=False)


class _Verifier:
    def __init__(self, root: Path, key: str) -> None:
        self._root = root
        self._key = key
        self._checks: list[Check] = []
        self._listing = list_bag(root)
        self._real: dict[str, Digests] = {}
        self._signed: dict[str, Any] = {}
        self._entries: list[Entry] = []

    def run(self) -> Report:
        if "bagit.txt" not in self._listing.files and "data/manifest.json" not in self._listing.files:
            raise BadMessage("not_a_bag")
        for name in self._listing.unsafe:
            self._add("unsafe_entry", False, name)
        self._guarded("manifest.json", self._signature)
        self._guarded("manifest-sha256.txt", self._bag)
        self._files()
        self._guarded("manifest.json", self._merkle)
        self._guarded("ledger.jsonl", self._ledger)
        self._guarded("heads.json", self._heads)
        self._sealed_in_ledger()
        self._segments()
        self._guarded("recording-log.json", self._log)
        self._guarded(PROGRAMME, self._programme)
        return Report(tuple(self._checks), self._signed.get("seal", {}))

    def _add(self, name: str, ok: bool, file: str = "", seconds: Iterable[int] = (), **values: str | int) -> None:
        known = tuple(sorted({second for second in seconds if 0 <= second < MAX_SECOND})[:MAX_SECONDS])
        self._checks.append(Check(name, ok, file, known[0] if known else None, known, tuple(values.items())))

    def _guarded(self, file: str, check: Callable[[], None]) -> None:
        """A part that cannot be read is a finding, and the other parts are still checked."""
        try:
            check()
        except (BadMessage, OSError):
            if f"data/{file}" in self._listing.files or file in self._listing.files:
                self._add("unreadable", False, file)
            elif not any(found.file == file for found in self._checks if not found.ok):
                self._add("missing", False, file)

    def _read(self, name: str) -> bytes:
        if name not in self._listing.files:
            raise BadMessage("missing", {"file": name})
        return read_inside(self._root, name)

    # --- signature, bag, files ---

    def _signature(self) -> None:
        manifest = self._read("data/manifest.json")
        self._signed = checked_manifest(bounded_json(manifest))
        try:
            signature = checked_signature(bounded_json(self._read("data/signature.json")))
        except BadMessage:
            self._add("signature_unreadable", False, "signature.json")
            return
        good = signed_by(PREFIX + manifest, signature["signature"], signature["key"])
        self._add("signature" if good else "signature_wrong", good, "manifest.json", key=signature["key"][:16])
        if self._key and signature["key"] != self._key:
            self._add("signature_other_key", False, "signature.json", key=signature["key"][:16])
        elif signature["key"] != self._signed["seal"]["signature_key"]:
            self._add("signature_other_key", False, "manifest.json", key=signature["key"][:16])

    def _bag(self) -> None:
        wrong = len(self._checks)
        listed, bad = parse_manifest(self._tag("manifest-sha256.txt"), "data/")
        tags, bad_tags = parse_manifest(self._tag(LAST), "")
        if self._tag("bagit.txt") != BAGIT.encode() and not self._told("bagit.txt"):
            self._add("changed", False, "bagit.txt")
        for line in [*bad, *bad_tags]:
            self._add("manifest_line", False, "manifest-sha256.txt", line=ascii(line)[1:-1])
        for name, sha in {**listed, **tags}.items():
            if name not in self._listing.files and self._told(name):
                continue
            if name not in self._listing.files:
                self._add("missing", False, name.removeprefix("data/"), self._all_seconds(name.removeprefix("data/")))
            elif self._digests(name).sha256 != sha:
                self._add("bag_mismatch", False, name.removeprefix("data/"))
        known = {*listed, *tags, LAST}
        for name in sorted(set(self._listing.files) - known):
            self._add("extra", False, name.removeprefix("data/"))
        if not self._signed:
            self._signed_missing(listed)
        if len(self._checks) == wrong:
            self._add("bag", True, files=len(listed))

    def _tag(self, name: str) -> bytes:
        """A file of the bag itself; one that is not there is a finding and reads as empty."""
        if name not in self._listing.files:
            self._add("missing", False, name)
            return b""
        return self._read(name)

    def _signed_missing(self, listed: dict[str, str]) -> None:
        """Without a readable manifest the bag's own is all there is to compare with; it was compared above."""
        self._add("manifest_lost", False, "manifest.json", files=len(listed))

    def _digests(self, name: str) -> Digests:
        if name not in self._real:
            sha, sm3, size = hashlib.sha256(), hashlib.new("sm3"), 0
            with os.fdopen(open_inside(self._root, name), "rb") as file:
                while block := file.read(_BLOCK):
                    sha.update(block)
                    sm3.update(block)
                    size += len(block)
            self._real[name] = Digests(size, sha.hexdigest(), sm3.hexdigest())
        return self._real[name]

    def _files(self) -> None:
        signed: dict[str, dict[str, Any]] = self._signed.get("files", {})
        present = {name.removeprefix("data/") for name in self._listing.files if name.startswith("data/")}
        before = len(self._checks)
        for name, wanted in signed.items():
            if name not in present:
                if not self._told(name):
                    self._add("missing", False, name, self._all_seconds(name))
                continue
            real = self._digests(f"data/{name}")
            if (real.sha256, real.sm3, real.bytes) != (wanted["sha256"], wanted["sm3"], wanted["bytes"]):
                seconds, rest = self._locate(name, real.bytes)
                self._add(
                    "changed_size" if real.bytes != wanted["bytes"] else "changed", False, name, seconds, rest=rest
                )
        for name in sorted(present - signed.keys() - _UNSIGNED) if signed else ():
            if not self._told(name):
                self._add("extra", False, name)
        if signed and len(self._checks) == before:
            self._add("files", True, files=len(signed))

    def _told(self, name: str) -> bool:
        return any(check.file == name and not check.ok for check in self._checks)

    # --- seconds ---

    def _spans(self, name: str) -> list[list[Any]]:
        media = [*self._signed.get("segments", []), self._signed.get("programme", {})]
        spans: list[list[Any]] = next((part["seconds"] for part in media if part.get("file") == name), [])
        return spans

    def _all_seconds(self, name: str) -> list[int]:
        return [span[0] for span in self._spans(name)]

    def _locate(self, name: str, size: int) -> tuple[list[int], str]:
        """Seconds whose bytes are not what was sealed; a damaged index is said in words."""
        seconds, rest = [], ""
        spans = self._spans(name)
        if not spans:
            return self._locate_line(name)
        with os.fdopen(open_inside(self._root, f"data/{name}"), "rb") as file:
            for second, start, end, digest in spans:
                file.seek(start)
                if end > size or span_digest(file.read(min(end - start, 1 << 28))) != digest:
                    if second < 0:
                        rest = "index"
                    seconds.append(second)
        if size > max(span[2] for span in spans):
            rest = "tail"
        return seconds, rest

    def _locate_line(self, name: str) -> tuple[list[int], str]:
        """In a ledger the damage is at the first line that does not hold."""
        if name != "ledger.jsonl":
            return [], ""
        at = 0
        for number, line in enumerate(self._read("data/ledger.jsonl").splitlines(), 1):
            try:
                entry = from_line(line)
            except BadMessage:
                return ([at] if at else []), f"line {number}"
            at = entry.at // 1_000_000
        return [], ""

    # --- roots, ledger ---

    def _merkle(self) -> None:
        if not self._signed:
            return
        names = [f"data/{segment['file']}" for segment in self._signed["segments"]]
        if any(name not in self._listing.files for name in names):
            return  # told as missing, with its seconds
        real = [self._digests(name) for name in names]
        seal = self._signed["seal"]
        good = (
            merkle_root([bytes.fromhex(d.sha256) for d in real]) == seal["root_sha256"]
            and merkle_root([bytes.fromhex(d.sm3) for d in real], "sm3") == seal["root_sm3"]
        )
        self._add("merkle" if good else "merkle_wrong", good, "manifest.json", segments=len(names))

    def _ledger(self) -> None:
        lines = self._read("data/ledger.jsonl").splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            try:
                self._entries.append(from_line(line))
            except BadMessage:
                last = [self._entries[-1].at // 1_000_000] if self._entries else []
                self._entries = []
                self._add("ledger_line", False, "ledger.jsonl", last, line=number)
                return
        if not self._entries:
            raise BadMessage("ledger_empty")
        problem = verify_chain(self._entries)
        if problem is not None:
            at = self._entries[min(problem.seq, len(self._entries)) - 1].at // 1_000_000
            self._add("ledger_chain", False, "ledger.jsonl", [at], line=problem.seq, reason=problem.reason)
            self._entries = []
            return
        signed = self._signed.get("ledger", {})
        if signed and (len(self._entries), self._entries[-1].hash) != (signed["entries"], signed["last_hash"]):
            self._add("ledger_cut", False, "ledger.jsonl", [], entries=len(self._entries), signed=signed["entries"])
            return
        self._add("ledger", True, "ledger.jsonl", entries=len(self._entries))

    def _heads(self) -> None:
        value = bounded_json(self._read("data/heads.json"))
        heads = [head_of(item) for item in value] if isinstance(value, list) else []
        if not heads:
            raise BadMessage("head")
        key = self._signed.get("seal", {}).get("signature_key", heads[0].key)
        for head in heads:
            message = head_bytes(head.hearing, head.seq, head.hash, head.at)
            if not signed_by(message, head.signature, head.key) or head.key != key:
                self._add("head_signature", False, "heads.json", [head.at // 1_000_000], seq=head.seq)
            elif self._entries and verify_head(self._entries, head) is not None:
                self._add("head_not_in_ledger", False, "heads.json", [head.at // 1_000_000], seq=head.seq)
            elif self._entries:
                self._add("head", True, "heads.json", seq=head.seq)

    def _capture_names(self) -> list[str]:
        return sorted(name for name in self._listing.files if name.startswith("data/capture/"))

    def _sealed_in_ledger(self) -> None:
        if not self._entries:
            return
        told: dict[str, set[str]] = {}
        for entry in self._entries:
            match event_of(entry):
                case CaptureNoted(what="sealed", detail={"segment": str(name), "sha256": str(sha)}):
                    told.setdefault(name, set()).add(sha)
                case _:
                    pass
        before = len(self._checks)
        present = {name.rsplit("/", 1)[1]: name for name in self._capture_names()}
        for name, path in present.items():
            if name not in told:
                self._add("segment_not_in_ledger", False, f"capture/{name}", self._all_seconds(f"capture/{name}"))
            elif told[name] != {self._digests(path).sha256}:
                self._add("segment_not_as_in_ledger", False, f"capture/{name}")
        for name in sorted(told.keys() - present.keys()):
            if safe_name(name) and not self._told(f"capture/{name}"):
                self._add("missing", False, f"capture/{name}", self._all_seconds(f"capture/{name}"))
        if len(self._checks) == before:
            self._add("segments_in_ledger", True, segments=len(present))

    # --- media ---

    def _segments(self) -> None:
        names = self._capture_names()
        tears = {segment["file"]: segment["tear"] for segment in self._signed.get("segments", [])}
        before = len(self._checks)
        for name in names:
            file = name.removeprefix("data/")
            if self._listing.files[name] > MAX_SEGMENT_BYTES:
                self._add("unreadable", False, file)
                continue
            with os.fdopen(open_inside(self._root, name), "rb") as stream:
                data = stream.read()
            for fault in segment_faults(file.rsplit("/", 1)[1], data, self._signed.get("take", "")):
                known = fault.kind in ("tear", "end") and tears.get(file, "") != ""
                name_of = "segment_torn" if known else f"segment_{fault.kind}"
                self._add(name_of, known, file, [fault.second] if fault.second else [], offset=fault.offset)
        if len(self._checks) == before:
            self._add("segments", True, segments=len(names))

    def _log(self) -> None:
        stored = self._read("data/recording-log.json")
        media_harmed = any(not check.ok and check.file.startswith("capture/") for check in self._checks)
        if media_harmed or not self._entries:
            return  # nothing left to compare it with; its own digest was checked with the files
        log = recording_log(recording_of(self._entries, read_capture(self._root / "data" / "capture")))
        good = canonical(log) + b"\n" == stored
        self._add("log" if good else "log_wrong", good, "recording-log.json", gaps=len(log["gaps"]))

    def _programme(self) -> None:
        signed = self._signed.get("programme")
        name = f"data/{PROGRAMME}"
        if not signed or self._told(PROGRAMME):
            return
        if name not in self._listing.files:
            raise BadMessage("missing")
        try:
            with av.open(str(self._root / name)) as container:
                frames = container.streams.video[0].frames
                heard = len(container.streams.audio)
        except (av.FFmpegError, IndexError) as error:
            raise BadMessage("programme") from error
        good = frames == signed["frames"] and heard == 1
        self._add("programme" if good else "programme_wrong", good, PROGRAMME, frames=frames)
