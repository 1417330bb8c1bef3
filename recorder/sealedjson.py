"""JSON out of an archive: bounded, and of exactly the shape we write, or ``BadMessage``.

Everything the verifier looks up later was seen here, so that no hostile value becomes a traceback.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from courtroom.errors import BadMessage
from recorder.bagcheck import safe_name

MAX_FILES: Final = 110_000
MAX_AT: Final = 1 << 53
MAX_SPANS: Final = 2_000_000
MAX_PEOPLE: Final = 10_000
MAX_NAME: Final = 200
_SHA: Final = re.compile(r"[0-9a-f]{64}")
_SPAN: Final = re.compile(r"[0-9a-f]{32}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")


def bounded_json(data: bytes) -> Any:
    try:
        return json.loads(data, parse_float=_no_float, parse_constant=_no_float)
    except (ValueError, RecursionError) as error:
        raise BadMessage("json") from error


def _no_float(text: str) -> None:
    raise ValueError(f"{text[:20]} is not an integer")


def _must(condition: object) -> None:
    if not condition:
        raise BadMessage("manifest")


def checked_signature(value: Any) -> dict[str, str]:
    _must(isinstance(value, dict) and value.get("algorithm") == "Ed25519")
    _must(isinstance(value.get("key"), str) and _SHA.fullmatch(value["key"]))
    _must(isinstance(value.get("signature"), str) and _SIGNATURE.fullmatch(value["signature"]))
    return {"key": value["key"], "signature": value["signature"]}


def checked_manifest(value: Any) -> dict[str, Any]:
    """The manifest as ``seal.manifest_of`` makes it."""
    _must(isinstance(value, dict) and value.get("version") in (1, 2))
    for name, kind in {
        "tool": str,
        "hearing": str,
        "files": dict,
        "segments": list,
        "programme": dict,
        "ledger": dict,
        "seal": dict,
        "take": str,
    }.items():
        _must(isinstance(value.get(name), kind))
    _must(len(value["files"]) <= MAX_FILES and _whole(value.get("sealed_at")) and value["sealed_at"] < MAX_AT)
    for name, made in value["files"].items():
        _must(safe_name(name) and isinstance(made, dict) and _whole(made.get("bytes")))
        _must(_hex(made.get("sha256")) and _hex(made.get("sm3")))
    for segment in value["segments"]:
        _must(isinstance(segment, dict) and isinstance(segment.get("tear"), str))
        _media(segment, value["files"])
    _media(value["programme"], value["files"])
    _must(_whole(value["programme"].get("frames")))
    _must(_whole(value["ledger"].get("entries")) and _hex(value["ledger"].get("last_hash")))
    seal = value["seal"]
    _must(all(_hex(seal.get(name)) for name in ("root_sha256", "root_sm3", "signature_key")))
    return dict(value)


def checked_people(value: Any) -> dict[str, str]:
    """``{seat id: name}``; control characters do not get into a picture or a report."""
    if not isinstance(value, dict) or len(value) > MAX_PEOPLE:
        raise BadMessage("people")
    if not all(isinstance(name, str) for name in value.values()):
        raise BadMessage("people")
    return {seat: "".join(c for c in name if c.isprintable())[:MAX_NAME] for seat, name in value.items()}


def _media(part: dict[str, Any], files: dict[str, Any]) -> None:
    _must(isinstance(part.get("file"), str) and part["file"] in files and isinstance(part.get("seconds"), list))
    _must(len(part["seconds"]) <= MAX_SPANS)
    for span in part["seconds"]:
        _must(
            isinstance(span, list) and len(span) == 4 and type(span[0]) is int and _whole(span[1]) and _whole(span[2])
        )
        _must(-1 <= span[0] < 1 << 37 and span[1] <= span[2] and isinstance(span[3], str) and _SPAN.fullmatch(span[3]))


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _hex(value: Any) -> bool:
    return isinstance(value, str) and bool(_SHA.fullmatch(value))
