"""Reads the rule table that comes with the court: one file, one version at a time (COURT.md 6).

The table is a JSON file and not Python, so that a lawyer can read, check and amend it without reading code, and so that
its digest, which every draft names, is that of a document. The court core stays pure: it is handed the table.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Final

from courtroom.hearing.rules import RuleTable, parse

FILE: Final = "absence.json"


@lru_cache(maxsize=1)
def rule_table() -> RuleTable:
    """The table; ``BadMessage("rule_table")`` if the file is not one."""
    return parse((resources.files("courtroom.documents") / "rules" / FILE).read_bytes())
