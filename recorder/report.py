"""The verifier's report for people: a table in Chinese or English, and one sentence that says it all."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from courtroom import catalogue
from courtroom.catalogue import Language
from recorder.findings import Report


def show(report: Report, lang: Language, console: Console | None = None) -> None:
    console = console or Console()
    table = Table(show_lines=False, pad_edge=False)
    table.add_column("")
    table.add_column(catalogue.text("verify.column.file", lang), overflow="fold")
    table.add_column(catalogue.text("verify.column.finding", lang), overflow="fold")
    for check in report.checks:
        sign = {"ok": Text("✓", "green"), "note": Text("·", "yellow"), "fail": Text("✗", "bold red")}[check.level]
        table.add_row(sign, Text(check.file), Text(check.text(lang)))
    console.print(table)
    seal = report.seal
    if isinstance(seal.get("root_sha256"), str):
        console.print(
            Text(catalogue.text("verify.root", lang, sha=seal["root_sha256"], sm3=str(seal.get("root_sm3", ""))))
        )
    if not report.readable:
        verdict, style = "verify.verdict.unreadable", "bold red"
    elif report.ok:
        verdict, style = "verify.verdict.ok", "bold green"
    else:
        verdict, style = "verify.verdict.changed", "bold red"
    failed = sum(not check.ok for check in report.checks)
    console.print(Text(catalogue.text(verdict, lang, count=failed), style))
