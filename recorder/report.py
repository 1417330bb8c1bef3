"""The verifier's report for people, in Chinese or English: what was looked at, the verdict, and every finding in words.

Rules: the verdict stands before the findings and claims no more than they show; a finding is a sentence, what it is
about stands beside it, and its sign is explained; codes are for the JSON.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from courtroom.catalogue import Language, text
from recorder.findings import Report

_SIGNS: Final = {"ok": ("✓", "green"), "note": ("·", "yellow"), "fail": ("✗", "bold red")}
_HINTS: Final = ("trust_none", "timestamp_unanchored", "files_sha256")
"""Findings that an option of the command could make say more."""


def show(report: Report, lang: Language, console: Console | None = None) -> None:
    console = console or Console()
    for line in report.about:
        console.print(Text(line.text(lang)))
    console.print(_verdict(report, lang))
    console.print(_table(report, lang))
    counts = Counter(check.level for check in report.checks)
    console.print(Text(text("verify.legend", lang, ok=counts["ok"], note=counts["note"], fail=counts["fail"])))
    seal = report.seal
    if isinstance(seal.get("root_sha256"), str):
        console.print(Text(text("verify.root", lang, sha=seal["root_sha256"], sm3=str(seal.get("root_sm3", "")))))
    told = {check.name for check in report.checks}
    for name in _HINTS:
        if name in told:
            console.print(Text(text(f"verify.hint.{name}", lang), "dim"))


def _verdict(report: Report, lang: Language) -> Text:
    """``unanchored``: nothing was changed, and by whom it was sealed was not asked."""
    if not report.readable:
        return Text(text("verify.verdict.unreadable", lang), "bold red")
    if not report.ok:
        failed = sum(not check.ok for check in report.checks)
        return Text(text("verify.verdict.changed", lang, count=failed), "bold red")
    anchored = not any(check.name == "trust_none" for check in report.checks)
    return Text(text("verify.verdict.ok" if anchored else "verify.verdict.unanchored", lang), "bold green")


def _table(report: Report, lang: Language) -> Table:
    table = Table(show_lines=False, pad_edge=False)
    table.add_column("")
    table.add_column(text("verify.column.part", lang), overflow="fold")
    table.add_column(text("verify.column.finding", lang), overflow="fold")
    for check in report.checks:
        table.add_row(Text(*_SIGNS[check.level]), Text(check.part(lang)), Text(check.text(lang)))
    return table
