"""One staged hearing, composed and sealed once; every test that changes it works on a copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from courtroom.hearing import events as e
from courtroom.hearing.ledger import to_line
from courtroom.hearing.model import Policy
from tests.recorder.stage import SECOND, START, Script, Sender, every, save_people, write_capture, write_key

LENGTH = 10
FLASH = every(2.0, 0.12)


@dataclass(frozen=True)
class Stage:
    folder: Path
    key: Ed25519PrivateKey

    @property
    def programme(self) -> Path:
        return self.folder / "bag" / "data" / "programme.mp4"

    @property
    def bag(self) -> Path:
        return self.folder / "bag"

    def copy(self, to: Path) -> Path:
        shutil.copytree(self.bag, to)
        return to


def stage(folder: Path) -> Stage:
    """Four seats, ten seconds: flashes and beeps of the judge, H.264 from the defendant, a clerk whose camera goes
    off."""
    senders = [
        Sender("s-judge", 1, -400 * SECOND, 1, bright=FLASH, loud=lambda t: 0.5 if FLASH(t) else 0.0),
        Sender("s-plaintiff", 2, 90 * SECOND, 2, loud=lambda t: 0.2 if t < 5 else 0.0),
        Sender("s-defendant", 3, 7, 3, video_codec="h264", loud=lambda t: 0.2 if t > 5 else 0.0),
        Sender("s-clerk", 4, 12345, 4, loud=lambda t: 0.0, camera=lambda t: t < 3),
    ]
    sealed = write_capture(folder / "capture", senders, LENGTH)
    script = Script(Policy("none", "record")).open()
    script.say(START + 3 * SECOND, e.DevicesChanged(seat="s-clerk", microphone="on", camera="off"))
    script.say(START + 4 * SECOND, e.PhaseChanged(phase="investigation", previous="open"), "s-judge")
    script.close(START + LENGTH * SECOND, sealed)
    script.save(folder / "ledger.jsonl")
    save_people(folder / "people.json")
    key = write_key(folder / "key.pem")
    (folder / "head.json").write_text(to_line(script.head(key)), encoding="utf-8")
    return Stage(folder, key)


def run_archive(folder: Path) -> subprocess.CompletedProcess[str]:
    names = ("capture", "ledger.jsonl", "people.json", "head.json", "key.pem", "bag")
    capture, ledger, people, head, key, out = (str(folder / name) for name in names)
    inputs = ["--capture", capture, "--ledger", ledger, "--people", people, "--head", head, "--key", key]
    command = [sys.executable, "-m", "recorder", "archive", *inputs, "--out", out, "--progress", "json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    made = stage(tmp_path_factory.mktemp("stage"))
    done = run_archive(made.folder)
    assert done.returncode == 0, done.stderr
    (made.folder / "progress.txt").write_text(done.stdout)
    return made
