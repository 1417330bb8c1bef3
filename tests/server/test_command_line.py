"""The command line as a person or a machine uses it: real processes, real store, real workers."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from courtroom.hearing.ledger import from_line, verify_chain

START_S = 60
STOP_S = 30
ROOT = Path(__file__).resolve().parents[2]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "courtroom", *arguments]


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, check=False, capture_output=True, text=True, cwd=ROOT, timeout=START_S)


@contextmanager
def demo(data: Path, by: signal.Signals) -> Iterator[tuple[list[str], dict[str, str]]]:
    """A demo court on free ports: what it said before it was ready, and the ready line. Ended by ``by``."""
    arguments = command("demo", "--data", str(data), "--port", "0", "--media-port", "0", "--workers", "1")
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        said: list[str] = []
        for line in process.stdout:
            if line.startswith("{"):
                yield said, json.loads(line)
                break
            said.append(line.rstrip("\n"))
        else:
            pytest.fail(process.stderr.read())
    finally:
        process.send_signal(by)
        _, errors = process.communicate(timeout=STOP_S)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert not [line for line in errors.splitlines() if '"level": "error"' in line], errors


def test_a_demo_starts_ends_cleanly_and_is_the_same_the_next_time(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with demo(data, signal.SIGTERM) as (first, ready):
        assert ready["event"] == "ready"
        assert set(ready) == {"event", "url", "media"}
        assert ready["media"][0].startswith("udp:127.0.0.1:")
        links = [line.split("\t")[1].removeprefix(ready["url"]) for line in first[:-1]]
        assert [line.split()[0] for line in first[:-1]] == [
            "presiding_judge",
            "clerk",
            "plaintiff",
            "defendant",
            "witness",
        ]
        token = first[-1].split()[-1]
        with urlopen(f"{ready['url']}/readyz", timeout=10) as answer:
            assert json.load(answer)["ready"] is True
        request = Request(f"{ready['url']}/api/v1/hearings", headers={"Authorization": f"Bearer {token}"})
        with urlopen(request, timeout=10) as answer:
            (hearing,) = json.load(answer)
        second_owner = run(command("serve", "--data", str(data), "--port", "0"))
        assert second_owner.returncode == 1
        assert "data_in_use" in second_owner.stderr
        for link in links:
            with urlopen(ready["url"] + link, timeout=10) as answer:
                assert answer.status == 200
    with demo(data, signal.SIGINT) as (again, ready):
        assert [line.split("\t")[1].removeprefix(ready["url"]) for line in again[:-1]] == links
        assert again[-1].split()[-1] == token
    for path in (data, data / "court.sqlite3", data / "demo.json", data / "staff.token", data / "vault.key"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    out = tmp_path / "out"
    arguments = command("export", hearing["id"], "--data", str(data), "--to", str(out))
    assert run(arguments).returncode == 0
    entries = [from_line(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
    assert entries[0].type == "hearing_created"
    assert verify_chain(entries) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--port", "x"], "--port"),
        (["serve", "--redis-url", "redis://localhost"], "--redis-url"),
        (["serve", "--host", "a b"], "--host"),
        (["export", "h-none", "--to", "x"], "not_found"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    arguments = [*arguments, "--data", str(tmp_path / "data")]
    done = run(command(*arguments))
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
