"""Who read the recording or a proof that was handed in, and who was given a copy: the ledger's own lines as rows.

Rules
* ``what`` is one of ``ACCESSES``. A proof is somebody's: ``of`` says whose, and is ``None`` in every other row.
* Newest first, at most ``MAX_ACCESSES``; whatever is older stands in the ledger (COURT.md 11.10).
* For the bench, the clerk and staff; nobody else is shown who read what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from courtroom.control.api import Listed
from courtroom.hearing import signing
from courtroom.hearing.ledger import Entry
from courtroom.hearing.model import Hearing

ACCESSES: Final = frozenset({"read", "bag", "copy_issued", "copy_read", "attachment_read"})
OF: Final = ("archive_noted", "attachment_read")
"""The types of the entries that an access is."""
MAX_ACCESSES: Final = 500


def accesses(courtroom: Listed, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """``[{"seq", "at", "what", "reader", "role", "side", "title", "name", "of"}]`` of the ledger's ``entries``."""
    hearing, names = courtroom.hearing, courtroom.names
    found = []
    for entry in entries:
        what, told = _access(entry)
        if what not in ACCESSES:
            continue
        reader = person_at(hearing, str(told.get("reader", told.get("recipient", ""))), names)
        found.append({
            "seq": entry.seq, "at": entry.at, "what": what,
            "reader": reader.pop("seat"), **reader,
            "of": person_at(hearing, str(told["owner"]), names) if "owner" in told else None,
        })  # fmt: skip
    return found[::-1][:MAX_ACCESSES]


def _access(entry: Entry) -> tuple[str, Mapping[str, Any]]:
    """What was done, and the values that say by whom; ``""`` for an entry that tells of something else."""
    if entry.type == "attachment_read":
        return entry.type, entry.body
    detail = entry.body.get("detail")
    if entry.type != "archive_noted" or not isinstance(detail, Mapping):
        return "", {}
    what = str(entry.body.get("what", ""))
    return "bag" if (what, detail.get("what")) == ("read", "bag") else what, detail


def person_at(hearing: Hearing, seat: str, names: Mapping[str, str]) -> dict[str, str]:
    """``{"seat", "role", "side", "title", "name"}``; all but the first empty when there is no such seat (``staff``)."""
    known = hearing.seats.get(seat)
    if known is None:
        return {"seat": seat, "role": "", "side": "", "title": "", "name": ""}
    return {
        "seat": seat, "role": known.role.value, "side": known.plan.side.value,
        "title": signing.title_of(hearing, known), "name": names.get(seat, ""),
    }  # fmt: skip
