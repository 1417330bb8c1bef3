"""There is no way to remove a recording: not by a route, not by a command, not by anything this code calls on one.

The inventory is complete on purpose: whoever adds a call that removes a file has to add it here, and say what it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from courtroom.__main__ import main as courtroom
from courtroom.hearing.commands import COMMANDS
from courtroom.hearing.events import EVENTS
from courtroom.server.openapi import _ROUTES
from recorder.__main__ import main as recorder

ROOT = Path(__file__).resolve().parents[2]
REMOVES = {"unlink", "rmtree", "rmdir", "remove", "removedirs", "truncate", "ftruncate"}
WORDS = re.compile(r"(delete|remove|purge|erase|destroy|wipe|discard|expire)", re.IGNORECASE)

KNOWN = {
    "courtroom/control/copies.py": "the order of a marked copy once it is made",
    "courtroom/control/docket.py": "the folder of this process's own sockets",
    "courtroom/store/attachments.py": "the draft of an upload, and a file the court has just refused to take",
    "courtroom/store/files.py": "the draft of a secret file",
    "courtroom/store/keys.py": "a signing key that never came into force",
    "recorder/archive.py": "work of the job, beside the archive, after that has its name",
    "recorder/bag.py": "work of the job, beside the archive",
    "recorder/compose.py": "work of the job: what chunks were made of",
    "recorder/indexfile.py": "work of the job: an index made anew",
    "recorder/join.py": "work of the job: a programme that was not finished",
    "recorder/places.py": "the draft of a second copy",
    "recorder/reserve.py": "room set aside, which holds nothing",
    "recorder/segment.py": "a file that could not even take its header",
    "recorder/writer.py": "its socket",
}
"""Where anything is removed at all, and what: never a sealed segment, a ledger, a programme or a bag."""


def sources() -> Iterator[Path]:
    for folder in ("courtroom", "recorder"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def removals(path: Path) -> list[str]:
    """Every mention of what removes or shortens a file; ``remove`` of collections is about members and not meant."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in REMOVES
        and (node.attr != "remove" or ast.unparse(node.value) == "os")
    ]  # fmt: skip


def test_files_are_removed_in_the_named_places_only() -> None:
    found = {str(path.relative_to(ROOT)): calls for path in sources() if (calls := removals(path))}
    assert "recorder/bag.py" in found, "the search finds something"
    assert not {name: calls for name, calls in found.items() if name not in KNOWN}, "name it here: what does it remove?"


def commands(group: click.Group, prefix: str) -> Iterator[str]:
    for name, command in group.commands.items():
        yield f"{prefix} {name}"
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield from (f"{prefix} {name} {option}" for param in command.params for option in param.opts)


def test_no_command_speaks_of_removing() -> None:
    every = [*commands(courtroom, "courtroom"), *commands(recorder, "recorder")]
    assert len(every) > 40
    assert [one for one in every if WORDS.search(one)] == []


def test_the_only_delete_on_the_wire_hangs_up_a_transport() -> None:
    assert [path for method, path, *_ in _ROUTES if method == "delete"] == ["/hearings/{id}/media/{transport}"]
    assert [path for _, path, *_ in _ROUTES if WORDS.search(path)] == []


def test_no_word_of_the_court_removes_a_record() -> None:
    """``remove`` is a seat that the court sends out; the ledger, as ever, keeps it."""
    assert [name for name in (*COMMANDS, *EVENTS) if WORDS.search(name) and name != "remove"] == []


@pytest.mark.parametrize("table", ["entries", "heads"])
def test_the_store_never_deletes_from_the_ledger(table: str) -> None:
    for path in (ROOT / "courtroom/store").glob("*.py"):
        text = path.read_text(encoding="utf-8").lower()
        assert not re.search(rf"(delete\s*\(\s*{table}|delete from {table}|{table}\.delete|drop table)", text), (
            path.name
        )
