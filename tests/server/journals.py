"""Writes a browser's journal as ``web/static/js/journal.js`` does, for tests that hand one in."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any

MS = 1000


class Writer:
    """A chain of one page; ``offset_ms``: how far its clock is ahead of the court's."""

    def __init__(self, hearing: str, seat: str, now_us: int, offset_ms: int = 0) -> None:
        self.chain = secrets.token_hex(16)
        first = {"chain": self.chain, "hearing": hearing, "seat": seat}
        self.first = hashlib.sha256(spelled(first)).hexdigest()
        self.hash = self.first
        self.entries: list[dict[str, Any]] = []
        self.began_ms = now_us // MS + offset_ms
        self.offset_ms = offset_ms

    def write(self, kind: str, court_us: int, **detail: int | str) -> dict[str, Any]:
        at = court_us // MS + self.offset_ms
        entry: dict[str, Any] = {
            "at": at,
            "detail": detail,
            "kind": kind,
            "n": len(self.entries) + 1,
            "up": max(0, at - self.began_ms),
        }
        self.hash = hashlib.sha256(self.hash.encode() + spelled(entry)).hexdigest()
        entry["hash"] = self.hash
        self.entries.append(entry)
        return entry

    def body(self, after: int = 0, *, clock: list[list[int]] | None = None, keep: int = 0) -> dict[str, Any]:
        """The upload of everything after entry ``after``; the first ``keep`` entries were let go of."""
        after = max(after, keep)
        base = {"n": after, "hash": self.entries[after - 1]["hash"] if after else self.first}
        return {"chain": self.chain, "base": base, "entries": self.entries[after:], "clock": clock or []}

    def exchange(self, court_us: int, took_us: int = 20_000) -> list[int]:
        """An exchange of clocks as it would have gone."""
        t0 = court_us + self.offset_ms * MS
        return [t0, court_us + took_us // 2, court_us + took_us // 2 + 100, t0 + took_us + 100]


def spelled(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
