"""Answers to what went wrong: RFC 9457 ``application/problem+json`` with a stable code and a sentence in the asker's
language.

Rules
* Unknown, foreign, expired and forbidden are one and the same answer: 404 ``not_found``.
* ``detail`` is the catalogue's sentence for the code (``refused.<code>`` of the court core, ``error.<code>`` of the
  rest); no answer ever quotes a stack, a path of ours or another person's data.
* A bug is 500 ``internal_error`` and is logged with its stack.
"""

from __future__ import annotations

import json
from typing import Final

from aiohttp import web

from courtroom.catalogue import LANGUAGES, Language, known, text
from courtroom.errors import BadMessage, CourtroomError, Refused, Unavailable

LANG_COOKIE: Final = "lang"

_STATUS: Final[dict[str, int]] = {
    "not_found": 404, "unknown_transport": 404, "unknown_hearing": 404, "no_archive": 404, "method_not_allowed": 405,
    "unsupported_media_type": 415, "body_too_large": 413, "body_too_slow": 408, "too_fast": 429,
    "signature_wrong": 403, "copy_not_granted": 403, "unchecked_not_allowed": 403,
    "origin_refused": 403, "code_required": 403, "code_wrong": 403,
    "bad_case": 400, "bad_policy": 400, "bad_seats": 400, "too_many_seats": 400, "two_presiding_judges": 400,
    "bad_link": 400, "bad_text": 400, "bad_value": 400, "bad_body": 400, "one_presiding_judge": 400,
    "name_differs": 400, "bad_stroke": 400, "text_missing": 400,
    "length_required": 411, "attachment_too_large": 413, "attachment_kind": 415, "attachment_digest": 400,
    "agree_required": 400, "staff_token_wrong": 403, "internal_error": 500,
}  # fmt: skip
_SAME_AS_UNKNOWN: Final = frozenset({"unknown_transport", "unknown_hearing"})
_TITLES: Final = {
    400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
    409: "Conflict", 411: "Length Required", 413: "Content Too Large", 415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip


def not_found() -> Refused:
    return Refused("not_found")


def language(request: web.Request) -> Language:
    """The asker's: cookie ``lang`` first, then ``Accept-Language`` (RFC 9110 12.5.4), then Chinese."""
    chosen = request.cookies.get(LANG_COOKIE)
    return _language(chosen) or accepted(request.headers.get("Accept-Language", ""))


def _language(value: object) -> Language | None:
    return next((lang for lang in LANGUAGES if lang == value), None)


def language_of(value: object, otherwise: Language) -> Language:
    return _language(value) or otherwise


def accepted(header: str) -> Language:
    best: tuple[float, Language] = (0.0, "zh")
    for part in header[:500].split(","):
        tag, _, parameters = part.strip().partition(";")
        lang = _language(tag.strip().lower().split("-")[0])
        try:
            weight = float(parameters.strip().removeprefix("q=")) if parameters else 1.0
        except ValueError:
            weight = 0.0
        if lang is not None and best[0] < weight <= 1.0:
            best = (weight, lang)
    return best[1]


def sentence(error: CourtroomError, lang: Language) -> str:
    """What a person is told; a code without a sentence gets the general one."""
    for key in (f"refused.{error.code}", f"error.{error.code}"):
        if known(key):
            try:
                return text(key, lang, **error.detail)
            except (KeyError, IndexError):
                break  # the sentence wants a value that this refusal does not carry
    return text("error.general", lang)


def status_of(error: CourtroomError) -> int:
    if error.code in _STATUS:
        return _STATUS[error.code]
    match error:
        case Refused():
            return 409
        case BadMessage():
            return 400
        case Unavailable():
            return 503
        case _:
            return 500


def problem(error: CourtroomError, lang: Language) -> web.Response:
    """The answer for ``error``. ``detail["at"]``, when there, says where in the body it lies."""
    if error.code in _SAME_AS_UNKNOWN:
        error = not_found()
    status = status_of(error)
    body: dict[str, object] = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "code": error.code,
        "detail": sentence(error, lang),
    }
    if "at" in error.detail:
        body["at"] = error.detail["at"]
    headers = {"Retry-After": "1"} if status in (429, 503) else {}
    return web.Response(
        status=status,
        text=json.dumps(body, ensure_ascii=False),
        content_type="application/problem+json",
        headers={**headers, "Content-Language": lang},
    )
