"""The command line: ``courtroom serve | demo | verify | export | keys | worker``; options from ``config.FIELDS``."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from courtroom import config
from courtroom.config import SettingsError, shell_language
from courtroom.errors import CourtroomError

T = TypeVar("T")


def _settings_options(command: Callable[..., None]) -> Callable[..., None]:
    for one in reversed(config.FIELDS):
        command = click.option(
            one.option,
            one.name,
            is_flag=one.flag,
            multiple=one.many,
            default=None if not one.many else (),
            help=f"{one.help} [{one.variable}]",
        )(command)
    return command


def _load(flags: dict[str, Any]) -> config.Settings:
    try:
        return config.load(flags)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


def _serve(flags: dict[str, Any], demo: bool) -> None:
    from courtroom import bootstrap
    from courtroom.server.problems import sentence

    try:
        bootstrap.run(_load(flags), demo=demo)
    except CourtroomError as error:
        raise click.ClickException(f"{sentence(error, shell_language())} ({error.code})") from error
    except OSError as error:
        raise click.ClickException(error.strerror or type(error).__name__) from error


def _run(work: Callable[[], T]) -> T:
    """What ``work`` gives; its refusal as a sentence."""
    from courtroom.server.problems import sentence

    try:
        return work()
    except CourtroomError as error:
        raise click.ClickException(f"{sentence(error, shell_language())} ({error.code})") from error


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """An online courtroom."""


@main.command()
@_settings_options
def serve(**flags: Any) -> None:
    """Serve hearings until told to stop."""
    _serve(flags, demo=False)


@main.command()
@_settings_options
def demo(**flags: Any) -> None:
    """Serve with a fictional hearing: prints one link per seat and the staff token."""
    _serve({**flags, "allow_unchecked": True}, demo=True)


@main.command()
@_settings_options
@click.argument("hearing")
@click.option(
    "--to", "to", type=click.Path(path_type=Path, file_okay=False), required=True, help="directory to write to"
)
def export(hearing: str, to: Path, **flags: Any) -> None:
    """Write the ledger and signed head of HEARING to a directory."""
    from courtroom import bootstrap
    from courtroom.server.problems import sentence

    try:
        count = bootstrap.export(_load(flags), hearing, to)
    except CourtroomError as error:
        raise click.ClickException(f"{sentence(error, shell_language())} ({error.code})") from error
    click.echo(f"{count} entries")


@main.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, add_help_option=False)
@click.pass_context
def verify(context: click.Context) -> None:
    """Verify an archive bag; needs nothing but the bag."""
    recorder = importlib.import_module("recorder.__main__")
    recorder.main(args=["verify", *context.args], prog_name="courtroom")


@main.group("keys")
def signing_keys() -> None:
    """The court's signing keys."""


@signing_keys.command("list")
@_settings_options
@click.option("--json", "as_json", is_flag=True, help="as trust file for the verifier (--trust)")
def list_keys(as_json: bool, **flags: Any) -> None:
    """Every signing key this court ever had, oldest first."""
    from courtroom import bootstrap
    from courtroom.hearing.keyring import to_value

    ring = _run(lambda: bootstrap.keyring(_load(flags)))
    if as_json:
        click.echo(json.dumps(to_value(ring)))
        return
    for one in ring:
        since = datetime.fromtimestamp(one.since // 1_000_000, UTC).isoformat() if one.since else "-"
        click.echo(f"{one.id}  {since:<25}  {one.key}")


@signing_keys.command("rotate")
@_settings_options
def rotate_key(**flags: Any) -> None:
    """Make a new signing key, endorsed by the present one; the court must not be running."""
    from courtroom import bootstrap

    click.echo(_run(lambda: bootstrap.rotate_keys(_load(flags))).id)


@main.command(hidden=True)
@click.option("--fd", type=int, required=True)
def worker(fd: int) -> None:
    """A media worker on an inherited socket; started by control."""
    from courtroom.worker.main import run

    sys.exit(run(fd))


if __name__ == "__main__":
    main()
