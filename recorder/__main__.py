"""The recorder's command line: ``writer`` (a process of control), ``compose``, ``bag``, ``archive`` (both), ``verify``.

Progress is JSON lines on stdout (``--progress json``): ``{"event": "progress", "stage": "compose" | "seal",
"percent", "eta_s"}``. Exit codes: 0 done and in order; 1 an archive that does not hold, or a job that failed for a
reason it names; 2 cannot be read at all.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from courtroom.catalogue import LANGUAGES, Language
from courtroom.errors import CourtroomError
from recorder import VERSION

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
_ANY: Final = click.Path(path_type=Path)


@click.group(help="Captures, composes, seals and verifies recordings of hearings.")
@click.version_option(VERSION)
def main() -> None:
    pass


@main.command(help="Capture writer; started by the courtroom on an inherited socket.")
@click.option("--fd", type=int, required=True)
def writer(fd: int) -> None:
    from recorder.writer import main as run

    sys.exit(run(fd))


def _common(command: Any) -> Any:
    options = (
        click.option("--capture", type=_FOLDER, required=True, help="Folder of one take."),
        click.option("--ledger", type=_FILE, required=True, help="Ledger as JSON lines."),
        click.option("--people", type=_FILE, required=True, help="Names as {seat id: name}."),
        click.option("--out", type=_ANY, required=True),
        click.option(
            "--font", type=click.Path(exists=True, path_type=Path), help="Simplified-Chinese font file or folder."
        ),
        click.option("--lang", type=click.Choice(list(LANGUAGES)), default="zh", show_default=True),
        click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Of the encoder."),
        click.option("--progress", type=click.Choice(["json", "none"]), default="none"),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _teller(stage: str, progress: str) -> Any:
    from recorder.compose import progress_line

    def tell(percent: int, eta_s: int | None) -> None:
        if progress == "json":
            print(progress_line(stage, percent, eta_s), flush=True)

    return tell


@main.command(help="Make the programme picture of a hearing.")
@_common
def compose(
    capture: Path, ledger: Path, people: Path, out: Path, font: Path | None, lang: Language, threads: int, progress: str
) -> None:
    from recorder.bag import write_log
    from recorder.compose import Order, be_nice
    from recorder.compose import compose as make
    from recorder.timeline import recording_log

    be_nice()
    with _failures():
        recording = make(Order(capture, ledger, people, out, font, lang, threads), _teller("compose", progress))
        write_log(out.with_suffix(".log.json"), recording_log(recording))


@main.command(help="Seal a capture and its programme as a BagIt folder.")
@click.option("--capture", type=_FOLDER, required=True)
@click.option("--ledger", type=_FILE, required=True)
@click.option("--head", type=_FILE, required=True, help="Signed head of the ledger.")
@click.option("--people", type=_FILE, required=True)
@click.option("--programme", type=_FILE, required=True)
@click.option("--key", type=_FILE, required=True, help="Ed25519 private key, PEM.")
@click.option("--out", type=_ANY, required=True)
def bag(capture: Path, ledger: Path, head: Path, people: Path, programme: Path, key: Path, out: Path) -> None:
    from recorder.bag import Contents, pack

    with _failures():
        contents = Contents(capture, ledger, head, people, programme, key, time.time_ns() // 1000)
        pack(contents, out, out.with_name(out.name + ".bagging"))


@main.command(help="Compose and seal in one go; resumes after a crash, does nothing when the archive is there.")
@_common
@click.option("--head", type=_FILE, required=True, help="Signed head of the ledger.")
@click.option("--key", type=_FILE, required=True, help="Ed25519 private key, PEM.")
def archive(
    capture: Path,
    ledger: Path,
    people: Path,
    out: Path,
    font: Path | None,
    lang: Language,
    threads: int,
    progress: str,
    head: Path,
    key: Path,
) -> None:
    from recorder.archive import archive as make
    from recorder.compose import Order, be_nice

    be_nice()
    with _failures():
        order = Order(capture, ledger, people, out, font, lang, threads)
        make(order, head, key, time.time_ns() // 1000, _teller("compose", progress), _teller("seal", progress))


@main.command(help="Check an archive with nothing but its folder.")
@click.argument("path", type=_ANY)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable report on stdout.")
@click.option("--lang", type=click.Choice(list(LANGUAGES)), default="zh", show_default=True)
@click.option("--key", default="", help="Public key (hex) the archive must be signed with.")
def verify(path: Path, as_json: bool, lang: Language, key: str) -> None:
    from recorder.report import show
    from recorder.verify import verify as check

    report = check(path, key)
    if as_json:
        print(json.dumps(report.as_dict(), ensure_ascii=False))
    else:
        show(report, lang)
    sys.exit(report.exit_code)


class _failures:
    """A reason that a person can act on instead of a traceback; bugs still show theirs."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, CourtroomError):
            print(json.dumps({"event": "failed", "code": error.code, "detail": error.detail}), file=sys.stderr)
            sys.exit(1)
        if isinstance(error, OSError):
            print(
                json.dumps({"event": "failed", "code": "io_error", "detail": {"errno": error.errno}}), file=sys.stderr
            )
            sys.exit(1)


if __name__ == "__main__":
    main()
