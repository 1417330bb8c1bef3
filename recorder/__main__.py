"""The recorder's command line: ``writer``, ``mirror`` (of control), ``compose``, ``archive``, ``stamp``, ``verify``, …

Progress is JSON lines on stdout (``--progress json``): ``{"event": "progress", "stage": "compose" | "seal",
"percent", "eta_s"}``. Exit codes: 0 done and in order; 1 an archive that does not hold, or a job that failed for a
reason it names; 2 cannot be read at all; 3 no mark found (``detect``).
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


@main.command(help="Makes second copies; started by the courtroom on an inherited socket.")
@click.option("--fd", type=int, required=True)
def mirror(fd: int) -> None:
    from recorder.mirror import main as run

    run(fd)


@main.command(help="Renders chunks of a programme; started by compose, which says on stdin which.", hidden=True)
@click.option("--work", type=_FOLDER, required=True)
def chunks(work: Path) -> None:
    from recorder.compose import be_nice, work_on

    be_nice()
    with _failures():
        work_on(work, iter(sys.stdin.readline, ""), sys.stdout)


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
        click.option("--workers", type=click.IntRange(0, 64), default=0, show_default=True, help="0: one a core."),
        click.option("--size", type=click.Choice(["720p", "1080p"]), default="720p", show_default=True),
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
    capture: Path,
    ledger: Path,
    people: Path,
    out: Path,
    font: Path | None,
    lang: Language,
    threads: int,
    workers: int,
    progress: str,
    size: str,
) -> None:
    from recorder.bag import write_log
    from recorder.compose import Order, be_nice
    from recorder.compose import compose as make
    from recorder.timeline import recording_log

    be_nice()
    with _failures():
        order = Order(capture, ledger, people, out, font, lang, threads, size, workers)
        recording = make(order, _teller("compose", progress))
        write_log(out.with_suffix(".log.json"), recording_log(recording))


@main.command(help="Seal a capture and its programme as a BagIt folder.")
@click.option("--capture", type=_FOLDER, required=True)
@click.option("--ledger", type=_FILE, required=True)
@click.option("--head", type=_FILE, required=True, help="Signed head of the ledger.")
@click.option("--people", type=_FILE, required=True)
@click.option("--programme", type=_FILE, required=True)
@click.option("--key", type=_FILE, required=True, help="Ed25519 private key, PEM.")
@click.option("--keys", type=_FILE, help="Keyring of the court.")
@click.option("--out", type=_ANY, required=True)
def bag(
    capture: Path, ledger: Path, head: Path, people: Path, programme: Path, key: Path, keys: Path | None, out: Path
) -> None:
    from recorder.bag import Contents, pack

    with _failures():
        contents = Contents(capture, ledger, head, people, programme, key, time.time_ns() // 1000, keys)
        pack(contents, out, out.with_name(out.name + ".bagging"))


@main.command(help="Compose and seal in one go; resumes after a crash, does nothing when the archive is there.")
@_common
@click.option("--head", type=_FILE, required=True, help="Signed head of the ledger.")
@click.option("--key", type=_FILE, required=True, help="Ed25519 private key, PEM.")
@click.option("--keys", type=_FILE, help="Keyring of the court.")
@click.option("--tsa-url", default="", help="Time-stamp authority (RFC 3161).")
@click.option("--tsa-ca", type=_FILE, help="Certificate the authority is trusted through, PEM.")
def archive(
    capture: Path,
    ledger: Path,
    people: Path,
    out: Path,
    font: Path | None,
    lang: Language,
    threads: int,
    workers: int,
    size: str,
    progress: str,
    head: Path,
    key: Path,
    keys: Path | None,
    tsa_url: str,
    tsa_ca: Path | None,
) -> None:
    from recorder.archive import Authority
    from recorder.archive import archive as make
    from recorder.compose import Order, be_nice

    be_nice()
    with _failures():
        order = Order(capture, ledger, people, out, font, lang, threads, size, workers)
        authority = Authority(tsa_url, tsa_ca) if tsa_url and tsa_ca else None
        tellers = _teller("compose", progress), _teller("seal", progress)
        unstamped = make(order, head, key, time.time_ns() // 1000, *tellers, keys=keys, authority=authority)
    if unstamped:
        print(json.dumps({"event": "unstamped", "code": unstamped}), flush=True)


@main.command(help="Time-stamp a sealed archive (RFC 3161); one that is stamped is left as it is.")
@click.argument("path", type=_FOLDER)
@click.option("--tsa-url", required=True, help="Time-stamp authority.")
@click.option("--tsa-ca", type=_FILE, required=True, help="Certificate the authority is trusted through, PEM.")
def stamp(path: Path, tsa_url: str, tsa_ca: Path) -> None:
    from recorder.bag import stamp as make

    with _failures():
        made = make(path, tsa_url, tsa_ca.read_bytes())
        print(json.dumps({"event": "stamped", "at": made.at, "authority": made.authority, "serial": made.serial}))


@main.command(help="Check an archive with nothing but its folder.")
@click.argument("path", type=_ANY)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable report on stdout.")
@click.option("--lang", type=click.Choice(list(LANGUAGES)), default="zh", show_default=True)
@click.option("--key", default="", help="Public key (hex) the archive must be signed with.")
@click.option("--trust", type=_FILE, help="The court's trust file (courtroom keys list --json).")
@click.option("--tsa-ca", type=_FILE, multiple=True, help="Certificate of a time-stamp authority, PEM (repeatable).")
@click.option("--ledger", type=_FILE, help="A later ledger of the hearing (courtroom export): holds, going on.")
@click.option("--full", is_flag=True, help="SM3 of every byte also in large archives.")
def verify(
    path: Path,
    as_json: bool,
    lang: Language,
    key: str,
    trust: Path | None,
    tsa_ca: tuple[Path, ...],
    ledger: Path | None,
    full: bool,
) -> None:
    from recorder.ledgerfile import anchors_of
    from recorder.report import show
    from recorder.verify import verify as check

    with _failures():
        anchors = anchors_of(key, trust, tsa_ca, ledger)
    report = check(path, key, anchors, full)
    if as_json:
        print(json.dumps(report.as_dict(), ensure_ascii=False))
    else:
        show(report, lang)
    sys.exit(report.exit_code)


@main.command(help="Who spoke when in a sealed archive, as JSON on stdout.")
@click.argument("path", type=_FOLDER)
def speakers(path: Path) -> None:
    from recorder.compose import be_nice
    from recorder.speakers import speakers as find

    be_nice()
    with _failures():
        print(json.dumps(find(path)))


@main.command(help="Make one recipient's marked copy of a programme; does nothing when it is there.")
@click.option("--programme", type=_FILE, required=True, help="programme.mp4 of a sealed archive.")
@click.option("--out", type=_ANY, required=True)
@click.option("--mark-key", type=_FILE, required=True, help="The court's key of the marks, 32 bytes.")
@click.option("--copy", "number", required=True, help="Id of the copy, 16 hex digits.")
@click.option("--label", type=_FILE, required=True, help="Text file: what the visible mark says.")
@click.option("--font", type=click.Path(exists=True, path_type=Path), help="Simplified-Chinese font file or folder.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Of the encoder.")
@click.option("--progress", type=click.Choice(["json", "none"]), default="none")
def copy(
    programme: Path, out: Path, mark_key: Path, number: str, label: Path, font: Path | None, threads: int, progress: str
) -> None:
    from recorder.compose import be_nice
    from recorder.mark.embed import Order, digest_of, read_label
    from recorder.mark.embed import copy as make

    be_nice()
    with _failures():
        order = Order(programme, out, mark_key, number, read_label(label), font, threads)
        make(order, _teller("copy", progress))
        print(json.dumps({"event": "copied", "sha256": digest_of(out)}), flush=True)


@main.command(help="Whose copy was a leaked clip made from? Exit code 0: a copy is named, 3: none is.")
@click.argument("clip", type=_FILE)
@click.option("--programme", type=_FILE, required=True, help="programme.mp4 of the sealed archive.")
@click.option("--ledger", type=_FILE, required=True, help="Ledger with the issued copies (courtroom export).")
@click.option("--mark-key", type=_FILE, required=True, help="The court's key of the marks, 32 bytes.")
@click.option("--from", "begin", type=click.FloatRange(0, 86_400), default=0.0, help="Second of the clip to begin at.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable report on stdout.")
@click.option("--lang", type=click.Choice(list(LANGUAGES)), default="zh", show_default=True)
def detect(
    clip: Path, programme: Path, ledger: Path, mark_key: Path, begin: float, as_json: bool, lang: Language
) -> None:
    from recorder.compose import be_nice
    from recorder.mark.detect import Programme
    from recorder.mark.detect import detect as find
    from recorder.mark.embed import read_key
    from recorder.mark.report import as_dict, issued_in, sentences

    be_nice()
    with _failures():
        issued = issued_in(ledger)
        report = find(clip, Programme(programme), read_key(mark_key), list(issued), begin)
    if as_json:
        print(json.dumps(as_dict(report, issued), ensure_ascii=False))
    else:
        print("\n".join(sentences(report, issued, lang)))
    sys.exit(0 if report.found else 3)


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
