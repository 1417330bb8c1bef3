"""What happened, from a draft to lines: presence and its evidence, and what passed between the court and the person.

Rules
* Nothing is judged and nothing left out silently: every attribution of a cause stands in order, none is overwritten.
* Each line names the ledger entries it comes from.
* Of the notices, those that the preconditions rest on are left out last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from courtroom.catalogue import Language, text
from courtroom.documents.lines import Limits, Lines, Row, clock, day_time, length, refs
from courtroom.hearing.drafts import Draft, Line


class Chronicle(Lines):
    def __init__(self, draft: Draft, lang: Language, limits: Limits) -> None:
        super().__init__(lang, limits)
        self._draft = draft

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
        """A further number of a row, in the unit that its name says, as people write it."""
        shown = self._amount(key, value) if isinstance(value, int) and not isinstance(value, bool) else str(value)
        return f"{self.word(f'file.detail.{key}', key)} {shown}"

    def _amount(self, key: str, value: int) -> str:
        if key.endswith("_at"):
            return clock(value) if value else "—"
        if key.endswith("_us"):
            return self._unit("ms", f"{value / 1000:.1f}" if abs(value) < 10_000 else str(value // 1000))
        if key.endswith("_ms"):
            return self._unit("ms", str(value))
        if key.endswith("permille"):
            return self._unit("percent", f"{value / 10:.1f}")
        if key == "percent":
            return self._unit("percent", str(value))
        return text("unit.seconds", self._lang, seconds=value) if key == "seconds" else str(value)

    def _unit(self, name: str, number: str) -> str:
        return text(f"unit.{name}", self._lang, n=number)

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


def _tone(spell: Row) -> str:
    return "platform" if spell["cause"] == "platform_failure" else str(spell["state"])


def _numbers(spell: Row) -> list[int]:
    later = [one["seq"] for one in spell.get("attributions", ()) if one["seq"] != spell["seq"]]
    return [spell["seq"], *later][-5:]
