"""A short run of the fuzzer, and every input that ever found something."""

from __future__ import annotations

from pathlib import Path

import pytest

from courtroom.errors import BadPacket
from tests.fuzz.run import outcome, run, smaller
from tests.fuzz.targets import CORPUS, TARGETS, Target

EXECUTIONS = 100_000
SLOW_US = 50_000
REGRESSIONS = sorted(CORPUS.glob("*/*.bin"))


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_corpus_is_read_or_refused(path: Path) -> None:
    assert outcome(TARGETS[path.parent.name], path.read_bytes()) is None


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_valid(name: str) -> None:
    target = TARGETS[name]
    read = 0
    for seed in target.seeds:
        try:
            target.read(seed)
        except target.allowed:
            continue
        read += 1
    assert read >= len(target.seeds) - 1, "a mutation of garbage tests nothing"


@pytest.mark.parametrize("name", TARGETS)
def test_parser_survives(name: str) -> None:
    total = sum(target.weight for target in TARGETS.values())
    result = run(TARGETS[name], EXECUTIONS * TARGETS[name].weight // total, 2026)
    assert result.finding is None, (result.error, result.finding)
    assert 0 < result.refused < result.executions
    assert result.slowest_us < SLOW_US, f"{result.slowest_us:.0f} µs for {result.slowest_size} octets"


def test_the_fuzzer_finds_and_shrinks_a_bug() -> None:
    def read(data: bytes) -> None:
        if len(data) < 4:
            raise BadPacket("short")
        if data[0] == 0 and data[1] & 1:
            raise IndexError

    target = Target("buggy", read, (bytes(range(64)),))
    result = run(target, 100_000, 1)
    assert result.finding is not None
    assert result.error == "IndexError()"
    assert len(smaller(target, result.finding, IndexError)) == len(result.finding) == 4


@pytest.mark.parametrize(
    "path", [path for path in REGRESSIONS if path.stem.startswith("chromium")], ids=lambda p: p.stem
)
def test_what_a_browser_sent_is_not_refused(path: Path) -> None:
    TARGETS[path.parent.name].read(path.read_bytes())
