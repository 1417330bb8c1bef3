"""Every code that control can raise, and every trouble it shows, has its sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import courtroom.control
from courtroom.catalogue import known

SOURCES = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(courtroom.control.__path__[0]).glob("*.py")))
CODES = sorted(set(re.findall(r"(?:Refused|Unavailable|BadMessage)\(\s*\"(\w+)\"", SOURCES)))
FAULTS = sorted(set(re.findall(r"faults\[\"(\w+)\"\]", SOURCES)))


def test_the_sources_were_read() -> None:
    assert {"no_media_here", "recorder_not_ready", "court_busy"} <= set(CODES)
    assert {"store_failed", "recorder_not_ready"} <= set(FAULTS)


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_its_sentence(code: str) -> None:
    assert known(f"error.{code}") or known(f"refused.{code}")


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_shown_at_the_desk_has_its_notice(code: str) -> None:
    assert known(f"notice.{code}")
