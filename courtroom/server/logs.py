"""Logs: one JSON object a line on stderr, and never a token, a name, a path or a body in it.

Rules
* A request is logged by its route (``/j/{token}``), never by what stood in the address.
* An exception is logged as its type and its stack, never its message: messages quote what people sent.
* Lines of libraries go through the same door, cut to ``MAX_EVENT`` characters.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from types import TracebackType
from typing import Final, TextIO

import structlog

MAX_EVENT: Final = 300
MAX_FRAMES: Final = 30

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def stack(error: BaseException) -> list[str]:
    """``file:line function`` of the frames an exception went through, innermost last; no values."""
    frames: list[str] = []
    trace = error.__traceback__
    while trace is not None and len(frames) < MAX_FRAMES:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return frames


class JsonLine(logging.Formatter):
    """A record of any library as one JSON line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": time.time_ns() // 1000,
            "level": record.levelname.lower(),
            "from": record.name,
            "event": record.getMessage()[:MAX_EVENT],
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            line["stack"] = stack(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _fault(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    error = event.pop("fault", None)
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["stack"] = stack(error)
    event["at"] = time.time_ns() // 1000
    return event


def configure(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Sends everything to ``stream`` (stderr); called once by ``bootstrap``."""
    out = sys.stderr if stream is None else stream
    door = logging.StreamHandler(out)
    door.setFormatter(JsonLine())
    root = logging.getLogger()
    root.handlers[:] = [door]
    root.setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.processors.add_log_level, _fault, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )


log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
