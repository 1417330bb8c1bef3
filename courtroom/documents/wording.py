"""The sheet of a draft for people, in one language: no layout, no judgement, every line with its ledger numbers.

Rules
* What happened is told by ``chronicle``, how a line is written by ``lines``; here is what frames it: the case, the
  preconditions, the provisions that may be proposed, the place for the judge's own words, and the proof.
* A provision is offered with its condition and with whether that is known; the finding is the judge's alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from courtroom.catalogue import Language
from courtroom.documents.chronicle import Chronicle
from courtroom.documents.lines import Limits, Row, cited, clock, day_time, length, refs
from courtroom.hearing.drafts import Draft, Line, Proposal
from courtroom.hearing.ledger import SignedHead
from courtroom.hearing.model import Case
from courtroom.hearing.rules import RuleTable


@dataclass(frozen=True, slots=True)
class Subject:
    """What a draft does not hold: names live outside the ledger."""

    case: Case
    name: str
    head: SignedHead
    digest: str
    rulings: Sequence[Line]


class Words(Chronicle):
    """One draft in one language."""

    def __init__(self, draft: Draft, table: RuleTable, subject: Subject, lang: Language, limits: Limits) -> None:
        super().__init__(draft, lang, limits)
        self._table = table
        self._subject = subject

    def sheet(self) -> Row:
        """Everything the template shows, as plain values."""
        draft = self._draft
        return {
            "lang": self._lang,
            "title": self.say("title"),
            "subtitle": self.say("subtitle"),
            "times": self.say("times"),
            "pages": [self.say("page", n=1), self.say("page", n=2)],
            "number": self._subject.case.number,
            "first": {"ok": draft.complete, "text": self.first_line()},
            "identity": self.identity(),
            "timeline": self.timeline(),
            "spells": self.spells(),
            "evidence": self.evidence(),
            "preconditions": self.preconditions(),
            "notices": self.notices(),
            "statement": self.statement(),
            "proposals": self.proposals(),
            "finding": self.finding(),
            "footer": self.footer(),
        }

    def first_line(self) -> str:
        first = self._draft.first_line
        joint = "、" if self._lang == "zh" else "; "
        if first.code == "missing":
            return self.say("first.missing", list=joint.join(self.say(f"pre.{code}") for code in first.missing))
        said = self.say(f"first.{first.code}")
        given = [one["seq"] for one in self._draft.statements if one["at"] >= self._draft.since]
        if first.code != "complete" or not given:
            return said
        return said + ("" if self._lang == "zh" else " ") + self.say("first.statement", refs=refs(given[-3:]))

    def identity(self) -> list[list[str]]:
        draft, case = self._draft, self._subject.case
        until = draft.until or draft.at
        ends = clock(draft.until) if draft.until else self.say("until_now")
        span = {"from": day_time(draft.since), "to": ends, "length": length(until - draft.since)}
        situation = self.say(f"situation.{draft.situation}")
        if draft.situation != "none":
            situation += ("，" if self._lang == "zh" else ", ") + self.say("span", **span)
        role = self.word(f"role.{draft.role}", draft.role)
        cause = self.word(f"cause.{draft.cause}", draft.cause) if draft.cause else self.say("no_cause")
        return [
            [self.say("court"), case.court],
            [self.say("case"), case.number],
            [self.say("cause_of_action"), case.cause or "—"],
            [self.say("seat"), f"{role} {self._subject.name}".strip() + f" ({draft.seat})"],
            [self.say("opened"), cited(day_time(draft.opened_at), [draft.opened_seq])],
            [self.say("situation"), cited(situation, [draft.absence_seq])],
            [self.say("attributed"), cited(cause, [draft.cause_seq])],
            [self.say("as_of"), self.say("as_of_value", seq=draft.seq, at=day_time(draft.at))],
        ]

    def preconditions(self) -> Row:
        rows = [
            {
                "ok": one.ok,
                "text": self.say(f"pre.{one.code}"),
                "word": self.say("ok" if one.ok else "not_ok"),
                "refs": refs(one.refs) if one.refs else self.say("nothing_else", seq=self._draft.seq),
            }
            for one in self._draft.preconditions
        ]
        return {"title": self.say("preconditions"), "rows": rows}

    def proposals(self) -> Row:
        rows: list[Row] = []
        for one in self._draft.proposals:
            found = self._table.find(one.provision)
            if one.neutral or found is None:
                rows.append({"cite": "", "text": self.say("neutral")})
                continue
            condition = self._condition(found.condition, one)
            cite = found.cite.zh if self._lang == "zh" else found.cite.en
            said = found.text.zh if self._lang == "zh" else found.text.en
            rows.append({"cite": cite, "text": condition + said})
        version = self.say("table", version=self._draft.table)
        return {"title": self.say("proposals"), "rows": rows, "table": version}

    def _condition(self, condition: str, one: Proposal) -> str:
        """Under which condition a provision is offered, and whether that is known."""
        match one.condition:
            case "met":
                return self.say(f"condition.met.{condition}", refs=refs(one.refs))
            case "unknown":
                return self.say(f"condition.unknown.{condition}")
        return ""

    def finding(self) -> Row:
        last = self._subject.rulings[-1:]
        said = [
            [
                self.say(
                    "ruled",
                    seq=one.seq,
                    at=day_time(one.at),
                    finding=self.quoted(str(one.body["finding"]), one.seq, self._limits.finding),
                ),
                self.say("ruled_on", draft_seq=int(one.body["draft_seq"]), draft=str(one.body["draft"]) or "—"),
            ]
            for one in last
        ]
        return {
            "title": self.say("finding"), "ruled": said[0] if said else [], "blank": self.say("blank"),
            "sign": self.say("sign"), "date": self.say("date"),
        }  # fmt: skip

    def footer(self) -> list[str]:
        head = self._subject.head
        return [
            self.say("digest", digest=self._subject.digest),
            self.say("head", seq=head.seq, hash=head.hash, signature=_breakable(head.signature), key=head.key),
        ]


def _breakable(digits: str) -> str:
    """Long hex in groups of 32."""
    return " ".join(digits[at : at + 32] for at in range(0, len(digits), 32))
