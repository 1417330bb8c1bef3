"""From a draft to lines for people, in one language: no layout, no judgement, every line with its ledger numbers.

Rules
* Sentences come from the catalogue (``absence.*``, ``fact.*``); what a person wrote is quoted as it stands, bounded; it
  never becomes markup.
* Every table is bounded by ``Limits``; what does not fit is counted and said where it is.
* Times are the court's clock, UTC+8, to the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from courtroom.catalogue import Language, known, text
from courtroom.hearing.drafts import Draft, Line, Proposal
from courtroom.hearing.ledger import SignedHead
from courtroom.hearing.model import Case
from courtroom.hearing.rules import RuleTable

BEIJING: Final = timezone(timedelta(hours=8))
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rows of each table, and characters of each quotation, fit on the two pages."""

    spells: int = 14
    evidence: int = 22
    notices: int = 8
    quotations: int = 8
    characters: int = 160
    finding: int = 1200

    def tighter(self, page: int) -> Limits:
        """The next smaller ones for what stands on ``page`` (1 or 2)."""
        if page == 1:
            return replace(self, spells=max(1, self.spells - 1), evidence=max(1, self.evidence - 2))
        if self.characters > 70:
            return replace(self, characters=self.characters * 3 // 4)
        if max(self.quotations, self.notices) <= 2 and self.finding > 200:
            return replace(self, finding=self.finding * 3 // 4)
        if self.quotations > self.notices:
            return replace(self, quotations=self.quotations - 1)
        return replace(self, notices=max(1, self.notices - 1))


@dataclass(frozen=True, slots=True)
class Subject:
    """What a draft does not hold: names live outside the ledger."""

    case: Case
    name: str
    head: SignedHead
    digest: str
    rulings: Sequence[Line]


def day_time(at: int) -> str:
    """``2026-11-22 09:30:05``; a dash for 0."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S") if at else "—"


def clock(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000, UTC).astimezone(BEIJING).strftime("%H:%M:%S") if at else "—"


def length(micros: int) -> str:
    """``h:mm:ss``."""
    seconds = max(0, micros) // 1_000_000
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def refs(numbers: Iterable[int]) -> str:
    return " ".join(f"#{one}" for one in numbers if one) or "—"


class Words:
    """One draft in one language."""

    def __init__(self, draft: Draft, table: RuleTable, subject: Subject, lang: Language, limits: Limits) -> None:
        self._draft = draft
        self._table = table
        self._subject = subject
        self._lang: Language = lang
        self._limits = limits

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

    def say(self, key: str, /, **values: str | int) -> str:
        return text(f"absence.{key}", self._lang, **values)

    def word(self, key: str, fallback: str) -> str:
        """A word of a closed set from elsewhere in the catalogue; the code itself where it has none."""
        return text(key, self._lang) if known(key) else fallback

    def quoted(self, said: str, seq: int, most: int = 0) -> str:
        """A person's own words, on one line and bounded."""
        line = " ".join(said.split())
        most = most or self._limits.characters
        return line if len(line) <= most else line[:most] + self.say("shortened", seq=seq)

    # --- page one -------------------------------------------------------------------------------

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
            [self.say("opened"), _cited(day_time(draft.opened_at), [draft.opened_seq])],
            [self.say("situation"), _cited(situation, [draft.absence_seq])],
            [self.say("attributed"), _cited(cause, [draft.cause_seq])],
            [self.say("as_of"), self.say("as_of_value", seq=draft.seq, at=day_time(draft.at))],
        ]

    def timeline(self) -> Row:
        """Fractions of the width between the first spell and the end of the draft."""
        draft = self._draft
        spells = draft.timeline
        start = min([spell["since"] for spell in spells], default=draft.at)
        end = max(draft.at, start + 1)

        def place(at: int) -> float:
            return max(0.0, min(1.0, (at - start) / (end - start)))

        segments = [
            {"from": place(spell["since"]), "to": place(spell["until"] or end), "state": _tone(spell)}
            for spell in spells
        ]
        marks = [
            {"at": place(one["at"]), "kind": one["step"]} for one in draft.notices
        ]  # fmt: skip
        marks += [{"at": place(one.at), "kind": "return"} for one in draft.returns]
        marks += [
            {"at": place(at), "kind": kind}
            for at, kind in ((draft.opened_at, "opened"), (draft.closed_at, "closed"))
            if at
        ]
        ticks = [{"at": n / 4, "label": clock(start + (end - start) * n // 4)} for n in range(5)]
        legend = [
            {"state": tone, "label": self.word(f"presence.{tone}", tone)}
            for tone in ("present", "waiting", "absent", "interrupted", "left", "excused")
        ]
        legend.append({"state": "platform", "label": self.word("cause.platform_failure", "platform")})
        names = {kind: self.say(f"legend.{kind}") for kind in ("prompt", "warning", "opened", "closed", "return")}
        return {
            "title": self.say("timeline"), "segments": segments[-200:], "marks": marks[-100:], "ticks": ticks,
            "legend": legend, "names": names, "day": day_time(start)[:10],
        }  # fmt: skip

    def spells(self) -> Row:
        rows = [
            {
                "seq": spell["seq"],
                "cells": [
                    clock(spell["since"]),
                    clock(spell["until"]) if spell["until"] else self.say("lasts"),
                    length((spell["until"] or self._draft.at) - spell["since"]),
                    self.word(f"presence.{spell['state']}", spell["state"]),
                    self._causes(spell),
                    refs(_numbers(spell)),
                ],
            }
            for spell in self._draft.timeline
        ]
        return self._table_of("spells", ("from", "to", "length", "state", "cause", "ref"), rows, self._limits.spells)

    def _causes(self, spell: Row) -> str:
        """Every attribution in order: none is overwritten."""
        named = [str(one["cause"]) for one in spell.get("attributions", ())] or [spell["cause"] or ""]
        return " → ".join(self.word(f"cause.{one}", one) for one in named if one) or "—"

    def evidence(self) -> Row:
        rows = [
            {
                "seq": int(line.get("seq", 0)),
                "cells": [
                    clock(int(line["at"])),
                    self.say(f"clock.{line['clock']}"),
                    self._fact(line),
                    self.say(f"weighs.{line.get('weighs', 'none')}"),
                    refs([int(line.get("seq", 0))]),
                ],
            }
            for spell in self._draft.timeline
            for line in spell.get("evidence", ())
        ]
        return self._table_of("evidence", ("time", "clock", "fact", "weighs", "ref"), rows, self._limits.evidence)

    def _fact(self, line: Mapping[str, Any]) -> str:
        fact = str(line["fact"])
        hidden = {"fact", "at", "clock", "weighs", "seq"}
        more = [self._detail(key, value) for key, value in sorted(line.items()) if key not in hidden]
        said = self.word(f"fact.{fact}", fact)
        return f"{said} ({', '.join(more)})"[:160] if more else said

    def _detail(self, key: str, value: object) -> str:
        """A further number of a row; a moment as a moment."""
        shown = clock(value) if key.endswith("_at") and isinstance(value, int) else str(value)
        return f"{self.word(f'file.detail.{key}', key)} {shown}"

    # --- page two -------------------------------------------------------------------------------

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

    def notices(self) -> Row:
        rows = [
            {
                "seq": one["notice"],
                "cells": [
                    clock(one["at"]),
                    self.say(f"step.{one['step']}")
                    + (self.say("ended", time=clock(one["ended_at"])) if one["ended_at"] else ""),
                    self._deliveries(one),
                    refs([one["notice"], *(each["seq"] for each in one["deliveries"])]),
                ],
            }
            for one in self._draft.notices
        ]
        cited = {seq for one in self._draft.preconditions for seq in one.refs}
        first = {one["notice"]: (one["notice"] in cited, one["step"] == "warning") for one in self._draft.notices}
        most = self._limits.notices  # what a ruling rests on is left out last
        kept = sorted(rows, key=lambda row: (first[row["seq"]], row["seq"]))[-most:]
        rows = [row for row in rows if row not in kept] + sorted(kept, key=lambda row: int(row["seq"]))
        return self._table_of("notices", ("time", "what", "delivery", "ref"), rows, most)

    def _deliveries(self, notice: Row) -> str:
        said = [
            f"{self.say('channel.' + one['channel'])} {self.say('delivery.' + one['state'])} {clock(one['at'])}"
            for one in notice["deliveries"]
            if one["channel"] != "phone"
        ][-6:]
        said += [
            self.say(
                "call", who=self.say(f"who.{call.body['who']}"), time=clock(int(call.body["called_at"])),
                said=self.quoted(str(call.body["said"]), call.seq),
            )
            for call in self._draft.calls
            if call.body["notice"] == notice["notice"]
        ][-3:]  # fmt: skip
        return ("；" if self._lang == "zh" else "; ").join(said) or self.say("not_delivered")

    def statement(self) -> Row:
        rows = [{"seq": one["seq"], "cells": [clock(one["at"]), self._said(one), refs([one["seq"]])]}
                for one in self._draft.statements]  # fmt: skip
        rows += [
            {"seq": one.seq, "cells": [clock(one.at), self._asked(one), refs([one.seq])]}
            for one in self._draft.requests
        ]
        rows += [
            {"seq": one.seq, "cells": [clock(one.at), self.say(f"return.{one.body['how']}"), refs([one.seq])]}
            for one in self._draft.returns
        ]
        rows.sort(key=lambda row: row["seq"])
        return self._table_of("statement", ("time", "what", "ref"), rows, self._limits.quotations)

    def _said(self, one: Row) -> str:
        reason = self.say(f"reason.{one['reason']}")
        said = self.say("said", reason=reason, text=self.quoted(one["text"], one["seq"]))
        file = one["attachment"]
        if file is None:
            return said
        named = self.say("attached", name=file["name"][:40], size=file["size"], sha256=file["sha256"][:16] + "…")
        kept = self.say("attached.held", ref=refs([file["held"]])) if file["held"] else self.say("attached.named")
        return f"{said} {named}{kept}"

    def _asked(self, one: Line) -> str:
        match one.what:
            case "excused":
                return self.say("leave_given", until=clock(int(one.body["until"])))
            case "leave_asked":
                said = self.quoted(str(one.body["reason"]), one.seq)
                return self.say("asked.leave", until=clock(int(one.body["until"])), text=said)
        kind, said = str(one.body["kind"]), self.quoted(str(one.body["text"]), one.seq)
        return (
            self.say("asked.offline", text=said) if kind == "offline" else self.say("asked.other", kind=kind, text=said)
        )

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

    def _table_of(self, name: str, columns: Sequence[str], rows: Sequence[Row], most: int) -> Row:
        """The newest ``most`` rows; the older ones are counted and said where they are."""
        left = rows[: max(0, len(rows) - most)]
        numbers = [row["seq"] for row in left if row["seq"]]
        more = ""
        if left and numbers:
            more = self.say("more", n=len(left), first=min(numbers), last=max(numbers))
        elif left:
            more = self.say("more_plain", n=len(left))
        return {
            "title": self.say(name), "head": [self.say(f"col.{one}") for one in columns],
            "rows": [row["cells"] for row in rows[len(left) :]], "more": more, "none": self.say("none"),
        }  # fmt: skip


def _breakable(digits: str) -> str:
    """Long hex in groups of 32."""
    return " ".join(digits[at : at + 32] for at in range(0, len(digits), 32))


def _cited(said: str, numbers: Iterable[int]) -> str:
    known_ones = [one for one in numbers if one]
    return f"{said} {refs(known_ones)}" if known_ones else said


def _tone(spell: Row) -> str:
    return "platform" if spell["cause"] == "platform_failure" else str(spell["state"])


def _numbers(spell: Row) -> list[int]:
    later = [one["seq"] for one in spell.get("attributions", ()) if one["seq"] != spell["seq"]]
    return [spell["seq"], *later][-5:]
