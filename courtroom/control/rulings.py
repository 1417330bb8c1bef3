"""A ruling on an absence names the draft that lay before the judge (COURT.md 6).

Rules: a draft that is named must be the one that the ledger gives up to the entry it names, or the ruling is refused; a
ruling that names none gets the one that the ledger gives now. Replaying a long ledger takes
seconds: it is done in a thread, and not in the hearing's turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from courtroom.documents.law import rule_table
from courtroom.hearing import drafts
from courtroom.hearing.commands import Rule
from courtroom.hearing.evolve import settle
from courtroom.hearing.guards import allowed
from courtroom.hearing.ledger import Entry
from courtroom.hearing.model import Hearing
from courtroom.hearing.refusals import refusal


async def drafted(hearing: Hearing, command: Rule, now: int, ledger: Callable[[], Awaitable[Sequence[Entry]]]) -> Rule:
    """The same ruling with a draft that holds; ``Refused("draft_unknown")``. What is not allowed is left as it is: the
    court core says why not."""
    if not allowed(settle(hearing, now), "rule", command.actor, now, command.seat):
        return command
    return await asyncio.to_thread(_with_draft, command, await ledger())


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
