"""The rule table: which provision of law may follow which absence, by role; data, not code (COURT.md 6).

Rules
* The table is a file with a version; every provision has a citation and the days on which it is in force. It is read
  outside (this floor touches no files) and handed in; ``parse`` believes nothing in it.
* A provision is a proposal for the judge and nothing else: "may" stays "may".
* What hangs on a fact about claims (a counterclaim, a withdrawal that was refused, an independent claim) carries its
  ``condition``. Known to be false, it is not offered; as long as nobody has said, it is offered as ``unknown``.
* No provision is offered for a procedure that the table excludes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from courtroom.errors import BadMessage
from courtroom.hearing.ledger import canonical
from courtroom.hearing.model import ClaimFact, Role

MAX_BYTES: Final = 256 * 1024
MAX_PROVISIONS: Final = 100
MAX_TEXT: Final = 600
SITUATIONS: Final = frozenset({"not_appeared", "left"})
CONDITIONS: Final[Mapping[str, tuple[ClaimFact, bool]]] = {
    "counterclaim": (ClaimFact.COUNTERCLAIM, True),
    "withdrawal_refused": (ClaimFact.WITHDRAWAL_REFUSED, True),
    "independent_claim": (ClaimFact.INDEPENDENT_CLAIM, True),
    "no_independent_claim": (ClaimFact.INDEPENDENT_CLAIM, False),
}
"""Which fact has to be how; a provision without a condition has ''."""
MODALITIES: Final = frozenset({"may", "none"})
COURT_OFFSET_US: Final = 8 * 3600 * 1_000_000
"""The court's day is that of UTC+8."""

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_FIELDS: Final = frozenset(
    {"id", "roles", "situations", "condition", "modality", "valid_from", "valid_until", "cite", "text"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bilingual:
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Provision:
    """``valid_until`` '' while it is in force; both days count."""

    id: str
    roles: frozenset[Role]
    situations: frozenset[str]
    condition: str
    modality: str
    valid_from: str
    valid_until: str
    cite: Bilingual
    text: Bilingual


@dataclass(frozen=True, slots=True)
class RuleTable:
    """``digest`` is SHA-256 of the table's canonical form."""

    version: str
    digest: str
    excluded_procedures: tuple[str, ...]
    provisions: tuple[Provision, ...]

    def find(self, id_: str) -> Provision | None:
        return next((one for one in self.provisions if one.id == id_), None)


def parse(content: bytes) -> RuleTable:
    """The table in ``content``; ``BadMessage("rule_table")`` for anything that is not one."""
    try:
        if len(content) > MAX_BYTES:
            raise ValueError("too big")
        value = json.loads(content)
        provisions = tuple(_provision(one) for one in value["provisions"])
        excluded = tuple(_text(one) for one in value["excluded_procedures"])
        version = _name(value["version"])
        if set(value) != {"version", "note", "excluded_procedures", "provisions"}:
            raise ValueError("fields")
        if not 0 < len(provisions) <= MAX_PROVISIONS or len({one.id for one in provisions}) != len(provisions):
            raise ValueError("provisions")
        digest = hashlib.sha256(canonical(value)).hexdigest()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadMessage("rule_table") from error
    return RuleTable(version, digest, excluded, provisions)


def _provision(value: Any) -> Provision:
    if not isinstance(value, dict) or set(value) != _FIELDS:
        raise ValueError("fields")
    situations = frozenset(_text(one) for one in value["situations"])
    if not situations or not situations <= SITUATIONS:
        raise ValueError("situations")
    if value["condition"] not in ("", *CONDITIONS) or value["modality"] not in MODALITIES:
        raise ValueError("words")
    return Provision(
        id=_name(value["id"]),
        roles=frozenset(Role(one) for one in value["roles"]),
        situations=situations,
        condition=value["condition"],
        modality=value["modality"],
        valid_from=_day(value["valid_from"]),
        valid_until=_day(value["valid_until"]) if value["valid_until"] != "" else "",
        cite=_both(value["cite"]),
        text=_both(value["text"]),
    )


def _text(value: Any) -> str:
    if type(value) is not str or not 0 < len(value) <= MAX_TEXT:
        raise ValueError("text")
    return value


def _name(value: Any) -> str:
    if type(value) is not str or _NAME.fullmatch(value) is None:
        raise ValueError("name")
    return value


def _day(value: Any) -> str:
    if type(value) is not str or _DAY.fullmatch(value) is None:
        raise ValueError("day")
    return date.fromisoformat(value).isoformat()


def _both(value: Any) -> Bilingual:
    if not isinstance(value, dict) or set(value) != {"zh", "en"}:
        raise ValueError("languages")
    return Bilingual(_text(value["zh"]), _text(value["en"]))


def court_day(at: int) -> str:
    """The court's calendar day of ``at`` (µs of Unix time), ISO 8601."""
    days = (at + COURT_OFFSET_US) // (24 * 3600 * 1_000_000)
    return (date(1970, 1, 1) + timedelta(days=days)).isoformat()


@dataclass(frozen=True, slots=True)
class Offer:
    """``condition``: '' (there is none) | ``met`` | ``unknown``; one that is known not to be met is not offered."""

    provision: Provision
    condition: str


def applicable(
    table: RuleTable, role: Role, situation: str, procedure: str, at: int, claims: Mapping[ClaimFact, bool]
) -> tuple[Offer, ...]:
    """The provisions in force at ``at`` for this role, situation and what is known of claims, as the table orders."""
    if any(word in procedure for word in table.excluded_procedures):
        return ()
    day = court_day(at)
    return tuple(
        Offer(one, condition)
        for one in table.provisions
        if role in one.roles
        and situation in one.situations
        and one.valid_from <= day
        and (not one.valid_until or day <= one.valid_until)
        and (condition := _condition(one, claims)) is not None
    )


def _condition(provision: Provision, claims: Mapping[ClaimFact, bool]) -> str | None:
    """How the condition stands; ``None`` when it is known not to be met."""
    if not provision.condition:
        return ""
    fact, wanted = CONDITIONS[provision.condition]
    if fact not in claims:
        return "unknown"
    return "met" if claims[fact] is wanted else None
