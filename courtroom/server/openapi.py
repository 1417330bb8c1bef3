"""The OpenAPI 3.1 description of the HTTP interface, generated from the types that guard it.

Rule: schemas come from msgspec; paths stand in one table here, and a test holds that table against the router.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from courtroom.server.called import ReportBody
from courtroom.server.holds import HoldBody, RetentionBody
from courtroom.server.journal import JournalAnswer, JournalBody
from courtroom.server.schemas import (
    BeaconBody,
    CopyAnswer,
    CopyBody,
    CopyList,
    HearingAnswer,
    HearingBody,
    MediaBody,
    ProblemAnswer,
)
from courtroom.server.signatures import ExplanationBody, SignatureBody

_TYPES: Final = (
    HearingBody, HearingAnswer, MediaBody, BeaconBody, JournalBody, JournalAnswer, ReportBody, SignatureBody,
    ExplanationBody,
    CopyBody, CopyAnswer, CopyList, HoldBody, RetentionBody, ProblemAnswer,
)  # fmt: skip
_JSON: Final = "application/json"
_BYTES: Final = "application/octet-stream"
_TAR: Final = "application/x-tar"
_PREFIX: Final = "/api/v1"

# method, path, who, what, body type, (status, answer's media type, answer type)
_ROUTES: Final[tuple[tuple[str, str, str, str, str, tuple[int, str, str]], ...]] = (
    ("post", "/hearings", "staff", "create a hearing", "HearingBody", (201, "application/json", "HearingAnswer")),
    ("get", "/hearings", "staff", "every hearing", "", (200, "application/json", "")),
    ("get", "/hearings/{id}", "staff", "state, seats, presence, archive", "", (200, "application/json", "")),
    ("get", "/hearings/{id}/ledger", "staff", "the ledger, one entry a line", "", (200, "application/jsonl", "")),
    ("get", "/hearings/{id}/presence", "staff", "timelines with causes, evidence", "", (200, "application/json", "")),
    ("post", "/hearings/{id}/media", "seat", "the server's offer; Location", "MediaBody", (201, "application/sdp", "")),
    ("put", "/hearings/{id}/media/{transport}", "seat", "the client's answer", "sdp", (204, "", "")),
    ("delete", "/hearings/{id}/media/{transport}", "seat", "hang up", "", (204, "", "")),
    ("post", "/hearings/{id}/media/{transport}/restart", "seat", "offer anew", "", (200, "application/sdp", "")),
    ("post", "/hearings/{id}/beacon", "seat", "a fact the browser saw", "BeaconBody", (204, "", "")),
    ("post", "/hearings/{id}/check", "seat", "a device self-test", "object", (204, "", "")),
    ("post", "/hearings/{id}/journal", "seat", "a browser's journal", "JournalBody", (200, _JSON, "JournalAnswer")),
    ("get", "/hearings/{id}/journal/{seat}", "staff", "the kept journal of a seat", "", (200, "application/jsonl", "")),
    ("get", "/hearings/{id}/seats/{seat}/absence", "desk", "the facts of an absence, a draft", "", (200, _JSON, "")),
    ("get", "/hearings/{id}/seats/{seat}/absence.pdf", "desk", "its two pages", "", (200, "application/pdf", "")),
    ("put", "/hearings/{id}/attachments/{sha256}", "seat", "hand in a proof", "file", (201, _JSON, "")),
    ("get", "/hearings/{id}/seats/{seat}/attachments", "desk", "what a seat handed in", "", (200, _JSON, "")),
    ("get", "/hearings/{id}/seats/{seat}/attachments/{sha256}", "desk", "one of them", "", (200, _BYTES, "")),
    ("get", "/hearings/{id}/fairness", "desk", "what each party missed, who spoke", "", (200, _JSON, "")),
    ("get", "/hearings/{id}/archive", "desk", "state of the archive", "", (200, "application/json", "")),
    ("get", "/hearings/{id}/archive/video", "desk", "the composed MP4 (ranges)", "", (200, "video/mp4", "")),
    ("get", "/hearings/{id}/archive/bag", "desk", "the whole archive as a tar (ranges)", "", (200, _TAR, "")),
    ("post", "/hearings/{id}/archive/verify", "desk", "run the verifier", "", (200, "application/json", "")),
    ("get", "/hearings/{id}/archive/speakers", "desk", "who spoke when", "", (200, _JSON, "")),
    ("get", "/hearings/{id}/archive/holds", "desk", "period and holds", "", (200, _JSON, "")),
    ("post", "/hearings/{id}/archive/holds", "desk", "order or lift a hold", "HoldBody", (201, _JSON, "")),
    ("post", "/hearings/{id}/archive/retention", "desk", "set the period", "RetentionBody", (201, _JSON, "")),
    ("get", "/hearings/{id}/accesses", "desk", "who read the recording or got a copy", "", (200, _JSON, "")),
    ("get", "/hearings/{id}/isolation", "desk", "isolation certificates given at dismissals", "", (200, _JSON, "")),
    ("get", "/hearings/{id}/signatures", "desk", "the integrity value and who signed it", "", (200, _JSON, "")),
    ("post", "/hearings/{id}/signatures", "seat", "sign, refuse, note", "SignatureBody", (201, _JSON, "")),
    ("get", "/hearings/{id}/explanation", "desk", "the draft on a defect", "", (200, _JSON, "")),
    ("post", "/hearings/{id}/explanation", "seat", "the judge signs it", "ExplanationBody", (201, _JSON, "")),
    ("post", "/notices/{notice}/report", "", "signed: what became of a letter", "ReportBody", (204, "", "")),
    ("post", "/notices/dsn", "", "signed: a delivery status notification", "mail", (204, "", "")),
    ("post", "/hearings/{id}/copies", "desk", "order a marked copy", "CopyBody", (202, _JSON, "")),
    ("get", "/hearings/{id}/copies", "desk", "the copies the asker may see", "", (200, _JSON, "CopyList")),
    ("get", "/hearings/{id}/copies/{copy}", "desk", "state of a copy", "", (200, _JSON, "CopyAnswer")),
    ("get", "/hearings/{id}/copies/{copy}/file", "desk", "the marked MP4 (ranges)", "", (200, "video/mp4", "")),
    ("get", "/openapi.json", "", "this description", "", (200, "application/json", "")),
)


def describe() -> dict[str, Any]:
    """The whole document."""
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for method, path, who, what, body, answer in _ROUTES:
        paths.setdefault(_PREFIX + path, {})[method] = _operation(path, who, what, body, answer)
    return {
        "openapi": "3.1.0",
        "info": {"title": "courtroom", "version": "1", "description": "An online courtroom; see web/PROTOCOL.md."},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "staff": {"type": "http", "scheme": "bearer", "description": "staff token"},
                "seat": {"type": "http", "scheme": "bearer", "description": "seat token"},
            },
        },
    }


def _operation(path: str, who: str, what: str, body: str, answer: tuple[int, str, str]) -> dict[str, Any]:
    status, media_type, kind = answer
    content = {media_type: {"schema": _schema(kind)} if kind else {}} if media_type else None
    operation: dict[str, Any] = {
        "summary": what,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in ("id", "transport", "seat", "notice", "copy", "sha256")
            if "{" + name + "}" in path
        ],
        "responses": {
            str(status): {"description": what, **({"content": content} if content else {})},
            "default": {
                "description": "problem (RFC 9457)",
                "content": {"application/problem+json": {"schema": _schema("ProblemAnswer")}},
            },
        },
        "security": {"": [], "desk": [{"staff": []}, {"seat": []}]}.get(who, [{who: []}]),
    }
    if body == "sdp":
        operation["requestBody"] = {"required": True, "content": {"application/sdp": {}}}
    elif body == "mail":
        operation["requestBody"] = {"required": True, "content": {"message/rfc822": {}}}
    elif body == "file":
        operation["requestBody"] = {"required": True, "content": {_BYTES: {}}}
    elif body:
        schema = {"type": "object"} if body == "object" else _schema(body)
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
