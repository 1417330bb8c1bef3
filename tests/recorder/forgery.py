"""What somebody with the disk can do to an archive: other bytes, and every list made anew, with any key or none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from courtroom.hearing.ledger import canonical
from recorder.bag import LAST, bag_info, tag_lines
from recorder.seal import digests, merkle_root, public_hex, sign

Edit = Callable[[dict[str, Any]], None]


def relist(bag: Path) -> None:
    """The bag's own lists, right for what lies there."""
    payload = sorted(path for path in (bag / "data").rglob("*") if path.is_file())
    manifest = json.loads((bag / "data/manifest.json").read_bytes())
    total = sum(path.stat().st_size for path in payload)
    info = bag_info(manifest["tool"], manifest["sealed_at"], manifest["hearing"], total, len(payload))
    (bag / "bag-info.txt").write_text(info)
    lines = {str(path.relative_to(bag)): hashlib.sha256(path.read_bytes()).hexdigest() for path in payload}
    (bag / "manifest-sha256.txt").write_bytes(tag_lines(lines))
    tags = [path for path in bag.iterdir() if path.is_file() and path.name != LAST]
    (bag / LAST).write_bytes(tag_lines({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tags}))


def remake(bag: Path, key: Ed25519PrivateKey | None = None, edit: Edit = lambda manifest: None) -> None:
    """The sealed manifest too, right for what lies there and then edited; signed anew if there is a key."""
    path = bag / "data/manifest.json"
    manifest = json.loads(path.read_bytes())
    for name in manifest["files"]:
        made = digests(bag / "data" / name)
        manifest["files"][name] = {"bytes": made.bytes, "sha256": made.sha256, "sm3": made.sm3}
    for segment in manifest["segments"]:
        segment["sha256"] = manifest["files"][segment["file"]]["sha256"]
    for algorithm in ("sha256", "sm3"):
        leaves = [bytes.fromhex(manifest["files"][segment["file"]][algorithm]) for segment in manifest["segments"]]
        manifest["seal"][f"root_{algorithm}"] = merkle_root(leaves, algorithm)
    if key is not None:
        manifest["seal"]["signature_key"] = public_hex(key.public_key())
    edit(manifest)
    path.write_bytes(canonical(manifest))
    if key is not None:
        (bag / "data/signature.json").write_bytes(sign(path.read_bytes(), key))
    relist(bag)
