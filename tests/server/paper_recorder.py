"""A recorder of paper: ``archive`` lays down the least that counts as sealed, ``verify`` says that all is well.

Stands in for ``python -m recorder`` where a test is about what the court does around it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = "ab" * 32
SEAL = {
    "root_sha256": ROOT, "root_sm3": "cd" * 32, "signature_key": "ef" * 32, "signature": "0f" * 64,
    "started_at": 1_000_000, "ended_at": 61_000_000, "duration_us": 60_000_000, "phases": [],
    "gaps": [{"from_at": 2_000_000, "to_at": 3_000_000, "reason": "recess", "by": ""}],
}  # fmt: skip


def archive(out: Path) -> None:
    (out / "data").mkdir(parents=True)
    manifest = {"seal": SEAL, "programme": {"fps": 25, "parts": []}}
    (out / "data" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (out / "data" / "recording-log.json").write_text(json.dumps({"lines": []}), encoding="utf-8")
    (out / "data" / "programme.mp4").write_bytes(b"not a film")
    (out / "tagmanifest-sha256.txt").write_text("", encoding="utf-8")


words = sys.argv[1:]
if "archive" in words:
    archive(Path(words[words.index("--out") + 1]))
elif "verify" in words:
    sys.stdout.write(json.dumps({"ok": True, "checks": []}))
