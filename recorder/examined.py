"""An archive while it is being verified: its files, what was signed about them, what was read, what was found.

Every part of the verifier adds findings here and none stops another. Nothing outside the folder is read.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from courtroom.errors import BadMessage
from courtroom.hearing.ledger import Entry, from_line
from recorder.bagcheck import list_bag, open_inside, read_inside
from recorder.findings import Check, check
from recorder.runs import Capture
from recorder.scan import Scan, capture_of, scan, scan_all
from recorder.seal import span_digest
from recorder.sealedjson import bounded_json, checked_people
from recorder.timeline import Recording, recording_of
from recorder.wording import People, Value

NOTHING: Final = "0" * 64
PEOPLE: Final = "people.json"
SMALL: Final = 512 << 20
"""Up to so many bytes of payload SM3 is always computed of every file; it is eight times slower than SHA-256."""
_MAX_SPAN: Final = 1 << 28


@dataclass(frozen=True, slots=True)
class Anchors:
    """What the verifier knows from elsewhere. ``key``: the one key that may have signed; ``trust``: the court's trust
    file, parsed as JSON; ``authorities``: PEM certificates of time-stamp authorities; ``ledger``: a later ledger of
    the same hearing, as the court keeps it."""

    key: str = ""
    trust: Any = None
    authorities: tuple[bytes, ...] = ()
    ledger: tuple[Entry, ...] = ()


@dataclass
class Examined:
    """``signed`` is the manifest once its shape was checked, ``entries`` the ledger once its chain holds."""

    root: Path
    anchors: Anchors
    full: bool = False
    checks: list[Check] = field(default_factory=list)
    signed: dict[str, Any] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    _scans: dict[str, Scan] = field(default_factory=dict)
    _capture: Capture | None = None
    _recording: Recording | None = None
    _people: People | None = None

    def __post_init__(self) -> None:
        listing = list_bag(self.root)
        self.files: Mapping[str, int] = listing.files
        self.unsafe = listing.unsafe
        payload = sum(size for name, size in self.files.items() if name.startswith("data/"))
        self.sm3 = self.full or payload <= SMALL

    # --- findings ---

    def add(
        self, name: str, ok: bool, file: str = "", seconds: Iterable[int] = (), *, note: bool = False,
        **values: Value,
    ) -> None:  # fmt: skip
        self.checks.append(check(name, ok, file, seconds, note=note, **values))

    def told(self, file: str) -> bool:
        return any(found.file == file and not found.ok for found in self.checks)

    def guarded(self, file: str, part: Callable[[Examined], None]) -> None:
        """A part that cannot be read is a finding, and the other parts are still checked."""
        try:
            part(self)
        except (BadMessage, OSError):
            if f"data/{file}" in self.files or file in self.files:
                self.add("unreadable", False, file)
            elif not self.told(file):
                self.add("missing", False, file)

    # --- reading ---

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise BadMessage("missing", {"file": name})
        return read_inside(self.root, name)

    def read_all(self, names: Iterable[str]) -> None:
        """Read these files now, side by side where there are cores for it."""
        wanted = {name: self.files[name] for name in names if name in self.files and name not in self._scans}
        self._scans.update(scan_all(self.root, wanted, self.signed.get("take", ""), self.sm3))

    def scanned(self, name: str) -> Scan:
        """What one reading of a file found; one that cannot be read is told once and has the digest of nothing."""
        if name not in self._scans:
            try:
                self._scans[name] = scan(self.root, name, self.signed.get("take", ""), self.sm3)
            except OSError:
                self.add("unreadable", False, name.removeprefix("data/"))
                self._scans[name] = Scan(name, -1, NOTHING, NOTHING)
        return self._scans[name]

    # --- the capture ---

    def capture_names(self) -> list[str]:
        return sorted(name for name in self.files if name.startswith("data/capture/"))

    def capture(self) -> Capture:
        """All segments together; ``BadMessage("capture_empty")`` when there are none."""
        if self._capture is None:
            scans = self.segments()
            if not scans:
                raise BadMessage("capture_empty")
            self._capture = capture_of(self.root, scans)
        return self._capture

    def recording(self) -> Recording:
        """What the ledger and the capture say together; ``BadMessage("no_recording")`` when there was none."""
        if self._recording is None:
            self._recording = recording_of(self.entries, self.capture())
        return self._recording

    def segments(self) -> list[Scan]:
        return [self.scanned(name) for name in self.capture_names() if name.endswith(".cap")]

    # --- people ---

    def people(self) -> People:
        """Who sat where; without names when the list of them is not the one that was sealed."""
        if self._people is None:
            names: dict[str, str] = {}
            if not self.told(PEOPLE) and f"data/{PEOPLE}" in self.files:
                with contextlib.suppress(BadMessage):
                    names = checked_people(bounded_json(self.read(f"data/{PEOPLE}")))
            self._people = People(self.entries, names)
        return self._people

    # --- seconds ---

    def spans(self, name: str) -> list[list[Any]]:
        media = [*self.signed.get("segments", []), self.signed.get("programme", {})]
        spans: list[list[Any]] = next((part["seconds"] for part in media if part.get("file") == name), [])
        return spans

    def all_seconds(self, name: str) -> list[int]:
        return [span[0] for span in self.spans(name)]

    def locate(self, name: str, size: int) -> tuple[list[int], str]:
        """Seconds whose bytes are not what was sealed; a damaged index is said in words."""
        seconds, rest = [], ""
        spans = self.spans(name)
        if not spans:
            return self._locate_line(name)
        with os.fdopen(open_inside(self.root, f"data/{name}"), "rb") as file:
            for second, start, end, digest in spans:
                file.seek(start)
                if end > size or span_digest(file.read(min(end - start, _MAX_SPAN))) != digest:
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
        for number, line in enumerate(self.read("data/ledger.jsonl").splitlines(), 1):
            try:
                entry = from_line(line)
            except BadMessage:
                return ([at] if at else []), f"line {number}"
            at = entry.at // 1_000_000
        return [], ""
