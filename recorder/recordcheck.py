"""The record inside an archive: ledger and heads, segments, recording log, isolation, programme, holds.

Each part says what it found and leaves the others alone. What can only be recomputed from unharmed media (the log, the
certificates) is recomputed only then; the digests of those files are checked with the files in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import av

from courtroom.catalogue import text
from courtroom.errors import BadMessage
from courtroom.hearing import holds
from courtroom.hearing.events import CaptureNoted
from courtroom.hearing.ledger import Entry, canonical, event_of, from_line, head_bytes, verify_chain, verify_head
from recorder import recordinglaw
from recorder.bag import ISOLATION, KEYS, PROGRAMME, certificates_of
from recorder.bagcheck import safe_name
from recorder.examined import Examined
from recorder.ledgerfile import head_of
from recorder.payloads import MAX_SEGMENT_BYTES
from recorder.repaired import repaired
from recorder.seal import signed_by
from recorder.sealedjson import bounded_json
from recorder.timeline import FRAME_US, Gap, recording_log
from recorder.wording import Said, ground, length, moment, named, said

MAX_GAPS: Final = 500
US: Final = 1_000_000


def ledger(seen: Examined) -> None:
    entries = []
    for number, line in enumerate(seen.read("data/ledger.jsonl").splitlines(keepends=True), 1):
        try:
            if not line.endswith(b"\n"):
                raise BadMessage("ledger_line")
            entries.append(from_line(line))
        except BadMessage:
            last = [entries[-1].at // US] if entries else []
            seen.add("ledger_line", False, "ledger.jsonl", last, line=number)
            return
    if not entries:
        raise BadMessage("ledger_empty")
    problem = verify_chain(entries)
    if problem is not None:
        at = entries[min(problem.seq, len(entries)) - 1].at // US
        why = named(("verify.chain",), problem.reason, "verify.chain.event")
        seen.add("ledger_chain", False, "ledger.jsonl", [at], line=problem.seq, reason=why)
        return
    seen.entries = entries
    signed = seen.signed.get("ledger", {})
    if signed and (len(entries), entries[-1].hash) != (signed["entries"], signed["last_hash"]):
        seen.add("ledger_cut", False, "ledger.jsonl", [], entries=len(entries), signed=signed["entries"])
        return
    seen.add("ledger", True, "ledger.jsonl", entries=len(entries))


def heads(seen: Examined) -> None:
    value = bounded_json(seen.read("data/heads.json"))
    found = [head_of(item) for item in value] if isinstance(value, list) else []
    if not found:
        raise BadMessage("head")
    keys = {str(seen.signed.get("seal", {}).get("signature_key", found[0].key)), *_ring(seen)}
    for head in found:
        message = head_bytes(head.hearing, head.seq, head.hash, head.at)
        if not signed_by(message, head.signature, head.key) or head.key not in keys:
            seen.add("head_signature", False, "heads.json", [head.at // US], seq=head.seq)
        elif seen.entries and verify_head(seen.entries, head) is not None:
            seen.add("head_not_in_ledger", False, "heads.json", [head.at // US], seq=head.seq)
        elif seen.entries:
            seen.add("head", True, "heads.json", seq=head.seq)


def _ring(seen: Examined) -> set[str]:
    """Keys of the archive's own keyring; whether they are the court's is asked in ``sealcheck.trust``."""
    from courtroom.hearing.keyring import keyring_of

    if f"data/{KEYS}" not in seen.files or seen.told(KEYS):
        return set()
    return {one.key for one in keyring_of(bounded_json(seen.read(f"data/{KEYS}")))}


def later_ledger(seen: Examined) -> None:
    """A newer ledger of the same hearing must go on where the sealed one ends."""
    newer = seen.anchors.ledger
    if not newer or not seen.entries:
        return
    problem = verify_chain(newer)
    same = len(newer) >= len(seen.entries) and newer[len(seen.entries) - 1].hash == seen.entries[-1].hash
    good = problem is None and same
    seen.add("later_ledger" if good else "later_ledger_wrong", good, entries=len(newer))


def sealed_in_ledger(seen: Examined) -> None:
    if not seen.entries:
        return
    told: dict[str, set[str]] = {}
    for entry in seen.entries:
        match event_of(entry):
            case CaptureNoted(what="sealed", detail={"segment": str(name), "sha256": str(sha)}):
                told.setdefault(name, set()).add(sha)
            case _:
                pass
    before = len(seen.checks)
    present = {name.rsplit("/", 1)[1]: name for name in seen.capture_names()}
    for name, path in present.items():
        if name not in told:
            seen.add("segment_not_in_ledger", False, f"capture/{name}", seen.all_seconds(f"capture/{name}"))
        elif told[name] != {seen.scanned(path).sha256}:
            seen.add("segment_not_as_in_ledger", False, f"capture/{name}")
    for name in sorted(told.keys() - present.keys()):
        if safe_name(name) and not seen.told(f"capture/{name}"):
            seen.add("missing", False, f"capture/{name}", seen.all_seconds(f"capture/{name}"))
    if len(seen.checks) == before:
        seen.add("segments_in_ledger", True, segments=len(present))


# --- media --------------------------------------------------------------------------------------------------------


def segments(seen: Examined) -> None:
    names = seen.capture_names()
    tears = {segment["file"]: segment["tear"] for segment in seen.signed.get("segments", [])}
    before = len(seen.checks)
    for name in names:
        file = name.removeprefix("data/")
        if seen.files[name] > MAX_SEGMENT_BYTES:
            seen.add("unreadable", False, file)
            continue
        for fault in seen.scanned(name).faults:
            known = fault.kind in ("tear", "end") and tears.get(file, "") != ""
            name_of = "segment_torn" if known else f"segment_{fault.kind}"
            seen.add(name_of, known, file, [fault.second] if fault.second else [], note=known, offset=fault.offset)
    if len(seen.checks) == before:
        seen.add("segments", True, segments=len(names))


def unharmed(seen: Examined) -> bool:
    """Whether ledger and capture can be computed with: the chain holds and no segment was found wrong."""
    return bool(seen.entries) and not any(not found.ok and found.file.startswith("capture/") for found in seen.checks)


def log(seen: Examined) -> None:
    stored = seen.read("data/recording-log.json")
    if not unharmed(seen):
        return  # nothing left to compare it with; its own digest was checked with the files
    made = recording_log(seen.recording())
    good = canonical(made) + b"\n" == stored
    seen.add("log" if good else "log_wrong", good, "recording-log.json", gaps=len(made["gaps"]))


def law(seen: Examined) -> None:
    """Interruptions: two people and a lawful ground by the ledger; silence by the media."""
    if not seen.entries:
        return
    found, before = recordinglaw.examine(seen.entries), len(seen.checks)
    for one in found.breaches:
        seen.add(f"law_{one.kind}", False, "ledger.jsonl", [one.at // US], seq=one.seq)
    for loud in _heard(seen):
        begin, late = loud.gap.start // US, loud.after_us
        seen.add(
            "law_slow" if loud.late else "law_recorded", loud.late, "ledger.jsonl",
            range(begin, min(begin + late // US, begin + 86_400) + 1), note=loud.late,
            reason=ground(loud.gap.reason), seq=loud.gap.seq, length=length(late),
        )  # fmt: skip
    if all(seen.checks[place].ok for place in range(before, len(seen.checks))):
        seen.add("law", True, "ledger.jsonl", confirmed=found.confirmed, by_phase=found.by_phase)


def _heard(seen: Examined) -> list[recordinglaw.Heard]:
    if not unharmed(seen):
        return []
    try:
        return recordinglaw.heard(seen.recording().gaps[:MAX_GAPS], seen.capture().packets)
    except BadMessage:
        return []  # no recording, no segments: told elsewhere


def absences(seen: Examined) -> dict[str, Any]:
    """The stretches without recording, each as a note; ``{"lawfully_absent", "absent"}`` for the report."""
    found: dict[str, Any] = {"lawfully_absent": [], "absent": []}
    if not unharmed(seen):
        return found
    try:
        recording = seen.recording()
    except BadMessage:
        return found
    for gap in recording.gaps[:MAX_GAPS]:
        found["lawfully_absent" if gap.kind == "lawful" else "absent"].append(_stretch(gap))
        seen.add(
            "gap_lawful" if gap.kind == "lawful" else "gap_fault", True, "recording-log.json",
            range(gap.start // US, min(gap.end // US, gap.start // US + 86_400) + 1), note=True,
            reason=ground(gap.reason), by=_ordered(seen, gap), seq=gap.seq, length=length(gap.end - gap.start),
        )  # fmt: skip
    for gap, packets in repaired(seen.root, seen.segments(), recording.gaps):
        seen.add("gap_repaired", True, "recording-log.json", [gap.start // US], note=True,
                 length=length(gap.end - gap.start), packets=packets)  # fmt: skip
    return found


def _ordered(seen: Examined, gap: Gap) -> Said:
    """By whom: one for a phase of the hearing, two for what takes two."""
    people = seen.people()
    return people.both(gap.proposed_by, gap.by) if gap.proposed_by else people.who(gap.by)


def _stretch(gap: Gap) -> dict[str, Any]:
    return {"from_at": gap.start, "to_at": gap.end, "reason": gap.reason, "by": gap.by, "seq": gap.seq}


def isolated(seen: Examined) -> None:
    """The certificates, computed again from ledger and capture alone."""
    if f"data/{ISOLATION}" not in seen.files:
        if ISOLATION in seen.signed.get("files", {}) or seen.signed.get("version", 0) >= 2:
            raise BadMessage("missing")
        return  # sealed before there were certificates
    stored = seen.read(f"data/{ISOLATION}")
    if not unharmed(seen):
        return
    made = certificates_of(seen.entries, seen.segments(), seen.recording())
    if canonical(made) + b"\n" != stored:
        seen.add("isolation_wrong", False, ISOLATION)
        return
    journal = made["journal"]
    for one in made["certificates"]:
        values = {name: one[name] for name in ("packets_in_testimony", "packets_outside", "recorded_outside")}
        values["seat"] = seen.people().who(one["seat"])
        if one["holds"]:
            seen.add("isolation", True, ISOLATION, **values)
        elif journal["lines"]:
            seen.add("isolation_broken", False, ISOLATION, **values, transports=one["transports_outside"])
        else:
            seen.add("isolation_unjournalled", True, ISOLATION, note=True, **values)
    if not made["certificates"]:
        seen.add("isolation_nobody", True, ISOLATION)
    elif journal["broken"] or journal["unjournalled"]:
        stretches = [second for begin, end in journal["unjournalled"] for second in range(begin // US, end // US + 1)]
        seen.add("isolation_gaps", True, ISOLATION, stretches[:86_400], note=True, lines=journal["broken"])


def programme(seen: Examined) -> None:
    signed = seen.signed.get("programme")
    name = f"data/{PROGRAMME}"
    if not signed or seen.told(PROGRAMME):
        return
    if name not in seen.files:
        raise BadMessage("missing")
    try:
        with av.open(str(seen.root / name)) as container:
            frames = container.streams.video[0].frames
            heard = len(container.streams.audio)
    except (av.FFmpegError, IndexError) as error:
        raise BadMessage("programme") from error
    good = frames == signed["frames"] and heard == 1
    word = "programme" if good else "programme_wrong"
    seen.add(word, good, PROGRAMME, frames=frames, length=length(frames * FRAME_US))


def kept(seen: Examined) -> None:
    """Period and holds, by the newest ledger there is. Nothing follows from them: nothing here removes anything."""
    entries = seen.entries
    if seen.anchors.ledger and not any(found.name == "later_ledger_wrong" for found in seen.checks):
        entries = list(seen.anchors.ledger)
    if not entries:
        return
    _period(seen, entries)
    for hold in holds.holds_of(entries):
        word = "hold_lifted" if hold.lifted_at else "hold_until" if hold.until else "hold"
        seen.add(
            word, True, note=True, by=seen.people().who(hold.by), reason=hold.reason, seq=hold.seq,
            since=moment(hold.since), until=moment(hold.until) if hold.until else 0,
        )  # fmt: skip


def _period(seen: Examined, entries: list[Entry]) -> None:
    """The period by the newest ledger; where that is not what it was when this was sealed, both."""
    now, sealed = (holds.retention_of(listed, listed[-1].at) for listed in (entries, seen.entries or entries))
    word = "unset" if not now["seq"] else "set" if now["seq"] == sealed["seq"] else "changed"
    seen.add(
        f"retention_{word}", True, note=word != "set", seq=int(now["seq"]), years=int(now["years"]),
        entries=len(entries), period=_period_words(now), sealed=_period_words(sealed),
    )  # fmt: skip


def _period_words(retention: Mapping[str, str | int]) -> Said:
    key = f"page.archive.period.{retention['period']}" if retention["seq"] else "verify.period.unset"
    return said(retention["period"], lambda lang: text(key, lang))
