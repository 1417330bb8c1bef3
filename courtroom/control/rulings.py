"""A ruling on an absence names the draft that lay before the judge (COURT.md 6).

Rules: a draft that is named must be the one that the ledger gives up to the entry it names, or the ruling is refused; a
ruling that names none gets the one that the ledger gives now. Replaying a long ledger blocks: it is done in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from courtroom.documents.law import rule_table
from courtroom.hearing import drafts
from courtroom.hearing.commands import Rule
from courtroom.hearing.ledger import Entry
from courtroom.hearing.refusals import refusal


async def with_draft(command: Rule, entries: Sequence[Entry]) -> Rule:
    """The same ruling with a draft that holds; ``Refused("draft_unknown")``."""
    return await asyncio.to_thread(_with_draft, command, entries)


def _with_draft(command: Rule, entries: Sequence[Entry]) -> Rule:
    if not command.draft:
        made = drafts.draft(entries, command.seat, rule_table())
        return replace(command, draft=drafts.digest(made), draft_seq=made.seq)
    if not 0 < command.draft_seq <= len(entries):
        raise refusal("draft_unknown")
    made = drafts.draft(entries[: command.draft_seq], command.seat, rule_table())
    if drafts.digest(made) != command.draft:
        raise refusal("draft_unknown")
    return command
