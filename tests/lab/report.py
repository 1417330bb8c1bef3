"""What the laboratory found, for people (a table) and for programs (``build/<name>.json``)."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BUILD = Path("build")


def percentile(values: Sequence[float], share: float) -> float | None:
    """By nearest rank; ``None`` of nothing."""
    return sorted(values)[max(1, math.ceil(share / 100 * len(values))) - 1] if values else None


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table whose columns stand under each other."""
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in [list(head), *texts]) for at in range(len(head))]
    lines = [list(head), ["-" * width for width in widths], *texts]
    return "\n".join(
        "| " + " | ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _text(cell: Any) -> str:
    return "-" if cell is None else f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def save(name: str, found: dict[str, Any]) -> Path:
    BUILD.mkdir(exist_ok=True)
    path = BUILD / f"{name}.json"
    about = {
        "at": int(time.time()),
        "cores": os.cpu_count(),
        "machine": platform.platform(),
        "load": os.getloadavg()[0],
    }
    path.write_text(json.dumps({"about": about, **found}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def earlier(name: str) -> dict[str, Any]:
    """What is there from a run before, for runs in pieces; {} if nothing is."""
    try:
        found = json.loads((BUILD / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
