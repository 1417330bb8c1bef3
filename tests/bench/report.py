"""What was measured, as tables for people, a file for machines and a table for the README; and the goals.

Rules
* A ratio is taken window by window between servers that stood beside each other, then its middle is quoted with the
  smallest and largest.
* Nothing is left out of a table because it is unwelcome: a goal that was missed says so, a server that was not there
  has a reason instead of numbers.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.windows import Window, percentile, spread

FILE = Path("build/bench.json")
MISSING = 3.0  # %, beyond what the edges of a window explain
METHOD = (
    "Media: VP8 as bursts of 25 frames a second, Opus every 20 ms, AES-128-GCM; clients report as browsers do "
    "(transport-cc where offered, SR, RR, REMB). Hearing: 9 seats, 360p at 700 kb/s, all see all; broadcast: 1 to 50, "
    "720p at 1.5 Mb/s.",
    "One load generator process with every seat in it, on the other core, at an address of this machine that is not "
    "127.0.0.1; it reads its sockets each ms, so the servers do not pay for waking it.",
    "CPU = utime + stime of all the server's processes / packets that arrived. Windows of the servers are interleaved; "
    "middle (smallest to largest) is quoted; ratios are between neighbouring windows.",
    "Latency = the kernel's arrival time of a packet at the receiver less the stamp the sender encrypted into it; one "
    "packet in 16 is decrypted and its content compared.",
    "Floor = the same datagrams by recvmmsg and one sendmmsg, no crypto, nothing copied. Join = answer handed over to "
    "last packet of the first whole key frame.",
)  # fmt: skip


def summary(windows: Sequence[Window], *, verbatim: bool) -> dict[str, Any]:
    """One server under one load. ``verbatim``: what it sends is what it got, so content and stamps can be checked."""
    latencies = sorted(one for window in windows for one in window.latencies_us)
    us, low, high = spread([window.us for window in windows])
    middle = statistics.median
    return {
        "us_per_packet": round(us, 2), "us_min": round(low, 2), "us_max": round(high, 2),
        "core_percent": round(middle(window.core for window in windows), 1),
        "packets_in_s": round(middle(window.sent / window.seconds for window in windows)),
        "packets_out_s": round(middle(window.received / window.seconds for window in windows)),
        "loss_percent": round(max(window.loss for window in windows), 3),
        "missing_percent": round(middle(window.missing for window in windows), 2) if verbatim else 0,
        "checked": sum(window.checked for window in windows) if verbatim else 0,
        "wrong": sum(window.wrong for window in windows) if verbatim else 0,
        "latency_p50_us": percentile(latencies, 0.5) if verbatim else None,
        "latency_p99_us": percentile(latencies, 0.99) if verbatim else None,
        "repairs": sum(window.repairs for window in windows),
        "client_percent": round(max(window.client_cpu / window.seconds * 100 for window in windows), 1),
        "client_dropped": sum(window.dropped for window in windows),
        "client_late_us": max(window.late_us for window in windows),
        "fair": all(window.fair for window in windows),
        "us_windows": [round(window.us, 2) for window in windows],
    }  # fmt: skip


def ratio(mine: dict[str, Any], other: dict[str, Any]) -> tuple[float, float, float]:
    return spread([a / b for a, b in zip(mine["us_windows"], other["us_windows"], strict=True)])


def waits(times: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(times)
    return {
        "p50_ms": round(statistics.median(ordered), 1), "worst_ms": round(ordered[-1], 1),
        "times_ms": [round(one, 1) for one in times],
    }  # fmt: skip


def goals(report: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """(what, goal, measured, met) of everything that was measured in this run."""
    rows: list[tuple[str, str, str, bool]] = []
    for load in ("hearing", "broadcast"):
        servers = report.get(load, {})
        for name, limit in (("janus", 0.30), ("janus-2-loops", 0.45), ("floor", 3.0)):
            if "ours" in servers and name in servers:
                middle, low, high = ratio(servers["ours"], servers[name])
                rows.append((
                    f"{load}: CPU, ours / {name}", f"≤ {limit:.2f}", f"{middle:.2f} ({low:.2f}-{high:.2f})",
                    middle <= limit,
                ))  # fmt: skip
        if "ours" in servers and "janus" in servers:
            mine, theirs = servers["ours"]["latency_p99_us"], servers["janus"]["latency_p99_us"]
            rows.append(
                (
                    f"{load}: added latency p99",
                    f"≤ Janus, {theirs / 1000:.2f} ms",
                    f"{mine / 1000:.2f} ms",
                    mine <= theirs,
                )
            )
    mine = report.get("join", {}).get("ours")
    if mine:
        for what, limit in (("lone", 60), ("together", 300)):
            value = mine[what]["p50_ms"]
            rows.append((f"join: first key frame, {what}, p50", f"≤ {limit} ms", f"{value:.0f} ms", value <= limit))
    mine = report.get("capacity", {}).get("ours")
    if mine:
        count = mine["hearings"]
        rows.append(("hearings on one core", "≥ 10", f"{count} (ended by {mine['ended_by']})", count >= 10))
    return rows


def show(report: dict[str, Any]) -> None:
    for name, why in report.get("absent", {}).items():
        print(f"{name}: {why}")
    console = Console(width=None if sys.stdout.isatty() else 150)  # a file has no width to fit into
    for table in _tables(report):
        console.print(table)


def save(report: dict[str, Any]) -> None:
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def markdown() -> str:
    """The tables of the last run for the README."""
    report = json.loads(FILE.read_text(encoding="utf-8"))
    lines = [f"{name}: {why}\n" for name, why in report.get("absent", {}).items()]
    for table in _tables(report):
        lines += [f"**{table.title}**", ""] if table.title else []
        lines.append("| " + " | ".join(str(column.header) for column in table.columns) + " |")
        lines.append("|" + "---|" * len(table.columns))
        cells = [list(column.cells) for column in table.columns]
        lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in zip(*cells, strict=True)]
        lines.append("")
    lines += [f"{number}. {line}" for number, line in enumerate(METHOD, 1)]
    return "\n".join(lines)


def _tables(report: dict[str, Any]) -> list[Table]:
    tables = [_load(report, load) for load in ("hearing", "broadcast") if load in report]
    if "join" in report:
        table = Table("server", "lone joiner p50 ms", "worst", "nine at once p50 ms", "worst", title="First key frame")
        for name, one in report["join"].items():
            table.add_row(
                name, *(f"{one[what][key]:.0f}" for what in ("lone", "together") for key in ("p50_ms", "worst_ms"))
            )
        tables.append(table)
    if "capacity" in report:
        table = Table(
            "server", "hearings", "ended by", "core %", "µs/packet", "p99 ms", title="Nine-seat hearings on one core"
        )
        for name, one in report["capacity"].items():
            best = next((step for step in one["steps"] if step["hearings"] == one["hearings"]), one["steps"][0])
            table.add_row(
                name, str(one["hearings"]), one["ended_by"], f"{best['core_percent']:.0f}",
                f"{best['us_per_packet']:.1f}",
                f"{best['latency_p99_us'] / 1000:.1f}",
            )  # fmt: skip
        tables.append(table)
    if "browsers" in report:
        table = Table("in Chromium", "p50 ms", "worst ms", title="What people wait for")
        for name, one in report["browsers"].items():
            table.add_row(name, f"{one['p50_ms']:.0f}", f"{one['worst_ms']:.0f}")
        tables.append(table)
    rows = goals(report)
    if rows:
        table = Table("goal", "asked", "measured", "", title="Goals")
        for what, goal, measured, met in rows:
            table.add_row(what, goal, measured, "met" if met else "MISSED")
        tables.append(table)
    return tables


def _defects(one: dict[str, Any]) -> str:
    missing = f", {one['missing_percent']:.0f} % MISSING" if one["missing_percent"] > MISSING else ""
    return missing + (f", {one['wrong']} WRONG" if one["wrong"] else "")


def _load(report: dict[str, Any], load: str) -> Table:
    title = {"hearing": "Hearing, 9 seats", "broadcast": "Broadcast, 1 to 50"}[load]
    table = Table(
        "server", "µs/packet", "× floor", "ours / it", "core %", "in/s", "out/s", "loss %", "p50 ms", "p99 ms",
        "kB/seat", "client %", title=title,
    )  # fmt: skip
    servers = report[load]
    for name, one in servers.items():
        beside = {other: servers.get(other) for other in ("ours", "floor")}
        ours = (
            beside["ours"]
            and len(beside["ours"]["us_windows"]) == len(one["us_windows"])
            and ratio(beside["ours"], one)
        )
        times = beside["floor"] and one["us_per_packet"] / beside["floor"]["us_per_packet"]
        p50, p99 = one["latency_p50_us"], one["latency_p99_us"]
        table.add_row(
            name + (f" ({one['scale']})" if one.get("scale") else ""),
            f"{one['us_per_packet']:.1f} ({one['us_min']:.1f}-{one['us_max']:.1f})",
            f"{times:.2f}" if times else "",
            f"{ours[0]:.3g}" if ours and name != "ours" else "",
            f"{one['core_percent']:.0f}", str(one["packets_in_s"]), str(one["packets_out_s"]),
            f"{one['loss_percent']:.2f}" + _defects(one),
            f"{p50 / 1000:.2f}" if p50 is not None else "-", f"{p99 / 1000:.2f}" if p99 is not None else "-",
            f"{one['kb_per_seat']:.0f}", f"{one['client_percent']:.0f}" + ("" if one["fair"] else " TOO BUSY"),
        )  # fmt: skip
    return table
