"""What the archive's pages and lists show of a hearing, as plain values; no wording but the explanation's.

Rules
* Times are µs of the court clock. Where the programme shows a moment follows from its ``parts``, never from a
  subtraction: a long interruption is a short plate in the picture.
* The seal's own gap list is shown once there is one, the ledger's until then.
* Everything here is for the bench, the clerk and staff; what a party may see of it is in ``signatures``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

from courtroom.catalogue import Language, known, text
from courtroom.control.api import Courtroom, Listed
from courtroom.hearing import access, holds, roles, signing
from courtroom.hearing.ledger import Entry, SignedHead
from courtroom.hearing.model import Hearing, Role, Seat
from courtroom.server.accesses import accesses, person_at
from courtroom.server.auth import STAFF

SEAL_STATES: Final = ("intact", "explained", "unexplained", "pending", "failed")
MAX_SPELLS: Final = 2000
MAX_QUERY: Final = 100


def seal_state(courtroom: Listed) -> str:
    """One of ``SEAL_STATES``: what a person must know before relying on this recording."""
    if courtroom.archive.state == "failed":
        return "failed"
    if courtroom.archive.state != "sealed":
        return "pending"
    if not signing.needs_explanation(courtroom.hearing) and not _faults(courtroom):
        return "intact"
    return "explained" if courtroom.hearing.explanation else "unexplained"


def archive_row(courtroom: Listed, now: int) -> dict[str, Any]:
    """A line of the list; ``now`` µs, for holds that end by themselves."""
    hearing = courtroom.hearing
    answers = signing.register(hearing, {})
    return {
        "id": hearing.id,
        "case": asdict(hearing.case),
        "opened_at": hearing.opened_at,
        "closed_at": hearing.closed_at,
        "duration_us": _duration(courtroom),
        "gaps": len(gaps(courtroom)),
        "state": courtroom.archive.state,
        "seal": seal_state(courtroom),
        "progress": courtroom.archive.progress,
        "held": sum(not until or now < until for _, until in hearing.held),
        "signed": sum(row["outcome"] == "signed" for row in answers),
        "answered": sum(row["outcome"] != "" for row in answers),
        "asked": len(answers),
    }


def found_by(row: Mapping[str, Any], query: str, seal: str) -> bool:
    """Whether a row is among those somebody looks for: words of the case, and a state of the seal."""
    case = row["case"]
    words = " ".join(str(case[name]) for name in ("number", "court", "cause")).casefold()
    wanted = query[:MAX_QUERY].casefold().split()
    return all(word in words for word in wanted) and seal in ("", row["seal"])


def archive_page(
    courtroom: Courtroom,
    reader: str,
    head: SignedHead,
    entries: list[Entry],
    explained: Mapping[str, Any],
    lang: Language,
    now: int,
) -> dict[str, Any]:
    """The context of ``archive_hearing.html``; a seat's links carry the seat."""
    hearing = courtroom.hearing
    sealed = courtroom.archive.state == "sealed"
    role = None if reader == STAFF else hearing.seats[reader].role
    links = _links(courtroom, reader)
    return {
        "case": asdict(hearing.case),
        "opened_at": hearing.opened_at,
        "closed_at": hearing.closed_at,
        "archive": _archive(courtroom, links),
        "head": asdict(head),
        "signatures": _signatures(courtroom) if sealed else [],
        "may_note": role is Role.CLERK and sealed,
        "explanation": _explanation(explained, hearing, entries, lang, may_sign=role is Role.PRESIDING_JUDGE),
        "accesses": accesses(courtroom, entries),
        "second_copy": _second_copy(entries),
        "isolation": _isolation(courtroom, entries),
        "keeping": _keeping(courtroom, entries, now, may_lift=role in (None, Role.PRESIDING_JUDGE)),
        "recipients": _recipients(courtroom),
        "page": {
            **_player(courtroom),
            **{name: links[name] for name in links if name != "bag_url"},
            "seat": "" if reader == STAFF else reader,
            "digest": explained.get("digest") or "",
        },
    }


def _links(courtroom: Courtroom, reader: str) -> dict[str, str]:
    """Where the page's scripts ask and send; '' where there is nothing before the seal."""
    query = "" if reader == STAFF else f"?seat={reader}"
    base = f"/api/v1/hearings/{courtroom.id}"
    after = {
        "video_url": f"{base}/archive/video{query}",
        "bag_url": f"{base}/archive/bag{query}",
        "speakers_url": f"{base}/archive/speakers{query}",
        "copies_url": f"{base}/copies",
        "fairness_url": f"{base}/fairness{query}",
    }
    always = {
        "verify_url": f"{base}/archive/verify{query}",
        "status_url": f"{base}/archive{query}",
        "signatures_url": f"{base}/signatures",
        "explanation_url": f"{base}/explanation",
        "holds_url": f"{base}/archive/holds",
        "retention_url": f"{base}/archive/retention",
    }
    sealed = courtroom.archive.state == "sealed"
    return {**always, **{name: url if sealed else "" for name, url in after.items()}}


def _archive(courtroom: Courtroom, links: Mapping[str, str]) -> dict[str, Any]:
    archive = courtroom.archive
    return {
        "state": archive.state,
        "seal_state": seal_state(courtroom),
        "progress": archive.progress,
        "eta_s": archive.eta_s,
        "duration_us": _duration(courtroom),
        "video_url": links["video_url"],
        "bag_url": links["bag_url"],
        "seal": _shown_seal(archive.seal),
        "gaps": gaps(courtroom),
    }


def _player(courtroom: Courtroom) -> dict[str, Any]:
    """What the line under the film is drawn from."""
    hearing, seal = courtroom.hearing, courtroom.archive.seal
    return {
        "hearing": hearing.id,
        "state": courtroom.archive.state,
        "opened_at": hearing.opened_at,
        "from_at": int(seal.get("started_at", hearing.opened_at)),
        "to_at": int(seal.get("ended_at", _end(hearing))),
        "duration_us": _duration(courtroom),
        "parts": parts(seal),
        "phases": phases(courtroom),
        "gaps": gaps(courtroom),
        "presence": _presence(courtroom) if hearing.opened_at else [],
        "people": [person_at(hearing, seat.id, courtroom.names) for seat in _in_order(hearing)],
    }


def _shown_seal(seal: Mapping[str, Any]) -> dict[str, Any]:
    """The integrity values under the names the page shows them by; what is missing is not shown."""
    names = {"sha256": "root_sha256", "sm3": "root_sm3", "key": "signature_key"}
    return {**seal, **{shown: seal[name] for shown, name in names.items() if name in seal}}


def parts(seal: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``[{"kind", "court_at", "at_us", "length_us"}]``: which stretch of the film shows which moment of the court."""
    programme = seal.get("programme", {})
    fps = int(programme.get("fps", 0) or 0)
    if fps <= 0:
        return []
    return [
        {
            "kind": str(part["kind"]),
            "court_at": int(part["court_at"]),
            "at_us": int(part["first_frame"]) * 1_000_000 // fps,
            "length_us": int(part["frames"]) * 1_000_000 // fps,
        }
        for part in programme.get("parts", [])
    ]


def phases(courtroom: Courtroom) -> list[dict[str, Any]]:
    """``[{"phase", "from_at", "to_at"}]`` within the recording, from the moments the seal lists."""
    seal, hearing = courtroom.archive.seal, courtroom.hearing
    begin, end = int(seal.get("started_at", hearing.opened_at)), int(seal.get("ended_at", _end(hearing)))
    listed = [(int(one["at"]), str(one["phase"])) for one in seal.get("phases", [])]
    until = [at for at, _ in listed[1:]] + [end]
    spans = [(phase, max(at, begin), min(to, end)) for (at, phase), to in zip(listed, until, strict=False)]
    return [{"phase": phase, "from_at": at, "to_at": to} for phase, at, to in spans if at < to]


def gaps(courtroom: Listed) -> list[dict[str, Any]]:
    """``[{"from_at", "to_at", "reason", "fault", "by": [names]}]``: one line each of the recording log."""
    hearing, names = courtroom.hearing, courtroom.names
    people = {gap.since: gap.by for gap in hearing.interruptions if gap.by}
    if "gaps" not in courtroom.archive.seal:
        return [
            {"from_at": one.since, "to_at": one.until or _end(hearing), "reason": one.reason,
             "fault": one.reason == "fault", "by": _names(one.by, names)}
            for one in hearing.interruptions
        ]  # fmt: skip
    return [
        {"from_at": gap["from_at"], "to_at": gap["to_at"], "reason": gap["reason"], "fault": signing.is_fault(gap),
         "by": _names(people.get(gap["from_at"], (str(gap.get("by", "")),)), names)}
        for gap in courtroom.archive.seal["gaps"]
    ]  # fmt: skip


def _names(seats: Iterable[str], names: Mapping[str, str]) -> list[str]:
    return [name for seat in seats if (name := names.get(seat, ""))]


def _faults(courtroom: Listed) -> bool:
    return any(gap["fault"] for gap in gaps(courtroom))


def _duration(courtroom: Listed) -> int:
    if "duration_us" in courtroom.archive.seal:
        return int(courtroom.archive.seal["duration_us"])
    hearing = courtroom.hearing
    return max(0, _end(hearing) - hearing.opened_at) if hearing.opened_at else 0


def _end(hearing: Hearing) -> int:
    return hearing.closed_at or hearing.at


# --- people -------------------------------------------------------------------------------------------------------


def _in_order(hearing: Hearing) -> list[Seat]:
    return sorted(hearing.seats.values(), key=lambda seat: roles.ORDER[seat.role])


def _signatures(courtroom: Courtroom) -> list[dict[str, Any]]:
    """The register, with the name of the clerk where the clerk answered for somebody."""
    names = courtroom.names
    return [
        {**row, "noted_by": "" if row["recorded_by"] == row["seat"] else names.get(row["recorded_by"], "")}
        for row in signing.register(courtroom.hearing, names)
    ]


def _recipients(courtroom: Courtroom) -> list[dict[str, str]]:
    """For whom a copy may be ordered; the parties first, since it is for them that copies are made."""
    hearing = courtroom.hearing
    allowed = [seat for seat in _in_order(hearing) if access.may_have_copy(hearing, seat.id)]
    allowed.sort(key=lambda seat: seat.role in roles.STAFF)
    return [person_at(hearing, seat.id, courtroom.names) for seat in allowed]


def _presence(courtroom: Courtroom) -> list[dict[str, Any]]:
    """A strip for each seat that was ever there: its spells as the ledger has them."""
    hearing = courtroom.hearing
    return [
        {
            **person_at(hearing, seat.id, courtroom.names),
            "required": seat.plan.required,
            "spells": [
                {
                    "state": spell.state.value,
                    "since": spell.since,
                    "until": spell.until or _end(hearing),
                    "cause": None if spell.cause is None else spell.cause.value,
                }
                for spell in seat.timeline[:MAX_SPELLS]
            ],
            "prompts": list(seat.prompts),
            "warnings": list(seat.warnings),
        }
        for seat in _in_order(hearing)
        if seat.role is not Role.OBSERVER and any(spell.state.value != "absent" for spell in seat.timeline)
    ]


def _keeping(courtroom: Courtroom, entries: list[Entry], now: int, *, may_lift: bool) -> dict[str, Any]:
    """How long it is kept and who ordered it held, newest hold first; ``state``: in_force | over | lifted."""
    hearing, names = courtroom.hearing, courtroom.names

    listed = [
        {
            **asdict(hold),
            "by": person_at(hearing, hold.by, names),
            "lifted_by": person_at(hearing, hold.lifted_by, names),
            "state": "lifted" if hold.lifted_at else "in_force" if hold.in_force(now) else "over",
        }
        for hold in reversed(holds.holds_of(entries))
    ]
    return {
        "retention": holds.retention_of(entries, hearing.closed_at or hearing.at),
        "periods": list(holds.PERIODS),
        "holds": listed,
        "in_force": sum(one["state"] == "in_force" for one in listed),
        "may_lift": may_lift,
    }


def _second_copy(entries: Iterable[Entry]) -> dict[str, Any] | None:
    """Where the archive lies a second time and when that was last read back; ``None`` while it does not."""
    found = None
    for entry in entries:
        if entry.type == "archive_noted" and entry.body.get("what") == "copied":
            found = {"place": str(entry.body["detail"].get("place", "")), "at": entry.at}
    return found


def certificates(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """The isolation certificates given at dismissals, oldest first: ledger entry, time, and what was counted."""
    return [
        {"seq": entry.seq, "at": entry.at, **entry.body["detail"]}
        for entry in entries
        if entry.type == "capture_noted" and entry.body.get("what") == "isolation"
    ]


def _isolation(courtroom: Courtroom, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """The same for people: who it is, and ``state``: held | incomplete | broken."""
    return [
        {
            **person_at(courtroom.hearing, one["seat"], courtroom.names),
            "seq": one["seq"], "from_at": one["from_at"], "to_at": one["to_at"],
            "inside": one["packets_in_testimony"], "outside": one["packets_outside"],
            "state": "held" if one["holds"] else "broken" if one["complete"] else "incomplete",
        }
        for one in certificates(entries)
        if one["seat"] in courtroom.hearing.seats
    ]  # fmt: skip


# --- the explanation in words -------------------------------------------------------------------------------------


def _explanation(
    explained: Mapping[str, Any], hearing: Hearing, entries: Iterable[Entry], lang: Language, *, may_sign: bool
) -> dict[str, Any] | None:
    draft = explained.get("draft")
    if draft is None:
        return None
    signed = next((entry for entry in entries if entry.type == "explanation_signed"), None)
    return {
        "missing": [
            {**line, "words": _words("explanation.missing", line["reason"], lang)} for line in draft["missing"]
        ],
        "missing_us": draft["missing_us"],
        "reports": [{**line, "words": _words("explanation.report", line["code"], lang)} for line in draft["reports"]],
        "take": draft["take"],
        "digest": explained["digest"],
        "signed": bool(hearing.explanation),
        "signed_at": 0 if signed is None else signed.at,
        "remark": "" if signed is None else str(signed.body.get("remark", "")),
        "stroke": "" if signed is None else str(signed.body.get("stroke", "")),
        "may_sign": may_sign and not hearing.explanation,
        "signer": next(
            (signing.title_of(hearing, seat) for seat in hearing.seats.values() if seat.role is Role.PRESIDING_JUDGE),
            Role.PRESIDING_JUDGE.value,
        ),
    }


def _words(start: str, code: str, lang: Language) -> str:
    """The sentence of a code; a code without one is told as it is."""
    key = f"{start}.{code}"
    return text(key, lang) if known(key) else text(f"{start}.other", lang, code=code or "-")
